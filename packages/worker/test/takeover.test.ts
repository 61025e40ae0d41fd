// An owner dies, pauses or is cut off anywhere; others take over. Judged by content: every record is in one place, once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JournalRecord } from '@millrace/core'
import type { JournalFault } from '@millrace/testkit'
import type { DeathPoint, DurableStep } from './support/process.ts'
import { describeEnd, TABLE, World } from './support/world.ts'

/** Rows, both kinds of bad records, drops and a gap: every path writes something. */
function produceMixture(world: World): void {
  const { records } = world
  records.produce('tombstone', 'unreadable')
  records.rows(4)
  records.produce('refused', 'row', 'unreadable', 'row')
  records.gap(2)
  records.rows(3)
  records.produce('filtered', 'refused')
  records.rows(3)
}

/** A first owner that dies there; the world after it. */
async function afterDeathAt(diesAt: DeathPoint | undefined, seed: number): Promise<World> {
  const world = await World.open({ seed })
  produceMixture(world)
  const run = world.begin({}, world.process(diesAt === undefined ? {} : { diesAt }))
  await world.until(
    'it dies or delivers',
    () => run.end !== null || run.partition.view().nextKafkaOffset === world.records.end,
  )
  if (run.end === null) await world.letGo(run)
  return world
}

for (const step of ['journal', 'create', 'append', 'deadLetters'] satisfies DurableStep[])
  test(`exactly once when the owner dies at any of its ${step} steps, before or after it took effect`, async () => {
    const unharmed = await afterDeathAt(undefined, 1)
    const stepCount = unharmed.processes[0]?.counts[step] ?? 0
    assert.ok(stepCount > 0, 'the scenario has such steps')
    for (let nth = 1; nth <= stepCount; nth++)
      for (const when of ['before', 'after'] as const) {
        const world = await afterDeathAt({ step, nth, when }, nth)
        await world.finish()
        await world.time.advance(5_000)
        world.assertExactlyOnce()
        world.assertBudgetsEmpty()
      }
  })

test('exactly once when the successor dies at any of its steps, too', async () => {
  const deaths: DeathPoint[] = (['before', 'after'] as const).flatMap(when => [
    { step: 'finalize', nth: 1, when },
    { step: 'create', nth: 1, when },
    ...[1, 3].map(nth => ({ step: 'append', nth, when }) as const),
    ...[1, 2, 3, 4, 5, 6, 7].map(nth => ({ step: 'journal', nth, when }) as const),
  ])
  for (const first of [3, 5]) {
    for (const [i, diesAt] of deaths.entries()) {
      const world = await afterDeathAt({ step: 'append', nth: first, when: 'after' }, i)
      const second = world.begin({}, world.process({ diesAt }))
      await world.until(
        'the second dies or delivers',
        () => second.end !== null || second.partition.view().nextKafkaOffset === world.records.end,
      )
      if (second.end === null) second.process.die()
      await world.finish()
      world.assertExactlyOnce()
      world.assertBudgetsEmpty()
    }
  }
})

for (const fault of ['lost', 'landed', 'late'] satisfies JournalFault[])
  test(`a journal append whose outcome stays unknown (${fault}) ends the claim; the next one loses and repeats nothing`, async () => {
    const unharmed = await afterDeathAt(undefined, 1)
    const appends = unharmed.processes[0]?.counts.journal ?? 0
    for (let nth = 1; nth <= appends; nth++) {
      const world = await World.open({ seed: nth })
      produceMixture(world)
      const process = world.process()
      let seen = 0
      const run = world.begin(
        {
          journal: {
            ...process.journal,
            append: (space, records) => {
              if (++seen === nth) world.journal.failNextAppend(fault)
              return process.journal.append(space, records)
            },
          },
        },
        process,
      )
      await world.until(
        'the claim is over or all is delivered',
        () => run.end !== null || run.partition.view().nextKafkaOffset === world.records.end,
      )
      if (run.end !== null) assert.deepEqual(run.end, { kind: 'fenced', deleted: false }, describeEnd(run))
      else await world.letGo(run)
      const next = world.begin()
      // The late record arrives in the middle of the next owner's work.
      await world.time.advance(world.random.below(60))
      world.journal.landLate()
      await world.until(
        'the next owner delivers',
        () => next.end !== null || next.partition.view().nextKafkaOffset === world.records.end,
      )
      if (next.end === null) await world.letGo(next)
      await world.finish()
      world.assertExactlyOnce()
      world.assertBudgetsEmpty()
    }
  })

