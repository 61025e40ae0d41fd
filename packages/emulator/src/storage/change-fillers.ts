// Rows with _CHANGE_TYPE into a batch: as plain rows where only INSERT is taken, as changes where they will be merged.
import type { Table } from '../catalog/resources.ts'
import type { Column, TableSchema } from '../catalog/table-schema.ts'
import { UnusableDescriptor } from '../rows/field-match.ts'
import { ROW_ERRORS_MAX, type RowFiller } from '../rows/row-batch.ts'
import { compileFiller, type FillerSpec } from '../rows/row-filler.ts'
import type { TextColumn } from '../rows/text-column.ts'
import type { RowSpans } from '../wire/append-request.ts'
import { Cursor } from '../wire/cursor.ts'
import { type ChangeFields, type ChangeText, keyColumns, readChange, sortableSequence } from './change-fields.ts'
import type { RowError, Written } from './storage.ts'

const column = (name: string): Column => ({ name, type: 'STRING', mode: 'NULLABLE', fields: [] })
/** What changes have besides the table's columns, after them. */
const CHANGE_COLUMNS: readonly Column[] = [column('_CHANGE_TYPE'), column('_CHANGE_SEQUENCE_NUMBER')]

/** The columns of a batch of changes. */
export const changeSchema = (table: Table): TableSchema => ({ columns: [...table.schema.columns, ...CHANGE_COLUMNS] })

/** On streams other than the default: rows are added, and what is no INSERT is a row error. */
export function compileInsertFiller(spec: FillerSpec, fields: ChangeFields): RowFiller {
  const fill = compileFiller({ ...spec, schema: fields.schema })
  return (request, missing, nowMs) => {
    const bad = new Map<number, string>()
    for (const [index, { type }] of changesOf(request.rows, fields))
      if (type !== 'INSERT') bad.set(index, `The given value is not a valid CHANGE_TYPE in insert mode: ${type}`)
    return allOrNone(spec, fill(request, missing, nowMs), bad)
  }
}

/** What changes of a table are merged by. Throws UnusableDescriptor. */
export function mergeKey(table: Table): ReadonlySet<string> {
  const keys = new Set(keyColumns(table))
  if (keys.size > 0) return keys
  throw new UnusableDescriptor('Field _CHANGE_TYPE is there, but the table has no primary key to merge changes by.')
}

/** On the default stream: `spec.batch` is one of `changeSchema`. Of a DELETE only the key's fields need be there. */
export function compileMergeFiller(spec: FillerSpec, fields: ChangeFields): RowFiller {
  const { table, batch } = spec
  const keys = mergeKey(table)
  const fill = compileFiller({ ...spec, schema: fields.schema, table: relaxed(table, keys) })
  const types = batch.columns.at(-2) as TextColumn
  const sequences = batch.columns.at(-1) as TextColumn
  const required = table.schema.columns.flatMap(({ name, mode }, index) =>
    mode === 'REQUIRED' && !keys.has(name) ? [{ name, builder: batch.columns[index]! }] : [],
  )
  return (request, missing, nowMs) => {
    const firstRow = batch.rowCount
    const bad = new Map<number, string>()
    const changes = changesOf(request.rows, fields)
    const sortable = new Map<number, string>()
    for (const [index, { type, sequence }] of changes) {
      const sorted = sequence === undefined ? '' : sortableSequence(sequence)
      if (type !== 'UPSERT' && type !== 'DELETE' && type !== 'INSERT')
        bad.set(index, `The given value is not a valid CHANGE_TYPE: ${type}`)
      else if (sorted === undefined)
        bad.set(index, `The given value is not a valid CHANGE_SEQUENCE_NUMBER: ${sequence}`)
      else sortable.set(index, sorted)
    }
    const written = fill(request, missing, nowMs)
    if (written.errors.length === 0)
      for (const [index, { type }] of changes) {
        const row = firstRow + index
        const absent = type === 'DELETE' ? undefined : required.find(({ builder }) => builder.valid[row] === 0)
        if (absent && !bad.has(index)) bad.set(index, `Required field ${absent.name} is missing.`)
        types.setText(row, type)
        sequences.setText(row, sortable.get(index) ?? '')
      }
    return allOrNone(spec, written, bad)
  }
}

/** What each row says, by its index. Rows that cannot be read are left out: they are bad anyway. */
function changesOf(rows: RowSpans, fields: ChangeFields): Map<number, ChangeText> {
  const changes = new Map<number, ChangeText>()
  const cursor = new Cursor(rows.bytes)
  for (let index = 0; index < rows.count; index++) {
    cursor.reset(rows.bytes, rows.bounds[index * 2]!, rows.bounds[index * 2 + 1]!)
    const change = readChange(cursor, fields)
    if (change) changes.set(index, change)
  }
  return changes
}

/** One error a row, that of its change first; the batch is as before when there is any. */
function allOrNone({ batch }: FillerSpec, written: Written, bad: ReadonlyMap<number, string>): Written {
  if (bad.size === 0) return written
  if (written.errors.length === 0) batch.rollback()
  const messages = new Map(written.errors.map(({ index, message }) => [index, message]))
  for (const [index, message] of bad) messages.set(index, message)
  const errors: RowError[] = [...messages].map(([index, message]) => ({ index, message }))
  return { ...written, errors: errors.sort((a, b) => a.index - b.index).slice(0, ROW_ERRORS_MAX) }
}

/** The table with only its key required: other fields of a DELETE may be absent. */
function relaxed(table: Table, keys: ReadonlySet<string>): Table {
  const columns = table.schema.columns.map(
    (own): Column => (own.mode === 'REPEATED' ? own : { ...own, mode: keys.has(own.name) ? 'REQUIRED' : 'NULLABLE' }),
  )
  return { ...table, schema: { columns } }
}
