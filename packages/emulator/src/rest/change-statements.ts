// Statements that change tables or their rows: DML by the storage's writer, in the order of everything else; DDL by the catalog.
import { CatalogError } from '../catalog/catalog.ts'
import { nextTable } from '../catalog/names.ts'
import type { Table } from '../catalog/resources.ts'
import { schemaFromRest } from '../catalog/table-schema.ts'
import type { EmulatorCore } from '../emulator-core.ts'
import type { Ddl } from '../sql/ddl.ts'
import { insertInto } from '../sql/dml.ts'
import { SqlRefused } from '../sql/refused.ts'
import type { Statement } from '../sql/statement.ts'
import { QueryRefused } from '../storage/storage.ts'
import type { StatementResult } from './statements.ts'

type Changed = Omit<StatementResult, 'referencedTables'>
type Dml = Extract<Statement, { kind: 'dml' }>

/** Throws SqlRefused, QueryRefused or CatalogError. */
export async function runChange(
  core: EmulatorCore,
  statement: Exclude<Statement, { kind: 'query' }>,
  { isDryRun }: { isDryRun: boolean },
): Promise<Changed> {
  switch (statement.kind) {
    case 'dml':
      return runDml(core, statement, isDryRun)
    case 'createTable':
      return createTable(core, statement, isDryRun)
    case 'dropTable':
      return dropTable(core, statement, isDryRun)
  }
}

const NOTHING = { columns: undefined, rows: [] }

async function runDml(core: EmulatorCore, dml: Dml, isDryRun: boolean): Promise<Changed> {
  const { statement } = dml
  const rows = isDryRun ? [] : await execute(core, dml)
  const count = statement === 'MERGE' ? 0n : BigInt((rows[0]?.[0] as bigint | number | undefined) ?? 0)
  const merged = (action: string): bigint => BigInt(rows.filter(row => row[0] === action).length)
  const counts =
    statement === 'MERGE'
      ? { inserted: merged('INSERT'), updated: merged('UPDATE'), deleted: merged('DELETE') }
      : {
          inserted: statement === 'INSERT' ? count : 0n,
          updated: statement === 'UPDATE' ? count : 0n,
          deleted: statement === 'DELETE' || statement === 'TRUNCATE_TABLE' ? count : 0n,
        }
  return { statementType: statement, ...NOTHING, dml: counts }
}

/** Runs between two stores of appended rows. Gives the rows of the result. */
async function execute(
  core: EmulatorCore,
  { statement, sql, check, table }: Dml,
): Promise<readonly (readonly unknown[])[]> {
  const isMutating = statement === 'UPDATE' || statement === 'DELETE' || statement === 'MERGE'
  let result: readonly (readonly unknown[])[] = []
  try {
    await core.committer.change({
      kind: 'runDml',
      sql,
      check,
      unlessChanged: isMutating && core.behavior.changedTableDml === 'reject' ? table : undefined,
      done: rows => {
        result = rows
      },
    })
  } catch (error) {
    throw asQueryRefused(error as Error)
  }
  return result
}

const asQueryRefused = (error: Error): QueryRefused =>
  error instanceof QueryRefused ? error : new QueryRefused(error.message)

async function createTable(
  core: EmulatorCore,
  statement: Extract<Ddl, { kind: 'createTable' }>,
  isDryRun: boolean,
): Promise<Changed> {
  const { catalog } = core
  const { table: ref, query } = statement
  const result = (operation: string): Changed => ({
    statementType: query ? 'CREATE_TABLE_AS_SELECT' : 'CREATE_TABLE',
    ...NOTHING,
    ddl: { operation, target: ref },
  })
  const existing = catalog.findTable(ref)
  const schema = schemaFromRest({ fields: statement.fields })
  if (existing && statement.isIfNotExists) return result('SKIP')
  const isReplacing = existing !== undefined && statement.isReplacing
  if (isDryRun) return result(isReplacing ? 'REPLACE' : 'CREATE')
  const fill = query && ((table: Table): string => insertInto(nextTable(table), query))
  try {
    await catalog.createTable(ref, schema, statement.rest, { isReplacing, fill })
  } catch (error) {
    throw error instanceof CatalogError || error instanceof SqlRefused ? error : asQueryRefused(error as Error)
  }
  core.streams.forgetDead()
  return result(isReplacing ? 'REPLACE' : 'CREATE')
}

async function dropTable(
  core: EmulatorCore,
  { table, isIfExists }: Extract<Ddl, { kind: 'dropTable' }>,
  isDryRun: boolean,
): Promise<Changed> {
  const result = (operation: string): Changed => ({
    statementType: 'DROP_TABLE',
    ...NOTHING,
    ddl: { operation, target: table },
  })
  if (isIfExists && !core.catalog.findTable(table)) return result('SKIP')
  core.catalog.table(table)
  if (!isDryRun) {
    await core.catalog.dropTable(table)
    core.streams.forgetDead()
  }
  return result('DROP')
}
