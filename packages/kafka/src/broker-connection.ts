// One connection to one broker, used until its first failure and then thrown away.
// Invariant: after any failure, timeout or `destroy` no request of it is ever answered again.
import { MillraceError } from '@millrace/core'
import type { BrokerAddress, ClientSettings, KafkaDeps } from './client-settings-type.ts'
import { connectionError } from './kafka-errors.ts'
import {
  API_VERSION,
  type Api,
  type ApiVersions,
  type KafkaJsConnection,
  newConnection,
  type ProtocolRequest,
  protocolRequest,
} from './kafkajs-internals.ts'

type ApiVersionsResponse = {
  readonly apiVersions: readonly { readonly apiKey: number; readonly minVersion: number; readonly maxVersion: number }[]
}

export class BrokerConnection {
  readonly #connection: KafkaJsConnection
  readonly #deps: KafkaDeps
  readonly #name: string
  readonly #settings: ClientSettings
  #failure: MillraceError | null = null
  /** Shortly before the broker ends the login's session (connections.max.reauth.ms), by the monotonic clock. */
  #retireAtMs = Number.POSITIVE_INFINITY

  private constructor(connection: KafkaJsConnection, name: string, settings: ClientSettings, deps: KafkaDeps) {
    this.#connection = connection
    this.#name = name
    this.#settings = settings
    this.#deps = deps
  }

  /** Connects, learns the broker's versions and logs in. Rejects KAFKA_UNREACHABLE (retry) or KAFKA_AUTH_FAILED. */
  static async open(
    address: BrokerAddress,
    settings: ClientSettings,
    deps: KafkaDeps,
    options: { signal: AbortSignal },
  ): Promise<BrokerConnection> {
    const name = `${address.host}:${address.port}`
    const connection = newConnection(
      {
        host: address.host,
        port: address.port,
        clientId: settings.clientId,
        ssl: settings.ssl,
        sasl: settings.sasl?.() ?? null,
        connectionTimeout: settings.connectTimeoutMs,
      },
      message => deps.log.debug({ broker: name }, message),
    )
    const self = new BrokerConnection(connection, name, settings, deps)
    try {
      await self.#within(settings.connectTimeoutMs, options.signal, 'connect', self.#handshake())
    } catch (error) {
      const failure = connectionError(error, name, settings.keys)
      self.destroy(failure)
      throw options.signal.aborted ? options.signal.reason : failure
    }
    return self
  }

  /** false once it failed, or when its login is about to end: then ask for a new one and `retire` this. */
  get isAlive(): boolean {
    const isFresh = this.#deps.clock.monotonicMs() < this.#retireAtMs
    return this.#failure === null && isFresh && this.#connection.isConnected()
  }

  /** Closes when everything under way is answered. */
  retire(): void {
    this.#connection.requestQueue
      .waitForPendingRequests()
      .then(() => this.destroy())
      .catch(() => undefined)
  }

  /** Sends one request. A failure or timeout ends the connection: the outcome of every unanswered request is unknown. */
  async send<T>(request: ProtocolRequest<T>, options: { signal: AbortSignal; timeoutMs: number }): Promise<T> {
    options.signal.throwIfAborted()
    if (this.#failure) throw this.#failure
    const what = request.request.apiName
    try {
      return await this.#within(options.timeoutMs, options.signal, what, this.#connection.send(request))
    } catch (error) {
      if (options.signal.aborted && error === options.signal.reason) throw error
      const failure = this.#failure ?? connectionError(error, this.#name, this.#settings.keys)
      this.destroy(failure)
      throw failure
    }
  }

  /** Cuts the socket now and rejects what is unanswered. Idempotent. */
  destroy(reason?: MillraceError): void {
    if (this.#failure) return
    this.#failure = reason ?? new MillraceError('KAFKA_UNREACHABLE', 'retry', `Broker ${this.#name}: closed by us.`)
    this.#connection.requestQueue.rejectAll(this.#failure)
    this.#connection.socket?.destroy()
    this.#connection.disconnect().catch(() => undefined)
  }

  async #handshake(): Promise<void> {
    await this.#connection.connect()
    const answer = await this.#connection.send(protocolRequest<ApiVersionsResponse>('ApiVersions', {}))
    const versions: Record<number, { minVersion: number; maxVersion: number }> = {}
    for (const { apiKey, minVersion, maxVersion } of answer.apiVersions) versions[apiKey] = { minVersion, maxVersion }
    assertSupported(versions, this.#name)
    this.#connection.setVersions(versions)
    this.#connection.setSupportAuthenticationProtocol(true)
    if (this.#settings.sasl === null) return
    await this.#connection.authenticate()
    // A new connection takes over before the session ends. KafkaJS would log in again on this one (KIP-368), taking the
    // next answer under way for the login's.
    const sessionMs = this.#connection.sessionLifetime.toNumber()
    if (sessionMs > 0) this.#retireAtMs = this.#deps.clock.monotonicMs() + sessionMs * RETIRE_AT
  }

  async #within<T>(timeoutMs: number, signal: AbortSignal, what: string, work: Promise<T>): Promise<T> {
    const stop = new AbortController()
    const onAbort = (): void => stop.abort(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    work.catch(() => undefined) // when the deadline wins, the loser's rejection is nobody's business
    try {
      return await Promise.race([work, this.#deadline(timeoutMs, stop.signal, what)])
    } finally {
      signal.removeEventListener('abort', onAbort)
      stop.abort(DONE)
    }
  }

  async #deadline(timeoutMs: number, signal: AbortSignal, what: string): Promise<never> {
    await this.#deps.timers.sleep(timeoutMs, { signal })
    throw new MillraceError(
      'KAFKA_UNREACHABLE',
      'retry',
      `Broker ${this.#name}: no answer to ${what} in ${timeoutMs} ms.`,
      { details: { isTimeout: true } },
    )
  }
}

/** Part of a login's session after which its connection is replaced. */
const RETIRE_AT = 0.75
const DONE = new Error('answered')

const NEEDED: readonly (readonly [Api, number])[] = [
  ['Produce', 0],
  ['Fetch', 1],
  ['ListOffsets', 2],
  ['Metadata', 3],
]

function assertSupported(versions: ApiVersions, broker: string): void {
  for (const [api, key] of NEEDED) {
    const range = versions[key]
    const spoken = API_VERSION[api]
    if (!range || range.minVersion > spoken || range.maxVersion < spoken)
      throw new MillraceError(
        'NOT_SUPPORTED',
        'failPartition',
        `Broker ${broker} does not speak ${api} version ${spoken}; Millrace needs Kafka 2.3 or later.`,
      )
  }
}
