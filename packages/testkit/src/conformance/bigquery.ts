// What any BigQuery behind the ports must do, in the runtime's words. Run on the twin and on the adapter against the emulator,
// so that the twin can be believed. Schema of the table under test: id INT64 REQUIRED, name STRING(10), note STRING.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  APPEND_HEADROOM_BYTES,
  type AppendListener,
  type AppendRefusal,
  type AppendRequest,
  type FrozenRows,
  isMillraceError,
  type MillraceError,
  PROTO_TYPE,
  type StreamName,
  type StreamOffset,
  streamOffset,
  type TableName,
  type TableSpec,
  type Tables,
  type WriterSchema,
  type WriteStreams,
} from '@millrace/core'

export interface BigQueryUnderTest extends AsyncDisposable {
  readonly tables: Tables
  readonly writeStreams: WriteStreams
  /** A name nobody used, in a dataset that exists. */
  freshTable(): TableName
  /** How many rows a reader of the table sees. */
  countRows(table: TableName): Promise<number>
  /** The next append is applied, or not, and its connection breaks before the answer. */
  breakNextAppend(options: { isApplied: boolean }): Promise<void>
}

export const CONFORMANCE_TABLE: TableSpec = {
  schema: {
    columns: [
      { name: 'id', type: 'INT64', mode: 'REQUIRED' },
      { name: 'name', type: 'STRING', mode: 'NULLABLE', maxLength: 10 },
      { name: 'note', type: 'STRING', mode: 'NULLABLE' },
    ],
  },
}
export const CONFORMANCE_SCHEMA: WriterSchema = {
  fields: [
    { name: 'id', number: 1, type: PROTO_TYPE.INT64, label: 'optional' },
    { name: 'name', number: 2, type: PROTO_TYPE.STRING, label: 'optional' },
    { name: 'note', number: 3, type: PROTO_TYPE.STRING, label: 'optional' },
  ],
}
const WIDER_SCHEMA: WriterSchema = {
  fields: [...CONFORMANCE_SCHEMA.fields, { name: 'unheard_of', number: 4, type: PROTO_TYPE.STRING, label: 'optional' }],
}

const signal: AbortSignal = new AbortController().signal

/** Registers the suite. `open` is called once per test. */
export function testBigQuery(name: string, open: () => Promise<BigQueryUnderTest>): void {
  describe(name, () => {
    testTables(open)
    testStreams(open)
    testAppends(open)
    testEnds(open)
    testAmbiguity(open)
  })
}

type Open = () => Promise<BigQueryUnderTest>

function testTables(open: Open): void {
  test('a table that does not exist is null', async () => {
    await using bigquery = await open()
    assert.equal(await bigquery.tables.get(bigquery.freshTable(), { signal }), null)
  })

  test('a table is found as it was created', async () => {
    await using bigquery = await open()
    const table = bigquery.freshTable()
    const created = await bigquery.tables.create(table, CONFORMANCE_TABLE, { signal })
    const found = await bigquery.tables.get(table, { signal })
    assert.deepEqual(found?.schema, CONFORMANCE_TABLE.schema)
    assert.match(created.creationTime, /^\d+$/)
    assert.equal(found?.creationTime, created.creationTime)
  })

  test('creating a table that exists answers with the one that exists', async () => {
    await using bigquery = await open()
    const table = bigquery.freshTable()
    const first = await bigquery.tables.create(table, CONFORMANCE_TABLE, { signal })
    const other: TableSpec = { schema: { columns: [{ name: 'other', type: 'BOOL', mode: 'NULLABLE' }] } }
    const second = await bigquery.tables.create(table, other, { signal })
    assert.deepEqual(second, first)
  })
}

