// What an application-created write stream is and does: pure. Semantics: https://cloud.google.com/bigquery/docs/write-api
// S1 `end` only grows, and only by rows accepted at exactly `end`. S2 a finalized stream never changes again, but for being
// committed once. S3 `flushed` only grows, to at most `end`. S4 only a finalized PENDING stream is ever committed.
import type { Refusal } from '../wire/storage-error.ts'

export type StreamType = 'COMMITTED' | 'PENDING' | 'BUFFERED'

export type StreamState = {
  readonly kind: 'open' | 'finalized' | 'committed'
  /** Canonical name, `projects/…/streams/<id>`. */
  readonly name: string
  readonly type: StreamType
  /** The table incarnation it belongs to. */
  readonly tableKey: string
  readonly incarnation: string
  readonly createdMs: number
  /** Position of the next row = rows so far. */
  readonly end: bigint
  /** BUFFERED: how many rows, from the first, are visible. 0 for the other types, whose rows are visible all or none. */
  readonly flushed: bigint
  /** When a PENDING stream was committed. */
  readonly committedMs: number | undefined
  /** Created, appended to, flushed, finalized or committed: what the time to live counts from. */
  readonly lastTrafficMs: number
}

export type StreamEvent =
  | { readonly kind: 'rowsAccepted'; readonly firstRow: bigint; readonly rowCount: number; readonly nowMs: number }
  | { readonly kind: 'finalize'; readonly nowMs: number }
  | { readonly kind: 'flush'; readonly offset: bigint; readonly nowMs: number }
  | { readonly kind: 'commit'; readonly nowMs: number }

/** Times to live without traffic, in milliseconds; 0 = for ever. */
type TtlMs = { readonly committed: number; readonly buffered: number; readonly pending: number }

export function newStream(
  is: Pick<StreamState, 'name' | 'type' | 'tableKey' | 'incarnation'>,
  nowMs: number,
): StreamState {
  return {
    ...is,
    kind: 'open',
    createdMs: nowMs,
    end: 0n,
    flushed: 0n,
    committedMs: undefined,
    lastTrafficMs: nowMs,
  }
}

/** Why an append offered at `offset` (absent = wherever the stream ends) is refused; undefined when its rows may be looked at. */
export function refuseAppend(stream: StreamState, offset: bigint | undefined): Refusal | undefined {
  if (stream.kind !== 'open') return finalized(stream, 'Stream has been finalized and cannot be appended.')
  if (offset === undefined || offset === stream.end) return undefined
  if (offset < 0n) return { code: 'INVALID_ARGUMENT', message: `Invalid offset ${offset}. Entity: ${stream.name}` }
  // Clients parse these texts: "expected offset E, received R", and R must be the last thing before "Entity".
  if (offset < stream.end)
    return {
      code: 'ALREADY_EXISTS',
      message: `The offset is within stream, expected offset ${stream.end}, received ${offset}`,
      storage: { code: 'OFFSET_ALREADY_EXISTS', entity: stream.name },
    }
  return {
    code: 'OUT_OF_RANGE',
    message: `The offset is beyond stream, expected offset ${stream.end}, received ${offset} Entity: ${stream.name}`,
    storage: { code: 'OFFSET_OUT_OF_RANGE', entity: stream.name },
  }
}

/**
 * Why FlushRows up to and with row `offset` is refused. ALREADY_EXISTS means that row is visible already, which some callers take
 * for success. A finalized stream cannot be flushed: what was not flushed before never shows (measured on the service).
 */
