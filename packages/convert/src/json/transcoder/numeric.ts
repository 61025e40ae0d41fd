// NUMERIC on the wire: the value × 10^9 as minimal little-endian two's complement bytes.
// Digits are read here as in floats.ts: one reader for both, with its results in scratch values, cost nested records some 8 %.
import type { Slot } from '../transcoder-plan.ts'
import { readShortUnscaled } from './base64.ts'
import { cursor, UNUSUAL } from './cursor.ts'
import { POWERS_OF_TEN } from './powers-of-ten.ts'

/** NUMERIC of a number token, without a source schema also in quotes. */
export function putNumeric(src: Buffer, start: number, dst: Buffer, op: number, slot: Slot): number {
  if (src[start] !== 0x22) return putNumericToken(src, start, dst, op)
  if (!slot.schemaless) return UNUSUAL
  const after = putNumericToken(src, start + 1, dst, op)
  return after < 0 || src[cursor.at++] !== 0x22 ? UNUSUAL : after
}

/** NUMERIC of Connect's Decimal. */
export function putDecimalAsNumeric(src: Buffer, start: number, dst: Buffer, op: number, scale: number): number {
  const unscaled = readShortUnscaled(src, start)
  if (Number.isNaN(unscaled)) return UNUSUAL
  return putScaled(dst, op, Math.abs(unscaled), POWERS_OF_TEN[9 - scale]!, unscaled < 0)
}

/** A number token of at most fifteen digits, nine after the point, as NUMERIC bytes with their length; else UNUSUAL. */
function putNumericToken(src: Buffer, start: number, dst: Buffer, out: number): number {
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
  return putScaled(dst, out, mantissa, POWERS_OF_TEN[9 - decimals]!, negative && mantissa !== 0)
}

const scaledBytes = new Uint8Array(14)

/** `± mantissa × factor` as minimal little-endian two's complement with its length; mantissa < 2^50, factor < 2^30. */
function putScaled(dst: Buffer, out: number, mantissa: number, factor: number, negative: boolean): number {
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
