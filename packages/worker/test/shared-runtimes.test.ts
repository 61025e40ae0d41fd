// Runtimes, and with them credentials and connections: shared while partitions hold them, closed when none does.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MillraceError } from '@millrace/core'
import type { ConnectorRuntime, ConnectorServices } from '../src/connector-runtime.ts'
import { SharedRuntimes } from '../src/shared-runtimes.ts'
import {
  assignmentOf,
  CONFIG,
  controlOf,
  deliversAll,
  entryOf,
  reaches,
  whilePassing,
  workerIn,
} from './support/connector.ts'
import { World } from './support/world.ts'

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

/** BigQuery that counts: how often it was opened, and how many are open now. */
class Counted {
  opened = 0
  open = 0
  readonly #process: ReturnType<World['process']>
  readonly #world: World
  constructor(world: World, process: ReturnType<World['process']>) {
    this.#world = world
    this.#process = process
  }
  readonly bigQuery: ConnectorServices['bigQuery'] = async () => {
    this.opened += 1
    this.open += 1
    const close = (): void => {
      this.open -= 1
    }
    return { tables: this.#world.bigQuery.tables, streams: this.#process.streams, close }
  }
}

test('a connector that is paused, changed or deleted leaves no credentials behind', async () => {
  const world = await World.open()
  const process = world.process()
  const counted = new Counted(world, process)
  const worker = workerIn(world, process, 60_000, { bigQuery: counted.bigQuery })
  const report = { report: () => worker.reports()[0]! }
  world.records.rows(3)
  worker.setControl(controlOf(entryOf()))
  worker.start(assignmentOf(process))
  await deliversAll(world, report)
  assert.deepEqual([counted.opened, counted.open], [1, 1])

  const config = { ...CONFIG, 'append.max.rows': '7' }
  worker.setControl(controlOf(entryOf({ config, configGeneration: 2, version: 2 })))
  await world.until('generation 2 runs', () => worker.reports()[0]?.epoch === 2)
  assert.deepEqual([counted.opened, counted.open], [2, 1], 'the ones before are closed')

  worker.setControl(controlOf(entryOf({ config, configGeneration: 2, version: 3, targetState: 'PAUSED' })))
  await world.until('it is paused', () => worker.reports()[0]?.state === 'PAUSED')
  assert.equal(counted.open, 0)

  worker.setControl(controlOf(entryOf({ config, configGeneration: 2, version: 4 })))
  await world.until('it runs again', () => worker.reports()[0]?.epoch === 3)
  assert.equal(counted.open, 1)

  const deleted = { name: 'c', version: 5, incarnations: [entryOf().incarnation], deletedAtMs: 0 }
  worker.setControl({ connectors: new Map(), deleted: new Map([['c', deleted]]) })
  await whilePassing(world, worker.drain(assignmentOf(process)))
  assert.equal(counted.open, 0, 'not even for ending its incarnation')
  world.assertExactlyOnce()
})

test('what cannot be opened whole is closed again', async () => {
  const world = await World.open()
  const process = world.process()
  const counted = new Counted(world, process)
  const deadLetters = Object.create(process.deadLetters, {
    ensureTopic: {
      value: () =>
        Promise.reject(new MillraceError('DEAD_LETTER_FAILED', 'failPartition', 'The topic cannot be created.')),
    },
  })
  const worker = workerIn(world, process, 60_000, { bigQuery: counted.bigQuery, deadLetters })
  worker.setControl(controlOf(entryOf()))
  worker.start(assignmentOf(process))
  await reaches(world, { report: () => worker.reports()[0]! }, 'FAILED')
  assert.ok(counted.opened > 0)
  assert.equal(counted.open, 0)
})

test('a runtime is shared, outlives being forgotten for who holds it, and closes once', async () => {
  const runtimes = new SharedRuntimes()
  const closed: number[] = []
  let opened = 0
  const open = async (): Promise<ConnectorRuntime> => {
    const id = ++opened
    return { close: () => void closed.push(id) } as unknown as ConnectorRuntime
  }
  const entry = entryOf()
  const [a, b] = [runtimes.lease(entry, open), runtimes.lease(entry, open)]
  assert.equal(await a.opened, await b.opened)
  runtimes.forget(entry)
  const c = runtimes.lease(entry, open)
  assert.notEqual(await c.opened, await a.opened, 'who comes after a failure opens anew')
  a.release()
  a.release()
  await turn()
  assert.deepEqual(closed, [])
  b.release()
  await turn()
  assert.deepEqual(closed, [1])
  assert.equal(await runtimes.lease(entry, open).opened, await c.opened, 'the newer one is still the one to share')
})

test('a runtime nobody waits for any more is closed when it has opened; one that fails is not kept', async () => {
  const runtimes = new SharedRuntimes()
  const closed: string[] = []
  const slow = Promise.withResolvers<ConnectorRuntime>()
  const lease = runtimes.lease(entryOf(), () => slow.promise)
  lease.release()
  slow.resolve({ close: () => void closed.push('slow') } as unknown as ConnectorRuntime)
  await turn()
  assert.deepEqual(closed, ['slow'])
  const failing = runtimes.lease(entryOf(), () => Promise.reject(new Error('no')))
  await assert.rejects(failing.opened, /no/)
  const next = runtimes.lease(entryOf(), async () => ({ close: () => {} }) as unknown as ConnectorRuntime)
  await next.opened
  failing.release()
  assert.equal(await runtimes.lease(entryOf(), () => slow.promise).opened, await next.opened)
})
