// What the network and BigQuery may do to appends, creates and finalizes: the outcome is exactly once, whatever is heard of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMillraceError, MillraceError, streamOffset } from '@millrace/core'
import type { AppendFate } from '@millrace/testkit'
import { describeEnd, QUIET, TABLE, World } from './support/world.ts'

const APPENDS = 6

/** `fate` for the nth append that leaves, all others arrive. */
function nthAppend(world: World, nth: number, fate: () => AppendFate): () => boolean {
  let seen = 0
  world.fateOf = () => (++seen === nth ? fate() : { kind: 'apply' })
  return () => seen >= nth
}

const LOSSES: Record<string, (world: World) => AppendFate> = {
  'the request is lost with its connection': () => ({ kind: 'loseRequest' }),
  'the rows land, the answer is lost with the connection': () => ({ kind: 'loseReply' }),
  'the rows land, but no answer comes before the deadline': () => ({ kind: 'silence', applies: true }),
  'nothing lands and no answer comes before the deadline': () => ({ kind: 'silence', applies: false }),
  'the service ends the connection': () => ({
    kind: 'break',
    error: new MillraceError('BIGQUERY_UNREACHABLE', 'reconnect', 'ABORTED'),
  }),
  'the request is refused for now': () => ({
    kind: 'refuse',
    error: { kind: 'other', error: new MillraceError('BIGQUERY_QUOTA', 'retry', 'RESOURCE_EXHAUSTED') },
  }),
  'the offset is out of range because an earlier copy is not counted yet': () => ({
    kind: 'refuse',
    error: { kind: 'outOfRange', message: 'stale' },
  }),
  'the request lingers for longer than its deadline, and then arrives': world => ({
    kind: 'hold',
    until: world.time.sleep(90_000, { signal: new AbortController().signal }),
  }),
}

for (const [name, fate] of Object.entries(LOSSES))
  test(`exactly once, whichever append it happens to: ${name}`, async () => {
    for (let nth = 1; nth <= APPENDS; nth++) {
      const world = await World.open({ seed: nth })
      world.records.rows(3 * APPENDS)
      const happened = nthAppend(world, nth, () => fate(world))
      const run = world.begin()
      await world.delivered(run)
      assert.ok(happened())
      await world.letGo(run)
      await world.time.advance(120_000)
      world.assertExactlyOnce()
      world.assertBudgetsEmpty()
      assert.equal(run.end?.kind, 'released', describeEnd(run))
      assert.equal(world.bigQuery.streams(TABLE).length, 1, 'the stream stays')
    }
  })

test('a connection that ends in the same turn as its last answers: nothing is sent anew before its end is known', async () => {
  const world = await World.open()
  world.records.rows(120)
  const process = world.process()
  let answers = 0
  const connect: typeof process.streams.connect = (stream, schema, listener) => {
    let isOver = false
    const connection = process.streams.connect(stream, schema, {
      onAcknowledged: (id, offset) => {
        if (isOver) return
        listener.onAcknowledged(id, offset)
        if (++answers !== 3) return
        isOver = true
        listener.onBroken(new MillraceError('BIGQUERY_UNREACHABLE', 'reconnect', 'the call ended'))
      },
      onRefused: (id, refusal) => !isOver && listener.onRefused(id, refusal),
      onBroken: error => !isOver && listener.onBroken(error),
      onSchemaUpdated: () => {},
    })
    return {
      send: request => !isOver && connection.send(request),
      inFlightBytes: 0,
      close: () => connection.close(),
    }
  }
  const run = world.begin({ streams: { ...process.streams, connect } }, process)
  await world.delivered(run)
  assert.ok(answers > 3)
  await world.letGo(run)
  world.assertExactlyOnce()
  world.assertBudgetsEmpty()
})

test('row errors beside a request that may still land: the stream is finalized, the batch laid out on a new one', async () => {
  for (let nth = 1; nth <= APPENDS; nth++) {
    const world = await World.open({ seed: nth })
    for (let i = 0; i < APPENDS; i++) world.records.produce('row', i % 2 === 0 ? 'row' : 'refused', 'row')
    const happened = nthAppend(world, nth, () => ({ kind: 'loseReply' }))
    const run = world.begin()
    await world.delivered(run)
    assert.ok(happened())
    await world.letGo(run)
    world.assertExactlyOnce()
    world.assertBudgetsEmpty()
  }
})

