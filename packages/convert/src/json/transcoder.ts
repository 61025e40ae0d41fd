// The hot path: JSON bytes to proto bytes in one pass, without an object per record. It reads what is usual at once, hands a
// single unusual value to the general path, and answers BAIL for any record it is not certain about; it never refuses and never
// accepts what the general path refuses (test/transcoder.test.ts holds the two together).
//
// Reading past `end` is harmless: the bytes behind a record belong to the same buffer, and a record that needs them to be
// complete ends beyond `end`, which is checked once, at its end.
import { ROW_TAG, type RowBuffer, varintWidth, writeVarint32 } from '../row-buffer.ts'
import { BAIL, cursor, FULL, MARGIN, readFrom, SLACK, writeTo } from './transcoder/cursor.ts'
import { putMembers } from './transcoder/object.ts'
import { skipSpace } from './transcoder/tokens.ts'
import type { TranscoderPlan } from './transcoder-plan.ts'

export { BAIL }

export class Transcoder {
  readonly #root: TranscoderPlan
  /** How much shorter than its record the last row was: what predicts the width of the next one's length. */
  #saved = 0

  constructor(plan: TranscoderPlan) {
    this.#root = plan
  }

  /**
   * Appends the row of the object that begins at `open` and answers its length, or BAIL with `out` as it was.
   * @param closings how many `}` of enclosing objects must follow; then only space until `end`.
   */
  encodeRow(bytes: Buffer, open: number, end: number, out: RowBuffer, closings: number): number {
    if (open >= end || bytes[open] !== 0x7b) return BAIL
    if (end + MARGIN > bytes.length) return this.encodeRow(withMargin(bytes, open, end), 0, end - open, out, closings)
    out.reserve(2 * (end - open) + 4 * SLACK)
    readFrom(bytes, end)
    for (;;) {
      const dst = out.bytes
      writeTo(dst)
      const predicted = varintWidth(end - open - this.#saved)
      const rowStart = out.end + 1 + predicted
      const rowEnd = putMembers(this.#root, open, rowStart)
      if (rowEnd === FULL) {
        out.reserve(2 * (dst.length - out.end))
        continue
      }
      if (rowEnd < 0 || !endsAt(bytes, cursor.at, end, closings)) return BAIL
      this.#saved = end - open - (rowEnd - rowStart)
      return commitRow(out, dst, rowStart, rowEnd, predicted)
    }
  }
}

function commitRow(out: RowBuffer, dst: Buffer, rowStart: number, rowEnd: number, predicted: number): number {
  const length = rowEnd - rowStart
  const width = varintWidth(length)
  const shift = width - predicted
  if (shift !== 0) dst.copyWithin(rowStart + shift, rowStart, rowEnd)
  dst[out.end] = ROW_TAG
  writeVarint32(dst, out.end + 1, length)
  out.commitRow(rowEnd + shift)
  return length
}

/** The last record of a buffer, where there are bytes to be read behind it. */
function withMargin(bytes: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.alloc(end - start + MARGIN)
  bytes.copy(copy, 0, start, end)
  return copy
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