export function refuseFlush(stream: StreamState, offset: bigint | undefined): Refusal | undefined {
  if (stream.type !== 'BUFFERED')
    return {
      code: 'INVALID_ARGUMENT',
      message: `Stream must be created in buffered mode, actual: ${serviceTypeName(stream.type)} Entity: ${stream.name}`,
      storage: { code: 'INVALID_STREAM_TYPE', entity: stream.name },
    }
  if (stream.kind !== 'open') return finalized(stream, 'Stream has been finalized and cannot be flushed.')
  if (offset === undefined)
    return { code: 'INVALID_ARGUMENT', message: `Flush offset must be specified. Entity: ${stream.name}` }
  if (offset < 0n)
    return { code: 'INVALID_ARGUMENT', message: `Invalid flush offset ${offset}. Entity: ${stream.name}` }
  if (offset >= stream.end)
    return {
      code: 'OUT_OF_RANGE',
      // As seen: https://github.com/apache/beam/issues/30177
      message: `Offset ${offset} is beyond the end of the stream Entity: ${stream.name}`,
      storage: { code: 'OFFSET_OUT_OF_RANGE', entity: stream.name },
    }
  if (offset < stream.flushed)
    return {
      code: 'ALREADY_EXISTS',
      message: `The stream has already been flushed to offset ${stream.flushed - 1n}, received ${offset}. Entity: ${stream.name}`,
      storage: { code: 'OFFSET_ALREADY_EXISTS', entity: stream.name },
    }
  return undefined
}

/** Why the stream cannot be part of a commit. The code is what a StorageError in stream_errors carries; the call itself succeeds. */
export function refuseCommit(stream: StreamState): Refusal | undefined {
  const refuse = (code: NonNullable<Refusal['storage']>['code'], message: string): Refusal => ({
    code: 'INVALID_ARGUMENT',
    message,
    storage: { code, entity: stream.name },
  })
  if (stream.type !== 'PENDING')
    return refuse(
      'INVALID_STREAM_TYPE',
      `Stream must be created in pending mode, actual: ${serviceTypeName(stream.type)}`,
    )
  switch (stream.kind) {
    case 'open':
      return refuse('INVALID_STREAM_STATE', 'Stream must be finalized before it is committed')
    case 'committed':
      return refuse('STREAM_ALREADY_COMMITTED', 'Stream has already been committed')
    case 'finalized':
      return undefined
  }
}

/** The next state. Throws on an event that the `refuse…` above should have kept away: that is a bug. */
export function step(stream: StreamState, event: StreamEvent): StreamState {
  const lastTrafficMs = Math.max(stream.lastTrafficMs, event.nowMs)
  switch (event.kind) {
    case 'rowsAccepted':
      if (stream.kind !== 'open' || event.firstRow !== stream.end || event.rowCount < 1)
        throw new Error(
          `rows accepted at ${event.firstRow} by ${stream.kind} stream ${stream.name} ending at ${stream.end}`,
        )
      return { ...stream, end: stream.end + BigInt(event.rowCount), lastTrafficMs }
    case 'finalize':
      return stream.kind === 'open' ? { ...stream, kind: 'finalized', lastTrafficMs } : stream
    case 'flush':
      if (refuseFlush(stream, event.offset)) throw new Error(`flush to ${event.offset} of ${describe(stream)}`)
      return { ...stream, flushed: event.offset + 1n, lastTrafficMs }
    case 'commit':
      if (refuseCommit(stream)) throw new Error(`commit of ${describe(stream)}`)
      return { ...stream, kind: 'committed', committedMs: event.nowMs, lastTrafficMs }
  }
}

/** Without traffic for longer than its type lives. */
export function isExpired(stream: StreamState, ttlMs: TtlMs, nowMs: number): boolean {
  const ttl = { COMMITTED: ttlMs.committed, BUFFERED: ttlMs.buffered, PENDING: ttlMs.pending }[stream.type]
  return ttl > 0 && nowMs - stream.lastTrafficMs > ttl
}

/**
 * What the service calls a type when it refuses it: WRITE_OPTIMIZED was seen for committed streams
 * (https://github.com/googleapis/nodejs-bigquery-storage/issues/413), the others only under their own names.
 */
export const serviceTypeName = (type: StreamType): string => (type === 'COMMITTED' ? 'WRITE_OPTIMIZED' : type)

const finalized = (stream: StreamState, message: string): Refusal => ({
  code: 'INVALID_ARGUMENT',
  message: `${message} Entity: ${stream.name}`,
  storage: { code: 'STREAM_FINALIZED', entity: stream.name },
})

const describe = (stream: StreamState): string =>
  `${stream.kind} ${stream.type} stream ${stream.name} flushed to ${stream.flushed} of ${stream.end}`
