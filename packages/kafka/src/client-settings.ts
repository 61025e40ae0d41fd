// Kafka-style properties (bootstrap.servers, security.protocol, sasl.*, ssl.*) to the settings of a cluster connection.
// The names and meanings are the Java client's: https://kafka.apache.org/documentation/#consumerconfigs. A key given as
// `consumer.`, `producer.` or `admin.` + name wins for that role. Every error names its key and never a value of a secret.
import { readFileSync } from 'node:fs'
import type { ConnectionOptions, SecureContextOptions } from 'node:tls'
import { type Clock, MillraceError, Secret } from '@millrace/core'
import type { BrokerAddress, ClientSettings } from './client-settings-type.ts'
import { parseJaas } from './jaas.ts'
import type { SaslOptions } from './kafkajs-internals.ts'
import { type Fetch, OauthTokens } from './oauth-token.ts'
import { Pkcs12Error, pkcs12Certificates } from './pkcs12-certificates.ts'

export type ClientRole = 'consumer' | 'producer' | 'admin'
export type Properties = Readonly<Record<string, string | Secret | undefined>>

const CONNECT_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 30_000
const DEFAULT_PORT_MISSING = 'must be host:port'
/** What messages about a refused login or handshake name. */
const SASL_KEYS = ['sasl.mechanism', 'sasl.jaas.config'] as const
const TRUST_KEYS = ['ssl.truststore.location', 'ssl.truststore.certificates'] as const
const IDENTITY_KEYS = ['ssl.keystore.location', 'ssl.keystore.certificate.chain'] as const
const OAUTH_HANDLERS = /OAuthBearerLoginCallbackHandler$/

/**
 * Settings for one role. Reads PEM and PKCS#12 files named by ssl.*.location; opens no network.
 * @param deps `fetch` gets OAUTHBEARER tokens.
 * Throws CONFIG_INVALID, or NOT_SUPPORTED for mechanisms and store types that are not built.
 */
