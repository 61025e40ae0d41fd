// write-api.md §6, "Streams & metadata", through Google's Node clients.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { adapt, managedwriter, protos } from '@google-cloud/bigquery-storage'
import { status } from '@grpc/grpc-js'
import {
  accepted,
  createStream,
  FIELDS,
  failure,
  type Google,
  offsetOf,
  openWriter,
  row,
  startGoogle,
} from './google.ts'

const { WriteStreamView } = protos.google.cloud.bigquery.storage.v1

let google: Google
before(async () => {
  google = await startGoogle()
})
after(() => google.stop())

for (const type of ['COMMITTED', 'PENDING', 'BUFFERED'] as const) {
  test(`case 1: a ${type} stream is named under its table and comes with the full schema`, async () => {
    const table = await google.createTable(FIELDS)
    const stream = await google.client.createWriteStreamFullResponse({
      streamType: type,
      destinationTable: table.parent,
    })
    assert.ok(stream.name?.startsWith(`${table.parent}/streams/`), stream.name ?? 'no name')
    assert.equal(stream.type, type)
    const fields = stream.tableSchema?.fields?.map(({ name, type: of, mode }) => [name, of, mode])
    assert.deepEqual(fields, [
      ['customer_name', 'STRING', 'REQUIRED'],
      ['row_num', 'INT64', 'REQUIRED'],
    ])
    // What the schema is for: Google's adapter makes a descriptor of it that writes.
    const descriptor = adapt.convertStorageSchemaToProto2Descriptor(stream.tableSchema ?? {}, 'root')
    const { writer } = await openWriter(google.client, stream.name ?? '', descriptor)
    assert.equal(await offsetOf(writer.appendRows([row(1)], 0)), 0)
    writer.close()
  })
}

test('case 2: the BASIC view has no schema, the FULL view that of the table', async () => {
  const table = await google.createTable(FIELDS)
  const streamId = await createStream(google.client, table)
  const basic = await google.client.getWriteStream({ streamId, view: WriteStreamView.BASIC })
  assert.equal(basic.tableSchema, null)
  assert.equal(basic.name, streamId)
  const unsaid = await google.client.getWriteStream({ streamId })
  assert.equal(unsaid.tableSchema, null)
  const full = await google.client.getWriteStream({ streamId, view: WriteStreamView.FULL })
  assert.deepEqual(
    full.tableSchema?.fields?.map(({ name }) => name),
    ['customer_name', 'row_num'],
  )
})

test('case 3: the default stream is COMMITTED, has a location and no times', async () => {
  const table = await google.createTable(FIELDS)
  const streamId = `${table.parent}/streams/_default`
  const stream = await google.client.getWriteStream({ streamId })
  assert.deepEqual(
    [stream.name, stream.type, stream.createTime, stream.commitTime],
    [streamId, 'COMMITTED', null, null],
  )
  assert.equal(stream.location, 'us')
})

test('case 4: a PENDING stream has a create time and no commit time before it is committed', async () => {
  const table = await google.createTable(FIELDS)
  const streamId = await createStream(google.client, table, 'PENDING')
  const stream = await google.client.getWriteStream({ streamId })
  assert.equal(stream.type, 'PENDING')
  assert.ok(Math.abs(Number(stream.createTime?.seconds) - Date.now() / 1000) < 60)
  assert.equal(stream.commitTime, null)
})

test('case 5: a stream is where its data set is', async () => {
  const [dataset] = await google.bigquery.createDataset('east', { location: 'us-east1' })
  await dataset.createTable('t', { schema: { fields: [...FIELDS] } as object })
  const destinationTable = 'projects/p/datasets/east/tables/t'
  const created = await google.client.createWriteStreamFullResponse({
    streamType: managedwriter.CommittedStream,
    destinationTable,
  })
  const got = await google.client.getWriteStream({ streamId: created.name ?? '' })
  assert.deepEqual([created.location, got.location], ['us-east1', 'us-east1'])
})

test('case 6: a stream without a type is refused', async () => {
  const table = await google.createTable(FIELDS)
  const error = await failure(
    google.client.createWriteStream({ streamType: 'TYPE_UNSPECIFIED' as never, destinationTable: table.parent }),
  )
  assert.equal(error.code, status.INVALID_ARGUMENT)
})

test('case 7: a stream of a missing table is denied, as if it were forbidden', async () => {
  const destinationTable = 'projects/p/datasets/d/tables/missing'
  const error = await failure(
    google.client.createWriteStream({ streamType: managedwriter.CommittedStream, destinationTable }),
  )
  assert.equal(error.code, status.PERMISSION_DENIED)
  assert.match(error.message, /'TABLES_UPDATE_DATA' denied on resource .*\(or it may not exist\)/)
})

test('case 8: the first append to the default stream of a missing table is denied likewise', async () => {
  const { descriptor } = await google.createTable(FIELDS)
  const { connection, writer } = await openWriter(
    google.client,
    'projects/p/datasets/d/tables/missing/streams/_default',
    descriptor,
  )
  connection.onConnectionError(() => {})
  const error = await failure(writer.appendRows([row(1)]).getResult())
  assert.equal(error.code, status.PERMISSION_DENIED)
  assert.match(error.message, /\(or it may not exist\)/)
  writer.close()
})

test('case 9: both spellings of the default stream are the same stream', async () => {
  const table = await google.createTable(FIELDS)
  for (const streamId of [`${table.parent}/streams/_default`, `${table.parent}/_default`]) {
    const { writer } = await openWriter(google.client, streamId, table.descriptor)
    const response = await accepted(writer.appendRows([row(1)]))
    assert.equal(response.writeStream, `${table.parent}/streams/_default`)
    writer.close()
  }
  assert.equal(await google.count(table), 2)
})
