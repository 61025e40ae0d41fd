// A physical table that takes rows: those of a table itself, or those of one stream that are not to be seen yet.
// Builders, fillers and appender are made when rows come and given back when none came for a while.
import type { DuckDBAppender, DuckDBConnection } from '@duckdb/node-api'
import type { Table } from '../catalog/resources.ts'
import type { TableSchema } from '../catalog/table-schema.ts'
import { RowBatch, type RowFiller } from '../rows/row-batch.ts'
import { compileFiller } from '../rows/row-filler.ts'
import { changeFieldsOf } from './change-fields.ts'
import { compileInsertFiller } from './change-fillers.ts'
import { CHUNK_ROWS, duckdb, type NativeChunk, nativeAppender } from './duckdb-bindings.ts'
import { fillVector, type TextHeap } from './duckdb-fill.ts'
import type { Place } from './duckdb-names.ts'
import type { WriterSpec } from './storage.ts'

/** Rows a batch's builders may keep room for after a flush; larger ones are replaced. 131,072 rows × ~16 bytes × columns. */
const KEEP_ROWS_MAX = 131_072
/** And so many bytes, for tables of thousands of columns. */
const KEEP_BYTES_MAX = 64 * 1024 * 1024
/** Compiled fillers kept per target; fewer where a table has thousands of columns, each about a kilobyte of a filler. */
const FILLERS_MAX = 64
const FILLER_COLUMNS_MAX = 50_000

export class RowTarget {
  table: Table
  readonly place: Place
  /** The stream whose rows hide here; absent when they are the table's own. */
  readonly stream: string | undefined
  private openBatch: RowBatch | undefined
  private readonly fillers = new Map<string, RowFiller>()
  private appender: { native: ReturnType<typeof nativeAppender>; close(): void; chunk: NativeChunk } | undefined

  constructor(table: Table, place: Place, stream: string | undefined) {
    this.table = table
    this.place = place
    this.stream = stream
  }

  /** What it is known by among the targets. */
  get key(): string {
    return this.stream ?? this.table.incarnation
  }

  get schema(): TableSchema {
    return this.table.schema
  }

  /** Where rows go now. Another one after a drain, a release or a schema change. */
  get batch(): RowBatch {
    this.openBatch ??= new RowBatch(this.schema)
    return this.openBatch
  }

  get hasRows(): boolean {
    return this.openBatch !== undefined && this.openBatch.rowCount > 0
  }

  get hasAppender(): boolean {
    return this.appender !== undefined
  }

  /** What takes rows of a writer schema into the batch of this moment. Throws as compileFiller does. */
  fillerFor(spec: WriterSpec): RowFiller {
    const { schema, partition } = spec
    const key = `${schema.kind} ${partition ?? ''} ${schema.bytes.toString('latin1')}`
    const { batch } = this
    let filler = this.fillers.get(key)
    if (!filler) {
      filler = this.compile(spec, batch)
      const fillersMax = Math.min(FILLERS_MAX, Math.ceil(FILLER_COLUMNS_MAX / this.schema.columns.length))
      if (this.fillers.size >= fillersMax) this.fillers.delete(this.fillers.keys().next().value!)
      this.fillers.set(key, filler)
    }
    return filler
  }

  protected compile({ schema, partition }: WriterSpec, batch: RowBatch): RowFiller {
    const spec = { table: this.table, schema, partition, batch }
    const fields = changeFieldsOf(schema)
    return fields ? compileInsertFiller(spec, fields) : compileFiller(spec)
  }

  async openAppender(writer: DuckDBConnection): Promise<void> {
    if (this.appender) return
    const appender: DuckDBAppender = await writer.createAppender(this.place.name, this.place.schema)
    const native = nativeAppender(appender)
    const types = this.schema.columns.map((_column, index) => duckdb.appender_column_type(native, index))
    this.appender = { native, close: () => appender.closeSync(), chunk: duckdb.create_data_chunk(types) }
  }

  closeAppender(): void {
    this.appender?.close()
    this.appender = undefined
  }

  /** Moves the rows into DuckDB, in the connection's open transaction if there is one. Synchronous. */
  drain(heap: TextHeap): void {
    const { batch } = this
    const { native, chunk } = this.appender!
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
    if (batch.rowCount > KEEP_ROWS_MAX || batch.growth.bytes > KEEP_BYTES_MAX) this.forgetBatch()
    else batch.clear()
  }

  /** From here on, rows are read by the new schema. The batch must be empty. */
  follow(after: Table): void {
    this.release()
    this.table = after
  }

  /** Gives back all that costs memory. The batch must be empty. */
  release(): void {
    this.closeAppender()
    this.forgetBatch()
  }

  private forgetBatch(): void {
    this.openBatch = undefined
    this.fillers.clear()
  }
}
