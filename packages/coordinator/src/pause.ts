// The wait between two turns of a loop, which anybody may cut short. A nudge during a turn makes the next wait return at once.
import type { Timers } from '@millrace/core'

export class Pause {
  readonly #timers: Timers
  #isNudged = false
  #waiting: AbortController | null = null

  constructor(timers: Timers) {
    this.#timers = timers
  }

  nudge(): void {
    this.#isNudged = true
    this.#waiting?.abort()
  }

  /** Returns after `ms` or at a nudge; rejects with the reason of `signal`. */
  async wait(ms: number, { signal }: { signal: AbortSignal }): Promise<void> {
    signal.throwIfAborted()
    if (!this.#isNudged) {
      const waiting = new AbortController()
      const stop = (): void => waiting.abort()
      signal.addEventListener('abort', stop, { once: true })
      this.#waiting = waiting
      await this.#timers.sleep(ms, { signal: waiting.signal }).catch(() => {})
      signal.removeEventListener('abort', stop)
      this.#waiting = null
    }
    this.#isNudged = false
    signal.throwIfAborted()
  }
}
