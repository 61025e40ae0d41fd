// What an application-created write stream is and does: pure. Semantics: https://cloud.google.com/bigquery/docs/write-api
// S1 `end` only grows, and only by rows accepted at exactly `end`. S2 a finalized stream never changes again.
import type { Refusal } from '../wire/storage-error.ts'

export type StreamType = 'COMMITTED' | 'PENDING' | 'BUFFERED'

export type StreamState = {
  readonly kind: 'open' | 'finalized'
  /** Canonical name, `projects/…/streams/<id>`. */
  readonly name: string
  readonly type: StreamType
  /** The table incarnation it belongs to. */
  readonly tableKey: string
  readonly incarnation: string
  readonly createdMs: number
  /** Position of the next row = rows so far. */
  readonly end: bigint
}

export type StreamEvent =
  | { readonly kind: 'rowsAccepted'; readonly firstRow: bigint; readonly rowCount: number }
  | { readonly kind: 'finalize' }

/** Why an append offered at `offset` (absent = wherever the stream ends) is refused; undefined when its rows may be looked at. */
export function refuseAppend(stream: StreamState, offset: bigint | undefined): Refusal | undefined {
  if (stream.kind === 'finalized')
    return {
      code: 'INVALID_ARGUMENT',
      message: `Stream has been finalized and cannot be appended. Entity: ${stream.name}`,
      storage: { code: 'STREAM_FINALIZED', entity: stream.name },
    }
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

/** The next state. Throws on an event that `refuseAppend` should have kept away: that is a bug. */
export function step(stream: StreamState, event: StreamEvent): StreamState {
  switch (event.kind) {
    case 'rowsAccepted':
      if (stream.kind !== 'open' || event.firstRow !== stream.end || event.rowCount < 1)
        throw new Error(
          `rows accepted at ${event.firstRow} by ${stream.kind} stream ${stream.name} ending at ${stream.end}`,
        )
      return { ...stream, end: stream.end + BigInt(event.rowCount) }
    case 'finalize':
      return stream.kind === 'finalized' ? stream : { ...stream, kind: 'finalized' }
  }
}
