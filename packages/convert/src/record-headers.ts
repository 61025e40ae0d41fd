// The headers section of a Kafka record (format v2): zigzag varint count, then per header key length, key, value length, value;
// a value length of -1 means null. https://kafka.apache.org/documentation/#record
import { MillraceError, type RecordHeader, type RecordSlice } from '@millrace/core'

/** The headers of record i in order, values as views on the slice's bytes. */
export function decodeHeaders(slice: RecordSlice, i: number): readonly RecordHeader[] {
  const headers: RecordHeader[] = []
  eachHeader(slice, i, (bytes, keyStart, keyEnd, valueStart, valueEnd) => {
    const value = valueStart < 0 ? null : bytes.subarray(valueStart, valueEnd)
    headers.push({ key: bytes.toString('utf8', keyStart, keyEnd), value })
    return true
  })
  return headers
}

/** Whether record i has a header of this name. */
export function hasHeader(slice: RecordSlice, i: number, name: Buffer): boolean {
  let found = false
  eachHeader(slice, i, (bytes, keyStart, keyEnd) => {
    found = name.length === keyEnd - keyStart && bytes.compare(name, 0, name.length, keyStart, keyEnd) === 0
    return !found
  })
  return found
}

type Visit = (bytes: Buffer, keyStart: number, keyEnd: number, valueStart: number, valueEnd: number) => boolean

function eachHeader(slice: RecordSlice, i: number, visit: Visit): void {
  const cursor = new HeaderCursor(slice.bytes, slice.headersStart[i]!, slice.headersEnd[i]!)
  if (cursor.at < 0 || cursor.at >= cursor.end) return
  for (let left = cursor.length(); left > 0; left--) {
    const keyLength = cursor.length()
    const keyStart = cursor.take(keyLength)
    const valueLength = cursor.length()
    const valueStart = valueLength < 0 ? -1 : cursor.take(valueLength)
    if (!visit(slice.bytes, keyStart, keyStart + keyLength, valueStart, valueStart + Math.max(valueLength, 0))) return
  }
}

class HeaderCursor {
  at: number
  readonly end: number
  readonly #bytes: Buffer

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes
    this.at = start
    this.end = end
  }

  /** A zigzag varint of at most five bytes. */
  length(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      if (this.at >= this.end) throw damaged()
      const byte = this.#bytes[this.at++]!
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1)
    }
    throw damaged()
  }

  take(count: number): number {
    const start = this.at
    if (count < 0 || start + count > this.end) throw damaged()
    this.at = start + count
    return start
  }
}

const damaged = (): MillraceError =>
  new MillraceError('SOURCE_CORRUPT', 'failPartition', 'The headers section of a record is damaged.')