export function clientSettings(
  properties: Properties,
  role: ClientRole,
  deps: { readonly clock: Clock; readonly fetch: Fetch },
): ClientSettings {
  const read = new Reader(properties, role)
  const protocol = read.oneOf('security.protocol', 'PLAINTEXT', ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'])
  return {
    bootstrap: bootstrap(read),
    clientId: read.text('client.id') ?? 'millrace',
    ssl: protocol.endsWith('SSL') ? tlsOptions(read) : null,
    sasl: protocol.startsWith('SASL') ? saslOptions(read, deps) : null,
    keys: { ssl: tlsKeys(read), sasl: SASL_KEYS.map(key => read.name(key)) },
    connectTimeoutMs: read.positive('socket.connection.setup.timeout.ms', CONNECT_TIMEOUT_MS),
    requestTimeoutMs: read.positive('request.timeout.ms', REQUEST_TIMEOUT_MS),
  }
}

/**
 * Certificate and key of a server from `<prefix>.ssl.keystore.*`, or without the prefix where that is not set. Reads the files.
 * Throws CONFIG_INVALID or NOT_SUPPORTED naming the key.
 */
export function serverIdentity(properties: Properties, prefix: string): SecureContextOptions {
  const read = new Reader(properties, prefix)
  const options = identity(read)
  if (options.cert !== undefined || options.pfx !== undefined) return options
  throw read.invalid('ssl.keystore.location', 'is missing')
}

class Reader {
  readonly #properties: Properties
  readonly #role: string

  constructor(properties: Properties, role: string) {
    this.#properties = properties
    this.#role = role
  }

  /** The key as the user wrote it, for messages. */
  name(key: string): string {
    return this.#properties[`${this.#role}.${key}`] === undefined ? key : `${this.#role}.${key}`
  }
  /** Set, though perhaps to nothing. */
  isPresent(key: string): boolean {
    return this.#properties[this.name(key)] !== undefined
  }
  text(key: string): string | undefined {
    const value = this.#properties[this.name(key)]
    const text = value instanceof Secret ? value.reveal() : value
    return text === undefined || text.trim() === '' ? undefined : text.trim()
  }
  secret(key: string): Secret | undefined {
    const value = this.#properties[this.name(key)]
    if (value === undefined || value instanceof Secret) return value
    return value === '' ? undefined : new Secret(value)
  }
  oneOf<T extends string>(key: string, byDefault: T, allowed: readonly T[]): T {
    const value = (this.text(key) ?? byDefault).toUpperCase()
    const found = allowed.find(a => a === value)
    if (found === undefined) throw this.invalid(key, `must be one of ${allowed.join(', ')}`)
    return found
  }
  positive(key: string, byDefault: number): number {
    const text = this.text(key)
    if (text === undefined) return byDefault
    const value = Number(text)
    if (!Number.isSafeInteger(value) || value <= 0 || value > 2 ** 31 - 1)
      throw this.invalid(key, 'must be a positive number of milliseconds')
    return value
  }
  invalid(key: string, what: string, cause?: unknown): MillraceError {
    return new MillraceError('CONFIG_INVALID', 'failPartition', `${this.name(key)} ${what}.`, {
      details: { key: this.name(key) },
      cause,
    })
  }
  unsupported(key: string, what: string): MillraceError {
    return new MillraceError('NOT_SUPPORTED', 'failPartition', `${this.name(key)} ${what}.`, {
      details: { key: this.name(key) },
    })
  }
}

function bootstrap(read: Reader): BrokerAddress[] {
  const key = 'bootstrap.servers'
  const list = (read.text(key) ?? '')
    .split(',')
    .map(s => s.trim())
    .filter(s => s !== '')
  if (list.length === 0) throw read.invalid(key, 'is missing')
  return list.map(text => {
    // `host:port` or `[v6]:port`, with an optional listener name as in `PLAINTEXT://host:port`.
    const match = /^(?:[A-Za-z_0-9]+:\/\/)?(?:\[([0-9a-fA-F:.%]+)\]|([^:/\s[\]]+)):(\d{1,5})$/.exec(text)
    const host = match?.[1] ?? match?.[2]
    const port = Number(match?.[3])
    if (host === undefined || port < 1 || port > 65_535)
      throw read.invalid(key, `${DEFAULT_PORT_MISSING}, not ${JSON.stringify(text)}`)
    return { host, port }
  })
}

// --- SASL

const LOGIN_MODULES: Readonly<Record<string, string>> = {
  PLAIN: 'org.apache.kafka.common.security.plain.PlainLoginModule',
  'SCRAM-SHA-256': 'org.apache.kafka.common.security.scram.ScramLoginModule',
  'SCRAM-SHA-512': 'org.apache.kafka.common.security.scram.ScramLoginModule',
  OAUTHBEARER: 'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule',
}

function saslOptions(read: Reader, deps: { clock: Clock; fetch: Fetch }): () => SaslOptions {
  const mechanism = (read.text('sasl.mechanism') ?? 'GSSAPI').toUpperCase()
  const module = LOGIN_MODULES[mechanism]
  if (module === undefined)
    throw read.unsupported(
      'sasl.mechanism',
      `${mechanism} is not supported; use ${Object.keys(LOGIN_MODULES).join(', ')}`,
    )
  const jaasText = read.text('sasl.jaas.config')
  if (jaasText === undefined)
    throw read.invalid('sasl.jaas.config', `is missing, which sasl.mechanism=${mechanism} needs`)
  const jaas = parseJaas(jaasText)
  if (jaas.module !== module)
    throw read.invalid('sasl.jaas.config', `must name ${module} for sasl.mechanism=${mechanism}`)
  if (mechanism === 'OAUTHBEARER') return oauthOptions(read, jaas.options, deps)
  const username = jaas.options.get('username')
  const password = jaas.options.get('password')
  if (username === undefined || password === undefined)
    throw read.invalid('sasl.jaas.config', 'must have username and password')
  if (jaas.options.get('tokenauth') === 'true')
    throw read.unsupported('sasl.jaas.config', 'asks for delegation tokens, which are not supported')
  const secret = new Secret(password)
  const kind = mechanism.toLowerCase() as 'plain' | 'scram-sha-256' | 'scram-sha-512'
  return () => ({ mechanism: kind, username, password: secret.reveal() })
}

function oauthOptions(
  read: Reader,
  options: ReadonlyMap<string, string>,
  deps: { clock: Clock; fetch: Fetch },
): () => SaslOptions {
  const handler = read.text('sasl.login.callback.handler.class')
  if (handler !== undefined && !OAUTH_HANDLERS.test(handler))
    throw read.unsupported(
      'sasl.login.callback.handler.class',
      'names a Java class; only the client-credentials grant is built in',
    )
  const endpointKey = 'sasl.oauthbearer.token.endpoint.url'
  const endpoint = read.text(endpointKey)
  const clientId = options.get('clientId')
  const clientSecret = options.get('clientSecret')
  if (endpoint === undefined) throw read.invalid(endpointKey, 'is missing, which sasl.mechanism=OAUTHBEARER needs')
  if (clientId === undefined || clientSecret === undefined)
    throw read.invalid('sasl.jaas.config', 'must have clientId and clientSecret')
  const source = {
    tokenEndpoint: tokenEndpoint(read, endpointKey, endpoint),
    clientId,
    clientSecret: new Secret(clientSecret),
    scope: options.get('scope') ?? null,
  }
  const tokens = new OauthTokens(source, deps.clock, deps.fetch)
  const extensions = Object.fromEntries(
    [...options]
      .filter(([name]) => name.startsWith('extension_'))
      .map(([name, value]) => [name.slice('extension_'.length), value]),
  )
  return () => ({
    mechanism: 'oauthbearer',
    oauthBearerProvider: async () => ({ value: await tokens.token(), extensions }),
  })
}

/** The client secret goes there: https, or a loopback address for development. */
function tokenEndpoint(read: Reader, key: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  const isLoopback = url !== null && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname)
  if (url === null || !(url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback)))
    throw read.invalid(key, 'must be an https URL')
  return url
}

