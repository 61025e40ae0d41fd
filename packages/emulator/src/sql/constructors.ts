// Arrays and structs written out: `[1, 2]`, `ARRAY<INT64>[1]`, `(1, 'a')`, `STRUCT<a INT64>(1)`.
import { quoteName } from '../storage/duckdb-names.ts'
import { castExpr } from './casts.ts'
import { type Expr, expr } from './expr.ts'
import type { Names } from './names.ts'
import { notTranslated, SqlRefused } from './refused.ts'
import { parseArraySubquery } from './subqueries.ts'
import type { Translation } from './translation.ts'
import { anonymousField, arrayOf, commonType, duckdbTypeOf, INT64, parseType, type SqlType, structOf } from './types.ts'

export function structExpr(fields: readonly { value: Expr; name: string | undefined }[]): Expr {
  const named = fields.map((field, index) => ({ ...field, name: field.name ?? anonymousField(index) }))
  const seen = new Set(named.map(field => field.name.toLowerCase()))
  if (seen.size < named.length) throw notTranslated('A STRUCT with two fields of one name')
  return expr(
    `struct_pack(${named.map(field => `${quoteName(field.name)} := ${field.value.sql}`).join(', ')})`,
    structOf(named.map(field => ({ name: field.name, type: field.value.type }))),
  )
}

/** `[1, 2]`, with `ARRAY<T>` before it or not. */
export function parseArray(t: Translation, names: Names, element: SqlType | undefined): Expr {
  t.tokens.expectSymbol('[')
  const items: Expr[] = []
  if (!t.tokens.isSymbol(']'))
    do items.push(t.expression(names))
    while (t.tokens.takeSymbol(','))
  t.tokens.expectSymbol(']')
  if (items.some(item => item.type?.name === 'ARRAY'))
    throw new SqlRefused('Cannot construct array with element type ARRAY because nested arrays are not supported')
  const given = items.filter(item => !item.isNull).map(item => item.type)
  const type = element ?? (given.length === 0 ? INT64 : commonType(given))
  const values = element
    ? items.map(item => castExpr(item, element, { isSafe: false }).sql)
    : items.map(item => item.sql)
  const sqlType = element || items.length === 0 || given.length === 0 ? duckdbTypeOf(type) : undefined
  const list = `[${values.join(', ')}]`
  return expr(sqlType === undefined ? list : `CAST(${list} AS ${sqlType}[])`, arrayOf(type))
}

/** Behind the word ARRAY: a subquery, a type, or the elements. */
export function parseArrayWord(t: Translation, names: Names): Expr {
  const { tokens } = t
  if (tokens.takeSymbol('(')) return parseArraySubquery(t, names)
  if (!tokens.isSymbol('<')) return parseArray(t, names, undefined)
  tokens.at--
  const type = parseType(tokens)
  return parseArray(t, names, type.element)
}

/** https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#constructing_a_struct */
export function parseStruct(t: Translation, names: Names): Expr {
  const { tokens } = t
  let type: SqlType | undefined
  if (tokens.isSymbol('<')) {
    tokens.at--
    type = parseType(tokens)
  }
  tokens.expectSymbol('(')
  const fields: { value: Expr; name: string | undefined }[] = []
  if (tokens.isSymbol(')')) throw notTranslated('A STRUCT without fields')
  do {
    const value = t.expression(names)
    const expected = type?.fields?.[fields.length]
    if (type && !expected) throw new SqlRefused('STRUCT type has fewer fields than values')
    let name = expected?.name ?? value.name
    if (!type && tokens.takeWord('AS')) name = tokens.next().text
    fields.push({ value: expected?.type ? castExpr(value, expected.type, { isSafe: false }) : value, name })
  } while (tokens.takeSymbol(','))
  tokens.expectSymbol(')')
  if (type && type.fields!.length !== fields.length) throw new SqlRefused('STRUCT type has more fields than values')
  const struct = structExpr(fields)
  return type ? { ...struct, type } : struct
}
