// Reads expressions, by precedence. https://cloud.google.com/bigquery/docs/reference/standard-sql/operators#operator_precedence

import { functionCall } from './calls.ts'
import { castExpr } from './casts.ts'
import { type Expr, expr, once, textExpr } from './expr.ts'
import { intervalFromText, intervalOf } from './intervals.ts'
import { bytesExpr, numberExpr, parameterExpr, typedLiteral } from './literals.ts'
import { fieldOf, type Names } from './names.ts'
import {
  additive,
  bitwise,
  compare,
  concatenate,
  divide,
  like,
  multiply,
  refuseBignumeric,
  typeOfChoice,
} from './operators.ts'
import { notTranslated, SqlRefused } from './refused.ts'
import { RESERVED } from './reserved.ts'
import { parseSubqueryRows } from './subqueries.ts'
import type { Translation } from './translation.ts'
import {
  anonymousField,
  arrayOf,
  BOOL,
  commonType,
  duckdbTypeOf,
  INT64,
  parseType,
  quoteName,
  quoteText,
  type SqlType,
  scalarType,
  structOf,
} from './types.ts'

export function parseExpression(t: Translation, names: Names): Expr {
  return t.tokens.deeper(() => parseOr(t, names))
}

/** `a OR b OR c` stays one level deep, as do `AND` and the others. */
function chain(
  t: Translation,
  names: Names,
  word: 'OR' | 'AND',
  operand: (t: Translation, names: Names) => Expr,
): Expr {
  const first = operand(t, names)
  if (!t.tokens.isWord(word)) return first
  const parts = [first.sql]
  while (t.tokens.takeWord(word)) parts.push(operand(t, names).sql)
  return expr(`(${parts.join(` ${word} `)})`, BOOL)
}

const parseOr = (t: Translation, names: Names): Expr => chain(t, names, 'OR', parseAnd)
const parseAnd = (t: Translation, names: Names): Expr => chain(t, names, 'AND', parseNot)

function parseNot(t: Translation, names: Names): Expr {
  if (!t.tokens.takeWord('NOT')) return parseComparison(t, names)
  return t.tokens.deeper(() => expr(`(NOT ${parseNot(t, names).sql})`, BOOL))
}

const COMPARISONS: Readonly<Record<string, string>> = {
  '=': '=',
  '<': '<',
  '>': '>',
  '<=': '<=',
  '>=': '>=',
  '!=': '<>',
  '<>': '<>',
}

function parseComparison(t: Translation, names: Names): Expr {
  const left = parseBitOr(t, names)
  const { tokens } = t
  const operator = tokens.peek()?.kind === 'symbol' ? COMPARISONS[tokens.peek()!.text] : undefined
  if (operator !== undefined) {
    tokens.at++
    return compare(operator, left, parseBitOr(t, names))
  }
  if (tokens.takeWord('IS')) return parseIs(t, names, left)
  const isNot = tokens.takeWord('NOT')
  const negated = (sql: string): Expr => expr(isNot ? `(NOT ${sql})` : sql, BOOL)
  if (tokens.takeWord('BETWEEN')) {
    const low = parseBitOr(t, names)
    tokens.expectWord('AND')
    const high = parseBitOr(t, names)
    compare('<', left, low)
    compare('<', left, high)
    return negated(`(${left.sql} BETWEEN ${low.sql} AND ${high.sql})`)
  }
  if (tokens.takeWord('LIKE')) return negated(parseLike(t, names, left))
  if (tokens.takeWord('IN')) return negated(parseIn(t, names, left))
  if (isNot) throw tokens.unexpected()
  return left
}

function parseIs(t: Translation, names: Names, left: Expr): Expr {
  const { tokens } = t
  const isNot = tokens.takeWord('NOT')
  const not = isNot ? ' NOT' : ''
  if (tokens.takeWord('DISTINCT', 'FROM')) return compare(`IS${not} DISTINCT FROM`, left, parseBitOr(t, names))
  const word = tokens.word()
  if (word !== 'NULL' && word !== 'TRUE' && word !== 'FALSE' && word !== 'UNKNOWN') throw tokens.unexpected()
  tokens.at++
  const tested = word === 'UNKNOWN' ? 'NULL' : word
  return expr(`(${left.sql} IS${not} ${tested})`, BOOL)
}

