// The months that dates were in lately, by the very bytes `YYYY-MM-`: records repeat each other here as well.
import { daysFromCivil, daysInMonth } from '../../values/civil-time.ts'
import { fourDigits, nonDigitsOf } from './words.ts'

export type Month = {
  /** The words `YYYY` and `-MM-`. */
  readonly year: number
  readonly month: number
  /** The day before its first, since the epoch. */
  readonly dayBefore: number
  /** 0 of what is no month. */
  readonly dayCount: number
  /** As in a packed DATETIME: year << 4 | month. */
  readonly yearMonth: number
}

/** One for each month of about five years. */
const MONTHS_KEPT = 64
const NO_MONTH: Month = { year: 0, month: 0, dayBefore: 0, dayCount: 0, yearMonth: 0 }
const kept: Month[] = Array.from({ length: MONTHS_KEPT }, () => NO_MONTH)

/** The month that the words `YYYY` and `-MM-` name. */
export function monthOf(year: number, month: number): Month {
  const index = (Math.imul(year ^ (month << 1), 0x9e37_79b1) >>> 26) & (MONTHS_KEPT - 1)
  const last = kept[index]!
  if (last.year === year && last.month === month) return last
  const read = readMonth(year, month)
  kept[index] = read
  return read
}

function readMonth(yearWord: number, monthWord: number): Month {
  const yearDigits = yearWord ^ 0x3030_3030
  const monthDigits = monthWord ^ 0x2d30_302d
  const bad = nonDigitsOf(yearDigits) | nonDigitsOf(monthDigits) | (monthDigits & 0xff00_00ff)
  const year = fourDigits(yearDigits)
  const month = ((monthDigits >>> 8) & 0xff) * 10 + ((monthDigits >>> 16) & 0xff)
  if (bad !== 0 || year < 1 || month < 1 || month > 12) return { ...NO_MONTH, year: yearWord, month: monthWord }
  return {
    year: yearWord,
    month: monthWord,
    dayBefore: daysFromCivil(year, month, 1)! - 1,
    dayCount: daysInMonth(year, month),
    yearMonth: (year << 4) | month,
  }
}
