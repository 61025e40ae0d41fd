// Literals and query parameters as typed DuckDB values.
import { rangeTexts } from '../rows/range-text.ts'
import { quoteName, quoteText } from '../storage/duckdb-names.ts'
import { canonicalDecimal } from './decimal-text.ts'
import { type Expr, expr, textExpr } from './expr.ts'
import { intervalFromText } from './intervals.ts'
import { notTranslated, SqlRefused } from './refused.ts'
import type { ParameterType, ParameterValue, QueryParameters } from './translation.ts'
import {
  anonymousField,
  arrayOf,
  BIGNUMERIC,
  BYTES,
  duckdbTypeOf,
  FLOAT64,
  INT64,
  NUMERIC,
  rangeOf,
  type SqlType,
  scalarType,
  structOf,
  typeText,
} from './types.ts'

const INT64_MAX = 2n ** 63n - 1n

/** DuckDB reads 5 as 32 bits and 1.5 as a decimal; BigQuery as INT64 and FLOAT64. */
export function numberExpr(text: string, isNegative: boolean): Expr {
  const sign = isNegative ? '-' : ''
  if (/^(?:0[xX][0-9a-fA-F]+|\d+)$/.test(text)) {
    const value = isNegative ? -BigInt(text) : BigInt(text)
    if (value > INT64_MAX || value < -INT64_MAX - 1n) throw new SqlRefused(`Invalid integer literal: ${sign}${text}`)
    // The minus of the least number is an operator to DuckDB, on a number that is none.
    const sql = value === -INT64_MAX - 1n ? `CAST(${value} AS BIGINT)` : `(${value}::BIGINT)`
    return expr(sql, INT64, { literal: String(value) })
  }
  const value = Number(text)
  if (!Number.isFinite(value)) throw new SqlRefused(`Invalid floating point literal: ${sign}${text}`)
  return expr(`(${sign}${text.replace(/[eE].*$/, '')}${/[eE].*$/.exec(text)?.[0] ?? 'e0'})`, FLOAT64, {
    literal: sign + text,
  })
}

/** `text` holds one character per byte. */
export const bytesExpr = (text: string): Expr =>
  expr(`from_hex('${Buffer.from(text, 'latin1').toString('hex')}')`, BYTES)

/** `DATE '2020-01-01'` and the like. */
export function typedLiteral(type: SqlType, text: string): Expr {
  switch (type.name) {
    case 'NUMERIC':
      return expr(`CAST(${quoteText(text.trim())} AS DECIMAL(38,9))`, NUMERIC, { literal: text })
    case 'BIGNUMERIC':
      return expr(quoteText(canonicalDecimal(text)), BIGNUMERIC, { literal: text })
    case 'RANGE':
      return rangeLiteral(type.element, text)
    case 'INTERVAL':
      return intervalFromText(text)
    case 'DATE':
    case 'TIME':
    case 'DATETIME':
    case 'TIMESTAMP':
    case 'JSON':
      return expr(`CAST(${quoteText(text)} AS ${duckdbTypeOf(type)})`, type, { literal: text })
    default:
      throw notTranslated(`A literal of type ${type.name}`)
  }
}

function rangeLiteral(element: SqlType | undefined, text: string): Expr {
  const texts = rangeTexts(text)
  if (!texts || !element) throw new SqlRefused(`Invalid range literal: ${text}`)
  const [start, end] = texts.map(bound =>
    bound === undefined ? `CAST(NULL AS ${duckdbTypeOf(element)})` : typedLiteral(element, bound).sql,
  )
  return expr(`struct_pack("start" := ${start}, "end" := ${end})`, rangeOf(element))
}

