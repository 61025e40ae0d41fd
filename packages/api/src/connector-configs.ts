// The config definitions of @millrace/config as the API needs them.
import {
  CONNECTOR_CLASS,
  type ConnectorContext,
  connectorPlugins,
  isConnectorClass,
  pluginConfig,
  TASK_CLASS,
  validateConnectorConfig,
} from '@millrace/config'
import type { ConnectorConfigs } from './deps.ts'

/** @param version of Millrace: the version of every plugin. */
export function connectorConfigs(version: string, context: ConnectorContext): ConnectorConfigs {
  return {
    taskClass: TASK_CLASS,
    connectorClass: name => (isConnectorClass(name) ? CONNECTOR_CLASS : null),
    validate: config => validateConnectorConfig(config, { ...context, pluginVersion: version }),
    plugins: () => connectorPlugins(version, { connectorsOnly: false }),
    pluginConfig: name => pluginConfig(name, version),
  }
}
