// One worker's partitions: follows the assignment and converges to it by acquiring and releasing leases, partition by partition.
// Invariants: work on a partition starts only with its lease, and the lease is released only when the work has ended; nothing
// that stays assigned is ever stopped by a rebalance, an outage of Redis or a wipe of it.
import {
  type AssignmentBoard,
  assignedTo,
  type Clock,
  diffAssigned,
  type Election,
  LeaseLost,
  type Leases,
  type Logger,
  type PartitionAssignment,
  partitionResource,
  type Random,
  type Timers,
} from '@millrace/core'
import { AssignmentFollower } from './assignment-follower.ts'
import { LeaseKeeper, type LeaseKeeperOptions } from './lease-keeper.ts'
import { Pause } from './pause.ts'
import { RedisWatch } from './redis-watch.ts'

/** What the worker does with its partitions. Called one after the other for one partition, never overlapping. */
export interface PartitionWork {
  /** The lease is ours: claim and work. Returns at once; what fails later is the partition's own trouble, the lease stays. */
  start(partition: PartitionAssignment): void
  /** Same work under another task number. */
  relabel(partition: PartitionAssignment): void
  /** Assigned elsewhere: stop fetching, drain, release the claim. Resolves when nothing more will be written. */
  drain(partition: PartitionAssignment): Promise<void>
  /** Somebody else holds the lease: stop at once, write nothing more. */
  abandon(partition: PartitionAssignment, reason: LeaseLost): Promise<void>
}

export type OwnershipOptions = LeaseKeeperOptions & {
  /** How often the board is read and missing leases are tried. */
  readonly tickMs?: number
}
const TICK_MS = 500
/** Acquisitions under way at once: 256 × 200 bytes, one round trip. */
const ACQUISITIONS_AT_ONCE_MAX = 256

type Owned = { partition: PartitionAssignment; state: 'working' | 'leaving' }

export class Ownership implements AsyncDisposable {
  readonly #work: PartitionWork
  readonly #clock: Clock
  readonly #random: Random
  readonly #options: OwnershipOptions
  readonly #log: Logger
  readonly #watch: RedisWatch
  readonly #keeper: LeaseKeeper
  readonly #follower: AssignmentFollower
  readonly #pause: Pause
  readonly #endings: Pause
  /** By lease resource. Both are bounded by the partitions of the cluster. */
  #assigned = new Map<string, PartitionAssignment>()
  readonly #owned = new Map<string, Owned>()
  /** Resources lost to somebody else, until when we do not contend for them: two owners must not take turns. */
  readonly #coolUntilMs = new Map<string, number>()
  #isClosing = false

  constructor(
    deps: {
      readonly board: AssignmentBoard
      readonly leases: Leases
      readonly clock: Clock
      readonly timers: Timers
      readonly random: Random
      readonly log: Logger
      /** Who leads as far as this worker knows: `() => coordinator.election`. */
      readonly election: () => Election | null
    },
    options: OwnershipOptions,
    work: PartitionWork,
  ) {
    this.#work = work
    this.#clock = deps.clock
    this.#random = deps.random
    this.#options = options
    this.#log = deps.log
    this.#watch = new RedisWatch(deps, 'assignment')
    const watch = new RedisWatch(deps, 'leases')
    this.#keeper = new LeaseKeeper({ ...deps, watch }, options, resource => this.#lost(resource))
    this.#follower = new AssignmentFollower(deps.board, deps.election)
    this.#pause = new Pause(deps.timers)
    this.#endings = new Pause(deps.timers)
  }