// --- TLS

function tlsOptions(read: Reader): ConnectionOptions {
  const key = 'ssl.endpoint.identification.algorithm'
  const algorithm = read.text(key)?.toLowerCase()
  const isUnchecked = algorithm === undefined && read.isPresent(key)
  if (algorithm !== undefined && algorithm !== 'https') throw read.invalid(key, 'must be https or empty')
  return {
    minVersion: 'TLSv1.2',
    ...trust(read),
    ...identity(read),
    // An empty algorithm turns off the host name check only, as in Java: the chain is still verified.
    ...(isUnchecked ? { checkServerIdentity: () => undefined } : {}),
  }
}

/** The trust store always, as not having one may be what is wrong; the key store where there is one. */
function tlsKeys(read: Reader): readonly string[] {
  const trust = TRUST_KEYS.find(key => read.isPresent(key)) ?? TRUST_KEYS[0]
  return [trust, ...IDENTITY_KEYS.filter(key => read.isPresent(key))].map(key => read.name(key))
}

function trust(read: Reader): ConnectionOptions {
  const inline = read.text('ssl.truststore.certificates')
  const location = read.text('ssl.truststore.location')
  if (inline === undefined && location === undefined) return {} // the authorities Node ships with
  const type = storeType(read, 'ssl.truststore.type', location)
  if (inline !== undefined && location !== undefined)
    throw read.invalid('ssl.truststore.certificates', 'and ssl.truststore.location are both set')
  if (type === 'PEM') {
    const ca = pem(inline ?? readStore(read, 'ssl.truststore.location').toString('utf8'), 'CERTIFICATE')
    if (ca.length === 0)
      throw read.invalid(inline ? 'ssl.truststore.certificates' : 'ssl.truststore.location', 'holds no PEM certificate')
    return { ca }
  }
  if (inline !== undefined) throw read.invalid('ssl.truststore.certificates', 'needs ssl.truststore.type=PEM')
  const password = read.secret('ssl.truststore.password')
  try {
    const ca = pkcs12Certificates(readStore(read, 'ssl.truststore.location'), password?.reveal() ?? '')
    if (ca.length === 0) throw new Pkcs12Error('holds no certificate')
    return { ca }
  } catch (cause) {
    if (!(cause instanceof Pkcs12Error)) throw cause
    throw read.invalid('ssl.truststore.location', cause.message, cause)
  }
}

