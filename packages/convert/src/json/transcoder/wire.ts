// Proto wire values written in place. Each function answers the position after what it wrote.
import { varintWidth, writeVarint32 } from '../../row-buffer.ts'

export function putTag(dst: Buffer, op: number, tag: number): number {
  if (tag < 0x80) {
    dst[op] = tag
    return op + 1
  }
  return writeVarint32(dst, op, tag)
}

/** A safe integer as int64. */
export function putInteger(dst: Buffer, op: number, value: number): number {
  if (value >= 0 && value < 0x80) {
    dst[op] = value
    return op + 1
  }
  if (value >= 0 && value < 0x4000_0000) return writeVarint32(dst, op, value)
  return putVarint64(dst, op, Math.floor(value / 4294967296), value >>> 0)
}

export function putVarint64(dst: Buffer, at: number, high: number, low: number): number {
  let l = low >>> 0
  let h = high >>> 0
  let op = at
  while (h !== 0 || l > 0x7f) {
    dst[op++] = (l & 0x7f) | 0x80
    l = ((l >>> 7) | (h << 25)) >>> 0
    h >>>= 7
  }
  dst[op++] = l
  return op
}

const doubleValue = new Float64Array(1)
const doubleBytes = new Uint8Array(doubleValue.buffer)

/** Little-endian, as every machine Node runs on. */
export function putDouble(dst: Buffer, op: number, value: number): number {
  doubleValue[0] = value
  for (let i = 0; i < 8; i++) dst[op + i] = doubleBytes[i]!
  return op + 8
}

/** Moves the content written at `op + 1` when its length takes more than one byte; answers its end. */
export function prefixLength(dst: Buffer, op: number, length: number): number {
  const width = varintWidth(length)
  if (width > 1) dst.copyWithin(op + width, op + 1, op + 1 + length)
  writeVarint32(dst, op, length)
  return op + width + length
}
