// https://cloud.google.com/bigquery/docs/reference/standard-sql/mathematical_functions
import { type Expr, expr, once } from '../expr.ts'
import { additive, divide, multiply, nonZero, refuseBignumeric } from '../operators.ts'
import { BOOL, commonType, FLOAT64, INT64, NUMERIC, type SqlType } from '../types.ts'
import { ANY_COUNT, type FunctionTable, firstType, fn, named, type SqlFunction } from './function-table.ts'

const asDouble = ({ sql }: Expr): string => `CAST(${sql} AS DOUBLE)`

/** A function of doubles that is an error where the result is none, as in DuckDB. */
const real = (name: string, count = 1): SqlFunction =>
  fn(count, count, (...args) => {
    refuseBignumeric(name.toUpperCase(), ...args)
    return expr(`${name}(${args.map(asDouble).join(', ')})`, FLOAT64)
  })

/** INT64 becomes FLOAT64, NUMERIC stays. */
function rounding(name: string): SqlFunction {
  return fn(1, name === 'round' || name === 'trunc' ? 2 : 1, (value, digits) => {
    refuseBignumeric(name.toUpperCase(), value!)
    const isNumeric = value!.type?.name === 'NUMERIC'
    const number = value!.type?.name === 'INT64' ? asDouble(value!) : value!.sql
    const call = digits ? `${name}(${number}, CAST(${digits.sql} AS INTEGER))` : `${name}(${number})`
    if (isNumeric) return expr(`CAST(${call} AS DECIMAL(38,9))`, NUMERIC)
    return value!.type ? expr(call, FLOAT64) : expr(call)
  })
}

/** NULL as soon as one argument is; DuckDB leaves NULLs out. */
const extreme = (name: string): SqlFunction =>
  fn(1, ANY_COUNT, (...args) => {
    refuseBignumeric(name.toUpperCase(), ...args)
    const type = commonType(args.filter(arg => !arg.isNull).map(arg => arg.type))
    const sql = once(
      args,
      (...values) =>
        `(CASE WHEN ${values.map(value => `${value} IS NULL`).join(' OR ')} THEN NULL ELSE ${name}(${values.join(', ')}) END)`,
    )
    return expr(sql, type)
  })

/** NULL instead of an error. */
const safe = (apply: (a: Expr, b: Expr) => Expr): SqlFunction =>
  fn(2, 2, (a, b) => {
    const { sql, type } = apply(a!, b!)
    return expr(`TRY(${sql})`, type)
  })

export const NUMBER_FUNCTIONS: FunctionTable = {
  ABS: named('abs', 1, 1, firstType),
  SIGN: fn(1, 1, value => expr(castLike(`sign(${value!.sql})`, value!.type), value!.type)),
  ROUND: rounding('round'),
  TRUNC: rounding('trunc'),
  CEIL: rounding('ceil'),
  CEILING: rounding('ceil'),
  FLOOR: rounding('floor'),
  MOD: fn(2, 2, (a, b) => {
    refuseBignumeric('MOD', a!, b!)
    return expr(`(${a!.sql} % ${divisor(b!)})`, commonType([a!.type, b!.type]))
  }),
  DIV: fn(2, 2, (a, b) => expr(`(${a!.sql} // ${divisor(b!)})`, a!.type ?? INT64)),
  SAFE_DIVIDE: fn(2, 2, (a, b) => {
    const isPlain = b!.literal !== undefined && Number(b!.literal) !== 0
    const nullable = isPlain ? b! : { ...b!, sql: `nullif(${b!.sql}, 0)`, literal: '1' }
    return divide(a!, nullable)
  }),
  SAFE_ADD: safe((a, b) => additive('+', a, b)),
  SAFE_SUBTRACT: safe((a, b) => additive('-', a, b)),
  SAFE_MULTIPLY: safe(multiply),
  SAFE_NEGATE: fn(1, 1, value => expr(`TRY(- ${value!.sql})`, value!.type)),
  IEEE_DIVIDE: fn(2, 2, (a, b) => expr(`(${asDouble(a!)} / ${asDouble(b!)})`, FLOAT64)),
  GREATEST: extreme('greatest'),
  LEAST: extreme('least'),
  POW: real('pow', 2),
  POWER: real('pow', 2),
  SQRT: real('sqrt'),
  CBRT: real('cbrt'),
  EXP: real('exp'),
  LN: real('ln'),
  LOG10: real('log10'),
  LOG: fn(1, 2, (value, base) =>
    expr(base ? `(ln(${asDouble(value!)}) / ln(${asDouble(base)}))` : `ln(${asDouble(value!)})`, FLOAT64),
  ),
  SIN: real('sin'),
  COS: real('cos'),
  TAN: real('tan'),
  ASIN: real('asin'),
  ACOS: real('acos'),
  ATAN: real('atan'),
  ATAN2: real('atan2', 2),
  SINH: real('sinh'),
  COSH: real('cosh'),
  TANH: real('tanh'),
  IS_NAN: fn(1, 1, value => expr(`isnan(${asDouble(value!)})`, BOOL)),
  IS_INF: fn(1, 1, value => expr(`isinf(${asDouble(value!)})`, BOOL)),
  RAND: fn(0, 0, () => expr('random()', FLOAT64)),
  BIT_COUNT: fn(1, 1, value => expr(`CAST(bit_count(${value!.sql}) AS BIGINT)`, INT64)),
  /** The first point an element is less than gives its bucket. */
  RANGE_BUCKET: fn(2, 2, (point, points) =>
    expr(
      once(
        [point!, points!],
        (p, list) => `(CASE WHEN ${p} IS NULL THEN NULL ELSE len(list_filter(${list}, lambda e: e <= ${p})) END)`,
      ),
      INT64,
    ),
  ),
}

const divisor = (b: Expr): string =>
  b.literal !== undefined && Number(b.literal) !== 0 ? b.sql : nonZero(b, 'division by zero')

function castLike(sql: string, type: SqlType | undefined): string {
  const target = { INT64: 'BIGINT', FLOAT64: 'DOUBLE', NUMERIC: 'DECIMAL(38,9)' }[type?.name as string]
  return target === undefined ? sql : `CAST(${sql} AS ${target})`
}
