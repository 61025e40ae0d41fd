// write-api.md §6, "Lifetime & quota", and the fault rigs of Google's own suites (§4), through Google's Node clients.
// Time is the emulator's real one here: its knobs make it short.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { managedwriter } from '@google-cloud/bigquery-storage'
import { status } from '@grpc/grpc-js'
import { startEmulator } from '../support/emulator.ts'
import { appendRequest, rawAppend } from './generated.ts'
import {
  accepted,
  type Connection,
  createStream,
  descriptorFor,
  FIELDS,
  failure,
  type Google,
  type GoogleError,
  inTime,
  offsetOf,
  openWriter,
  refused,
  row,
  rows,
  startGoogle,
  writerClient,
} from './google.ts'

let google: Google
before(async () => {
  google = await startGoogle()
})
after(() => google.stop())
afterEach(async () => {
  await google.emulator.reset()
  await google.emulator.clearFaults()
})

async function open(type: 'COMMITTED' | 'PENDING' | 'BUFFERED' = 'COMMITTED', client = google.client) {
  const table = await google.createTable(FIELDS)
  const streamId = await createStream(google.client, table, type)
  const { connection, writer } = await openWriter(client, streamId, table.descriptor)
  return { table, streamId, connection, writer, descriptor: table.descriptor }
}

const nextError = (connection: Connection): Promise<GoogleError> =>
  inTime(
    new Promise(resolve => {
      connection.onConnectionError(error => resolve(error as unknown as GoogleError))
    }),
    'a connection error',
  )

describe('closed by the server', () => {
  test('case 60: an idle connection is ABORTED in the service’s words, and the stream goes on over a new one', async () => {
    const { connection, writer } = await open()
    assert.equal(await offsetOf(writer.appendRows([row(0)], 0)), 0)
    const heard = nextError(connection)
    await google.emulator.behave({ idleMs: 300 })
    const error = await heard
    assert.equal(error.code, status.ABORTED)
    assert.match(error.message, /Closing the stream because it has been inactive for [\d.]+ seconds/)
    assert.equal(await offsetOf(writer.appendRows([row(1)], 1)), 1)
    writer.close()
  })

  test('case 61: a restarting server ABORTS open calls, and the client goes on', async () => {
    const { connection, writer, streamId, table } = await open()
    assert.equal(await offsetOf(writer.appendRows([row(0)], 0)), 0)
    const heard = nextError(connection)
    await google.emulator.restartConnections(streamId)
    const error = await heard
    assert.equal(error.code, status.ABORTED)
    assert.match(error.message, /server is restarted\. This is expected and client is advised to reconnect\./)
    assert.equal(await offsetOf(writer.appendRows([row(1)], 1)), 1)
    assert.equal(await google.count(table), 2)
    writer.close()
  })

  test('appends still waiting when the call is closed fail, the first with its error, the others with a call to retry', async () => {
    const { connection, writer, streamId, table } = await open()
    assert.equal(await offsetOf(writer.appendRows([row(0)], 0)), 0)
    await google.emulator.fault({ effect: 'blackhole', stream: streamId, offset: 1 })
    const heard = nextError(connection)
    const failures = [1, 2, 3].map(k => failure(writer.appendRows([row(k)], k).getResult()))
    await google.emulator.struck()
    await google.emulator.restartConnections(streamId)
    assert.equal((await heard).code, status.ABORTED)
    const [first, ...others] = await Promise.all(failures)
    assert.equal(first?.code, status.ABORTED)
    for (const { code, message } of others) {
      assert.equal(code, status.UNAVAILABLE)
      assert.match(message, /please retry/)
    }
    assert.equal(await offsetOf(writer.appendRows(rows(1, 3), 1)), 1)
    assert.equal(await google.count(table), 4)
    writer.close()
  })

  test('case 61: streams, offsets and rows not flushed outlive the server', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-conformance-'))
    await using stack = new AsyncDisposableStack()
    stack.defer(() => rmSync(folder, { recursive: true, force: true }))
    const start = async () => {
      const emulator = stack.use(await startEmulator(['--data-dir', join(folder, 'data')]))
      const client = writerClient(emulator.grpc)
      stack.defer(() => client.close())
      return { emulator, client }
    }
    const descriptor = descriptorFor(FIELDS)
    const streams = { COMMITTED: '', BUFFERED: '', PENDING: '' }

    const first = await start()
    const parent = await first.emulator.createTable('kept', FIELDS)
    for (const type of ['COMMITTED', 'BUFFERED', 'PENDING'] as const) {
      streams[type] = await first.client.createWriteStream({ streamType: type, destinationTable: parent })
      const { writer } = await openWriter(first.client, streams[type], descriptor)
      assert.equal(await offsetOf(writer.appendRows(rows(0, 3), 0)), 0)
      writer.close()
    }
    await first.client.flushRows({ writeStream: streams.BUFFERED, offset: { value: 0 } })
    assert.equal(await first.emulator.count('kept'), 4)
    first.emulator.process.child.kill('SIGKILL')
    await first.emulator.process.child.exited

    const { client, emulator } = await start()
    assert.equal(await emulator.count('kept'), 4)
    for (const streamId of Object.values(streams)) {
      const { writer } = await openWriter(client, streamId, descriptor)
      assert.equal((await refused(writer.appendRows(rows(0, 3), 0))).code, status.ALREADY_EXISTS)
      assert.equal(await offsetOf(writer.appendRows([row(3)], 3)), 3)
      writer.close()
    }
    await client.flushRows({ writeStream: streams.BUFFERED, offset: { value: 3 } })
    assert.equal(Number((await client.finalizeWriteStream({ name: streams.PENDING })).rowCount), 4)
    const committed = await client.batchCommitWriteStream({ parent, writeStreams: [streams.PENDING] })
    assert.deepEqual(committed.streamErrors, [])
    assert.equal(await emulator.count('kept'), 12)
  })
})

