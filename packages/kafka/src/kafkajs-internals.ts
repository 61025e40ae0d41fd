// The only file that reaches into KafkaJS: its Connection (framing, correlation, TLS, SASL) and its request modules.
// KafkaJS is pinned to the exact version 2.2.4; test/kafkajs-contract.test.ts fails when any of this changes shape.
// Not used: its Cluster, BrokerPool, Producer, Consumer. A Connection keeps a half-received response across a reconnect
// (`chunks` is never cleared) and two callers may reconnect it at once, so a Connection here is used once and thrown away.
import { createRequire } from 'node:module'
import type { ConnectionOptions } from 'node:tls'
import { frameSocket } from './frame-socket.ts'

const require = createRequire(import.meta.url)

/** An encoder as KafkaJS's framing wants it: anything with a `buf`, `buffer` and `size()`. */
export interface WireEncoder {
  readonly buf: Buffer
  readonly buffer: Buffer
  size(): number
  writeBuffer(value: Buffer): WireEncoder
}

export type ProtocolRequest<T> = {
  readonly request: {
    readonly apiKey: number
    readonly apiVersion: number
    readonly apiName: string
    readonly expectResponse?: () => boolean
    encode(): Promise<WireEncoder>
  }
  readonly response: {
    /** `clientSideThrottleTime` makes KafkaJS hold back requests without bound; ours is always 0 and throttling is done here. */
    decode(payload: Buffer): Promise<{ clientSideThrottleTime: number } & object>
    parse(decoded: unknown): Promise<T>
  }
  readonly logResponseError?: boolean
}

export type SaslOptions =
  | {
      readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
      readonly username: string
      readonly password: string
    }
  | {
      readonly mechanism: 'oauthbearer'
      readonly oauthBearerProvider: () => Promise<{ value: string; extensions: Readonly<Record<string, string>> }>
    }

export interface KafkaJsConnection {
  readonly socket?: { destroy(): void }
  /** A Long; 0 = no limit. Known after `authenticate`. */
  readonly sessionLifetime: { toNumber(): number }
  readonly requestQueue: {
    throttledUntil: number
    readonly pending: readonly unknown[]
    scheduleCheckPendingRequests: () => void
    rejectAll(error: Error): void
    waitForPendingRequests(): Promise<void>
  }
  connect(): Promise<unknown>
  disconnect(): Promise<unknown>
  authenticate(): Promise<void>
  isConnected(): boolean
  setVersions(versions: ApiVersions): void
  setSupportAuthenticationProtocol(isSupported: boolean): void
  send<T>(request: ProtocolRequest<T>): Promise<T>
}

export type ApiVersions = Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>>

type ConnectionOptionsOfKafkaJs = {
  readonly host: string
  readonly port: number
  readonly clientId: string
  readonly ssl: ConnectionOptions | null
  readonly sasl: SaslOptions | null
  readonly connectionTimeout: number
  readonly requestTimeout: number
  readonly enforceRequestTimeout: boolean
  readonly reauthenticationThreshold: number
  readonly socketFactory: typeof frameSocket
  readonly logger: unknown
}

const Connection = require('kafkajs/src/network/connection') as new (
  options: ConnectionOptionsOfKafkaJs,
) => KafkaJsConnection
const { createLogger, LEVELS } = require('kafkajs/src/loggers') as {
  createLogger(options: { level: number; logCreator: () => (entry: KafkaJsLogEntry) => void }): unknown
  LEVELS: { DEBUG: number; WARN: number }
}
const Encoder = require('kafkajs/src/protocol/encoder') as new () => WireEncoder
const { requests } = require('kafkajs/src/protocol/requests') as {
  requests: Record<string, { protocol(options: { version: number }): (args: object) => ProtocolRequest<unknown> }>
}
const { createErrorFromCode } = require('kafkajs/src/protocol/error') as {
  createErrorFromCode(code: number): { type: string; message: string }
}

export type KafkaJsLogEntry = { readonly log: { readonly message: string } }

/** A fresh, unconnected connection. Its log lines go to `log`: the caller decides what is worth telling. */
export function newConnection(
  options: Pick<ConnectionOptionsOfKafkaJs, 'host' | 'port' | 'clientId' | 'ssl' | 'sasl' | 'connectionTimeout'>,
  log: (message: string) => void,
): KafkaJsConnection {
  const connection = new Connection({
    ...options,
    // Deadlines are BrokerConnection's: KafkaJS would leave a timed-out response to be matched with nobody.
    requestTimeout: 30_000,
    enforceRequestTimeout: false,
    reauthenticationThreshold: 0,
    socketFactory: frameSocket,
    logger: createLogger({ level: LEVELS.WARN, logCreator: () => entry => log(entry.log.message) }),
  })
  // KafkaJS schedules its throttle check with a negative delay after each response, which Node 24 warns about
  // (TimeoutNegativeWarning). Nothing is ever throttled or queued here, so there is nothing to check.
  const queue = connection.requestQueue
  const schedule = queue.scheduleCheckPendingRequests.bind(queue)
  queue.scheduleCheckPendingRequests = () => {
    if (queue.pending.length > 0) schedule()
  }
  return connection
}

/** Versions spoken, all without tagged fields: KafkaJS's framing knows request header v1 only. Brokers from 2.3 on have them. */
export const API_VERSION = {
  Produce: 7,
  Fetch: 11,
  ListOffsets: 3,
  Metadata: 5,
  OffsetCommit: 5,
  OffsetFetch: 4,
  GroupCoordinator: 1,
  DescribeGroups: 2,
  ApiVersions: 2,
  CreateTopics: 2,
  InitProducerId: 1,
  DescribeConfigs: 2,
} as const
export type Api = keyof typeof API_VERSION

/** KafkaJS's request for `api`, answering the decoded response as it is: error codes are the caller's to read. */
export function protocolRequest<T>(api: Api, args: object): ProtocolRequest<T> {
  const definition = requests[api]!.protocol({ version: API_VERSION[api] })(args)
  return {
    request: definition.request,
    response: {
      decode: async payload => ({ ...(await definition.response.decode(payload)), clientSideThrottleTime: 0 }),
      parse: async decoded => decoded as T,
    },
    logResponseError: false,
  }
}

/** The request of `definition` with a response decoder of one's own, given the payload after the correlation id. */
export function withDecoder<T>(
  definition: ProtocolRequest<unknown>,
  decode: (payload: Buffer) => T,
): ProtocolRequest<T> {
  return {
    request: definition.request,
    response: {
      decode: async payload => ({ clientSideThrottleTime: 0, decoded: decode(payload) }),
      parse: async wrapped => (wrapped as { decoded: T }).decoded,
    },
    logResponseError: false,
  }
}

/** Bytes that are already a whole request body. */
export const encoded = (body: Buffer): WireEncoder => new Encoder().writeBuffer(body)

/** Kafka's name of an error code, e.g. NOT_LEADER_FOR_PARTITION. */
export const errorName = (code: number): string => createErrorFromCode(code).type
