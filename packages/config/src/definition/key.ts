// A configuration key as data, with Kafka Connect's vocabulary (org.apache.kafka.common.config.ConfigDef). One definition yields
// the parsed type, the validation, the JSON of `/validate` and the reference pages.
import type { RawConfig, Secret } from '@millrace/core'
import type { Rule } from './rules.ts'

export type ConfigType = 'BOOLEAN' | 'STRING' | 'INT' | 'SHORT' | 'LONG' | 'DOUBLE' | 'LIST' | 'CLASS' | 'PASSWORD'
export type Importance = 'HIGH' | 'MEDIUM' | 'LOW'
export type Width = 'NONE' | 'SHORT' | 'MEDIUM' | 'LONG'

export type KeyDef = {
  readonly type: ConfigType
  /** Absent: the key is required. `null`: optional without a value. */
  readonly default?: boolean | number | string | readonly string[] | null
  readonly rule?: Rule
  /** Words accepted beside the values of the type, such as `auto` for a number. */
  readonly also?: readonly string[]
  /** With unit and reason: it becomes the reference page. */
  readonly doc: string
  readonly importance: Importance
  /** null: it has none, as Connect's options of converters and transformations. */
  readonly group: string | null
  /** Place within the group; counted from 1 where nothing is said. */
  readonly order?: number
  readonly width?: Width
  /** Kafka's default display name is the key itself. */
  readonly displayName?: string
  readonly dependents?: readonly string[]
  readonly recommended?: readonly string[]
  /** Shown only while another key has one of these values; otherwise always. */
  readonly visibleWhen?: { readonly key: string; readonly in: readonly string[] }
  /** Accepted so that pasted configs run, but without effect; says why. */
  readonly ignored?: string
}
export type KeyDefs = Readonly<Record<string, KeyDef>>

export type ConfigValue = boolean | number | string | readonly string[] | Secret | null

type BaseValue = {
  BOOLEAN: boolean
  STRING: string
  INT: number
  SHORT: number
  /** Beyond 2^53 it rounds: every LONG here is a duration or a count, where that means "for ever". */
  LONG: number
  DOUBLE: number
  LIST: readonly string[]
  CLASS: string
  PASSWORD: Secret
}
/** The parsed type of one key: its type or its words, or null when it may be absent. */
export type ValueOf<D extends KeyDef> =
  | (D extends { readonly rule: { readonly oneOf: readonly (infer U)[] } } ? U : BaseValue[D['type']])
  | (D extends { readonly also: readonly (infer A)[] } ? A : never)
  | (D extends { readonly default: null } ? null : never)
export type Values<D extends KeyDefs> = { readonly [K in keyof D]: ValueOf<D[K]> }

/** Raw configuration as users write it: every value is text. */
export type { RawConfig }

export type ConfigErrorCode = 'CONFIG_INVALID' | 'CONFIG_UNKNOWN_KEY' | 'NOT_SUPPORTED'
export type ConfigError = { readonly key: string; readonly code: ConfigErrorCode; readonly message: string }
/** Something accepted that the user should know about once; logged as WARN (unknown, ignored with a consequence) or INFO. */
export type ConfigNotice = {
  readonly key: string
  readonly kind: 'unknown' | 'ignored' | 'effect'
  readonly message: string
}

export const invalid = (key: string, message: string): ConfigError => ({ key, code: 'CONFIG_INVALID', message })
/** Kafka's ConfigException text. The value is left out where it may be a secret. */
export const invalidValue = (key: string, shown: string, problem: string): ConfigError =>
  invalid(key, `Invalid value ${shortened(shown)} for configuration ${key}: ${problem}`)
/** A megabyte of value helps nobody in a log line. */
const SHOWN_CHARACTERS_MAX = 200
const shortened = (text: string): string =>
  text.length <= SHOWN_CHARACTERS_MAX ? text : `${text.slice(0, SHOWN_CHARACTERS_MAX)}…`
export const isRequired = (def: KeyDef): boolean => def.default === undefined
