// write-api.md §6, "Finalize / commit / flush", through Google's Node clients.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { status } from '@grpc/grpc-js'
import {
  createStream,
  FIELDS,
  failure,
  type Google,
  offsetOf,
  openWriter,
  refused,
  row,
  rows,
  StorageErrorCode,
  startGoogle,
  storageErrorOf,
} from './google.ts'

let google: Google
before(async () => {
  google = await startGoogle()
})
after(() => google.stop())

async function open(type: 'COMMITTED' | 'PENDING' | 'BUFFERED') {
  const table = await google.createTable(FIELDS)
  const streamId = await createStream(google.client, table, type)
  const { connection, writer } = await openWriter(google.client, streamId, table.descriptor)
  const commit = (...writeStreams: string[]) =>
    google.client.batchCommitWriteStream({ parent: table.parent, writeStreams })
  const flush = (offset: number) => google.client.flushRows({ writeStream: streamId, offset: { value: offset } })
  const finalize = async () => Number((await google.client.finalizeWriteStream({ name: streamId })).rowCount)
  return { table, streamId, connection, writer, commit, flush, finalize, count: () => google.count(table) }
}

describe('PENDING', () => {
  test('case 43: rows are not seen before the commit', async () => {
    const { writer, count } = await open('PENDING')
    assert.equal(await offsetOf(writer.appendRows(rows(0, 2), 0)), 0)
    assert.equal(await count(), 0)
    writer.close()
  })

  test('case 44: finalize counts the rows, and an open connection takes no more', async () => {
    const { writer, finalize, streamId } = await open('PENDING')
    assert.equal(await offsetOf(writer.appendRows(rows(0, 2), 0)), 0)
    assert.equal(await finalize(), 2)
    const error = await refused(writer.appendRows([row(2)], 2))
    assert.equal(error.code, status.INVALID_ARGUMENT)
    assert.match(error.message ?? '', /Stream has been finalized/)
    const typed = storageErrorOf(error)
    assert.deepEqual([typed.code, typed.entity], [StorageErrorCode.STREAM_FINALIZED, streamId])
    writer.close()
  })

  test('case 45: finalize once more says the same', async () => {
    const { writer, connection, finalize } = await open('PENDING')
    assert.equal(await offsetOf(writer.appendRows(rows(0, 2), 0)), 0)
    assert.equal(Number((await connection.finalize())?.rowCount), 2)
    assert.equal(await finalize(), 2)
  })

  test('case 46: a commit shows the rows of all its streams at once', async () => {
    const { table, writer, finalize, commit, streamId, count } = await open('PENDING')
    const other = await createStream(google.client, table, 'PENDING')
    const second = await openWriter(google.client, other, table.descriptor)
    assert.equal(await offsetOf(writer.appendRows(rows(0, 2), 0)), 0)
    assert.equal(await offsetOf(second.writer.appendRows(rows(2, 3), 0)), 0)
    await finalize()
    await second.connection.finalize()
    const response = await commit(streamId, other)
    assert.ok(Math.abs(Number(response.commitTime?.seconds) - Date.now() / 1000) < 60)
    assert.deepEqual(response.streamErrors, [])
    assert.equal(await count(), 5)
    const stream = await google.client.getWriteStream({ streamId })
    assert.deepEqual(stream.commitTime?.seconds, response.commitTime?.seconds)
    writer.close()
  })

  test('case 47: a second commit is told in stream_errors, and writes nothing again', async () => {
    const { writer, finalize, commit, streamId, count } = await open('PENDING')
    assert.equal(await offsetOf(writer.appendRows(rows(0, 2), 0)), 0)
    await finalize()
    await commit(streamId)
    const again = await commit(streamId)
    assert.equal(again.commitTime, null)
    assert.deepEqual(
      again.streamErrors?.map(({ code, entity }) => [code, entity]),
      [['STREAM_ALREADY_COMMITTED', streamId]],
    )
    assert.equal(await count(), 2)
    writer.close()
  })

  test('case 48: a stream that is not finalized is not committed, nor is what was to go with it', async () => {
    const { table, writer, finalize, commit, streamId, count } = await open('PENDING')
    const unfinished = await createStream(google.client, table, 'PENDING')
    const second = await openWriter(google.client, unfinished, table.descriptor)
    assert.equal(await offsetOf(writer.appendRows(rows(0, 2), 0)), 0)
    assert.equal(await offsetOf(second.writer.appendRows(rows(2, 1), 0)), 0)
    await finalize()
    const response = await commit(streamId, unfinished)
    assert.equal(response.commitTime, null)
    assert.deepEqual(
      response.streamErrors?.map(({ code, entity }) => [code, entity]),
      [['INVALID_STREAM_STATE', unfinished]],
    )
    assert.equal(await count(), 0)
    await second.connection.finalize()
    assert.deepEqual((await commit(streamId, unfinished)).streamErrors, [])
    assert.equal(await count(), 3)
    writer.close()
  })
})

