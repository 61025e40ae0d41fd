// Everything that happens to a partition arrives here; one loop takes it out. Adapter callbacks only ever put.

/** Bounded by its senders: each effect under way puts at most one event, each append in flight two. */
export class Mailbox<E> {
  #events: E[] = []
  #wake: (() => void) | null = null

  put(event: E): void {
    this.#events.push(event)
    this.#wake?.()
    this.#wake = null
  }

  /** All events put so far, at least one; waits for it. Rejects with `signal.reason` when aborted. */
  async take({ signal }: { signal: AbortSignal }): Promise<readonly E[]> {
    signal.throwIfAborted()
    if (this.#events.length === 0) await this.#wait(signal)
    const events = this.#events
    this.#events = []
    return events
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#wake = null
        reject(signal.reason)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#wake = () => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      }
    })
  }
}
