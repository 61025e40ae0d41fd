// NUMERIC on the wire: the value × 10^9 as minimal little-endian two's complement bytes.
import type { Slot } from '../transcoder-plan.ts'
import { readShortUnscaled } from './base64.ts'
import { cursor, UNUSUAL } from './cursor.ts'
import { readEightDigits } from './digits.ts'
import { POWERS_OF_TEN } from './powers-of-ten.ts'

const here = cursor

/** 10^9, 10^8 … 10^0. */
const TEN_TO_NINE_LESS = Float64Array.from({ length: 10 }, (_, i) => 10 ** (9 - i))

/** NUMERIC of a number token, without a source schema also in quotes. */
export function putNumeric(slot: Slot, start: number, op: number): number {
  const { from } = here
  if (from.getUint8(start) !== 0x22) return putNumericToken(start, op)
  if (!slot.schemaless) return UNUSUAL
  const after = putNumericToken(start + 1, op)
  return after < 0 || from.getUint8(here.at++) !== 0x22 ? UNUSUAL : after
}

/** A number token as NUMERIC bytes with their length, else UNUSUAL. */
function putNumericToken(start: number, op: number): number {
  const { from, to } = here
  const negative = from.getUint8(start) === 0x2d
  const first = negative ? start + 1 : start
  const whole = readEightDigits(from, first)
  let p = here.at
  const digits = p - first
  if (digits === 0 || digits === 8 || (digits > 1 && from.getUint8(first) === 0x30)) return putLongNumeric(start, op)
  let scaled = whole * 1e9
  if (from.getUint8(p) === 0x2e) {
    const fraction = readEightDigits(from, p + 1)
    const decimals = here.at - p - 1
    if (decimals === 0 || decimals === 8) return putLongNumeric(start, op)
    scaled += fraction * TEN_TO_NINE_LESS[decimals]!
    p = here.at
  }
  if (scaled > Number.MAX_SAFE_INTEGER || (from.getUint8(p) | 0x20) === 0x65) return putLongNumeric(start, op)
  const value = negative ? -scaled : scaled
  const low = value | 0
  const high = Math.floor(value / 4294967296)
  const sign = high >> 31
  const above = high ^ sign
  const bits = above === 0 ? 32 - Math.clz32(low ^ sign) : 64 - Math.clz32(above)
  const length = (bits >> 3) + 1
  to.setUint8(op, length)
  to.setInt32(op + 1, low, true)
  to.setInt32(op + 5, high, true)
  return op + 1 + length
}

/** NUMERIC of Connect's Decimal. */
export function putDecimalAsNumeric(start: number, op: number, scale: number): number {
  const unscaled = readShortUnscaled(start)
  if (Number.isNaN(unscaled)) return UNUSUAL
  return putScaled(op, Math.abs(unscaled), POWERS_OF_TEN[9 - scale]!, unscaled < 0)
}

/** A number token of at most fifteen digits, nine after the point, as NUMERIC bytes with their length; else UNUSUAL. */
function putLongNumeric(start: number, out: number): number {
  const { src } = here
  let p = start
  const negative = src[p] === 0x2d
  if (negative) p++
  const first = p
  let mantissa = 0
  let d = (src[p]! | 0) - 48
  while (d >= 0 && d <= 9) {
    mantissa = mantissa * 10 + d
    d = (src[++p]! | 0) - 48
  }
  let digits = p - first
  if (digits === 0 || (digits > 1 && src[first] === 0x30)) return UNUSUAL
  let decimals = 0
  if (d === 0x2e - 48) {
    const point = p
    d = (src[++p]! | 0) - 48
    while (d >= 0 && d <= 9) {
      mantissa = mantissa * 10 + d
      d = (src[++p]! | 0) - 48
    }
    decimals = p - point - 1
    if (decimals === 0) return UNUSUAL
    digits += decimals
  }
  if (digits > 15 || decimals > 9 || d === 0x65 - 48 || d === 0x45 - 48) return UNUSUAL
  cursor.at = p
  return putScaled(out, mantissa, POWERS_OF_TEN[9 - decimals]!, negative && mantissa !== 0)
}

const scaledBytes = new Uint8Array(14)

/** `± mantissa × factor` as minimal little-endian two's complement with its length; mantissa < 2^50, factor < 2^30. */
function putScaled(out: number, mantissa: number, factor: number, negative: boolean): number {
  const { dst } = here
  const low = mantissa >>> 0
  const high = Math.floor(mantissa / 4294967296)
  let carry = 0
  for (let limb = 0; limb < 7; limb++) {
    const part =
      limb === 0 ? low & 0xffff : limb === 1 ? low >>> 16 : limb === 2 ? high & 0xffff : limb === 3 ? high >>> 16 : 0
    const sum = part * factor + carry
    carry = Math.floor(sum / 0x1_0000)
    let word = sum - carry * 0x1_0000
    if (negative) word ^= 0xffff
    scaledBytes[2 * limb] = word & 0xff
    scaledBytes[2 * limb + 1] = word >>> 8
  }
  if (negative) {
    let i = 0
    while (scaledBytes[i] === 0xff) scaledBytes[i++] = 0
    scaledBytes[i] = scaledBytes[i]! + 1
  }
  const filler = negative ? 0xff : 0
  let length = scaledBytes.length
  while (length > 1 && scaledBytes[length - 1] === filler && (scaledBytes[length - 2]! & 0x80) === (filler & 0x80))
    length--
  let op = out
  dst[op++] = length
  for (let i = 0; i < length; i++) dst[op++] = scaledBytes[i]!
  return op
}
