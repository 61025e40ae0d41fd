// One SELECT. https://cloud.google.com/bigquery/docs/reference/standard-sql/query-syntax#select_list
import { quoteName } from '../storage/duckdb-names.ts'
import { parseWindow } from './calls.ts'
import { type Expr, expr } from './expr.ts'
import { parseExpression } from './expressions.ts'
import { parseAlias, parseFrom } from './from.ts'
import { fieldOf, Names, type Output, sameName } from './names.ts'
import { parseOutput } from './ordinals.ts'
import { notTranslated, SqlRefused } from './refused.ts'
import type { Translation } from './translation.ts'
import { hasType, typeText } from './types.ts'

export type Select = {
  readonly sql: string
  readonly columns: readonly Output[]
  /** SELECT AS STRUCT. */
  readonly isStruct: boolean
  readonly names: Names
}

type Item = { readonly value: Expr; readonly name: string; readonly isAnonymous: boolean }

export function parseSelect(t: Translation, outer: Names): Select {
  const { tokens } = t
  tokens.expectWord('SELECT')
  if (tokens.isWord('WITH')) throw notTranslated('SELECT WITH')
  const isDistinct = tokens.takeWord('DISTINCT')
  if (!isDistinct) tokens.takeWord('ALL')
  const isStruct = tokens.takeWord('AS', 'STRUCT')
  if (!isStruct && tokens.isWord('AS')) {
    tokens.at++
    if (!tokens.takeWord('VALUE')) throw notTranslated('SELECT AS a named type')
    return parseSelectBody(t, outer, { isDistinct, isStruct: false, isValue: true })
  }
  return parseSelectBody(t, outer, { isDistinct, isStruct, isValue: false })
}

function parseSelectBody(
  t: Translation,
  outer: Names,
  kind: { isDistinct: boolean; isStruct: boolean; isValue: boolean },
): Select {
  const { tokens } = t
  const names = new Names(outer)
  // FROM is read first: it says what the names of the list mean.
  const listAt = tokens.at
  const fromAt = tokens.findWord('FROM', ['SELECT'])
  let from = ''
  let afterFrom = listAt
  if (fromAt !== undefined) {
    tokens.at = fromAt + 1
    from = ` FROM ${parseFrom(t, names)}`
    afterFrom = tokens.at
    tokens.at = listAt
  }
  const items = parseItems(t, names)
  if (fromAt !== undefined) {
    if (tokens.at !== fromAt) throw tokens.unexpected('end of the select list')
    tokens.at = afterFrom
  }
  if (kind.isDistinct) checkDistinct(items)
  const columns = items.map(({ value, name, isAnonymous }): Output => ({ name, type: value.type, isAnonymous }))
  const list = items.map(({ value, name }) => `${value.sql} AS ${quoteName(name)}`)
  const clauses = parseClauses(t, names, items, columns)
  const sql = `SELECT ${kind.isDistinct ? 'DISTINCT ' : ''}${list.join(', ')}${from}${clauses}`
  if (kind.isValue) return selectValue(sql, items, columns, names)
  return { sql, columns, isStruct: kind.isStruct, names }
}

/** `SELECT AS VALUE struct` makes its fields the columns. */
function selectValue(sql: string, items: readonly Item[], columns: readonly Output[], names: Names): Select {
  if (items.length !== 1) throw new SqlRefused('SELECT AS VALUE query must have exactly one column')
  const { value } = items[0]!
  if (value.type?.name !== 'STRUCT') return { sql, columns, isStruct: false, names }
  throw notTranslated('SELECT AS VALUE of a STRUCT')
}

function checkDistinct(items: readonly Item[]): void {
  for (const { value, name } of items)
    if (hasType(value.type, 'JSON', 'GEOGRAPHY'))
      throw new SqlRefused(`Column ${name} of type ${typeText(value.type)} cannot be used in SELECT DISTINCT`)
}

function parseItems(t: Translation, names: Names): Item[] {
  const { tokens } = t
  const items: Item[] = []
  let anonymous = 0
  const push = (value: Expr, alias: string | undefined): void => {
    const name = alias ?? value.name
    const isAnonymous = name === undefined || name === ''
    items.push({ value, name: isAnonymous ? `f${anonymous++}_` : name, isAnonymous })
  }
  do {
    // A comma may end the list.
    if (items.length > 0 && (tokens.isWord('FROM') || tokens.isEnd)) break
    if (tokens.takeSymbol('*')) {
      if (names.relations.length === 0) throw new SqlRefused('SELECT * must have a FROM clause')
      for (const value of modifiedStar(t, names, names.star())) push(value, value.column)
      continue
    }
    const value = parseExpression(t, names)
    if (tokens.isSymbol('.') && tokens.isSymbol('*', 1)) {
      tokens.at += 2
      for (const field of modifiedStar(t, names, fieldsOf(value))) push(field, field.column)
      continue
    }
    push(value, parseAlias(t))
  } while (tokens.takeSymbol(','))
  return items
}

type StarColumn = Expr & { readonly column: string }

