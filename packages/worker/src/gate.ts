// Where several take their last step together or not at all: the gate opens when all have come, by one check for all of them.

export class Gate {
  readonly #open: () => Promise<void>
  readonly #opened: PromiseWithResolvers<void> = Promise.withResolvers<void>()
  #missing: number
  #isOpen = false
  #isClosed = false

  /** @param open rejects when nobody may pass. */
  constructor(count: number, open: () => Promise<void>) {
    this.#missing = count
    this.#open = open
    this.#opened.promise.catch(() => {}) // whoever waits is told
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Once by each of them. Rejects with why it stays closed, or with `signal.reason`. */
  async pass({ signal }: { signal: AbortSignal }): Promise<void> {
    const stayAway = (): void => this.#stayClosed(signal.reason)
    if (signal.aborted) stayAway()
    signal.addEventListener('abort', stayAway, { once: true })
    try {
      if (--this.#missing === 0 && !this.#isClosed) this.#openNow()
      await this.#opened.promise
    } finally {
      signal.removeEventListener('abort', stayAway)
    }
  }

  #openNow(): void {
    this.#open().then(
      () => {
        if (this.#isClosed) return
        this.#isOpen = true
        this.#opened.resolve()
      },
      error => this.#stayClosed(error),
    )
  }

  #stayClosed(reason: unknown): void {
    if (this.#isOpen) return
    this.#isClosed = true
    this.#opened.reject(reason)
  }
}
