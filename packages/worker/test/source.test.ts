// The source topic may not be what it was: noticed by fingerprint and by offsets, never papered over by a reset.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  applyRecord,
  EMPTY_KEY_SPACE,
  isMillraceError,
  type KeySpaceState,
  kafkaOffset,
  LOST_RANGES_MAX,
  type MillraceError,
  type OffsetRange,
  type Progress,
  recordKey,
  type WorkerId,
} from '@millrace/core'
import type { PartitionDeps } from '../src/index.ts'
import type { DurableStep } from './support/process.ts'
import { byNumber, describeEnd, type Run, SPACE, TABLE, TP, World } from './support/world.ts'

const errorOf = (run: Run): MillraceError => {
  assert(run.end?.kind === 'failed' && isMillraceError(run.end.error), describeEnd(run))
  return run.end.error
}
const codeOf = (run: Run): string => errorOf(run).code
/** The range an error states, and how it was seen. */
const rangeIn = (run: Run): readonly unknown[] => {
  const { topic, partition, from, to, seen } = errorOf(run).details
  return [topic, partition, from, to, seen]
}
async function deliveredAndReleased(count: number): Promise<World> {
  const world = await World.open()
  world.records.rows(count)
  const run = world.begin()
  await world.delivered(run)
  await world.letGo(run)
  return world
}

test('H16 a topic that was re-created with other records is SOURCE_CHANGED, and nothing of it is delivered', async () => {
  const world = await deliveredAndReleased(6)
  world.topics.deleteTopic(TP.topic)
  world.topics.createTopic(TP.topic, 1)
  for (let i = 0; i < 12; i++) world.topics.append(TP, { value: `{"id": ${100 + i}}`, timestampMs: 5_000 + i })
  const run = world.begin()
  await world.ended(run)
  assert.equal(codeOf(run), 'SOURCE_CHANGED')
  assert.match(errorOf(run).message, /^flights-0@5 is not the record it was.*holds \[0, 12\).*\[0, 6\)/)
  assert.deepEqual(rangeIn(run), ['flights', 0, 0n, 6n, 'fingerprint'])
  assert.equal(world.rowIds().length, 6)
  world.assertBudgetsEmpty()
})

test('the same log goes on, also when the verified record was compacted away or deleted by retention', async () => {
  for (const forget of [
    (world: World) => world.topics.deleteBefore(TP, kafkaOffset(6)),
    (world: World) => world.topics.deleteBefore(TP, kafkaOffset(3)),
  ]) {
    const world = await deliveredAndReleased(6)
    world.records.rows(4)
    forget(world)
    await world.finish()
    world.assertExactlyOnce()
  }
})

test('H17 records that retention took before they were delivered are SOURCE_OFFSET_LOST, never skipped', async () => {
  const world = await deliveredAndReleased(6)
  world.records.rows(6)
  world.topics.deleteBefore(TP, kafkaOffset(9))
  for (let attempt = 0; attempt < 2; attempt++) {
    const run = world.begin()
    await world.ended(run)
    assert.equal(codeOf(run), 'SOURCE_OFFSET_LOST')
    assert.match(errorOf(run).message, /^flights-0@6: offsets \[6, 9\) were deleted before/)
    assert.deepEqual(rangeIn(run), ['flights', 0, 6n, 9n, 'logStart'])
  }
  assert.equal(world.rowIds().length, 6)
})

test('records that retention takes while they are read: everything before is delivered, then SOURCE_OFFSET_LOST', async () => {
  const world = await World.open()
  world.records.rows(3)
  const run = world.begin()
  await world.delivered(run)
  world.topics.beginTransaction(TP)
  world.records.rows(5)
  world.topics.deleteBefore(TP, kafkaOffset(6))
  world.topics.commitTransaction(TP)
  await world.ended(run)
  assert.equal(codeOf(run), 'SOURCE_OFFSET_LOST')
  assert.deepEqual(rangeIn(run), ['flights', 0, 3n, 6n, 'logStart'])
  assert.deepEqual(world.rowIds(), [0n, 1n, 2n])
})

