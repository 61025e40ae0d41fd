// Text to value and back, as Kafka's ConfigDef.parseType and convertToString do: everything is trimmed first.
import { Secret } from '@millrace/core'
import { type ConfigError, type ConfigValue, invalidValue, type KeyDef } from './key.ts'
import { hasMoreItems, LIST_ITEMS_MAX, tooManyItems } from './list-items.ts'
import { canonical, problemOf } from './rules.ts'

const INTEGER_BOUNDS = {
  SHORT: [-32768n, 32767n],
  INT: [-2147483648n, 2147483647n],
  LONG: [-(2n ** 63n), 2n ** 63n - 1n],
} as const

/** `refused`: of the right type, but against the rule. */
type Parsed = { readonly value: ConfigValue } | { readonly error: ConfigError; readonly refused?: ConfigValue }

/** Parses one value and applies its rule. */
export function parseValue(key: string, def: KeyDef, text: string): Parsed {
  const trimmed = text.trim()
  if (def.type === 'LIST' && hasMoreItems(trimmed, LIST_ITEMS_MAX)) {
    return { error: invalidValue(key, trimmed, tooManyItems(def.rule?.maxItems ?? LIST_ITEMS_MAX)) }
  }
  if (def.also?.includes(trimmed)) return { value: trimmed }
  if (def.type === 'PASSWORD') return parsePassword(key, def, trimmed)
  const value = readAs(def, trimmed)
  if (value === null) return { error: invalidValue(key, trimmed, typeProblem(def)) }
  const problem = def.rule ? problemOf(def.rule, value) : null
  if (problem === null) return { value }
  const shown = Array.isArray(value) ? `[${value.join(', ')}]` : trimmed
  return { error: invalidValue(key, shown, problem), refused: value }
}

function parsePassword(key: string, def: KeyDef, trimmed: string): Parsed {
  const problem = def.rule ? problemOf(def.rule, trimmed) : null
  return problem === null
    ? { value: new Secret(trimmed) }
    : { error: invalidValue(key, '[hidden]', problem), refused: new Secret(trimmed) }
}

function readAs(def: KeyDef, text: string): boolean | number | string | readonly string[] | null {
  switch (def.type) {
    case 'BOOLEAN':
      return /^true$/i.test(text) ? true : /^false$/i.test(text) ? false : null
    case 'SHORT':
    case 'INT':
    case 'LONG':
      return readInteger(text, INTEGER_BOUNDS[def.type])
    case 'DOUBLE':
      return /^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$/.test(text) ? Number(text) : null
    case 'LIST':
      return text === '' ? [] : text.split(',').map(item => item.trim())
    default:
      return canonical(def.rule, text)
  }
}

function readInteger(text: string, [min, max]: readonly [bigint, bigint]): number | null {
  if (!/^[-+]?\d{1,20}$/.test(text)) return null
  const value = BigInt(text.replace('+', ''))
  return value >= min && value <= max ? Number(value) : null
}

const typeProblem = (def: KeyDef): string => {
  const words = def.also ? ` or one of: ${def.also.join(', ')}` : ''
  return def.type === 'BOOLEAN'
    ? 'Expected value to be either true or false'
    : `Not a number of type ${def.type}${words}`
}

/** A value as text: what `/validate` shows. Secrets are `[hidden]`, as Kafka writes them. */
export function valueText(value: ConfigValue | undefined): string | null {
  if (value === null || value === undefined) return null
  if (value instanceof Secret) return '[hidden]'
  return Array.isArray(value) ? value.join(',') : String(value)
}
