// https://cloud.google.com/bigquery/docs/reference/standard-sql/date_functions, …/datetime_functions, …/time_functions, …/timestamp_functions
import { castExpr, toText } from '../casts.ts'
import { type Expr, expr, once } from '../expr.ts'
import { notTranslated, SqlRefused } from '../refused.ts'
import { DATE, DATETIME, INT64, type SqlType, STRING, TIME, TIMESTAMP, typeText } from '../types.ts'
import { fromJsonFunctions } from './arrays-json.ts'
import { boundaries, checkPart, truncated } from './date-parts.ts'
import { type FunctionTable, fn, type SqlFunction } from './function-table.ts'
import { formatTime, parseFormat } from './time-formats.ts'

/** The value as this type: literals and other times are cast, as BigQuery coerces them. */
function as(value: Expr, type: SqlType): string {
  if (value.type?.name === type.name) return value.sql
  if (value.type && !['STRING', 'DATE', 'DATETIME', 'TIMESTAMP', 'TIMESTAMP(12)', 'TIME'].includes(value.type.name))
    throw new SqlRefused(`A value of type ${typeText(value.type)} is no ${type.name}`)
  return castExpr(value, type, { isSafe: false }).sql
}

/** Civil time in a zone; UTC without. */
const inZone = (timestamp: string, zone: Expr | undefined): string =>
  `(${timestamp} AT TIME ZONE ${zone?.sql ?? "'UTC'"})`

const part = (value: Expr | undefined): string => {
  if (value?.unit === undefined) throw new SqlRefused('A valid date part name is required')
  return value.unit
}

/** `+` and `-` of an interval, the units given by type. */
function adding(name: string, type: SqlType, operator: '+' | '-', units: ReadonlySet<string>): SqlFunction {
  return fn(2, 2, (value, interval) => {
    if (interval!.type?.name !== 'INTERVAL') throw new SqlRefused(`${name} expects an INTERVAL`)
    if (interval!.unit !== undefined && !units.has(interval!.unit))
      throw new SqlRefused(`${name} does not support the ${interval!.unit} date part`)
    const isOwn = type.name !== 'DATE' || !['DATETIME', 'TIMESTAMP'].includes(value!.type?.name ?? '')
    const result = isOwn ? type : value!.type!
    const sum = `(${isOwn ? as(value!, type) : value!.sql} ${operator} ${interval!.sql})`
    return expr(result.name === 'DATE' ? `CAST(${sum} AS DATE)` : sum, result)
  })
}

const CLOCK = ['MICROSECOND', 'MILLISECOND', 'SECOND', 'MINUTE', 'HOUR']
const DATE_UNITS: ReadonlySet<string> = new Set(['DAY', 'WEEK', 'MONTH', 'QUARTER', 'YEAR'])
const TIMESTAMP_UNITS: ReadonlySet<string> = new Set([...CLOCK, 'DAY'])
const DATETIME_UNITS: ReadonlySet<string> = new Set([...CLOCK, ...DATE_UNITS])
const TIME_UNITS: ReadonlySet<string> = new Set(CLOCK)

const formatting = (name: string, type: SqlType): SqlFunction =>
  fn(2, 3, (format, value, zone) => {
    if (format!.literal === undefined) throw notTranslated(`${name} with a format that is not a literal`)
    const time = as(value!, type)
    const shown =
      type.name === 'TIMESTAMP' ? inZone(time, zone) : type.name === 'TIME' ? `(DATE '1970-01-01' + ${time})` : time
    if (zone && zone.literal === undefined) throw notTranslated(`${name} with a zone that is not a literal`)
    return expr(formatTime(shown, format!.literal, zone?.literal), STRING)
  })

