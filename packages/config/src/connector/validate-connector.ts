// PUT /connector-plugins/{connector}/config/validate.
import type { RawConfig } from '../definition/key.ts'
import { type ConfigInfo, type ConfigInfos, configInfos } from '../definition/validate-json.ts'
import { type ConnectorContext, inspectConnector } from './inspect.ts'
import { CONNECTOR_CLASS } from './plugins.ts'

/** Values that look like secrets under keys nobody defined: they must not come back in clear. */
const SECRET_NAME = /pass|secret|token|credential|keyfile|private|jaas|auth|api[._-]?key|user\.?info/i

/**
 * The answer of the endpoint: errors are inside, the call itself never fails. Touches neither Kafka nor BigQuery. Placeholders are
 * resolved to be checked and answered as they were written: Connect's answer shows what they stand for to whoever asks.
 */
export function validateConnectorConfig(raw: RawConfig, context: ConnectorContext = {}): ConfigInfos {
  const { allDefs, allValues, undefinedKeys, errors, resolution } = inspectConnector(raw, context)
  const undefinedValues = new Map(undefinedKeys.map(key => [key, shown(key, raw[key] ?? '')]))
  const infos = configInfos(raw['connector.class'] ?? CONNECTOR_CLASS, allDefs, allValues, undefinedValues, errors)
  return { ...infos, configs: infos.configs.map(info => asWritten(info, raw, resolution.keys)) }
}

function asWritten(info: ConfigInfo, raw: RawConfig, placeholders: ReadonlySet<string>): ConfigInfo {
  const { name } = info.value
  if (!placeholders.has(name) || info.definition === null) return info
  const value = info.definition.type === 'PASSWORD' ? '[hidden]' : (raw[name] ?? null)
  return { ...info, value: { ...info.value, value } }
}

const shown = (key: string, value: string): string => (SECRET_NAME.test(key) ? '[hidden]' : value)
