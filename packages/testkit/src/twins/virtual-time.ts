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
    return this.#epochMs + this.#elapsedMs
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

  /** Moves time forward, waking sleepers one by one. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#elapsedMs + ms
    await this.settle()
    for (;;) {
      const next = [...this.#sleepers].sort((a, b) => a.dueMs - b.dueMs)[0]
      if (!next || next.dueMs > endMs) break
      this.#sleepers.delete(next)
      this.#elapsedMs = Math.max(this.#elapsedMs, next.dueMs)
      next.wake()
      await this.settle()
    }
    this.#elapsedMs = endMs
    await this.settle()
  }

  /** Time passes without anybody noticing: a process that was stopped (SIGSTOP), or a suspended machine. */
  jump(ms: number): void {
    this.#elapsedMs += ms
  }
}
