// Rows, tables and stream positions in DuckDB: in memory, or in one file under --data-dir.
// With a file, rows and the ends of their streams are one DuckDB transaction, committed before the acknowledgement, so a killed
// emulator knows each acknowledged row once. A log of our own would write every row twice to save nothing: DuckDB has one already.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { BLOB, type DuckDBAppender, type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { type DatasetRef, datasetKey, type TableRef, tableKey } from '../catalog/names.ts'
import type { Dataset, Table } from '../catalog/resources.ts'
import type { Column } from '../catalog/table-schema.ts'
import { readDescriptor } from '../rows/descriptor.ts'
import { RowBatch } from '../rows/row-batch.ts'
import { compileRowDecoder, type RowDecoder } from '../rows/row-decoder.ts'
import type { StreamState } from '../streams/stream-state.ts'
import { Cursor } from '../wire/cursor.ts'
import { CHUNK_ROWS, duckdb, type NativeChunk, nativeAppender, nativeType } from './duckdb-bindings.ts'
import { fillVector, TextHeap } from './duckdb-fill.ts'
import { duckdbType, quoteIdentifier, quoteText, resultColumn, resultValue } from './duckdb-types.ts'
import {
  type Change,
  QueryRefused,
  type QueryResult,
  type RowError,
  type RowWriter,
  type Saved,
  type Storage,
  type Work,
  type WriterSpec,
} from './storage.ts'

/** DuckDB's buffers; the process itself comes on top. */
const MEMORY_LIMIT = '2GB'
/**
 * DuckDB checkpoints every 16 MB of log by default and compresses what it writes anew each time: measured, three times the CPU of
 * the rows themselves. A restart reads at most this much log.
 */
const FILE_SETTINGS = ["SET GLOBAL checkpoint_threshold = '256MB'", "SET GLOBAL force_compression = 'uncompressed'"]
/** Rows a batch's builders may keep room for after a flush; larger ones are replaced. 131,072 rows × ~16 bytes × columns. */
const KEEP_ROWS_MAX = 131_072
/** Compiled decoders kept per table. */
const DECODERS_MAX = 64
/** Row errors listed in one response; the message says the list may be incomplete. */
const ROW_ERRORS_MAX = 1000

const META = `
  CREATE SCHEMA emulator_meta;
  CREATE TABLE emulator_meta.catalog (kind VARCHAR, key VARCHAR, value VARCHAR, PRIMARY KEY (kind, key));
  CREATE TABLE emulator_meta.stream_ends (name VARCHAR PRIMARY KEY, row_end BIGINT);`

/** The physical name of a table: BigQuery's project and dataset make the schema. */
export const physicalName = (ref: TableRef): string => `${physicalSchema(ref)}.${quoteIdentifier(ref.table)}`
const physicalSchema = (ref: DatasetRef): string => quoteIdentifier(datasetKey(ref))

/** A table that takes rows. */
type OpenTable = {
  table: Table
  batch: RowBatch
  decoders: Map<string, RowDecoder>
  appender: { native: ReturnType<typeof nativeAppender>; close(): void; chunk: NativeChunk } | undefined
}

export class DuckDbStorage implements Storage {
  private readonly instance: DuckDBInstance
  private readonly writer: DuckDBConnection
  private readonly isDurable: boolean
  private readonly heap: TextHeap = new TextHeap(nativeType(BLOB))
  /** By incarnation. */
  private readonly open = new Map<string, OpenTable>()

  private constructor(instance: DuckDBInstance, writer: DuckDBConnection, isDurable: boolean) {
    this.instance = instance
    this.writer = writer
    this.isDurable = isDurable
  }

