// Which configuration values are secrets, and who may see them as they are written: by the definition of their key, by its name
// where nobody defined it, and by the value itself where it is a URL with a password.
import type { RawConfig } from '@millrace/core'
import type { ConnectorConfigs } from './deps.ts'
import { hasRole, type Principal } from './security/principal.ts'

export const MASK = '[hidden]'
const TELLING_NAME = /password|passwd|secret|token|credential|private|api[._-]?key|keyfile|jaas|user\.?info/i
const URL_WITH_PASSWORD = /:\/\/[^/?#\s@]*:[^/?#\s]*@/
/** `${file:/path:key}` says where a secret is, not what it is. */
const PLACEHOLDER = /^\$\{[^{}]*\}$/

/** Read, change, write back must not lose anything: who may run connectors sees them as they are. Who may only look does not. */
export const shownTo = (principal: Principal, configs: ConnectorConfigs, config: RawConfig): RawConfig =>
  hasRole(principal, 'operator') ? config : masked(configs, config)

export function masked(configs: ConnectorConfigs, config: RawConfig): RawConfig {
  const passwords = passwordKeys(configs, config['connector.class'] ?? '')
  const isShown = (key: string, value: string): boolean =>
    PLACEHOLDER.test(value) || !(TELLING_NAME.test(key) || passwords.has(key) || URL_WITH_PASSWORD.test(value))
  return Object.fromEntries(Object.entries(config).map(([key, value]) => [key, isShown(key, value) ? value : MASK]))
}

/** Keys that were copied from a masked config: written as they are, each would overwrite a secret. */
export const maskedKeys = (config: RawConfig): readonly string[] =>
  Object.keys(config).filter(key => config[key]?.trim() === MASK)

/** Definitions are made anew for each question, and a list of connectors asks a thousand times. */
const known = new WeakMap<ConnectorConfigs, Map<string, ReadonlySet<string>>>()

function passwordKeys(configs: ConnectorConfigs, connectorClass: string): ReadonlySet<string> {
  const byClass = known.get(configs) ?? new Map<string, ReadonlySet<string>>()
  known.set(configs, byClass)
  const before = byClass.get(connectorClass)
  if (before !== undefined) return before
  const definitions = configs.pluginConfig(connectorClass)
  const keys = new Set((definitions ?? []).filter(({ type }) => type === 'PASSWORD').map(({ name }) => name))
  // As many as there are plugins: what is none is not kept.
  if (definitions !== null) byClass.set(connectorClass, keys)
  return keys
}
