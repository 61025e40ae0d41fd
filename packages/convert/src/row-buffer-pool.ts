// Buffers of row bytes, shared by all partitions of a worker: a partition without rows has none, one with few has a small one, and
// what is settled serves whoever needs that size next. Sizes double, so a batch is copied at most once more than it is large.
import { assert } from '@millrace/core'

const SMALLEST = 1024
const LARGEST_POWER = 1024 * 1024
/** A batch that closes at 2 MiB, with headroom and its last row; larger ones are not kept. */
const LARGEST = 2 * 1024 * 1024 + 8 * 1024
/** Bytes kept for reuse, of all sizes together: sixteen of the largest. */
export const SPARE_BYTES_MAX: number = 16 * LARGEST

export class RowBufferPool {
  /** By length (twelve of them), the size that was asked for last at the end. */
  readonly #spares = new Map<number, Buffer[]>()
  readonly #isSpare = new WeakSet<Buffer>()
  #spareBytes = 0

  get spareBytes(): number {
    return this.#spareBytes
  }

  /** One of at least `byteCount` bytes, with anything in it. */
  take(byteCount: number): Buffer {
    const length = lengthFor(byteCount)
    const spares = this.#spares.get(length)
    if (spares === undefined) return Buffer.allocUnsafeSlow(length)
    this.#spares.delete(length)
    this.#spares.set(length, spares)
    const spare = spares.pop()
    if (spare === undefined) return Buffer.allocUnsafeSlow(length)
    this.#isSpare.delete(spare)
    this.#spareBytes -= length
    return spare
  }

  /** Takes it back. Only when nobody will read it again. Sizes nobody asked for lately make room for it. */
  give(buffer: Buffer): void {
    const { length } = buffer
    if (length < SMALLEST || length > LARGEST || length !== lengthFor(length)) return
    assert(!this.#isSpare.has(buffer), 'A row buffer was recycled twice.')
    while (this.#spareBytes + length > SPARE_BYTES_MAX) if (!this.#dropOther(length)) return
    this.#isSpare.add(buffer)
    this.#spareBytes += length
    const spares = this.#spares.get(length)
    if (spares === undefined) this.#spares.set(length, [buffer])
    else spares.push(buffer)
  }

  /** false: all that is kept has this length. */
  #dropOther(length: number): boolean {
    for (const [other, spares] of this.#spares) {
      if (other === length) continue
      const dropped = spares.pop()
      if (dropped === undefined) continue
      this.#isSpare.delete(dropped)
      this.#spareBytes -= other
      return true
    }
    return false
  }
}

function lengthFor(byteCount: number): number {
  if (byteCount <= SMALLEST) return SMALLEST
  if (byteCount > LARGEST_POWER && byteCount <= LARGEST) return LARGEST
  return 2 ** (32 - Math.clz32(byteCount - 1))
}