function parseLike(t: Translation, names: Names, left: Expr): string {
  const { tokens } = t
  const word = tokens.word()
  if ((word !== 'ANY' && word !== 'SOME' && word !== 'ALL') || !tokens.isSymbol('(', 1))
    return like(left, parseBitOr(t, names))
  tokens.at += 2
  if (tokens.isWord('SELECT') || tokens.isWord('UNNEST')) throw notTranslated(`LIKE ${word} over an array or query`)
  const patterns = parseList(t, names)
  return `(${patterns.map(pattern => like(left, pattern)).join(word === 'ALL' ? ' AND ' : ' OR ')})`
}

/** Expressions up to the closing parenthesis, which is taken. */
function parseList(t: Translation, names: Names): Expr[] {
  const list: Expr[] = []
  do list.push(parseExpression(t, names))
  while (t.tokens.takeSymbol(','))
  t.tokens.expectSymbol(')')
  return list
}

function parseIn(t: Translation, names: Names, left: Expr): string {
  const { tokens } = t
  if (tokens.takeWord('UNNEST')) {
    tokens.expectSymbol('(')
    const array = parseExpression(t, names)
    tokens.expectSymbol(')')
    // A NULL array has no elements.
    return `list_contains(coalesce(${array.sql}, []), ${left.sql})`
  }
  tokens.expectSymbol('(')
  if (tokens.isWord('SELECT') || tokens.isWord('WITH') || startsSubquery(t)) {
    refuseBignumeric('IN with a subquery', left)
    const { sql, columns } = t.query(names)
    tokens.expectSymbol(')')
    if (columns.length !== 1) throw new SqlRefused('Subquery of type IN must have only one output column')
    return `(${left.sql} IN (${sql}))`
  }
  const list = parseList(t, names)
  if (left.type?.name === 'BIGNUMERIC') return `(${list.map(item => compare('=', left, item).sql).join(' OR ')})`
  for (const item of list) compare('=', left, item)
  return `(${left.sql} IN (${list.map(item => item.sql).join(', ')}))`
}

/** Whether a parenthesis here (already taken by the caller or not) opens a query behind further parentheses. */
function startsSubquery(t: Translation): boolean {
  let ahead = 0
  while (t.tokens.isSymbol('(', ahead)) ahead++
  if (ahead === 0) return false
  const word = t.tokens.word(ahead)
  if (word !== 'SELECT' && word !== 'WITH') return false
  // `((SELECT 1) + 1)` is an expression that begins with a query.
  return t.tokens.isQueryInParentheses(ahead)
}

type Binary = (a: Expr, b: Expr) => Expr

/** Operators in a row, as in `a + b + …`: measured, DuckDB takes half a second for 100 and thirteen for 400. */
const OPERATORS_MAX = 100

/** Left-associative operators of one level. */
function level(
  operand: (t: Translation, names: Names) => Expr,
  operators: Readonly<Record<string, Binary>>,
): (t: Translation, names: Names) => Expr {
  return (t, names) => {
    let left = operand(t, names)
    for (let count = 0; ; count++) {
      const token = t.tokens.peek()
      const apply = token?.kind === 'symbol' ? operators[token.text] : undefined
      if (!apply) return left
      if (count >= OPERATORS_MAX) throw notTranslated(`A chain of more than ${OPERATORS_MAX} operators`)
      t.tokens.at++
      left = apply(left, operand(t, names))
    }
  }
}

const bit =
  (operator: string): Binary =>
  (a, b) =>
    bitwise(operator, a, b)
const parseMultiplicative = level(parseUnary, { '*': multiply, '/': divide, '||': concatenate })
const parseAdditive = level(parseMultiplicative, {
  '+': (a, b) => additive('+', a, b),
  '-': (a, b) => additive('-', a, b),
})
const parseShift = level(parseAdditive, { '<<': bit('<<'), '>>': bit('>>') })
const parseBitAnd = level(parseShift, { '&': bit('&') })
const parseBitXor = level(parseBitAnd, { '^': bit('^') })
const parseBitOr: (t: Translation, names: Names) => Expr = level(parseBitXor, { '|': bit('|') })

