// Record batches of one Arrow schema into one batch of rows. A null is NULL, not a missing value: only columns the schema lacks get
// their defaults.
import type { TableSchema } from '../catalog/table-schema.ts'
import type { MissingValues, RowError } from '../storage/storage.ts'
import type { AppendRequest } from '../wire/append-request.ts'
import { matchArrowFields } from './arrow-columns.ts'
import { ArrowBatch, readArrowSchema } from './arrow-ipc.ts'
import { UnusableDescriptor } from './field-match.ts'
import { MissingColumns } from './missing-columns.ts'
import type { PartitionRule } from './partition.ts'
import { builderFor, ROW_ERRORS_MAX, type RowBatch, type RowFiller } from './row-batch.ts'
import { RowFault } from './sinks.ts'

const NO_DEFAULTS: MissingValues = { byColumn: undefined, otherwise: 'null' }

/** Checks an Arrow schema against a table. Throws ExtraFields or UnusableDescriptor. */
export function checkArrowSchema(bytes: Buffer, schema: TableSchema): void {
  matchArrowFields(
    readArrowSchema(bytes),
    schema.columns,
    schema.columns.map(column => builderFor(column)),
  )
}

/** The rows a request's record batch says it has. Throws UnusableDescriptor. */
export const arrowRowCount = ({ recordBatch }: AppendRequest): number => new ArrowBatch(recordBatch!).rowCount

/** Throws ExtraFields or UnusableDescriptor, the filler UnusableDescriptor when a record batch is not what the schema says. */
export function compileArrowFiller(
  bytes: Buffer,
  schema: TableSchema,
  batch: RowBatch,
  rule: PartitionRule | undefined,
): RowFiller {
  const { columns } = schema
  const matches = matchArrowFields(readArrowSchema(bytes), columns, batch.columns)
  const written = new Set(matches.map(match => match.index))
  const missing = new MissingColumns(columns, batch.columns, written)
  // What the schema has, its reader asks for; what it lacks may have a default.
  const lacking = columns.flatMap((column, index) =>
    column.mode === 'REQUIRED' && !written.has(index) ? [{ name: column.name, builder: batch.columns[index]! }] : [],
  )
  return ({ recordBatch }, _missing, nowMs) => {
    if (!recordBatch) throw new UnusableDescriptor('The request has no Arrow record batch.')
    const source = new ArrowBatch(recordBatch)
    const sets = matches.map(match => match.bind(source, source.rowCount))
    source.checkTaken()
    missing.begin(NO_DEFAULTS, nowMs)
    rule?.begin(nowMs)
    const errors: RowError[] = []

    try {
      batch.begin(recordBatch, source.rowCount)
      for (let index = 0; index < source.rowCount; index++) {
        const row = batch.addRow()
        try {
          for (const set of sets) set(index, row)
          missing.fill(row)
          for (const { name, builder } of lacking)
            if (builder.valid[row] === 0) throw new RowFault(`Required field ${name} is missing.`)
          rule?.check(row)
        } catch (fault) {
          if (!(fault instanceof RowFault)) throw fault
          errors.push({ index, message: fault.message })
          if (errors.length === ROW_ERRORS_MAX) break
        }
      }
    } catch (error) {
      batch.rollback()
      throw error
    }
    if (errors.length > 0) batch.rollback()
    return { rowCount: source.rowCount, errors, heldBytes: batch.growth.sinceStart }
  }
}
