// Rows of the batch being built, in the very bytes that go over the wire: headroom for the request header, then one
// `ProtoRows.serialized_rows` field (tag 0x0a, minimal varint length, row) per row. Encoders write in place.
import { APPEND_HEADROOM_BYTES, assert, type FrozenRows } from '@millrace/core'
import { RowBufferPool } from './row-buffer-pool.ts'

export const ROW_TAG = 0x0a

const NO_BYTES = Buffer.alloc(0)
const NO_ROWS: FrozenRows = { bytes: NO_BYTES, start: 0, end: 0, rowCount: 0 }

export class RowBuffer {
  /** Being filled; none before the first `reserve`. Encoders write at `end`, then call `commitRow`. Replaced when it grows. */
  bytes: Buffer = NO_BYTES
  /** Where the next row begins. */
  end: number = APPEND_HEADROOM_BYTES
  rowCount = 0
  readonly #pool: RowBufferPool
  /** What the next batch is likely to need: as much as the last one did. */
  #expectedBytes: number

  /** @param pool of the worker, so that idle partitions hold nothing */
  constructor(expectedBytes: number = 0, pool: RowBufferPool = new RowBufferPool()) {
    this.#expectedBytes = expectedBytes
    this.#pool = pool
  }

  /** Bytes of all rows with their prefixes: what closes a batch. */
  get byteLength(): number {
    return this.end - APPEND_HEADROOM_BYTES
  }

  /** Makes room for `count` more bytes after `end`; may replace `bytes`. */
  reserve(count: number): void {
    const { bytes, end } = this
    if (bytes.length - end >= count) return
    const isFirst = bytes.length === 0
    this.bytes = this.#pool.take(Math.max(isFirst ? this.#expectedBytes : 2 * bytes.length, end + count))
    if (isFirst) return
    bytes.copy(this.bytes, 0, 0, end)
    this.#pool.give(bytes)
  }

  /** The encoder wrote a whole `0x0a <length> <row>` up to `end`. */
  commitRow(end: number): void {
    this.end = end
    this.rowCount++
  }

  /** Appends an encoded row (without tag and length). */
  appendRow(row: Uint8Array): void {
    this.reserve(row.length + 6)
    let at = this.end
    this.bytes[at++] = ROW_TAG
    at = writeVarint32(this.bytes, at, row.length)
    this.bytes.set(row, at)
    this.commitRow(at + row.length)
  }

  /**
   * Adds the field `<tag> <length> content[0, contentLength)` to the row written last, which has `length` bytes; answers how many
   * it has then.
   */
  extendRow(length: number, tag: number, content: Uint8Array, contentLength: number): number {
    const added = varintWidth(tag) + varintWidth(contentLength) + contentLength
    this.reserve(added + 5)
    const width = varintWidth(length)
    const shift = varintWidth(length + added) - width
    const start = this.end - length
    if (shift !== 0) this.bytes.copyWithin(start + shift, start, this.end)
    writeVarint32(this.bytes, start - width, length + added)
    let at = writeVarint32(this.bytes, this.end + shift, tag)
    at = writeVarint32(this.bytes, at, contentLength)
    for (let i = 0; i < contentLength; i++) this.bytes[at++] = content[i] as number
    this.end = at
    return length + added
  }

  /** Hands the rows out and starts over without a buffer. */
  freeze(): FrozenRows {
    const { bytes, end, rowCount } = this
    this.bytes = NO_BYTES
    this.end = APPEND_HEADROOM_BYTES
    this.rowCount = 0
    this.#expectedBytes = end
    if (rowCount > 0) return { bytes, start: APPEND_HEADROOM_BYTES, end, rowCount }
    this.#pool.give(bytes)
    return NO_ROWS
  }

  /** Takes a frozen buffer back. Only when nobody will read it again: answered, and never to be re-sent. */
  recycle(bytes: Buffer): void {
    this.#pool.give(bytes)
  }
}

/** A copy of `frozen` without the rows at `indexes` (row errors); the original stays as it was. */
export function removeRows(frozen: FrozenRows, indexes: Iterable<number>): FrozenRows {
  const removed = new Set(indexes)
  const bytes = Buffer.allocUnsafeSlow(APPEND_HEADROOM_BYTES + frozen.end - frozen.start)
  let at = APPEND_HEADROOM_BYTES
  let rowCount = 0
  let index = 0
  for (let row = frozen.start; row < frozen.end; index++) {
    const next = endOfRow(frozen.bytes, row)
    if (!removed.has(index)) {
      at += frozen.bytes.copy(bytes, at, row, next)
      rowCount++
    }
    row = next
  }
  assert(index === frozen.rowCount, 'Frozen rows do not hold the number of rows they claim.')
  return { bytes, start: APPEND_HEADROOM_BYTES, end: at, rowCount }
}

/** The encoded rows, as views, for tests and inspection. */
export function* rowsOf(frozen: FrozenRows): Generator<Buffer> {
  for (let row = frozen.start; row < frozen.end; ) {
    const next = endOfRow(frozen.bytes, row)
    let content = row + 1
    while ((frozen.bytes[content]! & 0x80) !== 0) content++
    yield frozen.bytes.subarray(content + 1, next)
    row = next
  }
}

function endOfRow(bytes: Buffer, start: number): number {
  assert(bytes[start] === ROW_TAG, 'Frozen rows do not begin with a row.')
  let at = start + 1
  let length = 0
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]!
    length |= (byte & 0x7f) << shift
    if (byte < 0x80) return at + length
  }
}

/** Bytes of the minimal varint of a non-negative 31-bit value. */
export const varintWidth = (value: number): number =>
  value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5

/** Minimal varint of a non-negative 31-bit value; answers the position after it. */
export function writeVarint32(bytes: Uint8Array, at: number, value: number): number {
  let rest = value
  let position = at
  while (rest > 0x7f) {
    bytes[position++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  bytes[position++] = rest
  return position
}
