// Aggregate and window functions. https://cloud.google.com/bigquery/docs/reference/standard-sql/aggregate_functions
import { type Expr, expr } from '../expr.ts'
import { refuseBignumeric } from '../operators.ts'
import { notTranslated, SqlRefused } from '../refused.ts'
import { arrayOf, BOOL, FLOAT64, INT64, type SqlType, STRING } from '../types.ts'

/** What stands inside the parentheses of an aggregate besides its arguments. */
export type Modifiers = {
  readonly isDistinct: boolean
  readonly isIgnoringNulls: boolean
  readonly orderBy: string
  readonly limit: string | undefined
  /** `HAVING MAX x` or `HAVING MIN x`. */
  readonly having: { readonly isMax: boolean; readonly value: Expr } | undefined
}

export type Aggregate = {
  readonly min: number
  readonly max: number
  /** `wrap` goes around the call once FILTER and OVER are behind it. */
  readonly translate: (
    args: readonly Expr[],
    modifiers: Modifiers,
  ) => { call: string; filter?: string; type: SqlType | undefined; wrap?: (sql: string) => string }
}

type TypeRule = SqlType | ((value: Expr) => SqlType | undefined)

const inside = (args: readonly Expr[], { isDistinct, orderBy }: Modifiers): string =>
  `${isDistinct ? 'DISTINCT ' : ''}${args.map(arg => arg.sql).join(', ')}${orderBy}`

function simple(name: string, count: number, type: TypeRule, wrap?: (sql: string, value: Expr) => string): Aggregate {
  return {
    min: count,
    max: count,
    translate: (args, modifiers) => {
      refuseBignumeric(name.toUpperCase(), ...args)
      return {
        call: `${name}(${inside(args, modifiers)})`,
        type: typeof type === 'function' ? type(args[0]!) : type,
        ...(wrap && { wrap: (sql: string) => wrap(sql, args[0]!) }),
      }
    },
  }
}

const same = (value: Expr): SqlType | undefined => value.type
const asBigint = (sql: string): string => `CAST(${sql} AS BIGINT)`
/** A sum of INT64 is an INT64, and an error when it is none. */
const intSum = (sql: string, value: Expr): string => (value.type?.name === 'INT64' ? asBigint(sql) : sql)
const numericMean = (sql: string, value: Expr): string =>
  value.type?.name === 'NUMERIC' ? `CAST(${sql} AS DECIMAL(38,9))` : sql

const extreme = (name: 'max' | 'min'): Aggregate => simple(name, 1, same)

const statistic = (name: string, count = 1): Aggregate => simple(name, count, FLOAT64)

const arrayAgg: Aggregate = {
  min: 1,
  max: 1,
  translate: (args, modifiers) => ({
    call: `array_agg(${inside(args, modifiers)})`,
    ...(modifiers.isIgnoringNulls && { filter: `${args[0]!.sql} IS NOT NULL` }),
    type: arrayOf(args[0]!.type),
    ...(modifiers.limit !== undefined && { wrap: (sql: string) => `list_slice(${sql}, 1, ${modifiers.limit})` }),
  }),
}

const stringAgg: Aggregate = {
  min: 1,
  max: 2,
  translate: (args, modifiers) => {
    const [value, delimiter] = args
    if (value!.type && value!.type.name !== 'STRING')
      throw new SqlRefused(
        `No matching signature for aggregate function STRING_AGG for argument types: ${value!.type.name}`,
      )
    const separator = delimiter?.sql ?? "','"
    if (modifiers.limit === undefined)
      return { call: `string_agg(${inside([value!, expr(separator)], modifiers)})`, type: STRING }
    return {
      call: `array_agg(${inside([value!], modifiers)})`,
      filter: `${value!.sql} IS NOT NULL`,
      type: STRING,
      wrap: sql => `array_to_string(list_slice(${sql}, 1, ${modifiers.limit}), ${separator})`,
    }
  },
}

const anyValue: Aggregate = {
  min: 1,
  max: 1,
  translate: ([value], { having }) =>
    having
      ? { call: `${having.isMax ? 'arg_max' : 'arg_min'}(${value!.sql}, ${having.value.sql})`, type: value!.type }
      : { call: `any_value(${value!.sql})`, type: value!.type },
}

/** Quantiles at most. */
const QUANTILES_MAX = 10_000

const approxQuantiles: Aggregate = {
  min: 2,
  max: 2,
  translate: ([value, count]) => {
    const buckets = Number(count!.literal)
    if (!(buckets >= 1 && buckets <= QUANTILES_MAX)) throw notTranslated('APPROX_QUANTILES without a literal number')
    refuseBignumeric('APPROX_QUANTILES', value!)
    const points = Array.from({ length: buckets + 1 }, (_, index) => index / buckets)
    return { call: `quantile_disc(${value!.sql}, [${points.join(', ')}])`, type: arrayOf(value!.type) }
  },
}

