// Proto wire values written in place. Each function answers the position after what it wrote.
import { varintWidth, writeVarint32 } from '../../row-buffer.ts'
import { cursor } from './cursor.ts'

const here = cursor

/** A tag has at most 29 bits of field number and three of wire type, so that most take one byte. */
export function putTag(op: number, tag: number): number {
  if (tag >= 0x80) return writeVarint32(here.dst, op, tag)
  here.to.setUint8(op, tag)
  return op + 1
}

/** Bytes of the varint of a number below 2^28, by its leading zeros. */
const WIDTH = Uint8Array.from({ length: 33 }, (_, zeros) => Math.max(1, Math.ceil((32 - zeros) / 7)))
/** Continuation bits of a varint of so many bytes. */
const CONTINUED = Int32Array.of(0, 0, 0x80, 0x8080, 0x80_8080)

/** A number below 2^28 with seven bits in each byte. */
const septets = (value: number): number =>
  (value & 0x7f) | ((value & 0x3f80) << 1) | ((value & 0x1f_c000) << 2) | ((value & 0xfe0_0000) << 3)

/** A safe integer as int64. (Not by `%`, which calls fmod for numbers beyond 32 bits.) */
export function putInteger(op: number, value: number): number {
  if (value < 0) return putVarint64(op, Math.floor(value / 4294967296), value >>> 0)
  const rest = Math.floor(value / 0x1000_0000) | 0
  return putLarge(op, (value - rest * 0x1000_0000) | 0, rest)
}

/** An integer from 0 below 2^28. */
export function putSmall(op: number, value: number): number {
  const width = WIDTH[Math.clz32(value)]!
  here.to.setInt32(op, septets(value) | CONTINUED[width]!, true)
  return op + width
}

/** `rest × 2^28 + low`, both below 2^28. */
export function putLarge(op: number, low: number, rest: number): number {
  if (rest === 0) return putSmall(op, low)
  here.to.setInt32(op, septets(low) | 0x8080_8080, true)
  const width = WIDTH[Math.clz32(rest)]!
  here.to.setInt32(op + 4, septets(rest) | CONTINUED[width]!, true)
  return op + 4 + width
}

/** A negative 32-bit integer as int64: always ten bytes. */
export function putNegative(op: number, value: number): number {
  here.to.setInt32(op, septets(value) | 0x8080_8080, true)
  here.to.setInt32(op + 4, septets(value >> 28) | 0x8080_8080, true)
  here.to.setInt16(op + 8, 0x01ff, true)
  return op + 10
}

export function putVarint64(at: number, high: number, low: number): number {
  const { dst } = here
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

export function putDouble(op: number, value: number): number {
  here.to.setFloat64(op, value, true)
  return op + 8
}

/** Moves the content written at `op + 1` when its length takes more than one byte; answers its end. */
export function prefixLength(op: number, length: number): number {
  const { dst } = here
  const width = varintWidth(length)
  if (width > 1) dst.copyWithin(op + width, op + 1, op + 1 + length)
  writeVarint32(dst, op, length)
  return op + width + length
}
