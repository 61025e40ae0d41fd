// Rows of the batch being built, in the very bytes that go over the wire: headroom for the request header, then one
// `ProtoRows.serialized_rows` field (tag 0x0a, minimal varint length, row) per row. Encoders write in place.
import { APPEND_HEADROOM_BYTES, assert, type FrozenRows } from '@millrace/core'

export const ROW_TAG = 0x0a

/** Buffers kept for reuse. Memory: at most MAX_SPARE_BUFFERS × SPARE_GROWTH × capacity idle per RowBuffer. */
export const MAX_SPARE_BUFFERS = 4
/** A buffer that one large row blew up beyond this many times the capacity is given back to the collector. */
const SPARE_GROWTH = 2

const DEFAULT_CAPACITY = 2 * 1024 * 1024 + 64 * 1024

export class RowBuffer {
  /** Being filled. Encoders write at `end`, then call `commitRow`. Replaced when it grows. */
  bytes: Buffer
  /** Where the next row begins. */
  end: number = APPEND_HEADROOM_BYTES
  rowCount = 0
  readonly #capacity: number
  readonly #spare: Buffer[] = []

  /** @param capacity bytes allocated at once; a batch that closes by bytes should fit with its last row. */
  constructor(capacity: number = DEFAULT_CAPACITY) {
    this.#capacity = Math.max(capacity, 2 * APPEND_HEADROOM_BYTES)
    this.bytes = Buffer.allocUnsafeSlow(this.#capacity)
  }

  /** Bytes of all rows with their prefixes: what closes a batch. */
  get byteLength(): number {
    return this.end - APPEND_HEADROOM_BYTES
  }

  /** Makes room for `count` more bytes after `end`; may replace `bytes`. */
  reserve(count: number): void {
    if (this.bytes.length - this.end >= count) return
    const grown = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.end + count))
    this.bytes.copy(grown, 0, 0, this.end)
    this.bytes = grown
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

  /** Hands the rows out and starts over with a recycled or fresh buffer. */
  freeze(): FrozenRows {
    const frozen = { bytes: this.bytes, start: APPEND_HEADROOM_BYTES, end: this.end, rowCount: this.rowCount }
    this.bytes = this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#capacity)
    this.end = APPEND_HEADROOM_BYTES
    this.rowCount = 0
    return frozen
  }

  /** Takes a frozen buffer back. Only when nobody will read it again: answered, and never to be re-sent. */
  recycle(bytes: Buffer): void {
    if (this.#spare.length >= MAX_SPARE_BUFFERS) return
    if (bytes.length < this.#capacity || bytes.length > SPARE_GROWTH * this.#capacity) return
    assert(bytes !== this.bytes && !this.#spare.includes(bytes), 'A row buffer was recycled twice.')
    this.#spare.push(bytes)
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