const parsing = (name: string, type: SqlType): SqlFunction =>
  fn(2, type.name === 'TIMESTAMP' ? 3 : 2, (format, text, zone) => {
    if (format!.literal === undefined) throw notTranslated(`${name} with a format that is not a literal`)
    const parsed = `strptime(${text!.sql}, '${parseFormat(format!.literal).replaceAll("'", "''")}')`
    if (type.name === 'TIMESTAMP')
      // With %z the text says the zone, and DuckDB gives an instant.
      return expr(/%E?z/.test(format!.literal) ? parsed : `(${parsed} AT TIME ZONE ${zone?.sql ?? "'UTC'"})`, TIMESTAMP)
    return expr(type.name === 'DATETIME' ? parsed : `CAST(${parsed} AS ${type.name})`, type)
  })

/** `DATE(x)`: parts, or another time, in a zone or not. */
const dateOf: SqlFunction = fn(1, 3, (first, second, third) => {
  if (third) return expr(`make_date(${first!.sql}, ${second!.sql}, ${third.sql})`, DATE)
  if (second) return expr(`CAST(${inZone(as(first!, TIMESTAMP), second)} AS DATE)`, DATE)
  return expr(`CAST(${first!.sql} AS DATE)`, DATE)
})

const datetimeOf: SqlFunction = fn(1, 6, (...args) => {
  const [first, second] = args
  if (args.length === 6) {
    const [y, mo, d, h, mi, s] = args.map(arg => arg.sql)
    return expr(`make_timestamp(${y}, ${mo}, ${d}, ${h}, ${mi}, CAST(${s} AS DOUBLE))`, DATETIME)
  }
  if (args.length > 2) throw new SqlRefused('DATETIME takes one, two or six arguments')
  if (second && (first!.type?.name === 'DATE' || second.type?.name === 'TIME'))
    return expr(`(${as(first!, DATE)} + ${as(second, TIME)})`, DATETIME)
  if (second || first!.type?.name === 'TIMESTAMP') return expr(inZone(as(first!, TIMESTAMP), second), DATETIME)
  return expr(`CAST(${first!.sql} AS TIMESTAMP)`, DATETIME)
})

const timeOf: SqlFunction = fn(1, 3, (...args) => {
  const [first, second] = args
  if (args.length === 3)
    return expr(`make_time(${args[0]!.sql}, ${args[1]!.sql}, CAST(${args[2]!.sql} AS DOUBLE))`, TIME)
  if (second || first!.type?.name === 'TIMESTAMP')
    return expr(`CAST(${inZone(as(first!, TIMESTAMP), second)} AS TIME)`, TIME)
  return expr(`CAST(${first!.sql} AS TIME)`, TIME)
})

const timestampOf: SqlFunction = fn(1, 2, (value, zone) => {
  if (zone) return expr(inZone(as(value!, DATETIME), zone), TIMESTAMP)
  return expr(`CAST(${value!.sql} AS TIMESTAMPTZ)`, TIMESTAMP)
})

const stringOf: SqlFunction = fn(1, 2, (value, zone) => {
  if (value!.type?.name === 'JSON') return fromJsonFunctions.STRING.translate([value!])
  if (zone) throw notTranslated('STRING with a time zone')
  if (!value!.type) throw notTranslated('STRING of a value of unknown type')
  return expr(toText(value!.sql, value!.type.name), STRING)
})

const fromUnix = (type: SqlType, factor: string): SqlFunction =>
  fn(1, 1, value => expr(`make_timestamptz(CAST(${value!.sql} AS BIGINT)${factor})`, type))

/** Rounded down, also before 1970. */
const toUnix = (divisor: number): SqlFunction =>
  fn(1, 1, value => {
    const micros = `epoch_us(${as(value!, TIMESTAMP)})`
    return expr(divisor === 1 ? micros : `CAST(floor(${micros} / ${divisor}e0) AS BIGINT)`, INT64)
  })

const current = (type: SqlType, sql: (zone: string) => string): SqlFunction =>
  fn(0, 1, zone => expr(sql(zone?.sql ?? "'UTC'"), type))

