// The plugins this worker knows: what GET /connector-plugins lists and GET /connector-plugins/{plugin}/config describes.
import type { KeyDef } from '../definition/key.ts'
import { type ConfigKeyInfo, keyInfos } from '../definition/validate-json.ts'
import { CONNECTOR_KEYS } from './connector-keys.ts'
import { CONVERTERS, SIMPLE_HEADER_CONVERTER } from './converters.ts'
import { classNamed, PREDICATES, TRANSFORMATIONS } from './transformations.ts'

export const CONNECTOR_CLASS = 'io.millrace.bigquery.BigQuerySinkConnector'
export const TASK_CLASS = 'io.millrace.bigquery.BigQuerySinkTask'
/** The class of Aiven's and of Confluent's connector. Listed as well: ns4kafka and web forms take no class that is not in the list. */
const WEPAY_CLASS = 'com.wepay.kafka.connect.bigquery.BigQuerySinkConnector'
const LISTED_CONNECTORS: readonly string[] = [CONNECTOR_CLASS, WEPAY_CLASS]
/** All names a configuration may give the connector. */
const CONNECTOR_ALIASES: readonly string[] = [
  ...LISTED_CONNECTORS,
  'BigQuerySinkConnector',
  'BigQuerySink',
  'BigQueryStorageSink',
]
export const isConnectorClass = (name: string): boolean => CONNECTOR_ALIASES.includes(name)

export type PluginType = 'sink' | 'source' | 'converter' | 'header_converter' | 'transformation' | 'predicate'
export type Plugin = { readonly class: string; readonly type: PluginType; readonly version: string }

/** Kafka Connect's own are header converters too. */
const HEADER_CONVERTERS = Object.keys(CONVERTERS).filter(name => name.startsWith('org.apache.kafka.'))

/** All plugins known by class name, connectors first. Every one is at the version of the product. */
export function connectorPlugins(version: string, options: { readonly connectorsOnly: boolean }): readonly Plugin[] {
  const of = (type: PluginType, classes: readonly string[]): readonly Plugin[] =>
    classes.map(name => ({ class: name, type, version }))
  const connectors = of('sink', LISTED_CONNECTORS)
  if (options.connectorsOnly) return connectors
  return [
    ...connectors,
    ...of(
      'converter',
      Object.keys(CONVERTERS).filter(name => name !== SIMPLE_HEADER_CONVERTER),
    ),
    ...of('header_converter', HEADER_CONVERTERS),
    ...of('transformation', Object.keys(TRANSFORMATIONS)),
    ...of('predicate', Object.keys(PREDICATES)),
  ]
}

/** The definitions of a plugin named in full, simply or by alias; null when there is no such plugin. */
export function pluginConfig(name: string, version: string | null = null): readonly ConfigKeyInfo[] | null {
  const ofConnector = 'connector.plugin.version'
  if (isConnectorClass(name))
    return keyInfos(
      Object.entries<KeyDef>({
        ...CONNECTOR_KEYS,
        [ofConnector]: { ...CONNECTOR_KEYS[ofConnector], default: version },
      }),
    )
  for (const classes of [CONVERTERS, TRANSFORMATIONS, PREDICATES]) {
    const found = classNamed(classes, name)
    if (found !== null) return keyInfos(Object.entries(classes[found] ?? {}))
  }
  return null
}
