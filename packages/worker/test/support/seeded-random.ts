// Chance that repeats: the same seed gives the same run, ids included.
import type { Random } from '@millrace/core'

/** mulberry32; 32 bits of state are enough for a scenario. */
export class SeededRandom implements Random {
  #state: number
  #ids = 0

  constructor(seed: number) {
    this.#state = seed >>> 0
  }
  nextUint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }
  nextId(): string {
    return `id${(++this.#ids).toString(36)}x${this.nextUint32().toString(36)}`
  }
  /** Uniform in [0, count). */
  below(count: number): number {
    return this.nextUint32() % count
  }
  isOneIn(count: number): boolean {
    return this.below(count) === 0
  }
}
