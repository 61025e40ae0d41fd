export type { FilterTransform, Predicate } from './connector/chain.ts'
export {
  type ConnectorConfig,
  type ConnectorParse,
  type CredentialSource,
  type DeadLetterConfig,
  fullyResolvedConfig,
  parseConnectorConfig,
  resolvedConfig,
  selectTopics,
  type TopicSelection,
} from './connector/connector-config.ts'
export type { JsonConverterOptions } from './connector/converter-settings.ts'
export type { ConverterSettings } from './connector/converters.ts'
export type { ConnectorContext } from './connector/inspect.ts'
export {
  CONNECTOR_CLASS,
  connectorPlugins,
  isConnectorClass,
  type Plugin,
  type PluginType,
  pluginConfig,
  TASK_CLASS,
} from './connector/plugins.ts'
export { sanitizeName } from './connector/topic-tables.ts'
export { validateConnectorConfig } from './connector/validate-connector.ts'
export type { ConfigError, ConfigErrorCode, ConfigNotice, KeyDef, KeyDefs, Values } from './definition/key.ts'
export { configRefused, connectRefusalMessage } from './definition/refusal-error.ts'
export type { ConfigInfo, ConfigInfos, ConfigKeyInfo, ConfigValueInfo } from './definition/validate-json.ts'
export { readAllowed } from './providers/allowed-files.ts'
export type { ProviderAnswer, ProviderFiles } from './providers/config-provider.ts'
export { hasPlaceholder } from './providers/placeholders.ts'
export { compileRegex, type TextMatcher } from './regex/compile.ts'
export type { ClientRole } from './worker/client-keys.ts'
export type { ResponseHeader } from './worker/response-headers.ts'
export { isLoopbackHost, type Listener, listenerText, openToOthers, type RestConfig } from './worker/rest-config.ts'
export { environmentVariable, type WorkerSources } from './worker/sources.ts'
export {
  type ClientProperties,
  type DescribedSetting,
  parseWorkerConfig,
  type WorkerConfig,
  type WorkerParse,
} from './worker/worker-config.ts'
