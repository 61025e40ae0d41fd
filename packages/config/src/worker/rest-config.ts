// Where the REST API listens and whom it lets in: what the keys must satisfy together, and the value they make.
import { isIP } from 'node:net'
import type { Secret } from '@millrace/core'
import type { ConfigError, ConfigValue, Values } from '../definition/key.ts'
import { invalid, invalidValue } from '../definition/key.ts'
import { CLIENT_KEYS } from './client-keys.ts'
import { LISTENER_TLS_KEYS, LISTENER_TLS_PREFIX } from './listener-tls-keys.ts'
import { parseResponseHeaders, type ResponseHeader } from './response-headers.ts'
import type { WORKER_KEYS } from './worker-keys.ts'

export type Listener = { readonly scheme: 'http' | 'https'; readonly host: string; readonly port: number }

export type RestConfig = {
  readonly listeners: readonly Listener[]
  /** null: /admin is on `listeners`; empty: nowhere. */
  readonly adminListeners: readonly Listener[] | null
  readonly authentication: 'none' | 'basic'
  /** Set when authentication is basic. */
  readonly usersFile: string | null
  /** Listeners that take passwords in clear text from other machines, because the operator said so. */
  readonly plainListeners: readonly Listener[]
  readonly allowedHosts: readonly string[]
  readonly cors: { readonly origins: readonly string[]; readonly methods: readonly string[] } | null
  readonly headers: readonly ResponseHeader[]
  readonly limits: {
    /** 0: none. */
    readonly requestsPerSec: number
    readonly requestsPerSecPerAddress: number
    readonly connectionsMax: number
    readonly connectionsMaxPerAddress: number
  }
  /** Key store settings by full name, those of the clients where the listeners have none of their own. */
  readonly tls: Readonly<Record<string, string | Secret>>
}

type WorkerValues = Values<typeof WORKER_KEYS>
type ByName = ReadonlyMap<string, ConfigValue>

export function restErrors(values: Partial<WorkerValues>, tls: ByName, clients: ByName): readonly ConfigError[] {
  return [
    ...listenerErrors('listeners', values, tls, clients),
    ...listenerErrors('admin.listeners', values, tls, clients),
    ...authenticationErrors(values),
    ...headerErrors(values),
    ...originErrors(values),
  ]
}

function listenerErrors(
  key: 'listeners' | 'admin.listeners',
  values: Partial<WorkerValues>,
  tls: ByName,
  clients: ByName,
): readonly ConfigError[] {
  const listeners = (values[key] ?? []).map(listenerOf)
  const open = openToOthers(listeners)
  const plain = listeners.find(listener => listener.scheme === 'http' && !isLoopbackHost(listener.host))
  const errors: ConfigError[] = []
  if (open !== null && values['rest.authentication'] === 'none') {
    errors.push(
      invalid(key, `${key}: ${open}: without it whoever reaches the worker may do everything. Or listen on 127.0.0.1.`),
    )
  } else if (plain !== undefined && values['rest.plain.http.allow'] === false) {
    const what = `${key}: ${listenerText(plain)} would take passwords in clear text from other machines`
    errors.push(invalid(key, `${what}: use https, or rest.plain.http.allow=true behind a proxy that speaks TLS.`))
  }
  if (listeners.some(({ scheme }) => scheme === 'https') && !hasKeyStore(tls, clients)) {
    const message = `${key} has https, which needs listeners.https.ssl.keystore.location or .certificate.chain.`
    errors.push(invalid(key, message))
  }
  return errors
}

const hasKeyStore = (tls: ByName, clients: ByName): boolean =>
  ['ssl.keystore.location', 'ssl.keystore.certificate.chain'].some(
    key => (tls.get(LISTENER_TLS_PREFIX + key) ?? null) !== null || (clients.get(key) ?? null) !== null,
  )

function authenticationErrors(values: Partial<WorkerValues>): readonly ConfigError[] {
  const { 'rest.authentication': authentication, 'rest.basic.users.file': usersFile } = values
  if (authentication === 'basic' && usersFile === null) {
    return [invalid('rest.basic.users.file', 'rest.authentication=basic needs rest.basic.users.file.')]
  }
  if (authentication === 'none' && usersFile) {
    const message = 'rest.basic.users.file has no effect without rest.authentication=basic: nobody would log in.'
    return [invalid('rest.basic.users.file', message)]
  }
  return []
}

