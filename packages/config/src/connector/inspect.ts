// Everything there is to say about a raw connector configuration: definitions, values, errors, notices. `parse` and `validate` are
// two views of it, so they can never disagree.
import type { ConfigError, ConfigNotice, ConfigValue, KeyDef, RawConfig, Values } from '../definition/key.ts'
import { invalid } from '../definition/key.ts'
import { judgeUnknownKeys, type UnknownKeyRule } from '../definition/near-miss.ts'
import { parseKeys } from '../definition/parse-keys.ts'
import { type ConfigProviders, NO_PROVIDERS } from '../providers/config-provider.ts'
import { type Resolution, resolvePlaceholders } from '../providers/placeholders.ts'
import { unspoken } from '../providers/unspoken.ts'
import type { OverridePolicy } from '../worker/override-policy.ts'
import { type ChainKeys, parseChain } from './chain.ts'
import {
  CLIENT_OVERRIDE_KEYS,
  type ClientOverrides,
  isClientOverride,
  parseClientOverrides,
} from './client-overrides.ts'
import { CONNECTOR_KEYS, type ConnectorKeys } from './connector-keys.ts'
import { type ConverterKeys, parseConverter } from './converter-settings.ts'
import { CONVERTER_ROLES, type ConverterRole, type ConverterSettings, DEFAULT_CONVERTERS } from './converters.ts'
import { crossChecks } from './cross-checks.ts'
import { pluginDefaults } from './plugin-defaults.ts'
import { refusalsOf } from './refusals.ts'

/** What a connector inherits from the worker it is checked on. Empty is fine: the defaults of a worker. */
export type ConnectorContext = {
  readonly workerGroupId?: string
  /** Config and journal topic: never a source, whatever a regex says. */
  readonly reservedTopics?: readonly string[]
  readonly converters?: Partial<Readonly<Record<ConverterRole, ConverterSettings>>>
  /** Of every plugin on the worker. */
  readonly pluginVersion?: string
  readonly unknownKeys?: UnknownKeyRule
  readonly overridePolicy?: OverridePolicy
  /** Of the worker's file, for connectors without an override. */
  readonly autoOffsetReset?: 'earliest' | 'latest'
  /** What placeholders stand for on this worker; without it there are none. */
  readonly providers?: ConfigProviders
  /** Where the file of a keyfile may be; null or absent: anywhere. */
  readonly keyfilePaths?: readonly string[] | null
}

export type Inspection = {
  readonly values: Partial<Values<ConnectorKeys>>
  readonly chain: ChainKeys
  readonly converters: Readonly<Record<ConverterRole, ConverterKeys>>
  readonly overrides: ClientOverrides
  readonly allDefs: ReadonlyMap<string, KeyDef>
  /** To be shown: what a rule refuses is among them, if it is of the right type. */
  readonly allValues: ReadonlyMap<string, ConfigValue>
  /** Keys without a definition. */
  readonly undefinedKeys: readonly string[]
  readonly errors: readonly ConfigError[]
  readonly notices: readonly ConfigNotice[]
  /** The configuration with placeholders resolved, and what must not be shown of it. */
  readonly resolution: Resolution
}

/** Keys the whole cluster reads as they are written, or that make the names of others. */
const WITHOUT_PLACEHOLDERS: readonly string[] = ['name', 'connector.class', 'tasks.max', 'transforms', 'predicates']

/** A list with more is refused as it is, and nothing more is said of it. */
const ALIASES_MAX = 100

/** Far more than any connector has; what is beyond is not even looked at. */
const KEYS_MAX = 1000

export function inspectConnector(given: RawConfig, context: ConnectorContext): Inspection {
  const entries = Object.entries(given)
  if (entries.length <= KEYS_MAX) return inspectBounded(given, context)
  // Known keys first, or what was given would be reported as missing.
  const isKnown = ([key]: readonly [string, string]): boolean => Object.hasOwn(CONNECTOR_KEYS, key)
  const ordered = [...entries.filter(isKnown), ...entries.filter(entry => !isKnown(entry))]
  const inspection = inspectBounded(Object.fromEntries(ordered.slice(0, KEYS_MAX)), context)
  const message = `A connector has at most ${KEYS_MAX} keys, but here are ${entries.length}`
  return { ...inspection, errors: [...inspection.errors, invalid('name', message)] }
}

