// Dates and times of day as BigQuery takes them on the wire: days and microseconds since the epoch, and civil values packed
// into bits (year 14, month 4, day 5, hour 5, minute 6, second 6, microsecond 20). Proleptic Gregorian, years 0001–9999.

export const MIN_DATE_DAYS = -719_162
export const MAX_DATE_DAYS = 2_932_896
export const MICROS_PER_DAY = 86_400_000_000n
export const MIN_TIMESTAMP_MICROS: bigint = BigInt(MIN_DATE_DAYS) * MICROS_PER_DAY
export const MAX_TIMESTAMP_MICROS: bigint = BigInt(MAX_DATE_DAYS + 1) * MICROS_PER_DAY - 1n

const DATE = '([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})'
/** Seconds may be missing (Java prints LocalDateTime that way); digits beyond microseconds are cut off. */
const TIME = '([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.]([0-9]+))?)?'
const ZONE = '(?: ?(Z|UTC)|([+-])([0-9]{1,2})(?::?([0-9]{2}))?)'
const DATE_TEXT = new RegExp(`^${DATE}$`)
const TIME_TEXT = new RegExp(`^${TIME}$`)
const DATETIME_TEXT = new RegExp(`^${DATE}(?:[T ]${TIME})?$`, 'i')
const TIMESTAMP_TEXT = new RegExp(`^${DATE}(?:[T ]${TIME}${ZONE}?)?$`, 'i')

/** Days since 1970-01-01, or null when there is no such day. */
export function daysFromCivil(year: number, month: number, day: number): number | null {
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return null
  // Years begin in March here, so that the leap day is the last of its year.
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const yearOfEra = y - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}

export const isLeapYear = (year: number): boolean => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)

const DAYS_IN_MONTH = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const
export const daysInMonth = (year: number, month: number): number =>
  month === 2 && isLeapYear(year) ? 29 : DAYS_IN_MONTH[month]!

export function parseDate(text: string): number | null {
  const match = DATE_TEXT.exec(text)
  return match && daysFromCivil(Number(match[1]), Number(match[2]), Number(match[3]))
}

/** Packed TIME. */
export function parseTime(text: string): bigint | null {
  const match = TIME_TEXT.exec(text)
  return match && microsToPackedTime(timeOfDayMicros(match, 1))
}

/** Packed DATETIME. A date alone means midnight. */
export function parseDatetime(text: string): bigint | null {
  const match = DATETIME_TEXT.exec(text)
  if (match === null) return null
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])]
  if (daysFromCivil(year, month, day) === null) return null
  const time = microsToPackedTime(timeOfDayMicros(match, 4))
  return time === null ? null : packDate(year, month, day) | time
}

/** Microseconds since the epoch. Without a zone the text is UTC, as in BigQuery. */
export function parseTimestamp(text: string): bigint | null {
  const match = TIMESTAMP_TEXT.exec(text)
  if (match === null) return null
  const days = daysFromCivil(Number(match[1]), Number(match[2]), Number(match[3]))
  const time = timeOfDayMicros(match, 4)
  const offset = zoneMicros(match, 8)
  if (days === null || time === null || offset === null) return null
  return inTimestampRange(BigInt(days) * MICROS_PER_DAY + time - offset)
}

export const inTimestampRange = (micros: bigint): bigint | null =>
  micros < MIN_TIMESTAMP_MICROS || micros > MAX_TIMESTAMP_MICROS ? null : micros

/** Groups `at`…`at + 3`: hour, minute, second, fraction; a missing time is midnight. */
function timeOfDayMicros(match: RegExpExecArray, at: number): bigint | null {
  const hour = Number(match[at] ?? 0)
  const minute = Number(match[at + 1] ?? 0)
  const second = Number(match[at + 2] ?? 0)
  if (hour > 23 || minute > 59 || second > 59) return null
  const micros = (match[at + 3] ?? '').slice(0, 6).padEnd(6, '0')
  return BigInt((hour * 60 + minute) * 60 + second) * 1_000_000n + BigInt(micros)
}

/** Groups `at`…`at + 3`: Z or UTC, sign, hours, minutes. */
function zoneMicros(match: RegExpExecArray, at: number): bigint | null {
  if (match[at + 1] === undefined) return 0n
  const hours = Number(match[at + 2])
  const minutes = Number(match[at + 3] ?? 0)
  if (hours > 23 || minutes > 59) return null
  const micros = BigInt(hours * 60 + minutes) * 60_000_000n
  return match[at + 1] === '-' ? -micros : micros
}

/** Packed TIME of microseconds since midnight; null outside one day. */
export function microsToPackedTime(micros: bigint | null): bigint | null {
  if (micros === null || micros < 0n || micros >= MICROS_PER_DAY) return null
  const seconds = Number(micros / 1_000_000n)
  const hour = BigInt(Math.floor(seconds / 3600))
  const minute = BigInt(Math.floor(seconds / 60) % 60)
  return (hour << 32n) | (minute << 26n) | (BigInt(seconds % 60) << 20n) | (micros % 1_000_000n)
}

/** Packed DATETIME (UTC) of microseconds since the epoch; null outside years 0001–9999. */
export function microsToPackedDatetime(micros: bigint): bigint | null {
  if (inTimestampRange(micros) === null) return null
  const days = floorDivide(micros, MICROS_PER_DAY)
  const date = new Date(Number(days) * 86_400_000)
  const time = microsToPackedTime(micros - days * MICROS_PER_DAY)
  return time === null ? null : packDate(date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()) | time
}

const packDate = (year: number, month: number, day: number): bigint =>
  (BigInt(year) << 46n) | (BigInt(month) << 42n) | (BigInt(day) << 37n)

export function floorDivide(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor
  return value % divisor < 0n ? quotient - 1n : quotient
}
