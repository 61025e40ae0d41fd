// What becomes of records on a good day: rows, dead letters and drops, and how an orderly owner lets go.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { originColumn } from '@millrace/convert'
import { CONFIG, entryOf, superviseIn, whilePassing } from './support/connector.ts'
import { TABLE, TABLE_SCHEMA, TP, World } from './support/world.ts'

test('every record becomes exactly one row, in the order of the log', async () => {
  const world = await World.open()
  world.records.rows(20)
  const run = world.begin()
  await world.delivered(run)
  assert.deepEqual(
    world.rowIds(),
    Array.from({ length: 20 }, (_, i) => BigInt(i)),
  )
  world.records.rows(5)
  await world.delivered(run)
  await world.letGo(run)
  assert.equal(run.end?.kind, 'released')
  world.assertExactlyOnce()
  world.assertBudgetsEmpty()
  assert.equal(world.bigQuery.streams(TABLE).length, 1)
})

test('gaps, aborted transactions, tombstones and filtered records move the frontier without rows', async () => {
  const world = await World.open()
  const { records } = world
  records.gap(3)
  records.produce('tombstone', 'filtered')
  records.rows(4)
  records.aborted(4)
  records.produce('filtered', 'row', 'tombstone')
  records.gap(10)
  records.rows(1)
  records.aborted(2)
  const run = world.begin()
  await world.delivered(run)
  await world.letGo(run)
  world.assertExactlyOnce()
  world.assertBudgetsEmpty()
  assert.equal(run.partition.view().droppedTotal, 4)
  assert.equal(run.partition.view().rowsTotal, 6)
})

test('kafkaDataFieldName: each row says which record it came from, also behind gaps, letters and a takeover', async () => {
  const world = await World.open()
  world.bigQuery.alterTable(TABLE, { columns: [...TABLE_SCHEMA.columns, originColumn('kafka')] })
  world.records.rows(4)
  world.records.gap(2)
  world.records.produce('unreadable', 'row', 'refused', 'tombstone', 'row')
  const died = world.begin({}, world.process({ diesAt: { step: 'append', nth: 1, when: 'after' } }))
  await world.ended(died)
  const config = { ...CONFIG, kafkaDataFieldName: 'kafka' }
  const supervisor = superviseIn(world, entryOf({ config }))
  await world.until('it is there', () => supervisor.report().nextOffset === world.records.end)
  await whilePassing(world, supervisor.stop())
  const origins = world.bigQuery.rows(TABLE).flatMap(({ id, kafka }) => (kafka === undefined ? [] : [{ id, kafka }]))
  assert.ok(origins.length > 0)
  for (const { id, kafka } of origins) {
    const { insertTime, ...place } = Object(kafka)
    assert.deepEqual(place, { topic: TP.topic, partition: BigInt(TP.partition), offset: id })
    assert.ok(insertTime > 0n && insertTime <= BigInt(world.time.nowMs()) * 1_000n)
  }
})