test('a server that drains its connections: the client goes on over a new one', async () => {
  const client = google.newClient()
  client.enableWriteRetries(true)
  const { table, writer } = await open('COMMITTED', client)
  assert.equal(await offsetOf(writer.appendRows([row(0)], 0)), 0)
  await google.emulator.drain(0)
  for (let k = 1; k < 5; k++) {
    const { error } = await inTime(writer.appendRows([row(k)], k).getResult(), 'an answer')
    // Cut off after it was applied, an append is known by its resend.
    assert.ok(!error || error.code === status.ALREADY_EXISTS, error?.message ?? '')
  }
  assert.equal(await google.count(table), 5)
  writer.close()
})

test('case 62: too many streams created is RESOURCE_EXHAUSTED in the service’s words', async () => {
  const table = await google.createTable(FIELDS)
  await google.emulator.limit({ createStreamsPerHour: 3 })
  const client = google.newClient()
  // This client tries RESOURCE_EXHAUSTED again for minutes unless told otherwise.
  const create = () =>
    client.createWriteStream({ streamType: 'COMMITTED', destinationTable: table.parent }, { retry: null as never })
  for (let k = 0; k < 3; k++) await create()
  const error = await failure(create())
  assert.equal(error.code, status.RESOURCE_EXHAUSTED)
  assert.match(error.message, /Exceeds 'CreateWriteStream requests' quota, user_id: project\w+/)
  assert.match(error.message, new RegExp(`\\(status: INSUFFICIENT_TOKENS\\).*Entity: ${table.parent}`))
})

test('case 63: a connection too many fails as it opens, and those that are open go on', async () => {
  const table = await google.createTable(FIELDS)
  const open = () => openWriter(google.client, `${table.parent}/streams/_default`, table.descriptor)
  await google.emulator.behave({ idleMs: 0 })
  const first = await open()
  const second = await open()
  for (const { writer } of [first, second]) await accepted(writer.appendRows([row(1)]))
  await google.emulator.limit({ connections: 2 })
  const third = await open()
  third.connection.onConnectionError(() => {})
  const error = await failure(third.writer.appendRows([row(1)]).getResult())
  assert.equal(error.code, status.RESOURCE_EXHAUSTED)
  assert.match(error.message, /Exceeds 'Concurrent connections' quota/)
  for (const { writer } of [first, second]) await accepted(writer.appendRows([row(1)]))
  assert.equal(await google.count(table), 4)
  first.writer.close()
  second.writer.close()
})

