// What columns get that a row leaves out (top level only). A column that is not in the writer schema always gets its default; one that
// is there and absent from the row follows the request's missing-value interpretation, NULL unless told otherwise.
// https://cloud.google.com/bigquery/docs/reference/storage/rpc/google.cloud.bigquery.storage.v1#appendrowsrequest
import type { Column } from '../catalog/table-schema.ts'
import type { MissingValues } from '../storage/storage.ts'
import type { ColumnBuilder } from './columns.ts'
import { compileDefault, type FillDefault } from './defaults.ts'

type Defaulted = {
  readonly key: string
  readonly isWritten: boolean
  readonly builder: ColumnBuilder
  readonly fill: FillDefault
}

export class MissingColumns {
  private readonly defaulted: readonly Defaulted[]
  /** Of this request. */
  private active: readonly Defaulted[] = []
  private nowMicros = 0n

  /** `written`: the indexes of the columns the writer schema has. */
  constructor(columns: readonly Column[], builders: readonly ColumnBuilder[], written: ReadonlySet<number>) {
    this.defaulted = columns.flatMap((column, index) => {
      const builder = builders[index]!
      const fill = compileDefault(column, builder)
      return fill ? [{ key: column.name.toLowerCase(), isWritten: written.has(index), builder, fill }] : []
    })
  }

  begin({ byColumn, otherwise }: MissingValues, nowMs: number): void {
    if (this.defaulted.length === 0) return
    this.nowMicros = BigInt(Math.trunc(nowMs)) * 1000n
    // Columns are matched whatever their case, and so are the map's keys.
    const byKey = new Map([...(byColumn ?? [])].map(([name, value]) => [name.toLowerCase(), value]))
    this.active = this.defaulted.filter(({ key, isWritten }) => {
      if (!isWritten) return true
      const own = byKey.get(key)
      return (own === undefined || own === 'unspecified' ? otherwise : own) === 'default'
    })
  }

  fill(row: number): void {
    const { active } = this
    for (let i = 0; i < active.length; i++) {
      const { builder, fill } = active[i]!
      if (isAbsent(builder, row)) fill(row, this.nowMicros)
    }
  }
}

/** A list without elements cannot be told from one that was left out. */
const isAbsent = (builder: ColumnBuilder, row: number): boolean =>
  builder.kind === 'list' ? builder.lengths[row] === 0 : builder.valid[row] === 0