function testStreams(open: Open): void {
  test('every stream is another one, of its table, and exists', async () => {
    await using t = await openTable(open)
    const first = await t.bigquery.writeStreams.create(t.table, { signal })
    const second = await t.bigquery.writeStreams.create(t.table, { signal })
    assert.notEqual(first, second)
    assert.ok(first.startsWith(`${t.table}/streams/`))
    assert.equal(await t.bigquery.writeStreams.exists(first, { signal }), true)
  })

  test('no stream is created on a table that does not exist', async () => {
    await using bigquery = await open()
    const rejected = bigquery.writeStreams.create(bigquery.freshTable(), { signal })
    await assert.rejects(rejected, hasCode('BIGQUERY_PERMISSION_DENIED', 'STREAM_GONE'))
  })

  test('a stream that never was is gone', async () => {
    await using t = await openTable(open)
    const unknown = `${t.table}/streams/never-was` as StreamName
    await assert.rejects(t.bigquery.writeStreams.exists(unknown, { signal }), hasCode('STREAM_GONE'))
    await assert.rejects(t.bigquery.writeStreams.finalize(unknown, { signal }), hasCode('STREAM_GONE'))
  })

  test('finalize answers how many rows landed, and the same when asked again', async () => {
    await using t = await openStream(open)
    assert.equal(await t.bigquery.writeStreams.finalize(t.stream, { signal }), 0n)
    assert.equal(await t.bigquery.writeStreams.finalize(t.stream, { signal }), 0n)
    const other = await t.bigquery.writeStreams.create(t.table, { signal })
    const lane = t.connect(other)
    lane.send(1, 0, rows(0, 3))
    await lane.hears(1)
    assert.equal(await t.bigquery.writeStreams.finalize(other, { signal }), 3n)
    assert.equal(await t.bigquery.writeStreams.finalize(other, { signal }), 3n)
  })

  test('a call whose signal is aborted rejects with the reason', async () => {
    await using t = await openTable(open)
    const reason = new Error('given up')
    const aborted = AbortSignal.abort(reason)
    await assert.rejects(t.bigquery.writeStreams.create(t.table, { signal: aborted }), error => error === reason)
  })
}

