// IN_DOUBT: only where something is in doubt, only after asking again, with a sentence an operator can act on, ended by a Verdict.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type IntentBatch, type JournalRecord, type StreamName, type StreamOffset, streamOffset } from '@millrace/core'
import { entryOf, reaches, superviseIn, whilePassing } from './support/connector.ts'
import { describeEnd, SPACE, TABLE, World } from './support/world.ts'

/** An owner that died with appends on the wire; `landed` of its six rows are in the stream. */
async function diedWithAppendsOpen(landed: 'none' | 'all'): Promise<{ world: World; stream: StreamName }> {
  const world = await World.open()
  world.records.rows(6)
  world.fateOf = () => ({ kind: landed === 'all' ? 'apply' : 'loseRequest' })
  const run = world.begin({}, world.process({ diesAt: { step: 'append', nth: 2, when: 'after' } }))
  await world.ended(run)
  await world.time.advance(1_000)
  world.fateOf = () => ({ kind: 'apply' })
  const [stream] = world.bigQuery.streams(TABLE)
  assert(stream !== undefined)
  return { world, stream }
}

async function giveVerdict(world: World, stream: StreamName, rows: StreamOffset): Promise<void> {
  const open = world.journalRecords().find(record => record.kind === 'open' && record.stream === stream)
  assert(open?.kind === 'open')
  const verdict: JournalRecord = { kind: 'verdict', claimId: open.claimId, stream, rows, by: 'operator' }
  await world.journal.client().append(SPACE, [verdict])
}

test('a stream that is not found with batches open is asked for again for 10 minutes, then IN_DOUBT says what it saw', async () => {
  const { world, stream } = await diedWithAppendsOpen('all')
  world.bigQuery.dropStream(stream)
  const run = world.begin()
  const sinceMs = world.time.monotonicMs()
  await world.time.advance(60_000)
  assert.equal(run.partition.view().waiting?.code, 'STREAM_GONE', 'meanwhile it says what it waits for')
  await world.until('it gives up', () => run.end !== null, 700_000)
  assert.ok(world.time.monotonicMs() - sinceMs >= 600_000)
  assert(run.end?.kind === 'inDoubt', describeEnd(run))
  assert.deepEqual(
    run.end.doubts.map(doubt => doubt.stream),
    [stream],
  )
  assert.match(run.end.doubts[0]?.saw ?? '', /STREAM_NOT_FOUND/)
})

test('a stream that is found again before the 10 minutes are over is no doubt', async () => {
  const { world, stream } = await diedWithAppendsOpen('all')
  const { finalize } = world.bigQuery.writeStreams
  let misses = 0
  const process = world.process()
  const streams = {
    ...process.streams,
    finalize: async (name: StreamName, options: { signal: AbortSignal }) => {
      if (++misses <= 20) return await finalize(`${TABLE}/streams/none` as StreamName, options)
      return await finalize(name, options)
    },
  }
  const run = world.begin({ streams }, process)
  await world.delivered(run)
  await world.letGo(run)
  assert.ok(world.bigQuery.isFinalized(stream))
  world.assertExactlyOnce()
})

test('a row count that is no boundary is asked again, and settles when the count does', async () => {
  const { world } = await diedWithAppendsOpen('all')
  const process = world.process()
  let asked = 0
  const streams = {
    ...process.streams,
    finalize: async (name: StreamName, options: { signal: AbortSignal }) => {
      const rows = await process.streams.finalize(name, options)
      return ++asked <= 3 ? streamOffset(rows - 1n) : rows
    },
  }
  const run = world.begin({ streams }, process)
  await world.delivered(run)
  await world.letGo(run)
  assert.ok(asked > 3)
  world.assertExactlyOnce()
})

test('a row count that stays off every boundary is IN_DOUBT within seconds', async () => {
  const { world, stream } = await diedWithAppendsOpen('all')
  const process = world.process()
  const streams = { ...process.streams, finalize: async () => streamOffset(2) }
  const run = world.begin({ streams }, process)
  const sinceMs = world.time.monotonicMs()
  await world.ended(run)
  assert(run.end?.kind === 'inDoubt', describeEnd(run))
  assert.deepEqual(run.end.doubts, [{ stream, saw: '2 rows, which is no boundary of a logged batch' }])
  assert.ok(world.time.monotonicMs() - sinceMs < 60_000)
})

