// Counts rows and forgets them: for measuring writers. Offsets and descriptors are checked as ever; row contents are not.
import type { Table } from '../catalog/resources.ts'
import { checkWriterSchema, requestRowCount } from '../rows/row-filler.ts'
import { changeFieldsOf } from './change-fields.ts'
import { mergeKey } from './change-fillers.ts'
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

const NO_ROWS = 'This emulator runs with --storage null: rows are counted and discarded, there is nothing to query'

export class NullStorage implements Storage {
  /** Visible rows by incarnation. */
  private readonly counts = new Map<string, number>()
  /** Hidden rows by stream. */
  private readonly hidden = new Map<string, { readonly incarnation: string; count: number }>()

  async load(): Promise<Saved> {
    return { datasets: [], tables: [], streams: [] }
  }

  openWriter({ table, schema, hiddenIn, isDefaultStream }: WriterSpec): RowWriter {
    const changes = changeFieldsOf(schema)
    if (changes && isDefaultStream) mergeKey(table)
    checkWriterSchema(changes?.schema ?? schema, table.schema)
    const { incarnation } = table
    return {
      write: (request, _missing, options) => {
        const rowCount = requestRowCount(request)
        if (options?.isTrial) return { rowCount, errors: [] }
        if (hiddenIn === undefined) this.show(incarnation, rowCount)
        else this.hide(hiddenIn, incarnation, rowCount)
        return { rowCount, errors: [] }
      },
    }
  }

  private hide(stream: string, incarnation: string, count: number): void {
    const hidden = this.hidden.get(stream)
    if (hidden) hidden.count += count
    else this.hidden.set(stream, { incarnation, count })
  }

  private show(incarnation: string, count: number): void {
    this.counts.set(incarnation, (this.counts.get(incarnation) ?? 0) + count)
  }

  async store(take: () => Work): Promise<void> {
    for (const { change, settle } of take().changes) {
      try {
        this.make(change)
        settle()
      } catch (error) {
        settle(error as Error)
      }
    }
  }

  private make(change: Change): void {
    switch (change.kind) {
      case 'dropTable':
        this.counts.delete(change.table.incarnation)
        for (const [stream, { incarnation }] of this.hidden)
          if (incarnation === change.table.incarnation) this.hidden.delete(stream)
        return
      case 'commitStreams':
        for (const { name } of change.streams) {
          this.show(change.table.incarnation, this.hidden.get(name)?.count ?? 0)
          this.hidden.delete(name)
        }
        return
      case 'flushStream': {
        const hidden = this.hidden.get(change.stream.name)!
        hidden.count -= Number(change.rowCount)
        this.show(change.table.incarnation, Number(change.rowCount))
        return
      }
      case 'dropStreams':
        for (const { name } of change.streams) this.hidden.delete(name)
        return
      case 'runDml':
        throw new QueryRefused(NO_ROWS)
      case 'createTable':
        if (change.fill !== undefined) throw new QueryRefused(NO_ROWS)
        if (change.replaced) this.make({ kind: 'dropTable', table: change.replaced })
        return
      case 'putDataset':
      case 'dropDataset':
      case 'alterTable':
      case 'putStream':
    }
  }

  async query(): Promise<QueryResult> {
    throw new QueryRefused(NO_ROWS)
  }

  async rowCount(table: Table): Promise<bigint> {
    return BigInt(this.counts.get(table.incarnation) ?? 0)
  }

  async close(): Promise<void> {}
}