test('H16 a log that was cut off below the frontier is SOURCE_CHANGED, with the offsets it does not hold any more', async () => {
  for (const end of [0, 4]) {
    const world = await deliveredAndReleased(6)
    world.topics.truncate(TP, kafkaOffset(end))
    const run = world.begin()
    await world.ended(run)
    assert.equal(codeOf(run), 'SOURCE_CHANGED')
    assert.deepEqual(rangeIn(run), ['flights', 0, BigInt(end), 6n, 'logEnd'])
  }
})

test('H16 a log that was cut off right where its last record was verified is noticed before it grows again', async () => {
  const world = await deliveredAndReleased(6)
  world.topics.truncate(TP, kafkaOffset(5)) // the record to verify is the first that is gone: nothing comes to compare
  const run = world.begin()
  await world.ended(run)
  assert.equal(codeOf(run), 'SOURCE_CHANGED')
  assert.deepEqual(rangeIn(run), ['flights', 0, 5n, 6n, 'logEnd'])
})

test('H16 a log cut off behind its last record, within markers, does not take other records for settled ones', async () => {
  const world = await World.open()
  world.records.rows(4)
  world.topics.appendGap(TP, 2)
  const first = world.begin()
  await world.until('the gap is settled', () => first.partition.view().nextKafkaOffset === 6n)
  await world.letGo(first)
  world.topics.truncate(TP, kafkaOffset(4))
  world.topics.append(TP, { value: '{"id": 100}' })
  const run = world.begin()
  await world.time.advance(3_000)
  world.topics.append(TP, { value: '{"id": 101}' }, { value: '{"id": 102}' }) // now it ends beyond the frontier
  await world.ended(run)
  assert.equal(codeOf(run), 'SOURCE_CHANGED')
  assert.deepEqual(rangeIn(run), ['flights', 0, 5n, 6n, 'logEnd'])
})

test('H16 a record settled beyond a hole is compared before anything of the hole is delivered', async () => {
  const world = await World.open()
  world.records.rows(6)
  const settled = { kafkaOffset: kafkaOffset(4), timestampMs: 1, crc: 1 } // of the log there was before
  const progress: Progress = {
    frontier: kafkaOffset(2),
    beyond: [{ from: kafkaOffset(4), to: kafkaOffset(5) }],
    fingerprint: settled,
  }
  await world.journal.client().append(SPACE, [
    { kind: 'claim', claimId: 'a', epoch: 1, workerId: 'w' as WorkerId, generation: 1 },
    { kind: 'settled', claimId: 'a', epoch: 1, progress },
  ])
  const run = world.begin()
  await world.ended(run)
  assert.equal(codeOf(run), 'SOURCE_CHANGED')
  assert.deepEqual(rangeIn(run), ['flights', 0, 0n, 5n, 'fingerprint'])
  assert.deepEqual(world.rowIds(), [])
})

test('an end that a new leader states too low for a moment is no change of the source', async () => {
  const world = await World.open()
  world.records.rows(6)
  const first = world.begin()
  await world.delivered(first)
  await world.letGo(first)
  world.topics.beginTransaction(TP)
  const { offsets } = world.topics
  let asked = 0
  const source = Object.assign(Object.create(world.topics), {
    open: (...args: Parameters<typeof world.topics.open>) => {
      const reader = world.topics.open(...args)
      Object.defineProperty(reader, 'endKafkaOffset', { get: () => (asked === 0 ? 4n : 7n) })
      return reader
    },
    offsets: async (...[tps, at, options]: Parameters<typeof offsets>) => {
      const held = await world.topics.offsets(tps, at, options)
      return at === 'latest' && asked++ === 0 ? new Map([...held.keys()].map(key => [key, 4n])) : held
    },
  }) as PartitionDeps['source']
  const run = world.begin({ source })
  world.records.rows(1)
  world.topics.commitTransaction(TP)
  await world.until('the record is delivered', () => world.rowIds().length === 7 || run.end !== null)
  assert.equal(run.end, null, describeEnd(run))
  assert.ok(asked >= 2)
  world.assertExactlyOnce()
})

