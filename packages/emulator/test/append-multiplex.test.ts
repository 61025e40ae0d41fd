// Where requests of one AppendRows call go, and what the storage is asked for. Numbers are those of the conformance cases in
// reference/write-api.md §6.
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { status } from '@grpc/grpc-js'
import { openAccess, Tokens } from '../src/access.ts'
import { behaviorWith } from '../src/behavior.ts'
import { systemClock } from '../src/clock.ts'
import { type EmulatorCore, openCore } from '../src/emulator-core.ts'
import { type GrpcListener, listenGrpc } from '../src/grpc/grpc-server.ts'
import { quotasWith } from '../src/quotas/quota-settings.ts'
import { NullStorage } from '../src/storage/null-storage.ts'
import type { MissingValues, RowWriter, WriterSpec } from '../src/storage/storage.ts'
import type { AppendRequest } from '../src/wire/append-request.ts'
import { errorOf, newTable, offsetOf, opened, ownHarness, rows, widen, wideRows } from './append-table.ts'
import { type Harness, startHarness } from './harness.ts'
import { type Message, RawClient, rowsOf, writer } from './raw-client.ts'

describe('a multiplexed call', () => {
  let harness: Harness
  before(async () => {
    harness = await startHarness()
  })
  after(() => harness.close())

  const send = (call: ReturnType<RawClient['append']>, name: string, withSchema = true) =>
    call.ask({ writeStream: name, protoRows: rows([1], withSchema) })

  it('must name the stream in every request once it has switched', async () => {
    const [one, two] = [await newTable(harness), await newTable(harness)]
    const call = harness.client.append()
    await send(call, `${one.name}/_default`)
    offsetOf(await call.ask({ protoRows: rows([2]) }))
    await send(call, `${two.name}/_default`)
    offsetOf(await send(call, `${two.name}/_default`, false))
    call.send({ protoRows: rows([3]) })
    assert.equal((await call.ended)?.code, status.INVALID_ARGUMENT)
    assert.deepEqual([await harness.rest.count(one.id), await harness.rest.count(two.id)], [2, 2])
  })

  it('must bring the writer schema along when it switches, also back', async () => {
    const [one, two] = [await newTable(harness), await newTable(harness)]
    const call = harness.client.append()
    await send(call, `${one.name}/_default`)
    await send(call, `${two.name}/_default`)
    call.send({ writeStream: `${one.name}/_default`, protoRows: rows([2]) })
    assert.match((await call.ended)?.message ?? '', /must have writer_schema/)
  })

  it('takes the two spellings of a default stream for one', async () => {
    const { name } = await newTable(harness)
    const call = harness.client.append()
    await send(call, `${name}/_default`)
    offsetOf(await send(call, `${name}/streams/_default`, false))
    offsetOf(await call.ask({ protoRows: rows([3]) }))
  })

  it('has no place for application-created streams', async () => {
    const { name } = await newTable(harness)
    const stream = await harness.client.createStream(name)
    for (const [first, second] of [
      [stream, `${name}/_default`],
      [`${name}/_default`, stream],
      [stream, await harness.client.createStream(name)],
    ] as const) {
      const call = harness.client.append()
      await send(call, first)
      call.send({ writeStream: second, protoRows: rows([1], true) })
      assert.match((await call.ended)?.message ?? '', /^Only default streams can share a connection/)
    }
  })

  it('takes locations in any case and shows them as the service does', async () => {
    const call = harness.client.append()
    const { name } = await newTable(harness)
    await send(call, `${name}/_default`)
    const shown = { us: ['US', 'us'], Eu: ['EU', 'eu'], 'US-EAST1': ['us-east1', 'us-east1'] }
    for (const [location, [inRest, inWriteApi]] of Object.entries(shown)) {
      const datasetId = `in_${location.replace('-', '_')}`
      const reference = { datasetReference: { datasetId }, location }
      const { body } = await harness.rest.api('POST', '/datasets', reference)
      assert.equal(body.location, inRest)
      const schema = { fields: [{ name: 'id', type: 'INT64' }] }
      await harness.rest.api('POST', `/datasets/${datasetId}/tables`, { tableReference: { tableId: 't' }, schema })
      const stream = `projects/p/datasets/${datasetId}/tables/t/streams/_default`
      assert.equal((await harness.client.unary('GetWriteStream', { name: stream })).location, inWriteApi)
      if (location !== 'us') continue
      const only = writer('optional int64 id = 1;')
      const { appendResult } = await call.ask({ writeStream: stream, protoRows: rowsOf(only, [{ id: 1 }], true) })
      assert.ok(appendResult)
    }
    call.cancel()
  })

  it('stays in one location', async () => {
    const { name } = await newTable(harness)
    const created = await harness.rest.api('POST', '/datasets', {
      datasetReference: { datasetId: 'far' },
      location: 'us-east1',
    })
    assert.equal(created.status, 200, JSON.stringify(created.body))
    const table = await harness.rest.api('POST', '/datasets/far/tables', {
      tableReference: { tableId: 't' },
      schema: { fields: [{ name: 'id', type: 'INT64' }] },
    })
    assert.equal(table.status, 200)
    const call = harness.client.append()
    await send(call, `${name}/_default`)
    call.send({ writeStream: 'projects/p/datasets/far/tables/t/_default', protoRows: rows([1], true) })
    assert.match((await call.ended)?.message ?? '', /must be in one location, here US/)
  })
})

