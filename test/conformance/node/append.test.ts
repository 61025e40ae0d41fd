// write-api.md §6, "Append & offsets", through Google's Node clients. What the managed writer cannot say (a first request without a
// schema, two streams on one call) goes through the generated BigQueryWriteClient of the same package.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { managedwriter } from '@google-cloud/bigquery-storage'
import { status } from '@grpc/grpc-js'
import { appendRequest, type RawAppend, rawAppend } from './generated.ts'
import {
  accepted,
  createStream,
  FIELDS,
  failure,
  type Google,
  offsetOf,
  openWriter,
  parsedErrors,
  refused,
  row,
  rows,
  StorageErrorCode,
  startGoogle,
  storageErrorOf,
  type Table,
} from './google.ts'

let google: Google
let table: Table
let streamId: string
before(async () => {
  google = await startGoogle()
})
after(() => google.stop())

async function open(type: 'COMMITTED' | 'PENDING' | 'BUFFERED' = 'COMMITTED') {
  table = await google.createTable(FIELDS)
  streamId = await createStream(google.client, table, type)
  return openWriter(google.client, streamId, table.descriptor)
}

async function openDefault() {
  table = await google.createTable(FIELDS)
  streamId = `${table.parent}/streams/_default`
  const connection = await google.client.createStreamConnection({
    streamId: managedwriter.DefaultStream,
    destinationTable: table.parent,
  })
  return { connection, writer: new managedwriter.JSONWriter({ connection, protoDescriptor: table.descriptor }) }
}

test('case 10: pipelined appends at offsets 0, 1, 3 land there', async () => {
  const { writer } = await open()
  const writes = [
    writer.appendRows([row(0)], 0),
    writer.appendRows([row(1), row(2)], 1),
    writer.appendRows([row(3)], 3),
  ]
  assert.deepEqual(await Promise.all(writes.map(offsetOf)), [0, 1, 3])
  assert.equal(await google.count(table), 4)
  writer.close()
})

test('case 11: without offsets the same rows get the same ones', async () => {
  const { writer } = await open()
  const writes = [writer.appendRows([row(0)]), writer.appendRows([row(1), row(2)]), writer.appendRows([row(3)])]
  assert.deepEqual(await Promise.all(writes.map(offsetOf)), [0, 1, 3])
  writer.close()
})

test('case 12: an offset beyond the end is refused in the response, and the connection goes on', async () => {
  const { writer } = await open()
  assert.equal(await offsetOf(writer.appendRows([row(0)], 0)), 0)
  const error = await refused(writer.appendRows([row(1)], 100))
  assert.equal(error.code, status.OUT_OF_RANGE)
  assert.match(error.message ?? '', /^The offset is beyond stream, expected offset 1, received 100/)
  const typed = storageErrorOf(error)
  assert.equal(typed.code, StorageErrorCode.OFFSET_OUT_OF_RANGE)
  assert.equal(typed.entity, streamId)
  assert.equal(await offsetOf(writer.appendRows([row(1)], 1)), 1)
  assert.equal(await google.count(table), 2)
  writer.close()
})

test('case 13: an offset that is taken is refused as ALREADY_EXISTS, and nothing is written', async () => {
  const { writer } = await open()
  assert.equal(await offsetOf(writer.appendRows([row(0)], 0)), 0)
  const error = await refused(writer.appendRows([row(0)], 0))
  assert.equal(error.code, status.ALREADY_EXISTS)
  assert.match(error.message ?? '', /^The offset is within stream, expected offset 1, received 0$/)
  assert.equal(storageErrorOf(error).code, StorageErrorCode.OFFSET_ALREADY_EXISTS)
  assert.equal(await google.count(table), 1)
  writer.close()
})

test('case 14: a batch that only overlaps the end is refused whole', async () => {
  const { writer } = await open()
  assert.equal(await offsetOf(writer.appendRows(rows(0, 3), 0)), 0)
  const error = await refused(writer.appendRows(rows(2, 3), 2))
  assert.equal(error.code, status.ALREADY_EXISTS)
  assert.equal(await google.count(table), 3)
  assert.equal(await offsetOf(writer.appendRows([row(3)], 3)), 3)
  writer.close()
})

