// All keys of the connector, in the order they are shown.
import { BIGQUERY_KEYS } from './bigquery-keys.ts'
import { COMMON_KEYS } from './common-keys.ts'
import { LEGACY_KEYS } from './legacy-keys.ts'
import { MILLRACE_KEYS } from './millrace-keys.ts'

export type ConnectorKeys = typeof COMMON_KEYS & typeof BIGQUERY_KEYS & typeof MILLRACE_KEYS & typeof LEGACY_KEYS
export const CONNECTOR_KEYS: ConnectorKeys = { ...COMMON_KEYS, ...BIGQUERY_KEYS, ...MILLRACE_KEYS, ...LEGACY_KEYS }
