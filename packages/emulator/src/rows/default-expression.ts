// The SQL of defaultValueExpression, parsed: literals of every type, arrays, structs, and the functions BigQuery lets defaults call.
// https://cloud.google.com/bigquery/docs/default-values#limitations — what is not understood is refused with words, never guessed.
import { type IntervalParts, intervalFrom } from './interval.ts'

/** A default expression this emulator cannot take; the message says what of it. */
export class UnusableDefault extends Error {}

const DEFAULT_FUNCTIONS = [
  'CURRENT_DATE',
  'CURRENT_DATETIME',
  'CURRENT_TIME',
  'CURRENT_TIMESTAMP',
  'GENERATE_UUID',
  'RAND',
  'SESSION_USER',
  'ST_GEOGPOINT',
] as const
type DefaultFunction = (typeof DEFAULT_FUNCTIONS)[number]

export type DefaultValue =
  | { readonly kind: 'null' }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'int'; readonly value: bigint }
  | { readonly kind: 'float'; readonly value: number; readonly text: string }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'interval'; readonly value: IntervalParts }
  /** `DATE '…'`, `CAST('…' AS DATE)`: text that is to be read as that type. */
  | { readonly kind: 'typed'; readonly type: string; readonly text: string }
  | { readonly kind: 'array'; readonly items: readonly DefaultValue[] }
  | { readonly kind: 'struct'; readonly items: readonly DefaultValue[] }
  | { readonly kind: 'call'; readonly name: DefaultFunction; readonly args: readonly DefaultValue[] }

/** Characters of one expression: BigQuery's own limit is not stated; this bounds what is parsed. */
const EXPRESSION_MAX = 65_536
const DEPTH_MAX = 15
const TYPED_LITERALS: ReadonlySet<string> = new Set([
  'DATE',
  'DATETIME',
  'TIME',
  'TIMESTAMP',
  'NUMERIC',
  'DECIMAL',
  'BIGNUMERIC',
  'BIGDECIMAL',
  'JSON',
])
const TYPE_SYNONYMS: Readonly<Record<string, string>> = { DECIMAL: 'NUMERIC', BIGDECIMAL: 'BIGNUMERIC' }

type Token = { readonly kind: 'word' | 'number' | 'string' | 'bytes' | 'sign'; readonly text: string }

/** Throws UnusableDefault. */
export function parseDefault(expression: string): DefaultValue {
  if (expression.length > EXPRESSION_MAX) throw new UnusableDefault(`it is longer than ${EXPRESSION_MAX} characters`)
  const parser = new Parser(tokens(expression))
  const value = parser.value(0)
  parser.end()
  return value
}

const TOKEN =
  /\s+|--[^\n]*|#[^\n]*|\/\*[\s\S]*?\*\/|([rR]?[bB]?|[bB][rR])("""(?:[^\\]|\\[\s\S])*?"""|'''(?:[^\\]|\\[\s\S])*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*|`[^`\n]+`)|([()[\],<>+-])/y

