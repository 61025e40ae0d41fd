// Bounded memory: a full lane, a full budget or a full Intent stops reading this partition, and reading goes on when there is room.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LANE_IN_FLIGHT_MAX, LANE_WINDOW_MAX } from '@millrace/core'
import { ByteBudget } from '../src/index.ts'
import { TABLE, World } from './support/world.ts'

/** Appends linger until `open` is called. */
function gate(world: World): { open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  world.fateOf = () => ({ kind: 'hold', until: promise })
  return {
    open: () => {
      world.fateOf = () => ({ kind: 'apply' })
      resolve()
    },
  }
}
const nothingMovesFor = async (world: World, ms: number): Promise<void> => await world.time.advance(ms)

test('a lane whose window is full stops reading; answers let it go on', async () => {
  const world = await World.open({ sliceRecords: 3 })
  const held = gate(world)
  world.records.rows(3 * 40)
  const run = world.begin()
  await world.until('the window is full', () => run.partition.view().inFlightRows === 3 * LANE_WINDOW_MAX)
  await nothingMovesFor(world, 10_000)
  assert.equal(run.partition.view().inFlightRows, 3 * LANE_WINDOW_MAX)
  assert.equal(run.process.counts.append, LANE_IN_FLIGHT_MAX)
  held.open()
  await world.delivered(run)
  await world.letGo(run)
  world.assertExactlyOnce()
  world.assertBudgetsEmpty()
})

test('a byte budget that is full stops reading; bytes that come free let it go on', async () => {
  const world = await World.open({ sliceRecords: 3 })
  const held = gate(world)
  world.records.rows(90)
  const process = world.process({ budgetBytes: 1_000 })
  const run = world.begin({}, process)
  await world.until('the budget is full', () => !process.budget.hasRoom())
  await nothingMovesFor(world, 10_000)
  const { usedBytes } = process.budget
  assert.ok(usedBytes < 1_000 + 2 * 300, `at most a batch more than its limit, not ${usedBytes}`)
  held.open()
  await world.delivered(run)
  await world.letGo(run)
  world.assertExactlyOnce()
  world.assertBudgetsEmpty()
})

test('partitions that share a budget go on when another one gives bytes back, also when that one dies', async () => {
  const world = await World.open()
  const held = gate(world)
  world.records.rows(30)
  const budget = new ByteBudget(500)
  const first = world.begin({ budget })
  await world.until('the budget is full', () => !budget.hasRoom())
  const other = await World.open()
  other.records.rows(9)
  const second = other.begin({ budget })
  await other.time.advance(5_000)
  assert.equal(second.partition.view().rowsTotal, 0)
  first.process.die()
  await world.ended(first)
  await other.delivered(second)
  await other.letGo(second)
  other.assertExactlyOnce()
  held.open()
  await world.finish()
  world.assertExactlyOnce()
  assert.equal(budget.usedBytes, 0)
})

test('partitions at rest hold no buffers of rows: what they used is the worker’s, and as large as their batches were', async () => {
  const budget = new ByteBudget(1_000_000)
  const worlds = await Promise.all([World.open(), World.open()])
  for (const world of worlds) {
    world.records.rows(30)
    const run = world.begin({ budget })
    await world.delivered(run)
    const { spareBytes } = budget.rowBuffers
    assert.ok(spareBytes > 0 && spareBytes <= 16 * 1024, `${spareBytes} bytes for batches of a few rows`)
    await world.letGo(run)
    world.assertExactlyOnce()
  }
})

test('an owner that ended while it waited for room is not woken', async () => {
  const world = await World.open()
  world.records.rows(30)
  const budget = new ByteBudget(100)
  budget.take(100)
  const run = world.begin({ budget })
  await world.until('it is running', () => run.partition.view().phase === 'running')
  run.process.die()
  await world.ended(run)
  budget.release(100)
  assert.equal(budget.usedBytes, 0)
  await world.finish()
  world.assertExactlyOnce()
})

test('an Intent that would grow beyond its limit stops the lane until its window is smaller', async () => {
  const world = await World.open({ sliceRecords: 3 })
  const held = gate(world)
  for (let i = 0; i < 40; i++) world.records.produce('row', 'filtered', 'row')
  const run = world.begin({ intentBytesMax: 2_000 })
  await world.time.advance(5_000)
  const stalled = run.partition.view().inFlightRows
  assert.ok(stalled > 0 && stalled < 2 * LANE_WINDOW_MAX, `${stalled} rows in flight`)
  held.open()
  await world.delivered(run)
  await world.letGo(run)
  world.assertExactlyOnce()
  const longest = Math.max(...world.journal.entries.map(e => e.value?.length ?? 0))
  assert.ok(longest < 2_000 + 500, `an Intent of ${longest} bytes`)
})

test('tombstones alone, while there is no table, are bounded by the window like everything else', async () => {
  const world = await World.open({ sliceRecords: 1 })
  for (let i = 0; i < 3 * LANE_WINDOW_MAX; i++) world.records.produce('tombstone')
  const process = world.process()
  const { journal } = process
  const run = world.begin(
    {
      destination: { open: async () => null },
      journal: {
        ...journal,
        append: async (space, records) => {
          await world.time.sleep(500, { signal: process.signal })
          await journal.append(space, records)
        },
      },
    },
    process,
  )
  await world.delivered(run)
  await world.letGo(run)
  assert.equal(run.end?.kind, 'released')
  assert.equal(run.partition.view().droppedTotal, 3 * LANE_WINDOW_MAX)
  assert.deepEqual(world.bigQuery.streams(TABLE), [])
  world.assertExactlyOnce()
})