function testAppends(open: Open): void {
  test('pipelined appends are acknowledged in order at their offsets, and can be read', async () => {
    await using t = await openStream(open)
    const lane = t.connect()
    let firstRow = 0
    for (let id = 1; id <= 40; id++) {
      lane.send(id, firstRow, rows(firstRow, id))
      firstRow += id
    }
    const heard = await lane.hears(40)
    let expected = 0n
    heard.forEach((event, index) => {
      assert.deepEqual(event, { kind: 'acknowledged', id: index + 1, offset: expected })
      expected += BigInt(index + 1)
    })
    assert.equal(lane.connection.inFlightBytes, 0)
    assert.equal(await t.bigquery.countRows(t.table), firstRow)
  })

  test('an append of two megabytes lands', async () => {
    await using t = await openStream(open)
    const lane = t.connect()
    const many = freeze(Array.from({ length: 2_100 }, (_, id) => row(id, 'n', 'x'.repeat(1_000))))
    assert.ok(many.end - many.start > 2_000_000)
    lane.send(1, 0, many)
    assert.deepEqual(await lane.hears(1), [{ kind: 'acknowledged', id: 1, offset: 0n }])
  })

  test('in-flight bytes count what is sent and not answered', async () => {
    await using t = await openStream(open)
    const lane = t.connect()
    const some = rows(0, 5)
    lane.send(1, 0, some)
    assert.equal(lane.connection.inFlightBytes, some.end - some.start)
    await lane.hears(1)
    assert.equal(lane.connection.inFlightBytes, 0)
  })

  test('an append below the end is refused as already there, wholly, and the connection goes on', async () => {
    await using t = await openStream(open)
    const lane = t.connect()
    lane.send(1, 0, rows(0, 3))
    lane.send(2, 0, rows(0, 3))
    lane.send(3, 2, rows(2, 5))
    lane.send(4, 3, rows(3, 1))
    const heard = await lane.hears(4)
    assert.deepEqual(heard.map(summary), ['1 at 0', '2 alreadyExists', '3 alreadyExists', '4 at 3'])
    assert.equal(await t.bigquery.countRows(t.table), 4)
  })

  test('an append beyond the end is refused, its successors too, and can be repeated in order', async () => {
    await using t = await openStream(open)
    const lane = t.connect()
    lane.send(1, 2, rows(2, 2))
    lane.send(2, 4, rows(4, 1))
    lane.send(3, 0, rows(0, 2))
    lane.send(4, 2, rows(2, 2))
    const heard = await lane.hears(4)
    assert.deepEqual(heard.map(summary), ['1 outOfRange', '2 outOfRange', '3 at 0', '4 at 2'])
  })

  test('row errors name their rows, nothing of the request lands, and the connection goes on', async () => {
    await using t = await openStream(open)
    const lane = t.connect()
    lane.send(1, 0, freeze([row(0, 'short'), row(1, 'much too long'), row(2, 'fits'), row(null, 'no id')]))
    lane.send(2, 0, freeze([row(0, 'short'), row(2, 'fits')]))
    const [refused, accepted] = await lane.hears(2)
    assert.ok(refused?.kind === 'refused' && refused.error.kind === 'rowErrors')
    assert.deepEqual(
      refused.error.rows.map(error => error.index),
      [1, 3],
    )
    for (const error of refused.error.rows) assert.notEqual(error.message, '')
    assert.deepEqual(accepted, { kind: 'acknowledged', id: 2, offset: 0n })
    assert.equal(await t.bigquery.countRows(t.table), 2)
  })

  test('a writer schema with a column the table lacks is a schema mismatch', async () => {
    await using t = await openStream(open)
    const lane = t.connect(t.stream, WIDER_SCHEMA)
    lane.send(1, 0, rows(0, 1))
    const [event] = await lane.hears(1)
    const error =
      event?.kind === 'broken'
        ? event.error
        : event?.kind === 'refused' && event.error.kind === 'other'
          ? event.error.error
          : null
    assert.equal(error?.code, 'SCHEMA_MISMATCH')
    assert.equal(error?.disposition, 'failPartition')
    assert.equal(await t.bigquery.countRows(t.table), 0)
  })
}

function testEnds(open: Open): void {
  test('a finalized stream takes nothing, neither on an open connection nor on a new one', async () => {
    await using t = await openStream(open)
    const open1 = t.connect()
    open1.send(1, 0, rows(0, 1))
    await open1.hears(1)
    assert.equal(await t.bigquery.writeStreams.finalize(t.stream, { signal }), 1n)
    open1.send(2, 1, rows(1, 1))
    assertSaysFinalized((await open1.hears(2))[1])
    const open2 = t.connect()
    open2.send(1, 1, rows(1, 1))
    assertSaysFinalized((await open2.hears(1))[0])
    assert.equal(await t.bigquery.countRows(t.table), 1)
  })

  test('a stream that never was is not found', async () => {
    await using t = await openTable(open)
    const lane = t.connect(`${t.table}/streams/never-was` as StreamName)
    lane.send(1, 0, rows(0, 1))
    const [event] = await lane.hears(1)
    const isSaid =
      (event?.kind === 'refused' && event.error.kind === 'streamNotFound') ||
      (event?.kind === 'broken' && event.error.code === 'STREAM_GONE')
    assert.ok(isSaid, `heard ${event === undefined ? 'nothing' : summary(event)}`)
  })

  test('a connection opened later continues where the stream ends', async () => {
    await using t = await openStream(open)
    const first = t.connect()
    first.send(1, 0, rows(0, 2))
    await first.hears(1)
    first.connection.close()
    const second = t.connect()
    second.send(1, 0, rows(0, 2))
    second.send(2, 2, rows(2, 1))
    assert.deepEqual((await second.hears(2)).map(summary), ['1 alreadyExists', '2 at 2'])
  })

  test('nothing is reported after close, and what was sent before lands all the same', async () => {
    await using t = await openStream(open)
    const lane = t.connect()
    lane.send(1, 0, rows(0, 2))
    lane.connection.close()
    lane.connection.close()
    await eventually(async () => (await t.bigquery.countRows(t.table)) === 2)
    assert.deepEqual(lane.heard, [])
  })
}

