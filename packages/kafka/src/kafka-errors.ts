// Broker error codes and connection failures as MillraceErrors: one table, no other place decides what an error means.
import { type Disposition, type ErrorCode, isMillraceError, MillraceError } from '@millrace/core'
import type { ClientSettings } from './client-settings-type.ts'
import { errorName } from './kafkajs-internals.ts'

/** https://kafka.apache.org/protocol#protocol_error_codes */
export const KAFKA_ERROR = {
  NONE: 0,
  OFFSET_OUT_OF_RANGE: 1,
  CORRUPT_MESSAGE: 2,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  LEADER_NOT_AVAILABLE: 5,
  NOT_LEADER_OR_FOLLOWER: 6,
  REQUEST_TIMED_OUT: 7,
  REPLICA_NOT_AVAILABLE: 9,
  NETWORK_EXCEPTION: 13,
  COORDINATOR_LOAD_IN_PROGRESS: 14,
  COORDINATOR_NOT_AVAILABLE: 15,
  NOT_COORDINATOR: 16,
  NOT_ENOUGH_REPLICAS: 19,
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 20,
  ILLEGAL_GENERATION: 22,
  UNKNOWN_MEMBER_ID: 25,
  REBALANCE_IN_PROGRESS: 27,
  TOPIC_AUTHORIZATION_FAILED: 29,
  GROUP_AUTHORIZATION_FAILED: 30,
  CLUSTER_AUTHORIZATION_FAILED: 31,
  UNSUPPORTED_SASL_MECHANISM: 33,
  ILLEGAL_SASL_STATE: 34,
  TOPIC_ALREADY_EXISTS: 36,
  NOT_CONTROLLER: 41,
  DUPLICATE_SEQUENCE_NUMBER: 46,
  KAFKA_STORAGE_ERROR: 56,
  SASL_AUTHENTICATION_FAILED: 58,
  NON_EMPTY_GROUP: 68,
  GROUP_ID_NOT_FOUND: 69,
  LISTENER_NOT_FOUND: 72,
  FENCED_LEADER_EPOCH: 74,
  UNKNOWN_LEADER_EPOCH: 75,
  OFFSET_NOT_AVAILABLE: 78,
  GROUP_SUBSCRIBED_TO_TOPIC: 86,
  UNSTABLE_OFFSET_COMMIT: 88,
  THROTTLING_QUOTA_EXCEEDED: 89,
  UNKNOWN_TOPIC_ID: 100,
  INCONSISTENT_TOPIC_ID: 103,
} as const

const RETRIABLE: ReadonlySet<number> = new Set([
  KAFKA_ERROR.CORRUPT_MESSAGE,
  KAFKA_ERROR.UNKNOWN_TOPIC_OR_PARTITION,
  KAFKA_ERROR.LEADER_NOT_AVAILABLE,
  KAFKA_ERROR.NOT_LEADER_OR_FOLLOWER,
  KAFKA_ERROR.REQUEST_TIMED_OUT,
  KAFKA_ERROR.REPLICA_NOT_AVAILABLE,
  KAFKA_ERROR.NETWORK_EXCEPTION,
  KAFKA_ERROR.COORDINATOR_LOAD_IN_PROGRESS,
  KAFKA_ERROR.COORDINATOR_NOT_AVAILABLE,
  KAFKA_ERROR.NOT_COORDINATOR,
  KAFKA_ERROR.NOT_ENOUGH_REPLICAS,
  KAFKA_ERROR.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  KAFKA_ERROR.NOT_CONTROLLER,
  KAFKA_ERROR.KAFKA_STORAGE_ERROR,
  KAFKA_ERROR.LISTENER_NOT_FOUND,
  KAFKA_ERROR.FENCED_LEADER_EPOCH,
  KAFKA_ERROR.UNKNOWN_LEADER_EPOCH,
  KAFKA_ERROR.OFFSET_NOT_AVAILABLE,
  KAFKA_ERROR.UNSTABLE_OFFSET_COMMIT,
  KAFKA_ERROR.THROTTLING_QUOTA_EXCEEDED,
  KAFKA_ERROR.UNKNOWN_TOPIC_ID,
  KAFKA_ERROR.INCONSISTENT_TOPIC_ID,
])

