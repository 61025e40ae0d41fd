// One table in a storage of the test's own, written and read without the listeners: what becomes of rows is all there is to see.
import assert from 'node:assert/strict'
import type { Table } from '../src/catalog/resources.ts'
import { schemaFromRest } from '../src/catalog/table-schema.ts'
import { DuckDbStorage } from '../src/storage/duckdb-storage.ts'
import type { Change, MissingValues, RowWriter, WriterSchema, Written } from '../src/storage/storage.ts'
import { readAppendRequest } from '../src/wire/append-request.ts'
import type { Field } from './harness.ts'
import { encode, type Message } from './raw-client.ts'

export type TableField = Field & {
  defaultValueExpression?: string
  rangeElementType?: { type: string }
  timestampPrecision?: string
}

export const NOTHING_SAID: MissingValues = { byColumn: undefined, otherwise: 'null' }

export class RowStore {
  readonly storage: DuckDbStorage
  private tables = 0

  private constructor(storage: DuckDbStorage) {
    this.storage = storage
  }

  static async open(nowMs: () => number = Date.now): Promise<RowStore> {
    const storage = await DuckDbStorage.open(undefined, nowMs)
    await storage.load()
    const store = new RowStore(storage)
    const dataset = { project: 'p', dataset: 'd', location: 'US', createdMs: 0, modifiedMs: 0, rest: {} }
    await store.change({ kind: 'putDataset', dataset })
    return store
  }

  async close(): Promise<void> {
    await this.storage.close()
  }

  private async change(change: Change): Promise<void> {
    let failure: Error | undefined
    const settle = (error?: Error): void => {
      failure = error
    }
    await this.storage.store(() => ({ streams: new Map(), changes: [{ change, settle }] }))
    if (failure) throw failure
  }

  async table(fields: TableField[], rest: Record<string, unknown> = {}): Promise<RowTable> {
    const name = `t${++this.tables}`
    const table: Table = {
      project: 'p',
      dataset: 'd',
      table: name,
      incarnation: name,
      schema: schemaFromRest({ fields }),
      location: 'US',
      createdMs: 0,
      modifiedMs: 0,
      version: 1,
      rest,
    }
    await this.change({ kind: 'createTable', table })
    return new RowTable(this.storage, table)
  }
}

export class RowTable {
  private readonly storage: DuckDbStorage
  private readonly table: Table

  constructor(storage: DuckDbStorage, table: Table) {
    this.storage = storage
    this.table = table
  }

  get id(): string {
    return this.table.table
  }

  get resource(): Table {
    return this.table
  }

  writer(schema: WriterSchema, partition?: string): RowWriter {
    const { table } = this
    return this.storage.openWriter({ table, schema, hiddenIn: undefined, isDefaultStream: true, partition })
  }

  protoWriter(descriptor: Message, partition?: string): RowWriter {
    return this.writer({ kind: 'proto', bytes: encode('google.protobuf.DescriptorProto', descriptor) }, partition)
  }

  /** Appends rows and answers what the writer says. */
  append(descriptor: Message, rows: Buffer[], missing: MissingValues = NOTHING_SAID, partition?: string): Written {
    return appendTo(this.protoWriter(descriptor, partition), rows, missing)
  }

  /** Everything in the table, each column as DuckDB casts it to text. */
  async all(columns = 'COLUMNS(*)::VARCHAR'): Promise<unknown[][]> {
    await this.storage.store(() => ({ streams: new Map(), changes: [] }))
    const { rows } = await this.storage.query(`SELECT ${columns} FROM "p.d"."${this.table.table}"`, 100_000)
    return rows.map(row => [...row])
  }

  /** Appends rows that must all be good, and reads the whole table. */
  async roundTrip(descriptor: Message, rows: Buffer[], missing?: MissingValues): Promise<unknown[][]> {
    assert.deepEqual(this.append(descriptor, rows, missing).errors, [])
    return this.all()
  }

  /** The messages of all bad rows. */
  refusals(descriptor: Message, rows: Buffer[], missing?: MissingValues): string[] {
    return this.append(descriptor, rows, missing).errors.map(error => error.message)
  }
}

export function appendTo(writer: RowWriter, rows: Buffer[], missing: MissingValues = NOTHING_SAID): Written {
  const request = encode('AppendRowsRequest', { protoRows: { rows: { serializedRows: rows } } })
  return writer.write(readAppendRequest(request), missing)
}

// A few bytes of wire format, for what no encoder would write.

export function varint(value: bigint | number): Buffer {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 0x80)
  return Buffer.from([...bytes, Number(rest)])
}
export const tagged = (number: number, wireType: number, body: Buffer): Buffer =>
  Buffer.concat([varint((number << 3) | wireType), body])
/** A length-delimited field. */
export const chunk = (number: number, ...bodies: Buffer[]): Buffer => {
  const body = Buffer.concat(bodies)
  return tagged(number, 2, Buffer.concat([varint(body.length), body]))
}
export const text = (number: number, value: string): Buffer => chunk(number, Buffer.from(value))
export const int = (number: number, value: bigint | number): Buffer => tagged(number, 0, varint(value))
