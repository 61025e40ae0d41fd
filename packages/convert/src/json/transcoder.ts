// The hot path: JSON bytes to proto bytes in one pass, without an object per record. It reads what is usual at once, hands a
// single unusual value to the general path, and answers BAIL for any record it is not certain about; it never refuses and never
// accepts what the general path refuses (test/transcoder.test.ts holds the two together).
//
// Reading past `end` is harmless: the bytes behind a record belong to the same buffer, and a record that needs them to be
// complete ends beyond `end`, which is checked once, at its end.
import { ROW_TAG, type RowBuffer, varintWidth, writeVarint32 } from '../row-buffer.ts'
import { BAIL, cursor, FULL, SLACK } from './transcoder/cursor.ts'
import { putMembers } from './transcoder/object.ts'
import { skipSpace } from './transcoder/tokens.ts'
import type { TranscoderPlan } from './transcoder-plan.ts'

export { BAIL }

export class Transcoder {
  readonly #root: TranscoderPlan
  #rowLengthWidth = 1

  constructor(plan: TranscoderPlan) {
    this.#root = plan
  }

  /**
   * Appends the row of the object that begins at `open` and answers its length, or BAIL with `out` as it was.
   * @param closings how many `}` of enclosing objects must follow; then only space until `end`.
   */
  encodeRow(bytes: Buffer, open: number, end: number, out: RowBuffer, closings: number): number {
    if (open >= end || bytes[open] !== 0x7b) return BAIL
    out.reserve(2 * (end - open) + 4 * SLACK)
    for (;;) {
      const dst = out.bytes
      const rowStart = out.end + 1 + this.#rowLengthWidth
      const rowEnd = putMembers(this.#root, bytes, open + 1, end, dst, rowStart, dst.length - SLACK)
      if (rowEnd === FULL) {
        out.reserve(2 * (dst.length - out.end))
        continue
      }
      if (rowEnd < 0 || !endsAt(bytes, cursor.at, end, closings)) return BAIL
      return this.#commitRow(out, dst, rowStart, rowEnd)
    }
  }

  #commitRow(out: RowBuffer, dst: Buffer, rowStart: number, rowEnd: number): number {
    const length = rowEnd - rowStart
    const width = varintWidth(length)
    const shift = width - this.#rowLengthWidth
    if (shift !== 0) {
      dst.copyWithin(rowStart + shift, rowStart, rowEnd)
      this.#rowLengthWidth = width
    }
    dst[out.end] = ROW_TAG
    writeVarint32(dst, out.end + 1, length)
    out.commitRow(rowEnd + shift)
    return length
  }
}

/** Whether a record whose object ended at `at` is complete. */
function endsAt(src: Buffer, at: number, end: number, closings: number): boolean {
  let p = at
  for (let left = closings; left > 0; left--) {
    p = skipSpace(src, p)
    if (src[p] !== 0x7d) return false
    p++
  }
  return p === end || (p < end && skipSpace(src, p) >= end)
}
