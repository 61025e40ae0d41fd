// CAST and SAFE_CAST. https://cloud.google.com/bigquery/docs/reference/standard-sql/conversion_functions#cast
import { quoteName, quoteText } from '../storage/duckdb-names.ts'
import { type Expr, expr, once } from './expr.ts'
import { numericText, toBignumeric } from './operators.ts'
import { notTranslated, SqlRefused } from './refused.ts'
import { duckdbTypeOf, type SqlType, type TypeName, typeText } from './types.ts'

/** What each type can be cast to, besides itself. */
const CASTS: Readonly<Partial<Record<TypeName, readonly TypeName[]>>> = {
  INT64: ['BOOL', 'NUMERIC', 'BIGNUMERIC', 'FLOAT64', 'STRING'],
  NUMERIC: ['INT64', 'BIGNUMERIC', 'FLOAT64', 'STRING'],
  BIGNUMERIC: ['INT64', 'NUMERIC', 'FLOAT64', 'STRING'],
  FLOAT64: ['INT64', 'NUMERIC', 'BIGNUMERIC', 'STRING'],
  BOOL: ['INT64', 'STRING'],
  STRING: [
    'INT64',
    'NUMERIC',
    'BIGNUMERIC',
    'FLOAT64',
    'BOOL',
    'BYTES',
    'DATE',
    'DATETIME',
    'TIME',
    'TIMESTAMP',
    'INTERVAL',
    'RANGE',
  ],
  BYTES: ['STRING'],
  DATE: ['STRING', 'DATETIME', 'TIMESTAMP'],
  DATETIME: ['STRING', 'DATE', 'TIME', 'TIMESTAMP'],
  TIME: ['STRING'],
  TIMESTAMP: ['STRING', 'DATE', 'DATETIME', 'TIME'],
  'TIMESTAMP(12)': ['STRING', 'TIMESTAMP', 'DATE'],
  INTERVAL: ['STRING'],
  RANGE: ['STRING'],
  ARRAY: [],
  STRUCT: [],
  JSON: [],
  GEOGRAPHY: [],
}

export function castExpr(value: Expr, type: SqlType, { isSafe }: { isSafe: boolean }): Expr {
  const target = duckdbTypeOf(type)
  if (target === undefined) throw notTranslated(`CAST to ${typeText(type)}`)
  const from = value.type?.name
  if (value.isNull || from === undefined || from === type.name) {
    if (from === 'BIGNUMERIC' || from === 'GEOGRAPHY') return value
    if (type.name === 'BIGNUMERIC' && !value.isNull) throw notTranslated('CAST of an unknown type to BIGNUMERIC')
    return expr(plainCast(reshaped(value.sql, value.type, type, 0), target, isSafe), type, { name: value.name })
  }
  if (!CASTS[from]?.includes(type.name))
    throw new SqlRefused(`Invalid cast from ${typeText(value.type)} to ${typeText(type)}`)
  return expr(convert(value, from, type, target, isSafe), type, { name: value.name })
}

/** Structs go field by field by position; DuckDB's own cast goes by name. */
function reshaped(sql: string, from: SqlType | undefined, to: SqlType, depth: number): string {
  if (from?.name === 'ARRAY' && from.element && to.element && hasOtherNames(from.element, to.element)) {
    const item = `s${depth}`
    return `list_transform(${sql}, lambda ${item}: ${reshaped(item, from.element, to.element, depth + 1)})`
  }
  if (from?.name !== 'STRUCT' || !from.fields || !to.fields || !hasOtherNames(from, to)) return sql
  if (from.fields.length !== to.fields.length)
    throw new SqlRefused(`Invalid cast from ${typeText(from)} to ${typeText(to)}`)
  const fields = to.fields.map((field, index) => {
    const given = from.fields![index]!
    const value = `struct_extract(${sql}, ${quoteText(given.name)})`
    return `${quoteName(field.name)} := ${field.type ? reshaped(value, given.type, field.type, depth) : value}`
  })
  return `(CASE WHEN ${sql} IS NULL THEN NULL ELSE struct_pack(${fields.join(', ')}) END)`
}

/** Whether fields at one position have two names, here or further inside. */
function hasOtherNames(from: SqlType, to: SqlType): boolean {
  if (from.element && to.element) return hasOtherNames(from.element, to.element)
  const { fields } = to
  if (!from.fields || !fields) return false
  return (
    from.fields.length !== fields.length ||
    from.fields.some(({ name, type }, index) => {
      const other = fields[index]!
      return name !== other.name || (type !== undefined && other.type !== undefined && hasOtherNames(type, other.type))
    })
  )
}

const plainCast = (sql: string, target: string, isSafe: boolean): string =>
  `${isSafe ? 'TRY_CAST' : 'CAST'}(${sql} AS ${target})`

