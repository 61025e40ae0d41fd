// Operators between values whose types may be known: what BigQuery does where DuckDB does something else.
import { quoteText } from '../storage/duckdb-names.ts'
import { canonicalDecimal } from './decimal-text.ts'
import { type Expr, expr, once } from './expr.ts'
import { notTranslated, SqlRefused } from './refused.ts'
import {
  arrayOf,
  BIGNUMERIC,
  BOOL,
  BYTES,
  commonType,
  DATE,
  DATETIME,
  FLOAT64,
  hasType,
  INT64,
  INTERVAL,
  NUMERIC,
  type SqlType,
  TIMESTAMP,
  typeText,
} from './types.ts'

const isNumber = (type: SqlType | undefined): boolean =>
  type !== undefined && ['INT64', 'NUMERIC', 'BIGNUMERIC', 'FLOAT64'].includes(type.name)

/** The type of a numeric result; undefined when not known. */
function numericType(a: Expr, b: Expr): SqlType | undefined {
  if (a.isNull) return b.type
  if (b.isNull) return a.type
  return isNumber(a.type) && isNumber(b.type) ? commonType([a.type, b.type]) : undefined
}

export function refuseBignumeric(what: string, ...values: readonly Expr[]): void {
  if (values.some(value => value.type?.name === 'BIGNUMERIC'))
    throw notTranslated(`${what} on BIGNUMERIC (cast to NUMERIC, FLOAT64 or STRING)`)
}

function checkArithmetic(operator: string, a: Expr, b: Expr): void {
  refuseBignumeric(operator, a, b)
  for (const value of [a, b])
    if (
      value.type &&
      ['STRING', 'BYTES', 'BOOL', 'JSON', 'ARRAY', 'STRUCT', 'GEOGRAPHY', 'RANGE'].includes(value.type.name)
    )
      throw noSignature(operator, a, b)
}

const noSignature = (operator: string, ...values: readonly Expr[]): SqlRefused =>
  new SqlRefused(
    `No matching signature for operator ${operator} for argument types: ${values.map(value => typeText(value.type)).join(', ')}`,
  )

/** `+` and `-`. https://cloud.google.com/bigquery/docs/reference/standard-sql/operators#date_arithmetics_operators */
export function additive(operator: '+' | '-', a: Expr, b: Expr): Expr {
  checkArithmetic(operator, a, b)
  const dates = [a.type?.name, b.type?.name]
  if (dates[0] === 'DATE' && dates[1] === 'INT64') return expr(`(${a.sql} ${operator} CAST(${b.sql} AS INTEGER))`, DATE)
  if (dates[0] === 'INT64' && dates[1] === 'DATE' && operator === '+')
    return expr(`(${b.sql} + CAST(${a.sql} AS INTEGER))`, DATE)
  if (dates[0] === 'DATE' && dates[1] === 'DATE' && operator === '-')
    return expr(`to_days(CAST(${a.sql} - ${b.sql} AS INTEGER))`, INTERVAL)
  if (dates[0] === dates[1] && (dates[0] === 'TIMESTAMP' || dates[0] === 'DATETIME') && operator === '-')
    return expr(`to_microseconds(epoch_us(${a.sql}) - epoch_us(${b.sql}))`, INTERVAL)
  if (dates[0] === 'INTERVAL' && dates[1] === 'INTERVAL') return expr(`(${a.sql} ${operator} ${b.sql})`, INTERVAL)
  if (dates[1] === 'INTERVAL' && a.type)
    return expr(`(${a.sql} ${operator} ${b.sql})`, a.type.name === 'DATE' ? DATETIME : a.type)
  if (dates[0] === 'INTERVAL' && b.type && operator === '+')
    return expr(`(${b.sql} + ${a.sql})`, b.type.name === 'DATE' ? DATETIME : b.type)
  return expr(`(${a.sql} ${operator} ${b.sql})`, numericType(a, b))
}

export function multiply(a: Expr, b: Expr): Expr {
  checkArithmetic('*', a, b)
  const type = numericType(a, b)
  const product = `(${a.sql} * ${b.sql})`
  // DuckDB's product of two decimals has the digits of both.
  return type?.name === 'NUMERIC' ? expr(`CAST(${product} AS DECIMAL(38,9))`, type) : expr(product, type)
}

/** FLOAT64 unless NUMERIC is involved; an error, not infinity or NULL, when the divisor is zero. */
export function divide(a: Expr, b: Expr): Expr {
  checkArithmetic('/', a, b)
  const type = numericType(a, b)
  const isNumeric = type?.name === 'NUMERIC'
  const quotient = (x: string, y: string): string =>
    isNumeric ? `CAST(${x} / ${y} AS DECIMAL(38,9))` : `(CAST(${x} AS DOUBLE) / ${y})`
  const divided = isNumeric ? NUMERIC : FLOAT64
  if (b.literal !== undefined && Number(b.literal) !== 0) return expr(quotient(a.sql, b.sql), divided)
  const safe = nonZero(b, 'division by zero')
  return expr(quotient(a.sql, safe), divided)
}

/** The value, or an error when it is zero. */
export const nonZero = (value: Expr, message: string): string =>
  once([value], name => `(CASE WHEN ${name} = 0 THEN error(${quoteText(message)}) ELSE ${name} END)`)