  /** `dataDir` undefined keeps everything in memory. Rejects when another process has the file open. */
  static async open(dataDir: string | undefined): Promise<DuckDbStorage> {
    if (dataDir !== undefined) mkdirSync(dataDir, { recursive: true })
    const path = dataDir === undefined ? ':memory:' : join(dataDir, 'emulator.duckdb')
    const instance = await DuckDBInstance.create(path, { threads: '2', memory_limit: MEMORY_LIMIT })
    const writer = await instance.connect()
    await writer.run("SET GLOBAL TimeZone = 'UTC'")
    if (dataDir !== undefined) for (const setting of FILE_SETTINGS) await writer.run(setting)
    // SQL comes from outside: no files, no extensions, no settings.
    await writer.run('SET GLOBAL enable_external_access = false')
    await writer.run('SET GLOBAL lock_configuration = true')
    return new DuckDbStorage(instance, writer, dataDir !== undefined)
  }

  async load(): Promise<Saved> {
    const existing = await this.rows("SELECT 1 FROM information_schema.schemata WHERE schema_name = 'emulator_meta'")
    if (existing.length === 0) await this.writer.run(META)
    const catalog = await this.rows('SELECT kind, value FROM emulator_meta.catalog ORDER BY kind, key')
    const ends = new Map(
      (await this.rows('SELECT name, row_end FROM emulator_meta.stream_ends')) as unknown as [string, bigint][],
    )
    const ofKind = <T>(kind: string): T[] =>
      catalog.filter(row => row[0] === kind).map(row => JSON.parse(String(row[1])) as T)
    const streams = ofKind<Omit<StreamState, 'end'>>('stream').map(stream => ({
      ...stream,
      end: ends.get(stream.name) ?? 0n,
    }))
    return { datasets: ofKind<Dataset>('dataset'), tables: ofKind<Table>('table'), streams }
  }

  openWriter({ table, schema }: WriterSpec): RowWriter {
    const descriptor = schema.bytes
    const open = this.openTable(table)
    let compiledFor = open.batch
    let decode = this.decoderFor(open, descriptor)
    const cursor = new Cursor(descriptor)
    return {
      write: ({ rows }) => {
        if (compiledFor !== open.batch) {
          decode = this.decoderFor(open, descriptor)
          compiledFor = open.batch
        }
        const { batch } = open
        const errors: RowError[] = []
        batch.begin(rows.bytes)
        for (let index = 0; index < rows.count; index++) {
          cursor.reset(rows.bytes, rows.bounds[index * 2]!, rows.bounds[index * 2 + 1]!)
          const message = decode(cursor, batch.addRow())
          if (message !== undefined && errors.length < ROW_ERRORS_MAX) errors.push({ index, message })
        }
        if (errors.length > 0) batch.rollback()
        return { rowCount: rows.count, errors }
      },
    }
  }

  private openTable(table: Table): OpenTable {
    let open = this.open.get(table.incarnation)
    if (!open) {
      open = { table, batch: new RowBatch(table.schema), decoders: new Map(), appender: undefined }
      this.open.set(table.incarnation, open)
    }
    return open
  }

  private decoderFor(open: OpenTable, descriptor: Buffer): RowDecoder {
    const key = descriptor.toString('latin1')
    let decoder = open.decoders.get(key)
    if (!decoder) {
      decoder = compileRowDecoder(readDescriptor(descriptor), open.table.schema, open.batch.columns)
      if (open.decoders.size >= DECODERS_MAX) open.decoders.delete(open.decoders.keys().next().value!)
      open.decoders.set(key, decoder)
    }
    return decoder
  }

  async store(take: () => Work): Promise<void> {
    const dirty = (): OpenTable[] => [...this.open.values()].filter(open => open.batch.rowCount > 0)
    if (this.isDurable) await this.writer.run('BEGIN')
    // Tables may become dirty while an appender is made; nothing may be awaited between the last look and take().
    for (let bare = dirty().find(open => !open.appender); bare; bare = dirty().find(open => !open.appender))
      await this.prepareAppender(bare)
    const work = take()
    for (const open of dirty()) drain(open, this.heap)
    for (const { change } of work.changes)
      if (change.kind === 'alterTable') this.followAlter(change.before, change.after)
    if (this.isDurable) {
      await this.saveEnds(work.ends)
      await this.writer.run('COMMIT')
    }
    for (const { change, settle } of work.changes) await this.apply(change, settle)
  }

