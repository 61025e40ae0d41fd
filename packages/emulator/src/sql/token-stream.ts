// The statement's tokens with a place in them. Words are keywords or names by where they stand, as in BigQuery.
import { SqlRefused } from './refused.ts'
import type { Token } from './tokens.ts'

/** Nesting of parentheses, subqueries and operators; recursion in the translator and in DuckDB's parser is bounded by it. */
const DEPTH_MAX = 150

/** What may follow a query in parentheses that is part of a query. */
const SET_WORDS: ReadonlySet<string> = new Set(['UNION', 'INTERSECT', 'EXCEPT', 'ORDER', 'LIMIT'])

export class TokenStream {
  at = 0
  private readonly tokens: readonly Token[]
  private readonly sql: string
  private depth = 0
  /** A `>>` of which one half is taken. */
  private halfAngleAt = -1
  /** Of each opening parenthesis, the index of its closing one. */
  private readonly closing = new Map<number, number>()

  constructor(tokens: readonly Token[], sql: string) {
    this.tokens = tokens
    this.sql = sql
    const open: number[] = []
    for (const [index, token] of tokens.entries()) {
      if (token.kind !== 'symbol') continue
      if (token.text === '(') open.push(index)
      else if (token.text === ')' && open.length > 0) this.closing.set(open.pop()!, index)
    }
  }

  peek(ahead = 0): Token | undefined {
    return this.tokens[this.at + ahead]
  }

  get isEnd(): boolean {
    return this.at >= this.tokens.length
  }

  next(): Token {
    const token = this.tokens[this.at]
    if (!token) throw this.unexpected()
    this.at++
    return token
  }

  isSymbol(text: string, ahead = 0): boolean {
    const token = this.peek(ahead)
    return token?.kind === 'symbol' && token.text === text
  }

  /** Whether the words stand here, in this order. */
  isWord(...words: readonly string[]): boolean {
    return words.every((word, ahead) => {
      const token = this.peek(ahead)
      return token?.kind === 'word' && token.text.toUpperCase() === word
    })
  }

  /** The upper-cased word here, or nothing. */
  word(ahead = 0): string | undefined {
    const token = this.peek(ahead)
    return token?.kind === 'word' ? token.text.toUpperCase() : undefined
  }

  takeSymbol(text: string): boolean {
    if (!this.isSymbol(text)) return false
    this.at++
    return true
  }

  takeWord(...words: readonly string[]): boolean {
    if (!this.isWord(...words)) return false
    this.at += words.length
    return true
  }

  expectSymbol(text: string): void {
    if (!this.takeSymbol(text)) throw this.unexpected(`"${text}"`)
  }

  expectWord(...words: readonly string[]): void {
    if (!this.takeWord(...words)) throw this.unexpected(`keyword ${words.join(' ')}`)
  }

  /** Two tokens with nothing between them, as in `my-project`. */
  isAdjacent(ahead: number): boolean {
    const token = this.peek(ahead)
    const following = this.peek(ahead + 1)
    return token !== undefined && token.end === following?.at
  }

  /** The tokens up to this one, as they were written. */
  textSince(start: number): string {
    const first = this.tokens[start]
    const last = this.tokens[this.at - 1]
    return first && last ? this.sql.slice(first.at, last.end) : ''
  }

  /**
   * Looks ahead for the word outside of parentheses; gives its index. Stops at the parenthesis that closes this level, and at the
   * words of `before`.
   */
  findWord(word: string, before: readonly string[]): number | undefined {
    for (let index = this.at; index < this.tokens.length; index++) {
      const token = this.tokens[index]!
      if (token.kind === 'symbol') {
        if (token.text === ')') return undefined
        if (token.text === '(') index = this.closing.get(index) ?? this.tokens.length
      } else if (token.kind === 'word') {
        const upper = token.text.toUpperCase()
        // `IS DISTINCT FROM` has a FROM of its own.
        const isOperator = upper === 'FROM' && isDistinctFrom(this.tokens, index)
        if (upper === word && !isOperator && !isAfterDot(this.tokens, index)) return index
        if (before.includes(upper) && !isAfterDot(this.tokens, index)) return undefined
      }
    }
    return undefined
  }

  /**
   * Whether `depth` parentheses from here hold nothing but a query (with set operations), the last of them closing before the
   * parenthesis around it: `((SELECT 1) UNION ALL (SELECT 2))` does, `((SELECT 1) + 1)` does not.
   */
  private isQueryInParentheses(depth: number): boolean {
    for (let level = depth - 1; level >= 0; level--) {
      const close = this.closing.get(this.at + level)
      const after = close === undefined ? undefined : this.tokens[close + 1]
      const isSetOperator = after?.kind === 'word' && SET_WORDS.has(after.text.toUpperCase())
      if (!isSetOperator && !(after?.kind === 'symbol' && after.text === ')')) return false
      if (isSetOperator) return true
    }
    return true
  }

  /** Whether a query begins here, behind parentheses of its own or none. */
  get isQuery(): boolean {
    let depth = 0
    while (this.isSymbol('(', depth)) depth++
    const word = this.word(depth)
    return (word === 'SELECT' || word === 'WITH') && this.isQueryInParentheses(depth)
  }

  /** Takes the first half of a `>>` that closes two types. */
  splitAngle(): void {
    if (this.halfAngleAt === this.at) {
      this.at++
      this.halfAngleAt = -1
    } else this.halfAngleAt = this.at
  }

  /** Runs `read` one level deeper. */
  deeper<T>(read: () => T): T {
    if (++this.depth > DEPTH_MAX)
      throw new SqlRefused('The query is too complex: it is nested too deeply for this emulator')
    try {
      return read()
    } finally {
      this.depth--
    }
  }

  /** The error for a token that cannot stand here. */
  unexpected(expected?: string): SqlRefused {
    const token = this.peek()
    const what = token ? `"${token.text}"` : 'end of statement'
    const where = this.place(token)
    return new SqlRefused(
      expected === undefined
        ? `Syntax error: Unexpected ${what}${where}`
        : `Syntax error: Expected ${expected} but got ${what}${where}`,
    )
  }

  /** ` at [line:column]`, as BigQuery ends its messages. */
  place(token: Token | undefined = this.peek()): string {
    const at = token?.at ?? this.sql.length
    const before = this.sql.slice(0, at)
    const line = before.split('\n').length
    return ` at [${line}:${at - before.lastIndexOf('\n')}]`
  }
}

function isDistinctFrom(tokens: readonly Token[], index: number): boolean {
  const isWord = (token: Token | undefined, word: string): boolean =>
    token?.kind === 'word' && token.text.toUpperCase() === word
  return isWord(tokens[index - 1], 'DISTINCT') && (isWord(tokens[index - 2], 'IS') || isWord(tokens[index - 2], 'NOT'))
}

const isAfterDot = (tokens: readonly Token[], index: number): boolean =>
  tokens[index - 1]?.kind === 'symbol' && tokens[index - 1]!.text === '.'