for (const type of ['COMMITTED', 'BUFFERED'] as const) {
  test(`case 49: a ${type} stream cannot be committed`, async () => {
    const { writer, finalize, commit, streamId } = await open(type)
    assert.equal(await offsetOf(writer.appendRows([row(0)], 0)), 0)
    await finalize()
    const { commitTime, streamErrors } = await commit(streamId)
    assert.equal(commitTime, null)
    assert.equal(streamErrors?.length, 1)
    assert.equal(streamErrors?.[0]?.code, 'INVALID_STREAM_TYPE')
    assert.match(streamErrors?.[0]?.errorMessage ?? '', /^Stream must be created in pending mode, actual: /)
    writer.close()
  })
}

test('case 50: the default stream can be neither finalized nor flushed', async () => {
  const table = await google.createTable(FIELDS)
  const name = `${table.parent}/streams/_default`
  assert.equal((await failure(google.client.finalizeWriteStream({ name }))).code, status.INVALID_ARGUMENT)
  const flushed = google.client.flushRows({ writeStream: name, offset: { value: 0 } })
  assert.equal((await failure(flushed)).code, status.INVALID_ARGUMENT)
})

describe('BUFFERED', () => {
  test('case 51: rows are seen up to and with the flushed offset', async () => {
    const { writer, flush, count } = await open('BUFFERED')
    for (let i = 0; i < 5; i++) {
      assert.equal(await offsetOf(writer.appendRows([row(i)], i)), i)
      assert.equal(await count(), i)
      assert.equal(Number((await flush(i)).offset), i)
      assert.equal(await count(), i + 1)
    }
    writer.close()
  })

  test('case 51: StreamConnection.flushRows leaves out the offset when it is the number 0, and that is refused', async () => {
    const { connection, writer, count } = await open('BUFFERED')
    assert.equal(await offsetOf(writer.appendRows([row(0)], 0)), 0)
    assert.equal((await failure(connection.flushRows({ offset: 0 }))).code, status.INVALID_ARGUMENT)
    assert.equal(Number((await connection.flushRows({ offset: '0' as never }))?.offset), 0)
    assert.equal(await count(), 1)
    writer.close()
  })

  test('case 52: a flush past the end is refused in the service’s words', async () => {
    const { writer, flush, count } = await open('BUFFERED')
    assert.equal(await offsetOf(writer.appendRows(rows(0, 2), 0)), 0)
    const error = await failure(flush(4))
    assert.equal(error.code, status.OUT_OF_RANGE)
    assert.match(error.message, /Offset 4 is beyond the end of the stream/)
    // The offset is that of the last row to show: two rows end at 1.
    assert.equal((await failure(flush(2))).code, status.OUT_OF_RANGE)
    assert.equal(await count(), 0)
    writer.close()
  })

  test('case 53: a flush of what is flushed is ALREADY_EXISTS, and shows no row twice', async () => {
    const { writer, flush, count } = await open('BUFFERED')
    assert.equal(await offsetOf(writer.appendRows(rows(0, 5), 0)), 0)
    await flush(3)
    assert.equal((await failure(flush(1))).code, status.ALREADY_EXISTS)
    assert.equal(await count(), 4)
    await flush(4)
    assert.equal(await count(), 5)
    writer.close()
  })

  test('case 54: after finalize there is no flush, and the tail is never seen', async () => {
    const { writer, flush, finalize, count } = await open('BUFFERED')
    assert.equal(await offsetOf(writer.appendRows(rows(0, 3), 0)), 0)
    await flush(0)
    assert.equal(await finalize(), 3)
    assert.equal((await failure(flush(2))).code, status.INVALID_ARGUMENT)
    assert.equal(await count(), 1)
    writer.close()
  })
})
