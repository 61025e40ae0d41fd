// Letting go and taking over in order: drained, Settled, Release; the next owner continues the stream.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tableName } from '@millrace/core'
import { describeEnd, type Run, TABLE, TABLE_SCHEMA, World } from './support/world.ts'

async function deliveredAndReleased(world: World): Promise<Run> {
  world.records.rows(7)
  const run = world.begin()
  await world.delivered(run)
  await world.letGo(run)
  assert.equal(run.end?.kind, 'released', describeEnd(run))
  return run
}

test('the next owner adopts the released stream: no stream is created, none finalized', async () => {
  const world = await World.open()
  await deliveredAndReleased(world)
  for (let move = 0; move < 4; move++) {
    world.records.rows(5)
    const next = world.begin()
    await world.delivered(next)
    await world.letGo(next)
    assert.deepEqual([next.process.counts.create, next.process.counts.finalize], [0, 0])
    assert.equal(next.partition.view().takeovers, 0)
  }
  world.assertExactlyOnce()
  world.assertBudgetsEmpty()
  const [stream, ...others] = world.bigQuery.streams(TABLE)
  assert(stream !== undefined)
  assert.deepEqual(others, [])
  assert.equal(world.bigQuery.rowCount(stream), 27)
})

test('letting go with appends under way drains them first', async () => {
  const world = await World.open()
  world.records.rows(30)
  const run = world.begin()
  await world.until('rows are under way', () => run.process.counts.append > 2)
  run.partition.letGo()
  await world.ended(run)
  assert.equal(run.end?.kind, 'released')
  world.assertBudgetsEmpty()
  const next = world.begin()
  await world.delivered(next)
  await world.letGo(next)
  assert.deepEqual([next.process.counts.create, next.process.counts.finalize], [0, 0])
  world.assertExactlyOnce()
})

test('letting go before anything was delivered releases no stream and loses nothing', async () => {
  const world = await World.open()
  const run = world.begin()
  run.partition.letGo()
  await world.ended(run)
  assert.equal(run.end?.kind, 'released')
  assert.deepEqual(
    world.journalRecords().filter(record => record.kind === 'release'),
    [],
  )
  world.records.rows(3)
  await world.finish()
  world.assertExactlyOnce()
})

test('letting go at any moment of a claim leaves nothing behind that the next owner would miss', async () => {
  for (let ms = 0; ms < 120; ms += 6) {
    const world = await World.open({ seed: ms + 1 })
    world.records.produce('row', 'refused', 'row', 'unreadable', 'row', 'row', 'tombstone', 'row', 'row')
    const run = world.begin()
    await world.time.advance(ms)
    run.partition.letGo()
    await world.ended(run)
    assert.equal(run.end?.kind, 'released', describeEnd(run))
    await world.finish()
    world.assertExactlyOnce()
    world.assertBudgetsEmpty()
  }
})

test('letting go when an answer got lost sends that batch again before it releases', async () => {
  const world = await World.open()
  world.records.rows(9)
  let appends = 0
  world.fateOf = () => (++appends === 2 ? { kind: 'loseReply' } : { kind: 'apply' })
  const run = world.begin()
  await world.until('the answer got lost', () => appends >= 2)
  await world.letGo(run)
  await world.finish()
  world.assertExactlyOnce()
})

test('a released stream that is gone is not missed: a new one is created', async () => {
  const world = await World.open()
  await deliveredAndReleased(world)
  const before = world.rowIds()
  for (const stream of world.bigQuery.streams(TABLE)) world.bigQuery.dropStream(stream)
  world.records.rows(4)
  const next = world.begin()
  await world.delivered(next)
  assert.equal(next.process.counts.create, 1)
  await world.letGo(next)
  assert.equal(next.end?.kind, 'released', describeEnd(next))
  assert.deepEqual(
    world.rowIds(),
    [7n, 8n, 9n, 10n],
    `the twin forgets the rows of a dropped stream: ${before.length} before`,
  )
})

test('a stream of the table that was there before is not adopted for the one re-created under its name', async () => {
  const world = await World.open()
  await deliveredAndReleased(world)
  world.bigQuery.dropTable(TABLE)
  const { signal } = new AbortController()
  await Promise.all([world.bigQuery.tables.create(TABLE, { schema: TABLE_SCHEMA }, { signal }), world.time.advance(50)])
  world.records.rows(4)
  const next = world.begin()
  await world.delivered(next)
  await world.letGo(next)
  assert.equal(next.process.counts.create, 1)
  assert.deepEqual(world.rowIds(), [7n, 8n, 9n, 10n])
})

test('a stream released more than 24 h ago is not adopted', async () => {
  const world = await World.open()
  await deliveredAndReleased(world)
  world.time.jump(24 * 3_600_000)
  world.records.rows(4)
  const next = world.begin()
  await world.delivered(next)
  await world.letGo(next)
  assert.equal(next.process.counts.create, 1)
  world.assertExactlyOnce()
})

test('a stream of another table is left alone when the destination changed', async () => {
  const world = await World.open()
  await deliveredAndReleased(world)
  const other = tableName('p', 'd', 'elsewhere')
  const { signal } = new AbortController()
  await Promise.all([world.bigQuery.tables.create(other, { schema: TABLE_SCHEMA }, { signal }), world.time.advance(50)])
  world.records.rows(4)
  const destination = world.destination()
  const next = world.begin({
    generation: 2,
    destination: {
      open: async (topic, slices, options) => {
        const opened = await destination.open(topic, slices, options)
        const info = await world.bigQuery.tables.get(other, options)
        assert(opened !== null && info !== null)
        return { ...opened, table: other, tableCreationTime: info.creationTime }
      },
    },
  })
  await world.delivered(next)
  await world.letGo(next)
  assert.equal(next.process.counts.create, 1)
  assert.deepEqual(
    world.bigQuery.rows(other).map(row => row['id']),
    [7n, 8n, 9n, 10n],
  )
  assert.equal(world.rowIds().length, 7)
})
