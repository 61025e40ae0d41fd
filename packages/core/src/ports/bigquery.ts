// BigQuery as the worker sees it: tables, write streams, append connections.
import type { MillraceError } from '../errors/error.ts'
import type { StreamName, StreamOffset, TableName } from '../ids.ts'
import type { TableInfo, TableSpec, WriterSchema } from '../table-schema.ts'

export interface Tables {
  /** null when the table does not exist. Rejects with disposition retry or failPartition. */
  get(table: TableName, options: { signal: AbortSignal }): Promise<TableInfo | null>
  /** Creates the table; when somebody else did meanwhile, answers with theirs. */
  create(table: TableName, spec: TableSpec, options: { signal: AbortSignal }): Promise<TableInfo>
}

export interface WriteStreams {
  /** A COMMITTED stream. Retried inside only while nothing is known to be wrong; an orphan is always empty, so that is safe. */
  create(table: TableName, options: { signal: AbortSignal }): Promise<StreamName>
  /** Whether the stream can still be appended to. STREAM_GONE when it is not found. */
  exists(stream: StreamName, options: { signal: AbortSignal }): Promise<boolean>
  /** One FinalizeWriteStream call: the final row count. Rejects STREAM_GONE, or disposition retry: the caller asks again. */
  finalize(stream: StreamName, options: { signal: AbortSignal }): Promise<StreamOffset>
  /** Opens no network by itself; the first `send` does. */
  connect(stream: StreamName, schema: WriterSchema, listener: AppendListener): AppendConnection
}

/** Rows as they go over the wire: `bytes[start, end)` is a run of `ProtoRows.serialized_rows` fields (tag 0x0a, length, row). */
export type FrozenRows = {
  readonly bytes: Buffer
  /**
   * At least APPEND_HEADROOM_BYTES lie before `start`, for the request header. Written by the connection only, at every
   * send: the same rows may be sent again once the earlier copy was answered or its connection is dead, never before.
   */
  readonly start: number
  readonly end: number
  readonly rowCount: number
}
export const APPEND_HEADROOM_BYTES = 512

export type AppendRequest = { readonly id: number; readonly firstRow: StreamOffset; readonly rows: FrozenRows }

export type RowError = { readonly index: number; readonly message: string }

/** Called in request order; exactly one of `onAcknowledged` and `onRefused` per request, or one `onBroken` for all unanswered. */
export interface AppendListener {
  /** `offset` as BigQuery answered it: the caller compares. */
  onAcknowledged(id: number, offset: StreamOffset): void
  /** A definitive in-band answer: this copy of the request did not land. (OFFSET_ALREADY_EXISTS: an earlier one did.) */
  onRefused(id: number, error: AppendRefusal): void
  /** Connection lost (also an idle one, with nothing unanswered) or a deadline passed: every unanswered request may or may not have landed. The connection is dead. */
  onBroken(error: MillraceError): void
  /** BigQuery reported a new table schema on a successful append. */
  onSchemaUpdated(): void
}

export type AppendRefusal =
  | { readonly kind: 'alreadyExists' | 'outOfRange' | 'streamFinalized' | 'streamNotFound'; readonly message: string }
  | { readonly kind: 'rowErrors'; readonly message: string; readonly rows: readonly RowError[] }
  | { readonly kind: 'other'; readonly error: MillraceError }

export interface AppendConnection {
  /**
   * Sends at once, or as soon as HTTP/2 flow control lets it. Order is kept. On a connection that broke it does nothing:
   * its `onBroken` stands for this request too. After `close` it is a bug.
   */
  send(request: AppendRequest): void
  /** Bytes handed to `send` and not yet answered. */
  readonly inFlightBytes: number
  /** Half-closes when everything is answered; nothing is reported after. */
  close(): void
}
