// Connector configs as clients send them: flat maps; numbers and booleans become strings, anything nested is refused.
import type { ConfigInfos } from '@millrace/config'
import type { RawConfig } from '@millrace/core'
import { badRequest } from './api-error.ts'
import { NAME_CHARS_MAX } from './connector-name.ts'
import type { ConnectorConfigs } from './deps.ts'
import { isJsonObject, JsonNumber, type JsonValue } from './json-body.ts'
import { MASK, maskedKeys } from './secret-keys.ts'

/** Half of the 1 MiB a Kafka record may have by default: the record holds more than the config. */
export const CONFIG_BYTES_MAX: number = 512 * 1024

/** null values delete a key (PATCH). */
export type ConfigPatch = ReadonlyMap<string, string | null>

export function parseConfig(body: JsonValue | undefined): RawConfig {
  const patch = parsePatch(body)
  for (const [key, value] of patch)
    if (value === null) throw badRequest(`The value of configuration ${key} may not be null.`)
  return Object.fromEntries(patch) as RawConfig
}

export function parsePatch(body: JsonValue | undefined): ConfigPatch {
  if (!isJsonObject(body)) throw badRequest('The request body must be a JSON object of configuration keys and values.')
  return new Map(Object.entries(body).map(([key, value]) => [key, scalarText(key, value)]))
}

export function applyPatch(config: RawConfig, patch: ConfigPatch): RawConfig {
  const merged = new Map<string, string | null>([...Object.entries(config), ...patch])
  return Object.fromEntries([...merged].filter(([, value]) => value !== null)) as RawConfig
}

/** As Jackson reads a scalar into a string: by its text. */
function scalarText(key: string, value: JsonValue): string | null {
  if (typeof value === 'string' || value === null) return value
  if (typeof value === 'boolean') return String(value)
  if (value instanceof JsonNumber) return value.text
  throw badRequest(`The value of configuration ${key} must be a string, a number or a boolean, not a nested value.`)
}

/** The config as it is stored: with its name, which must not contradict the connector's. */
export function withName(config: RawConfig, name: string): RawConfig {
  const included = config.name
  if (included !== undefined && included !== name) {
    throw badRequest(`Connector name configuration (${included}) doesn't match connector name in the URL (${name})`)
  }
  const named = { ...config, name }
  assertConfigFits(named)
  return named
}

/** Throws 400 for what could not be stored, before anything else looks at it. */
export function assertConfigFits(config: RawConfig): void {
  if (Buffer.byteLength(JSON.stringify(config)) > CONFIG_BYTES_MAX) {
    const whose = config.name === undefined ? '' : ` of connector ${config.name.slice(0, NAME_CHARS_MAX)}`
    throw badRequest(`The configuration${whose} is larger than ${CONFIG_BYTES_MAX} bytes.`)
  }
}

/** Throws 400 in Connect's words (R8) when the config has errors. */
export function assertConfigValid(configs: ConnectorConfigs, config: RawConfig): void {
  const infos = validateConfig(configs, config)
  const errors = infos.configs.flatMap(info => info.value.errors)
  if (errors.length === 0) return
  throw badRequest(
    [
      `Connector configuration is invalid and contains the following ${errors.length} error(s):`,
      ...errors,
      'You can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`',
    ].join('\n'),
  )
}

/** Throws 400 when there is nothing to validate by: no `connector.class`, or one nobody knows. */
export function validateConfig(configs: ConnectorConfigs, config: RawConfig): ConfigInfos {
  const connectorClass = config['connector.class']
  if (connectorClass === undefined) {
    // Connect prints the whole config here, secrets included; the keys alone say as much.
    throw badRequest(`Connector config {${Object.keys(config).join(', ')}} contains no connector type`)
  }
  if (configs.connectorClass(connectorClass) === null) throw unknownClass(configs, connectorClass)
  return refusingMasks(configs.validate(config), config)
}

/** A masked copy of a config must not overwrite its secrets. */
function refusingMasks(infos: ConfigInfos, config: RawConfig): ConfigInfos {
  const copied = new Set(maskedKeys(config))
  if (copied.size === 0) return infos
  return {
    ...infos,
    error_count: infos.error_count + copied.size,
    configs: infos.configs.map(info =>
      copied.has(info.value.name)
        ? { ...info, value: { ...info.value, errors: [...info.value.errors, maskRefused(info.value.name)] } }
        : info,
    ),
  }
}

const maskRefused = (key: string): string =>
  `Invalid value ${MASK} for configuration ${key}: this is how a secret is shown to those who may not see it, not the secret.`

/** kcctl looks for the beginning of this sentence. */
function unknownClass(configs: ConnectorConfigs, connectorClass: string): Error {
  const available = configs.plugins().filter(plugin => plugin.type === 'sink' || plugin.type === 'source')
  return badRequest(
    `Failed to find any class that implements Connector and which name matches ${connectorClass}, available connectors are: ${available
      .map(plugin => plugin.class)
      .join(', ')}`,
  )
}
