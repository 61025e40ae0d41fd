// Dates and times, in their usual spelling only: `YYYY-MM-DD`, `HH:MM:SS` with decimals, `Z` or `±HH:MM`. Read in words whose
// punctuation becomes 0 by exclusive or.
import { cursor, UNUSUAL } from './cursor.ts'
import { readEightDigits, SMALL_POWERS_OF_TEN } from './digits.ts'
import { monthOf } from './months.ts'
import { isDigit } from './tokens.ts'
import { nonDigitsOf } from './words.ts'

const here = cursor
const nonDigits = nonDigitsOf

/** Of the date and time just read. */
export const civil: {
  /** Since the epoch. */
  days: number
  /** Year and month as in a packed DATETIME: year << 4 | month. */
  yearMonth: number
  day: number
  hour: number
  minute: number
  second: number
  micros: number
} = { days: 0, yearMonth: 0, day: 0, hour: 0, minute: 0, second: 0, micros: 0 }
const read = civil

/** `YYYY-MM-DD`, a day that exists. */
export function readDate(p: number): boolean {
  const { from } = here
  const month = monthOf(from.getInt32(p, true), from.getInt32(p + 4, true))
  const digits = from.getUint16(p + 8, true) ^ 0x3030
  const day = (digits & 0xff) * 10 + (digits >>> 8)
  if (nonDigits(digits) !== 0 || day < 1 || day > month.dayCount) return false
  read.days = month.dayBefore + day
  read.yearMonth = month.yearMonth
  read.day = day
  return true
}

/** `HH:MM:SS` with up to nine decimals; answers the position after it, or UNUSUAL. */
export function readTime(start: number): number {
  const { from } = here
  // HH:M and M:SS
  const left = from.getInt32(start, true) ^ 0x303a_3030
  const right = from.getInt32(start + 4, true) ^ 0x3030_3a30
  if ((nonDigits(left) | nonDigits(right) | (left & 0xff_0000) | (right & 0xff00)) !== 0) return UNUSUAL
  const hour = (left & 0xff) * 10 + ((left >>> 8) & 0xff)
  const minute = (left >>> 24) * 10 + (right & 0xff)
  const second = ((right >>> 16) & 0xff) * 10 + (right >>> 24)
  if (hour > 23 || minute > 59 || second > 59) return UNUSUAL
  read.hour = hour
  read.minute = minute
  read.second = second
  read.micros = 0
  const p = start + 8
  return from.getUint8(p) === 0x2e ? readFraction(p + 1) : p
}

/** Digits beyond microseconds are cut off. */
function readFraction(start: number): number {
  const { src } = here
  const fraction = readEightDigits(here.from, start)
  let p = here.at
  const count = p - start
  if (count === 0) return UNUSUAL
  read.micros =
    count <= 6 ? fraction * SMALL_POWERS_OF_TEN[6 - count]! : Math.floor(fraction / SMALL_POWERS_OF_TEN[count - 6]!)
  if (count === 8) while (isDigit(src[p]! | 0)) p++
  return p
}

export function readDateAndTime(start: number): number {
  const separator = here.from.getUint8(start + 10)
  if ((separator !== 0x54 && separator !== 0x20) || !readDate(start)) return UNUSUAL
  return readTime(start + 11)
}

/** `Z`, `±HH:MM` or nothing, and the closing quote: minutes east of UTC, or UNKNOWN_ZONE. */
export function readZone(start: number): number {
  const { src, end } = here
  if (start > end) return UNKNOWN_ZONE
  const c = src[start]
  if (c === 0x22 || (c === 0x5a && src[start + 1] === 0x22)) {
    here.at = c === 0x22 ? start + 1 : start + 2
    return 0
  }
  if ((c !== 0x2b && c !== 0x2d) || src[start + 6] !== 0x22) return UNKNOWN_ZONE
  const { from } = here
  // HH:M and the second digit of the minute
  const digits = from.getInt32(start + 1, true) ^ 0x303a_3030
  const last = src[start + 5]! ^ 0x30
  if ((nonDigits(digits) | nonDigits(last) | (digits & 0xff_0000)) !== 0) return UNKNOWN_ZONE
  const hours = (digits & 0xff) * 10 + ((digits >>> 8) & 0xff)
  const minutes = (digits >>> 24) * 10 + last
  if (hours > 23 || minutes > 59) return UNKNOWN_ZONE
  here.at = start + 7
  return c === 0x2d ? -(hours * 60 + minutes) : hours * 60 + minutes
}

export const UNKNOWN_ZONE = 0x7fff
