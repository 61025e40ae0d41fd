// BigQuery SQL cut into tokens. https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical

/** A statement that cannot be translated, in words for the caller. */
export class SqlRefused extends Error {
  readonly reason: 'invalidQuery' | 'notFound'

  constructor(message: string, reason: SqlRefused['reason'] = 'invalidQuery') {
    super(message)
    this.reason = reason
  }
}

export type Token =
  | { readonly kind: 'word'; readonly text: string }
  | { readonly kind: 'quoted'; readonly text: string }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'bytes'; readonly text: string }
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'symbol'; readonly text: string }
  | { readonly kind: 'space'; readonly text: string }

const STRING_START = /(?:[rRbB]|[rR][bB]|[bB][rR])?(?:'''|"""|'|")/y
const PATTERNS = [
  ['space', /(?:\s+|--[^\n]*|#[^\n]*|\/\*[\s\S]*?\*\/)/y],
  ['quoted', /`(?:[^`\\]|\\.)*`/y],
  ['number', /(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/y],
  ['word', /@{0,2}[A-Za-z_][A-Za-z_0-9]*/y],
  ['symbol', /(?:<=|>=|<>|!=|\|\||<<|>>|=>|[^\s])/y],
] as const

export function tokenize(sql: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  while (at < sql.length) {
    STRING_START.lastIndex = at
    const start = STRING_START.exec(sql)
    if (start) {
      const { token, end } = readString(sql, at, start[0])
      tokens.push(token)
      at = end
      continue
    }
    for (const [kind, pattern] of PATTERNS) {
      pattern.lastIndex = at
      const match = pattern.exec(sql)
      if (!match) continue
      const text = kind === 'quoted' ? match[0].slice(1, -1).replace(/\\(.)/g, '$1') : match[0]
      tokens.push({ kind, text })
      at += match[0].length
      break
    }
  }
  return tokens
}

const ESCAPES: Readonly<Record<string, string>> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }

function readString(sql: string, at: number, opening: string): { token: Token; end: number } {
  const quote = /['"]+$/.exec(opening)![0]
  const prefix = opening.slice(0, opening.length - quote.length).toLowerCase()
  let text = ''
  let pos = at + opening.length
  for (;;) {
    if (pos >= sql.length) throw new SqlRefused('Syntax error: Unclosed string literal')
    if (sql.startsWith(quote, pos)) break
    if (sql[pos] !== '\\') {
      text += sql[pos++]
      continue
    }
    if (prefix.includes('r')) {
      text += sql.slice(pos, pos + 2)
      pos += 2
      continue
    }
    const escaped = /^\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([\s\S]))/.exec(
      sql.slice(pos, pos + 10),
    )
    if (!escaped) throw new SqlRefused('Syntax error: Illegal escape sequence')
    const hex = escaped[1] ?? escaped[2] ?? escaped[3]
    if (hex) text += String.fromCodePoint(Number.parseInt(hex, 16))
    else if (escaped[4]) text += String.fromCharCode(Number.parseInt(escaped[4], 8))
    else text += ESCAPES[escaped[5]!] ?? escaped[5]
    pos += escaped[0].length
  }
  return { token: { kind: prefix.includes('b') ? 'bytes' : 'string', text }, end: pos + quote.length }
}
