// Parses a raw configuration against a set of definitions: defaults filled in, every error collected, nothing thrown.
import { Secret } from '@millrace/core'
import {
  type ConfigError,
  type ConfigValue,
  invalid,
  isRequired,
  type KeyDef,
  type KeyDefs,
  type RawConfig,
  type Values,
} from './key.ts'
import { parseValue } from './parse-value.ts'

/** Keys whose names are only known at run time. `values` lacks exactly the keys named in `errors`. */
export type ParsedByName = {
  readonly values: ReadonlyMap<string, ConfigValue>
  /** Of the right type, but against a rule: to be shown, not to be used. */
  readonly refused: ReadonlyMap<string, ConfigValue>
  readonly errors: readonly ConfigError[]
}
/** Keys of a fixed table, typed by it. */
export type ParsedKeys<D extends KeyDefs> = {
  readonly values: Partial<Values<D>>
  readonly refused: ReadonlyMap<string, ConfigValue>
  readonly errors: readonly ConfigError[]
}

export function parseByName(defs: KeyDefs, raw: RawConfig): ParsedByName {
  const values = new Map<string, ConfigValue>()
  const refused = new Map<string, ConfigValue>()
  const errors: ConfigError[] = []
  for (const [key, def] of Object.entries(defs)) {
    const text = Object.hasOwn(raw, key) ? raw[key] : undefined
    if (text !== undefined) {
      const parsed = parseValue(key, def, text)
      if ('error' in parsed) {
        errors.push(parsed.error)
        if (parsed.refused !== undefined) refused.set(key, parsed.refused)
      } else values.set(key, parsed.value)
    } else if (isRequired(def)) {
      errors.push(invalid(key, `Missing required configuration "${key}" which has no default value.`))
    } else {
      values.set(key, defaultOf(def))
    }
  }
  return { values, refused, errors }
}

/** A definition is plain data, so the default of a PASSWORD key stands there as text. */
const defaultOf = (def: KeyDef): ConfigValue =>
  def.type === 'PASSWORD' && typeof def.default === 'string' ? new Secret(def.default) : (def.default ?? null)

export function parseKeys<D extends KeyDefs>(defs: D, raw: RawConfig): ParsedKeys<D> {
  const { values, refused, errors } = parseByName(defs, raw)
  // The one place where the values and the type derived from the definitions meet.
  return { values: Object.fromEntries(values) as Partial<Values<D>>, refused, errors }
}

/** The whole typed result, once there are no errors. */
export const complete = <D extends KeyDefs>(parsed: ParsedKeys<D>): Values<D> | null =>
  parsed.errors.length === 0 ? (parsed.values as Values<D>) : null
