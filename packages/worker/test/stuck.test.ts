// One connector that hangs, whatever it hangs in, slows no other on its worker, and can itself be stopped, deleted and moved.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Incarnation, LeaseLost } from '@millrace/core'
import { assignmentOf, CONFIG, controlOf, entryOf, whilePassing, workerIn } from './support/connector.ts'
import { World } from './support/world.ts'

const STUCK = entryOf({ name: 'stuck', incarnation: 'inc-stuck' as Incarnation, config: { ...CONFIG, name: 'stuck' } })
const WELL = entryOf()
const never = <T>(): Promise<T> => new Promise(() => {})

/** A worker with both; BigQuery never answers the first one, and does not hear that nobody waits any more. */
async function both() {
  const world = await World.open()
  const process = world.process()
  const worker = workerIn(world, process, 60_000, {
    bigQuery: async ({ name }) =>
      name === 'stuck' ? await never() : { tables: world.bigQuery.tables, streams: process.streams, close: () => {} },
  })
  const stuck = assignmentOf(process, { connector: 'stuck', incarnation: 'inc-stuck' })
  worker.setControl(controlOf(STUCK, WELL))
  worker.start(stuck)
  worker.start(assignmentOf(process))
  const report = (connector: string) => worker.reports().find(each => each.connector === connector)
  const delivers = async (): Promise<void> => {
    world.records.rows(10)
    await world.until('the other delivers', () => report('c')?.nextOffset === world.records.end, 5_000)
  }
  return { world, worker, stuck, report, delivers }
}

test('a hanging start: the other delivers, and the stuck one says where it is', async () => {
  const { world, worker, report, delivers } = await both()
  await delivers()
  await world.time.advance(3_600_000)
  await delivers()
  assert.deepEqual([report('stuck')?.state, report('stuck')?.stage], ['STARTING', 'opening'])
  worker.setControl(controlOf())
  await world.until('both are let go', () => worker.reports().length === 0)
  world.assertExactlyOnce()
})

test('what hangs while it starts can be paused, started with another config, drained and abandoned', async () => {
  const { world, worker, stuck, report, delivers } = await both()
  worker.setControl(controlOf({ ...STUCK, targetState: 'PAUSED' }, WELL))
  await world.until('it is paused', () => report('stuck')?.state === 'PAUSED', 10_000)
  worker.setControl(controlOf({ ...STUCK, configGeneration: 2 }, WELL))
  await world.until('it starts', () => report('stuck')?.state === 'STARTING', 10_000)
  await whilePassing(world, worker.drain(stuck))
  assert.equal(report('stuck'), undefined)
  worker.start(stuck)
  await world.until('it starts again', () => report('stuck')?.state === 'STARTING', 10_000)
  await whilePassing(world, worker.abandon(stuck, new LeaseLost('Somebody else has it.')))
  assert.equal(report('stuck'), undefined)
  await delivers()
})

test('a delete of what hangs while it starts ends, and its name is free again', async () => {
  const { world, worker, stuck, report, delivers } = await both()
  const deleted = { name: 'stuck', version: 2, incarnations: [STUCK.incarnation], deletedAtMs: 1 }
  worker.setControl({ ...controlOf(WELL), deleted: new Map([['stuck', deleted]]) })
  await delivers()
  await whilePassing(world, worker.drain(stuck))
  assert.equal(report('stuck'), undefined)
})
