// Schemaless JSON into the columns of a table.
import type { TableSchema, WriterSchema } from '@millrace/core'
import { compileRowPlan, type RowOptions } from '../row-plan.ts'
import { compileGeneralJsonEncoder, type RowEncoder } from './row-encoder.ts'

/** Compiled once per table schema; holds no state between records but its predictions and `lastError`. */
export function compileJsonEncoder(setup: {
  readonly tableSchema: TableSchema
  readonly writerSchema: WriterSchema
  readonly options: RowOptions
}): RowEncoder {
  return compileGeneralJsonEncoder(compileRowPlan(setup.tableSchema, setup.writerSchema, null, setup.options))
}