test('two owners at once, without leases: the older one is fenced and nothing is lost or twice', async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const world = await World.open({ seed })
    produceMixture(world)
    const first = world.begin()
    await world.time.advance(world.random.below(120))
    const second = world.begin()
    await world.time.advance(world.random.below(60))
    produceMixture(world)
    await world.until(
      'one of them delivers',
      () =>
        (second.end !== null && first.end !== null) ||
        [first, second].some(run => run.end === null && run.partition.view().nextKafkaOffset === world.records.end),
    )
    for (const run of [first, second]) if (run.end === null) run.process.die()
    await world.finish()
    await world.time.advance(5_000)
    world.assertExactlyOnce()
    world.assertBudgetsEmpty()
    const ends = [first.end, second.end].map(end => end?.kind)
    assert.ok(
      ends.every(kind => kind === 'fenced' || kind === 'died'),
      ends.join(),
    )
  }
})

test('appends of a dead owner that linger in the network arrive at a finalized stream and change nothing', async () => {
  const world = await World.open()
  world.records.rows(12)
  const { promise, resolve } = Promise.withResolvers<void>()
  let appends = 0
  world.fateOf = () => (++appends === 2 ? { kind: 'hold', until: promise } : { kind: 'apply' })
  const run = world.begin()
  await world.until('appends are under way', () => appends >= 4)
  run.process.die()
  await world.ended(run)
  await world.finish()
  const rows = world.rowIds().length
  resolve()
  await world.time.advance(10_000)
  assert.equal(world.rowIds().length, rows)
  world.assertExactlyOnce()
})

test('a paused owner that wakes up after the takeover writes no row and no dead letter', async () => {
  const world = await World.open()
  world.records.rows(6)
  const paused = world.begin()
  await world.delivered(paused)
  const next = world.begin()
  await world.delivered(next)
  const before = paused.process.counts.append
  world.records.produce('unreadable', 'row', 'row')
  await world.delivered(next)
  await world.ended(paused)
  assert.equal(paused.end?.kind, 'fenced')
  assert.equal(paused.process.counts.deadLetters, 0, 'a dead letter waits for a head check')
  assert.ok(paused.process.counts.append <= before + 1)
  await world.letGo(next)
  world.assertExactlyOnce()
})

test('compaction at any time hides nothing', async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const world = await World.open({ seed })
    produceMixture(world)
    const run = world.begin({}, world.process({ diesAt: { step: 'append', nth: 1 + (seed % 6), when: 'after' } }))
    while (run.end === null && run.partition.view().nextKafkaOffset !== world.records.end) {
      await world.time.advance(5)
      world.journal.compact({ dropTombstones: seed % 2 === 0 })
    }
    run.process.die()
    await world.ended(run)
    world.journal.compact({ dropTombstones: true })
    const next = world.begin()
    await world.time.advance(world.random.below(40))
    world.journal.compact()
    await world.delivered(next)
    next.process.die()
    await world.ended(next)
    world.journal.compact({ dropTombstones: true })
    await world.finish()
    world.assertExactlyOnce()
  }
})

test('an idle lane writes Settled after 30 s, so that its stream is not needed any more', async () => {
  const world = await World.open()
  world.records.rows(6)
  const run = world.begin()
  await world.delivered(run)
  const settledCount = (): number => world.journalRecords().filter(record => record.kind === 'settled').length
  const before = settledCount()
  await world.time.advance(25_000)
  assert.equal(settledCount(), before)
  await world.time.advance(15_000)
  assert.equal(settledCount(), before + 1)
  const last = world.journalRecords().at(-1) as Extract<JournalRecord, { kind: 'settled' }>
  assert.equal(String(last.progress?.frontier), '6')
  await world.time.advance(300_000)
  assert.equal(settledCount(), before + 1, 'once is enough')
  // The owner dies, the stream expires: nothing on it is open, so nobody has to wait or to ask.
  run.process.die()
  await world.ended(run)
  for (const stream of world.bigQuery.streams(TABLE)) world.bigQuery.dropStream(stream)
  const startedMs = world.time.monotonicMs()
  const next = world.begin()
  await world.until('it claims', () => next.end !== null || next.partition.view().epoch > 1)
  assert.equal(next.end, null, describeEnd(next))
  assert.ok(world.time.monotonicMs() - startedMs < 5_000)
  await world.letGo(next)
})