test('case 15: the default stream answers without offsets, under its full name', async () => {
  const { writer } = await openDefault()
  const writes = [writer.appendRows(rows(0, 2)), writer.appendRows(rows(2, 2))]
  for (const { appendResult, writeStream } of await Promise.all(writes.map(accepted))) {
    assert.deepEqual(appendResult?.offset, null)
    assert.equal(writeStream, `${table.parent}/streams/_default`)
  }
  assert.equal(await google.count(table), 4)
  writer.close()
})

test('case 16: the default stream takes no offset', async () => {
  const { connection, writer } = await openDefault()
  connection.onConnectionError(() => {})
  // In a response or by ending the call: not established; INVALID_ARGUMENT either way.
  const code = await refused(writer.appendRows([row(0)], 0)).then(
    error => error.code,
    (error: { code: number }) => error.code,
  )
  assert.equal(code, status.INVALID_ARGUMENT)
  assert.equal(await google.count(table), 0)
  writer.close()
})

test('case 17: 50 pipelined appends of 1,200 rows are answered in order', async () => {
  const { writer } = await open()
  const batch = rows(0, 1200)
  const writes = Array.from({ length: 50 }, (_, k) => writer.appendRows(batch, k * 1200))
  assert.deepEqual(
    await Promise.all(writes.map(offsetOf)),
    writes.map((_, k) => k * 1200),
  )
  assert.equal(await google.count(table), 60_000)
  writer.close()
})

test('case 18: a stream goes on at its end over a new connection; what was written is known', async () => {
  const first = await open()
  assert.equal(await offsetOf(first.writer.appendRows(rows(0, 2), 0)), 0)
  first.writer.close()
  const { writer } = await openWriter(google.client, streamId, table.descriptor)
  assert.equal(await offsetOf(writer.appendRows([row(2)], 2)), 2)
  assert.equal((await refused(writer.appendRows(rows(0, 2), 0))).code, status.ALREADY_EXISTS)
  assert.equal(await google.count(table), 3)
  writer.close()
})

describe('when the connection breaks', () => {
  after(() => google.emulator.clearFaults())

  test('case 19: an acknowledgement lost after the rows were applied: the resend is told, the rows are there once', async () => {
    const { connection, writer } = await open()
    connection.onConnectionError(() => {})
    await google.emulator.fault({ effect: 'closeAfterApply', stream: streamId, offset: 0, code: 'UNAVAILABLE' })
    const error = await failure(writer.appendRows(rows(0, 3), 0).getResult())
    assert.equal(error.code, status.UNAVAILABLE)
    // The writer reconnects by itself on the next append.
    const again = await refused(writer.appendRows(rows(0, 3), 0))
    assert.equal(again.code, status.ALREADY_EXISTS)
    assert.equal(storageErrorOf(again).code, StorageErrorCode.OFFSET_ALREADY_EXISTS)
    assert.equal(await offsetOf(writer.appendRows([row(3)], 3)), 3)
    assert.equal(await google.count(table), 4)
    writer.close()
  })

  test('case 19: with the retries of the client on, the lost acknowledgement shows as ALREADY_EXISTS', async () => {
    await open()
    const client = google.newClient()
    client.enableWriteRetries(true)
    const { writer } = await openWriter(client, streamId, table.descriptor)
    await google.emulator.fault({ effect: 'closeAfterApply', stream: streamId, offset: 0, code: 'UNAVAILABLE' })
    assert.equal((await refused(writer.appendRows(rows(0, 3), 0))).code, status.ALREADY_EXISTS)
    assert.equal(await google.count(table), 3)
    writer.close()
  })

  test('case 20: a connection dropped before the rows were applied: the resend writes them', async () => {
    const { connection, writer } = await open()
    connection.onConnectionError(() => {})
    await google.emulator.fault({ effect: 'close', stream: streamId, offset: 0, code: 'UNAVAILABLE' })
    assert.equal((await failure(writer.appendRows(rows(0, 3), 0).getResult())).code, status.UNAVAILABLE)
    assert.equal(await google.count(table), 0)
    assert.equal(await offsetOf(writer.appendRows(rows(0, 3), 0)), 0)
    assert.equal(await google.count(table), 3)
    writer.close()
  })

  test('case 20: the retries of the client resend what was dropped', async () => {
    await open()
    const client = google.newClient()
    client.enableWriteRetries(true)
    const { connection, writer } = await openWriter(client, streamId, table.descriptor)
    let reconnects = 0
    connection.on('reconnect', () => reconnects++)
    await google.emulator.fault({ effect: 'close', stream: streamId, offset: 0, code: 'UNAVAILABLE' })
    assert.equal(await offsetOf(writer.appendRows(rows(0, 3), 0)), 0)
    assert.equal(reconnects, 1)
    assert.equal(await google.count(table), 3)
    writer.close()
  })
})