function identity(read: Reader): SecureContextOptions {
  const chain = read.text('ssl.keystore.certificate.chain')
  const location = read.text('ssl.keystore.location')
  if (chain === undefined && location === undefined) return {}
  const type = storeType(read, 'ssl.keystore.type', location)
  const keyPassword = read.secret('ssl.key.password')
  if (type === 'PEM') {
    const text = chain ?? readStore(read, 'ssl.keystore.location').toString('utf8')
    const keyText = chain === undefined ? text : (read.secret('ssl.keystore.key')?.reveal() ?? '')
    const cert = pem(text, 'CERTIFICATE').join('\n')
    const key = pem(keyText, '(?:ENCRYPTED |RSA |EC )?PRIVATE KEY')[0]
    const where = chain === undefined ? 'ssl.keystore.location' : 'ssl.keystore.certificate.chain'
    if (cert === '') throw read.invalid(where, 'holds no PEM certificate')
    if (key === undefined)
      throw read.invalid(chain === undefined ? where : 'ssl.keystore.key', 'holds no PEM private key')
    return { cert, key, ...(keyPassword === undefined ? {} : { passphrase: keyPassword.reveal() }) }
  }
  if (chain !== undefined) throw read.invalid('ssl.keystore.certificate.chain', 'needs ssl.keystore.type=PEM')
  const password = read.secret('ssl.keystore.password') ?? keyPassword
  return { pfx: readStore(read, 'ssl.keystore.location'), passphrase: password?.reveal() ?? '' }
}

/** JKS is Java's default type, and Java reads PKCS#12 files under that name too; real JKS files are told what to become. */
function storeType(read: Reader, key: string, location: string | undefined): 'PEM' | 'PKCS12' {
  const type = read.oneOf(key, 'JKS', ['PEM', 'PKCS12', 'JKS'])
  if (type !== 'JKS') return type
  if (location === undefined) throw read.invalid(key, 'must be PEM when certificates are given in the configuration')
  const store = readStore(read, key.replace('.type', '.location'))
  if (store[0] === 0x30) return 'PKCS12'
  throw read.unsupported(
    key,
    'JKS is not supported; convert the store with keytool -importkeystore -deststoretype PKCS12, or use PEM',
  )
}

function readStore(read: Reader, key: string): Buffer {
  try {
    return readFileSync(read.text(key)!)
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    throw read.invalid(key, `cannot be read (${code})`, cause)
  }
}

/** PEM blocks of a kind; Kafka allows them on one line, with spaces for line breaks. */
function pem(text: string, kind: string): string[] {
  const blocks = text.matchAll(new RegExp(`-----BEGIN (${kind})-----([\\s\\S]*?)-----END \\1-----`, 'g'))
  return [...blocks].map(([whole, name, body]) => {
    if (/^(Proc-Type|DEK-Info):/m.test(body!)) return whole! // the old encrypted form has header lines of its own
    const lines = body!.replace(/\s+/g, '').match(/.{1,64}/g) ?? []
    return `-----BEGIN ${name}-----\n${lines.join('\n')}\n-----END ${name}-----\n`
  })
}
