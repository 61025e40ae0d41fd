// Standard base64, decoded in place: BYTES, and the unscaled value of Connect's Decimal.
import { writeVarint32 } from '../../row-buffer.ts'
import { cursor, FULL, UNUSUAL } from './cursor.ts'

const here = cursor

/** Digit values; 255 for no digit. */
const BASE64 = new Uint8Array(256).fill(255)
for (const [value, letter] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries()) {
  BASE64[letter.charCodeAt(0)] = value
}

/** Decoded content with its length; UNUSUAL when it is not plain base64. */
export function putBase64(open: number, out: number): number {
  const { src, dst, limit } = here
  if (src[open] !== 0x22) return UNUSUAL
  const start = open + 1
  let p = start
  while (BASE64[src[p]! | 0]! < 64) p++
  const digits = p - start
  let padding = 0
  while (src[p] === 0x3d) {
    padding++
    p++
  }
  const isPadded = padding === 0 || (padding <= 2 && (digits + padding) % 4 === 0)
  if (src[p] !== 0x22 || digits % 4 === 1 || !isPadded) return UNUSUAL
  const length = Math.floor((digits * 3) / 4)
  if (out + length + 8 > limit) return FULL
  let op = writeVarint32(dst, out, length)
  const stop = op + length
  for (let at = start; op < stop; at += 4) {
    const quad =
      (BASE64[src[at]!]! << 18) |
      (BASE64[src[at + 1]!]! << 12) |
      ((BASE64[src[at + 2]!]! & 63) << 6) |
      (BASE64[src[at + 3]!]! & 63)
    dst[op++] = quad >> 16
    if (op < stop) dst[op++] = (quad >> 8) & 255
    if (op < stop) dst[op++] = quad & 255
  }
  here.at = p + 1
  return op
}

/** A string token with the base64 of one to six bytes of big-endian two's complement; NaN for anything else. */
export function readShortUnscaled(start: number): number {
  const { src } = here
  if (src[start] !== 0x22) return Number.NaN
  let p = start + 1
  let bits = 0
  let value = 0
  // Eight digits hold 48 bits, which a double counts exactly.
  while (p - start <= 9) {
    const digit = BASE64[src[p]! | 0]!
    if (digit > 63) break
    value = value * 64 + digit
    bits += 6
    p++
  }
  const count = bits >> 3
  if (count === 0 || bits % 8 === 6 || bits > 48) return Number.NaN
  let padding = 0
  while (src[p] === 0x3d && padding < 3) {
    padding++
    p++
  }
  if (src[p] !== 0x22 || (padding > 0 && (bits / 6 + padding) % 4 !== 0)) return Number.NaN
  here.at = p + 1
  const unscaled = Math.floor(value / 2 ** (bits % 8))
  return unscaled >= 2 ** (8 * count - 1) ? unscaled - 2 ** (8 * count) : unscaled
}
