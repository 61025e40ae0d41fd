// Bytes of batches not yet acknowledged, over all partitions of a worker. Full means: nobody reads on until something is acknowledged.
// The buffers that hold their rows are shared the same way; each is less than twice as large as what is in it.
import { RowBufferPool } from '@millrace/convert'

export class ByteBudget {
  readonly rowBuffers: RowBufferPool = new RowBufferPool()
  readonly #bytesMax: number
  #bytes = 0
  readonly #waiting = new Set<() => void>()

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }
  get usedBytes(): number {
    return this.#bytes
  }
  hasRoom(): boolean {
    return this.#bytes < this.#bytesMax
  }
  /** May overshoot by one batch per partition: the caller asks `hasRoom` before it reads, not before it closes a batch. */
  take(bytes: number): void {
    this.#bytes += bytes
  }
  release(bytes: number): void {
    this.#bytes -= bytes
    if (!this.hasRoom()) return
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }
  /** Calls back once when there is room (at once if there is). The answer removes the callback. */
  whenRoom(wake: () => void): () => void {
    if (this.hasRoom()) {
      wake()
      return () => {}
    }
    this.#waiting.add(wake)
    return () => this.#waiting.delete(wake)
  }
}
