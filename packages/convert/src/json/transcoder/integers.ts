// Whole numbers, exact in 64 bits: as many digits as a double counts at once, up to nineteen in two parts.
import type { Slot } from '../transcoder-plan.ts'
import { cursor, UNUSUAL } from './cursor.ts'
import { isNumberTail } from './tokens.ts'
import { putInteger, putVarint64 } from './wire.ts'

/** INT64 of an integer token, without a source schema also in quotes. */
export function putInt64(src: Buffer, start: number, dst: Buffer, op: number, slot: Slot): number {
  if (src[start] !== 0x22) return putIntegerToken(src, start, dst, op, slot.min, slot.max)
  if (!slot.schemaless) return UNUSUAL
  const after = putIntegerToken(src, start + 1, dst, op, slot.min, slot.max)
  return after < 0 || src[cursor.at++] !== 0x22 ? UNUSUAL : after
}

/** An integer token as a varint; UNUSUAL when it is anything else, or beyond [min, max] or 63 bits. */
function putIntegerToken(src: Buffer, start: number, dst: Buffer, op: number, min: number, max: number): number {
  let p = start
  const negative = src[p] === 0x2d
  if (negative) p++
  const first = p
  let d = (src[p]! | 0) - 48
  if (d < 0 || d > 9) return UNUSUAL
  // Nine digits fit 31 bits, where arithmetic is cheapest.
  let small = d
  d = (src[++p]! | 0) - 48
  if (small === 0 && d >= 0 && d <= 9) return UNUSUAL
  while (d >= 0 && d <= 9 && p - first < 9) {
    small = (small * 10 + d) | 0
    d = (src[++p]! | 0) - 48
  }
  let value = small
  while (d >= 0 && d <= 9) {
    if (p - first >= 15) {
      // Narrower integers than int64 never have so many digits.
      return max === Number.POSITIVE_INFINITY ? putLongInteger(src, p, first, negative, value, dst, op) : UNUSUAL
    }
    value = value * 10 + d
    d = (src[++p]! | 0) - 48
  }
  if (isNumberTail(d + 48)) return UNUSUAL
  if (negative) value = -value
  if (value < min || value > max) return UNUSUAL
  cursor.at = p
  return putInteger(dst, op, value)
}

/** Sixteen to nineteen digits: `head` holds the fifteen before `from`. */
function putLongInteger(
  src: Buffer,
  from: number,
  first: number,
  negative: boolean,
  head: number,
  dst: Buffer,
  op: number,
): number {
  let p = from
  let tail = 0
  let scale = 1
  let d = (src[p]! | 0) - 48
  while (d >= 0 && d <= 9) {
    if (p - first >= 19) return UNUSUAL
    tail = tail * 10 + d
    scale *= 10
    d = (src[++p]! | 0) - 48
  }
  if (isNumberTail(d + 48)) return UNUSUAL
  const low = (head >>> 0) * scale + tail
  const high = Math.floor(head / 4294967296) * scale + Math.floor(low / 4294967296)
  // -2^63 itself also goes the general way.
  if (high >= 0x8000_0000) return UNUSUAL
  cursor.at = p
  if (!negative) return putVarint64(dst, op, high, low >>> 0)
  const negatedLow = -(low >>> 0) >>> 0
  return putVarint64(dst, op, negatedLow === 0 ? -high : ~high, negatedLow)
}

/** An integer token of at most fifteen digits; NaN for anything else. */
export function readSafeInteger(src: Buffer, start: number): number {
  let p = start
  const negative = src[p] === 0x2d
  if (negative) p++
  const first = p
  let value = 0
  let d = (src[p]! | 0) - 48
  while (d >= 0 && d <= 9) {
    value = value * 10 + d
    d = (src[++p]! | 0) - 48
  }
  const digits = p - first
  if (digits === 0 || digits > 15 || (digits > 1 && src[first] === 0x30) || isNumberTail(d + 48)) return Number.NaN
  cursor.at = p
  return negative ? -value : value
}
