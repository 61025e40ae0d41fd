// Datasets and tables as the emulator keeps them. `rest` holds the REST fields it stores and echoes without acting on them.
import type { DatasetRef, TableRef } from './names.ts'
import type { TableSchema } from './table-schema.ts'

export type Dataset = DatasetRef & {
  readonly location: string
  readonly createdMs: number
  readonly modifiedMs: number
  readonly rest: Readonly<Record<string, unknown>>
}

export type Table = TableRef & {
  /** Unique per creation: a table dropped and created anew is another incarnation, and streams of the old one are dead. */
  readonly incarnation: string
  readonly schema: TableSchema
  readonly location: string
  readonly createdMs: number
  readonly modifiedMs: number
  /** Counts the changes of this incarnation; part of the ETag. */
  readonly version: number
  readonly rest: Readonly<Record<string, unknown>>
}
