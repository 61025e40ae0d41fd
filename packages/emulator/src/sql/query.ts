// Queries: WITH, set operations, ORDER BY and LIMIT around SELECTs.
// https://cloud.google.com/bigquery/docs/reference/standard-sql/query-syntax
import { quoteName } from '../storage/duckdb-names.ts'
import { Names, type Output } from './names.ts'
import { parseOrder } from './ordering.ts'
import { parseOutput } from './ordinals.ts'
import { notTranslated, SqlRefused } from './refused.ts'
import { parseSelect, type Select } from './select.ts'
import type { Query, Translation } from './translation.ts'
import { commonType } from './types.ts'

/** Reads a query up to what cannot belong to it. */
export function parseQuery(t: Translation, outer: Names | undefined): Query {
  return t.tokens.deeper(() => {
    const names = new Names(outer)
    const common = t.tokens.takeWord('WITH') ? parseCommonTables(t, names) : ''
    const body = parseSetOperations(t, names)
    const tail = parseTail(t, names, body)
    const sql = `${common}${body.sql}${tail}`
    if (t.tokens.isSymbol('|>')) throw notTranslated('Pipe syntax')
    return { sql, columns: body.columns, isStruct: body.isStruct }
  })
}

type Body = {
  readonly sql: string
  readonly columns: readonly Output[]
  readonly isStruct: boolean
  /** Of a single SELECT: what ORDER BY may refer to. */
  readonly select?: Select
}

function parseCommonTables(t: Translation, names: Names): string {
  const { tokens } = t
  const isRecursive = tokens.takeWord('RECURSIVE')
  const list: string[] = []
  do {
    const token = tokens.next()
    if (token.kind !== 'word' && token.kind !== 'quoted') throw tokens.unexpected('a name')
    if (tokens.isSymbol('(')) throw notTranslated('A column list of a common table expression')
    tokens.expectWord('AS')
    tokens.expectSymbol('(')
    const sqlName = quoteName(token.text)
    const query = isRecursive ? parseRecursive(t, names, token.text) : parseQuery(t, names)
    tokens.expectSymbol(')')
    const columns = namedColumns(query.columns)
    names.defineCommonTable(token.text, { sql: sqlName, columns: query.columns })
    list.push(`${sqlName}(${columns.join(', ')}) AS (${query.sql})`)
  } while (tokens.takeSymbol(','))
  return `WITH ${isRecursive ? 'RECURSIVE ' : ''}${list.join(', ')} `
}

const namedColumns = (columns: readonly Output[]): string[] => columns.map(column => quoteName(column.name))

/** The columns of a recursive table are those of its first part, which is read twice to know them. */
function parseRecursive(t: Translation, names: Names, name: string): Query {
  const start = t.tokens.at
  const probe = parseOperand(t, new Names(names))
  t.tokens.at = start
  const inside = new Names(names)
  inside.defineCommonTable(name, { sql: quoteName(name), columns: probe.columns })
  return parseQuery(t, inside)
}

const SET_OPERATORS = ['UNION', 'INTERSECT', 'EXCEPT']

function parseSetOperations(t: Translation, names: Names): Body {
  const { tokens } = t
  const first = parseOperand(t, names)
  let operator: string | undefined
  let columns = first.columns
  const parts = [`(${first.sql})`]
  for (;;) {
    const word = tokens.word()
    if (word === undefined || !SET_OPERATORS.includes(word)) break
    tokens.at++
    const isAll = tokens.takeWord('ALL')
    if (!isAll) tokens.expectWord('DISTINCT')
    if (isAll && word !== 'UNION') throw tokens.unexpected()
    if (tokens.isWord('BY') || tokens.isWord('CORRESPONDING')) throw notTranslated(`${word} BY NAME`)
    const next = `${word}${isAll ? ' ALL' : ''}`
    if (operator !== undefined && operator !== next)
      throw new SqlRefused(
        'Different set operations cannot be used in the same query without using parentheses for grouping',
      )
    operator = next
    const right = parseOperand(t, names)
    columns = combined(columns, right.columns, word)
    parts.push(next, `(${right.sql})`)
  }
  return operator === undefined ? first : { sql: parts.join(' '), columns, isStruct: false }
}

function combined(left: readonly Output[], right: readonly Output[], word: string): Output[] {
  if (left.length !== right.length)
    throw new SqlRefused(
      `Queries in ${word} have mismatched column count; query 1 has ${left.length} columns, query 2 has ${right.length} columns`,
    )
  return left.map((column, index) => {
    const other = right[index]!
    const type = commonType([column.type, other.type])
    const isText = column.type?.name === 'STRING' || other.type?.name === 'STRING'
    if (column.type && other.type && (!type || (isText && column.type.name !== other.type.name)))
      throw new SqlRefused(
        `Column ${index + 1} in ${word} has incompatible types: ${column.type.name}, ${other.type.name}`,
      )
    if (type?.name === 'BIGNUMERIC' && !(column.type!.name === 'BIGNUMERIC' && other.type!.name === 'BIGNUMERIC'))
      throw notTranslated(`${word} of BIGNUMERIC with other numbers (cast them)`)
    return { ...column, type: type ?? column.type ?? other.type }
  })
}

function parseOperand(t: Translation, names: Names): Body {
  const { tokens } = t
  if (tokens.takeSymbol('(')) {
    const query = parseQuery(t, names)
    tokens.expectSymbol(')')
    return { ...query, sql: `(${query.sql})` }
  }
  if (tokens.isWord('FROM')) throw notTranslated('A query that begins with FROM')
  const select = parseSelect(t, names)
  return { sql: select.sql, columns: select.columns, isStruct: select.isStruct, select }
}

function parseTail(t: Translation, names: Names, body: Body): string {
  const { tokens } = t
  let sql = ''
  if (tokens.takeWord('ORDER', 'BY')) sql += ` ORDER BY ${parseOrderBy(t, names, body)}`
  if (tokens.takeWord('LIMIT')) {
    sql += ` LIMIT ${parseCount(t)}`
    if (tokens.takeWord('OFFSET')) sql += ` OFFSET ${parseCount(t)}`
  }
  return sql
}

/** A literal or parameter. */
function parseCount(t: Translation): string {
  const kind = t.tokens.peek()?.kind
  if (kind !== 'number' && kind !== 'parameter') throw t.tokens.unexpected('an integer literal or parameter')
  return t.expression(new Names(undefined)).sql
}

/** Names mean columns of the result first, then of FROM. */
function parseOrderBy(t: Translation, names: Names, body: Body): string {
  const { tokens } = t
  const inside = body.select?.names ?? new Names(names)
  const items: string[] = []
  do {
    const output = parseOutput(t, body.columns)
    const value = output ?? t.expression(withOutputs(inside, body))
    items.push(value.sql + parseOrder(tokens, value))
  } while (tokens.takeSymbol(','))
  return items.join(', ')
}

/** Inside an expression of ORDER BY, aliases hide columns of FROM. */
function withOutputs(names: Names, body: Body): Names {
  const ordering = new Names(names)
  ordering.aliases = new Map(
    body.columns
      .filter(column => !column.isAnonymous)
      .map(column => [
        column.name.toLowerCase(),
        { sql: quoteName(column.name), type: column.type, name: column.name },
      ]),
  )
  return ordering
}
