// Parts of dates and times, where BigQuery's weeks begin on Sunday and DuckDB's on Monday.
// https://cloud.google.com/bigquery/docs/reference/standard-sql/date_functions#extract
import { expr, once } from '../expr.ts'
import { notTranslated, SqlRefused } from '../refused.ts'

const WEEKDAYS = ['SUNDAY', 'MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY']
const TIME_PARTS: ReadonlySet<string> = new Set(['MICROSECOND', 'MILLISECOND', 'SECOND', 'MINUTE', 'HOUR'])
const DATE_PARTS: ReadonlySet<string> = new Set(['DAY', 'WEEK', 'ISOWEEK', 'MONTH', 'QUARTER', 'YEAR', 'ISOYEAR'])

/** The day a `WEEK` or `WEEK(TUESDAY)` begins, 0 is Sunday; undefined for other parts. */
function weekStart(part: string): number | undefined {
  if (part === 'WEEK') return 0
  const found = /^WEEK\((\w+)\)$/.exec(part)
  if (!found) return undefined
  const day = WEEKDAYS.indexOf(found[1]!)
  if (day < 0) throw new SqlRefused(`A valid date part argument for WEEK is required, but found ${found[1]}`)
  return day
}

/** Days that take a week's first day to the Monday on which DuckDB's begin. */
const toMonday = (start: number): number => (start === 0 ? 1 : 1 - start)

const duckPart = (part: string): string => (part === 'ISOWEEK' ? 'week' : part.toLowerCase())

export function checkPart(part: string, name: string, kinds: 'date' | 'time' | 'both'): void {
  const isKnown =
    (kinds !== 'time' && (DATE_PARTS.has(part) || weekStart(part) !== undefined)) ||
    (kinds !== 'date' && TIME_PARTS.has(part))
  if (!isKnown) throw new SqlRefused(`${name} does not support the ${part} date part`)
}

/** date_trunc of a DATE, TIMESTAMP or TIMESTAMPTZ; gives DuckDB's TIMESTAMP for dates. */
export function truncated(sql: string, part: string): string {
  const start = weekStart(part)
  if (start === undefined) return `date_trunc('${duckPart(part)}', ${sql})`
  const shift = toMonday(start)
  if (shift === 0) return `date_trunc('week', ${sql})`
  return `(date_trunc('week', ${sql} + to_days(${shift})) - to_days(${shift}))`
}

/** Boundaries of the part between two values. */
export function boundaries(end: string, begin: string, part: string): string {
  const start = weekStart(part)
  const shift = start === undefined ? 0 : toMonday(start)
  const shifted = (sql: string): string => (shift === 0 ? sql : `${sql} + to_days(${shift})`)
  if (start === undefined && part !== 'ISOWEEK') return `date_diff('${duckPart(part)}', ${begin}, ${end})`
  // DuckDB's own weeks between two days are whole ones.
  return `(date_diff('day', date_trunc('week', ${shifted(begin)}), date_trunc('week', ${shifted(end)})) // 7)`
}

/** EXTRACT of anything but DATE, TIME and DATETIME. */
export function extracted(sql: string, part: string): string {
  const start = weekStart(part)
  if (start !== undefined)
    // Days before the first week's first day are in week 0.
    return once([expr(sql)], v => `((extract(doy FROM ${v}) + 6 - (extract(dow FROM ${v}) + ${7 - start}) % 7) // 7)`)
  switch (part) {
    case 'DAYOFWEEK':
      return `(extract(dow FROM ${sql}) + 1)`
    case 'DAYOFYEAR':
      return `extract(doy FROM ${sql})`
    case 'ISOWEEK':
      return `extract(week FROM ${sql})`
    case 'MICROSECOND':
      return `(extract(microsecond FROM ${sql}) % 1000000)`
    case 'MILLISECOND':
      return `(extract(millisecond FROM ${sql}) % 1000)`
    case 'ISOYEAR':
    case 'YEAR':
    case 'QUARTER':
    case 'MONTH':
    case 'DAY':
    case 'HOUR':
    case 'MINUTE':
    case 'SECOND':
      return `extract(${part.toLowerCase()} FROM ${sql})`
    default:
      throw notTranslated(`EXTRACT of ${part}`)
  }
}
