// TLS of https listeners: the keys of the Kafka clients' key store under `listeners.https.`; without any, those of the clients.
import type { KeyDef, KeyDefs } from '../definition/key.ts'
import { CLIENT_KEYS } from './client-keys.ts'

export const LISTENER_TLS_PREFIX = 'listeners.https.'
const GROUP = 'REST security'
const KEYSTORE_KEYS = [
  'ssl.keystore.type',
  'ssl.keystore.location',
  'ssl.keystore.password',
  'ssl.keystore.certificate.chain',
  'ssl.keystore.key',
  'ssl.key.password',
] as const

const keystoreKey = (key: (typeof KEYSTORE_KEYS)[number]): KeyDef => ({
  ...CLIENT_KEYS[key],
  doc: `${CLIENT_KEYS[key].doc.replace('client’s', 'listener’s')}${key.endsWith('location') ? ' Read again when it changes; open connections stay.' : ''}`,
  group: GROUP,
})
const ignoredKey = (type: KeyDef['type'], ignored: string): KeyDef => ({
  type,
  default: null,
  doc: 'A key of Kafka Connect’s worker.',
  importance: 'LOW',
  group: GROUP,
  ignored,
})
const NO_CLIENT_CERTIFICATES = 'clients are not asked for certificates'
const PROTOCOLS = 'listeners speak TLS 1.2 and 1.3 with the ciphers of Node'

const UNPREFIXED: KeyDefs = {
  ...Object.fromEntries(KEYSTORE_KEYS.map(key => [key, keystoreKey(key)])),
  'ssl.client.auth': {
    type: 'STRING',
    default: 'none',
    rule: { oneOf: ['none'] },
    doc: 'Client certificates are not built in this version.',
    importance: 'LOW',
    group: GROUP,
  },
  'ssl.truststore.type': ignoredKey('STRING', NO_CLIENT_CERTIFICATES),
  'ssl.truststore.location': ignoredKey('STRING', NO_CLIENT_CERTIFICATES),
  'ssl.truststore.password': ignoredKey('PASSWORD', NO_CLIENT_CERTIFICATES),
  'ssl.truststore.certificates': ignoredKey('PASSWORD', NO_CLIENT_CERTIFICATES),
  'ssl.enabled.protocols': ignoredKey('LIST', PROTOCOLS),
  'ssl.protocol': ignoredKey('STRING', PROTOCOLS),
  'ssl.cipher.suites': ignoredKey('LIST', PROTOCOLS),
}

/** By full name. */
export const LISTENER_TLS_KEYS: KeyDefs = Object.fromEntries(
  Object.entries(UNPREFIXED).map(([key, def]) => [LISTENER_TLS_PREFIX + key, def]),
)
