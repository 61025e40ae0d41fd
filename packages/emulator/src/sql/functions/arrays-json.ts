// https://cloud.google.com/bigquery/docs/reference/standard-sql/array_functions, …/json_functions, …/range-functions, …/conditional_expressions
import { type Expr, expr, isString, once } from '../expr.ts'
import { concatenate, typeOfChoice } from '../operators.ts'
import { notTranslated, SqlRefused } from '../refused.ts'
import { arrayOf, BOOL, DATE, FLOAT64, INT64, JSON_TYPE, rangeOf, type SqlType, STRING, TIMESTAMP } from '../types.ts'
import { ANY_COUNT, type FunctionTable, fn, type SqlFunction } from './function-table.ts'
import { jsonText, jsonValue } from './to-json.ts'

/** The second argument as a path of DuckDB's, quoted. */
const path = (args: readonly Expr[]): string => {
  const text = args[1]?.literal
  if (args[1] && text === undefined) throw notTranslated('A JSON path that is not a literal')
  return `'${jsonPath(text ?? '$').replaceAll("'", "''")}'`
}

/** BigQuery's `$['a b'].c` and `$.a.0` as DuckDB writes them. */
function jsonPath(text: string): string {
  if (!text.startsWith('$')) throw new SqlRefused(`JSONPath must start with '$': ${text}`)
  let out = '$'
  let rest = text.slice(1)
  while (rest !== '') {
    const found =
      /^(?:\.([^.[\]'"]+)|\."((?:[^"\\]|\\.)+)"|\[(?:'((?:[^'\\]|\\.)+)'|"((?:[^"\\]|\\.)+)")\]|\[\s*(\d+)\s*\])/.exec(
        rest,
      )
    if (!found) throw new SqlRefused(`Invalid token in JSONPath at: ${rest}`)
    const name = found[1] ?? found[2] ?? found[3] ?? found[4]
    out += name === undefined ? `[${found[5]}]` : `."${name.replaceAll('"', '\\"')}"`
    rest = rest.slice(found[0].length)
  }
  return out
}

const checkJson = (name: string, value: Expr): void => {
  if (value.type && value.type.name !== 'JSON' && value.type.name !== 'STRING')
    throw new SqlRefused(`No matching signature for function ${name} for argument types: ${value.type.name}, STRING`)
}

/** A scalar as text; objects, arrays and JSON null are NULL. */
const scalarOf = (name: string): SqlFunction =>
  fn(1, 2, (...args) => {
    checkJson(name, args[0]!)
    const at = path(args)
    const sql = once(
      [args[0]!],
      json =>
        `(CASE WHEN json_type(${json}, ${at}) IN ('OBJECT', 'ARRAY') THEN NULL ELSE json_extract_string(${json}, ${at}) END)`,
    )
    return expr(sql, STRING)
  })

/** JSON from JSON, text from text. */
const extractOf = (name: string): SqlFunction =>
  fn(1, 2, (...args) => {
    checkJson(name, args[0]!)
    const sql = `json_extract(${args[0]!.sql}, ${path(args)})`
    return isString(args[0]!) ? expr(`CAST(nullif(${sql}, 'null') AS VARCHAR)`, STRING) : expr(sql, JSON_TYPE)
  })

const arrayOfJson = (name: string, isText: boolean): SqlFunction =>
  fn(1, 2, (...args) => {
    checkJson(name, args[0]!)
    const items = `CAST(json_extract(${args[0]!.sql}, ${path(args)}) AS JSON[])`
    if (isText) return expr(`list_transform(${items}, lambda j: json_extract_string(j, '$'))`, arrayOf(STRING))
    return isString(args[0]!) ? expr(`CAST(${items} AS VARCHAR[])`, arrayOf(STRING)) : expr(items, arrayOf(JSON_TYPE))
  })

/** `INT64(json)`: an error when the value is of another type. */
const fromJson = (noun: string, types: readonly string[], type: SqlType, target: string): SqlFunction =>
  fn(1, 1, value =>
    expr(
      once(
        [value!],
        json =>
          `(CASE WHEN ${json} IS NULL THEN NULL WHEN json_type(${json}) IN (${types.map(name => `'${name}'`).join(', ')}) ` +
          `THEN CAST(json_extract_string(${json}, '$') AS ${target}) ELSE error('The provided JSON input is not ${noun}') END)`,
      ),
      type,
    ),
  )

const WHOLE = ['BIGINT', 'UBIGINT', 'HUGEINT']

export const fromJsonFunctions: Readonly<Record<'INT64' | 'FLOAT64' | 'BOOL' | 'STRING', SqlFunction>> = {
  INT64: fromJson('an integer', WHOLE, INT64, 'BIGINT'),
  FLOAT64: fromJson('a number', [...WHOLE, 'DOUBLE'], FLOAT64, 'DOUBLE'),
  BOOL: fromJson('a boolean', ['BOOLEAN'], BOOL, 'BOOLEAN'),
  STRING: fromJson('a string', ['VARCHAR'], STRING, 'VARCHAR'),
}

const lax = (type: SqlType, target: string): SqlFunction =>
  fn(1, 1, value => expr(`TRY_CAST(json_extract_string(${value!.sql}, '$') AS ${target})`, type))

function generateArray(start: Expr, end: Expr, step: Expr | undefined): Expr {
  for (const bound of [start, end, step])
    if (bound?.type && bound.type.name !== 'INT64') throw notTranslated(`GENERATE_ARRAY of ${bound.type.name}`)
  if (step?.literal === '0') throw new SqlRefused('Sequence step cannot be 0.')
  return expr(`generate_series(${start.sql}, ${end.sql}${step ? `, ${step.sql}` : ''})`, arrayOf(INT64))
}

function generateTimes(start: Expr, end: Expr, step: Expr | undefined, isDate: boolean): Expr {
  const interval = step?.sql ?? (isDate ? 'to_days(1)' : undefined)
  if (interval === undefined) throw new SqlRefused('GENERATE_TIMESTAMP_ARRAY needs an interval')
  const type = isDate ? 'TIMESTAMP' : 'TIMESTAMPTZ'
  const series = `generate_series(CAST(${start.sql} AS ${type}), CAST(${end.sql} AS ${type}), ${interval})`
  return isDate
    ? expr(`list_transform(${series}, lambda d: CAST(d AS DATE))`, arrayOf(DATE))
    : expr(series, arrayOf(TIMESTAMP))
}

const bound = (name: 'start' | 'end'): SqlFunction =>
  fn(1, 1, range => expr(`struct_extract(${range!.sql}, '${name}')`, range!.type?.element))

export const ARRAY_JSON_FUNCTIONS: FunctionTable = {
  IF: fn(3, 3, (condition, yes, no) =>
    expr(`(CASE WHEN ${condition!.sql} THEN ${yes!.sql} ELSE ${no!.sql} END)`, typeOfChoice([yes!, no!])),
  ),
  IFNULL: fn(2, 2, (...args) => expr(`coalesce(${args.map(arg => arg.sql).join(', ')})`, typeOfChoice(args))),
  COALESCE: fn(1, ANY_COUNT, (...args) => expr(`coalesce(${args.map(arg => arg.sql).join(', ')})`, typeOfChoice(args))),
  NULLIF: fn(2, 2, (a, b) => expr(`nullif(${a!.sql}, ${b!.sql})`, a!.type)),
  ERROR: fn(1, 1, message => expr(`error(${message!.sql})`, undefined)),

  ARRAY_LENGTH: fn(1, 1, array => expr(`len(${array!.sql})`, INT64)),
  ARRAY_CONCAT: fn(1, ANY_COUNT, (first, ...rest) =>
    rest.reduce<Expr>((joined, array) => concatenate(joined, array), first!),
  ),
  ARRAY_REVERSE: fn(1, 1, array => expr(`list_reverse(${array!.sql})`, array!.type)),
  ARRAY_TO_STRING: fn(2, 3, (array, delimiter, nullText) => {
    if (array!.type?.element && array!.type.element.name !== 'STRING')
      throw notTranslated('ARRAY_TO_STRING of anything but STRINGs')
    const items = nullText ? `list_transform(${array!.sql}, lambda i: coalesce(i, ${nullText.sql}))` : array!.sql
    return expr(`array_to_string(${items}, ${delimiter!.sql})`, STRING)
  }),
  ARRAY_FIRST: fn(1, 1, array => expr(`${array!.sql}[1]`, array!.type?.element)),
  ARRAY_LAST: fn(1, 1, array => expr(`${array!.sql}[-1]`, array!.type?.element)),
  ARRAY_SLICE: fn(3, 3, (array, from, to) =>
    expr(
      once(
        [from!, to!],
        (a, b) =>
          `(${array!.sql})[(CASE WHEN ${a} < 0 THEN ${a} ELSE ${a} + 1 END):(CASE WHEN ${b} < 0 THEN ${b} ELSE ${b} + 1 END)]`,
      ),
      array!.type,
    ),
  ),
  ARRAY_INCLUDES: fn(2, 2, (array, value) => expr(`list_contains(${array!.sql}, ${value!.sql})`, BOOL)),
  ARRAY_IS_DISTINCT: fn(1, 1, array =>
    expr(
      once(
        [array!],
        a =>
          `(len(list_distinct(${a})) + (CASE WHEN len(list_filter(${a}, lambda i: i IS NULL)) > 0 THEN 1 ELSE 0 END) = len(${a}))`,
      ),
      BOOL,
    ),
  ),
  GENERATE_ARRAY: fn(2, 3, (start, end, step) => generateArray(start!, end!, step)),
  GENERATE_DATE_ARRAY: fn(2, 3, (start, end, step) => generateTimes(start!, end!, step, true)),
  GENERATE_TIMESTAMP_ARRAY: fn(3, 3, (start, end, step) => generateTimes(start!, end!, step, false)),

  RANGE: fn(2, 2, (start, end) =>
    expr(`struct_pack("start" := ${start!.sql}, "end" := ${end!.sql})`, rangeOf(start!.type ?? end!.type)),
  ),
  RANGE_START: bound('start'),
  RANGE_END: bound('end'),
  RANGE_CONTAINS: fn(2, 2, (range, point) => {
    if (point!.type?.name === 'RANGE') throw notTranslated('RANGE_CONTAINS of a RANGE')
    return expr(
      once(
        [range!, point!],
        (r, p) =>
          `(coalesce(${p} >= ${r}."start", ${p} IS NOT NULL) AND coalesce(${p} < ${r}."end", ${p} IS NOT NULL))`,
      ),
      BOOL,
    )
  }),

  JSON_VALUE: scalarOf('JSON_VALUE'),
  JSON_EXTRACT_SCALAR: scalarOf('JSON_EXTRACT_SCALAR'),
  JSON_QUERY: extractOf('JSON_QUERY'),
  JSON_EXTRACT: extractOf('JSON_EXTRACT'),
  JSON_QUERY_ARRAY: arrayOfJson('JSON_QUERY_ARRAY', false),
  JSON_EXTRACT_ARRAY: arrayOfJson('JSON_EXTRACT_ARRAY', false),
  JSON_VALUE_ARRAY: arrayOfJson('JSON_VALUE_ARRAY', true),
  JSON_EXTRACT_STRING_ARRAY: arrayOfJson('JSON_EXTRACT_STRING_ARRAY', true),
  JSON_TYPE: fn(1, 1, json =>
    expr(
      `(CASE json_type(${json!.sql}) WHEN 'OBJECT' THEN 'object' WHEN 'ARRAY' THEN 'array' WHEN 'VARCHAR' THEN 'string' WHEN 'BOOLEAN' THEN 'boolean' WHEN 'NULL' THEN 'null' WHEN NULL THEN NULL ELSE CASE WHEN ${json!.sql} IS NOT NULL THEN 'number' END END)`,
      STRING,
    ),
  ),
  JSON_KEYS: fn(1, 1, json => expr(`json_keys(${json!.sql})`, arrayOf(STRING))),
  LAX_INT64: lax(INT64, 'BIGINT'),
  LAX_FLOAT64: lax(FLOAT64, 'DOUBLE'),
  LAX_BOOL: lax(BOOL, 'BOOLEAN'),
  LAX_STRING: lax(STRING, 'VARCHAR'),
  PARSE_JSON: fn(1, 1, text => expr(`CAST(${text!.sql} AS JSON)`, JSON_TYPE)),
  TO_JSON: fn(1, 1, value => expr(jsonValue(value!.sql, value!.type), JSON_TYPE)),
  TO_JSON_STRING: fn(1, 1, value => expr(jsonText(value!), STRING)),
  INT64: fromJsonFunctions.INT64,
  FLOAT64: fromJsonFunctions.FLOAT64,
  BOOL: fromJsonFunctions.BOOL,
  ST_ASTEXT: fn(1, 1, value => expr(value!.sql, STRING)),
  ST_GEOGFROMTEXT: fn(1, 1, value => expr(value!.sql, { name: 'GEOGRAPHY' })),
}