function testAmbiguity(open: Open): void {
  test('when the answer is lost the same bytes again are refused as already there', async () => {
    await using t = await openStream(open)
    await t.bigquery.breakNextAppend({ isApplied: true })
    const batch = rows(0, 3)
    const first = t.connect()
    first.send(1, 0, batch)
    assertSaysReconnect((await first.hears(1))[0])
    assert.equal(first.connection.inFlightBytes, 0)
    const second = t.connect()
    second.send(1, 0, batch)
    assert.deepEqual((await second.hears(1)).map(summary), ['1 alreadyExists'])
    assert.equal(await t.bigquery.countRows(t.table), 3)
    assert.equal(await t.bigquery.writeStreams.finalize(t.stream, { signal }), 3n)
  })

  test('when the request is lost the same bytes again land', async () => {
    await using t = await openStream(open)
    await t.bigquery.breakNextAppend({ isApplied: false })
    const batch = rows(0, 3)
    const first = t.connect()
    first.send(1, 0, batch)
    assertSaysReconnect((await first.hears(1))[0])
    const second = t.connect()
    second.send(1, 0, batch)
    assert.deepEqual((await second.hears(1)).map(summary), ['1 at 0'])
    assert.equal(await t.bigquery.countRows(t.table), 3)
  })

  test('a broken connection says so once, and takes further requests without a word', async () => {
    await using t = await openStream(open)
    await t.bigquery.breakNextAppend({ isApplied: false })
    const lane = t.connect()
    lane.send(1, 0, rows(0, 1))
    lane.send(2, 1, rows(1, 1))
    await lane.hears(1)
    lane.send(3, 0, rows(0, 1))
    // Another connection's whole exchange is time enough for a second report.
    const other = t.connect()
    other.send(1, 0, rows(0, 1))
    await other.hears(1)
    assert.deepEqual(
      lane.heard.map(event => event.kind),
      ['broken'],
    )
  })
}

function assertSaysFinalized(event: Heard | undefined): void {
  const isSaid =
    (event?.kind === 'refused' && event.error.kind === 'streamFinalized') ||
    (event?.kind === 'broken' && event.error.code === 'FENCED' && event.error.disposition === 'fenced')
  assert.ok(isSaid, `heard ${event === undefined ? 'nothing' : summary(event)}`)
}

function assertSaysReconnect(event: Heard | undefined): void {
  assert.equal(event?.kind, 'broken')
  assert.equal(event?.kind === 'broken' && event.error.disposition, 'reconnect')
}

const hasCode =
  (...codes: readonly string[]) =>
  (error: unknown): boolean => {
    assert.ok(isMillraceError(error), String(error))
    assert.ok(codes.includes(error.code), error.code)
    return true
  }

type Heard =
  | { readonly kind: 'acknowledged'; readonly id: number; readonly offset: StreamOffset }
  | { readonly kind: 'refused'; readonly id: number; readonly error: AppendRefusal }
  | { readonly kind: 'broken'; readonly error: MillraceError }
  | { readonly kind: 'schemaUpdated' }

function summary(event: Heard): string {
  switch (event.kind) {
    case 'acknowledged':
      return `${event.id} at ${event.offset}`
    case 'refused':
      return `${event.id} ${event.error.kind}`
    case 'broken':
      return `broken: ${event.error.code} ${event.error.message}`
    case 'schemaUpdated':
      return 'schema updated'
  }
}

/** A connection with everything it reported. */
class Lane implements AppendListener {
  readonly heard: Heard[] = []
  readonly connection: ReturnType<WriteStreams['connect']>
  #wake: () => void = () => {}

