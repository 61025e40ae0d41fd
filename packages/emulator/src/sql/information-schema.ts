// INFORMATION_SCHEMA: TABLES, COLUMNS and TABLE_STORAGE of a dataset, from the catalog.
// https://cloud.google.com/bigquery/docs/information-schema-tables
import type { Table } from '../catalog/resources.ts'
import { physicalName, quoteName, quoteText } from '../storage/duckdb-names.ts'
import type { Output } from './names.ts'
import { notTranslated } from './refused.ts'
import type { SqlScope } from './translation.ts'
import { columnType, duckdbTypeOf, INT64, type SqlType, STRING, TIMESTAMP, typeText } from './types.ts'

type View = {
  readonly columns: readonly { readonly name: string; readonly type: SqlType }[]
  readonly rows: (table: Table) => readonly string[][]
}

const names = (table: Table): string[] => [table.project, table.dataset, table.table].map(quoteText)
const TABLE_NAMES = ['table_catalog', 'table_schema', 'table_name'].map(name => ({ name, type: STRING }))
const time = (ms: number): string => `make_timestamptz(${ms * 1000})`

const VIEWS: Readonly<Record<string, View>> = {
  TABLES: {
    columns: [
      ...TABLE_NAMES,
      { name: 'table_type', type: STRING },
      { name: 'is_insertable_into', type: STRING },
      { name: 'creation_time', type: TIMESTAMP },
    ],
    rows: table => [[...names(table), "'BASE TABLE'", "'YES'", time(table.createdMs)]],
  },
  COLUMNS: {
    columns: [
      ...TABLE_NAMES,
      { name: 'column_name', type: STRING },
      { name: 'ordinal_position', type: INT64 },
      { name: 'is_nullable', type: STRING },
      { name: 'data_type', type: STRING },
      { name: 'column_default', type: STRING },
    ],
    rows: table =>
      table.schema.columns.map((column, index) => [
        ...names(table),
        quoteText(column.name),
        String(index + 1),
        column.mode === 'REQUIRED' ? "'NO'" : "'YES'",
        quoteText(typeText(columnType(column))),
        column.defaultExpression === undefined ? 'NULL' : quoteText(column.defaultExpression),
      ]),
  },
  TABLE_STORAGE: {
    columns: [
      { name: 'project_id', type: STRING },
      { name: 'table_schema', type: STRING },
      { name: 'table_name', type: STRING },
      { name: 'creation_time', type: TIMESTAMP },
      { name: 'total_rows', type: INT64 },
    ],
    rows: table => [[...names(table), time(table.createdMs), `(SELECT count(*) FROM ${physicalName(table)})`]],
  },
}

/** The view a path names as a table expression; undefined for other paths. */
export function informationSchema(
  scope: SqlScope,
  path: readonly string[],
): { sql: string; columns: readonly Output[] } | undefined {
  const at = path.findIndex(part => part.toUpperCase() === 'INFORMATION_SCHEMA')
  if (at < 0) return undefined
  const dataset = path[at - 1] ?? scope.dataset
  const view =
    VIEWS[
      path
        .slice(at + 1)
        .join('.')
        .toUpperCase()
    ]
  if (!view || dataset === undefined || !scope.tablesOf || /^region-/i.test(dataset))
    throw notTranslated(
      `INFORMATION_SCHEMA (other than TABLES, COLUMNS and TABLE_STORAGE of a dataset): ${path.join('.')}`,
    )
  const project = path.slice(0, Math.max(at - 1, 0)).join('.') || scope.project
  const rows = scope.tablesOf({ project, dataset }).flatMap(view.rows)
  const values = rows.length > 0 ? rows : [view.columns.map(() => 'NULL')]
  const columns = view.columns.map(
    ({ name, type }, index) => `CAST(c${index} AS ${duckdbTypeOf(type)}) AS ${quoteName(name)}`,
  )
  const from = `(VALUES ${values.map(row => `(${row.join(', ')})`).join(', ')}) AS _v(${view.columns.map((_c, index) => `c${index}`).join(', ')})`
  return {
    sql: `(SELECT ${columns.join(', ')} FROM ${from}${rows.length > 0 ? '' : ' WHERE FALSE'})`,
    columns: view.columns,
  }
}
