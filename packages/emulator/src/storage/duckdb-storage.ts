// Rows, tables and stream positions in DuckDB: in memory, or in one file under --data-dir.
// With a file, rows and the ends of their streams are one DuckDB transaction, committed before the acknowledgement, so a killed
// emulator knows each acknowledged row once. A log of our own would write every row twice to save nothing: DuckDB has one already.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { BLOB, type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import type { Table } from '../catalog/resources.ts'
import { UnusableDescriptor } from '../rows/field-match.ts'
import { CatalogChanges, together } from './catalog-changes.ts'
import { nativeType } from './duckdb-bindings.ts'
import { ChangeTarget, createChangeSchema } from './duckdb-changes.ts'
import { TextHeap } from './duckdb-fill.ts'
import { physicalName } from './duckdb-names.ts'
import { resultColumn, resultValue } from './duckdb-results.ts'
import { hasColumns, META, putStreamEnds, readCatalog } from './duckdb-statements.ts'
import { HiddenRows, type Sql } from './hidden-rows.ts'
import type { RowTarget } from './row-target.ts'
import { RowTargets } from './row-targets.ts'
import {
  QueryRefused,
  type QueryResult,
  type ResultColumn,
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

export class DuckDbStorage implements Storage {
  private readonly instance: DuckDBInstance
  private readonly writer: DuckDBConnection
  private readonly isDurable: boolean
  private readonly nowMs: () => number
  private readonly heap: TextHeap = new TextHeap(nativeType(BLOB))
  private readonly hidden = new HiddenRows()
  private readonly targets = new RowTargets()
  private readonly changes: CatalogChanges
  private readonly sql: Sql = async statement => (await this.writer.runAndReadAll(statement)).getRows()

  private constructor(instance: DuckDBInstance, writer: DuckDBConnection, isDurable: boolean, nowMs: () => number) {
    this.instance = instance
    this.writer = writer
    this.isDurable = isDurable
    this.nowMs = nowMs
    this.changes = new CatalogChanges(this.sql, this.targets, this.hidden, isDurable)
  }

  /**
   * `dataDir` undefined keeps everything in memory; `nowMs` is what CURRENT_TIMESTAMP() defaults and partition bounds go by. Rejects
   * when another process has the file open.
   */
  static async open(dataDir: string | undefined, nowMs: () => number = Date.now): Promise<DuckDbStorage> {
    if (dataDir !== undefined) mkdirSync(dataDir, { recursive: true })
    const path = dataDir === undefined ? ':memory:' : join(dataDir, 'emulator.duckdb')
    const instance = await DuckDBInstance.create(path, { threads: '2', memory_limit: MEMORY_LIMIT })
    const writer = await instance.connect()
    await writer.run("SET GLOBAL TimeZone = 'UTC'")
    if (dataDir !== undefined) for (const setting of FILE_SETTINGS) await writer.run(setting)
    // SQL comes from outside: no files, no extensions, no settings.
    await writer.run('SET GLOBAL enable_external_access = false')
    await writer.run('SET GLOBAL lock_configuration = true')
    return new DuckDbStorage(instance, writer, dataDir !== undefined, nowMs)
  }

  async load(): Promise<Saved> {
    for (const statement of [...META, createChangeSchema]) await this.sql(statement)
    const saved = readCatalog(
      await this.sql('SELECT kind, value FROM emulator_meta.catalog ORDER BY kind, key'),
      await this.sql('SELECT name, row_end, traffic_ms FROM emulator_meta.stream_ends'),
    )
    await this.hidden.load(this.sql, saved.streams)
    return saved
  }

  openWriter(spec: WriterSpec): RowWriter {
    if (!hasColumns(spec.table)) throw new UnusableDescriptor('The table has no columns yet.')
    const target = this.targets.forWriter(spec)
    let compiledFor = target.batch
    let fill = target.fillerFor(spec)
    return {
      write: (request, missing, { isTrial } = { isTrial: false }) => {
        if (compiledFor !== target.batch) {
          fill = target.fillerFor(spec)
          compiledFor = target.batch
          this.targets.use(target)
        }
        const written = fill(request, missing, this.nowMs())
        if (isTrial && written.errors.length === 0) target.batch.rollback()
        return written
      },
    }
  }

  async store(take: () => Work): Promise<void> {
    const bareTarget = (): RowTarget | undefined => this.targets.dirty().find(target => !target.hasAppender)
    if (this.isDurable) await this.sql('BEGIN')
    // Tables may become dirty while an appender is made; nothing may be awaited between the last look and take().
    for (let bare = bareTarget(); bare; bare = bareTarget()) {
      if (bare.stream !== undefined) await this.hidden.prepare(this.sql, bare.table, bare.stream)
      if (bare instanceof ChangeTarget) await bare.prepare(this.sql)
      await bare.openAppender(this.writer)
    }
    const work = take()
    const drained = this.targets.dirty().map(target => ({ target, table: target.table }))
    for (const { target } of drained) {
      target.drain(this.heap)
      this.targets.use(target)
    }
    for (const { change } of work.changes) if (change.kind === 'alterTable') this.targets.follow(change.after)
    for (const { target, table } of drained) if (target instanceof ChangeTarget) await this.merge(target, table)
    if (this.isDurable) {
      if (work.streams.size > 0) await this.sql(putStreamEnds(work.streams.values()))
      await this.sql('COMMIT')
    }
    for (const asked of together(work.changes)) await this.apply(asked)
    this.targets.settled()
    this.targets.coolDown()
  }

  private async merge(target: ChangeTarget, table: Table): Promise<void> {
    if (this.isDurable) return target.merge(this.sql, table, this.nowMs())
    await this.sql('BEGIN')
    await target.merge(this.sql, table, this.nowMs())
    await this.sql('COMMIT')
  }

  /** Rows whose stream says they show, and that do not, are no answer to a request but a broken storage. */
  private async apply(asked: Work['changes']): Promise<void> {
    try {
      await this.changes.apply(asked.map(({ change }) => change))
      for (const { settle } of asked) settle()
    } catch (error) {
      for (const { settle } of asked) settle(error as Error)
      if (asked.some(({ change: { kind } }) => kind === 'commitStreams' || kind === 'flushStream')) throw error
    }
  }

  async query(
    sql: string,
    rowsMax: number,
    known: readonly (ResultColumn | undefined)[] = [],
    signal?: AbortSignal,
  ): Promise<QueryResult> {
    const connection = await this.instance.connect()
    const interrupt = (): void => connection.interrupt()
    signal?.addEventListener('abort', interrupt)
    try {
      if (signal?.aborted) throw new QueryRefused('The query was stopped before it began')
      const reader = await connection.streamAndReadUntil(sql, rowsMax + 1)
      let unnamed = 0
      // BigQuery calls a column without a name f0_, f1_, …
      const names = reader.columnNames().map(name => (/^[\p{L}\p{N}_ -]+$/u.test(name) ? name : `f${unnamed++}_`))
      const columns = reader.columnTypes().map((type, index) => {
        const column = resultColumn(names[index]!, type, known[index])
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
      signal?.removeEventListener('abort', interrupt)
      connection.closeSync()
    }
  }

  async rowCount(table: Table): Promise<bigint> {
    if (!hasColumns(table)) return 0n
    const connection = await this.instance.connect()
    try {
      const reader = await connection.runAndReadAll(`SELECT count(*) FROM ${physicalName(table)}`)
      return reader.getRows()[0]![0] as bigint
    } finally {
      connection.closeSync()
    }
  }

  async close(): Promise<void> {
    this.targets.releaseAll()
    this.writer.closeSync()
    this.instance.closeSync()
  }
}