/** Strings, bytes and arrays. */
export function concatenate(a: Expr, b: Expr): Expr {
  const text = (value: Expr): string =>
    value.type && !['STRING', 'BYTES', 'ARRAY'].includes(value.type.name)
      ? refuseConcat(a, b)
      : value.isNull
        ? 'CAST(NULL AS VARCHAR)'
        : value.sql
  const type = a.isNull ? b.type : b.isNull ? a.type : commonType([a.type, b.type])
  const isArray = a.type?.name === 'ARRAY' || b.type?.name === 'ARRAY'
  if (isArray) {
    const element = a.isNull ? b.type?.element : a.type?.element
    return expr(`(${a.sql} || ${b.sql})`, arrayOf(element))
  }
  return expr(`(${text(a)} || ${text(b)})`, type?.name === 'BYTES' ? BYTES : type)
}

function refuseConcat(a: Expr, b: Expr): never {
  throw noSignature('||', a, b)
}

/** Groups of types that can be compared with each other; others only with literals and unknown types. */
const COMPARABLE: Readonly<Record<string, string>> = {
  INT64: 'number',
  FLOAT64: 'number',
  NUMERIC: 'number',
  BIGNUMERIC: 'number',
  DATE: 'date',
  DATETIME: 'date',
}

function checkComparable(operator: string, a: Expr, b: Expr): void {
  if (hasType(a.type, 'JSON', 'GEOGRAPHY') || hasType(b.type, 'JSON', 'GEOGRAPHY')) {
    if (!a.isNull && !b.isNull) throw noSignature(operator, a, b)
    return
  }
  if (!a.type || !b.type || a.isNull || b.isNull) return
  const group = (type: SqlType): string => COMPARABLE[type.name] ?? type.name
  if (group(a.type) === group(b.type)) return
  // Literals and parameters of type STRING become dates and times, never numbers.
  const isCoerced = (text: Expr, other: Expr): boolean =>
    text.type?.name === 'STRING' &&
    text.literal !== undefined &&
    ['DATE', 'DATETIME', 'TIMESTAMP', 'TIME', 'BYTES', 'INTERVAL'].includes(other.type!.name)
  if (!isCoerced(a, b) && !isCoerced(b, a)) throw noSignature(operator, a, b)
}

/** `=`, `<`, … */
export function compare(operator: string, a: Expr, b: Expr): Expr {
  const [isPicoA, isPicoB] = [a, b].map(value => value.type?.name === 'TIMESTAMP(12)')
  if (isPicoA !== isPicoB) return compare(operator, toMicros(a), toMicros(b))
  checkComparable(operator, a, b)
  if (a.type?.name === 'BIGNUMERIC' || b.type?.name === 'BIGNUMERIC') return compareBignumeric(operator, a, b)
  return expr(`(${a.sql} ${operator} ${b.sql})`, BOOL)
}

const toMicros = (value: Expr): Expr =>
  value.type?.name === 'TIMESTAMP(12)' ? expr(`CAST(${value.sql} AS TIMESTAMPTZ)`, TIMESTAMP) : value

const EQUALITY: ReadonlySet<string> = new Set(['=', '<>', 'IS DISTINCT FROM', 'IS NOT DISTINCT FROM'])

/** Equal numbers have equal text; their order is not that of the text. */
function compareBignumeric(operator: string, a: Expr, b: Expr): Expr {
  if (!EQUALITY.has(operator)) refuseBignumeric(operator, a, b)
  return expr(`(${toBignumeric(a).sql} ${operator} ${toBignumeric(b).sql})`, BOOL)
}

/** The value as BIGNUMERIC text. */
export function toBignumeric(value: Expr): Expr {
  if (value.isNull || value.type?.name === 'BIGNUMERIC') return expr(value.sql, BIGNUMERIC)
  if (value.literal !== undefined && (isNumber(value.type) || value.type?.name === 'STRING'))
    return expr(quoteText(canonicalDecimal(value.literal)), BIGNUMERIC)
  if (value.type?.name === 'INT64') return expr(`CAST(${value.sql} AS VARCHAR)`, BIGNUMERIC)
  if (value.type?.name === 'NUMERIC') return expr(numericText(value.sql), BIGNUMERIC)
  if (value.type?.name === 'FLOAT64') return expr(numericText(`CAST(${value.sql} AS DECIMAL(38,9))`), BIGNUMERIC)
  throw notTranslated(`${typeText(value.type)} as BIGNUMERIC`)
}

/** A decimal without zeros that say nothing. */
export const numericText = (sql: string): string => `regexp_replace(CAST(${sql} AS VARCHAR), '\\.?0+$', '')`

export function bitwise(operator: string, a: Expr, b: Expr): Expr {
  if (operator === '^') return expr(`xor(${a.sql}, ${b.sql})`, INT64)
  if (a.type?.name === 'BYTES') throw notTranslated(`The operator ${operator} on these types`)
  return expr(`(${a.sql} ${operator} ${b.sql})`, INT64)
}

/** In LIKE a backslash takes the next character as it is. */
export function like(value: Expr, pattern: Expr): string {
  if (hasType(value.type, 'BYTES')) throw notTranslated('LIKE on BYTES')
  if (value.type && value.type.name !== 'STRING') throw noSignature('LIKE', value, pattern)
  return `(${value.sql} LIKE ${pattern.sql} ESCAPE '\\')`
}

/** The type of a value that is one of several. */
export function typeOfChoice(values: readonly Expr[]): SqlType | undefined {
  const given = values.filter(value => !value.isNull)
  const type = commonType(given.map(value => value.type))
  if (type?.name === 'BIGNUMERIC' && given.some(value => value.type?.name !== 'BIGNUMERIC'))
    throw notTranslated('A choice between BIGNUMERIC and other numbers (cast them)')
  return type
}
