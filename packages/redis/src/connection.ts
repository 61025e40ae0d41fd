// A connection on which no command ever runs late: nothing is queued while disconnected, nothing is resent after a reconnect,
// every command has a timeout well below the lease TTL, and scripts that give a right carry a deadline by Redis's own clock
// (bytes may sit in a dead network longer than the caller waits). Do not use it for blocking commands or BullMQ.
import { isIP } from 'node:net'
import { type Clock, MillraceError, type Secret } from '@millrace/core'
import { Redis, type RedisOptions } from 'ioredis'
import { classifyError } from './classify-error.ts'
import { SCRIPTS, type ScriptName } from './script.ts'

/** A command that takes longer has failed; always below a quarter of the lease TTL. */
const COMMAND_TIMEOUT_MAX_MS = 2_000
const CONNECT_TIMEOUT_MS = 2_000
/** Short, so that all workers are back within a second of Redis's return and the leader need not wait long for them. */
const RECONNECT_MAX_MS = 500

export type RedisSettings = {
  /** `redis.url`: redis:// or rediss:// with user, password, host, port and database. */
  readonly url: Secret
  /** `redis.prefix`: every key begins with it. */
  readonly prefix: string
  /** `session.timeout.ms`. */
  readonly leaseTtlMs: number
  /** Shown by CLIENT LIST. */
  readonly name?: string
  /** PEM of the authority that signed the server's certificate, where it is not a public one (rediss:// only). */
  readonly tlsCa?: string
}

export class RedisConnection implements AsyncDisposable {
  readonly #redis: Redis
  readonly #prefix: string
  readonly #clock: Clock
  readonly #commandTimeoutMs: number
  /** Redis's clock minus our monotonic clock, as of the last prompt answer; null when not known. */
  #clockOffsetMs: number | null = null

  private constructor(redis: Redis, settings: RedisSettings, commandTimeoutMs: number, clock: Clock) {
    this.#redis = redis
    this.#prefix = settings.prefix
    this.#clock = clock
    this.#commandTimeoutMs = commandTimeoutMs
  }

  /** Connects once; rejects REDIS_UNREACHABLE or REDIS_AUTH_FAILED. Afterwards it reconnects by itself. */
  static async open(settings: RedisSettings, clock: Clock, options: { signal: AbortSignal }): Promise<RedisConnection> {
    options.signal.throwIfAborted()
    const commandTimeoutMs = Math.min(COMMAND_TIMEOUT_MAX_MS, Math.floor(settings.leaseTtlMs / 4) - 1)
    const redis = new Redis(redisOptions(settings, commandTimeoutMs))
    let lastError: unknown = null
    redis.on('error', error => {
      lastError = error // commands report it; without a listener ioredis prints to stderr
    })
    const stop = (): void => redis.disconnect()
    options.signal.addEventListener('abort', stop, { once: true })
    try {
      await redis.connect()
      await redis.ping()
    } catch (error) {
      redis.disconnect()
      options.signal.throwIfAborted()
      throw classifyError(lastError ?? error, 'connecting to redis.url')
    } finally {
      options.signal.removeEventListener('abort', stop)
    }
    return new RedisConnection(redis, settings, commandTimeoutMs, clock)
  }

  get isReady(): boolean {
    return this.#redis.status === 'ready'
  }

  key(name: string): string {
    return this.#prefix + name
  }

  /** Runs a script on names below the prefix. */
  async run(name: ScriptName, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    const script = SCRIPTS[name]
    const rest = [...keys.map(key => this.key(key)), ...args]
    try {
      return await this.#redis.evalsha(script.sha1, script.keyCount, ...rest)
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw classifyError(error, script.name)
    }
    return this.#attempt(script.name, this.#redis.eval(script.source, script.keyCount, ...rest))
  }

  /**
   * Runs a script that gives a right and answers `[outcome, now, …]`. Its last argument is a deadline: when it reaches Redis
   * after we have given up waiting it does nothing, answers "late", and this rejects with disposition retry.
   */
  async runBeforeDeadline(
    name: ScriptName,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown[]> {
    const offsetMs = this.#clockOffsetMs ?? (await this.#measureClockOffset())
    const sentAtMs = this.#clock.monotonicMs()
    const deadlineMs = Math.floor(sentAtMs + offsetMs + this.#commandTimeoutMs)
    const answer = (await this.run(name, keys, [...args, deadlineMs])) as unknown[]
    if (answer[0] === 'late') {
      this.#clockOffsetMs = null // or the clock of Redis has changed (a failover): measure it again
      throw new MillraceError('REDIS_UNREACHABLE', 'retry', `Redis answered too late (${SCRIPTS[name].name}).`)
    }
    const receivedAtMs = this.#clock.monotonicMs()
    if (receivedAtMs - sentAtMs <= this.#commandTimeoutMs) this.#clockOffsetMs = Number(answer[1]) - receivedAtMs
    return answer
  }

  /** Values of names below the prefix, null where there is none. */
  async valuesOf(names: readonly string[]): Promise<readonly (string | null)[]> {
    if (names.length === 0) return []
    return this.#attempt('mget', this.#redis.mget(names.map(name => this.key(name))))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#redis.disconnect()
  }

  async #measureClockOffset(): Promise<number> {
    const [seconds, micros] = await this.#attempt('time', this.#redis.time())
    const offsetMs = Number(seconds) * 1000 + Number(micros) / 1000 - this.#clock.monotonicMs()
    this.#clockOffsetMs = offsetMs
    return offsetMs
  }

  async #attempt<T>(doing: string, command: Promise<T>): Promise<T> {
    try {
      return await command
    } catch (error) {
      throw classifyError(error, doing)
    }
  }
}

type LegacyReplies = { readonly replyMapping: 'legacy' }

function redisOptions(settings: RedisSettings, commandTimeoutMs: number): RedisOptions & LegacyReplies {
  return {
    ...addressOf(settings),
    replyMapping: 'legacy',
    lazyConnect: true,
    connectionName: settings.name ?? 'millrace',
    // ioredis's defaults would run a renewal minutes late: it queues while offline and resends after a reconnect.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: commandTimeoutMs,
    socketTimeout: 2 * commandTimeoutMs, // a dead network: reconnect rather than time out command by command
    connectTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy: attempt => Math.min(RECONNECT_MAX_MS, 50 * attempt),
    // After a failover the old primary answers READONLY on a connection that looks healthy.
    reconnectOnError: error => error.message.startsWith('READONLY'),
  }
}

/** Host, port, credentials and TLS from `redis.url`. Errors never repeat the URL. */
function addressOf(settings: RedisSettings): RedisOptions {
  const invalid = (why: string): MillraceError =>
    new MillraceError(
      'CONFIG_INVALID',
      'failPartition',
      `redis.url ${why}; it looks like redis://[user:password@]host:port/[db].`,
    )
  let url: URL
  try {
    url = new URL(settings.url.reveal())
  } catch {
    throw invalid('is not a URL')
  }
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') throw invalid('must begin with redis:// or rediss://')
  const db = url.pathname.replace(/^\//, '')
  if (!/^\d*$/.test(db)) throw invalid('must end in a database number, if in anything')
  const host = url.hostname.replace(/^\[|\]$/g, '') || '127.0.0.1'
  return {
    host,
    port: url.port === '' ? 6379 : Number(url.port),
    db: Number(db),
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
    ...(url.protocol === 'rediss:'
      ? { tls: { ...(isIP(host) ? {} : { servername: host }), ...(settings.tlsCa ? { ca: settings.tlsCa } : {}) } }
      : {}),
  }
}
