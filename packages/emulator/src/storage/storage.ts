// The port behind which rows, tables and stream positions are kept.
// D1 what store() has resolved for is there after a crash (when the storage is durable), rows and stream ends together or not at all.
// D2 rows are visible to query() once store() resolved.
import type { Dataset, Table } from '../catalog/resources.ts'
import type { StreamState } from '../streams/stream-state.ts'
import type { RowSpans } from '../wire/append-request.ts'

export type Change =
  | { readonly kind: 'putDataset'; readonly dataset: Dataset }
  | { readonly kind: 'dropDataset'; readonly dataset: Dataset }
  | { readonly kind: 'createTable'; readonly table: Table }
  | { readonly kind: 'alterTable'; readonly before: Table; readonly after: Table }
  | { readonly kind: 'dropTable'; readonly table: Table }
  /** A stream created or finalized; its `end` is not taken from here. */
  | { readonly kind: 'putStream'; readonly stream: StreamState }

/** What one store() makes durable besides the rows written so far. */
export type Work = {
  /** New ends of the streams whose rows are among them. */
  readonly ends: ReadonlyMap<string, bigint>
  readonly changes: readonly { readonly change: Change; readonly settle: (error?: Error) => void }[]
}

export type Saved = {
  readonly datasets: readonly Dataset[]
  readonly tables: readonly Table[]
  readonly streams: readonly StreamState[]
}

export type RowError = { readonly index: number; readonly message: string }

/** Takes rows of one writer schema into one table. Follows the table through schema changes. */
export interface RowWriter {
  /** All rows or none: the errors of all bad rows, or nothing when every row was taken. Synchronous. */
  write(rows: RowSpans): readonly RowError[]
}

export type ResultColumn = {
  readonly name: string
  readonly type: string
  readonly mode: 'NULLABLE' | 'REPEATED'
  readonly fields?: readonly ResultColumn[]
}
/** Values as the REST API shows them: text, null, or nested {f:[{v}]} and [{v}]. Timestamps are micros as decimal text. */
export type QueryResult = { readonly columns: readonly ResultColumn[]; readonly rows: readonly (readonly unknown[])[] }

/** A query the storage cannot run, in words for the caller. */
export class QueryRefused extends Error {}

export interface Storage {
  /** What an earlier run left. Called once, first. */
  load(): Promise<Saved>
  /** Throws ExtraFields, UnusableDescriptor or MalformedProto when the writer schema does not fit. */
  openWriter(table: Table, descriptor: Buffer): RowWriter
  /**
   * Stores everything written so far. `take` is called once, in the same turn in which the written rows are collected.
   * Rejects only when the storage is broken for good.
   */
  store(take: () => Work): Promise<void>
  /** Runs a SELECT in the storage's own dialect. Throws QueryRefused. */
  query(sql: string, rowsMax: number): Promise<QueryResult>
  rowCount(table: Table): Promise<bigint>
  close(): Promise<void>
}
