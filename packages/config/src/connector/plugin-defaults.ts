// What the definitions say on one worker only: the converters a connector gets that names none, and the version of every plugin
// (KIP-891). Connect's validation shows them, so forms do.
import type { ConfigValue, KeyDef, RawConfig } from '../definition/key.ts'
import { CONNECTOR_KEYS } from './connector-keys.ts'
import { CONVERTER_ROLES, CONVERTERS, type ConverterRole, type ConverterSettings } from './converters.ts'
import { classNamed } from './transformations.ts'

export type PluginDefaults = {
  readonly defs: ReadonlyMap<string, KeyDef>
  /** To be shown; what the configuration says comes first. */
  readonly values: ReadonlyMap<string, ConfigValue>
}

/** @param version of every plugin on this worker; null: nobody said. */
export function pluginDefaults(
  raw: RawConfig,
  inherited: Readonly<Record<ConverterRole, ConverterSettings>>,
  version: string | null,
): PluginDefaults {
  const defs = new Map<string, KeyDef>()
  const values = new Map<string, ConfigValue>()
  const add = (key: string, def: KeyDef, value: ConfigValue): void => {
    defs.set(key, def)
    values.set(key, value)
  }
  const connectorVersion = 'connector.plugin.version'
  add(connectorVersion, versioned(CONNECTOR_KEYS[connectorVersion], version), raw[connectorVersion] ?? version)
  for (const role of CONVERTER_ROLES) {
    const key = `${role}.converter` as const
    const versionKey = `${key}.plugin.version` as const
    const { className } = inherited[role]
    const found = classNamed(CONVERTERS, raw[key]?.trim() ?? className)
    const def = versioned(CONNECTOR_KEYS[versionKey], found === null ? null : version)
    add(key, { ...CONNECTOR_KEYS[key], default: className }, found)
    add(versionKey, found === null ? { ...def, visibleWhen: NEVER } : def, raw[versionKey] ?? def.default ?? null)
  }
  return { defs, values }
}

/** No class, no version to choose. */
const NEVER: NonNullable<KeyDef['visibleWhen']> = { key: 'connector.class', in: [] }

const versioned = (def: KeyDef, version: string | null): KeyDef => ({
  ...def,
  default: version,
  recommended: version === null ? [] : [version],
})
