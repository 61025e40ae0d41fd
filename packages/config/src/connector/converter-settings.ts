// Which converter a connector uses for keys, values and headers, and with which settings.
//
// As in Connect, naming a converter in the connector replaces the worker's together with all its settings. Unlike Connect, settings
// without a class (`value.converter.schemas.enable=false` alone) are not silently ignored: they refine the worker's converter.
import type { ConfigError, ConfigNotice, ConfigValue, KeyDef, RawConfig } from '../definition/key.ts'
import { invalidValue } from '../definition/key.ts'
import { complete, parseByName, parseKeys } from '../definition/parse-keys.ts'
import {
  CONVERTER_TYPE,
  CONVERTERS,
  type ConverterRole,
  type ConverterSettings,
  JSON_CONVERTER_KEYS,
  SUPPORTED_CONVERTERS,
} from './converters.ts'
import { notSupported } from './refusals.ts'
import { classNamed } from './transformations.ts'

export type JsonConverterOptions = {
  readonly kind: 'json'
  /** Records are envelopes of schema and payload. */
  readonly schemasEnable: boolean
  readonly decimalFormat: 'BASE64' | 'NUMERIC'
  readonly replaceNullWithDefault: boolean
}

export type ConverterKeys = {
  readonly settings: ConverterSettings
  readonly defs: ReadonlyMap<string, KeyDef>
  readonly values: ReadonlyMap<string, ConfigValue>
  readonly errors: readonly ConfigError[]
  readonly notices: readonly ConfigNotice[]
}

export function parseConverter(raw: RawConfig, role: ConverterRole, inherited: ConverterSettings): ConverterKeys {
  const key = `${role}.converter`
  const named = raw[key]?.trim()
  const { 'plugin.version': _version, ...own } = optionsUnder(raw, `${key}.`)
  const className = classNamed(CONVERTERS, named ?? inherited.className) ?? named ?? inherited.className
  const options = named === undefined ? { ...inherited.options, ...own } : own
  const prefixed = Object.fromEntries(
    Object.entries(CONVERTERS[className] ?? {}).map(([name, def]) => [
      `${key}.${name}`,
      { ...def, displayName: def.displayName ?? name },
    ]),
  )
  const parsed = parseByName(prefixed, prefixKeys({ ...options, [CONVERTER_TYPE]: role }, `${key}.`))
  const supported = classError(role, key, className)
  return {
    settings: { className, options },
    defs: new Map(Object.entries(prefixed)),
    values: new Map([...parsed.refused, ...parsed.values]),
    // The keys of a converter that cannot be used anyway would only add noise.
    errors: supported ? [supported] : parsed.errors,
    notices: named === undefined && Object.keys(own).length > 0 ? [refines(key, className)] : [],
  }
}

function classError(role: ConverterRole, key: string, className: string): ConfigError | null {
  if (SUPPORTED_CONVERTERS[role].includes(className)) return null
  if (!Object.hasOwn(CONVERTERS, className)) {
    return invalidValue(key, className, `Class ${className} could not be found.`)
  }
  const choices = SUPPORTED_CONVERTERS[role].join(', ')
  return notSupported(key, `${className} is not built in this version (supported: ${choices})`)
}

const refines = (key: string, className: string): ConfigNotice => ({
  key,
  kind: 'effect',
  message: `Settings of ${key} without ${key} itself refine the worker's ${className}; Kafka Connect would ignore them.`,
})

const optionsUnder = (raw: RawConfig, prefix: string): Record<string, string> =>
  Object.fromEntries(
    Object.entries(raw)
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, value]) => [key.slice(prefix.length), value]),
  )
const prefixKeys = (options: Readonly<Record<string, string>>, prefix: string): Record<string, string> =>
  Object.fromEntries(Object.entries(options).map(([key, value]) => [prefix + key, value]))

/** Typed options of a JsonConverter whose settings have no errors. */
export function jsonOptions(settings: ConverterSettings): JsonConverterOptions {
  const values = complete(parseKeys(JSON_CONVERTER_KEYS, settings.options))
  return {
    kind: 'json',
    schemasEnable: values?.['schemas.enable'] ?? true,
    decimalFormat: values?.['decimal.format'] ?? 'BASE64',
    replaceNullWithDefault: values?.['replace.null.with.default'] ?? true,
  }
}