function parseUnary(t: Translation, names: Names): Expr {
  const { tokens } = t
  for (const sign of ['-', '+', '~'])
    if (tokens.isSymbol(sign)) {
      tokens.at++
      return tokens.deeper(() => {
        const number = tokens.peek()
        if (sign === '-' && number?.kind === 'number') {
          tokens.at++
          return parsePostfix(t, names, numberExpr(number.text, true))
        }
        const value = parseUnary(t, names)
        if (sign !== '+') refuseBignumeric(`Unary ${sign}`, value)
        return sign === '+' ? value : expr(`(${sign} ${value.sql})`, value.type)
      })
    }
  return parsePostfix(t, names, parsePrimary(t, names))
}

/** `.field` and `[…]` behind a value. */
function parsePostfix(t: Translation, names: Names, first: Expr): Expr {
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
    const index = parseExpression(t, names)
    tokens.expectSymbol(')')
    return elementAt(value, index, position === 'OFFSET' ? 1 : 0, isSafe)
  }
  const index = parseExpression(t, names)
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

function parsePrimary(t: Translation, names: Names): Expr {
  const { tokens } = t
  const token = tokens.peek()
  if (!token) throw tokens.unexpected()
  switch (token.kind) {
    case 'number':
      tokens.at++
      return numberExpr(token.text, false)
    case 'string':
      tokens.at++
      return textExpr(joinedText(t, token.text))
    case 'bytes':
      tokens.at++
      return bytesExpr(token.text)
    case 'parameter':
      tokens.at++
      return parameterExpr(t.scope.parameters, token.text, t.nextPosition)
    case 'quoted':
      return parseName(t, names)
    case 'word':
      return parseWord(t, names)
    case 'symbol':
      if (token.text === '(') return parseParenthesis(t, names)
      if (token.text === '[') return parseArray(t, names, undefined)
      if (token.text === '@@') throw notTranslated('A system variable')
      throw tokens.unexpected()
  }
}

/** Adjacent string literals are one. */
function joinedText(t: Translation, first: string): string {
  let text = first
  while (t.tokens.peek()?.kind === 'string') text += t.tokens.next().text
  return text
}

function parseParenthesis(t: Translation, names: Names): Expr {
  const { tokens } = t
  tokens.at++
  if (tokens.isWord('SELECT') || tokens.isWord('WITH') || startsSubquery(t)) {
    const query = t.query(names)
    tokens.expectSymbol(')')
    return parseSubqueryRows.scalar(query)
  }
  const first = parseExpression(t, names)
  if (!tokens.takeSymbol(',')) {
    tokens.expectSymbol(')')
    return { ...first, name: undefined }
  }
  return structExpr([first, ...parseList(t, names)].map(value => ({ value, name: undefined })))
}

function structExpr(fields: readonly { value: Expr; name: string | undefined }[]): Expr {
  const named = fields.map((field, index) => ({ ...field, name: field.name ?? anonymousField(index) }))
  const seen = new Set(named.map(field => field.name.toLowerCase()))
  if (seen.size < named.length) throw notTranslated('A STRUCT with two fields of one name')
  return expr(
    `struct_pack(${named.map(field => `${quoteName(field.name)} := ${field.value.sql}`).join(', ')})`,
    structOf(named.map(field => ({ name: field.name, type: field.value.type }))),
  )
}

