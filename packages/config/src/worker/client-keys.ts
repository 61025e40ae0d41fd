// Settings of the Kafka clients: security, given for all clients or for one role by a prefix (`consumer.`, `producer.`, `admin.`).
import type { KeyDefs } from '../definition/key.ts'

export const CLIENT_KEYS = {
  'security.protocol': {
    type: 'STRING',
    default: 'PLAINTEXT',
    rule: { oneOf: ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'], ignoreCase: true },
    doc: 'How to talk to the brokers.',
    importance: 'MEDIUM',
    group: 'Kafka security',
  },
  'sasl.mechanism': {
    type: 'STRING',
    default: null,
    rule: { oneOf: ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'] },
    doc: 'How to log in.',
    importance: 'MEDIUM',
    group: 'Kafka security',
  },
  'sasl.jaas.config': {
    type: 'PASSWORD',
    default: null,
    doc: 'Login module with its options, as in Java; only username and password (or the OAUTHBEARER options) are read.',
    importance: 'MEDIUM',
    group: 'Kafka security',
  },
  'sasl.oauthbearer.token.endpoint.url': {
    type: 'STRING',
    default: null,
    rule: { nonEmpty: true, format: 'httpUrl' },
    doc: 'Where OAUTHBEARER tokens are fetched.',
    importance: 'MEDIUM',
    group: 'Kafka security',
  },
  'sasl.oauthbearer.client.credentials.client.id': {
    type: 'STRING',
    default: null,
    doc: 'Client id for the token endpoint.',
    importance: 'MEDIUM',
    group: 'Kafka security',
  },
  'sasl.oauthbearer.client.credentials.client.secret': {
    type: 'PASSWORD',
    default: null,
    doc: 'Client secret for the token endpoint.',
    importance: 'MEDIUM',
    group: 'Kafka security',
  },
  'sasl.oauthbearer.scope': {
    type: 'STRING',
    default: null,
    doc: 'Scope asked for at the token endpoint.',
    importance: 'LOW',
    group: 'Kafka security',
  },
  'sasl.login.callback.handler.class': {
    type: 'CLASS',
    default: null,
    doc: 'Java class of a login handler.',
    importance: 'LOW',
    group: 'Kafka security',
    ignored: 'tokens are fetched by Millrace itself',
  },
  'ssl.truststore.type': {
    type: 'STRING',
    default: null,
    rule: { oneOf: ['PEM', 'PKCS12'], ignoreCase: true },
    doc: 'Format of the trust store. JKS is not read: convert it with keytool -importkeystore -deststoretype pkcs12.',
    importance: 'MEDIUM',
    group: 'Kafka security',
  },
  'ssl.truststore.location': {
    type: 'STRING',
    default: null,
    doc: 'File with the certificates that are trusted.',
    importance: 'HIGH',
    group: 'Kafka security',
  },
  'ssl.truststore.password': {
    type: 'PASSWORD',
    default: null,
    doc: 'Password of that file.',
    importance: 'HIGH',
    group: 'Kafka security',
  },
  'ssl.truststore.certificates': {
    type: 'PASSWORD',
    default: null,
    doc: 'Trusted certificates as PEM text.',
    importance: 'HIGH',
    group: 'Kafka security',
  },
  'ssl.keystore.type': {
    type: 'STRING',
    default: null,
    rule: { oneOf: ['PEM', 'PKCS12'], ignoreCase: true },
    doc: 'Format of the key store.',
    importance: 'MEDIUM',
    group: 'Kafka security',
  },
  'ssl.keystore.location': {
    type: 'STRING',
    default: null,
    doc: 'File with the client’s certificate and key.',
    importance: 'HIGH',
    group: 'Kafka security',
  },
  'ssl.keystore.password': {
    type: 'PASSWORD',
    default: null,
    doc: 'Password of that file.',
    importance: 'HIGH',
    group: 'Kafka security',
  },
  'ssl.keystore.certificate.chain': {
    type: 'PASSWORD',
    default: null,
    doc: 'The client’s certificates as PEM text.',
    importance: 'HIGH',
    group: 'Kafka security',
  },
  'ssl.keystore.key': {
    type: 'PASSWORD',
    default: null,
    doc: 'The client’s private key as PEM text.',
    importance: 'HIGH',
    group: 'Kafka security',
  },
  'ssl.key.password': {
    type: 'PASSWORD',
    default: null,
    doc: 'Password of the private key.',
    importance: 'HIGH',
    group: 'Kafka security',
  },
  'ssl.endpoint.identification.algorithm': {
    type: 'STRING',
    default: 'https',
    rule: { oneOf: ['https', ''] },
    doc: 'https: the broker’s certificate must name its host. Empty: it need not.',
    importance: 'LOW',
    group: 'Kafka security',
  },
  'request.timeout.ms': {
    type: 'INT',
    default: 30000,
    rule: { atLeast: 100 },
    doc: 'Milliseconds to wait for a broker’s answer.',
    importance: 'MEDIUM',
    group: 'Kafka security',
  },
} as const

export type ClientRole = 'consumer' | 'producer' | 'admin'
export const CLIENT_ROLES: readonly ClientRole[] = ['consumer', 'producer', 'admin']

/** Every client key by full name: plain, and once per role. */
export const CLIENT_KEYS_BY_FULL_NAME: KeyDefs = Object.fromEntries(
  ['', ...CLIENT_ROLES.map(role => `${role}.`)].flatMap(prefix =>
    Object.entries(CLIENT_KEYS).map(([key, def]) => [
      prefix + key,
      // A role without a setting of its own has the common one, so a prefixed key has no default of its own.
      prefix === '' ? def : { ...def, default: null },
    ]),
  ),
)
