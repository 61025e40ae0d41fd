// Changes (_CHANGE_TYPE) on their way into the table: appended to a physical table of their own, then merged by primary key in the same
// transaction, so that they show with the acknowledgement. Of each key that came with a sequence number, the last one is remembered,
// that of deleted rows too: an older change that comes late loses.
import type { Table } from '../catalog/resources.ts'
import type { TableSchema } from '../catalog/table-schema.ts'
import type { RowBatch, RowFiller } from '../rows/row-batch.ts'
import { changeFieldsOf, keyColumns } from './change-fields.ts'
import { changeSchema, compileMergeFiller } from './change-fillers.ts'
import { type Place, physicalName, quoteName, quotePlace, quoteText } from './duckdb-names.ts'
import { createColumns } from './duckdb-statements.ts'
import type { Sql } from './hidden-rows.ts'
import { RowTarget } from './row-target.ts'
import type { WriterSpec } from './storage.ts'

const SCHEMA = 'emulator_changes'
/** Sequence numbers of deleted rows are kept for two days. https://cloud.google.com/bigquery/docs/change-data-capture */
const TOMBSTONE_MS = 2 * 24 * 3600 * 1000
/** How often tombstones are looked through. */
const PURGE_MS = 3600 * 1000
/** Merged changes keep their room in DuckDB until their physical table is made anew. */
const MERGED_ROWS_MAX = 200_000

const arrivals = (incarnation: string): Place => ({ schema: SCHEMA, name: `arrivals ${incarnation}` })
const versions = (incarnation: string): Place => ({ schema: SCHEMA, name: `versions ${incarnation}` })

export const createChangeSchema: string = `CREATE SCHEMA IF NOT EXISTS ${SCHEMA}`

/** The table is another or gone: arrivals are empty between two transactions, versions hold for one key only. */
export function dropChanges(before: Table, after: Table | undefined): string[] {
  const isSameKey = after !== undefined && keyColumns(before).join() === keyColumns(after).join()
  return [
    `DROP TABLE IF EXISTS ${quotePlace(arrivals(before.incarnation))}`,
    ...(isSameKey ? [] : [`DROP TABLE IF EXISTS ${quotePlace(versions(before.incarnation))}`]),
  ]
}

/** Whether rows with _CHANGE_TYPE ever came to the table, in this run or an earlier one. */
export async function hasChanges(sql: Sql, { incarnation }: Table): Promise<boolean> {
  const { schema, name } = versions(incarnation)
  const found = await sql(
    `SELECT 1 FROM duckdb_tables() WHERE schema_name = ${quoteText(schema)} AND table_name = ${quoteText(name)}`,
  )
  return found.length > 0
}

/** Takes the changes of one table. */
export class ChangeTarget extends RowTarget {
  private mergedRows = 0
  private purgedMs = 0

  constructor(table: Table) {
    super(table, arrivals(table.incarnation), undefined)
  }

  override get key(): string {
    return changeKey(this.table)
  }

  override get schema(): TableSchema {
    return changeSchema(this.table)
  }

  protected override compile({ schema, partition }: WriterSpec, batch: RowBatch): RowFiller {
    return compileMergeFiller({ table: this.table, schema, partition, batch }, changeFieldsOf(schema)!)
  }

  /** Makes the physical tables, unless they are there. */
  async prepare(sql: Sql): Promise<void> {
    const keys = new Set(keyColumns(this.table))
    const ofKey = this.table.schema.columns.filter(({ name }) => keys.has(name))
    await sql(ifMissing(createColumns(this.place, this.schema.columns)))
    const own = ['_sequence VARCHAR', '_deleted_ms BIGINT'].join(', ')
    await sql(ifMissing(createColumns(versions(this.table.incarnation), ofKey).replace(/\)$/, () => `, ${own})`)))
  }

  /** Merges what arrived, in the open transaction. `table` is as it was when it arrived. */
  async merge(sql: Sql, table: Table, nowMs: number): Promise<void> {
    const rowCount = await this.mergeArrivals(sql, table, nowMs)
    if (nowMs - this.purgedMs >= PURGE_MS) {
      this.purgedMs = nowMs
      await sql(`DELETE FROM ${quotePlace(versions(table.incarnation))} WHERE _deleted_ms < ${nowMs - TOMBSTONE_MS}`)
    }
    this.mergedRows += rowCount
    if (this.mergedRows < MERGED_ROWS_MAX) return
    this.mergedRows = 0
    this.closeAppender()
    await sql(`DROP TABLE ${quotePlace(this.place)}`)
  }

  private async mergeArrivals(sql: Sql, table: Table, nowMs: number): Promise<number> {
    const keys = keyColumns(table).map(quoteName)
    const arrived = quotePlace(this.place)
    const known = quotePlace(versions(table.incarnation))
    const sameKey = (a: string, b: string): string =>
      keys.map(key => `${a}.${key} IS NOT DISTINCT FROM ${b}.${key}`).join(' AND ')
    const columns = table.schema.columns.map(({ name }) => quoteName(name)).join(', ')

    // Only the last change of each key is left, where it is not older than what is known. Equal ones: the later arrival.
    const [[outdated]] = (await sql(`DELETE FROM ${arrived} WHERE rowid NOT IN (
      SELECT own.row FROM (
        SELECT rowid AS row, ${keys.join(', ')}, _CHANGE_SEQUENCE_NUMBER AS sequence, row_number() OVER (
          PARTITION BY ${keys.join(', ')} ORDER BY _CHANGE_SEQUENCE_NUMBER DESC, rowid DESC) AS rank
        FROM ${arrived}) own
      LEFT JOIN ${known} known ON ${sameKey('known', 'own')}
      WHERE own.rank = 1 AND (known._sequence IS NULL OR own.sequence >= known._sequence))`)) as [[bigint]]
    await sql(
      `DELETE FROM ${physicalName(table)} AS visible USING ${arrived} AS own WHERE ${sameKey('visible', 'own')}`,
    )
    await sql(
      `INSERT INTO ${physicalName(table)} BY NAME SELECT ${columns} FROM ${arrived} WHERE _CHANGE_TYPE <> 'DELETE'`,
    )
    await sql(`DELETE FROM ${known} AS known USING ${arrived} AS own WHERE ${sameKey('known', 'own')}`)
    await sql(`INSERT INTO ${known}
      SELECT ${keys.join(', ')}, _CHANGE_SEQUENCE_NUMBER, CASE WHEN _CHANGE_TYPE = 'DELETE' THEN ${nowMs} END
      FROM ${arrived} WHERE _CHANGE_SEQUENCE_NUMBER <> ''`)
    const [[merged]] = (await sql(`DELETE FROM ${arrived}`)) as [[bigint]]
    return Number(outdated + merged)
  }
}

/** Under which a table's changes are known among the targets. */
export const changeKey = (table: Table): string => `changes of ${table.incarnation}`

const ifMissing = (statement: string): string => statement.replace('CREATE TABLE', 'CREATE TABLE IF NOT EXISTS')
