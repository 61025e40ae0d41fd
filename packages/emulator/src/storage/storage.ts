// The port behind which rows, tables and stream positions are kept.
// D1 what store() has resolved for is there after a crash (when the storage is durable), rows and stream ends together or not at all.
// D2 rows are visible to query() once store() resolved.
import type { Dataset, Table } from '../catalog/resources.ts'
import type { StreamState } from '../streams/stream-state.ts'
import type { AppendRequest, MissingValue } from '../wire/append-request.ts'

export type Change =
  | { readonly kind: 'putDataset'; readonly dataset: Dataset }
  | { readonly kind: 'dropDataset'; readonly dataset: Dataset }
  /** `replaced` is dropped with its rows; `fill` inserts its rows, under the name that `nextTable` says. */
  | {
      readonly kind: 'createTable'
      readonly table: Table
      readonly replaced?: Table | undefined
      readonly fill?: string | undefined
    }
  | { readonly kind: 'alterTable'; readonly before: Table; readonly after: Table }
  | { readonly kind: 'dropTable'; readonly table: Table }
  /** A stream created or finalized. Here and below, `end` and `lastTrafficMs` are not taken from the states. */
  | { readonly kind: 'putStream'; readonly stream: StreamState }
  /** The hidden rows of PENDING streams become visible, of all at once; the states are those after it. */
  | { readonly kind: 'commitStreams'; readonly table: Table; readonly streams: readonly StreamState[] }
  /** The first `rowCount` hidden rows of a BUFFERED stream become visible; the state is that after it. */
  | {
      readonly kind: 'flushStream'
      readonly table: Table
      readonly stream: StreamState
      readonly rowCount: bigint
    }
  /** Streams that expired: forgotten, their hidden rows too. */
  | { readonly kind: 'dropStreams'; readonly streams: readonly StreamState[] }
  /** INSERT, UPDATE, DELETE or MERGE in the storage's own dialect; `done` gets its result rows once it is stored. */
  | {
      readonly kind: 'runDml'
      readonly sql: string
      /** Run in the same transaction, which its error undoes. */
      readonly check: string | undefined
      /** Refused when rows with _CHANGE_TYPE were ever merged into it. */
      readonly unlessChanged: Table | undefined
      readonly done: (rows: readonly (readonly unknown[])[]) => void
    }

/** What one store() makes durable besides the rows written so far. */
export type Work = {
  /** The streams whose rows are among them, as they are since: ends and traffic. */
  readonly streams: ReadonlyMap<string, StreamState>
  readonly changes: readonly { readonly change: Change; readonly settle: (error?: Error) => void }[]
}

export type Saved = {
  readonly datasets: readonly Dataset[]
  readonly tables: readonly Table[]
  readonly streams: readonly StreamState[]
}

export type RowError = { readonly index: number; readonly message: string }

/** What a writer schema is written in: a serialized DescriptorProto, or an Arrow IPC schema message. */
export type WriterSchema = { readonly kind: 'proto' | 'arrow'; readonly bytes: Buffer }

/** What a writer writes and where it goes; fixed for the writer's life. */
export type WriterSpec = {
  readonly table: Table
  readonly schema: WriterSchema
  /** Full name of the PENDING or BUFFERED stream whose rows stay hidden until a change reveals them; absent = visible once stored. */
  readonly hiddenIn: string | undefined
  /** Default stream: rows with _CHANGE_TYPE are merged by primary key. Elsewhere only INSERT is taken. */
  readonly isDefaultStream: boolean
  /** Partition decorator of the table name: `20260131` of `table$20260131`. */
  readonly partition: string | undefined
}

/** What becomes of columns that are in the writer schema and absent from a row: per column name, and for all others. */
export type MissingValues = {
  readonly byColumn: ReadonlyMap<string, MissingValue> | undefined
  readonly otherwise: MissingValue
}

export type Written = {
  readonly rowCount: number
  readonly errors: readonly RowError[]
  /** Memory taken for the rows, when more than the request's own may be. */
  readonly heldBytes?: number
}

/** Takes rows of one writer schema into one table. Follows the table through schema changes. */
export interface RowWriter {
  /** All rows or none: the errors of all bad rows, or none when every row was taken. Synchronous. A trial takes none. */
  write(request: AppendRequest, missing: MissingValues, options?: { readonly isTrial: boolean }): Written
}

export type ResultColumn = {
  readonly name: string
  readonly type: string
  readonly mode: 'NULLABLE' | 'REPEATED'
  readonly fields?: readonly ResultColumn[]
  /** Of a RANGE, whose values are its two bounds as a struct. */
  readonly rangeElementType?: { readonly type: string }
}
/** Values as the REST API shows them: text, null, or nested {f:[{v}]} and [{v}]. Timestamps are micros as decimal text. */
export type QueryResult = { readonly columns: readonly ResultColumn[]; readonly rows: readonly (readonly unknown[])[] }

/** A query the storage cannot run, in words for the caller. */
export class QueryRefused extends Error {}

export interface Storage {
  /** What an earlier run left. Called once, first. */
  load(): Promise<Saved>
  /** Throws ExtraFields, UnusableDescriptor or MalformedProto when the writer schema does not fit. */
  openWriter(spec: WriterSpec): RowWriter
  /**
   * Stores everything written so far. `take` is called once, in the same turn in which the written rows are collected.
   * Rejects only when the storage is broken for good.
   */
  store(take: () => Work): Promise<void>
  /**
   * Runs a SELECT in the storage's own dialect; `known` are columns whose types the storage cannot tell. Throws QueryRefused, also when
   * `signal` stops it.
   */
  query(
    sql: string,
    rowsMax: number,
    known?: readonly (ResultColumn | undefined)[],
    signal?: AbortSignal,
  ): Promise<QueryResult>
  rowCount(table: Table): Promise<bigint>
  close(): Promise<void>
}
