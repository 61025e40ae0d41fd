// Dates and times of BigQuery: literals, packed civil time, and their ranges (years 0001 to 9999).
// Packed layout: https://cloud.google.com/bigquery/docs/supported-data-types (civil time encoding of ZetaSQL).

export const MIN_DATE_DAYS = -719162
export const MAX_DATE_DAYS = 2932896
export const MIN_TIMESTAMP_MICROS = -62135596800000000n
export const MAX_TIMESTAMP_MICROS = 253402300799999999n
const DAY_MICROS = 86_400_000_000n

/** Days before each month in a year that is not a leap year. */
const DAYS_BEFORE = [0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334]
const DAYS_IN = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** Days since 1970-01-01 of a civil date, or undefined when there is no such date. */
export function daysFromCivil(year: number, month: number, day: number): number | undefined {
  if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1) return undefined
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  if (day > DAYS_IN[month]! + (isLeap && month === 2 ? 1 : 0)) return undefined
  const before = year - 1
  const leapDays = Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400)
  return before * 365 + leapDays + DAYS_BEFORE[month]! + (isLeap && month > 2 ? 1 : 0) + day - 1 - EPOCH_DAYS
}

/** Days from 0001-01-01 to 1970-01-01. */
const EPOCH_DAYS = 719162

function timeMicros(hour: number, minute: number, second: number, micros: number): bigint | undefined {
  if (hour > 23 || minute > 59 || second > 59 || micros > 999_999) return undefined
  return BigInt((hour * 60 + minute) * 60 + second) * 1_000_000n + BigInt(micros)
}

/** Whole seconds and the micros above them: a time in numbers, exact where micros alone would not be. */
export type CivilTime = { seconds: number; micros: number }

/** TIME from its packed form, halves of 64 bits: since midnight. Fills `out`; false when there is no such time. */
export function unpackTime(lo: number, hi: number, out: CivilTime): boolean {
  if (hi >>> 5 !== 0) return false
  const clock = (lo >>> 20) | (hi << 12)
  const hour = clock >> 12
  const minute = (clock >> 6) & 63
  const second = clock & 63
  out.micros = lo & 0xfffff
  out.seconds = (hour * 60 + minute) * 60 + second
  return hour <= 23 && minute <= 59 && second <= 59 && out.micros <= 999_999
}

/** DATETIME from its packed form: since 1970-01-01T00:00. */
export function unpackDatetime(lo: number, hi: number, out: CivilTime): boolean {
  if (!unpackTime(lo, hi & 31, out)) return false
  const date = hi >>> 5
  const days = daysFromCivil(date >> 9, (date >> 5) & 15, date & 31)
  if (days === undefined) return false
  out.seconds += days * 86_400
  return true
}

export function parseDate(text: string): number | undefined {
  const match = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(text)
  return match ? daysFromCivil(Number(match[1]), Number(match[2]), Number(match[3])) : undefined
}

export function parseTime(text: string): bigint | undefined {
  const match = /^(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{0,6}))?$/.exec(text)
  return match
    ? timeMicros(Number(match[1]), Number(match[2]), Number(match[3]), Number((match[4] ?? '').padEnd(6, '0')))
    : undefined
}

export function parseDatetime(text: string): bigint | undefined {
  const match = /^(\S+?)(?:[Tt ](\S+))?$/.exec(text)
  const days = match ? parseDate(match[1]!) : undefined
  const time = match?.[2] === undefined ? 0n : parseTime(match[2])
  return days === undefined || time === undefined ? undefined : BigInt(days) * DAY_MICROS + time
}

/** TIMESTAMP literal; without a zone it is UTC. */
export function parseTimestamp(text: string): bigint | undefined {
  const match = /^(.*?)\s*(?:([Zz]|UTC)|([+-])(\d{1,2})(?::?(\d{2}))?)?$/.exec(text)
  if (!match) return undefined
  // A bare date ends in what looks like an offset ("-02"): only a time may carry one.
  const hasTime = match[1]!.includes(':')
  const micros = parseDatetime(hasTime ? match[1]! : text.replace(/\s*([Zz]|UTC)$/, ''))
  if (micros === undefined) return undefined
  if (!hasTime || match[3] === undefined) return micros
  const minutes = BigInt(Number(match[4]) * 60 + Number(match[5] ?? 0))
  return micros - (match[3] === '-' ? -minutes : minutes) * 60_000_000n
}

/** A TIMESTAMP literal of up to twelve digits after the second's point; `picos` are those beyond the microsecond. */
export function parsePicoTimestamp(text: string): { micros: bigint; picos: number } | undefined {
  const match = /^(.*:\d{1,2}\.\d{6})(\d{1,6})(\D.*)?$/s.exec(text)
  const micros = parseTimestamp(match ? match[1]! + (match[3] ?? '') : text)
  return micros === undefined ? undefined : { micros, picos: match ? Number(match[2]!.padEnd(6, '0')) : 0 }
}

/** `YYYY-MM-DDTHH:MM:SS.ffffffffffffZ`: sorts as the timestamps do. `micros` must be in range, `picos` below a million. */
export function picoText(micros: bigint, picos: number): string {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
  const seconds = Number((micros - fraction) / 1_000_000n)
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19)
  return `${whole}.${String(fraction).padStart(6, '0')}${String(picos).padStart(6, '0')}Z`
}
