// How many requests per second are looked at. What is over is answered 429 before anything else is done with it.
import type { Clock } from '@millrace/core'
import type { RequestRates } from './api-security.ts'
import { addressKey, TokenBuckets } from './token-buckets.ts'

/** Pages and exporters ask in bursts: so many seconds' worth at once. */
const BURST_SEC = 4
const ALL = 'all'

export class RateLimit {
  readonly #all: TokenBuckets | null
  readonly #perAddress: TokenBuckets | null
  readonly #clock: Clock

  constructor(rates: RequestRates | null, clock: Clock) {
    this.#all = bucketsOf(rates?.all ?? 0)
    this.#perAddress = bucketsOf(rates?.perAddress ?? 0)
    this.#clock = clock
  }

  /** Seconds to wait; 0: go on. Who is over their own limit takes nothing from the others. */
  take(address: string): number {
    const nowMs = this.#clock.monotonicMs()
    const own = this.#perAddress?.take(addressKey(address), nowMs) ?? 0
    const waitMs = own > 0 ? own : (this.#all?.take(ALL, nowMs) ?? 0)
    return Math.ceil(waitMs / 1000)
  }
}

const bucketsOf = (perSec: number): TokenBuckets | null =>
  perSec === 0 ? null : new TokenBuckets({ perSec, burst: perSec * BURST_SEC })
