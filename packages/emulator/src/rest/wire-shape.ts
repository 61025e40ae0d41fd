// What JSON a request body may have, as data: shapes that read a body, refuse what is of the wrong type with a 400 that names the
// field, and drop names nobody knows. Google's JSON is lenient: 64-bit numbers come as text or as numbers, booleans as text too.
import { RestError } from './rest-error.ts'

export type Shape =
  | 'string'
  /** A 64-bit number; read as decimal text. */
  | 'int64'
  | 'bool'
  /** Anything, kept as it is. */
  | 'any'
  | { readonly list: Shape }
  | { readonly map: Shape }
  | { readonly object: Readonly<Record<string, Shape>> }
  | (() => Shape)

export type Json = Readonly<Record<string, unknown>>

/** Nesting a body may have: 15 levels of columns take two each. */
const DEPTH_MAX = 64
const INT64_MIN = -(2n ** 63n)
const INT64_MAX = 2n ** 63n - 1n

/** Reads a request body; an absent one is empty. Null members stay null: a patch deletes by them. Throws RestError 400. */
export function readBody(body: unknown, members: Readonly<Record<string, Shape>>): Json {
  return read(body ?? {}, { object: members }, '', 0) as Json
}

function read(value: unknown, shape: Shape, path: string, depth: number): unknown {
  if (depth > DEPTH_MAX) throw new RestError(400, 'invalid', `The request is nested too deeply at '${path}'`)
  if (typeof shape === 'function') return read(value, shape(), path, depth)
  if (typeof shape === 'object') return readNested(value, shape, path, depth)
  switch (shape) {
    case 'any':
      return value
    case 'string':
      if (typeof value === 'string') return value
      throw invalidValue(path, 'TYPE_STRING', value)
    case 'bool':
      if (typeof value === 'boolean') return value
      if (value === 'true' || value === 'false') return value === 'true'
      throw invalidValue(path, 'TYPE_BOOL', value)
    case 'int64':
      return int64Text(value) ?? raise(invalidValue(path, 'TYPE_INT64', value))
  }
}

function readNested(
  value: unknown,
  shape: Exclude<Shape, string | (() => Shape)>,
  path: string,
  depth: number,
): unknown {
  if ('list' in shape) {
    if (!Array.isArray(value)) throw invalidValue(path, 'list', value)
    return value.map((item, index) => read(item, shape.list, `${path}[${index}]`, depth + 1))
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalidValue(path || 'the request', 'object', value)
  const entries = Object.entries(value as Json)
  const known = 'map' in shape ? entries : entries.filter(([name]) => Object.hasOwn(shape.object, name))
  return Object.fromEntries(
    known.map(([name, member]) => {
      const memberShape = 'map' in shape ? shape.map : shape.object[name]!
      return [
        name,
        member === null ? null : read(member, memberShape, path === '' ? name : `${path}.${name}`, depth + 1),
      ]
    }),
  )
}

function int64Text(value: unknown): string | undefined {
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value
  if (typeof text !== 'string' || !/^-?\d{1,19}$/.test(text)) return undefined
  const number = BigInt(text)
  return number < INT64_MIN || number > INT64_MAX ? undefined : String(number)
}

/** In the words of Google's JSON transcoding. */
function invalidValue(path: string, type: string, value: unknown): RestError {
  const shown = (JSON.stringify(value) ?? 'nothing').slice(0, 100)
  return new RestError(400, 'invalid', `Invalid value at '${path}' (${type}), ${shown}`)
}

function raise(error: Error): never {
  throw error
}
