// Time that stands still until a test moves it: Clock and Timers in one. Sleepers wake in order of their due time, and what they
// cause is let run to its end before time moves on (a tick ends on a macrotask, as a promise chain may be any length).
import type { Clock, Timers } from '@millrace/core'

type Sleeper = { readonly dueMs: number; readonly wake: () => void }

export class VirtualTime implements Clock, Timers {
  /** Unbounded on purpose: a test owns its sleepers. */
  readonly #sleepers = new Set<Sleeper>()
  readonly #epochMs: number
  #elapsedMs = 0

  constructor(epochMs = 1_700_000_000_000) {
    this.#epochMs = epochMs
  }

  nowMs(): number {
    return this.#epochMs + Math.floor(this.#elapsedMs) // as Date.now: whole milliseconds
  }

  monotonicMs(): number {
    return this.#elapsedMs
  }

  sleep(ms: number, { signal }: { signal: AbortSignal }): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const sleeper: Sleeper = { dueMs: this.#elapsedMs + Math.max(0, ms), wake: resolve }
    const abort = (): void => {
      this.#sleepers.delete(sleeper)
      reject(signal.reason)
    }
    this.#sleepers.add(sleeper)
    signal.addEventListener('abort', abort, { once: true })
    return promise.finally(() => signal.removeEventListener('abort', abort))
  }

  /** Lets everything that can run now do so. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve))
  }

  /** Moves time forward; sleepers due at the same instant wake together. `check` runs after each instant. */
  async advance(ms: number, check: () => void = () => {}): Promise<void> {
    const endMs = this.#elapsedMs + ms
    await this.settle()
    for (;;) {
      const dueMs = Math.min(...[...this.#sleepers].map(sleeper => sleeper.dueMs))
      if (dueMs > endMs) break
      this.#elapsedMs = Math.max(this.#elapsedMs, dueMs)
      for (const sleeper of [...this.#sleepers].filter(one => one.dueMs <= dueMs)) {
        this.#sleepers.delete(sleeper)
        sleeper.wake()
      }
      await this.settle()
      check()
    }
    this.#elapsedMs = endMs
  }

  /** Time passes without anybody noticing: a process that was stopped (SIGSTOP), or a suspended machine. */
  jump(ms: number): void {
    this.#elapsedMs += ms
  }
}