function convert(value: Expr, from: TypeName, type: SqlType, target: string, isSafe: boolean): string {
  const { sql } = value
  if (type.name === 'STRING') return toText(sql, from, isSafe)
  if (type.name === 'BIGNUMERIC') {
    if (from === 'STRING' && value.literal === undefined) throw notTranslated('CAST of a STRING to BIGNUMERIC')
    return toBignumeric(value).sql
  }
  if (from === 'FLOAT64' || from === 'NUMERIC' || from === 'BIGNUMERIC') {
    if (type.name !== 'INT64') return plainCast(sql, target, isSafe)
    // Halves go away from zero; DuckDB's own cast takes them to the even neighbour.
    const number = from === 'BIGNUMERIC' ? `CAST(${sql} AS DECIMAL(38,9))` : sql
    return plainCast(`round(${number})`, target, isSafe)
  }
  if (from === 'TIMESTAMP(12)') return plainCast(`CAST(${sql} AS TIMESTAMPTZ)`, target, isSafe)
  if (from === 'STRING') return fromText(sql, type, target, isSafe)
  if (from === 'TIMESTAMP' && type.name === 'TIME') return `CAST(${sql} AT TIME ZONE 'UTC' AS TIME)`
  return plainCast(sql, target, isSafe)
}

/** What is a number or truth value; DuckDB would take more (`1.5` as an INT64, `t` as TRUE). BigQuery's hexadecimal text is refused. */
const TEXT_FORMS: Readonly<Partial<Record<TypeName, { pattern: string; noun: string }>>> = {
  INT64: { pattern: '\\s*[+-]?\\d+\\s*', noun: 'int64' },
  BOOL: { pattern: '(?i)(true|false)', noun: 'bool' },
}

function fromText(sql: string, type: SqlType, target: string, isSafe: boolean): string {
  if (type.name === 'BYTES') return `encode(${sql})`
  if (type.name === 'INTERVAL' || type.name === 'RANGE') throw notTranslated(`CAST of a STRING to ${type.name}`)
  const form = TEXT_FORMS[type.name]
  if (!form) return plainCast(sql, target, isSafe)
  return once([expr(sql)], text => {
    const other = isSafe ? 'NULL' : `error('Bad ${form.noun} value: ' || ${text})`
    return `(CASE WHEN regexp_full_match(${text}, ${quoteText(form.pattern)}) THEN CAST(trim(${text}) AS ${target}) WHEN ${text} IS NULL THEN NULL ELSE ${other} END)`
  })
}

/** https://cloud.google.com/bigquery/docs/reference/standard-sql/conversion_functions#cast_as_string */
export function toText(sql: string, from: TypeName, isSafe = false): string {
  switch (from) {
    case 'STRING':
    case 'TIMESTAMP(12)':
      return sql
    case 'BYTES':
      return isSafe ? `TRY(decode(${sql}))` : `decode(${sql})`
    case 'FLOAT64':
      // 1e+20 and 1.5 are alike in both; whole numbers have no `.0` in BigQuery.
      return `regexp_replace(CAST(${sql} AS VARCHAR), '\\.0$', '')`
    case 'NUMERIC':
      return numericText(sql)
    case 'BIGNUMERIC':
    case 'GEOGRAPHY':
      return sql
    case 'INTERVAL':
      return once(
        [expr(sql)],
        i =>
          `printf('%s%d-%d %d %s%d:%d:%d%s', ` +
          `CASE WHEN ${monthsOf(i)} < 0 THEN '-' ELSE '' END, abs(${monthsOf(i)}) // 12, abs(${monthsOf(i)}) % 12, datepart('day', ${i}), ` +
          `CASE WHEN ${microsOf(i)} < 0 THEN '-' ELSE '' END, abs(${microsOf(i)}) // 3600000000, abs(${microsOf(i)}) // 60000000 % 60, abs(${microsOf(i)}) // 1000000 % 60, ` +
          `CASE WHEN ${microsOf(i)} % 1000000 = 0 THEN '' ELSE '.' || regexp_replace(printf('%06d', abs(${microsOf(i)}) % 1000000), '000$', '') END)`,
      )
    case 'TIMESTAMP':
    case 'DATETIME':
    case 'TIME':
      // Fractions show as three or six digits.
      return `regexp_replace(regexp_replace(CAST(${sql} AS VARCHAR), '(\\.\\d|\\.\\d{4})(\\+00)?$', '\\100\\2'), '(\\.\\d{2}|\\.\\d{5})(\\+00)?$', '\\10\\2')`
    case 'DATE':
    case 'INT64':
    case 'BOOL':
      return `CAST(${sql} AS VARCHAR)`
    default:
      throw notTranslated(`CAST of ${from} to STRING`)
  }
}

const monthsOf = (interval: string): string => `(datepart('year', ${interval}) * 12 + datepart('month', ${interval}))`
const microsOf = (interval: string): string =>
  `(datepart('hour', ${interval}) * 3600000000 + datepart('minute', ${interval}) * 60000000 + datepart('microsecond', ${interval}))`