  /** Partitions this worker works on now, the leaving ones included. */
  get owned(): readonly PartitionAssignment[] {
    return [...this.#owned.values()].map(owned => owned.partition)
  }

  /** Whether Redis cannot have given this partition's lease to anybody else yet. */
  isConfirmed(partition: PartitionAssignment): boolean {
    return this.#keeper.isConfirmed(resourceOf(partition))
  }

  /** Reads the board now rather than at the next tick. */
  nudge(): void {
    this.#pause.nudge()
  }

  /** Runs until aborted, which stops no work: close with `letGoAll` or by disposal. */
  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    const stop = new AbortController()
    const inner = { signal: AbortSignal.any([signal, stop.signal]) }
    const loops = [this.#keeper.run(inner), this.#converge(inner)]
    try {
      await Promise.race(loops)
    } finally {
      stop.abort(signal.reason)
      await Promise.allSettled(loops)
    }
  }

  /** Drains and releases everything, as for SIGTERM; partitions assigned meanwhile are not taken. Keep `run` running. */
  async letGoAll({ signal }: { signal: AbortSignal }): Promise<void> {
    this.#isClosing = true
    this.#assigned.clear()
    this.#dropUnassigned()
    while (this.#owned.size > 0) await this.#endings.wait(TICK_MS, { signal })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true
    await this.#keeper[Symbol.asyncDispose]()
  }

  async #converge(options: { signal: AbortSignal }): Promise<void> {
    for (;;) {
      await this.#turn()
      await this.#pause.wait(this.#options.tickMs ?? TICK_MS, options)
    }
  }

  async #turn(): Promise<void> {
    if (this.#isClosing) return
    try {
      // After a freeze or an outage, first ask whose the leases are: what another worker holds is abandoned, not drained.
      if ([...this.#owned.keys()].some(resource => !this.#keeper.isConfirmed(resource))) await this.#keeper.renewAll()
      const poll = await this.#follower.poll()
      if (poll.kind === 'forgotten') this.#keeper.nudge()
      if (poll.kind === 'changed' && !this.#isClosing) this.#follow(assignedTo(poll.assignment, this.#options.workerId))
      await this.#acquireMissing()
      this.#watch.served()
    } catch (error) {
      this.#watch.failed(error)
    }
  }

  #follow(partitions: readonly PartitionAssignment[]): void {
    const diff = diffAssigned([...this.#assigned.values()], partitions)
    const { toAcquire, toRelease, toRelabel } = diff
    if (toAcquire.length + toRelease.length + toRelabel.length > 0) {
      const generation = this.#follower.followed?.generation
      const counts = { acquire: toAcquire.length, release: toRelease.length, relabel: toRelabel.length }
      this.#log.info({ generation, ...counts }, 'Assignment changed.')
    }
    this.#assigned = new Map(partitions.map(p => [resourceOf(p), p]))
    // There the leader has decided anew; what only a new leader repeats is no decision.
    for (const partition of [...toAcquire, ...toRelease]) this.#coolUntilMs.delete(resourceOf(partition))
    for (const partition of toRelabel) {
      const owned = this.#owned.get(resourceOf(partition))
      if (owned?.state !== 'working') continue
      owned.partition = partition
      this.#work.relabel(partition)
    }
    this.#dropUnassigned()
  }

  #dropUnassigned(): void {
    for (const [resource, owned] of this.#owned) {
      const isAssigned = this.#assigned.get(resource)?.incarnation === owned.partition.incarnation
      if (owned.state === 'working' && !isAssigned)
        this.#leave(resource, owned, () => this.#work.drain(owned.partition))
    }
  }

  #lost(resource: string): void {
    const owned = this.#owned.get(resource)
    const coolMs = this.#options.ttlMs * (1 + this.#random.nextUint32() / 2 ** 32)
    this.#coolUntilMs.set(resource, this.#clock.monotonicMs() + coolMs)
    const { topic, partition } = owned?.partition ?? {}
    this.#log.warn({ resource, topic, partition }, 'Lease lost: another worker holds it.')
    if (owned?.state !== 'working') return
    const reason = new LeaseLost(`Another worker holds the lease ${resource}.`)
    this.#leave(resource, owned, () => this.#work.abandon(owned.partition, reason))
  }

  /** Ends the work, then frees the lease, then forgets the partition. A work that fails to end cleanly has ended too. */
  #leave(resource: string, owned: Owned, end: () => Promise<void>): void {
    owned.state = 'leaving'
    const ending = async (): Promise<void> => {
      try {
        await end()
      } catch (error) {
        this.#log.warn({ resource, err: String(error) }, 'A partition did not end cleanly; its next owner recovers it.')
      }
      await this.#keeper.release(resource)
      this.#owned.delete(resource)
      this.#endings.nudge()
      this.nudge()
    }
    void ending()
  }

  async #acquireMissing(): Promise<void> {
    const nowMs = this.#clock.monotonicMs()
    const missing = [...this.#assigned.keys()].filter(
      resource => !this.#owned.has(resource) && nowMs >= (this.#coolUntilMs.get(resource) ?? 0),
    )
    for (let start = 0; start < missing.length; start += ACQUISITIONS_AT_ONCE_MAX) {
      const some = missing.slice(start, start + ACQUISITIONS_AT_ONCE_MAX)
      const settled = await Promise.allSettled(some.map(resource => this.#acquire(resource)))
      const failed = settled.find(outcome => outcome.status === 'rejected')
      if (failed) throw failed.reason
    }
  }

  async #acquire(resource: string): Promise<void> {
    if (!(await this.#keeper.acquire(resource)) || !this.#keeper.isHeld(resource)) return
    const partition = this.#assigned.get(resource)
    if (!partition || this.#isClosing) return this.#keeper.release(resource) // taken away while we asked
    this.#owned.set(resource, { partition, state: 'working' })
    this.#work.start(partition)
  }
}

const resourceOf = (p: PartitionAssignment): string => partitionResource(p.connector, p)
