// The body of PUT /connector-plugins/{connector}/config/validate and of GET /connector-plugins/{plugin}/config, key for key as
// Kafka Connect writes it (connect/runtime ConfigInfos, ConfigInfo, ConfigKeyInfo, ConfigValueInfo).
import type { ConfigError, ConfigType, ConfigValue, Importance, KeyDef, Width } from './key.ts'
import { isRequired } from './key.ts'
import { valueText } from './parse-value.ts'

export type ConfigKeyInfo = {
  readonly name: string
  readonly type: ConfigType
  readonly required: boolean
  readonly default_value: string | null
  readonly importance: Importance
  readonly documentation: string
  readonly group: string | null
  readonly width: Width
  readonly display_name: string
  readonly dependents: readonly string[]
  readonly order: number
}
export type ConfigValueInfo = {
  readonly name: string
  readonly value: string | null
  readonly recommended_values: readonly string[]
  readonly errors: readonly string[]
  readonly visible: boolean
}
export type ConfigInfo = { readonly definition: ConfigKeyInfo | null; readonly value: ConfigValueInfo }
export type ConfigInfos = {
  readonly name: string
  readonly error_count: number
  readonly groups: readonly string[]
  readonly configs: readonly ConfigInfo[]
}

const keyInfo = (name: string, def: KeyDef, order: number): ConfigKeyInfo => ({
  name,
  type: def.type,
  required: isRequired(def),
  default_value: defaultText(def),
  importance: def.importance,
  documentation: def.ignored === undefined ? def.doc : `${def.doc} No effect: ${def.ignored}.`,
  group: def.group,
  width: def.width ?? 'NONE',
  display_name: def.displayName ?? name,
  dependents: def.dependents ?? [],
  order,
})

/** A default of a PASSWORD key is hidden as its value is. */
const defaultText = (def: KeyDef): string | null =>
  def.type === 'PASSWORD' && def.default ? '[hidden]' : valueText(def.default)

/** Kafka's ConfigDef: of a key without a group. */
const NO_ORDER = -1

/** Definitions in order, numbered within their group where they say nothing else. */
export function keyInfos(defs: Iterable<readonly [string, KeyDef]>): readonly ConfigKeyInfo[] {
  const orders = new Map<string, number>()
  return [...defs].map(([name, def]) => {
    if (def.group === null || def.order !== undefined) return keyInfo(name, def, def.order ?? NO_ORDER)
    const order = (orders.get(def.group) ?? 0) + 1
    orders.set(def.group, order)
    return keyInfo(name, def, order)
  })
}

/** `values` holds what a rule refuses, too, and may lack keys whose text did not parse; keys in `undefinedValues` have no definition (`definition: null`). */
export function configInfos(
  plugin: string,
  defs: ReadonlyMap<string, KeyDef>,
  values: ReadonlyMap<string, ConfigValue>,
  undefinedValues: ReadonlyMap<string, string>,
  errors: readonly ConfigError[],
): ConfigInfos {
  const messages = Map.groupBy(errors, error => error.key)
  const valueInfo = (name: string, value: string | null, def: KeyDef | null): ConfigValueInfo => ({
    name,
    value,
    recommended_values: def?.recommended ?? [],
    errors: (messages.get(name) ?? []).map(error => error.message),
    visible: def?.visibleWhen ? def.visibleWhen.in.includes(valueText(values.get(def.visibleWhen.key)) ?? '') : true,
  })
  const defined = keyInfos(defs).map(definition => ({
    definition,
    value: valueInfo(definition.name, valueText(values.get(definition.name)), defs.get(definition.name) ?? null),
  }))
  const rest = [...undefinedValues].map(([name, value]) => ({ definition: null, value: valueInfo(name, value, null) }))
  const configs: readonly ConfigInfo[] = [...defined, ...rest]
  return {
    name: plugin,
    error_count: configs.reduce((count, config) => count + config.value.errors.length, 0),
    groups: [...new Set([...defs.values()].flatMap(({ group }) => (group === null ? [] : [group])))],
    configs,
  }
}
