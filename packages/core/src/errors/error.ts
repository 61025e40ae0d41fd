// The one error type. The runtime branches on `disposition`, people read `code`; neither is ever recovered from text.
import type { ErrorCode } from './codes.ts'

/**
 * What the runtime does about it:
 * - `retry` the same call after a backoff · `reconnect` open a new connection, then the same bytes again
 * - `reopenStream` finalize and rotate · `alreadyDone` counts as success where the caller can prove it is its own
 * - `failPartition` FAILED with trace · `fenced` the claim is over · `badRecord` dead letter or FAILED by errors.tolerance
 */
export type Disposition =
  | 'retry'
  | 'reconnect'
  | 'reopenStream'
  | 'alreadyDone'
  | 'failPartition'
  | 'fenced'
  | 'badRecord'

export type ErrorDetails = Readonly<Record<string, string | number | boolean | bigint | null | readonly string[]>>

export class MillraceError extends Error {
  readonly code: ErrorCode
  readonly disposition: Disposition
  readonly details: ErrorDetails

  /** @param message one sentence naming the key or the topic-partition-offset; never a secret. */
  constructor(
    code: ErrorCode,
    disposition: Disposition,
    message: string,
    options: { details?: ErrorDetails; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'MillraceError'
    this.code = code
    this.disposition = disposition
    this.details = options.details ?? {}
  }
}

export const isMillraceError = (error: unknown): error is MillraceError => error instanceof MillraceError

/** A broken promise of our own code: ends the partition's machine with `BUG`, or the process where there is none. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new MillraceError('BUG', 'failPartition', message)
}

export function assertNever(value: never): never {
  throw new MillraceError('BUG', 'failPartition', `Unexpected case: ${JSON.stringify(value)}`)
}

/** Reasons an AbortSignal carries. Abort is not an error: code rethrows `signal.reason`. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost'
}
export class Shutdown extends Error {
  override readonly name = 'Shutdown'
}
