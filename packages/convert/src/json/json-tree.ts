// Strict JSON (RFC 8259) bytes to a tree that keeps every value's place in the bytes: numbers stay text, so nothing is
// lost to a double. The general path stands on it; the transcoder must accept nothing this refuses.
import { isUtf8 } from 'node:buffer'
import { type Refusal, unreadable } from '../refusal.ts'

/** Ranges are positions in the parsed bytes: of the whole value, quotes and brackets included. */
export type JsonNode =
  | { readonly kind: 'null' | 'true' | 'false' | 'number'; readonly start: number; readonly end: number }
  | { readonly kind: 'string'; readonly start: number; readonly end: number }
  | { readonly kind: 'array'; readonly start: number; readonly end: number; readonly items: readonly JsonNode[] }
  | { readonly kind: 'object'; readonly start: number; readonly end: number; readonly members: JsonMembers }

/** Members by key in order of first appearance; of duplicate keys the last value counts. */
export type JsonMembers = ReadonlyMap<string, JsonNode>

/** Nesting bound, BigQuery's own for JSON columns; it also bounds our recursion. */
export const MAX_JSON_DEPTH = 500

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y

/** The whole of `bytes[start, end)` as one JSON value; throws a Refusal. A leading byte order mark is skipped. */
export function parseJson(bytes: Buffer, start: number, end: number): JsonNode {
  const parser = new JsonTreeParser(bytes, start, end)
  const hasMark = end - start >= 3 && bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf
  const at = parser.skipSpace(hasMark ? start + 3 : start)
  if (at >= end) throw unreadable('The value is empty where a JSON value is expected.')
  const node = parser.value(at, 0)
  if (parser.skipSpace(node.end) < end) throw parser.broken(node.end, 'more bytes follow the JSON value')
  return node
}

export class JsonTreeParser {
  readonly #bytes: Buffer
  readonly #end: number
  /** Positions in messages count from here. */
  readonly #origin: number

  constructor(bytes: Buffer, origin: number, end: number) {
    this.#bytes = bytes
    this.#origin = origin
    this.#end = end
  }

  /** The value that begins at `at`; what follows it is not looked at. */
  value(at: number, depth: number): JsonNode {
    if (depth > MAX_JSON_DEPTH) throw this.broken(at, `nested deeper than ${MAX_JSON_DEPTH} levels`)
    switch (this.#byte(at)) {
      case 0x7b:
        return this.#object(at, depth)
      case 0x5b:
        return this.#array(at, depth)
      case 0x22:
        return { kind: 'string', start: at, end: this.#string(at) }
      case 0x74:
        return this.#literal(at, 'true')
      case 0x66:
        return this.#literal(at, 'false')
      case 0x6e:
        return this.#literal(at, 'null')
      default:
        return this.#number(at)
    }
  }

  skipSpace(at: number): number {
    let position = at
    for (; position < this.#end; position++) {
      const byte = this.#bytes[position]
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break
    }
    return position
  }

  broken(at: number, what: string): Refusal {
    return unreadable(`The value is not valid JSON: ${what} (byte ${at - this.#origin}).`)
  }

  #byte(at: number): number {
    return at < this.#end ? this.#bytes[at]! : -1
  }

  #object(start: number, depth: number): JsonNode {
    const members = new Map<string, JsonNode>()
    let at = this.skipSpace(start + 1)
    if (this.#byte(at) === 0x7d) return { kind: 'object', start, end: at + 1, members }
    for (;;) {
      if (this.#byte(at) !== 0x22) throw this.broken(at, 'a field name was expected')
      const keyEnd = this.#string(at)
      const key = decodeString(this.#bytes, at, keyEnd) ?? decodeLossy(this.#bytes, at, keyEnd)
      at = this.skipSpace(keyEnd)
      if (this.#byte(at) !== 0x3a) throw this.broken(at, 'a colon was expected')
      const value = this.value(this.skipSpace(at + 1), depth + 1)
      members.set(key, value)
      at = this.skipSpace(value.end)
      const next = this.#byte(at)
      if (next === 0x7d) return { kind: 'object', start, end: at + 1, members }
      if (next !== 0x2c) throw this.broken(at, 'a comma or the end of the object was expected')
      at = this.skipSpace(at + 1)
    }
  }

  #array(start: number, depth: number): JsonNode {
    const items: JsonNode[] = []
    let at = this.skipSpace(start + 1)
    if (this.#byte(at) === 0x5d) return { kind: 'array', start, end: at + 1, items }
    for (;;) {
      const item = this.value(at, depth + 1)
      items.push(item)
      at = this.skipSpace(item.end)
      const next = this.#byte(at)
      if (next === 0x5d) return { kind: 'array', start, end: at + 1, items }
      if (next !== 0x2c) throw this.broken(at, 'a comma or the end of the array was expected')
      at = this.skipSpace(at + 1)
    }
  }

  /** Position after the closing quote. */
  #string(start: number): number {
    let ascii = true
    for (let at = start + 1; at < this.#end; at++) {
      const byte = this.#bytes[at]!
      if (byte === 0x22) {
        if (!ascii && !isUtf8(this.#bytes.subarray(start, at))) throw this.broken(start, 'a string is not valid UTF-8')
        return at + 1
      }
      if (byte < 0x20) throw this.broken(at, 'a control character in a string')
      if (byte > 0x7f) ascii = false
      if (byte === 0x5c) at = this.#escape(at)
    }
    throw this.broken(start, 'a string does not end')
  }

  /** Position of the last byte of the escape sequence. */
  #escape(at: number): number {
    const byte = this.#byte(at + 1)
    if (byte === 0x75) {
      for (let digit = at + 2; digit < at + 6; digit++) {
        if (!isHexDigit(this.#byte(digit))) throw this.broken(at, 'a malformed \\u escape')
      }
      return at + 5
    }
    if (byte === -1 || !'"\\/bfnrt'.includes(String.fromCharCode(byte))) throw this.broken(at, 'an unknown escape')
    return at + 1
  }

  #literal(start: number, kind: 'true' | 'false' | 'null'): JsonNode {
    const end = start + kind.length
    if (end > this.#end || this.#bytes.toString('latin1', start, end) !== kind)
      throw this.broken(start, 'an unknown literal')
    return { kind, start, end }
  }

  #number(start: number): JsonNode {
    let end = start
    while (end < this.#end && isNumberByte(this.#bytes[end]!)) end++
    if (end === start) throw this.broken(start, start >= this.#end ? 'it ends too early' : 'a value was expected')
    const text = this.#bytes.toString('latin1', start, end)
    NUMBER.lastIndex = 0
    if (NUMBER.exec(text)?.[0].length !== text.length) throw this.broken(start, 'a malformed number')
    return { kind: 'number', start, end }
  }
}

const isHexDigit = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66)

/** Every byte that may stand in a number: digits, signs, point, exponent. */
const isNumberByte = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x39) || byte === 0x2d || byte === 0x2b || byte === 0x2e || byte === 0x65 || byte === 0x45

/** Content of the string whose quotes are at `start` and `end - 1`; null when it holds half a surrogate pair. */
export function decodeString(bytes: Buffer, start: number, end: number): string | null {
  const text = decodeLossy(bytes, start, end)
  return text.isWellFormed() ? text : null
}

function decodeLossy(bytes: Buffer, start: number, end: number): string {
  // The range was checked to be a JSON string in valid UTF-8, so JSON.parse only undoes the escapes.
  return JSON.parse(bytes.toString('utf8', start, end)) as string
}
