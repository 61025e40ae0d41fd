// Rows of PENDING and BUFFERED streams that are not to be seen yet: one physical table per stream, in a schema of their own, made for
// the stream's first row and dropped with its last hidden one. It holds exactly the rows [flushed, end) of the stream, in their order,
// so that the next n to show are its first n.
import { parseStreamName } from '../catalog/names.ts'
import type { Table } from '../catalog/resources.ts'
import type { StreamState } from '../streams/stream-state.ts'
import { type Place, physicalName, quoteName, quotePlace } from './duckdb-names.ts'
import { createColumns, widen } from './duckdb-statements.ts'

const SCHEMA = 'emulator_hidden'

/** Runs one statement and returns its rows. */
export type Sql = (statement: string) => Promise<readonly (readonly unknown[])[]>

/** Where the hidden rows of a stream lie: ids of streams are unique in the emulator. */
export const hiddenPlace = (stream: string): Place => ({ schema: SCHEMA, name: parseStreamName(stream)!.id })

export class HiddenRows {
  /** Incarnation of the table, by stream with a physical table. Bounded by the streams there are. */
  private readonly incarnations = new Map<string, string>()

  /** Finds what an earlier run left; rows without a stream are dropped. */
  async load(sql: Sql, streams: readonly StreamState[]): Promise<void> {
    await sql(`CREATE SCHEMA IF NOT EXISTS ${SCHEMA}`)
    const byPlace = new Map(streams.map(stream => [hiddenPlace(stream.name).name, stream]))
    const tables = await sql(`SELECT table_name FROM information_schema.tables WHERE table_schema = '${SCHEMA}'`)
    for (const [name] of tables) {
      const stream = byPlace.get(String(name))
      if (stream) this.incarnations.set(stream.name, stream.incarnation)
      else await sql(`DROP TABLE ${quotePlace({ schema: SCHEMA, name: String(name) })}`)
    }
  }

  /** Makes the physical table of a stream, unless it is there. */
  async prepare(sql: Sql, table: Table, stream: string): Promise<void> {
    if (this.incarnations.has(stream)) return
    await sql(createColumns(hiddenPlace(stream), table.schema.columns))
    this.incarnations.set(stream, table.incarnation)
  }

  /** Streams of an incarnation that have hidden rows. */
  of(incarnation: string): string[] {
    return [...this.incarnations].filter(([, its]) => its === incarnation).map(([stream]) => stream)
  }

  has(stream: string): boolean {
    return this.incarnations.has(stream)
  }

  /** The physical table is gone, now that the transaction which dropped it is committed. */
  forget(streams: readonly string[]): void {
    for (const stream of streams) this.incarnations.delete(stream)
  }
}

/** Shows all hidden rows of a stream. */
export const showAll = (table: Table, stream: string): string[] => [
  moveStatement(table, stream, ''),
  dropHidden(stream),
]

/** Shows the first `rowCount` hidden rows of a stream; true when those were all. */
export async function showFirst(sql: Sql, table: Table, stream: string, rowCount: bigint): Promise<boolean> {
  const hidden = quotePlace(hiddenPlace(stream))
  const [[live, span]] = (await sql(`SELECT count(*), coalesce(max(rowid) + 1, 0) FROM ${hidden}`)) as [
    [bigint, bigint],
  ]
  if (rowCount >= live) {
    for (const statement of showAll(table, stream)) await sql(statement)
    return true
  }
  // DuckDB keeps the order of insertion, also with a LIMIT.
  await sql(moveStatement(table, stream, `LIMIT ${rowCount}`))
  const rest = live - rowCount
  // Deleted rows keep their room. Once they are more than the others, those move: each row is copied about once all in all.
  if (span - rest <= rest)
    await sql(
      `DELETE FROM ${hidden} WHERE rowid <= (SELECT max(rowid) FROM (SELECT rowid FROM ${hidden} LIMIT ${rowCount}))`,
    )
  else {
    const { name } = hiddenPlace(stream)
    const next = quotePlace({ schema: SCHEMA, name: `${name}.next` })
    await sql(`CREATE TABLE ${next} AS SELECT * FROM ${hidden} OFFSET ${rowCount}`)
    await sql(`DROP TABLE ${hidden}`)
    await sql(`ALTER TABLE ${next} RENAME TO ${quoteName(name)}`)
  }
  return false
}

export const dropHidden = (stream: string): string => `DROP TABLE ${quotePlace(hiddenPlace(stream))}`

export const widenHidden = (stream: string, before: Table, after: Table): string[] =>
  widen(hiddenPlace(stream), before, after)

const moveStatement = (table: Table, stream: string, limit: string): string =>
  `INSERT INTO ${physicalName(table)} BY NAME SELECT * FROM ${quotePlace(hiddenPlace(stream))} ${limit}`
