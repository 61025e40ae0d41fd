// PUT /connector-plugins/{connector}/config/validate.
import type { RawConfig } from '../definition/key.ts'
import { type ConfigInfos, configInfos } from '../definition/validate-json.ts'
import { type ConnectorContext, inspectConnector } from './inspect.ts'
import { CONNECTOR_CLASS } from './plugins.ts'

/** Values that look like secrets under keys nobody defined: they must not come back in clear. */
const SECRET_NAME = /pass|secret|token|credential|keyfile|private|jaas|auth|api[._-]?key|user\.?info/i

/** The answer of the endpoint: errors are inside, the call itself never fails. Touches neither Kafka nor BigQuery. */
export function validateConnectorConfig(raw: RawConfig, context: ConnectorContext = {}): ConfigInfos {
  const { allDefs, allValues, undefinedKeys, errors } = inspectConnector(raw, context)
  const undefinedValues = new Map(undefinedKeys.map(key => [key, shown(key, raw[key] ?? '')]))
  return configInfos(raw['connector.class'] ?? CONNECTOR_CLASS, allDefs, allValues, undefinedValues, errors)
}

const shown = (key: string, value: string): string => (SECRET_NAME.test(key) ? '[hidden]' : value)