export type Classified = { readonly code: ErrorCode; readonly disposition: Disposition }

/** Pure. What a broker error code means for whoever asked; an unknown code is loud (`failPartition`). */
export function classifyKafkaCode(code: number): Classified {
  if (RETRIABLE.has(code)) return { code: 'KAFKA_REQUEST_FAILED', disposition: 'retry' }
  switch (code) {
    case KAFKA_ERROR.OFFSET_OUT_OF_RANGE:
      return { code: 'SOURCE_OFFSET_LOST', disposition: 'failPartition' }
    case KAFKA_ERROR.TOPIC_AUTHORIZATION_FAILED:
      return { code: 'KAFKA_TOPIC_MISSING', disposition: 'failPartition' }
    case KAFKA_ERROR.GROUP_AUTHORIZATION_FAILED:
    case KAFKA_ERROR.CLUSTER_AUTHORIZATION_FAILED:
    case KAFKA_ERROR.UNSUPPORTED_SASL_MECHANISM:
    case KAFKA_ERROR.ILLEGAL_SASL_STATE:
    case KAFKA_ERROR.SASL_AUTHENTICATION_FAILED:
      return { code: 'KAFKA_AUTH_FAILED', disposition: 'failPartition' }
    case KAFKA_ERROR.ILLEGAL_GENERATION:
    case KAFKA_ERROR.UNKNOWN_MEMBER_ID:
    case KAFKA_ERROR.REBALANCE_IN_PROGRESS:
    case KAFKA_ERROR.NON_EMPTY_GROUP:
    case KAFKA_ERROR.GROUP_SUBSCRIBED_TO_TOPIC:
      return { code: 'GROUP_IN_USE', disposition: 'failPartition' }
    default:
      return { code: 'KAFKA_REQUEST_FAILED', disposition: 'failPartition' }
  }
}

export const isRetriable = (code: number): boolean => RETRIABLE.has(code)

/** @param what names the request and its topic, partition or group. */
export function kafkaError(code: number, what: string): MillraceError {
  const { code: ours, disposition } = classifyKafkaCode(code)
  return new MillraceError(ours, disposition, `${what}: the broker answered ${errorName(code)} (${code}).`, {
    details: { kafkaError: errorName(code) },
  })
}

const TLS_FAILURE = /^(CERT_|ERR_TLS|ERR_SSL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|EPROTO|HOSTNAME_MISMATCH|INVALID_CA)/

/** A failed connection: wrong credentials and certificates fail for good, everything else is tried again. */
export function connectionError(cause: unknown, broker: string, keys: ClientSettings['keys']): MillraceError {
  if (isMillraceError(cause)) return cause
  const { name, code, message } = describe(cause)
  if (name === 'KafkaJSSASLAuthenticationError' || name === 'KafkaJSProtocolError')
    return new MillraceError(
      'KAFKA_AUTH_FAILED',
      'failPartition',
      `Broker ${broker} refused the login: ${message}.${naming(keys?.sasl)}`,
      {
        cause,
      },
    )
  if (TLS_FAILURE.test(code) || /alert|certificate|SSL routines/i.test(message))
    return new MillraceError(
      'KAFKA_AUTH_FAILED',
      'failPartition',
      `TLS to broker ${broker} failed: ${message}.${naming(keys?.ssl)}`,
      {
        cause,
      },
    )
  return new MillraceError('KAFKA_UNREACHABLE', 'retry', `Broker ${broker}: ${message}.`, { cause })
}

const naming = (keys: readonly string[] | undefined): string => (keys === undefined ? '' : ` Keys: ${keys.join(', ')}.`)

function describe(cause: unknown): { name: string; code: string; message: string } {
  if (!(cause instanceof Error)) return { name: '', code: '', message: String(cause) }
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : ''
  return { name: cause.name, code, message: cause.message.replace(/\.$/, '') }
}
