// The catalog as SQL: where things lie in DuckDB, and the statements that put, change and remove them.
import { type DatasetRef, datasetKey, nextTable, tableKey } from '../catalog/names.ts'
import type { Dataset, Table } from '../catalog/resources.ts'
import type { Column } from '../catalog/table-schema.ts'
import type { StreamState } from '../streams/stream-state.ts'
import { type Place, physicalName, quoteName, quotePlace, quoteText, tablePlace } from './duckdb-names.ts'
import { duckdbType } from './duckdb-types.ts'
import type { Saved } from './storage.ts'

/** What is not BigQuery's: resources as JSON, and of streams what changes with every append. */
export const META: readonly string[] = [
  'CREATE SCHEMA IF NOT EXISTS emulator_meta',
  'CREATE TABLE IF NOT EXISTS emulator_meta.catalog (kind VARCHAR, key VARCHAR, value VARCHAR, PRIMARY KEY (kind, key))',
  'CREATE TABLE IF NOT EXISTS emulator_meta.stream_ends (name VARCHAR PRIMARY KEY, row_end BIGINT)',
  'ALTER TABLE emulator_meta.stream_ends ADD COLUMN IF NOT EXISTS traffic_ms BIGINT',
]

const physicalSchema = (ref: DatasetRef): string => quoteName(datasetKey(ref))

export const putDataset = (dataset: Dataset): string[] => [
  `CREATE SCHEMA IF NOT EXISTS ${physicalSchema(dataset)}`,
  put('dataset', datasetKey(dataset), dataset),
]
export const dropDataset = (dataset: Dataset): string[] => [
  `DROP SCHEMA ${physicalSchema(dataset)}`,
  remove('dataset', datasetKey(dataset)),
]

export const putTable = (table: Table): string => put('table', tableKey(table), table)

export function createColumns(place: Place, columns: readonly Column[]): string {
  const definitions = columns.map(column => `${quoteName(column.name)} ${duckdbType(column)}`)
  return `CREATE TABLE ${quotePlace(place)} (${definitions.join(', ')})`
}

/** DuckDB has no tables without columns: a table without a schema gets its physical one with its first columns. */
export const hasColumns = (table: Table): boolean => table.schema.columns.length > 0

export const createTable = (table: Table): string[] => [
  ...(hasColumns(table) ? [createColumns(tablePlace(table), table.schema.columns)] : []),
  putTable(table),
]

/** As `createTable`, beside a table of that name, with rows from a query that may read it. */
export const createNext = (table: Table, fill: string | undefined): string[] => [
  createColumns(tablePlace(nextTable(table)), table.schema.columns),
  ...(fill === undefined ? [] : [fill]),
]
export const renameNext = (table: Table): string[] => [
  `ALTER TABLE ${physicalName(nextTable(table))} RENAME TO ${quoteName(table.table)}`,
  putTable(table),
]

/** What a physical table of the schema `before` needs to get that of `after`. */
export function widen(place: Place, before: Table, after: Table): string[] {
  if (!hasColumns(before)) return hasColumns(after) ? [createColumns(place, after.schema.columns)] : []
  return addedColumns(before.schema.columns, after.schema.columns, '').map(
    added => `ALTER TABLE ${quotePlace(place)} ADD COLUMN ${added}`,
  )
}

/** Forgets the table and its streams; its rows are another statement. */
export function forgetTable(table: Table): string[] {
  const streams = `kind = 'stream' AND json_extract_string(value, '$.incarnation') = ${quoteText(table.incarnation)}`
  return [
    remove('table', tableKey(table)),
    `DELETE FROM emulator_meta.stream_ends WHERE name IN (SELECT key FROM emulator_meta.catalog WHERE ${streams})`,
    `DELETE FROM emulator_meta.catalog WHERE ${streams}`,
  ]
}

/** A bigint has no JSON; the end changes too often to be part of it. */
type StoredStream = Omit<StreamState, 'end' | 'flushed'> & { readonly flushed?: string }

export const putStreams = (streams: readonly StreamState[]): string =>
  putAll(
    'stream',
    streams.map(({ end: _end, ...stream }) => [
      stream.name,
      { ...stream, flushed: String(stream.flushed) } satisfies StoredStream,
    ]),
  )

export function putStreamEnds(streams: Iterable<StreamState>): string {
  const values = [...streams].map(({ name, end, lastTrafficMs }) => `(${quoteText(name)}, ${end}, ${lastTrafficMs})`)
  return `INSERT OR REPLACE INTO emulator_meta.stream_ends VALUES ${values.join(', ')}`
}

export function forgetStreams(streams: readonly StreamState[]): string[] {
  const names = streams.map(({ name }) => quoteText(name)).join(', ')
  return [
    `DELETE FROM emulator_meta.stream_ends WHERE name IN (${names})`,
    `DELETE FROM emulator_meta.catalog WHERE kind = 'stream' AND key IN (${names})`,
  ]
}

/** The catalog from its rows (kind, value) and those of stream_ends. */
export function readCatalog(
  catalog: readonly (readonly unknown[])[],
  streamEnds: readonly (readonly unknown[])[],
): Saved {
  const ends = new Map(streamEnds.map(([name, end, trafficMs]) => [name, { end: end as bigint, trafficMs }]))
  const ofKind = <T>(kind: string): T[] =>
    catalog.filter(row => row[0] === kind).map(row => JSON.parse(String(row[1])) as T)
  const streams = ofKind<StoredStream>('stream').map((stream): StreamState => {
    const saved = ends.get(stream.name)
    return {
      ...stream,
      end: saved?.end ?? 0n,
      flushed: BigInt(stream.flushed ?? 0),
      // JSON has no undefined.
      committedMs: stream.committedMs,
      lastTrafficMs: Math.max(stream.lastTrafficMs ?? stream.createdMs, Number(saved?.trafficMs ?? 0)),
    }
  })
  return { datasets: ofKind<Dataset>('dataset'), tables: ofKind<Table>('table'), streams }
}

const put = (kind: string, key: string, value: unknown): string => putAll(kind, [[key, value]])
function putAll(kind: string, entries: readonly (readonly [key: string, value: unknown])[]): string {
  const rows = entries.map(
    ([key, value]) => `(${quoteText(kind)}, ${quoteText(key)}, ${quoteText(JSON.stringify(value))})`,
  )
  return `INSERT OR REPLACE INTO emulator_meta.catalog VALUES ${rows.join(', ')}`
}
const remove = (kind: string, key: string): string =>
  `DELETE FROM emulator_meta.catalog WHERE kind = ${quoteText(kind)} AND key = ${quoteText(key)}`

/** `ADD COLUMN` arguments for what `after` has more, nested fields by path. */
function addedColumns(before: readonly Column[], after: readonly Column[], path: string): string[] {
  const known = new Map(before.map(column => [column.name.toLowerCase(), column]))
  return after.flatMap(column => {
    const old = known.get(column.name.toLowerCase())
    const name = path + quoteName(column.name)
    if (!old) return [`${name} ${duckdbType(column)}`]
    const inside = column.mode === 'REPEATED' ? `${name}.element.` : `${name}.`
    return addedColumns(old.fields, column.fields, inside)
  })
}