  constructor(bigquery: BigQueryUnderTest, stream: StreamName, schema: WriterSchema) {
    this.connection = bigquery.writeStreams.connect(stream, schema, this)
  }

  send(id: number, firstRow: number, frozen: FrozenRows): void {
    const request: AppendRequest = { id, firstRow: streamOffset(firstRow), rows: frozen }
    this.connection.send(request)
  }

  async hears(count: number): Promise<readonly Heard[]> {
    await eventually(
      async () => this.heard.length >= count,
      run => (this.#wake = run),
    )
    return this.heard
  }

  onAcknowledged(id: number, offset: StreamOffset): void {
    this.#hear({ kind: 'acknowledged', id, offset })
  }
  onRefused(id: number, error: AppendRefusal): void {
    this.#hear({ kind: 'refused', id, error })
  }
  onBroken(error: MillraceError): void {
    this.#hear({ kind: 'broken', error })
  }
  onSchemaUpdated(): void {
    this.#hear({ kind: 'schemaUpdated' })
  }

  #hear(event: Heard): void {
    this.heard.push(event)
    this.#wake()
  }
}

async function openTable(open: Open): Promise<
  {
    bigquery: BigQueryUnderTest
    table: TableName
    connect(stream: StreamName, schema?: WriterSchema): Lane
  } & AsyncDisposable
> {
  const bigquery = await open()
  const table = bigquery.freshTable()
  await bigquery.tables.create(table, CONFORMANCE_TABLE, { signal })
  const lanes: Lane[] = []
  return {
    bigquery,
    table,
    connect: (stream, schema = CONFORMANCE_SCHEMA) => {
      const lane = new Lane(bigquery, stream, schema)
      lanes.push(lane)
      return lane
    },
    async [Symbol.asyncDispose]() {
      for (const lane of lanes) lane.connection.close()
      await bigquery[Symbol.asyncDispose]()
    },
  }
}

async function openStream(open: Open): Promise<
  {
    bigquery: BigQueryUnderTest
    table: TableName
    stream: StreamName
    connect(stream?: StreamName, schema?: WriterSchema): Lane
  } & AsyncDisposable
> {
  const t = await openTable(open)
  const stream = await t.bigquery.writeStreams.create(t.table, { signal })
  return { ...t, stream, connect: (other = stream, schema) => t.connect(other, schema) }
}

/** Waits for the condition, woken by events or every 20 ms; ten seconds at most. */
async function eventually(condition: () => Promise<boolean>, onWake?: (run: () => void) => void): Promise<void> {
  const deadlineMs = performance.now() + 10_000
  while (!(await condition())) {
    assert.ok(performance.now() < deadlineMs, 'The condition did not hold within ten seconds.')
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, 20)
      onWake?.(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
}

/** `count` rows with ids from `firstId`. */
export function rows(firstId: number, count: number): FrozenRows {
  return freeze(Array.from({ length: count }, (_, index) => row(firstId + index, `n${(firstId + index) % 1000}`)))
}

function row(id: number | null, name: string, note?: string): Buffer {
  const idField = id === null ? [] : [Buffer.from([0x08, ...varint(id)])]
  return Buffer.concat([...idField, textField(0x12, name), ...(note === undefined ? [] : [textField(0x1a, note)])])
}

function textField(tag: number, text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([Buffer.from([tag, ...varint(bytes.length)]), bytes])
}

export function freeze(serialized: readonly Buffer[]): FrozenRows {
  const parts = serialized.flatMap(bytes => [Buffer.from([0x0a, ...varint(bytes.length)]), bytes])
  const bytes = Buffer.concat([Buffer.alloc(APPEND_HEADROOM_BYTES), ...parts])
  return { bytes, start: APPEND_HEADROOM_BYTES, end: bytes.length, rowCount: serialized.length }
}

function varint(value: number): readonly number[] {
  const out: number[] = []
  let rest = value
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) out.push((rest & 0x7f) | 0x80)
  return [...out, rest]
}
