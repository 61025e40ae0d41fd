// Dates and times of BigQuery: literals, packed civil time, and their ranges (years 0001 to 9999).
// Packed layout: https://cloud.google.com/bigquery/docs/supported-data-types (civil time encoding of ZetaSQL).

export const MIN_DATE_DAYS = -719162
export const MAX_DATE_DAYS = 2932896
export const MIN_TIMESTAMP_MICROS = -62135596800000000n
export const MAX_TIMESTAMP_MICROS = 253402300799999999n
const DAY_MICROS = 86_400_000_000n

/** Days since 1970-01-01 of a civil date, or undefined when there is no such date. */
export function daysFromCivil(year: number, month: number, day: number): number | undefined {
  if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1) return undefined
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? date.getTime() / 86_400_000 : undefined
}

function timeMicros(hour: number, minute: number, second: number, micros: number): bigint | undefined {
  if (hour > 23 || minute > 59 || second > 59 || micros > 999_999) return undefined
  return BigInt((hour * 60 + minute) * 60 + second) * 1_000_000n + BigInt(micros)
}

/** TIME from its packed form: micros since midnight. */
export function unpackTime(packed: bigint): bigint | undefined {
  if (packed < 0n || packed >> 37n !== 0n) return undefined
  const seconds = Number(packed >> 20n)
  return timeMicros((seconds >> 12) & 31, (seconds >> 6) & 63, seconds & 63, Number(packed & 0xfffffn))
}

/** DATETIME from its packed form: micros since 1970-01-01T00:00. */
export function unpackDatetime(packed: bigint): bigint | undefined {
  if (packed < 0n) return undefined
  const date = Number(packed >> 37n)
  const days = daysFromCivil(date >> 9, (date >> 5) & 15, date & 31)
  const time = unpackTime(packed & 0x1fffffffffn)
  return days === undefined || time === undefined ? undefined : BigInt(days) * DAY_MICROS + time
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