test('an acknowledgement of another offset fails the partition; the next claim knows what landed', async () => {
  const world = await World.open()
  world.records.rows(9)
  nthAppend(world, 2, () => ({ kind: 'acknowledgeAt', offset: streamOffset(7) }))
  const run = world.begin()
  await world.ended(run)
  assert(run.end?.kind === 'failed' && isMillraceError(run.end.error), describeEnd(run))
  assert.equal(run.end.error.code, 'ACK_UNEXPECTED')
  world.assertBudgetsEmpty()
  await world.finish()
  world.assertExactlyOnce()
})

test('ALREADY_EXISTS for a first copy is never taken for success', async () => {
  const world = await World.open()
  world.records.rows(9)
  nthAppend(world, 2, () => ({ kind: 'refuse', error: { kind: 'alreadyExists', message: 'not ours' } }))
  const run = world.begin()
  await world.ended(run)
  assert(run.end?.kind === 'failed' && isMillraceError(run.end.error), describeEnd(run))
  assert.equal(run.end.error.code, 'ACK_UNEXPECTED')
  await world.finish()
  world.assertExactlyOnce()
})

test('a stream that was finalized by somebody else fences its owner', async () => {
  const world = await World.open()
  world.records.rows(3)
  const run = world.begin()
  await world.delivered(run)
  const [stream] = world.bigQuery.streams(TABLE)
  assert(stream !== undefined)
  await Promise.all([
    world.bigQuery.writeStreams.finalize(stream, { signal: new AbortController().signal }),
    world.time.advance(100),
  ])
  world.records.rows(3)
  await world.ended(run)
  assert.deepEqual(run.end, { kind: 'fenced', deleted: false })
  world.assertBudgetsEmpty()
  await world.finish()
  world.assertExactlyOnce()
})

test('a stream that expired under its owner is left behind when nothing on it is open', async () => {
  const world = await World.open()
  world.records.rows(3)
  const run = world.begin()
  await world.delivered(run)
  const [stream] = world.bigQuery.streams(TABLE)
  assert(stream !== undefined)
  world.bigQuery.dropStream(stream)
  const before = world.records.end
  world.records.rows(4)
  await world.delivered(run)
  await world.letGo(run)
  assert.deepEqual(
    world.rowIds(),
    Array.from({ length: 4 }, (_, i) => before + BigInt(i)),
  )
})

test('a stream nobody used for 24 h is finalized, not appended to', async () => {
  const world = await World.open()
  world.records.rows(3)
  const run = world.begin()
  await world.delivered(run)
  world.time.jump(25 * 3_600_000)
  world.records.rows(3)
  await world.delivered(run)
  await world.letGo(run)
  world.assertExactlyOnce()
  const streams = world.bigQuery.streams(TABLE)
  assert.deepEqual(
    streams.map(s => [world.bigQuery.isFinalized(s), world.bigQuery.rowCount(s)]),
    [
      [true, 3],
      [false, 3],
    ],
  )
})

test('a create whose answer is lost leaves an orphan that stays empty', async () => {
  const world = await World.open()
  world.records.rows(3)
  let lost = false
  world.bigQuery.callFate = ({ method }) => {
    if (method !== 'create' || lost) return 'apply'
    lost = true
    return 'loseReply'
  }
  const run = world.begin()
  await world.delivered(run)
  await world.letGo(run)
  world.assertExactlyOnce()
  assert.deepEqual(
    world.bigQuery.streams(TABLE).map(s => world.bigQuery.rowCount(s)),
    [0, 3],
  )
})

test('a finalize that gets lost, before or after it took effect, is asked again until it is answered', async () => {
  for (const fate of ['loseRequest', 'loseReply'] as const) {
    const world = await World.open()
    world.records.rows(6)
    const dying = world.begin({}, world.process({ diesAt: { step: 'append', nth: 2, when: 'after' } }))
    await world.ended(dying)
    let losses = 0
    world.bigQuery.callFate = ({ method }) => (method === 'finalize' && ++losses <= 5 ? fate : 'apply')
    await world.finish()
    assert.ok(losses > 5)
    world.assertExactlyOnce()
  }
})

test('appends that fail again and again are said once in the log, until one succeeds', async () => {
  const world = await World.open()
  world.records.rows(3)
  let failures = 0
  const refusal = new MillraceError('BIGQUERY_QUOTA', 'retry', 'RESOURCE_EXHAUSTED')
  world.fateOf = () =>
    ++failures <= 8 ? { kind: 'refuse', error: { kind: 'other', error: refusal } } : { kind: 'apply' }
  const said: string[] = []
  const run = world.begin({ logger: { ...QUIET, warn: (_fields, sentence) => void said.push(sentence) } })
  await world.delivered(run)
  assert.deepEqual(said, ['Appends fail; they are tried again.'])
  await world.letGo(run)
  world.assertExactlyOnce()
})
