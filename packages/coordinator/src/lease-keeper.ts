// Holds this worker's leases: acquires, renews every heartbeat, releases. Decides nothing but what lease-decision.ts says.
// Invariant: a resource is in `#held` from a successful acquire until release or loss, and reported lost at most once.
import type { Clock, Lease, Leases, Random, Timers, WorkerId } from '@millrace/core'
import { confirmedUntilMs, LEASE_DECISIONS, type LeaseNews } from './lease-decision.ts'
import { Pause } from './pause.ts'
import type { RedisWatch } from './redis-watch.ts'

export type LeaseKeeperOptions = {
  readonly workerId: WorkerId
  /** `session.timeout.ms`. */
  readonly ttlMs: number
  /** `heartbeat.interval.ms`. */
  readonly heartbeatMs: number
}
/** Commands under way at once: 256 × 200 bytes, one round trip. */
const RENEWALS_AT_ONCE_MAX = 256
/** After a failure: well below the heartbeat, so that leases are confirmed soon after Redis is back. */
const RETRY_MS = 500

type Held = { lease: Lease; confirmedUntilMs: number }

export class LeaseKeeper implements AsyncDisposable {
  readonly #leases: Leases
  readonly #clock: Clock
  readonly #random: Random
  readonly #options: LeaseKeeperOptions
  readonly #watch: RedisWatch
  readonly #onLost: (resource: string) => void
  readonly #pause: Pause
  /** One entry per partition this worker works on. */
  readonly #held = new Map<string, Held>()

  /** @param onLost called once, when somebody else holds the lease: stop work on the resource at once. */
  constructor(
    deps: {
      readonly leases: Leases
      readonly clock: Clock
      readonly timers: Timers
      readonly random: Random
      readonly watch: RedisWatch
    },
    options: LeaseKeeperOptions,
    onLost: (resource: string) => void,
  ) {
    this.#leases = deps.leases
    this.#clock = deps.clock
    this.#random = deps.random
    this.#options = options
    this.#watch = deps.watch
    this.#onLost = onLost
    this.#pause = new Pause(deps.timers)
  }

  isHeld(resource: string): boolean {
    return this.#held.has(resource)
  }

  /** Whether Redis cannot have given the lease to anybody else yet. False does not mean stop: see lease-decision.ts. */
  isConfirmed(resource: string): boolean {
    const held = this.#held.get(resource)
    return held !== undefined && this.#clock.monotonicMs() < held.confirmedUntilMs
  }

  /** True when the lease is ours now, and kept until `release` or `onLost`. Rejects when Redis is away. */
  async acquire(resource: string): Promise<boolean> {
    if (this.#held.has(resource)) return true
    const sentAtMs = this.#clock.monotonicMs()
    const { workerId, ttlMs } = this.#options
    const lease = await this.#leases.acquire(resource, workerId, ttlMs)
    if (lease === null) return false
    this.#held.set(resource, { lease, confirmedUntilMs: confirmedUntilMs(sentAtMs, ttlMs) })
    return true
  }

  /** Frees the resource for others: at once, or at its TTL when Redis is away. */
  async release(resource: string): Promise<void> {
    const held = this.#held.get(resource)
    if (!held) return
    this.#held.delete(resource)
    await this.#releaseQuietly(held.lease)
  }

  /** Renews now rather than at the next heartbeat. */
  nudge(): void {
    this.#pause.nudge()
  }

  /** Renews until aborted. */
  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    for (;;) {
      const isServed = await this.renewAll()
      const heartbeatMs = this.#options.heartbeatMs * (0.9 + (0.1 * this.#random.nextUint32()) / 2 ** 32)
      await this.#pause.wait(isServed ? heartbeatMs : Math.min(RETRY_MS, heartbeatMs), { signal })
    }
  }

  /** One round over all leases; false when Redis did not answer for some. */
  async renewAll(): Promise<boolean> {
    const resources = [...this.#held.keys()]
    let isServed = true
    for (let start = 0; start < resources.length; start += RENEWALS_AT_ONCE_MAX) {
      const some = resources.slice(start, start + RENEWALS_AT_ONCE_MAX)
      const served = await Promise.all(some.map(resource => this.#renew(resource)))
      isServed &&= served.every(Boolean)
    }
    if (isServed && resources.length > 0) this.#watch.served()
    return isServed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const leases = [...this.#held.values()].map(held => held.lease)
    this.#held.clear()
    await Promise.all(leases.map(lease => this.#releaseQuietly(lease)))
  }

  async #renew(resource: string): Promise<boolean> {
    const held = this.#held.get(resource)
    if (!held) return true
    let news = await this.#ask(held, async () => ((await this.#leases.renew(held.lease)) ? 'renewed' : 'tokenGone'))
    if (LEASE_DECISIONS[news] === 'reacquire' && this.#held.get(resource) === held) {
      news = await this.#ask(held, () => this.#reacquire(resource, held))
    }
    if (LEASE_DECISIONS[news] === 'letGo' && this.#held.get(resource) === held) {
      this.#held.delete(resource)
      this.#onLost(resource)
    }
    return news !== 'unreachable'
  }

  /** Sends one command about a held lease and notes what a good answer confirms. */
  async #ask(held: Held, command: () => Promise<LeaseNews>): Promise<LeaseNews> {
    const sentAtMs = this.#clock.monotonicMs()
    try {
      const news = await command()
      if (LEASE_DECISIONS[news] === 'confirm') held.confirmedUntilMs = confirmedUntilMs(sentAtMs, this.#options.ttlMs)
      return news
    } catch (error) {
      this.#watch.failed(error)
      return 'unreachable'
    }
  }

  async #reacquire(resource: string, held: Held): Promise<LeaseNews> {
    const lease = await this.#leases.acquire(resource, this.#options.workerId, this.#options.ttlMs)
    if (lease === null) return 'heldByAnother'
    if (this.#held.get(resource) === held) held.lease = lease
    else await this.#releaseQuietly(lease) // let go while we asked
    return 'reacquired'
  }

  async #releaseQuietly(lease: Lease): Promise<void> {
    try {
      await this.#leases.release(lease)
    } catch (error) {
      this.#watch.failed(error)
    }
  }
}
