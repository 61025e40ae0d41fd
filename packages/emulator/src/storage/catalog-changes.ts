// What a change of tables and streams does in DuckDB.
import type { Table } from '../catalog/resources.ts'
import type { StreamState } from '../streams/stream-state.ts'
import { dropChanges, hasChanges } from './duckdb-changes.ts'
import { physicalName, tablePlace } from './duckdb-names.ts'
import {
  createNext,
  createTable,
  dropDataset,
  forgetStreams,
  forgetTable,
  hasColumns,
  putDataset,
  putStreams,
  putTable,
  renameNext,
  widen,
} from './duckdb-statements.ts'
import { dropHidden, type HiddenRows, type Sql, showAll, showFirst, widenHidden } from './hidden-rows.ts'
import type { RowTargets } from './row-targets.ts'
import { type Change, QueryRefused, type Work } from './storage.ts'

type Create = Extract<Change, { kind: 'createTable' }>

/** As seen: https://github.com/artie-labs/transfer/issues/1035 */
const CHANGED = 'DELETE/UPDATE/MERGE DMLs are currently not supported over tables that had UPSERT streams.'

export class CatalogChanges {
  private readonly sql: Sql
  private readonly targets: RowTargets
  private readonly hidden: HiddenRows
  private readonly isDurable: boolean

  constructor(sql: Sql, targets: RowTargets, hidden: HiddenRows, isDurable: boolean) {
    this.sql = sql
    this.targets = targets
    this.hidden = hidden
    this.isDurable = isDurable
  }

  /** Makes the changes in a transaction of their own: all of them, or none and it rejects. */
  async apply(changes: readonly Change[]): Promise<void> {
    // In memory the streams of the process are the only ones that count.
    if (!this.isDurable && changes.every(({ kind }) => kind === 'putStream')) return
    await this.sql('BEGIN')
    try {
      const committed: ((() => void) | undefined)[] = []
      for (const change of changes) committed.push(await this.make(change))
      await this.sql('COMMIT')
      for (const act of committed) act?.()
    } catch (error) {
      await this.sql('ROLLBACK')
      throw error
    }
  }

  /** Returns what is true once the transaction is committed. */
  private async make(change: Change): Promise<(() => void) | undefined> {
    switch (change.kind) {
      case 'putDataset':
        return this.run(putDataset(change.dataset))
      case 'dropDataset':
        return this.run(dropDataset(change.dataset))
      case 'createTable':
        return this.createTable(change)
      case 'alterTable':
        return this.alterTable(change.before, change.after)
      case 'dropTable':
        return this.dropTable(change.table)
      case 'putStream':
        return this.saveStreams([change.stream])
      case 'commitStreams':
        return this.commitStreams(change.table, change.streams)
      case 'flushStream':
        return this.flushStream(change.table, change.stream, change.rowCount)
      case 'runDml': {
        if (change.unlessChanged && (await hasChanges(this.sql, change.unlessChanged))) throw new QueryRefused(CHANGED)
        const rows = await this.sql(change.sql)
        if (change.check !== undefined) await this.sql(change.check)
        return () => change.done(rows)
      }
      case 'dropStreams': {
        const hidden = this.hiddenOf(change.streams)
        await this.run([...hidden.map(dropHidden), ...forgetStreams(change.streams)])
        return () => this.hidden.forget(hidden)
      }
    }
  }

  private async createTable({ table, replaced, fill }: Create): Promise<(() => void) | undefined> {
    if (!replaced && fill === undefined) return this.run(createTable(table))
    // First what can fail.
    await this.run(createNext(table, fill))
    const dropped = replaced && (await this.dropTable(replaced))
    await this.run(renameNext(table))
    return dropped
  }

  private async alterTable(before: Table, after: Table): Promise<undefined> {
    const hidden = this.hidden.of(before.incarnation)
    await this.run([
      ...widen(tablePlace(after), before, after),
      ...hidden.flatMap(stream => widenHidden(stream, before, after)),
      ...dropChanges(before, after),
      putTable(after),
    ])
  }

  private async dropTable(table: Table): Promise<() => void> {
    const hidden = this.hidden.of(table.incarnation)
    for (const target of this.targets.of(table)) this.targets.abandon(target)
    await this.run([
      ...(hasColumns(table) ? [`DROP TABLE ${physicalName(table)}`] : []),
      ...hidden.map(dropHidden),
      ...dropChanges(table, undefined),
      ...forgetTable(table),
    ])
    return () => this.hidden.forget(hidden)
  }

  private async commitStreams(table: Table, streams: readonly StreamState[]): Promise<() => void> {
    const hidden = this.hiddenOf(streams)
    await this.run(hidden.flatMap(stream => showAll(table, stream)))
    await this.saveStreams(streams)
    return () => this.hidden.forget(hidden)
  }

  private async flushStream(table: Table, stream: StreamState, rowCount: bigint): Promise<(() => void) | undefined> {
    // A table with an appender on it cannot be dropped.
    this.targets.find(stream.name)?.closeAppender()
    const isEmpty = await showFirst(this.sql, table, stream.name, rowCount)
    await this.saveStreams([stream])
    return isEmpty ? () => this.hidden.forget([stream.name]) : undefined
  }

  /** Those of the streams that have hidden rows; they take no more. */
  private hiddenOf(streams: readonly StreamState[]): string[] {
    for (const { name } of streams) {
      const target = this.targets.find(name)
      if (target) this.targets.abandon(target)
    }
    return streams.map(({ name }) => name).filter(name => this.hidden.has(name))
  }

  /** As above: nothing to save in memory. */
  private async saveStreams(streams: readonly StreamState[]): Promise<undefined> {
    if (this.isDurable) await this.run([putStreams(streams)])
  }

  private async run(statements: readonly string[]): Promise<undefined> {
    for (const statement of statements) await this.sql(statement)
  }
}

type Asked = Work['changes'][number]

/** The changes in their order, streams created or finalized one after the other as one: a transaction costs more than a stream. */
export function together(changes: readonly Asked[]): readonly (readonly Asked[])[] {
  const groups: Asked[][] = []
  for (const asked of changes) {
    const last = groups.at(-1)
    if (asked.change.kind === 'putStream' && last?.[0]?.change.kind === 'putStream') last.push(asked)
    else groups.push([asked])
  }
  return groups
}
