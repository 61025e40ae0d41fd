// Rows, tables and stream positions in DuckDB: in memory, or in one file under --data-dir.
// With a file, rows and the ends of their streams are one DuckDB transaction, committed before the acknowledgement, so a killed
// emulator knows each acknowledged row once. A log of our own would write every row twice to save nothing: DuckDB has one already.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { BLOB, type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import type { Table } from '../catalog/resources.ts'
import type { StreamState } from '../streams/stream-state.ts'
import { changeFieldsOf } from './change-fields.ts'
import { nativeType } from './duckdb-bindings.ts'
import { ChangeTarget, changeKey, createChangeSchema, dropChanges } from './duckdb-changes.ts'
import { TextHeap } from './duckdb-fill.ts'
import {
  createColumns,
  dropDataset,
  forgetStreams,
  forgetTable,
  META,
  physicalName,
  putDataset,
  putStream,
  putStreamEnds,
  putTable,
  readCatalog,
  tablePlace,
  widen,
} from './duckdb-statements.ts'
import { resultColumn, resultValue } from './duckdb-types.ts'
import { dropHidden, HiddenRows, hiddenPlace, type Sql, showAll, showFirst, widenHidden } from './hidden-rows.ts'
import { RowTarget } from './row-target.ts'
import {
  type Change,
  QueryRefused,
  type QueryResult,
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
/** Targets that keep builders and an appender while no rows come: about 70 KB per column each. */
const WARM_TARGETS_MAX = 64

export class DuckDbStorage implements Storage {
  private readonly instance: DuckDBInstance
  private readonly writer: DuckDBConnection
  private readonly isDurable: boolean
  private readonly nowMs: () => number
  private readonly heap: TextHeap = new TextHeap(nativeType(BLOB))
  private readonly hidden = new HiddenRows()
  /** By stream where rows are hidden, else by incarnation. */
  private readonly targets = new Map<string, RowTarget>()
  /** Targets that may hold rows or memory, least recently used first. */
  private readonly warm = new Set<RowTarget>()
  private readonly sql: Sql = async statement => (await this.writer.runAndReadAll(statement)).getRows()

  private constructor(instance: DuckDBInstance, writer: DuckDBConnection, isDurable: boolean, nowMs: () => number) {
    this.instance = instance
    this.writer = writer
    this.isDurable = isDurable
    this.nowMs = nowMs
  }

  /** `dataDir` undefined keeps everything in memory; `nowMs` is what CURRENT_TIMESTAMP() defaults and partition bounds go by. Rejects when another process has the file open. */
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
    const isMerged = spec.isDefaultStream && changeFieldsOf(spec.schema) !== undefined
    const target = isMerged ? this.changeTarget(spec.table) : this.target(spec.table, spec.hiddenIn)
    let compiledFor = target.batch
    let fill = target.fillerFor(spec)
    return {
      write: (request, missing) => {
        if (compiledFor !== target.batch) {
          fill = target.fillerFor(spec)
          compiledFor = target.batch
          this.warm.add(target)
        }
        return fill(request, missing, this.nowMs())
      },
    }
  }

  private target(table: Table, hiddenIn: string | undefined): RowTarget {
    const known = this.targets.get(hiddenIn ?? table.incarnation)
    return this.warmed(
      known ?? new RowTarget(table, hiddenIn === undefined ? tablePlace(table) : hiddenPlace(hiddenIn), hiddenIn),
    )
  }

  private changeTarget(table: Table): RowTarget {
    return this.warmed(this.targets.get(changeKey(table)) ?? new ChangeTarget(table))
  }

  private warmed(target: RowTarget): RowTarget {
    this.targets.set(target.key, target)
    this.warm.add(target)
    this.coolDown()
    return target
  }

  /** Takes memory back from the targets that had no rows for the longest time. */
  private coolDown(): void {
    if (this.warm.size <= WARM_TARGETS_MAX) return
    for (const target of this.warm) {
      if (this.warm.size <= WARM_TARGETS_MAX) return
      if (target.hasRows) continue
      target.release()
      this.warm.delete(target)
    }
  }

  async store(take: () => Work): Promise<void> {
    const dirty = (): RowTarget[] => [...this.warm].filter(target => target.hasRows)
    if (this.isDurable) await this.sql('BEGIN')
    // Tables may become dirty while an appender is made; nothing may be awaited between the last look and take().
    for (let bare = dirty().find(isBare); bare; bare = dirty().find(isBare)) {
      if (bare.stream !== undefined) await this.hidden.prepare(this.sql, bare.table, bare.stream)
      if (bare instanceof ChangeTarget) await bare.prepare(this.sql)
      await bare.openAppender(this.writer)
    }
    const work = take()
    const drained = dirty().map(target => ({ target, table: target.table }))
    for (const { target } of drained) {
      target.drain(this.heap)
      this.warm.delete(target)
      this.warm.add(target)
    }
    for (const { change } of work.changes)
      if (change.kind === 'alterTable') for (const target of this.targetsOf(change.before)) target.follow(change.after)
    for (const { target, table } of drained) if (target instanceof ChangeTarget) await this.merge(target, table)
    if (this.isDurable) {
      if (work.streams.size > 0) await this.sql(putStreamEnds(work.streams.values()))
      await this.sql('COMMIT')
    }
    for (const { change, settle } of work.changes) await this.apply(change, settle)
    this.coolDown()
  }

  private async merge(target: ChangeTarget, table: Table): Promise<void> {
    if (this.isDurable) return target.merge(this.sql, table, this.nowMs())
    await this.sql('BEGIN')
    await target.merge(this.sql, table, this.nowMs())
    await this.sql('COMMIT')
  }

  private async apply(change: Change, settle: (error?: Error) => void): Promise<void> {
    try {
      await this.sql('BEGIN')
      const committed = await this.make(change)
      await this.sql('COMMIT')
      committed?.()
      settle()
    } catch (error) {
      await this.sql('ROLLBACK')
      settle(error as Error)
    }
  }

  /** Makes the change in the open transaction; returns what is true once it is committed. */
  private async make(change: Change): Promise<(() => void) | undefined> {
    switch (change.kind) {
      case 'putDataset':
        await this.run(putDataset(change.dataset))
        return undefined
      case 'dropDataset':
        await this.run(dropDataset(change.dataset))
        return undefined
      case 'createTable':
        await this.run([createColumns(tablePlace(change.table), change.table.schema.columns), putTable(change.table)])
        return undefined
      case 'alterTable': {
        const { before, after } = change
        const hidden = this.hidden.of(before.incarnation).flatMap(stream => widenHidden(stream, before, after))
        await this.run([
          ...widen(tablePlace(after), before, after),
          ...hidden,
          ...dropChanges(before, after),
          putTable(after),
        ])
        return undefined
      }
      case 'dropTable': {
        const hidden = this.hidden.of(change.table.incarnation)
        for (const target of this.targetsOf(change.table)) this.abandon(target)
        await this.run([
          `DROP TABLE ${physicalName(change.table)}`,
          ...hidden.map(dropHidden),
          ...dropChanges(change.table, undefined),
          ...forgetTable(change.table),
        ])
        return () => this.hidden.forget(hidden)
      }
      case 'putStream':
        await this.saveStreams([change.stream])
        return undefined
      case 'commitStreams':
        return this.commitStreams(change.table, change.streams)
      case 'flushStream': {
        const { table, stream, rowCount } = change
        // A table with an appender on it cannot be dropped.
        this.targets.get(stream.name)?.closeAppender()
        const isEmpty = await showFirst(this.sql, table, stream.name, rowCount)
        await this.saveStreams([stream])
        return isEmpty ? () => this.hidden.forget([stream.name]) : undefined
      }
      case 'dropStreams': {
        const hidden = this.hiddenOf(change.streams)
        await this.run([...hidden.map(dropHidden), ...forgetStreams(change.streams)])
        return () => this.hidden.forget(hidden)
      }
    }
  }

  private async commitStreams(table: Table, streams: readonly StreamState[]): Promise<() => void> {
    const hidden = this.hiddenOf(streams)
    await this.run(hidden.flatMap(stream => showAll(table, stream)))
    await this.saveStreams(streams)
    return () => this.hidden.forget(hidden)
  }

  /** Those of the streams that have hidden rows; they take no more. */
  private hiddenOf(streams: readonly StreamState[]): string[] {
    for (const { name } of streams) {
      const target = this.targets.get(name)
      if (target) this.abandon(target)
    }
    return streams.map(({ name }) => name).filter(name => this.hidden.has(name))
  }

  private async saveStreams(streams: readonly StreamState[]): Promise<void> {
    // In memory the streams of the process are the only ones that count.
    if (this.isDurable) await this.run(streams.map(putStream))
  }

  private targetsOf(table: Table): RowTarget[] {
    return [...this.targets.values()].filter(target => target.table.incarnation === table.incarnation)
  }

  /** Nothing is written there any more. */
  private abandon(target: RowTarget): void {
    target.release()
    this.targets.delete(target.key)
    this.warm.delete(target)
  }

  private async run(statements: readonly string[]): Promise<void> {
    for (const statement of statements) await this.sql(statement)
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
    for (const target of this.targets.values()) target.release()
    this.targets.clear()
    this.warm.clear()
    this.writer.closeSync()
    this.instance.closeSync()
  }
}

const isBare = (target: RowTarget): boolean => !target.hasAppender
