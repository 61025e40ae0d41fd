// Which configuration keys hold secrets: by their definition, and by their name where nobody defined them.
import type { RawConfig } from '@millrace/core'
import type { ConnectorConfigs } from './deps.ts'

export const MASK = '[hidden]'
const TELLING_NAME = /password|passwd|secret|token|credential|private|api[._-]?key|keyfile|jaas|user\.?info/i
/** `${file:/path:key}` says where a secret is, not what it is. */
const PLACEHOLDER = /^\$\{[^{}]*\}$/

export function isSecretKey(configs: ConnectorConfigs, config: RawConfig, key: string): boolean {
  if (TELLING_NAME.test(key)) return true
  const definitions = configs.pluginConfig(config['connector.class'] ?? '') ?? []
  return definitions.some(({ name, type }) => name === key && type === 'PASSWORD')
}

export function masked(configs: ConnectorConfigs, config: RawConfig): RawConfig {
  const entries = Object.entries(config).map(([key, value]) => {
    const isShown = PLACEHOLDER.test(value) || !isSecretKey(configs, config, key)
    return [key, isShown ? value : MASK] as const
  })
  return Object.fromEntries(entries)
}