test('case 21: no successor of a refused offset append is accepted', async () => {
  const { connection, writer } = await open()
  connection.onConnectionError(() => {})
  await google.emulator.fault({ effect: 'inBand', stream: streamId, offset: 2, code: 'INTERNAL' })
  const writes = [0, 1, 2, 3, 4, 5].map(k => writer.appendRows([row(k)], k))
  const seen = await Promise.all(
    writes.map(write =>
      write.getResult().then(
        response => response.error?.code ?? 0,
        (error: { code: number }) => error.code,
      ),
    ),
  )
  const { INTERNAL, OUT_OF_RANGE } = status
  assert.deepEqual(seen, [0, 0, INTERNAL, OUT_OF_RANGE, OUT_OF_RANGE, OUT_OF_RANGE])
  assert.equal(await google.count(table), 2)
  writer.close()
})

describe('of the first request of a call', () => {
  const refusesFirst = async (request: Parameters<RawAppend['send']>[0]): Promise<void> => {
    const call = await rawAppend(google.client)
    call.send(request)
    assert.equal((await failure(call.next())).code, status.INVALID_ARGUMENT)
  }

  test('case 22: without a writer schema the call ends', async () => {
    await open()
    const { protoRows, ...rest } = appendRequest(streamId, table.descriptor, [row(0)])
    await refusesFirst({ ...rest, protoRows: { rows: protoRows?.rows ?? null } })
  })

  test('case 22: without a stream the call ends', async () => {
    await open()
    await refusesFirst({ ...appendRequest(streamId, table.descriptor, [row(0)]), writeStream: '' })
  })
})

test('case 23: later requests may leave out stream and schema', async () => {
  await open()
  const call = await rawAppend(google.client)
  const first = appendRequest(streamId, table.descriptor, [row(0)])
  call.send(first)
  call.send({ protoRows: { rows: first.protoRows?.rows ?? null } })
  assert.deepEqual([await call.offset(), await call.offset()], [0, 1])
  call.end()
})

test('case 23: or say the same in every request, as this writer always does', async () => {
  const { writer } = await open()
  for (let k = 0; k < 5; k++) assert.equal(await offsetOf(writer.appendRows([row(k)], k)), k)
  writer.close()
})

test('case 24: default streams of two tables share a call, and each answer names its stream', async () => {
  const one = await google.createTable(FIELDS)
  const two = await google.createTable([{ name: 'word', type: 'STRING' }])
  const call = await rawAppend(google.client)
  for (let k = 0; k < 3; k++) {
    call.send(appendRequest(`${one.parent}/streams/_default`, one.descriptor, [row(k)]))
    call.send(appendRequest(`${two.parent}/streams/_default`, two.descriptor, [{ word: 'a' }, { word: 'b' }]))
  }
  for (let k = 0; k < 6; k++) {
    const response = await call.next()
    assert.equal(response.error, undefined)
    assert.equal(response.writeStream, `${(k % 2 === 0 ? one : two).parent}/streams/_default`)
  }
  call.end()
  assert.deepEqual([await google.count(one), await google.count(two)], [3, 6])
})