function inspectBounded(given: RawConfig, context: ConnectorContext): Inspection {
  const resolution = resolvePlaceholders(given, context.providers ?? NO_PROVIDERS)
  const misplaced = WITHOUT_PLACEHOLDERS.filter(key => resolution.keys.has(key))
  const raw = { ...resolution.config, ...Object.fromEntries(misplaced.map(key => [key, given[key] ?? ''])) }
  const parsed = parseKeys<ConnectorKeys>(CONNECTOR_KEYS, raw)
  const values = parsed.values
  const version = context.pluginVersion ?? null
  const aliasesOf = (key: 'transforms' | 'predicates'): readonly string[] => {
    const list = values[key] ?? parsed.refused.get(key)
    const aliases = Array.isArray(list) ? [...new Set<string>(list)] : []
    return aliases.length > ALIASES_MAX ? [] : aliases
  }
  const chain = parseChain(raw, aliasesOf('transforms'), aliasesOf('predicates'), version)
  const overrides = parseClientOverrides(raw, context.overridePolicy)
  const inherited = { ...DEFAULT_CONVERTERS, ...context.converters }
  const converter = (role: ConverterRole): ConverterKeys => parseConverter(raw, role, inherited[role])
  const converters = { key: converter('key'), value: converter('value'), header: converter('header') }

  const sections = [chain, ...CONVERTER_ROLES.map(role => converters[role]), overrides]
  const defaults = pluginDefaults(raw, inherited, version)
  const allDefs = new Map<string, KeyDef>([
    ...Object.entries<KeyDef>(CONNECTOR_KEYS),
    ...defaults.defs,
    ...sections.flatMap(section => [...section.defs]),
  ])
  const allValues = new Map<string, ConfigValue>([
    ...parsed.refused,
    ...Object.entries<ConfigValue>(values as Readonly<Record<string, ConfigValue>>),
    ...defaults.values,
    ...sections.flatMap(section => [...section.values]),
  ])
  const undefinedKeys = Object.keys(raw).filter(key => !allDefs.has(key))
  const unknown = judgeUnknownKeys(
    undefinedKeys.filter(key => !isClientOverride(key)),
    [...allDefs.keys(), ...Object.keys(CLIENT_OVERRIDE_KEYS)],
    values['config.unknown.keys'] ?? context.unknownKeys ?? 'near',
  )
  return {
    values,
    chain,
    converters,
    overrides,
    allDefs,
    allValues,
    undefinedKeys,
    errors: [
      ...misplaced.map(key => invalid(key, `Configuration ${key} may not hold a placeholder of a config provider.`)),
      ...unspoken(
        [
          ...parsed.errors,
          ...sections.flatMap(section => section.errors),
          ...refusalsOf(values),
          ...crossChecks(values, overrides, context),
          ...unknown.errors,
        ],
        resolution,
        allDefs,
      ).filter(error => !misplaced.includes(error.key)),
    ],
    notices: [
      ...ignoredNotices(raw, allDefs),
      ...CONVERTER_ROLES.flatMap(role => converters[role].notices),
      ...overrides.notices,
      ...unknown.notices,
    ],
    resolution,
  }
}

function ignoredNotices(raw: RawConfig, defs: ReadonlyMap<string, KeyDef>): readonly ConfigNotice[] {
  return [...defs].flatMap(([key, def]) => (def.ignored && Object.hasOwn(raw, key) ? [ignored(key, def.ignored)] : []))
}

const ignored = (key: string, why: string): ConfigNotice => ({
  key,
  kind: 'ignored',
  message: `Configuration ${key} is ignored: ${why}.`,
})
