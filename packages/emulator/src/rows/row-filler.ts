// Requests of one writer schema into one batch: the seam between the storage and what rows are written in (protobuf, Arrow).
import type { Table } from '../catalog/resources.ts'
import type { TableSchema } from '../catalog/table-schema.ts'
import type { RowError, WriterSchema } from '../storage/storage.ts'
import type { AppendRequest } from '../wire/append-request.ts'
import { Cursor } from '../wire/cursor.ts'
import { arrowRowCount, checkArrowSchema, compileArrowFiller } from './arrow-rows.ts'
import { readDescriptor } from './descriptor.ts'
import { partitionRule } from './partition.ts'
import { ROW_ERRORS_MAX, type RowBatch, type RowFiller } from './row-batch.ts'
import { checkDescriptor, compileRowDecoder } from './row-decoder.ts'

/** Where rows go and in what they come. */
export type FillerSpec = {
  readonly table: Table
  readonly schema: WriterSchema
  /** Partition decorator, `20260131`. */
  readonly partition: string | undefined
  readonly batch: RowBatch
}

/** Throws ExtraFields, UnusableDescriptor or MalformedProto when the writer schema does not fit the table. */
export function compileFiller({ table, schema, partition, batch }: FillerSpec): RowFiller {
  const rule = partitionRule(table, partition, batch.columns)
  if (schema.kind === 'arrow') return compileArrowFiller(schema.bytes, table.schema, batch, rule)
  const decoder = compileRowDecoder(readDescriptor(schema.bytes), table.schema, batch.columns, rule?.check)
  const cursor = new Cursor(schema.bytes)
  return ({ rows }, missing, nowMs) => {
    const errors: RowError[] = []
    decoder.begin(missing, nowMs)
    rule?.begin(nowMs)
    try {
      batch.begin(rows.bytes, rows.count)
      for (let index = 0; index < rows.count; index++) {
        cursor.reset(rows.bytes, rows.bounds[index * 2]!, rows.bounds[index * 2 + 1]!)
        const message = decoder.decode(cursor, batch.addRow())
        if (message === undefined) continue
        errors.push({ index, message })
        if (errors.length === ROW_ERRORS_MAX) break
      }
    } catch (error) {
      // Whatever it is, no half of a request may stay.
      batch.rollback()
      throw error
    }
    if (errors.length > 0) batch.rollback()
    return { rowCount: rows.count, errors, heldBytes: batch.growth.sinceStart }
  }
}

/** Checks a writer schema without taking rows; throws as `compileFiller` does. */
export function checkWriterSchema(schema: WriterSchema, tableSchema: TableSchema): void {
  if (schema.kind === 'arrow') checkArrowSchema(schema.bytes, tableSchema)
  else checkDescriptor(readDescriptor(schema.bytes), tableSchema)
}

/** How many rows a request has, read but for their contents. Throws UnusableDescriptor. */
export const requestRowCount = (request: AppendRequest): number =>
  request.format === 'arrow' ? arrowRowCount(request) : request.rows.count
