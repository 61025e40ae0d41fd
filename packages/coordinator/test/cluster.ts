// A cluster of coordinators in virtual time on one twin of Redis. Workers can be killed, frozen and woken; each keeps a log of
// what it was told to do, and the cluster checks after every step what must never happen.
import assert from 'node:assert/strict'
import {
  type Logger,
  type Member,
  type PartitionAssignment,
  partitionResource,
  type Timers,
  type WorkerId,
} from '@millrace/core'
import { CoordinationTwin, VirtualTime } from '@millrace/testkit'
import { type CatalogConnector, Coordinator, Ownership, type PartitionWork } from '../src/index.ts'

export const TTL_MS = 10_000
export const HEARTBEAT_MS = 3_000
const quiet: Logger = { error() {}, warn() {}, info() {}, debug() {}, child: () => quiet }

export const connector = (name: string, partitionCount: number, tasksMax: number | 'auto'): CatalogConnector => ({
  name,
  incarnation: `${name}-1`,
  tasksMax,
  targetState: 'STARTED',
  partitions: Array.from({ length: partitionCount }, (_, partition) => ({ topic: name, partition })),
})

export class TestWorker implements PartitionWork {
  readonly id: WorkerId
  readonly log: string[] = []
  /** Resources this worker works on, as it believes. */
  readonly working: Map<string, PartitionAssignment> = new Map()
  readonly coordinator: Coordinator
  readonly ownership: Ownership
  /** How long draining one partition takes. */
  drainMs: number = 100
  isFrozen: boolean = false
  readonly #time: VirtualTime
  readonly #stop: AbortController = new AbortController()
  readonly #thaw: (() => void)[] = []
  readonly done: Promise<unknown>

  constructor(cluster: Cluster, id: string, options: { advertised?: string; rebalanceDelayMs?: number }) {
    this.id = id as WorkerId
    this.#time = cluster.time
    const { redis, time } = cluster
    const timers: Timers = { sleep: (ms, { signal }) => time.sleep(ms, { signal }).finally(() => this.#whileFrozen()) }
    const random = { nextUint32: () => 2 ** 31, nextId: () => 'x' }
    const member: Member = {
      workerId: this.id,
      advertised: options.advertised ?? `${id}:8083`,
      startedAtMs: time.nowMs(),
    }
    const shared = { leases: redis.leases, board: redis.board, clock: time, timers, log: quiet }
    const { membership, leadership, status } = redis
    const catalog = { connectors: () => cluster.connectors }
    this.coordinator = new Coordinator(
      { ...shared, membership, leadership, status, catalog, onPublished: () => this.ownership.nudge() },
      { member, ttlMs: TTL_MS, heartbeatMs: HEARTBEAT_MS, rebalanceDelayMs: options.rebalanceDelayMs ?? 0 },
    )
    this.ownership = new Ownership(
      { ...shared, random, election: () => this.coordinator.election },
      { workerId: this.id, ttlMs: TTL_MS, heartbeatMs: HEARTBEAT_MS },
      this,
    )
    const { signal } = this.#stop
    this.done = Promise.allSettled([this.coordinator.run({ signal }), this.ownership.run({ signal })])
  }

  start(partition: PartitionAssignment): void {
    const resource = resourceOf(partition)
    assert.ok(!this.working.has(resource), `${this.id} starts ${resource} twice`)
    this.working.set(resource, partition)
    this.log.push(`start ${resource}`)
  }
  relabel(partition: PartitionAssignment): void {
    this.working.set(resourceOf(partition), partition)
    this.log.push(`relabel ${resourceOf(partition)} ${partition.taskId}`)
  }
  async drain(partition: PartitionAssignment): Promise<void> {
    this.log.push(`drain ${resourceOf(partition)}`)
    await this.#time.sleep(this.drainMs, { signal: this.#stop.signal })
    this.working.delete(resourceOf(partition))
  }
  async abandon(partition: PartitionAssignment): Promise<void> {
    this.log.push(`abandon ${resourceOf(partition)}`)
    this.working.delete(resourceOf(partition))
  }

  /** SIGKILL: nothing is released. */
  async kill(): Promise<void> {
    this.working.clear()
    this.#stop.abort(new Error('killed'))
    await this.#time.settle()
  }
  /** SIGSTOP: its timers do not fire until it is woken. */
  freeze(): void {
    this.isFrozen = true
  }
  async wake(): Promise<void> {
    this.isFrozen = false
    for (const thaw of this.#thaw.splice(0)) thaw()
    await this.#time.settle()
  }
  /** SIGTERM: leaves, drains, releases. */
  async shutDown(): Promise<void> {
    const closing = (async () => {
      await this.coordinator.leave()
      await this.ownership.letGoAll({ signal: this.#stop.signal })
      this.#stop.abort(new Error('shut down'))
    })()
    await this.#time.advance(5_000)
    await closing
    await this.done
  }

  async #whileFrozen(): Promise<void> {
    if (this.isFrozen) await new Promise<void>(resolve => this.#thaw.push(resolve))
  }
}

export class Cluster {
  readonly time: VirtualTime = new VirtualTime()
  readonly redis: CoordinationTwin = new CoordinationTwin({ clock: this.time, timers: this.time })
  readonly workers: TestWorker[] = []
  connectors: readonly CatalogConnector[] | null = []

  add(id: string, options: { advertised?: string; rebalanceDelayMs?: number } = {}): TestWorker {
    const worker = new TestWorker(this, id, options)
    this.workers.push(worker)
    return worker
  }

  /** Lets time pass, checking after each instant that no two awake workers work on one partition. */
  async advance(ms: number, options: { mayOverlap?: boolean } = {}): Promise<void> {
    await this.time.advance(ms, options.mayOverlap ? undefined : () => this.assertNoOverlap())
  }

  assertNoOverlap(): void {
    const resources = this.workers.filter(worker => !worker.isFrozen).flatMap(worker => [...worker.working.keys()])
    assert.equal(new Set(resources).size, resources.length, `two workers on one partition: ${resources.sort()}`)
  }

  /** Advances until every partition is worked on, and answers how long that took. */
  async untilCovered(limitMs = 60_000): Promise<number> {
    const startMs = this.time.monotonicMs()
    while (!this.isCovered()) {
      assert.ok(this.time.monotonicMs() - startMs < limitMs, 'every partition is worked on in time')
      await this.advance(50)
    }
    return this.time.monotonicMs() - startMs
  }

  isCovered(): boolean {
    const wanted = (this.connectors ?? [])
      .filter(c => c.targetState !== 'STOPPED')
      .flatMap(c => (c.partitions ?? []).map(tp => partitionResource(c.name, tp)))
    const covered = new Set(this.workers.filter(w => !w.isFrozen).flatMap(worker => [...worker.working.keys()]))
    return wanted.every(resource => covered.has(resource))
  }

  counts(): number[] {
    return this.workers.map(worker => worker.working.size)
  }

  clearLogs(): void {
    for (const worker of this.workers) worker.log.length = 0
  }

  /** What was stopped since the logs were cleared. */
  stopped(): string[] {
    return this.workers.flatMap(worker =>
      worker.log.filter(line => !line.startsWith('start') && !line.startsWith('relabel')),
    )
  }

  async close(): Promise<void> {
    for (const worker of this.workers) {
      await worker.wake()
      await worker.kill()
    }
    for (const worker of this.workers) await worker.done
  }
}

const resourceOf = (p: PartitionAssignment): string => partitionResource(p.connector, p)
