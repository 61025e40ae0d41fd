// Request bodies as JSON, read for what they say: numbers keep their text (2^53+1 stays 2^53+1, as a config value must), depth is
// bounded before parsing, a key given twice is refused (one of its values would be lost without a word), and an empty body is no body whatever its content type (half of Connect's clients send that).
import { badRequest } from './api-error.ts'

/** A number as it was written. */
export class JsonNumber {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export type JsonValue =
  | string
  | boolean
  | null
  | JsonNumber
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

/** Offsets nest 4 deep; nothing asked for here nests deeper. */
export const BODY_DEPTH_MAX = 32

/**
 * Containers count too: the offset of a partition has six. Far more than a config (1,000 keys) or a bulk request (1,000 names) has,
 * and the positions of 3,300 partitions. The half million that fit into the largest body would hold up everybody else for a second.
 */
export const BODY_VALUES_MAX = 20_000

/** undefined for an empty body. Throws 400. */
export function parseJsonBody(body: Buffer): JsonValue | undefined {
  if (body.length === 0) return undefined
  const text = decodeUtf8(body)
  const { depth, values } = sizeOf(text)
  if (depth > BODY_DEPTH_MAX) throw badRequest(`The request body is nested deeper than ${BODY_DEPTH_MAX} levels.`)
  if (values > BODY_VALUES_MAX) throw badRequest(`The request body has more than ${BODY_VALUES_MAX} values.`)
  const value = parsed(text)
  const repeated = repeatedKey(text)
  if (repeated !== null) throw badRequest(`The request body has the key ${JSON.stringify(repeated)} twice.`)
  return value
}

function parsed(text: string): JsonValue {
  try {
    return parseWithSource(text, keepNumberText)
  } catch (error) {
    throw badRequest(`The request body is not valid JSON: ${error instanceof Error ? error.message : 'malformed'}`)
  }
}

/** JSON.parse hands the reviver the source text of primitives (ECMAScript 2026, Node 21+); TypeScript's library lags. */
const parseWithSource = JSON.parse as (
  text: string,
  reviver: (key: string, value: JsonValue | number, context: { readonly source?: string }) => JsonValue,
) => JsonValue

function keepNumberText(key: string, value: JsonValue | number, context: { readonly source?: string }): JsonValue {
  if (key === '__proto__') throw new Error('the key __proto__ is not allowed')
  if (typeof value !== 'number') return value
  if (!Number.isFinite(value)) throw new Error(`the number ${context.source ?? ''} is out of range`)
  return new JsonNumber(context.source ?? String(value))
}

function decodeUtf8(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    throw badRequest('The request body is not valid UTF-8.')
  }
}

/** Deepest nesting of brackets outside strings, and how many values there are at most: each is the first of a container or after a comma. */
function sizeOf(text: string): { readonly depth: number; readonly values: number } {
  let depth = 0
  let values = 1
  let deepest = 0
  let isInString = false
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (isInString) {
      if (char === BACKSLASH) i++
      else if (char === QUOTE) isInString = false
    } else if (char === QUOTE) isInString = true
    else if (char === OPEN_BRACE || char === OPEN_BRACKET) {
      deepest = Math.max(deepest, ++depth)
      values++
    } else if (char === CLOSE_BRACE || char === CLOSE_BRACKET) depth--
    else if (char === COMMA) values++
  }
  return { depth: deepest, values }
}

/** The first key that stands twice in one object of this valid JSON. */
function repeatedKey(text: string): string | null {
  /** Keys seen in each open object; null for an open list. As deep as BODY_DEPTH_MAX. */
  const open: (Set<string> | null)[] = []
  let mayBeKey = false
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (char === QUOTE) {
      const from = i
      while (text.charCodeAt(++i) !== QUOTE) if (text.charCodeAt(i) === BACKSLASH) i++
      const keys = open.at(-1)
      if (!mayBeKey || keys === null || keys === undefined) continue
      const key = JSON.parse(text.slice(from, i + 1)) as string // escapes: "a" and "\u0061" are one key
      if (keys.has(key)) return key
      keys.add(key)
      mayBeKey = false
    } else if (char === OPEN_BRACE || char === OPEN_BRACKET) {
      open.push(char === OPEN_BRACE ? new Set() : null)
      mayBeKey = true
    } else if (char === CLOSE_BRACE || char === CLOSE_BRACKET) open.pop()
    else if (char === COMMA) mayBeKey = true
  }
  return null
}

const COMMA = 0x2c
const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

export type JsonObject = { readonly [key: string]: JsonValue }

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof JsonNumber)
}
