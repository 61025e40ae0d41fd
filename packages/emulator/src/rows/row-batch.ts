// The rows of one table that are accepted and not yet stored.
import { type Column, type ColumnType, hasPicoseconds, rangeBounds, type TableSchema } from '../catalog/table-schema.ts'
import { type ColumnBuilder, FixedColumn, ListColumn, StructColumn, TextColumn } from './columns.ts'

const FIXED_WIDTHS: Readonly<Partial<Record<ColumnType, 1 | 4 | 8 | 16>>> = {
  BOOL: 1,
  DATE: 4,
  INT64: 8,
  FLOAT64: 8,
  TIME: 8,
  DATETIME: 8,
  TIMESTAMP: 8,
  NUMERIC: 16,
  INTERVAL: 16,
}

/** An empty builder for a column; `mode` NULLABLE gives that of an element of a REPEATED one. */
export function builderFor(column: Column, mode: Column['mode'] = column.mode): ColumnBuilder {
  if (mode === 'REPEATED') return new ListColumn(builderFor(column, 'NULLABLE'))
  if (column.type === 'STRUCT') return new StructColumn(column.fields.map(field => builderFor(field)))
  if (column.type === 'RANGE') return new StructColumn(rangeBounds(column).map(bound => builderFor(bound)))
  const width = hasPicoseconds(column) ? undefined : FIXED_WIDTHS[column.type]
  return width ? new FixedColumn(width) : new TextColumn()
}

const NO_BYTES = Buffer.alloc(0)

export class RowBatch {
  readonly columns: readonly ColumnBuilder[]
  /** The request buffers that texts lie in; the first place is the columns' own arenas'. */
  sources: Buffer[] = [NO_BYTES]
  rowCount = 0
  private markedRows = 0

  constructor(schema: TableSchema) {
    this.columns = schema.columns.map(column => builderFor(column))
  }

  /** A fresh row, all NULL. */
  addRow(): number {
    const row = this.rowCount++
    for (const column of this.columns) column.ensure(row)
    return row
  }

  /** Rows of a request follow. rollback() returns to this point. */
  begin(request: Buffer): void {
    this.markedRows = this.rowCount
    this.sources.push(request)
    for (const column of this.columns) column.mark(this.sources.length - 1, request)
  }

  rollback(): void {
    for (const column of this.columns) {
      column.rollback()
      column.truncate(this.markedRows, this.rowCount)
    }
    this.rowCount = this.markedRows
    this.sources.pop()
  }

  clear(): void {
    for (const column of this.columns) column.truncate(0, this.rowCount)
    this.rowCount = 0
    this.sources = [NO_BYTES]
  }
}