const bitAggregate = (name: string): Aggregate => simple(name, 1, INT64)

export const AGGREGATES: Readonly<Record<string, Aggregate>> = {
  COUNT: {
    min: 1,
    max: 1,
    translate: (args, modifiers) => ({ call: `count(${inside(args, modifiers)})`, type: INT64 }),
  },
  COUNTIF: {
    min: 1,
    max: 1,
    translate: ([condition], { isDistinct }) => {
      if (isDistinct) throw notTranslated('COUNTIF(DISTINCT)')
      return { call: `count_if(${condition!.sql})`, type: INT64, wrap: asBigint }
    },
  },
  SUM: simple('sum', 1, same, intSum),
  AVG: simple('avg', 1, value => (value.type?.name === 'NUMERIC' ? value.type : FLOAT64), numericMean),
  MIN: extreme('min'),
  MAX: extreme('max'),
  MAX_BY: { min: 2, max: 2, translate: ([a, b]) => ({ call: `arg_max(${a!.sql}, ${b!.sql})`, type: a!.type }) },
  MIN_BY: { min: 2, max: 2, translate: ([a, b]) => ({ call: `arg_min(${a!.sql}, ${b!.sql})`, type: a!.type }) },
  ANY_VALUE: anyValue,
  ARRAY_AGG: arrayAgg,
  ARRAY_CONCAT_AGG: {
    min: 1,
    max: 1,
    translate: (args, modifiers) => ({
      call: `array_agg(${inside(args, modifiers)})`,
      type: args[0]!.type,
      wrap: sql => `flatten(${modifiers.limit === undefined ? sql : `list_slice(${sql}, 1, ${modifiers.limit})`})`,
    }),
  },
  STRING_AGG: stringAgg,
  LOGICAL_AND: simple('bool_and', 1, BOOL),
  LOGICAL_OR: simple('bool_or', 1, BOOL),
  BIT_AND: bitAggregate('bit_and'),
  BIT_OR: bitAggregate('bit_or'),
  BIT_XOR: bitAggregate('bit_xor'),
  STDDEV: statistic('stddev_samp'),
  STDDEV_SAMP: statistic('stddev_samp'),
  STDDEV_POP: statistic('stddev_pop'),
  VARIANCE: statistic('var_samp'),
  VAR_SAMP: statistic('var_samp'),
  VAR_POP: statistic('var_pop'),
  CORR: statistic('corr', 2),
  COVAR_POP: statistic('covar_pop', 2),
  COVAR_SAMP: statistic('covar_samp', 2),
  /** Exact, which an approximation may be. */
  APPROX_COUNT_DISTINCT: {
    min: 1,
    max: 1,
    translate: ([value]) => ({ call: `count(DISTINCT ${value!.sql})`, type: INT64 }),
  },
  APPROX_QUANTILES: approxQuantiles,
  PERCENTILE_CONT: simple('quantile_cont', 2, FLOAT64),
  PERCENTILE_DISC: simple('quantile_disc', 2, same),
  GROUPING: simple('grouping', 1, INT64),
}

const ranking = (name: string, type: SqlType): Aggregate => simple(name, 0, type)
const picking = (name: string, min: number, max: number): Aggregate => ({
  min,
  max,
  translate: (args, { isIgnoringNulls }) => {
    const rest = args
      .slice(1)
      .map((arg, index) => (name === 'nth_value' || index > 0 ? arg.sql : `CAST(${arg.sql} AS BIGINT)`))
    return {
      call: `${name}(${[args[0]!.sql, ...rest].join(', ')}${isIgnoringNulls ? ' IGNORE NULLS' : ''})`,
      type: args[0]!.type,
    }
  },
})

/** Only with OVER. */
export const WINDOW_FUNCTIONS: Readonly<Record<string, Aggregate>> = {
  ROW_NUMBER: ranking('row_number', INT64),
  RANK: ranking('rank', INT64),
  DENSE_RANK: ranking('dense_rank', INT64),
  PERCENT_RANK: ranking('percent_rank', FLOAT64),
  CUME_DIST: ranking('cume_dist', FLOAT64),
  NTILE: simple('ntile', 1, INT64),
  LAG: picking('lag', 1, 3),
  LEAD: picking('lead', 1, 3),
  FIRST_VALUE: picking('first_value', 1, 1),
  LAST_VALUE: picking('last_value', 1, 1),
  NTH_VALUE: picking('nth_value', 2, 2),
}
