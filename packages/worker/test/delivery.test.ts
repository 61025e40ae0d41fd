// What becomes of records on a good day: rows, dead letters and drops, and how an orderly owner lets go.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TABLE, World } from './support/world.ts'

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
