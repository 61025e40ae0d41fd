// What the columns of a batch grow by. A request of a few megabytes may have millions of rows for thousands of columns, which in
// memory are many gigabytes: it is refused.

/** Bytes one request may make the columns grow by. 512 MB: a million rows of 30 columns. */
const GROWTH_BYTES_MAX: number = 512 * 1024 * 1024

/** A request's rows times the table's columns are beyond GROWTH_BYTES_MAX. */
export class TooManyValues extends Error {
  constructor() {
    super(`the rows of this request, times the columns of the table, are more than this emulator holds at once.`)
  }
}

export class Growth {
  /** Since the batch was made. */
  bytes = 0
  private atStart = 0

  /** Another request begins. */
  start(): void {
    this.atStart = this.bytes
  }

  get sinceStart(): number {
    return this.bytes - this.atStart
  }

  /** The columns gave their memory back. */
  reset(): void {
    this.bytes = 0
    this.atStart = 0
  }

  /** Called before the memory is taken. Throws TooManyValues. */
  add(bytes: number): void {
    if (this.sinceStart + bytes > GROWTH_BYTES_MAX) throw new TooManyValues()
    this.bytes += bytes
  }
}
