// The source topic may not be what it was: noticed by fingerprint and by offsets, never papered over by a reset.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMillraceError, kafkaOffset } from '@millrace/core'
import { traceOf } from '../src/index.ts'
import { describeEnd, type Run, TABLE, TP, World } from './support/world.ts'

const codeOf = (run: Run): string => {
  assert(run.end?.kind === 'failed' && isMillraceError(run.end.error), describeEnd(run))
  return run.end.error.code
}
async function deliveredAndReleased(count: number): Promise<World> {
  const world = await World.open()
  world.records.rows(count)
  const run = world.begin()
  await world.delivered(run)
  await world.letGo(run)
  return world
}

test('a topic that was re-created with other records is SOURCE_CHANGED, and nothing of it is delivered', async () => {
  const world = await deliveredAndReleased(6)
  world.topics.deleteTopic(TP.topic)
  world.topics.createTopic(TP.topic, 1)
  for (let i = 0; i < 12; i++) world.topics.append(TP, { value: `{"id": ${100 + i}}`, timestampMs: 5_000 + i })
  const run = world.begin()
  await world.ended(run)
  assert.equal(codeOf(run), 'SOURCE_CHANGED')
  assert.match(traceOf(run.end?.kind === 'failed' ? run.end.error : null), /flights-0@5/)
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

test('records that retention took before they were delivered are SOURCE_OFFSET_LOST, never skipped', async () => {
  const world = await deliveredAndReleased(6)
  world.records.rows(6)
  world.topics.deleteBefore(TP, kafkaOffset(9))
  for (let attempt = 0; attempt < 2; attempt++) {
    const run = world.begin()
    await world.ended(run)
    assert.equal(codeOf(run), 'SOURCE_OFFSET_LOST')
    assert.match(traceOf(run.end?.kind === 'failed' ? run.end.error : null), /flights-0@6/)
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
  assert.deepEqual(world.rowIds(), [0n, 1n, 2n])
})

test('a log that was cut off below the frontier is noticed', async () => {
  const world = await deliveredAndReleased(6)
  world.topics.truncate(TP, kafkaOffset(4))
  const run = world.begin()
  await world.ended(run)
  assert.equal(codeOf(run), 'SOURCE_OFFSET_LOST')
})

test('a damaged batch fails the partition at its offset, after everything before it', async () => {
  const world = await World.open()
  world.records.rows(20)
  world.topics.corrupt(TP, kafkaOffset(10))
  const run = world.begin()
  await world.ended(run)
  assert.equal(codeOf(run), 'SOURCE_CORRUPT')
  assert.match(traceOf(run.end?.kind === 'failed' ? run.end.error : null), /flights-0@10/)
  const ids = world.rowIds()
  assert.deepEqual(
    ids,
    Array.from({ length: ids.length }, (_, i) => BigInt(i)),
  )
  assert.equal(run.partition.view().nextKafkaOffset, BigInt(ids.length))
  assert.equal(world.bigQuery.streams(TABLE).length, 1)
})