export const TIME_FUNCTIONS: FunctionTable = {
  CURRENT_TIMESTAMP: fn(0, 0, () => expr('now()', TIMESTAMP)),
  CURRENT_DATETIME: current(DATETIME, zone => `(now() AT TIME ZONE ${zone})`),
  CURRENT_DATE: current(DATE, zone => `CAST(now() AT TIME ZONE ${zone} AS DATE)`),
  CURRENT_TIME: current(TIME, zone => `CAST(now() AT TIME ZONE ${zone} AS TIME)`),

  DATE: dateOf,
  DATETIME: datetimeOf,
  TIME: timeOf,
  TIMESTAMP: timestampOf,
  STRING: stringOf,

  DATE_ADD: adding('DATE_ADD', DATE, '+', DATETIME_UNITS),
  DATE_SUB: adding('DATE_SUB', DATE, '-', DATETIME_UNITS),
  DATETIME_ADD: adding('DATETIME_ADD', DATETIME, '+', DATETIME_UNITS),
  DATETIME_SUB: adding('DATETIME_SUB', DATETIME, '-', DATETIME_UNITS),
  TIME_ADD: adding('TIME_ADD', TIME, '+', TIME_UNITS),
  TIME_SUB: adding('TIME_SUB', TIME, '-', TIME_UNITS),
  TIMESTAMP_ADD: adding('TIMESTAMP_ADD', TIMESTAMP, '+', TIMESTAMP_UNITS),
  TIMESTAMP_SUB: adding('TIMESTAMP_SUB', TIMESTAMP, '-', TIMESTAMP_UNITS),

  DATE_DIFF: fn(3, 3, (end, begin, unit) => {
    checkPart(part(unit), 'DATE_DIFF', 'date')
    return expr(boundaries(as(end!, DATE), as(begin!, DATE), part(unit)), INT64)
  }),
  DATETIME_DIFF: fn(3, 3, (end, begin, unit) => {
    checkPart(part(unit), 'DATETIME_DIFF', 'both')
    return expr(boundaries(as(end!, DATETIME), as(begin!, DATETIME), part(unit)), INT64)
  }),
  TIME_DIFF: fn(3, 3, (end, begin, unit) => {
    checkPart(part(unit), 'TIME_DIFF', 'time')
    return expr(boundaries(as(end!, TIME), as(begin!, TIME), part(unit)), INT64)
  }),
  /** Whole units, a day being 24 hours. */
  TIMESTAMP_DIFF: fn(3, 3, (end, begin, unit) => {
    if (!TIMESTAMP_UNITS.has(part(unit)))
      throw new SqlRefused(`TIMESTAMP_DIFF does not support the ${part(unit)} date part`)
    return expr(`date_sub('${part(unit).toLowerCase()}', ${as(begin!, TIMESTAMP)}, ${as(end!, TIMESTAMP)})`, INT64)
  }),

  DATE_TRUNC: fn(2, 2, (value, unit) => {
    const isTime = value!.type?.name === 'DATETIME' || value!.type?.name === 'TIMESTAMP'
    checkPart(part(unit), 'DATE_TRUNC', isTime ? 'both' : 'date')
    if (isTime) return expr(truncated(value!.sql, part(unit)), value!.type)
    return expr(`CAST(${truncated(as(value!, DATE), part(unit))} AS DATE)`, DATE)
  }),
  DATETIME_TRUNC: fn(2, 2, (value, unit) => {
    checkPart(part(unit), 'DATETIME_TRUNC', 'both')
    return expr(truncated(as(value!, DATETIME), part(unit)), DATETIME)
  }),
  TIMESTAMP_TRUNC: fn(2, 3, (value, unit, zone) => {
    checkPart(part(unit), 'TIMESTAMP_TRUNC', 'both')
    if (value!.type?.name === 'DATETIME') return expr(truncated(value!.sql, part(unit)), DATETIME)
    const time = as(value!, TIMESTAMP)
    if (!zone) return expr(truncated(time, part(unit)), TIMESTAMP)
    return expr(`(${truncated(inZone(time, zone), part(unit))} AT TIME ZONE ${zone.sql})`, TIMESTAMP)
  }),
  TIME_TRUNC: fn(2, 2, (value, unit) => {
    checkPart(part(unit), 'TIME_TRUNC', 'time')
    return expr(`CAST(${truncated(`(DATE '1970-01-01' + ${as(value!, TIME)})`, part(unit))} AS TIME)`, TIME)
  }),
  LAST_DAY: fn(1, 2, (value, unit) => {
    const date = `CAST(${value!.sql} AS DATE)`
    if (!unit || part(unit) === 'MONTH') return expr(`last_day(${date})`, DATE)
    checkPart(part(unit), 'LAST_DAY', 'date')
    const length = { YEAR: 'to_years(1)', ISOYEAR: undefined, QUARTER: 'to_months(3)' }[part(unit)]
    if (part(unit) === 'ISOYEAR' || part(unit) === 'DAY') throw notTranslated(`LAST_DAY of ${part(unit)}`)
    return expr(`CAST(${truncated(date, part(unit))} + ${length ?? 'to_days(7)'} - to_days(1) AS DATE)`, DATE)
  }),

  FORMAT_DATE: formatting('FORMAT_DATE', DATE),
  FORMAT_DATETIME: formatting('FORMAT_DATETIME', DATETIME),
  FORMAT_TIME: formatting('FORMAT_TIME', TIME),
  FORMAT_TIMESTAMP: formatting('FORMAT_TIMESTAMP', TIMESTAMP),
  PARSE_DATE: parsing('PARSE_DATE', DATE),
  PARSE_DATETIME: parsing('PARSE_DATETIME', DATETIME),
  PARSE_TIME: parsing('PARSE_TIME', TIME),
  PARSE_TIMESTAMP: parsing('PARSE_TIMESTAMP', TIMESTAMP),

  UNIX_SECONDS: toUnix(1_000_000),
  UNIX_MILLIS: toUnix(1000),
  UNIX_MICROS: toUnix(1),
  UNIX_DATE: fn(1, 1, value => expr(`CAST(${as(value!, DATE)} - DATE '1970-01-01' AS BIGINT)`, INT64)),
  TIMESTAMP_SECONDS: fromUnix(TIMESTAMP, ' * 1000000'),
  TIMESTAMP_MILLIS: fromUnix(TIMESTAMP, ' * 1000'),
  TIMESTAMP_MICROS: fromUnix(TIMESTAMP, ''),
  DATE_FROM_UNIX_DATE: fn(1, 1, days => expr(`(DATE '1970-01-01' + CAST(${days!.sql} AS INTEGER))`, DATE)),
  MAKE_INTERVAL: fn(0, 6, (...args) => {
    const names = ['to_years', 'to_months', 'to_days', 'to_hours', 'to_minutes', 'to_seconds']
    const sum = args.map((arg, index) => `${names[index]}(CAST(${arg.sql} AS ${index < 3 ? 'INTEGER' : 'BIGINT'}))`)
    return expr(`(${['to_days(0)', ...sum].join(' + ')})`, { name: 'INTERVAL' })
  }),
  JUSTIFY_HOURS: fn(1, 1, value =>
    expr(
      once(
        [value!],
        i =>
          `(to_months(CAST(datepart('year', ${i}) * 12 + datepart('month', ${i}) AS INTEGER)) + to_days(CAST(datepart('day', ${i}) + datepart('hour', ${i}) // 24 AS INTEGER)) + to_microseconds((datepart('hour', ${i}) % 24) * 3600000000 + datepart('minute', ${i}) * 60000000 + datepart('microsecond', ${i})))`,
      ),
      { name: 'INTERVAL' },
    ),
  ),
}

/** Which argument of a function is a date part. */
export const PART_ARGUMENTS: Readonly<Record<string, number>> = {
  DATE_DIFF: 2,
  DATETIME_DIFF: 2,
  TIME_DIFF: 2,
  TIMESTAMP_DIFF: 2,
  DATE_TRUNC: 1,
  DATETIME_TRUNC: 1,
  TIMESTAMP_TRUNC: 1,
  TIME_TRUNC: 1,
  LAST_DAY: 1,
}