  /** From here on, rows of the table are decoded by its new schema; the columns follow in the same store(). */
  private followAlter(before: Table, after: Table): void {
    const open = this.open.get(before.incarnation)
    if (!open) return
    closeAppender(open)
    open.table = after
    open.batch = new RowBatch(after.schema)
    open.decoders = new Map()
  }

  private async prepareAppender(open: OpenTable): Promise<void> {
    if (open.appender) return
    const { table } = open
    const appender: DuckDBAppender = await this.writer.createAppender(table.table, datasetKey(table))
    const native = nativeAppender(appender)
    const types = table.schema.columns.map((_column, index) => duckdb.appender_column_type(native, index))
    open.appender = { native, close: () => appender.closeSync(), chunk: duckdb.create_data_chunk(types) }
  }

  private async saveEnds(ends: ReadonlyMap<string, bigint>): Promise<void> {
    if (ends.size === 0) return
    const values = [...ends].map(([name, end]) => `(${quoteText(name)}, ${end})`).join(', ')
    await this.writer.run(`INSERT OR REPLACE INTO emulator_meta.stream_ends VALUES ${values}`)
  }

  private async apply(change: Change, settle: (error?: Error) => void): Promise<void> {
    try {
      await this.writer.run('BEGIN')
      for (const statement of this.statementsFor(change)) await this.writer.run(statement)
      await this.writer.run('COMMIT')
      settle()
    } catch (error) {
      await this.writer.run('ROLLBACK')
      settle(error as Error)
    }
  }

  private statementsFor(change: Change): string[] {
    switch (change.kind) {
      case 'putDataset':
        return [
          `CREATE SCHEMA IF NOT EXISTS ${physicalSchema(change.dataset)}`,
          put('dataset', datasetKey(change.dataset), change.dataset),
        ]
      case 'dropDataset':
        return [`DROP SCHEMA ${physicalSchema(change.dataset)}`, remove('dataset', datasetKey(change.dataset))]
      case 'createTable': {
        const columns = change.table.schema.columns.map(
          column => `${quoteIdentifier(column.name)} ${duckdbType(column)}`,
        )
        return [
          `CREATE TABLE ${physicalName(change.table)} (${columns.join(', ')})`,
          put('table', tableKey(change.table), change.table),
        ]
      }
      case 'alterTable':
        return [
          ...addedColumns(change.before.schema.columns, change.after.schema.columns, '').map(
            added => `ALTER TABLE ${physicalName(change.after)} ADD COLUMN ${added}`,
          ),
          put('table', tableKey(change.after), change.after),
        ]
      case 'dropTable': {
        const open = this.open.get(change.table.incarnation)
        if (open) closeAppender(open)
        this.open.delete(change.table.incarnation)
        return [
          `DROP TABLE ${physicalName(change.table)}`,
          remove('table', tableKey(change.table)),
          `DELETE FROM emulator_meta.stream_ends WHERE name IN (SELECT key FROM emulator_meta.catalog WHERE ${streamsOf(change.table)})`,
          `DELETE FROM emulator_meta.catalog WHERE ${streamsOf(change.table)}`,
        ]
      }
      case 'putStream':
        // In memory the catalog of the process is the only one that counts.
        if (!this.isDurable) return []
        return [put('stream', change.stream.name, { ...change.stream, end: undefined })]
      case 'commitStreams':
      case 'flushStream':
      case 'dropStreams':
        throw new Error(`${change.kind} is not there yet`)
    }
  }