/** Throws SqlRefused when the statement uses a parameter it was not given. */
export function parameterExpr(parameters: QueryParameters | undefined, token: string, position: () => number): Expr {
  if (!parameters)
    throw new SqlRefused(
      token === '?' ? 'Query parameter number 1 not found' : `Query parameter '${token.slice(1)}' not found`,
    )
  const isPositional = token === '?'
  if (isPositional !== (parameters.mode === 'positional'))
    throw new SqlRefused(
      isPositional
        ? 'Positional parameters are not supported: the parameter mode is NAMED'
        : `Named parameters are not supported: the parameter mode is POSITIONAL (${token})`,
    )
  const index = isPositional ? position() : 0
  const found = isPositional
    ? parameters.values[index]
    : parameters.values.find(({ name }) => name?.toLowerCase() === token.slice(1).toLowerCase())
  if (!found)
    throw new SqlRefused(
      isPositional ? `Query parameter number ${index + 1} not found` : `Query parameter '${token.slice(1)}' not found`,
    )
  return valueExpr(found.parameterValue, parameterType(found.parameterType, 0))
}

/** Nesting of a parameter's type. */
const PARAMETER_DEPTH_MAX = 15

function parameterType(type: ParameterType, depth: number): SqlType {
  if (depth > PARAMETER_DEPTH_MAX) throw new SqlRefused('The type of a query parameter is nested too deeply')
  const name = String(type?.type).toUpperCase()
  if (name === 'ARRAY' && type.arrayType) return arrayOf(parameterType(type.arrayType, depth + 1))
  if (name === 'RANGE') return rangeOf(scalarType(String(type.rangeElementType?.type)))
  if (name === 'STRUCT' && type.structTypes)
    return structOf(
      type.structTypes.map((field, index) => ({
        name: field.name || anonymousField(index),
        type: parameterType(field.type, depth + 1),
      })),
    )
  const scalar = scalarType(name)
  if (!scalar) throw new SqlRefused(`Invalid query parameter type: ${name}`)
  return scalar
}

function valueExpr(given: ParameterValue | undefined, type: SqlType): Expr {
  const sqlType = duckdbTypeOf(type)!
  if (type.name === 'ARRAY') {
    const items = (given?.arrayValues ?? []).map(item => valueExpr(item, type.element!).sql)
    return expr(`CAST([${items.join(', ')}] AS ${sqlType})`, type)
  }
  if (type.name === 'STRUCT') {
    if (!given?.structValues) return expr(`CAST(NULL AS ${sqlType})`, type)
    const fields = type.fields!.map(
      field => `${quoteName(field.name)} := ${valueExpr(given.structValues![field.name], field.type!).sql}`,
    )
    return expr(`struct_pack(${fields.join(', ')})`, type)
  }
  if (type.name === 'RANGE' && given?.rangeValue) {
    const bound = (value: ParameterValue | undefined): string => valueExpr(value, type.element!).sql
    const { start, end } = given.rangeValue
    return expr(`struct_pack("start" := ${bound(start)}, "end" := ${bound(end)})`, type)
  }
  const text = given?.value
  if (text === undefined || text === null) return expr(`CAST(NULL AS ${sqlType})`, type)
  return scalarValue(String(text), type, sqlType)
}

function scalarValue(text: string, type: SqlType, sqlType: string): Expr {
  const invalid = (): SqlRefused =>
    new SqlRefused(`Invalid value for query parameter of type ${typeText(type)}: ${text}`)
  switch (type.name) {
    case 'STRING':
    case 'GEOGRAPHY':
      return { ...textExpr(text), type }
    case 'BYTES':
      return bytesExpr(Buffer.from(text, 'base64').toString('latin1'))
    case 'INT64':
      if (!/^[+-]?\d+$/.test(text)) throw invalid()
      return numberExpr(text.replace(/^[+-]/, ''), text.startsWith('-'))
    case 'BOOL':
      if (!/^(?:true|false)$/i.test(text)) throw invalid()
      return expr(text.toUpperCase(), type)
    case 'FLOAT64':
      return expr(`CAST(${quoteText(text)} AS ${sqlType})`, type, { literal: text })
    default:
      return typedLiteral(type, text)
  }
}