test('throughput used up is RESOURCE_EXHAUSTED in the response, and comes back', async () => {
  const { writer, streamId } = await open()
  await google.emulator.limit({ appendBytesPerSecond: 2_000, appendRefillMs: 300 })
  const big = [{ customer_name: 'x'.repeat(1_500), row_num: 1 }]
  assert.equal(await offsetOf(writer.appendRows(big, 0)), 0)
  const error = await refused(writer.appendRows(big, 1))
  assert.equal(error.code, status.RESOURCE_EXHAUSTED)
  assert.ok(error.message?.startsWith("Exceeds 'AppendRows throughput' quota, user_id: project"), error.message ?? '')
  assert.ok(error.message?.endsWith(`Entity: ${streamId}`), error.message ?? '')
  const deadline = Date.now() + 10_000
  let offset: number | undefined
  while (offset === undefined) {
    assert.ok(Date.now() < deadline, 'the quota did not come back')
    const { appendResult } = await writer.appendRows(big, 1).getResult()
    if (appendResult) offset = Number(appendResult.offset?.value)
  }
  assert.equal(offset, 1)
  writer.close()
})

test('case 64: the 101st call on one channel waits for one of the hundred to end', async () => {
  const table = await google.createTable(FIELDS)
  const client = google.newClient()
  const open = async () => (await openWriter(client, `${table.parent}/streams/_default`, table.descriptor)).writer
  const writers = await Promise.all(Array.from({ length: 100 }, open))
  await Promise.all(writers.map(writer => accepted(writer.appendRows([row(1)]))))
  const late = (await open()).appendRows([row(2)])
  let isAnswered = false
  const answered = accepted(late).then(() => {
    isAnswered = true
  })
  // One of the hundred is served in the meantime: a whole round trip, and the late one is still waiting.
  for (let k = 0; k < 5; k++) await accepted(writers[k]!.appendRows([row(1)]))
  assert.equal(isAnswered, false)
  writers[0]?.close()
  await answered
  assert.equal(await google.count(table), 106)
  for (const writer of writers.slice(1)) writer.close()
})

test('case 65: streams without traffic are gone after their time, with what was not flushed', async () => {
  const buffered = await open('BUFFERED')
  const committed = await open('COMMITTED')
  for (const { writer } of [buffered, committed]) {
    assert.equal(await offsetOf(writer.appendRows(rows(0, 3), 0)), 0)
    writer.close()
  }
  const flush = (value: number) => google.client.flushRows({ writeStream: buffered.streamId, offset: { value } })
  await flush(0)
  await google.emulator.behave({ ttlMs: { buffered: 50, committed: 50 } })
  await sleep(100)
  assert.equal((await failure(flush(2))).code, status.NOT_FOUND)
  for (const { streamId, descriptor } of [buffered, committed]) {
    const { connection, writer } = await openWriter(google.client, streamId, descriptor)
    connection.onConnectionError(() => {})
    assert.equal((await failure(writer.appendRows([row(3)], 3).getResult())).code, status.NOT_FOUND)
    writer.close()
  }
  assert.equal(await google.count(buffered.table), 1)
  assert.equal(await google.count(committed.table), 3)
})

describe('case 66: a black hole', () => {
  for (const effect of ['blackhole', 'blackholeAfterApply'] as const) {
    test(`${effect}: the client’s deadline ends the wait, and the resend leaves one copy`, async () => {
      const table = await google.createTable(FIELDS)
      const streamId = await createStream(google.client, table)
      await google.emulator.fault({ effect, stream: streamId, offset: 0 })
      const connection = await google.client.createStreamConnection({ streamId }, { timeout: 700 })
      const writer = new managedwriter.JSONWriter({ connection, protoDescriptor: table.descriptor })
      connection.onConnectionError(() => {})
      const error = await failure(writer.appendRows(rows(0, 3), 0).getResult())
      assert.equal(error.code, status.DEADLINE_EXCEEDED)
      writer.close()
      const second = (await openWriter(google.client, streamId, table.descriptor)).writer
      const again = await second.appendRows(rows(0, 3), 0).getResult()
      assert.equal(again.error?.code ?? 0, effect === 'blackhole' ? 0 : status.ALREADY_EXISTS)
      assert.equal(await google.count(table), 3)
      second.close()
    })
  }
})

