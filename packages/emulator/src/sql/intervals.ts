// INTERVAL expressions. https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#interval_type
import { type Expr, expr } from './expr.ts'
import { notTranslated, SqlRefused } from './refused.ts'
import { INTERVAL } from './types.ts'

/** `INTERVAL n UNIT`; the amount is an INT64 expression. */
export function intervalOf(amount: Expr, unit: string): Expr {
  const sql = intervalSql(amount.sql, unit)
  return expr(sql, INTERVAL, { unit })
}

function intervalSql(amount: string, unit: string): string {
  const whole = `CAST(${amount} AS INTEGER)`
  switch (unit) {
    case 'YEAR':
      return `to_years(${whole})`
    case 'QUARTER':
      return `to_months(3 * ${whole})`
    case 'MONTH':
      return `to_months(${whole})`
    case 'WEEK':
      return `to_days(7 * ${whole})`
    case 'DAY':
      return `to_days(${whole})`
    case 'HOUR':
    case 'MINUTE':
      return `to_${unit.toLowerCase()}s(CAST(${amount} AS BIGINT))`
    case 'SECOND':
      return `to_microseconds(CAST(${amount} AS BIGINT) * 1000000)`
    case 'MILLISECOND':
      return `to_microseconds(CAST(${amount} AS BIGINT) * 1000)`
    case 'MICROSECOND':
      return `to_microseconds(CAST(${amount} AS BIGINT))`
    default:
      throw new SqlRefused(`A valid date part name is required but found ${unit}`)
  }
}

const UNITS = ['YEAR', 'MONTH', 'DAY', 'HOUR', 'MINUTE', 'SECOND'] as const
/** What stands behind each unit's number. */
const SEPARATORS = ['-', ' ', ' ', ':', ':', ''] as const

/** `INTERVAL '1-2 3 4:5:6.7' YEAR TO SECOND`. */
export function intervalFromText(text: string, from = 'YEAR', to = 'SECOND'): Expr {
  const first = UNITS.indexOf(from as (typeof UNITS)[number])
  const last = UNITS.indexOf(to as (typeof UNITS)[number])
  if (first < 0 || last < first) throw notTranslated(`INTERVAL from ${from} to ${to}`)
  const invalid = new SqlRefused(`Invalid INTERVAL value '${text}'`)
  let rest = text.trim()
  const amounts = new Map<string, number>()
  let micros = 0
  // A sign counts for year and month together, for the day, and for the time together.
  let sign = 1
  for (let index = first; index <= last; index++) {
    const unit = UNITS[index]!
    const found = /^([+-]?)(\d{1,8})(?:\.(\d{1,6}))?/.exec(rest)
    if (!found || (found[3] !== undefined && unit !== 'SECOND')) throw invalid
    if (index === first || unit === 'DAY' || unit === 'HOUR') sign = found[1] === '-' ? -1 : 1
    else if (found[1] !== '') throw invalid
    amounts.set(unit, sign * Number(found[2]))
    if (found[3] !== undefined) micros = sign * Number(found[3].padEnd(6, '0'))
    rest = rest.slice(found[0].length)
    const separator = index === last ? '' : SEPARATORS[index]!
    if (!rest.startsWith(separator)) throw invalid
    rest = rest.slice(separator.length)
  }
  if (rest !== '') throw invalid
  const amount = (unit: string): number => amounts.get(unit) ?? 0
  const time = (amount('HOUR') * 3600 + amount('MINUTE') * 60 + amount('SECOND')) * 1_000_000 + micros
  return expr(
    `(to_months(${amount('YEAR') * 12 + amount('MONTH')}) + to_days(${amount('DAY')}) + to_microseconds(${time}))`,
    INTERVAL,
  )
}
