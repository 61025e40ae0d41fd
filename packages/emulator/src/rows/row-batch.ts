// The rows of one table that are accepted and not yet stored.
import { type Column, type ColumnType, hasPicoseconds, rangeBounds, type TableSchema } from '../catalog/table-schema.ts'
import type { MissingValues, Written } from '../storage/storage.ts'
import type { AppendRequest } from '../wire/append-request.ts'
import { type ColumnBuilder, FixedColumn, ListColumn, StructColumn } from './columns.ts'
import { Growth } from './growth.ts'
import { TextColumn } from './text-column.ts'

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
export function builderFor(column: Column, mode: Column['mode'] = column.mode, growth?: Growth): ColumnBuilder {
  if (mode === 'REPEATED') return new ListColumn(builderFor(column, 'NULLABLE', growth), growth)
  if (column.type === 'STRUCT') return structOf(column.fields, growth)
  if (column.type === 'RANGE') return structOf(rangeBounds(column), growth)
  const width = hasPicoseconds(column) ? undefined : FIXED_WIDTHS[column.type]
  return width ? new FixedColumn(width, growth) : new TextColumn(growth)
}

const structOf = (fields: readonly Column[], growth: Growth | undefined): StructColumn =>
  new StructColumn(
    fields.map(field => builderFor(field, field.mode, growth)),
    growth,
  )

/** Memory a refused request may leave behind. */
const KEEP_BYTES_MAX = 64 * 1024 * 1024
const NO_BYTES = Buffer.alloc(0)

export class RowBatch {
  readonly growth: Growth = new Growth()
  readonly columns: readonly ColumnBuilder[]
  /** The request buffers that texts lie in; the first place is the columns' own arenas'. */
  sources: Buffer[] = [NO_BYTES]
  rowCount = 0
  private markedRows = 0
  /** Rows the columns have room for. */
  private reserved = 0

  constructor(schema: TableSchema) {
    this.columns = schema.columns.map(column => builderFor(column, column.mode, this.growth))
  }

  /** A fresh row, all NULL. */
  addRow(): number {
    const row = this.rowCount++
    if (row >= this.reserved) this.reserve(row + 1)
    return row
  }

  private reserve(rows: number): void {
    for (const column of this.columns) column.ensure(rows - 1)
    this.reserved = rows
  }

  /** Rows of a request follow, so many if that is known. rollback() returns to this point. Throws TooManyValues. */
  begin(request: Buffer, rows = 0): void {
    this.markedRows = this.rowCount
    this.growth.start()
    this.sources.push(request)
    for (const column of this.columns) column.mark(this.sources.length - 1, request)
    if (this.rowCount + rows > this.reserved) this.reserve(this.rowCount + rows)
  }

  rollback(): void {
    for (const column of this.columns) {
      column.rollback()
      column.truncate(this.markedRows, this.rowCount)
    }
    this.rowCount = this.markedRows
    this.sources.pop()
    if (this.rowCount === 0 && this.growth.sinceStart > KEEP_BYTES_MAX) this.shrink()
  }

  private shrink(): void {
    for (const column of this.columns) column.shrink()
    this.growth.reset()
    this.reserved = 0
  }

  clear(): void {
    for (const column of this.columns) column.truncate(0, this.rowCount)
    this.rowCount = 0
    this.sources = [NO_BYTES]
  }
}

/** Appends the request's rows to the batch: all of them, or none and what is wrong with the bad ones. */
export type RowFiller = (request: AppendRequest, missing: MissingValues, nowMs: number) => Written

/** Row errors listed in one response; the message says the list may be incomplete. About 200 bytes each. */
export const ROW_ERRORS_MAX = 1000
