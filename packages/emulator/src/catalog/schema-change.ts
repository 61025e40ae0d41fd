// A changed schema keeps the order and the spelling of the columns there are: rows are laid out by them. New ones come last.
import { type Column, checkSchemaChange, type TableSchema } from './table-schema.ts'

/** Throws InvalidSchema for a change BigQuery would not make. */
export function changedSchema(before: TableSchema, after: TableSchema): TableSchema {
  checkSchemaChange(before.columns, after.columns)
  return { columns: inStoredOrder(before.columns, after.columns) }
}

function inStoredOrder(before: readonly Column[], after: readonly Column[]): Column[] {
  const changed = new Map(after.map(column => [column.name.toLowerCase(), column]))
  const kept = before.map(column => {
    const next = changed.get(column.name.toLowerCase())!
    changed.delete(column.name.toLowerCase())
    return { ...next, name: column.name, fields: inStoredOrder(column.fields, next.fields) }
  })
  return [...kept, ...changed.values()]
}
