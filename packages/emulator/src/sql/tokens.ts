// BigQuery SQL cut into tokens, in one pass. https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical
import { SqlRefused } from './refused.ts'

export type Token = {
  readonly kind: 'word' | 'quoted' | 'string' | 'bytes' | 'number' | 'symbol' | 'parameter'
  readonly text: string
  /** Where it starts and ends in the statement. */
  readonly at: number
  readonly end: number
}

/** Longest query BigQuery takes. https://cloud.google.com/bigquery/quotas#query_jobs */
const SQL_LENGTH_MAX = 1024 * 1024

const SPACE = /(?:\s+|--[^\n]*|#[^\n]*)+/y
const STRING_START = /(?:[rRbB]|[rR][bB]|[bB][rR])?(?:'''|"""|'|")/y
const PATTERNS = [
  ['quoted', /`(?:[^`\\]|\\[\s\S])*`/y],
  ['number', /(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/y],
  ['word', /[A-Za-z_][A-Za-z_0-9]*/y],
  ['parameter', /(?:@[A-Za-z_][A-Za-z_0-9]*|\?)/y],
  ['symbol', /(?:<=|>=|<>|!=|\|\||<<|>>|=>|\|>|@@|[^\s])/y],
] as const

/** Spaces and comments are left out. Throws SqlRefused. */
export function tokenize(sql: string): Token[] {
  if (sql.length > SQL_LENGTH_MAX)
    throw new SqlRefused('The query is too large. The maximum standard SQL query length is 1024.00K characters.')
  const tokens: Token[] = []
  let at = 0
  for (;;) {
    at = skipSpace(sql, at)
    if (at >= sql.length) return tokens
    const token = readString(sql, at) ?? readToken(sql, at, tokens.at(-1))
    tokens.push(token)
    at = token.end
  }
}

function skipSpace(sql: string, start: number): number {
  let at = start
  for (;;) {
    SPACE.lastIndex = at
    at += SPACE.exec(sql)?.[0].length ?? 0
    if (!sql.startsWith('/*', at)) return at
    const end = sql.indexOf('*/', at + 2)
    if (end < 0) throw new SqlRefused('Syntax error: Unclosed comment')
    at = end + 2
  }
}

function readToken(sql: string, at: number, before: Token | undefined): Token {
  // In `t.1` or `a.b.2020` the digits are a name's, not a fraction's.
  const isAfterDot = before?.text === '.' && before.kind === 'symbol' && before.end === at
  for (const [kind, pattern] of PATTERNS) {
    if (kind === 'number' && isAfterDot) continue
    pattern.lastIndex = at
    const found = pattern.exec(sql)?.[0]
    if (found === undefined) continue
    const text = kind === 'quoted' ? found.slice(1, -1).replace(/\\([\s\S])/g, '$1') : found
    if (kind === 'quoted' && text === '') throw new SqlRefused('Syntax error: Invalid empty identifier')
    if (found === '`') break
    return { kind, text, at, end: at + found.length }
  }
  throw new SqlRefused('Syntax error: Unclosed identifier literal')
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '?': '?',
  '"': '"',
  "'": "'",
  '`': '`',
}
const ESCAPE = /\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|([abfnrtv\\?"'`]))/y

/** A string or bytes literal at this position. The text of bytes holds one character per byte. */
function readString(sql: string, at: number): Token | undefined {
  STRING_START.lastIndex = at
  const opening = STRING_START.exec(sql)?.[0]
  if (opening === undefined) return undefined
  const quote = /['"]+$/.exec(opening)![0]
  const prefix = opening.slice(0, opening.length - quote.length).toLowerCase()
  const isBytes = prefix.includes('b')
  const parts: string[] = []
  let pos = at + opening.length
  let plainFrom = pos
  const plain = (): void => {
    const text = sql.slice(plainFrom, pos)
    parts.push(isBytes ? Buffer.from(text).toString('latin1') : text)
  }
  for (; !sql.startsWith(quote, pos); pos++) {
    if (pos >= sql.length || (quote.length === 1 && sql[pos] === '\n'))
      throw new SqlRefused(`Syntax error: Unclosed ${isBytes ? 'bytes' : 'string'} literal`)
    if (sql[pos] !== '\\') continue
    if (prefix.includes('r')) {
      pos++
      continue
    }
    plain()
    ESCAPE.lastIndex = pos
    const escaped = ESCAPE.exec(sql)
    if (!escaped) throw new SqlRefused(`Syntax error: Illegal escape sequence: ${sql.slice(pos, pos + 2)}`)
    parts.push(escapedText(escaped, isBytes))
    pos += escaped[0].length - 1
    plainFrom = pos + 1
  }
  plain()
  return { kind: isBytes ? 'bytes' : 'string', text: parts.join(''), at, end: pos + quote.length }
}

function escapedText(escaped: RegExpExecArray, isBytes: boolean): string {
  const [whole, byte, short, long, octal, letter] = escaped
  if (letter !== undefined) return ESCAPES[letter]!
  if (byte !== undefined) return String.fromCharCode(Number.parseInt(byte, 16))
  if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8))
  const point = Number.parseInt(short ?? long!, 16)
  if (isBytes || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
    throw new SqlRefused(`Syntax error: Illegal escape sequence: ${whole}`)
  return String.fromCodePoint(point)
}
