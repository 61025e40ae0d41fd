// A wake-up that cannot be lost: take a ticket, look at the state, then wait for anything that happened since the ticket.

export class Wake {
  #version = 0
  #waiting: (() => void)[] = []

  get ticket(): number {
    return this.#version
  }

  notify(): void {
    this.#version++
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }

  /** Resolves at once when `notify` was called after the ticket was taken. Rejects with `signal.reason`. */
  wait(ticket: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason)
    if (ticket !== this.#version) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting = this.#waiting.filter(w => w !== onWake)
        reject(signal.reason)
      }
      const onWake = (): void => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.push(onWake)
    })
  }
}
