// Chance that repeats: the same seed gives the same run, ids included.
import type { Random } from '@millrace/core'

/** mulberry32: 32 bits of state are enough for one scenario. https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
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
  /** Uniform in [from, to], both included. */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1)
  }
  /** True with this probability. */
  chance(probability: number): boolean {
    return this.nextUint32() < probability * 2 ** 32
  }
  pick<T>(some: readonly T[]): T {
    return some[this.below(some.length)] as T
  }
  /** A generator of its own for one purpose: what is drawn there shifts nothing drawn here. */
  fork(purpose: string): SeededRandom {
    let hash = 0x811c9dc5 ^ this.#state
    for (let i = 0; i < purpose.length; i++) hash = Math.imul(hash ^ purpose.charCodeAt(i), 0x01000193)
    const child = new SeededRandom(hash)
    child.nextUint32()
    return child
  }
}
