// Counts rows and forgets them: for measuring writers. Offsets and descriptors are checked as ever; row contents are not.
import type { Table } from '../catalog/resources.ts'
import { readDescriptor } from '../rows/descriptor.ts'
import { checkDescriptor } from '../rows/row-decoder.ts'
import {
  QueryRefused,
  type QueryResult,
  type RowWriter,
  type Saved,
  type Storage,
  type Work,
  type WriterSpec,
} from './storage.ts'

export class NullStorage implements Storage {
  private readonly counts = new Map<string, number>()

  async load(): Promise<Saved> {
    return { datasets: [], tables: [], streams: [] }
  }

  openWriter({ table, schema }: WriterSpec): RowWriter {
    checkDescriptor(readDescriptor(schema.bytes), table.schema)
    const { counts } = this
    const key = table.incarnation
    return {
      write({ rows }) {
        counts.set(key, (counts.get(key) ?? 0) + rows.count)
        return { rowCount: rows.count, errors: [] }
      },
    }
  }

  async store(take: () => Work): Promise<void> {
    for (const { change, settle } of take().changes) {
      if (change.kind === 'dropTable') this.counts.delete(change.table.incarnation)
      settle()
    }
  }

  async query(): Promise<QueryResult> {
    throw new QueryRefused(
      'This emulator runs with --storage null: rows are counted and discarded, there is nothing to query',
    )
  }

  async rowCount(table: Table): Promise<bigint> {
    return BigInt(this.counts.get(table.incarnation) ?? 0)
  }

  async close(): Promise<void> {}
}