test('case 67: in strict mode a call without x-goog-request-params is denied', async () => {
  await google.emulator.behave({ routingHeader: 'strict' })
  // The managed writer sends it by itself, and so do the unary calls.
  const { streamId, writer, descriptor } = await open()
  assert.equal(await offsetOf(writer.appendRows([row(0)], 0)), 0)
  writer.close()
  const without = await rawAppend(google.client)
  without.send(appendRequest(streamId, descriptor, [row(1)], 1))
  const error = await failure(without.next())
  assert.equal(error.code, status.PERMISSION_DENIED)
  assert.match(error.message, /TABLES_UPDATE_DATA/)
  const withHeader = await rawAppend(google.client, { 'x-goog-request-params': `write_stream=${streamId}` })
  withHeader.send(appendRequest(streamId, descriptor, [row(1)], 1))
  assert.equal(await withHeader.offset(), 1)
  withHeader.end()
})

describe('the fault rigs of Google’s suites', () => {
  test('RESOURCE_EXHAUSTED in the response every 10 messages: 901 appends end at offsets 0…900', async () => {
    const { writer, streamId, table } = await open()
    await google.emulator.fault({ preset: 'java-quota-retry', stream: streamId })
    let refusals = 0
    for (let k = 0; k <= 900; ) {
      const { error, appendResult } = await writer.appendRows([row(k)], k).getResult()
      if (error) {
        assert.equal(error.code, status.RESOURCE_EXHAUSTED)
        assert.match(error.message ?? '', /^Exceeds 'AppendRows throughput' quota/)
        refusals++
      } else {
        assert.equal(Number(appendResult?.offset?.value), k)
        k++
      }
    }
    assert.equal(refusals, 100)
    const [seen] = await google.query(`SELECT COUNT(*) AS c, COUNT(DISTINCT row_num) AS d FROM ${table.sql}`)
    assert.deepEqual(seen, { c: 901, d: 901 })
    writer.close()
  })

  test('INTERNAL in the response every 10 messages: the retries of the client get all through', async () => {
    const client = google.newClient()
    client.enableWriteRetries(true)
    const { writer, streamId, table } = await open('COMMITTED', client)
    await google.emulator.fault({ preset: 'java-retry-test', stream: streamId })
    for (let k = 0; k < 50; k++) assert.equal(await offsetOf(writer.appendRows(rows(k * 10, 10), k * 10)), k * 10)
    assert.equal(await google.count(table), 500)
    writer.close()
  })

  test('the call dropped every 10 requests, one append after the other', async () => {
    const client = google.newClient()
    client.enableWriteRetries(true)
    const { connection, writer, streamId } = await open('PENDING', client)
    await google.emulator.fault({ preset: 'reconnect-on-close', stream: streamId })
    for (let k = 0; k < 50; k++) assert.equal(await offsetOf(writer.appendRows(rows(k * 10, 10), k * 10)), k * 10)
    assert.equal(Number((await connection.finalize())?.rowCount), 500)
    writer.close()
  })

  test('the call dropped every 10 requests, all appends in flight', async () => {
    const client = google.newClient()
    client.enableWriteRetries(true)
    client.setMaxRetryAttempts(20)
    const { connection, writer, streamId } = await open('PENDING', client)
    await google.emulator.fault({ preset: 'reconnect-on-close', stream: streamId })
    const writes = Array.from({ length: 50 }, (_, k) => writer.appendRows(rows(k * 10, 10), k * 10))
    await Promise.all(writes.map(write => inTime(write.getResult(), 'an answer')))
    assert.equal(Number((await connection.finalize())?.rowCount), 500)
    writer.close()
  })

  test('the call fails when it is opened, often', async () => {
    const client = google.newClient()
    client.enableWriteRetries(true)
    client.setMaxRetryAttempts(100)
    const { connection, writer, table } = await open('PENDING', client)
    await google.emulator.fault({ preset: 'initial-connect-failure', table: table.id, seed: 7 })
    for (let k = 0; k < 50; k++) {
      assert.equal(await offsetOf(writer.appendRows(rows(k * 10, 10), k * 10)), k * 10)
      // The next append has to open a connection again.
      connection.close()
    }
    assert.equal(Number((await connection.finalize())?.rowCount), 500)
    writer.close()
  })
})
