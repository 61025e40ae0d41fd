// Numbers as doubles, rounded once.
import { readShortUnscaled } from './base64.ts'
import { cursor, UNUSUAL } from './cursor.ts'
import { readEightDigits, SMALL_POWERS_OF_TEN } from './digits.ts'
import { POWERS_OF_TEN } from './powers-of-ten.ts'
import { isDigit } from './tokens.ts'
import { putDouble } from './wire.ts'

const here = cursor

/** FLOAT64 of a number token. */
export function putFloat64(start: number, op: number): number {
  const { from } = here
  const negative = from.getUint8(start) === 0x2d
  const first = negative ? start + 1 : start
  const whole = readEightDigits(from, first)
  let p = here.at
  const digits = p - first
  if (digits === 0 || digits === 8 || (digits > 1 && from.getUint8(first) === 0x30)) return putAnyFloat64(start, op)
  let value = whole
  if (from.getUint8(p) === 0x2e) {
    const fraction = readEightDigits(from, p + 1)
    const decimals = here.at - p - 1
    if (decimals === 0 || decimals === 8) return putAnyFloat64(start, op)
    const scale = SMALL_POWERS_OF_TEN[decimals]!
    // Both are exact, so one division rounds once.
    value = (whole * scale + fraction) / scale
    p = here.at
  }
  if ((from.getUint8(p) | 0x20) === 0x65) return putAnyFloat64(start, op)
  here.to.setFloat64(op, negative ? -value : value, true)
  return op + 8
}

function putAnyFloat64(start: number, op: number): number {
  const value = readFloat(start)
  return Number.isNaN(value) ? UNUSUAL : putDouble(op, value)
}

/** FLOAT64 of Connect's Decimal. */
export function putDecimalAsFloat64(start: number, op: number, scale: number): number {
  const unscaled = readShortUnscaled(start)
  // Both are exact, so one division rounds once.
  return Number.isNaN(unscaled) ? UNUSUAL : putDouble(op, unscaled / POWERS_OF_TEN[scale]!)
}

/** A number token as the nearest double; NaN for anything else. */
function readFloat(start: number): number {
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
  if (digits === 0 || (digits > 1 && src[first] === 0x30)) return Number.NaN
  let decimals = 0
  if (d === 0x2e - 48) {
    const point = p
    d = (src[++p]! | 0) - 48
    while (d >= 0 && d <= 9) {
      mantissa = mantissa * 10 + d
      d = (src[++p]! | 0) - 48
    }
    decimals = p - point - 1
    if (decimals === 0) return Number.NaN
    digits += decimals
  }
  const c = d + 48
  if (c === 0x65 || c === 0x45) {
    p++
    if (src[p] === 0x2b || src[p] === 0x2d) p++
    const exponent = p
    while (isDigit(src[p]! | 0)) p++
    if (p === exponent) return Number.NaN
    digits = 99
  }
  if (digits > 15) {
    // A double's text to the nearest double is what Number does best.
    const value = Number(src.toString('latin1', start, p))
    if (!Number.isFinite(value)) return Number.NaN
    cursor.at = p
    return value
  }
  cursor.at = p
  // Both are exact, so one division rounds once.
  const value = decimals === 0 ? mantissa : mantissa / POWERS_OF_TEN[decimals]!
  return negative ? -value : value
}
