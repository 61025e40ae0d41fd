// What expressions are made of: literals, names, parentheses, CASE, INTERVAL and calls.
import { functionCall } from './calls.ts'
import { parseArray, parseArrayWord, parseStruct, structExpr } from './constructors.ts'
import { type Expr, expr, textExpr } from './expr.ts'
import { intervalFromText, intervalOf } from './intervals.ts'
import { bytesExpr, numberExpr, parameterExpr, typedLiteral } from './literals.ts'
import type { Names } from './names.ts'
import { compare, typeOfChoice } from './operators.ts'
import { notTranslated } from './refused.ts'
import { RESERVED } from './reserved.ts'
import { parseExists, scalarSubquery } from './subqueries.ts'
import type { Translation } from './translation.ts'
import { BOOL, parseType, scalarType } from './types.ts'

export function parsePrimary(t: Translation, names: Names): Expr {
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
  if (tokens.isQuery) {
    const query = t.query(names)
    tokens.expectSymbol(')')
    return scalarSubquery(query)
  }
  const first = t.expression(names)
  if (!tokens.takeSymbol(',')) {
    tokens.expectSymbol(')')
    return { ...first, name: undefined }
  }
  return structExpr([first, ...parseList(t, names)].map(value => ({ value, name: undefined })))
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
      return parseExists(t, names)
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
  if (isCall || isDottedCall(t)) return functionCall(t, names)
  // Functions that need no parentheses.
  if (/^CURRENT_(?:DATE|TIME|DATETIME|TIMESTAMP)$/.test(word)) return functionCall(t, names)
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
  const subject = tokens.isWord('WHEN') ? undefined : t.expression(names)
  const parts: string[] = []
  const values: Expr[] = []
  while (tokens.takeWord('WHEN')) {
    const condition = t.expression(names)
    tokens.expectWord('THEN')
    const value = t.expression(names)
    const tested = subject ? compare('=', subject, condition).sql : condition.sql
    parts.push(`WHEN ${tested}`, `THEN ${value.sql}`)
    values.push(value)
  }
  if (values.length === 0) throw tokens.unexpected('keyword WHEN')
  if (tokens.takeWord('ELSE')) {
    const value = t.expression(names)
    parts.push(`ELSE ${value.sql}`)
    values.push(value)
  }
  tokens.expectWord('END')
  return expr(`(CASE ${parts.join(' ')} END)`, typeOfChoice(values))
}

function parseInterval(t: Translation, names: Names): Expr {
  const { tokens } = t
  const text = tokens.peek()?.kind === 'string' ? tokens.peek()!.text : undefined
  const amount = t.expression(names)
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

/** Expressions up to the closing parenthesis, which is taken. */
export function parseList(t: Translation, names: Names): Expr[] {
  const list: Expr[] = []
  do list.push(t.expression(names))
  while (t.tokens.takeSymbol(','))
  t.tokens.expectSymbol(')')
  return list
}
