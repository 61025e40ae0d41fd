// What the REST API listens with: certificate and users from their files, kept up to date while the worker runs.
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import {
  type ApiSecurity,
  BasicAuthenticator,
  type ListenOptions,
  parseUsers,
  type RunningApi,
  USERS_FILE_BYTES_MAX,
  type Users,
} from '@millrace/api'
import type { RestConfig } from '@millrace/config'
import { MillraceError } from '@millrace/core'
import { serverIdentity } from '@millrace/kafka'
import type { System } from './kafka-side.ts'
import { providerFiles } from './provider-files.ts'
import { WatchedFile } from './watched-file.ts'

const TLS_PREFIX = 'listeners.https'
const LOCATION = 'ssl.keystore.location'
const USERS_FILE = 'rest.basic.users.file'
const WARN_EVERY_MS = 60_000

export class RestSide {
  readonly #config: RestConfig
  readonly #system: System
  readonly #watched = new Map<string, WatchedFile>()
  #users: Users = new Map()
  #tls: SecureContextOptions | null = null
  #api: RunningApi | null = null

  /** Reads the files; throws CONFIG_INVALID naming the key. */
  constructor(config: RestConfig, system: System) {
    this.#config = config
    this.#system = system
    const { usersFile, listeners, adminListeners } = config
    if (usersFile !== null) this.#watched.set(USERS_FILE, new WatchedFile(usersFile, () => this.#readUsers(usersFile)))
    if (![...listeners, ...(adminListeners ?? [])].some(({ scheme }) => scheme === 'https')) return
    const [key, location] = this.#keyStore()
    if (location === null) this.#readTls()
    else this.#watched.set(key, new WatchedFile(location, () => this.#readTls()))
  }

  get listenOptions(): ListenOptions {
    const { listeners, adminListeners, limits, authentication, allowedHosts, cors, headers } = this.#config
    const security: ApiSecurity = {
      authenticator: authentication === 'basic' ? new BasicAuthenticator(() => this.#users, this.#system.clock) : null,
      allowedHosts,
      cors,
      headers,
      rates: { all: limits.requestsPerSec, perAddress: limits.requestsPerSecPerAddress },
    }
    return { listeners, adminListeners, limits, tls: this.#tls, security }
  }

  /** Until aborted. */
  async run(api: RunningApi, { signal }: { signal: AbortSignal }): Promise<void> {
    this.#api = api
    const watching = [...this.#watched].map(([key, file]) => file.run(key, this.#system, { signal }))
    await Promise.all([...watching, this.#warn({ signal })])
  }

  async #warn({ signal }: { signal: AbortSignal }): Promise<void> {
    const { timers, logger } = this.#system
    const { plainListeners } = this.#config
    while (plainListeners.length > 0) {
      logger.warn(
        { key: 'rest.plain.http.allow', listeners: plainListeners.map(({ host, port }) => `http://${host}:${port}`) },
        'Passwords come in clear text over listeners that other machines reach: rest.plain.http.allow is for a proxy with TLS in front.',
      )
      await timers.sleep(WARN_EVERY_MS, { signal })
    }
  }

  #readUsers(path: string): void {
    this.#users = parseUsers(readBounded(path, USERS_FILE, USERS_FILE_BYTES_MAX))
  }

  #readTls(): void {
    const tls = serverIdentity(this.#config.tls, TLS_PREFIX)
    try {
      createSecureContext(tls)
    } catch (cause) {
      const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable'
      throw invalid(this.#keyStore()[0], `holds no certificate with its key, or the password is wrong (${code})`, cause)
    }
    this.#tls = tls
    this.#api?.setTls(tls)
  }

  /** Its key, as the user wrote it, and its file if it is one. */
  #keyStore(): readonly [key: string, location: string | null] {
    const { tls } = this.#config
    for (const key of [`${TLS_PREFIX}.${LOCATION}`, LOCATION]) {
      const location = tls[key]
      if (typeof location === 'string') return [key, location]
    }
    return [`${TLS_PREFIX}.ssl.keystore.certificate.chain`, null]
  }
}

function readBounded(path: string, key: string, bytesMax: number): string {
  try {
    return providerFiles.read(providerFiles.realPath(path), bytesMax)
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable'
    throw invalid(key, `${path} cannot be read (${why})`, cause)
  }
}

const invalid = (key: string, what: string, cause: unknown): MillraceError =>
  new MillraceError('CONFIG_INVALID', 'failPartition', `${key}: ${what}.`, { cause })
