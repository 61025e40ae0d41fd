// One simulated process: its clocks, its timers, and death or sleep at any moment. Whatever reaches it goes through `deliver`:
// a dead one hears nothing any more, a frozen one hears everything once it wakes. What it had sent still travels.
import type { Clock, Timers } from '@millrace/core'
import type { Scheduler } from './scheduler.ts'

export type MachineOptions = {
  /** Its wall clock is ahead of the world's by this; durations are not touched. */
  readonly clockOffsetMs?: number
  /** Its clocks and timers run this much faster than the world's. */
  readonly clockRate?: number
}

export class Machine {
  readonly name: string
  readonly clock: Clock
  readonly timers: Timers
  readonly #scheduler: Scheduler
  readonly #rate: number
  #isAlive = true
  #isFrozen = false
  /** What came while it was frozen, in the order it came. */
  #missed: { readonly label: string; readonly run: () => void }[] = []

  constructor(name: string, scheduler: Scheduler, { clockOffsetMs = 0, clockRate = 1 }: MachineOptions = {}) {
    this.name = name
    this.#scheduler = scheduler
    this.#rate = clockRate
    this.clock = {
      nowMs: () => scheduler.epochMs + clockOffsetMs + Math.floor(scheduler.elapsedMs * clockRate),
      monotonicMs: () => scheduler.elapsedMs * clockRate,
    }
    this.timers = { sleep: (ms, { signal }) => this.#sleep(ms, signal) }
  }

  get isAlive(): boolean {
    return this.#isAlive
  }
  get isFrozen(): boolean {
    return this.#isFrozen
  }

  /** As kill -9: from now on no code of it runs. */
  kill(): void {
    this.#isAlive = false
    this.#missed = []
  }
  /** As SIGSTOP, a stop-the-world pause or a blocked event loop. */
  freeze(): void {
    this.#isFrozen = true
  }
  /** As SIGCONT: what it missed happens at once, in an order by chance. */
  thaw(): void {
    this.#isFrozen = false
    const missed = this.#missed
    this.#missed = []
    for (const { label, run } of missed) this.deliver(0, label, run)
  }

  /** Something reaches it after this long. */
  deliver(delayMs: number, label: string, run: () => void): { cancel(): void } {
    return this.#scheduler.at(delayMs, label, () => {
      if (!this.#isAlive) return
      if (this.#isFrozen) this.#missed.push({ label, run })
      else run()
    })
  }

  #sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const timer = this.deliver(Math.max(0, ms) / this.#rate, `${this.name} timer`, () => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      })
      const onAbort = (): void => {
        timer.cancel()
        reject(signal.reason)
      }
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }
}
