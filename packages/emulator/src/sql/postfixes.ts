// What may stand behind a value: `.field` and `[…]`.
import { quoteText } from '../storage/duckdb-names.ts'
import { type Expr, expr, once } from './expr.ts'
import { fieldOf, type Names } from './names.ts'
import { notTranslated, SqlRefused } from './refused.ts'
import type { Translation } from './translation.ts'

/** `value` with all that stands behind it. */
export function parsePostfix(t: Translation, names: Names, first: Expr): Expr {
  const { tokens } = t
  let value = first
  for (;;) {
    if (tokens.isSymbol('.') && !tokens.isSymbol('*', 1)) {
      tokens.at++
      const token = tokens.next()
      if (token.kind !== 'word' && token.kind !== 'quoted') throw tokens.unexpected()
      value = fieldOf(value, token.text, tokens.place(token))
    } else if (tokens.takeSymbol('[')) {
      value = parseSubscript(t, names, value)
      tokens.expectSymbol(']')
    } else return value
  }
}

/** https://cloud.google.com/bigquery/docs/reference/standard-sql/operators#array_subscript_operator */
function parseSubscript(t: Translation, names: Names, value: Expr): Expr {
  const { tokens } = t
  const word = tokens.isSymbol('(', 1) ? tokens.word() : undefined
  const position = word?.replace(/^SAFE_/, '')
  const isSafe = word?.startsWith('SAFE_') ?? false
  if (word !== undefined && (position === 'OFFSET' || position === 'ORDINAL')) {
    tokens.at += 2
    const index = t.expression(names)
    tokens.expectSymbol(')')
    return elementAt(value, index, position === 'OFFSET' ? 1 : 0, isSafe)
  }
  const index = t.expression(names)
  if (value.type?.name === 'JSON') {
    if (index.literal === undefined) throw notTranslated('A JSON subscript that is not a literal')
    const path = index.type?.name === 'STRING' ? `."${index.literal.replaceAll('"', '\\"')}"` : `[${index.literal}]`
    return expr(`json_extract(${value.sql}, ${quoteText(`$${path}`)})`, value.type)
  }
  return elementAt(value, index, 1, false)
}

function elementAt(array: Expr, index: Expr, base: 0 | 1, isSafe: boolean): Expr {
  if (array.type && array.type.name !== 'ARRAY')
    throw new SqlRefused(`Element access using [...] is not supported on values of type ${array.type.name}`)
  const sql = once([array, index], (items, at) => {
    const outside = `${at} < ${1 - base} OR ${at} ${base === 1 ? '>=' : '>'} len(${items})`
    const missing = isSafe ? 'NULL' : `error('Array index ' || ${at} || ' is out of bounds')`
    return `(CASE WHEN ${outside} THEN ${missing} ELSE ${items}[${at} + ${base}] END)`
  })
  return expr(sql, array.type?.element)
}
