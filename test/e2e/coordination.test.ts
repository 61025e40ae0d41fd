// Coordinators and ownerships of three workers on a real redis-server: what a wipe, a restart and a dead worker cost.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type CatalogConnector, Coordinator, Ownership } from '@millrace/coordinator'
import { type Logger, type PartitionAssignment, Secret, type WorkerId } from '@millrace/core'
import {
  RedisAssignmentBoard,
  RedisConnection,
  RedisLeadership,
  RedisLeases,
  RedisMembership,
  RedisStatusBoard,
} from '@millrace/redis'
import { freePort, startRedis } from '@millrace/testkit'

const TTL_MS = 2_000
const HEARTBEAT_MS = 600
const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() }
const timers = { sleep: (ms: number, options: { signal: AbortSignal }) => sleep(ms, undefined, options) }
const random = { nextUint32: () => randomBytes(4).readUInt32LE(), nextId: () => randomBytes(12).toString('hex') }
const quiet: Logger = { error() {}, warn() {}, info() {}, debug() {}, child: () => quiet }

class Worker {
  readonly working = new Set<number>()
  readonly stops: string[] = []
  readonly coordinator: Coordinator
  readonly ownership: Ownership
  readonly #connection: RedisConnection
  readonly #stop = new AbortController()
  readonly #runs: Promise<unknown>

  constructor(connection: RedisConnection, id: WorkerId, catalog: readonly CatalogConnector[]) {
    this.#connection = connection
    const leases = new RedisLeases(connection, random)
    const board = new RedisAssignmentBoard(connection)
    const membership = new RedisMembership(connection)
    const leadership = new RedisLeadership(connection)
    const status = new RedisStatusBoard(connection)
    const shared = { leases, board, clock, timers, log: quiet }
    const timing = { ttlMs: TTL_MS, heartbeatMs: HEARTBEAT_MS, tickMs: 100 }
    this.coordinator = new Coordinator(
      { ...shared, membership, leadership, status, catalog: { connectors: () => catalog } },
      { ...timing, member: { workerId: id, advertised: id, startedAtMs: 0 }, rebalanceDelayMs: 0, settleMs: 800 },
    )
    this.ownership = new Ownership(
      { ...shared, random, election: () => this.coordinator.election },
      { ...timing, workerId: id },
      {
        start: ({ partition }: PartitionAssignment) => void this.working.add(partition),
        relabel: () => {},
        drain: async ({ partition }) => this.#ended('drain', partition),
        abandon: async ({ partition }) => this.#ended('abandon', partition),
      },
    )
    const { signal } = this.#stop
    this.#runs = Promise.allSettled([this.coordinator.run({ signal }), this.ownership.run({ signal })])
  }

  #ended(how: string, partition: number): void {
    this.stops.push(`${how} ${partition}`)
    this.working.delete(partition)
  }

  /** SIGKILL, as far as Redis can tell. */
  async kill(): Promise<void> {
    this.#stop.abort(new Error('killed'))
    await this.#connection[Symbol.asyncDispose]()
    await this.#runs
    this.working.clear()
  }
}

test('a wipe and a restart of Redis stop nothing; a dead worker is replaced at its lease TTL', async () => {
  const port = await freePort()
  let redis = await startRedis({ port })
  const url = new Secret(redis.url)
  const partitions = Array.from({ length: 12 }, (_, partition) => ({ topic: 't', partition }))
  const catalog = [{ name: 'c', incarnation: 'i', tasksMax: 12, targetState: 'STARTED', partitions } as const]
  const never = { signal: new AbortController().signal }
  const workers: Worker[] = []
  const within = async (limitMs: number, what: string, isSo: () => boolean): Promise<number> => {
    const startMs = performance.now()
    while (!isSo()) {
      assert.ok(
        performance.now() - startMs < limitMs,
        `${what} within ${limitMs} ms: ${workers.map(w => [...w.working])}`,
      )
      await sleep(20)
    }
    return performance.now() - startMs
  }
  const isCovered = (): boolean => new Set(workers.flatMap(w => [...w.working])).size === 12
  const stops = (): string[] => workers.flatMap(w => w.stops)
  const open = () => RedisConnection.open({ url, prefix: 'test:', leaseTtlMs: TTL_MS }, clock, never)
  const control = await open()
  const holders = async () => {
    const leases = new RedisLeases(control, random)
    return (await leases.holders(partitions.map(p => `c/t-${p.partition}`)).catch(() => new Map())).size
  }
  const whenLeasesAreBack = async (limitMs: number): Promise<void> => {
    const startMs = performance.now()
    while ((await holders()) < 12) {
      assert.ok(performance.now() - startMs < limitMs, `leases are back within ${limitMs} ms`)
      await sleep(50)
    }
  }
  try {
    for (const id of ['a', 'b', 'c']) workers.push(new Worker(await open(), id as WorkerId, catalog))
    await within(8_000, 'a share for each', () => workers.every(w => w.working.size === 4))
    const settledStops = stops().length

    const term = workers[0]!.coordinator.election!.term
    await redis.stop()
    await within(5_000, 'Redis is seen to be away', () =>
      workers.every(w => w.ownership.owned.every(p => !w.ownership.isConfirmed(p))),
    )
    redis = await startRedis({ port }) // and empty: a wipe and an outage in one
    await whenLeasesAreBack(8_000)
    await within(8_000, 'an assignment again', () =>
      workers.every(w => (w.coordinator.assignment?.generation.term ?? 0) > term),
    )
    assert.equal(stops().length, settledStops, `nothing stopped: ${stops()}`)
    assert.ok(isCovered())

    const victim = workers.find(w => w.coordinator.isLeader)!
    await victim.kill()
    const tookMs = await within(TTL_MS + 4_000, 'taken over', isCovered)
    assert.ok(tookMs <= TTL_MS + 1_500, `${tookMs} ms`)
    assert.equal(stops().length, settledStops, `nothing stopped: ${stops()}`)
    const all = workers.flatMap(w => [...w.working])
    assert.equal(new Set(all).size, all.length, 'one worker per partition')
  } finally {
    for (const worker of workers) await worker.kill()
    await control[Symbol.asyncDispose]()
    await redis.stop()
  }
})