// ── offset.lost.policy=skip ──

const skip = (world: World): Partial<PartitionDeps> => ({ lostOffsets: world.lostOffsets('skip') })
const shown = (ranges: readonly OffsetRange[] | undefined): readonly string[] =>
  (ranges ?? []).map(({ from, to }) => `${from}..${to}`)
/** What the journal states last about the partition. */
function lastProgress(world: World): Progress {
  let state: KeySpaceState = EMPTY_KEY_SPACE
  for (const [i, record] of world.journalRecords().entries())
    state = applyRecord(state, recordKey(record), record, BigInt(i))
  const last = [...state.settled.values()].sort((a, b) => b.epoch - a.epoch)[0]?.progress
  assert(last, 'Something is settled.')
  return last
}

test('H17 skip: delivery goes on where the log begins; what is skipped stands in the journal as lost, and is audited once', async () => {
  const world = await deliveredAndReleased(6)
  world.records.rows(8)
  world.topics.deleteBefore(TP, kafkaOffset(9))
  const run = world.begin(skip(world))
  await world.delivered(run)
  await world.letGo(run)
  assert.deepEqual(world.auditedLosses, ['6..9'])
  assert.deepEqual(shown(lastProgress(world).lost), ['6..9'])
  assert.deepEqual([...world.rowIds()].sort(byNumber), [0n, 1n, 2n, 3n, 4n, 5n, 9n, 10n, 11n, 12n, 13n])
  assert.equal(run.partition.view().droppedTotal, 0) // nothing was dropped on purpose
  world.records.rows(2)
  await world.finish()
  assert.deepEqual(shown(lastProgress(world).lost), ['6..9']) // and stays there, whoever claims
  assert.deepEqual(world.auditedLosses, ['6..9'])
})

test('H17 skip: what retention takes while it is read is lost behind everything that was delivered', async () => {
  const world = await World.open()
  world.records.rows(3)
  const run = world.begin(skip(world))
  await world.delivered(run)
  for (const [count, before] of [
    [5, 6],
    [4, 11],
  ] as const) {
    world.records.begin(0)
    world.records.rows(count)
    world.topics.deleteBefore(TP, kafkaOffset(before))
    world.records.commit()
    await world.delivered(run)
  }
  await world.letGo(run)
  assert.deepEqual(world.auditedLosses, ['3..6', '9..11'])
  assert.deepEqual(shown(lastProgress(world).lost), ['3..6', '9..11'])
  assert.deepEqual([...world.rowIds()].sort(byNumber), [0n, 1n, 2n, 6n, 7n, 11n, 12n])
})

test('H17 skip: wherever its worker dies, a lost range is in the journal once and in the audit at least once', async () => {
  let deaths = 0
  for (const step of ['journal', 'append'] satisfies readonly DurableStep[])
    for (let nth = 1; nth <= (step === 'journal' ? 9 : 2); nth++)
      for (const when of ['before', 'after'] as const) {
        const world = await deliveredAndReleased(6)
        world.records.rows(8)
        world.topics.deleteBefore(TP, kafkaOffset(9))
        const process = world.process({ diesAt: { step, nth, when } })
        const run = world.begin(skip(world), process)
        await world.until(
          'it dies or delivers',
          () => run.end !== null || run.partition.view().nextKafkaOffset === world.records.end,
        )
        if (run.end === null) await world.letGo(run)
        else deaths++
        await world.finish(skip(world))
        const audited = new Set(world.auditedLosses)
        assert.deepEqual([...audited], ['6..9'], `${step} ${nth} ${when}`)
        assert.deepEqual(shown(lastProgress(world).lost), ['6..9'], `${step} ${nth} ${when}`)
        assert.deepEqual(
          [...world.rowIds()].sort(byNumber),
          [0n, 1n, 2n, 3n, 4n, 5n, 9n, 10n, 11n, 12n, 13n],
          `${step} ${nth} ${when}`,
        )
      }
  assert.ok(deaths >= 20, `${deaths} workers died`)
})