/** The fields of `value.*`. */
function fieldsOf(value: Expr): StarColumn[] {
  if (value.type?.name !== 'STRUCT' || !value.type.fields)
    throw new SqlRefused(`Dot-star is not supported for type ${typeText(value.type)}`)
  return value.type.fields.map(field => ({ ...fieldOf(value, field.name, ''), column: field.name }))
}

/** EXCEPT and REPLACE behind a star. */
function modifiedStar(t: Translation, names: Names, columns: readonly StarColumn[]): StarColumn[] {
  const { tokens } = t
  let left = [...columns]
  if (tokens.isWord('EXCEPT') && tokens.isSymbol('(', 1)) {
    tokens.at += 2
    do {
      const token = tokens.next()
      const rest = left.filter(column => !sameName(column.column, token.text))
      if (rest.length === left.length)
        throw new SqlRefused(`Column ${token.text} in SELECT * EXCEPT list does not exist${tokens.place(token)}`)
      left = rest
    } while (tokens.takeSymbol(','))
    tokens.expectSymbol(')')
    if (left.length === 0) throw new SqlRefused('SELECT * expands to zero columns after applying EXCEPT')
  }
  if (tokens.isWord('REPLACE') && tokens.isSymbol('(', 1)) {
    tokens.at += 2
    do {
      const value = parseExpression(t, names)
      tokens.takeWord('AS')
      const token = tokens.next()
      const index = left.findIndex(column => sameName(column.column, token.text))
      if (index < 0)
        throw new SqlRefused(`Column ${token.text} in SELECT * REPLACE list does not exist${tokens.place(token)}`)
      left[index] = { ...value, column: left[index]!.column }
    } while (tokens.takeSymbol(','))
    tokens.expectSymbol(')')
  }
  return left
}

function parseClauses(t: Translation, names: Names, items: readonly Item[], columns: readonly Output[]): string {
  const { tokens } = t
  let sql = ''
  if (tokens.takeWord('WHERE')) sql += ` WHERE ${parseExpression(t, names).sql}`
  if (tokens.takeWord('GROUP', 'BY')) sql += ` GROUP BY ${parseGroupBy(t, names, items, columns)}`
  names.aliases = new Map(
    items
      .filter(item => !item.isAnonymous)
      .map(item => [item.name.toLowerCase(), expr(quoteName(item.name), item.value.type, { name: item.name })]),
  )
  if (tokens.takeWord('HAVING')) sql += ` HAVING ${parseExpression(t, names).sql}`
  let qualify = ''
  if (tokens.takeWord('QUALIFY')) qualify = ` QUALIFY ${parseExpression(t, names).sql}`
  if (tokens.takeWord('WINDOW')) {
    const windows: string[] = []
    do {
      const name = tokens.next().text
      tokens.expectWord('AS')
      windows.push(`${quoteName(name)} AS (${parseWindow(t, names)})`)
    } while (tokens.takeSymbol(','))
    sql += ` WINDOW ${windows.join(', ')}`
  }
  return sql + qualify
}

function parseGroupBy(t: Translation, names: Names, items: readonly Item[], columns: readonly Output[]): string {
  const { tokens } = t
  if (tokens.takeWord('ALL')) return 'ALL'
  const list: string[] = []
  do {
    const word = tokens.word()
    if ((word === 'ROLLUP' || word === 'CUBE') && tokens.isSymbol('(', 1)) {
      tokens.at += 2
      list.push(`${word} (${parseGroupItems(t, names, items, columns).join(', ')})`)
      tokens.expectSymbol(')')
    } else if (tokens.isWord('GROUPING', 'SETS')) throw notTranslated('GROUPING SETS')
    else list.push(parseGroupItem(t, names, items, columns))
  } while (tokens.takeSymbol(','))
  return list.join(', ')
}

function parseGroupItems(t: Translation, names: Names, items: readonly Item[], columns: readonly Output[]): string[] {
  const list: string[] = []
  do list.push(parseGroupItem(t, names, items, columns))
  while (t.tokens.takeSymbol(','))
  return list
}

/** An ordinal, an alias, or an expression; columns of FROM go before aliases. */
function parseGroupItem(t: Translation, names: Names, items: readonly Item[], columns: readonly Output[]): string {
  const { tokens } = t
  const token = tokens.peek()
  const isColumn = token?.kind !== 'number' && token !== undefined && names.column(token.text, '') !== undefined
  const output = isColumn ? undefined : parseOutput(t, columns)
  const value = output ?? parseExpression(t, names)
  refuseUngroupable(value.type)
  if (output) return checkedOrdinal(output.sql, items)
  // The very expression of a column is that column, whatever DuckDB makes of both.
  const index = items.findIndex(item => item.value.sql === value.sql)
  return index < 0 ? value.sql : String(index + 1)
}

function checkedOrdinal(ordinal: string, items: readonly Item[]): string {
  const { value } = items[Number(ordinal) - 1]!
  refuseUngroupable(value.type)
  return ordinal
}

function refuseUngroupable(type: Output['type']): void {
  if (hasType(type, 'JSON', 'GEOGRAPHY'))
    throw new SqlRefused(`Grouping by expressions of type ${type!.name} is not allowed`)
}