/** `[1, 2]`, with `ARRAY<T>` before it or not. */
function parseArray(t: Translation, names: Names, element: SqlType | undefined): Expr {
  t.tokens.expectSymbol('[')
  const items: Expr[] = []
  if (!t.tokens.isSymbol(']'))
    do items.push(parseExpression(t, names))
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

/** Types whose name before a string makes a literal. */
const LITERAL_WORDS: ReadonlySet<string> = new Set([
  'DATE',
  'TIME',
  'DATETIME',
  'TIMESTAMP',
  'NUMERIC',
  'DECIMAL',
  'BIGNUMERIC',
  'BIGDECIMAL',
  'JSON',
])

function parseWord(t: Translation, names: Names): Expr {
  const { tokens } = t
  const word = tokens.word()!
  const isCall = tokens.isSymbol('(', 1)
  if (LITERAL_WORDS.has(word) && tokens.peek(1)?.kind === 'string') {
    tokens.at++
    return typedLiteral(scalarType(word)!, tokens.next().text)
  }
  switch (word) {
    case 'NULL':
      tokens.at++
      return expr('NULL', undefined, { isNull: true })
    case 'TRUE':
    case 'FALSE':
      tokens.at++
      return expr(word, BOOL)
    case 'CASE':
      tokens.at++
      return parseCase(t, names)
    case 'INTERVAL':
      tokens.at++
      return parseInterval(t, names)
    case 'EXISTS':
      tokens.at++
      tokens.expectSymbol('(')
      return parseSubqueryRows.exists(t, names)
    case 'ARRAY':
      tokens.at++
      return parseArrayWord(t, names)
    case 'STRUCT':
      tokens.at++
      return parseStruct(t, names)
    case 'RANGE':
      if (tokens.isSymbol('<', 1)) {
        const type = parseType(tokens)
        const text = tokens.next()
        if (text.kind !== 'string') throw tokens.unexpected('a range literal')
        return typedLiteral(type, text.text)
      }
  }
  if (isCall || isDottedCall(t)) return functionCall(t, names, parseExpression)
  // Functions that need no parentheses.
  if (/^CURRENT_(?:DATE|TIME|DATETIME|TIMESTAMP)$/.test(word)) return functionCall(t, names, parseExpression)
  if (RESERVED.has(word)) throw tokens.unexpected()
  return parseName(t, names)
}

/** `SAFE.SUBSTR(`, `NET.HOST(`, `dataset.routine(`. */
function isDottedCall(t: Translation): boolean {
  let ahead = 0
  while (t.tokens.isSymbol('.', ahead + 1) && t.tokens.peek(ahead + 2)?.kind === 'word') ahead += 2
  return ahead > 0 && t.tokens.isSymbol('(', ahead + 1)
}

/** A column, a relation, or a column of a relation; fields follow as postfixes. */
function parseName(t: Translation, names: Names): Expr {
  const { tokens } = t
  const token = tokens.next()
  const following = tokens.isSymbol('.') ? tokens.peek(1) : undefined
  const field = following?.kind === 'word' || following?.kind === 'quoted' ? following.text : undefined
  const { value, used } = names.resolve(token.text, field, tokens.place(token))
  if (used === 2) tokens.at += 2
  return value
}

function parseCase(t: Translation, names: Names): Expr {
  const { tokens } = t
  const subject = tokens.isWord('WHEN') ? undefined : parseExpression(t, names)
  const parts: string[] = []
  const values: Expr[] = []
  while (tokens.takeWord('WHEN')) {
    const condition = parseExpression(t, names)
    tokens.expectWord('THEN')
    const value = parseExpression(t, names)
    const tested = subject ? compare('=', subject, condition).sql : condition.sql
    parts.push(`WHEN ${tested}`, `THEN ${value.sql}`)
    values.push(value)
  }
  if (values.length === 0) throw tokens.unexpected('keyword WHEN')
  if (tokens.takeWord('ELSE')) {
    const value = parseExpression(t, names)
    parts.push(`ELSE ${value.sql}`)
    values.push(value)
  }
  tokens.expectWord('END')
  return expr(`(CASE ${parts.join(' ')} END)`, typeOfChoice(values))
}

function parseInterval(t: Translation, names: Names): Expr {
  const { tokens } = t
  const text = tokens.peek()?.kind === 'string' ? tokens.peek()!.text : undefined
  const amount = parseExpression(t, names)
  const unit = tokens.word()
  if (unit === undefined) throw tokens.unexpected('a date part')
  tokens.at++
  if (!tokens.takeWord('TO')) {
    if (text === undefined) return intervalOf(amount, unit)
    return intervalFromText(text, unit, unit)
  }
  const to = tokens.word() ?? ''
  tokens.at++
  if (text === undefined) throw tokens.unexpected('a string literal')
  return intervalFromText(text, unit, to)
}

function parseArrayWord(t: Translation, names: Names): Expr {
  const { tokens } = t
  if (tokens.takeSymbol('(')) return parseSubqueryRows.array(t, names)
  if (!tokens.isSymbol('<')) return parseArray(t, names, undefined)
  tokens.at--
  const type = parseType(tokens)
  return parseArray(t, names, type.element)
}

/** https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#constructing_a_struct */
function parseStruct(t: Translation, names: Names): Expr {
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
    const value = parseExpression(t, names)
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