/** Remembers what it is asked for. */
class RecordingStorage extends NullStorage {
  readonly specs: WriterSpec[] = []
  readonly missing: MissingValues[] = []
  readonly batches: (Buffer | undefined)[] = []

  override openWriter(spec: WriterSpec): RowWriter {
    this.specs.push(spec)
    return {
      write: (request: AppendRequest, missing: MissingValues) => {
        this.missing.push(missing)
        this.batches.push(request.recordBatch && Buffer.from(request.recordBatch))
        return { rowCount: request.format === 'arrow' ? 3 : request.rows.count, errors: [] }
      },
    }
  }
}

describe('the storage', () => {
  let storage: RecordingStorage
  let core: EmulatorCore
  let grpc: GrpcListener
  let client: RawClient
  const TABLE = 'projects/p/datasets/d/tables/t'
  before(async () => {
    storage = new RecordingStorage()
    core = await openCore(storage, {
      access: new Tokens(openAccess, 0, systemClock),
      behavior: behaviorWith(),
      quotas: quotasWith(),
      clock: systemClock,
      requestLimitBytes: 1_000_000,
      onBroken: error => assert.fail(error),
    })
    await core.catalog.createDataset({ project: 'p', dataset: 'd' }, 'US', {})
    const columns = ['id', 'Note'].map(name => ({ name, type: 'STRING', mode: 'NULLABLE', fields: [] }) as const)
    await core.catalog.createTable({ project: 'p', dataset: 'd', table: 't' }, { columns }, {})
    grpc = await listenGrpc(core, { host: '127.0.0.1', port: 0 })
    client = new RawClient(`127.0.0.1:${grpc.port}`)
  })
  after(async () => {
    client.close()
    await grpc.close()
  })
  afterEach(() => {
    for (const list of [storage.specs, storage.missing, storage.batches]) list.length = 0
    core.behavior.unknownMissingValueColumn = 'reject'
  })

  it('gets the partition of a decorated default stream, and the response the decorated name', async () => {
    const call = client.append()
    for (const name of [`${TABLE}$20260101/_default`, `${TABLE}$20260102/streams/_default`, `${TABLE}/_default`]) {
      const response = await call.ask({ writeStream: name, protoRows: rows([1], true) })
      assert.equal(
        response.writeStream,
        name.replace('/_default', '/streams/_default').replace('streams/streams', 'streams'),
      )
    }
    assert.deepEqual(
      storage.specs.map(({ table, partition, isDefaultStream }) => [table.table, partition, isDefaultStream]),
      [
        ['t', '20260101', true],
        ['t', '20260102', true],
        ['t', undefined, true],
      ],
    )
  })

  it('gets no decorated application-created stream', async () => {
    const stream = await client.createStream(TABLE)
    const call = client.append()
    call.send({ writeStream: stream.replace('/tables/t/', '/tables/t$20260101/'), protoRows: rows([1], true) })
    assert.equal((await call.ended)?.code, status.INVALID_ARGUMENT)
  })

  it('gets the missing values of one request by column, and the sticky default of the connection', async () => {
    const call = client.append()
    const ask = (more: Message) => call.ask({ writeStream: `${TABLE}/_default`, ...more, protoRows: rows([1], true) })
    await ask({})
    await ask({ missingValueInterpretations: { note: 'DEFAULT_VALUE' } })
    await ask({ defaultMissingValueInterpretation: 'DEFAULT_VALUE', missingValueInterpretations: { ID: 'NULL_VALUE' } })
    await ask({})
    await ask({ defaultMissingValueInterpretation: 'NULL_VALUE' })
    assert.deepEqual(
      storage.missing.map(({ byColumn, otherwise }) => [byColumn && Object.fromEntries(byColumn), otherwise]),
      [
        [undefined, 'null'],
        [{ Note: 'default' }, 'null'],
        [{ id: 'null' }, 'default'],
        [undefined, 'default'],
        [undefined, 'null'],
      ],
    )
  })

  it('gets no request whose missing values are unspecified or for a column that is not there', async () => {
    const call = client.append()
    const ask = (map: Message) =>
      call.ask({ writeStream: `${TABLE}/_default`, missingValueInterpretations: map, protoRows: rows([1], true) })
    assert.match(
      errorOf(await ask({ note: 'MISSING_VALUE_INTERPRETATION_UNSPECIFIED' })).message,
      /column note is unspecified/,
    )
    assert.match(errorOf(await ask({ other: 'NULL_VALUE' })).message, /column other: the table has no such/)
    core.behavior.unknownMissingValueColumn = 'ignore'
    offsetOf(await ask({ other: 'NULL_VALUE', id: 'DEFAULT_VALUE' }))
    assert.deepEqual(
      storage.missing.map(({ byColumn }) => Object.fromEntries(byColumn!)),
      [{ id: 'default' }],
    )
  })

  it('gets Arrow schemas and batches as they came, and offsets count their rows', async () => {
    const stream = await client.createStream(TABLE, 'BUFFERED')
    const call = client.append()
    const batch = { serializedRecordBatch: Buffer.from('batch') }
    const schema = { serializedSchema: Buffer.from('schema') }
    await call.ask({ writeStream: stream, arrowRows: { writerSchema: schema, rows: batch } })
    assert.equal(offsetOf(await call.ask({ arrowRows: { rows: batch } })), '3')
    assert.match(errorOf(await call.ask({ arrowRows: { writerSchema: schema } })).message, /^Rows must be specified/)
    assert.deepEqual(storage.batches.map(String), ['batch', 'batch'])
    assert.deepEqual(
      storage.specs.map(spec => [spec.schema.kind, spec.schema.bytes.toString(), spec.hiddenIn]),
      [['arrow', 'schema', stream]],
    )
  })

  it('gets rows of another format only with a schema in it', async () => {
    const call = client.append()
    const ask = (more: Message) => call.ask({ writeStream: `${TABLE}/_default`, ...more })
    const arrow = { rows: { serializedRecordBatch: Buffer.from('batch') } }
    await ask({ protoRows: rows([1], true) })
    await ask({ arrowRows: { ...arrow, writerSchema: { serializedSchema: Buffer.from('schema') } } })
    assert.deepEqual(
      storage.specs.map(spec => spec.schema.kind),
      ['proto', 'arrow'],
    )
    call.send({ writeStream: `${TABLE}/_default`, protoRows: rows([1]) })
    assert.match((await call.ended)?.message ?? '', /Rows in proto need a writer_schema in proto/)
  })
})

describe('another writer schema on an application-created stream', () => {
  for (const [knob, expected] of [
    ['accept', 'accepted'],
    ['ignore', 'accepted'],
    ['close', 'closed'],
  ] as const)
    it(`is ${expected} when the knob says ${knob}`, async t => {
      const harness = await ownHarness(t, { storage: 'null', behavior: { exclusiveSchemaChange: knob } })
      const { id, name } = await newTable(harness)
      const call = await opened(harness.client, await harness.client.createStream(name), [1])
      await widen(harness, id)
      offsetOf(await call.ask({ protoRows: rows([2], true) }))
      call.send({ protoRows: wideRows([3], true) })
      if (expected === 'accepted') offsetOf(await call.next())
      else assert.match((await call.ended)?.message ?? '', /writer_schema cannot change/)
    })
})