function tokens(text: string): Token[] {
  const found: Token[] = []
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex
    const match = TOKEN.exec(text)
    if (!match) throw new UnusableDefault(`"${text.slice(at, at + 20)}" is not understood`)
    const [, prefix = '', quoted, number, word, sign] = match
    if (quoted !== undefined) {
      const quotes = /^("""|''')/.test(quoted) ? 3 : 1
      const body = quoted.slice(quotes, -quotes)
      const isBytes = /b/i.test(prefix)
      const isRaw = /r/i.test(prefix)
      found.push({ kind: isBytes ? 'bytes' : 'string', text: isRaw ? body : unescaped(body, isBytes) })
    } else if (number !== undefined) found.push({ kind: 'number', text: number })
    else if (word !== undefined) found.push({ kind: 'word', text: word.replaceAll('`', '') })
    else if (sign !== undefined) found.push({ kind: 'sign', text: sign })
  }
  return found
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

/** https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical#escape_sequences; bytes come out as latin1. */
function unescaped(body: string, isBytes: boolean): string {
  const plain = isBytes ? Buffer.from(body).toString('latin1') : body
  return plain.replace(
    /\\(?:([0-7]{3})|[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([\s\S]))/g,
    (_all, octal, hex, short, long, other: string) => {
      if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8) & 0xff)
      if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16))
      const unicode = short ?? long
      if (unicode === undefined) return ESCAPES[other] ?? other
      const point = Number.parseInt(unicode, 16)
      if (isBytes || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        throw new UnusableDefault(`the escape of code point ${unicode} is not valid here`)
      return String.fromCodePoint(point)
    },
  )
}

class Parser {
  private readonly tokens: readonly Token[]
  private at = 0

  constructor(all: readonly Token[]) {
    this.tokens = all
  }

  end(): void {
    const left = this.tokens[this.at]
    if (left)
      throw new UnusableDefault(
        `"${left.text.slice(0, 50)}" is not understood there: only literals and ${DEFAULT_FUNCTIONS.join('(), ')}() are`,
      )
  }

  value(depth: number): DefaultValue {
    if (depth > DEPTH_MAX) throw new UnusableDefault(`it nests more than ${DEPTH_MAX} levels`)
    const token = this.tokens[this.at++]
    if (!token) throw new UnusableDefault('it ends too early')
    switch (token.kind) {
      case 'string':
        return { kind: 'string', text: token.text }
      case 'bytes':
        return { kind: 'bytes', bytes: Buffer.from(token.text, 'latin1') }
      case 'number':
        return numberOf(token.text)
      case 'sign':
        return this.signed(token.text, depth)
      case 'word':
        return this.word(token.text.toUpperCase(), depth)
    }
  }

  private signed(sign: string, depth: number): DefaultValue {
    if (sign === '[') return { kind: 'array', items: this.list(']', depth) }
    if (sign === '(') {
      const items = this.list(')', depth)
      return items.length === 1 ? items[0]! : { kind: 'struct', items }
    }
    if (sign === '-' || sign === '+') {
      const value = this.value(depth + 1)
      if (value.kind === 'int') return sign === '-' ? { kind: 'int', value: -value.value } : value
      if (value.kind === 'float')
        return sign === '-' ? { kind: 'float', value: -value.value, text: `-${value.text}` } : value
    }
    throw new UnusableDefault(`"${sign}" is not understood there`)
  }

  private word(word: string, depth: number): DefaultValue {
    if (word === 'NULL') return { kind: 'null' }
    if (word === 'TRUE' || word === 'FALSE') return { kind: 'bool', value: word === 'TRUE' }
    const next = this.tokens[this.at]
    if (TYPED_LITERALS.has(word) && next?.kind === 'string') {
      this.at++
      return { kind: 'typed', type: TYPE_SYNONYMS[word] ?? word, text: next.text }
    }
    if (word === 'INTERVAL') return this.interval(depth)
    if (word === 'RANGE') {
      const type = this.typeName(word)
      const text = this.take('string', 'the text of a RANGE')
      return { kind: 'typed', type, text }
    }
    if (word === 'ARRAY') {
      if (next?.text === '<') this.typeName(word)
      this.sign('[')
      return { kind: 'array', items: this.list(']', depth) }
    }
    if (word === 'STRUCT') {
      if (next?.text === '<') this.typeName(word)
      this.sign('(')
      return { kind: 'struct', items: this.list(')', depth) }
    }
    if (word === 'CAST' || word === 'SAFE_CAST') return this.cast(depth)
    return this.call(word, depth)
  }

  private cast(depth: number): DefaultValue {
    this.sign('(')
    const value = this.value(depth + 1)
    if (this.take('word', 'AS').toUpperCase() !== 'AS') throw new UnusableDefault('CAST needs AS')
    const type = this.typeName(this.take('word', 'a type').toUpperCase())
    this.sign(')')
    switch (value.kind) {
      case 'null':
        return value
      case 'string':
        return { kind: 'typed', type: TYPE_SYNONYMS[type] ?? type, text: value.text }
      case 'int':
        return { kind: 'typed', type: TYPE_SYNONYMS[type] ?? type, text: String(value.value) }
      case 'float':
        return { kind: 'typed', type: TYPE_SYNONYMS[type] ?? type, text: value.text }
      case 'bool':
        return { kind: 'typed', type, text: String(value.value) }
      default:
        throw new UnusableDefault('CAST takes a literal here')
    }
  }

  private call(word: string, depth: number): DefaultValue {
    const name = DEFAULT_FUNCTIONS.find(candidate => candidate === word)
    if (!name)
      throw new UnusableDefault(
        `${word.slice(0, 50)} is not supported: literals and ${DEFAULT_FUNCTIONS.join('(), ')}() are`,
      )
    // CURRENT_TIMESTAMP and its kin may stand without parentheses.
    const args = this.tokens[this.at]?.text === '(' ? this.arguments(depth) : []
    const isPlain = args.every(arg => arg.kind === 'int' || arg.kind === 'float')
    if (name === 'ST_GEOGPOINT' ? args.length !== 2 || !isPlain : args.length > 0)
      throw new UnusableDefault(
        name === 'ST_GEOGPOINT' ? 'ST_GEOGPOINT takes two numbers' : `${name}() takes no arguments in this emulator`,
      )
    return { kind: 'call', name, args }
  }

  private arguments(depth: number): DefaultValue[] {
    this.sign('(')
    return this.list(')', depth)
  }

  /** `INTERVAL 5 DAY`, `INTERVAL '1-2' YEAR TO MONTH`. */
  private interval(depth: number): DefaultValue {
    const value = this.value(depth + 1)
    const text = value.kind === 'int' ? String(value.value) : value.kind === 'string' ? value.text : undefined
    const from = this.take('word', 'a date part').toUpperCase()
    let to = from
    if (this.tokens[this.at]?.text.toUpperCase() === 'TO') {
      this.at++
      to = this.take('word', 'a date part').toUpperCase()
    }
    const parts = text === undefined ? undefined : intervalFrom(text, from, to)
    if (!parts) throw new UnusableDefault(`its INTERVAL ${from}${to === from ? '' : ` TO ${to}`} is not valid`)
    return { kind: 'interval', value: parts }
  }

  private list(close: string, depth: number): DefaultValue[] {
    const items: DefaultValue[] = []
    if (this.tokens[this.at]?.text === close && this.tokens[this.at]?.kind === 'sign') {
      this.at++
      return items
    }
    for (;;) {
      items.push(this.value(depth + 1))
      // STRUCT(1 AS a): the names are the column's anyway.
      if (this.tokens[this.at]?.kind === 'word' && this.tokens[this.at]?.text.toUpperCase() === 'AS') {
        this.at++
        this.take('word', 'a name')
      }
      const sign = this.take('sign', `, or ${close}`)
      if (sign === close) return items
      if (sign !== ',') throw new UnusableDefault(`"${sign}" is not understood there`)
    }
  }

  /** A type's name, its `<…>` and `(…)` read over; RANGE keeps its element type. */
  private typeName(word: string): string {
    let name = word
    for (const [open, close] of ['<>', '()'] as const) {
      if (this.tokens[this.at]?.text !== open) continue
      let depth = 0
      do {
        const token = this.tokens[this.at++]
        if (!token) throw new UnusableDefault('a type in it ends too early')
        if (token.text === open) depth++
        else if (token.text === close) depth--
        if (word === 'RANGE') name += token.text.toUpperCase()
      } while (depth > 0)
      // What follows `STRUCT<…>` in parentheses are its values.
      break
    }
    return name
  }

  private sign(text: string): void {
    if (this.take('sign', text) !== text) throw new UnusableDefault(`"${text}" is missing`)
  }

  private take(kind: Token['kind'], what: string): string {
    const token = this.tokens[this.at++]
    if (token?.kind !== kind) throw new UnusableDefault(`${what} is missing`)
    return token.text
  }
}

function numberOf(text: string): DefaultValue {
  if (/^(0[xX]|\d+$)/.test(text)) return { kind: 'int', value: BigInt(text) }
  return { kind: 'float', value: Number(text), text }
}