test('a stream that grew after it was finalized is IN_DOUBT before the first row of the new claim', async () => {
  const { world, stream } = await diedWithAppendsOpen('none')
  const process = world.process()
  let asked = 0
  const streams = { ...process.streams, finalize: async () => streamOffset(++asked === 1 ? 0 : 3) }
  const run = world.begin({ streams }, process)
  await world.ended(run)
  assert(run.end?.kind === 'inDoubt', describeEnd(run))
  assert.equal(run.end.doubts[0]?.stream, stream)
  assert.equal(process.counts.append, 0)
})

/** All six rows are in the stream, but whoever counts it first is told that none is. */
async function countedTooEarly(): Promise<{ world: World; stream: StreamName }> {
  const { world, stream } = await diedWithAppendsOpen('all')
  const { writeStreams } = world.bigQuery
  const { finalize } = writeStreams
  let asked = 0
  writeStreams.finalize = async (name, options) => {
    const rows = await finalize(name, options)
    return name === stream && ++asked === 1 ? streamOffset(0) : rows
  }
  return { world, stream }
}

test('what a stream held when it was counted again is counted once more by the next claim, and is not sent', async () => {
  const { world } = await countedTooEarly()
  const first = world.begin()
  await world.ended(first)
  assert(first.end?.kind === 'inDoubt', describeEnd(first))
  assert.equal(first.end.doubts[0]?.saw, '6 rows after 0 when it was finalized first')
  await world.finish()
  world.assertExactlyOnce()
})

test('a Verdict answers a stream that counted otherwise when it was counted again', async () => {
  const { world, stream } = await countedTooEarly()
  const process = world.process()
  const supervisor = superviseIn(world, entryOf(), { process })
  const { trace } = await reaches(world, supervisor, 'IN_DOUBT')
  assert.match(trace ?? '', /6 rows after 0 when it was finalized first/)
  await giveVerdict(world, stream, streamOffset(6))
  await process.journal.readToEnd(SPACE, { signal: process.signal })
  await world.until('everything is settled', () => supervisor.report().nextOffset === world.records.end)
  await whilePassing(world, supervisor.stop())
  world.assertExactlyOnce()
})

for (const answer of ['landed', 'not landed'] as const)
  test(`a Verdict ends IN_DOUBT: the operator says the batches have ${answer}, and that is folded`, async () => {
    const { world, stream } = await diedWithAppendsOpen('none')
    world.bigQuery.dropStream(stream)
    const process = world.process()
    const supervisor = superviseIn(world, entryOf(), { process })
    const { trace } = await reaches(world, supervisor, 'IN_DOUBT')
    assert.match(trace ?? '', /IN_DOUBT: flights-0: .*STREAM_NOT_FOUND/)
    assert.match(
      trace ?? '',
      /rows=0: none landed, offsets 0–5 are delivered again; rows=3: offsets 0–2 count as delivered, 3–5 /,
    )
    await world.time.advance(60_000)
    assert.equal(supervisor.report().state, 'IN_DOUBT', 'it waits for an answer, however long')
    await giveVerdict(world, stream, streamOffset(answer === 'landed' ? 6 : 0))
    await process.journal.readToEnd(SPACE, { signal: process.signal }) // the adapter follows by itself, the twin when asked
    await world.until('everything is settled', () => supervisor.report().nextOffset === world.records.end)
    await whilePassing(world, supervisor.stop())
    assert.equal(world.rowIds().length, answer === 'landed' ? 0 : 6)
    world.assertBudgetsEmpty()
  })

test('a Verdict may state that a part has landed: batches below its row count are not sent again', async () => {
  const { world, stream } = await diedWithAppendsOpen('none')
  world.bigQuery.dropStream(stream)
  const run = world.begin()
  await world.ended(run)
  const batches = world
    .journalRecords()
    .reduce<readonly IntentBatch[]>((last, r) => (r.kind === 'intent' ? r.window : last), [])
  assert.ok(batches.length > 1)
  await giveVerdict(world, stream, streamOffset(3))
  await world.finish()
  assert.deepEqual(world.rowIds(), [3n, 4n, 5n])
})
