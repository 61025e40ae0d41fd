// INTERVAL expressions. https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#interval_type
import { intervalFrom } from '../rows/interval.ts'
import { type Expr, expr } from './expr.ts'
import { SqlRefused } from './refused.ts'
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

/** `INTERVAL '1-2 3 4:5:6.7' YEAR TO SECOND`. */
export function intervalFromText(text: string, from = 'YEAR', to = 'SECOND'): Expr {
  const parts = intervalFrom(text, from, to)
  if (!parts) throw new SqlRefused(`Invalid INTERVAL value '${text}' from ${from} to ${to}`)
  const { months, days, micros } = parts
  return expr(`(to_months(${months}) + to_days(${days}) + to_microseconds(${micros}))`, INTERVAL)
}
