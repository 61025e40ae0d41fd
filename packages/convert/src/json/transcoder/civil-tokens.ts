// Dates and times, in their usual spelling only: `YYYY-MM-DD`, `HH:MM:SS` with decimals, `Z` or `±HH:MM`.
import { daysInMonth } from '../../values/civil-time.ts'
import { cursor, UNUSUAL } from './cursor.ts'
import { POWERS_OF_TEN } from './powers-of-ten.ts'
import { isDigit } from './tokens.ts'

/** Of the date and time just read. */
export const civil = { year: 0, month: 0, day: 0, hour: 0, minute: 0, second: 0, micros: 0 }

/** `YYYY-MM-DD`, a day that exists. */
export function readDate(src: Buffer, p: number): boolean {
  const y1 = src[p]! ^ 48
  const y2 = src[p + 1]! ^ 48
  const y3 = src[p + 2]! ^ 48
  const y4 = src[p + 3]! ^ 48
  const m1 = src[p + 5]! ^ 48
  const m2 = src[p + 6]! ^ 48
  const d1 = src[p + 8]! ^ 48
  const d2 = src[p + 9]! ^ 48
  const bad =
    notDigit(y1) |
    notDigit(y2) |
    notDigit(y3) |
    notDigit(y4) |
    notDigit(m1) |
    notDigit(m2) |
    notDigit(d1) |
    notDigit(d2)
  if ((bad & ~15) !== 0 || src[p + 4] !== 0x2d || src[p + 7] !== 0x2d) return false
  const year = y1 * 1000 + y2 * 100 + y3 * 10 + y4
  const month = m1 * 10 + m2
  const day = d1 * 10 + d2
  if (year < 1 || month < 1 || month > 12 || day < 1 || (day > 28 && day > daysInMonth(year, month))) return false
  civil.year = year
  civil.month = month
  civil.day = day
  return true
}

/** `HH:MM:SS` with up to nine decimals; answers the position after it, or UNUSUAL. */
export function readTime(src: Buffer, start: number): number {
  const h1 = src[start]! ^ 48
  const h2 = src[start + 1]! ^ 48
  const m1 = src[start + 3]! ^ 48
  const m2 = src[start + 4]! ^ 48
  const s1 = src[start + 6]! ^ 48
  const s2 = src[start + 7]! ^ 48
  const bad = notDigit(h1) | notDigit(h2) | notDigit(m1) | notDigit(m2) | notDigit(s1) | notDigit(s2)
  if ((bad & ~15) !== 0 || src[start + 2] !== 0x3a || src[start + 5] !== 0x3a) return UNUSUAL
  const hour = h1 * 10 + h2
  const minute = m1 * 10 + m2
  const second = s1 * 10 + s2
  if (hour > 23 || minute > 59 || second > 59) return UNUSUAL
  civil.hour = hour
  civil.minute = minute
  civil.second = second
  civil.micros = 0
  let p = start + 8
  if (src[p] !== 0x2e) return p
  const first = ++p
  let micros = 0
  while (isDigit(src[p]! | 0)) {
    if (p - first < 6) micros = micros * 10 + (src[p]! - 48)
    p++
  }
  const digits = p - first
  if (digits === 0) return UNUSUAL
  civil.micros = digits < 6 ? micros * POWERS_OF_TEN[6 - digits]! : micros
  return p
}

export function readDateAndTime(src: Buffer, start: number): number {
  const separator = src[start + 10]
  if ((separator !== 0x54 && separator !== 0x20) || !readDate(src, start)) return UNUSUAL
  return readTime(src, start + 11)
}

/** `Z`, `±HH:MM` or nothing, and the closing quote: minutes east of UTC, or NaN. */
export function readZone(src: Buffer, start: number): number {
  const c = src[start]
  if (c === 0x22 || (c === 0x5a && src[start + 1] === 0x22)) {
    cursor.at = c === 0x22 ? start + 1 : start + 2
    return 0
  }
  if (c !== 0x2b && c !== 0x2d) return Number.NaN
  const h1 = src[start + 1]! ^ 48
  const h2 = src[start + 2]! ^ 48
  const m1 = src[start + 4]! ^ 48
  const m2 = src[start + 5]! ^ 48
  const bad = notDigit(h1) | notDigit(h2) | notDigit(m1) | notDigit(m2)
  if ((bad & ~15) !== 0 || src[start + 3] !== 0x3a || src[start + 6] !== 0x22) return Number.NaN
  const hours = h1 * 10 + h2
  const minutes = m1 * 10 + m2
  if (hours > 23 || minutes > 59) return Number.NaN
  cursor.at = start + 7
  return c === 0x2d ? -(hours * 60 + minutes) : hours * 60 + minutes
}

/** For `d = byte ^ 48`: bits above the lowest four are set unless the byte is a digit. */
const notDigit = (d: number): number => d | (d + 6)