test('H17 skip: a range is settled only once its audit is kept', async () => {
  const world = await deliveredAndReleased(6)
  world.records.rows(4)
  world.topics.deleteBefore(TP, kafkaOffset(8))
  const kept = Promise.withResolvers<void>()
  const audit = async (): Promise<void> => await kept.promise
  const run = world.begin({ lostOffsets: { policy: 'skip', audit } })
  await world.until('what is behind it is delivered', () => world.rowIds().length === 8)
  assert.equal(run.partition.view().nextKafkaOffset, 6n)
  kept.resolve()
  await world.delivered(run)
})

test('H17 skip: a worker that was fenced meanwhile audits nothing', async () => {
  const world = await deliveredAndReleased(6)
  world.records.rows(4)
  const audits: string[] = []
  const audit = async (): Promise<void> => {
    audits.push('frozen')
  }
  const frozen = world.process()
  const run = world.begin({ lostOffsets: { policy: 'skip', audit } }, frozen)
  await world.until('it stands at the end', () => run.partition.view().nextKafkaOffset === world.records.end)
  const other = world.begin() // fences it, delivers the same log before retention passes
  world.records.rows(3)
  await world.until('the other delivered', () => other.partition.view().nextKafkaOffset === world.records.end)
  world.topics.deleteBefore(TP, world.records.end)
  await world.until('it is fenced', () => run.end !== null)
  assert.deepEqual(audits, [])
  await world.letGo(other)
  assert.equal(lastProgress(world).lost, undefined)
})

test('H17 skip: no more ranges than the journal holds; then the partition fails and says so', async () => {
  const world = await World.open()
  const run = world.begin(skip(world))
  for (let i = 0; i <= LOST_RANGES_MAX && run.end === null; i++) {
    world.records.begin(0)
    world.records.rows(2)
    world.topics.deleteBefore(TP, kafkaOffset(world.records.end - 1n))
    world.records.commit()
    await world.until(
      'it is delivered',
      () => run.end !== null || run.partition.view().nextKafkaOffset === world.records.end,
    )
  }
  await world.ended(run)
  assert.equal(codeOf(run), 'SOURCE_OFFSET_LOST')
  assert.match(errorOf(run).message, /64 ranges are noted as lost already/)
  assert.equal(lastProgress(world).lost?.length, LOST_RANGES_MAX)
})

test('H16 skip does not skip what is no loss by retention: a log that was cut off still fails', async () => {
  const world = await deliveredAndReleased(6)
  world.topics.truncate(TP, kafkaOffset(4))
  const run = world.begin(skip(world))
  await world.ended(run)
  assert.equal(codeOf(run), 'SOURCE_CHANGED')
  assert.deepEqual(world.auditedLosses, [])
})

test('a damaged batch fails the partition at its offset, after everything before it', async () => {
  const world = await World.open()
  world.records.rows(20)
  world.topics.corrupt(TP, kafkaOffset(10))
  const run = world.begin()
  await world.ended(run)
  assert.equal(codeOf(run), 'SOURCE_CORRUPT')
  assert.match(errorOf(run).message, /flights-0@10/)
  const ids = world.rowIds()
  assert.deepEqual(
    ids,
    Array.from({ length: ids.length }, (_, i) => BigInt(i)),
  )
  assert.equal(run.partition.view().nextKafkaOffset, BigInt(ids.length))
  assert.equal(world.bigQuery.streams(TABLE).length, 1)
})