  async query(sql: string, rowsMax: number): Promise<QueryResult> {
    const connection = await this.instance.connect()
    try {
      const reader = await connection.streamAndReadUntil(sql, rowsMax + 1)
      let unnamed = 0
      // BigQuery calls a column without a name f0_, f1_, …
      const names = reader.columnNames().map(name => (/^[\p{L}\p{N}_ -]+$/u.test(name) ? name : `f${unnamed++}_`))
      const columns = reader.columnTypes().map((type, index) => {
        const column = resultColumn(names[index]!, type)
        if (!column)
          throw new QueryRefused(`Column ${names[index]} has type ${type}, which this emulator cannot show; cast it`)
        return column
      })
      if (reader.currentRowCount > rowsMax)
        throw new QueryRefused(`The result has more than ${rowsMax} rows: add a LIMIT or aggregate`)
      const rows = reader.getRows().map(row => row.map((value, index) => resultValue(value, columns[index]!)))
      return { columns, rows }
    } catch (error) {
      throw error instanceof QueryRefused ? error : new QueryRefused((error as Error).message)
    } finally {
      connection.closeSync()
    }
  }

  async rowCount(table: Table): Promise<bigint> {
    const connection = await this.instance.connect()
    try {
      const reader = await connection.runAndReadAll(`SELECT count(*) FROM ${physicalName(table)}`)
      return reader.getRows()[0]![0] as bigint
    } finally {
      connection.closeSync()
    }
  }

  async close(): Promise<void> {
    for (const open of this.open.values()) closeAppender(open)
    this.open.clear()
    this.writer.closeSync()
    this.instance.closeSync()
  }

  private async rows(sql: string): Promise<readonly (readonly unknown[])[]> {
    return (await this.writer.runAndReadAll(sql)).getRows()
  }
}

const put = (kind: string, key: string, value: unknown): string =>
  `INSERT OR REPLACE INTO emulator_meta.catalog VALUES (${quoteText(kind)}, ${quoteText(key)}, ${quoteText(JSON.stringify(value))})`
const remove = (kind: string, key: string): string =>
  `DELETE FROM emulator_meta.catalog WHERE kind = ${quoteText(kind)} AND key = ${quoteText(key)}`

const streamsOf = (table: Table): string =>
  `kind = 'stream' AND json_extract_string(value, '$.incarnation') = ${quoteText(table.incarnation)}`

/** Moves the rows of the batch into DuckDB, in the writer's open transaction if there is one. Synchronous. */
function drain(open: OpenTable, heap: TextHeap): void {
  const { batch } = open
  const { native, chunk } = open.appender!
  heap.reset(batch.sources)
  for (let start = 0; start < batch.rowCount; start += CHUNK_ROWS) {
    const count = Math.min(CHUNK_ROWS, batch.rowCount - start)
    duckdb.data_chunk_reset(chunk)
    duckdb.data_chunk_set_size(chunk, count)
    for (const [index, column] of batch.columns.entries())
      fillVector(duckdb.data_chunk_get_vector(chunk, index), column, start, count, heap)
    duckdb.append_data_chunk(native, chunk)
  }
  duckdb.appender_flush_sync(native)
  if (batch.rowCount > KEEP_ROWS_MAX) {
    open.batch = new RowBatch(open.table.schema)
    open.decoders = new Map()
  } else batch.clear()
}

function closeAppender(open: OpenTable): void {
  open.appender?.close()
  open.appender = undefined
}

/** `ADD COLUMN` arguments for what `after` has more, nested fields by path. */
function addedColumns(before: readonly Column[], after: readonly Column[], path: string): string[] {
  const known = new Map(before.map(column => [column.name.toLowerCase(), column]))
  return after.flatMap(column => {
    const old = known.get(column.name.toLowerCase())
    const name = path + quoteIdentifier(column.name)
    if (!old) return [`${name} ${duckdbType(column)}`]
    const inside = column.mode === 'REPEATED' ? `${name}.element.` : `${name}.`
    return addedColumns(old.fields, column.fields, inside)
  })
}