function headerErrors(values: Partial<WorkerValues>): readonly ConfigError[] {
  const text = values['response.http.headers.config']
  const parsed = text === undefined ? [] : parseResponseHeaders(text)
  return typeof parsed === 'string' ? [invalidValue('response.http.headers.config', text ?? '', parsed)] : []
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']
const METHODS_OF_PAGES: readonly string[] = ['GET', 'POST', 'HEAD']

function originErrors(values: Partial<WorkerValues>): readonly ConfigError[] {
  const origin = itemsOf(values['access.control.allow.origin']).find(
    item => item !== '*' && !/^https?:\/\/[^/\s]+$/i.test(item),
  )
  const method = itemsOf(values['access.control.allow.methods']).find(item => !METHODS.includes(item.toUpperCase()))
  return [
    ...(origin === undefined
      ? []
      : [invalidValue('access.control.allow.origin', origin, 'Must be * or scheme://host[:port]')]),
    ...(method === undefined
      ? []
      : [invalidValue('access.control.allow.methods', method, `Must be one of ${METHODS.join(', ')}`)]),
  ]
}

const itemsOf = (text: string | undefined): readonly string[] =>
  (text ?? '')
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')

export function restConfig(values: WorkerValues, tls: ByName, clients: ByName): RestConfig {
  const listeners = values.listeners.map(listenerOf)
  const adminListeners = values['admin.listeners']?.map(listenerOf) ?? null
  const headers = parseResponseHeaders(values['response.http.headers.config'])
  const origins = itemsOf(values['access.control.allow.origin'])
  const methods = itemsOf(values['access.control.allow.methods']).map(method => method.toUpperCase())
  return {
    listeners,
    adminListeners,
    authentication: values['rest.authentication'],
    usersFile: values['rest.basic.users.file'],
    plainListeners: [...listeners, ...(adminListeners ?? [])].filter(
      ({ scheme, host }) => scheme === 'http' && !isLoopbackHost(host),
    ),
    allowedHosts: values['rest.allowed.hosts'],
    cors: origins.length === 0 ? null : { origins, methods: methods.length === 0 ? METHODS_OF_PAGES : methods },
    headers: typeof headers === 'string' ? [] : headers,
    limits: {
      requestsPerSec: values['rest.requests.per.sec'],
      requestsPerSecPerAddress: values['rest.requests.per.sec.per.address'],
      connectionsMax: values['rest.connections.max'],
      connectionsMaxPerAddress: values['rest.connections.max.per.address'],
    },
    tls: tlsSettings(tls, clients),
  }
}

/** All or nothing, as Connect does: a key store of one's own is not mixed with the clients'. */
function tlsSettings(tls: ByName, clients: ByName): RestConfig['tls'] {
  const own = Object.keys(LISTENER_TLS_KEYS).filter(key => key.includes('.key') && (tls.get(key) ?? null) !== null)
  const keys = own.length > 0 ? own : Object.keys(CLIENT_KEYS).filter(key => /^ssl\.key/.test(key))
  const source = own.length > 0 ? tls : clients
  const settings: Record<string, string | Secret> = {}
  for (const key of keys) {
    const value = source.get(key) ?? null
    if (value !== null) settings[key] = value as string | Secret
  }
  return settings
}

/** Only this machine reaches it. */
export function isLoopbackHost(host: string): boolean {
  const bare = host
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase()
    .replace(/^::ffff:/, '')
  return bare === 'localhost' || bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'))
}

/** Which of the listeners other machines reach, and what that takes; null: none. */
export function openToOthers(listeners: readonly Listener[]): string | null {
  const open = listeners.find(({ host }) => !isLoopbackHost(host))
  return open === undefined
    ? null
    : `${listenerText(open)} is not a loopback address, so it needs rest.authentication=basic`
}

export const listenerText = ({ scheme, host, port }: Listener): string => `${scheme}://${host}:${port}`

/** Already checked by its format; an empty host means every address, as in Connect. */
function listenerOf(text: string): Listener {
  const [, scheme, host, port] = /^(https?):\/\/(.*):(\d+)$/i.exec(text) ?? []
  const isAny = host === '' || host === undefined
  return {
    scheme: scheme?.toLowerCase() === 'https' ? 'https' : 'http',
    host: isAny ? '0.0.0.0' : host.replace(/^\[|\]$/g, ''),
    port: Number(port),
  }
}
