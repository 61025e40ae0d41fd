// Where several take their last step together or not at all: the gate opens when all have come, by one check for all of them.

export class Gate {
  readonly #open: () => Promise<void>
  readonly #opened: PromiseWithResolvers<void> = Promise.withResolvers<void>()
  #missing: number
  #isOpen = false

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
    const stayAway = (): void => this.#opened.reject(signal.reason)
    if (signal.aborted) stayAway()
    signal.addEventListener('abort', stayAway, { once: true })
    try {
      if (--this.#missing === 0) this.#openNow()
      await this.#opened.promise
    } finally {
      signal.removeEventListener('abort', stayAway)
    }
  }

  #openNow(): void {
    this.#open().then(
      () => {
        this.#opened.resolve()
        this.#isOpen = true
      },
      error => this.#opened.reject(error),
    )
  }
}
