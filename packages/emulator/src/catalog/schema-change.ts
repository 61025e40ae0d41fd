// A changed schema keeps the order and the spelling of the columns there are: rows are laid out by them. New ones come last.
import { type Column, hasPicoseconds, InvalidSchema, type TableSchema } from './table-schema.ts'

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

/**
 * Throws InvalidSchema for anything but added NULLABLE or REPEATED columns and relaxed ones, which is all BigQuery allows.
 * https://cloud.google.com/bigquery/docs/managing-table-schemas
 */
function checkSchemaChange(before: readonly Column[], after: readonly Column[], path = ''): void {
  const next = new Map(after.map(column => [column.name.toLowerCase(), column]))
  for (const column of before) {
    const name = path + column.name
    const changed = next.get(column.name.toLowerCase())
    if (!changed)
      throw new InvalidSchema(`Provided Schema does not match Table. Field ${name} is missing in new schema`)
    if (typeText(changed) !== typeText(column))
      throw new InvalidSchema(
        `Provided Schema does not match Table. Field ${name} has changed type from ${typeText(column)} to ${typeText(changed)}`,
      )
    const relaxed = column.mode === 'REQUIRED' && changed.mode === 'NULLABLE'
    if (changed.mode !== column.mode && !relaxed)
      throw new InvalidSchema(
        `Provided Schema does not match Table. Field ${name} has changed mode from ${column.mode} to ${changed.mode}`,
      )
    checkSchemaChange(column.fields, changed.fields, `${name}.`)
  }
  const known = new Set(before.map(column => column.name.toLowerCase()))
  for (const column of after)
    if (!known.has(column.name.toLowerCase()) && column.mode === 'REQUIRED')
      throw new InvalidSchema(
        `Provided Schema does not match Table. Cannot add required fields to an existing schema. (field: ${path}${column.name})`,
      )
}

function typeText(column: Column): string {
  if (column.type === 'RANGE') return `RANGE<${column.rangeElementType}>`
  return hasPicoseconds(column) ? 'TIMESTAMP(12)' : column.type
}
