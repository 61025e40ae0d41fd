// A table's new columns reach its appends some time after REST shows them: until then they write to the table as it was.
import { isDeepStrictEqual } from 'node:util'
import type { Behavior } from '../behavior.ts'
import type { Table } from '../catalog/resources.ts'
import type { TableSchema } from '../catalog/table-schema.ts'

/** Changes on their way, of one table and of all; beyond it the oldest have arrived. */
const CHANGES_MAX = 1000

type Pending = { readonly incarnation: string; readonly before: TableSchema; readonly changedMs: number }

export class SchemaPropagation {
  private readonly behavior: Behavior
  private readonly nowMs: () => number
  /** Oldest first. */
  private pending: Pending[] = []

  constructor(behavior: Behavior, nowMs: () => number) {
    this.behavior = behavior
    this.nowMs = nowMs
  }

  changed(before: Table, after: Table): void {
    if (this.behavior.schemaPropagationMs === 0 || isDeepStrictEqual(before.schema, after.schema)) return
    this.pending.push({ incarnation: before.incarnation, before: before.schema, changedMs: this.nowMs() })
    if (this.pending.length > CHANGES_MAX) this.pending.shift()
  }

  /** The schema as appends know it at this moment. */
  appendSchema(table: Table): TableSchema {
    if (this.pending.length === 0) return table.schema
    const arrivedMs = this.nowMs() - this.behavior.schemaPropagationMs
    this.pending = this.pending.filter(({ changedMs }) => changedMs > arrivedMs)
    return this.pending.find(({ incarnation }) => incarnation === table.incarnation)?.before ?? table.schema
  }
}