test('case 25: an append without rows is refused in the response, and the connection goes on', async () => {
  const { writer } = await open()
  const error = await refused(writer.appendRows([], 0))
  assert.equal(error.code, status.INVALID_ARGUMENT)
  assert.equal(error.message?.split('.')[0], 'Rows must be specified')
  assert.equal(await offsetOf(writer.appendRows([row(0)], 0)), 0)
  writer.close()
})

const LIMIT = 20 * 1024 * 1024
const bigRow = (bytes: number) => ({ customer_name: 'x'.repeat(bytes), row_num: 1 })

test('case 26: a request over the limit is refused by its size, and the connection goes on', async () => {
  const { writer } = await open()
  const error = await refused(writer.appendRows([bigRow(LIMIT)], 0))
  assert.equal(error.code, status.INVALID_ARGUMENT)
  const [, size, limit] = /^AppendRows request too large: (\d+) limit (\d+)/.exec(error.message ?? '') ?? []
  assert.ok(Number(size) > LIMIT, error.message ?? '')
  assert.equal(Number(limit), LIMIT)
  assert.equal(await offsetOf(writer.appendRows([row(0)], 0)), 0)
  writer.close()
})

test('case 27: 15 MiB in one row are accepted', async () => {
  const { writer } = await open()
  assert.equal(await offsetOf(writer.appendRows([bigRow(15 * 1024 * 1024)], 0)), 0)
  const [seen] = await google.query(`SELECT LENGTH(customer_name) AS n FROM ${table.sql}`)
  assert.equal(seen?.['n'], 15 * 1024 * 1024)
  writer.close()
})

test('case 28: a call that ends without a request is refused', async () => {
  await open()
  const call = await rawAppend(google.client)
  call.end()
  const error = await failure(call.next())
  assert.equal(error.code, status.INVALID_ARGUMENT)
  assert.match(error.message, /Cannot route on empty project id ''/)
})

test('a stream nobody made is NOT_FOUND, and parseStorageErrors says which', async () => {
  await open()
  const unknown = `${table.parent}/streams/Nobody`
  const { connection, writer } = await openWriter(google.client, unknown, table.descriptor)
  const heard = Promise.withResolvers<Error>()
  connection.onConnectionError(error => heard.resolve(error))
  const error = await failure(writer.appendRows([row(0)], 0).getResult())
  assert.equal(error.code, status.NOT_FOUND)
  assert.match(error.message, /Requested entity was not found/)
  const [typed] = parsedErrors((await heard.promise) as typeof error)
  assert.deepEqual([typed?.code, typed?.entity], [StorageErrorCode.STREAM_NOT_FOUND, unknown])
  writer.close()
})

test('the default stream of a partition takes the rows of its day, and of no other', async () => {
  const day = (offset: number) => Math.floor(Date.now() / 86_400_000) + offset
  const id = (days: number) => new Date(days * 86_400_000).toISOString().slice(0, 10).replaceAll('-', '')
  const table = await google.createTable([{ name: 'day', type: 'DATE' }], {
    timePartitioning: { type: 'DAY', field: 'day' },
  })
  const yesterday = `${table.parent}$${id(day(-1))}/streams/_default`
  const { writer } = await openWriter(google.client, yesterday, table.descriptor)
  await accepted(writer.appendRows([{ day: day(-1) }]))
  assert.equal((await refused(writer.appendRows([{ day: day(0) }]))).code, status.INVALID_ARGUMENT)
  assert.equal(await google.count(table), 1)
  writer.close()
  const tooOld = await openWriter(google.client, `${table.parent}$${id(day(-40))}/streams/_default`, table.descriptor)
  tooOld.connection.onConnectionError(() => {})
  const code = await refused(tooOld.writer.appendRows([{ day: day(-40) }])).then(
    error => error.code,
    (error: { code: number }) => error.code,
  )
  assert.equal(code, status.INVALID_ARGUMENT)
  tooOld.writer.close()
})
