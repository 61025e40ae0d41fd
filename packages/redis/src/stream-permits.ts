// Permits of the cluster-wide ramp. The waiters of this process ask Redis with one call at a time, takeovers first, so a cold
// start of a thousand lanes is a few calls per second. While Redis is away a trickle goes on: a lane that must rotate its stream
// is running work, and running work does not depend on Redis.
import {
  type Clock,
  DEFAULT_RAMP_LIMITS,
  isMillraceError,
  type PermitKind,
  type RampLimits,
  type Random,
  type StreamPermits,
  type Timers,
} from '@millrace/core'
import type { RedisConnection } from './connection.ts'

/** Redis must be away this long before permits are given without it, */
export const TRICKLE_AFTER_MS = 5_000
/** and then one per this time and worker: 100 workers together stay at `stream.create.max.per.sec`. */
export const TRICKLE_EVERY_MS = 5_000
const OUTAGE_RETRY_MS = 500

type Waiter = { readonly grant: () => void; readonly refuse: (error: unknown) => void }
type Remembered = { readonly bornAtMs: string; readonly permitsPerSec: string; readonly grantedLastHour: string }

export class RedisStreamPermits implements StreamPermits {
  readonly #connection: RedisConnection
  readonly #limits: RampLimits
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #random: Random
  /** In order of arrival; one entry per lane that opens a stream, which worker.memory.budget bounds. */
  readonly #waiters: Record<PermitKind, Waiter[]> = { takeover: [], coldStart: [] }
  #pump: Promise<void> | null = null
  #pause: AbortController | null = null
  #remembered: Remembered | null = null
  #outageSinceMs: number | null = null
  #trickledAtMs = Number.NEGATIVE_INFINITY

  constructor(
    connection: RedisConnection,
    deps: { readonly clock: Clock; readonly timers: Timers; readonly random: Random },
    limits: RampLimits = DEFAULT_RAMP_LIMITS,
  ) {
    this.#connection = connection
    this.#limits = limits
    this.#clock = deps.clock
    this.#timers = deps.timers
    this.#random = deps.random
  }

  async take(kind: PermitKind, { signal }: { signal: AbortSignal }): Promise<void> {
    signal.throwIfAborted()
    const queue = this.#waiters[kind]
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiter: Waiter = { grant: resolve, refuse: reject }
    const abandon = (): void => {
      const at = queue.indexOf(waiter)
      if (at >= 0) queue.splice(at, 1)
      reject(signal.reason)
      if (this.#isIdle()) this.#pause?.abort()
    }
    signal.addEventListener('abort', abandon, { once: true })
    queue.push(waiter)
    if (kind === 'takeover' && queue.length === 1) this.#pause?.abort() // it does not wait out a pause of cold starts
    this.#pump ??= this.#run().finally(() => {
      this.#pump = null
    })
    try {
      await promise
    } finally {
      signal.removeEventListener('abort', abandon)
    }
  }

  /** A report that cannot be delivered is dropped: the next one tells the same. */
  async report(outcome: { readonly latencyMs: number; readonly quotaExceeded: boolean }): Promise<void> {
    try {
      await this.#step('created', Math.round(outcome.latencyMs), outcome.quotaExceeded ? 1 : 0)
    } catch (error) {
      if (!isMillraceError(error) || error.disposition !== 'retry') throw error
    }
  }

  #isIdle(): boolean {
    return this.#waiters.takeover.length === 0 && this.#waiters.coldStart.length === 0
  }

  async #run(): Promise<void> {
    await Promise.resolve() // lanes that ask in the same turn ask together
    while (!this.#isIdle()) {
      const waitMs = await this.#askOnce()
      if (this.#isIdle() || waitMs === 0) continue
      this.#pause = new AbortController()
      const jitterMs = (waitMs / 4) * (this.#random.nextUint32() / 2 ** 32)
      await this.#timers.sleep(waitMs + jitterMs, { signal: this.#pause.signal }).catch(() => {})
      this.#pause = null
    }
  }

  /** Answers how long to wait before asking again. */
  async #askOnce(): Promise<number> {
    try {
      const { takeover, coldStart } = this.#waiters
      const [takeovers, coldStarts, retryAfterMs] = await this.#step('take', takeover.length, coldStart.length)
      this.#outageSinceMs = null
      this.#grant('takeover', takeovers!)
      this.#grant('coldStart', coldStarts!)
      return retryAfterMs!
    } catch (error) {
      if (isMillraceError(error) && error.disposition === 'retry') return this.#trickle()
      for (const waiter of this.#waiters.takeover.splice(0)) waiter.refuse(error)
      for (const waiter of this.#waiters.coldStart.splice(0)) waiter.refuse(error)
      return 0
    }
  }

  #grant(kind: PermitKind, count: number): void {
    for (const waiter of this.#waiters[kind].splice(0, count)) waiter.grant()
  }

  #trickle(): number {
    const nowMs = this.#clock.monotonicMs()
    this.#outageSinceMs ??= nowMs
    const isDue = nowMs - this.#outageSinceMs >= TRICKLE_AFTER_MS && nowMs - this.#trickledAtMs >= TRICKLE_EVERY_MS
    if (isDue) {
      this.#trickledAtMs = nowMs
      this.#grant(this.#waiters.takeover.length > 0 ? 'takeover' : 'coldStart', 1)
    }
    return OUTAGE_RETRY_MS
  }

  async #step(kind: 'take' | 'created', first: number, second: number): Promise<readonly number[]> {
    const { burst, permitsPerSecMax, permitsPerHourMax } = this.#limits
    const known = this.#remembered ?? { bornAtMs: '', permitsPerSec: '', grantedLastHour: '' }
    const args = [
      '',
      burst,
      permitsPerSecMax,
      permitsPerHourMax,
      known.bornAtMs,
      known.permitsPerSec,
      known.grantedLastHour,
      kind,
      first,
      second,
    ]
    const answer = (await this.#connection.run('streamRamp', ['ramp'], args)) as string[]
    this.#remembered = { bornAtMs: answer[3]!, permitsPerSec: answer[4]!, grantedLastHour: answer[5]! }
    return answer.map(Number)
  }
}
