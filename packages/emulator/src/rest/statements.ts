// The one seam to SQL: a statement in BigQuery's words, run, with what the REST API tells about it.
import type { TableRef } from '../catalog/names.ts'
import type { EmulatorCore } from '../emulator-core.ts'
import { SqlRefused } from '../sql/refused.ts'
import { parseStatement } from '../sql/statement.ts'
import type { QueryParameters } from '../sql/translation.ts'
import type { QueryResult, ResultColumn } from '../storage/storage.ts'
import { runChange } from './change-statements.ts'

/** Rows a query may have; beyond it is refused, since the whole result is kept in memory. */
export const QUERY_ROWS_MAX = 200_000

export type StatementRequest = {
  readonly sql: string
  /** Where unqualified names are looked up. */
  readonly project: string
  readonly dataset: string | undefined
  readonly parameters: QueryParameters | undefined
  /** Checked and described, not run. */
  readonly isDryRun: boolean
}

export type StatementResult = {
  /** As in statistics.query: SELECT, INSERT, CREATE_TABLE, … */
  readonly statementType: string
  /** Absent where the statement has no result. */
  readonly columns: readonly ResultColumn[] | undefined
  readonly rows: readonly (readonly unknown[])[]
  readonly referencedTables: readonly TableRef[]
  /** Rows that DML changed. */
  readonly dml?: { readonly inserted: bigint; readonly updated: bigint; readonly deleted: bigint }
  readonly ddl?: { readonly operation: string; readonly target: TableRef }
}

/** Throws SqlRefused or QueryRefused. */
export async function runStatement(
  core: EmulatorCore,
  request: StatementRequest,
  { signal }: { signal: AbortSignal },
): Promise<StatementResult> {
  const { catalog, storage } = core
  const referenced = new Map<string, TableRef>()
  const statement = parseStatement(request.sql, {
    project: request.project,
    dataset: request.dataset,
    findTable: ref => {
      const table = catalog.findTable(ref)
      if (table?.schema.columns.length === 0)
        throw new SqlRefused(`Table "${table.project}.${table.dataset}.${table.table}" does not have a schema.`)
      if (table)
        referenced.set(table.incarnation, { project: table.project, dataset: table.dataset, table: table.table })
      return table
    },
    tablesOf: ref => catalog.tablesOf(ref),
    parameters: request.parameters,
  })
  const referencedTables = [...referenced.values()]
  if (statement.kind !== 'query') return { ...(await runChange(core, statement, request)), referencedTables }
  const { sql, columns } = statement
  const result: QueryResult = request.isDryRun
    ? await storage.query(`SELECT * FROM (${sql}) AS dry LIMIT 0`, 0, columns, signal)
    : await storage.query(sql, QUERY_ROWS_MAX, columns, signal)
  return { statementType: 'SELECT', ...result, referencedTables }
}
