// Where a connector's records go: which table, how its rows are encoded, and the tables it may create. The contract the
// partition needs from a connector; `connector-destination.ts` implements it on converters and BigQuery.

import type { OriginColumn, RowBuffer } from '@millrace/convert'
import type { RecordSlice, TableName, WriterSchema } from '@millrace/core'

/** Compiled for (source format, table schema). Holds no state between records but its predictions and `lastError`. */
export interface RecordConverter {
  readonly writerSchema: WriterSchema
  /** false: a filter drops the record. */
  keeps(slice: RecordSlice, i: number): boolean
  /** Appends the row and answers its byte length; negative when there is no row: see `isTombstone` and `lastError`. */
  encode(bytes: Buffer, start: number, end: number, out: RowBuffer): number
  /** Added to each row: which record it came from; null where no column is for that. */
  readonly origin: Pick<OriginColumn, 'append'> | null
  /** After a negative answer: the value says "delete", which without upsert is a drop, not an error. */
  readonly isTombstone: boolean
  /** After a negative answer: why, without any value of the record. */
  readonly lastError: { readonly stage: string; readonly message: string }
}

export type OpenTable = {
  readonly table: TableName
  readonly tableCreationTime: string
  readonly converter: RecordConverter
}

export interface Destination {
  /**
   * The table for records of this topic, created from the first record that has a schema where config allows.
   * null: these slices hold no record to create it from (only tombstones); ask again with the next.
   * Rejects TABLE_MISSING, TABLE_SCHEMA_UNSUPPORTED, RECORD_NOT_CONVERTIBLE, or disposition retry.
   */
  open(topic: string, slices: readonly RecordSlice[], options: { signal: AbortSignal }): Promise<OpenTable | null>
}
