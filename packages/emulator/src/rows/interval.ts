// INTERVAL: months, days and microseconds, each of its own; literals in BigQuery's canonical form, ISO 8601, or with date parts.
// https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#interval_type

export type IntervalParts = { readonly months: number; readonly days: number; readonly micros: bigint }

const MONTHS_MAX = 120_000
const DAYS_MAX = 3_660_000
const MICROS_MAX = 316_224_000_000_000_000n

/** ±10,000 years, ±3,660,000 days, ±87,840,000 hours. */
export const fitsInterval = ({ months, days, micros }: IntervalParts): boolean =>
  Math.abs(months) <= MONTHS_MAX && Math.abs(days) <= DAYS_MAX && micros <= MICROS_MAX && micros >= -MICROS_MAX

const PARTS = ['YEAR', 'MONTH', 'DAY', 'HOUR', 'MINUTE', 'SECOND'] as const
/** What stands before each part when it is not the first. */
const SEPARATORS = ['', '-', ' ', ' ', ':', ':']

/** `text` in the form of `from` TO `to` (the same part for a single number); undefined when it has not that form. */
export function intervalFrom(text: string, from: string, to: string): IntervalParts | undefined {
  const scaled = {
    WEEK: ['DAY', 7],
    QUARTER: ['MONTH', 3],
    MILLISECOND: ['SECOND', 1e-3],
    MICROSECOND: ['SECOND', 1e-6],
  }[from] as [string, number] | undefined
  if (scaled && from === to) {
    if (!/^[+-]?\d{1,18}$/.test(text)) return undefined
    if (scaled[0] !== 'SECOND') return intervalFrom(String(Number(text) * scaled[1]), scaled[0], scaled[0])
    return { months: 0, days: 0, micros: BigInt(text) * (from === 'MILLISECOND' ? 1000n : 1n) }
  }
  const first = PARTS.indexOf(from as (typeof PARTS)[number])
  const last = PARTS.indexOf(to as (typeof PARTS)[number])
  if (first < 0 || last < first) return undefined
  // Years and months share a sign, days have their own, the clock has one; each is written before its first number.
  let pattern = ''
  for (let part = first; part <= last; part++) {
    const isSigned = part === first || part === 2 || part === 3
    pattern += `${part === first ? '' : SEPARATORS[part]}${isSigned ? '([+-]?)' : '()'}(\\d{1,12}${part === 5 ? '(?:\\.\\d{0,9})?' : ''})`
  }
  const match = new RegExp(`^${pattern}$`).exec(text.trim())
  if (!match) return undefined
  const numbers = ['0', '0', '0', '0', '0', '0']
  const signs = ['', '', '', '', '', '']
  for (let part = first; part <= last; part++) {
    signs[part] = match[(part - first) * 2 + 1]!
    numbers[part] = match[(part - first) * 2 + 2]!
  }
  return assemble(numbers, signs[0] || signs[1]!, signs[2]!, signs[3] || signs[4] || signs[5]!)
}

function assemble(
  numbers: readonly string[],
  monthSign: string,
  daySign: string,
  clockSign: string,
): IntervalParts | undefined {
  const [years, months, days, hours, minutes, seconds] = numbers as [string, string, string, string, string, string]
  const [whole, fraction = ''] = seconds.split('.')
  const micros =
    ((BigInt(hours) * 60n + BigInt(minutes)) * 60n + BigInt(whole!)) * 1_000_000n +
    BigInt(fraction.slice(0, 6).padEnd(6, '0'))
  const signed = (sign: string, value: number): number => (sign === '-' && value !== 0 ? -value : value)
  const parts = {
    months: signed(monthSign, Number(years) * 12 + Number(months)),
    days: signed(daySign, Number(days)),
    micros: clockSign === '-' ? -micros : micros,
  }
  return fitsInterval(parts) ? parts : undefined
}

const ISO =
  /^([+-]?)P(?:(-?\d{1,9})Y)?(?:(-?\d{1,9})M)?(?:(-?\d{1,9})W)?(?:(-?\d{1,9})D)?(?:T(?:(-?\d{1,12})H)?(?:(-?\d{1,12})M)?(?:(-?)(\d{1,12})(?:\.(\d{0,9}))?S)?)?$/

/** Canonical `[-]Y-M [-]D [-]H:M:S[.F]`, or ISO 8601 `P…`; undefined when it is neither, or out of range. */
export function parseInterval(text: string): IntervalParts | undefined {
  const canonical = intervalFrom(text, 'YEAR', 'SECOND')
  if (canonical) return canonical
  const iso = ISO.exec(text.trim())
  if (!iso || !/\d/.test(text)) return undefined
  const [
    ,
    sign,
    years = 0,
    months = 0,
    weeks = 0,
    days = 0,
    hours = 0,
    minutes = 0,
    secondSign,
    seconds = 0,
    fraction = '',
  ] = iso
  const clock = BigInt(seconds) * 1_000_000n + BigInt(fraction.slice(0, 6).padEnd(6, '0'))
  const factor = sign === '-' ? -1 : 1
  const parts = {
    months: factor * (Number(years) * 12 + Number(months)) || 0,
    days: factor * (Number(weeks) * 7 + Number(days)) || 0,
    micros:
      BigInt(factor) * ((BigInt(hours) * 60n + BigInt(minutes)) * 60_000_000n + (secondSign === '-' ? -clock : clock)),
  }
  return fitsInterval(parts) ? parts : undefined
}
