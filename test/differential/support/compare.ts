// Two answers to one request → what they disagree about, masks applied.
import { isDeepStrictEqual } from 'node:util'
import type { Answer } from './exchange.ts'
import { BODY_MASKS, HEADER_MASKS } from './masks.ts'
import { type Side, withPlaceholders } from './sides.ts'

export type Answers = Readonly<Record<Side, Answer>>

/** `answer` is code and message of an error, or a code that differs; `body $.path` and `header name` speak for themselves. */
export type Disagreement = { readonly aspect: string } & Readonly<Record<Side, string>>

export function disagreements(answers: Answers): readonly Disagreement[] {
  const connect = reading(answers.connect, 'connect')
  const millrace = reading(answers.millrace, 'millrace')
  const found: Disagreement[] = []
  const add = (aspect: string, one: string, other: string): void => {
    if (one !== other) found.push({ aspect, connect: one, millrace: other })
  }
  const isFailure = connect.message !== null || millrace.message !== null
  if (isFailure || connect.status !== millrace.status) add('answer', summary(connect), summary(millrace))
  else compareBodies('$', connect.body, millrace.body, add)
  for (const name of new Set([...Object.keys(connect.headers), ...Object.keys(millrace.headers)]))
    add(`header ${name}`, connect.headers[name] ?? ABSENT, millrace.headers[name] ?? ABSENT)
  return found
}

const ABSENT = '(absent)'

type Reading = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** The message of an error; null when it is none. */
  readonly message: string | null
  /** JSON when it is, text otherwise, undefined when there is none; with the masks. */
  readonly body: unknown
}

function reading(answer: Answer, side: Side): Reading {
  const text = withPlaceholders(answer.text, side)
  const body = parsed(text)
  return {
    status: answer.status,
    headers: comparableHeaders(answer, side),
    message: errorMessage(answer.status, body),
    body: masked('$', body),
  }
}

function parsed(text: string): unknown {
  if (text === '') return undefined
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}

/** Only `{error_code, message}` with the code of the answer is an error as Connect gives them. */
function errorMessage(status: number, body: unknown): string | null {
  if (typeof body !== 'object' || body === null || !('error_code' in body) || !('message' in body)) return null
  const isWhole = isDeepStrictEqual(Object.keys(body).sort(), ['error_code', 'message'])
  return isWhole && body.error_code === status && typeof body.message === 'string' ? body.message : null
}

const summary = ({ status, message, body }: Reading): string =>
  `${status} ${message ?? (body === undefined ? '' : JSON.stringify(body))}`.trimEnd()

function comparableHeaders({ headers }: Answer, side: Side): Record<string, string> {
  const shown = Object.entries(headers).filter(([name]) => HEADER_MASKS[name] === undefined)
  return Object.fromEntries(shown.map(([name, value]) => [name, headerText(name, String(value), side)]))
}

function headerText(name: string, value: string, side: Side): string {
  // A set, in no order.
  if (name === 'allow')
    return value
      .split(/\s*,\s*/)
      .sort()
      .join(', ')
  if (name === 'location') return withPlaceholders(value, side).replace(/^(https?:\/\/127\.0\.0\.1):\d+/, '$1:{{port}}')
  return withPlaceholders(value, side)
}

/** The value with what must differ replaced; a value that does not look as it must stays, and so shows as a difference. */
function masked(path: string, value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(item => masked(`${path}[]`, item))
    // The names of connectors, in no order: Java's is that of a hash table. Definitions of keys say their place themselves.
    if (path === '$' && items.every(item => typeof item === 'string')) return items.sort()
    return path === '$' ? items.toSorted((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1)) : items
  }
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, masked(`${path}.${key}`, item)]))
  const mask = BODY_MASKS.find(candidate => candidate.path.test(path) && candidate.like.test(String(value)))
  return mask === undefined ? value : `{{${mask.reason}}}`
}

const nameOf = (item: unknown): string => (isObject(item) && typeof item['name'] === 'string' ? item['name'] : '')

/** Down to the first values that are not alike; arrays by position, objects by key. */
function compareBodies(
  path: string,
  connect: unknown,
  millrace: unknown,
  add: (aspect: string, connect: string, millrace: string) => void,
): void {
  if (isDeepStrictEqual(connect, millrace)) return
  if (isObject(connect) && isObject(millrace)) {
    for (const key of new Set([...Object.keys(connect), ...Object.keys(millrace)]))
      compareBodies(`${path}.${key}`, connect[key], millrace[key], add)
    return
  }
  if (Array.isArray(connect) && Array.isArray(millrace) && connect.length === millrace.length) {
    for (const [i, item] of connect.entries()) compareBodies(`${path}[${i}]`, item, millrace[i], add)
    return
  }
  add(`body ${path}`, shown(connect), shown(millrace))
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const shown = (value: unknown): string => (value === undefined ? ABSENT : JSON.stringify(value))
