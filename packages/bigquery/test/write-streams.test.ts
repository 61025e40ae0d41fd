import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type sendUnaryData, status } from '@grpc/grpc-js'
import type { StreamName } from '@millrace/core'
import { type BigQueryOptions, openBigQuery } from '../src/index.ts'
import { impatientTimers, signal, stream, table, time } from './support/harness.ts'
import { decode, encode, official } from './support/official-protos.ts'
import { startScriptedServer, type UnaryCall } from './support/scripted-server.ts'

type Handler = (method: string, call: UnaryCall, answer: sendUnaryData<Buffer>) => void

async function opened(unary: Handler, options: Partial<BigQueryOptions> = {}) {
  const stack = new AsyncDisposableStack()
  const server = stack.use(await startScriptedServer({ unary }))
  const bigquery = stack.use(
    await openBigQuery({
      endpoint: `http://127.0.0.1:${server.port}`,
      restEndpoint: 'http://127.0.0.1:1',
      ...time,
      timers: impatientTimers,
      ...options,
    }),
  )
  return { streams: bigquery.writeStreams, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

const writeStream = (name: string, type = 'COMMITTED'): Buffer => encode(official.WriteStream, { name, type })
const fail = (code: number, details = 'words'): Parameters<sendUnaryData<Buffer>>[0] => ({ code, details })

test('create asks for a committed stream of the table and routes by its parent', async () => {
  const seen: unknown[] = []
  await using t = await opened((method, call, answer) => {
    seen.push(
      method,
      decode(official.CreateWriteStreamRequest, call.request),
      call.metadata.get('x-goog-request-params'),
    )
    answer(null, writeStream(stream))
  })
  assert.equal(await t.streams.create(table, { signal }), stream)
  assert.deepEqual(seen, [
    'CreateWriteStream',
    { parent: table, writeStream: { type: 1 } },
    [`parent=${encodeURIComponent(table)}`],
  ])
})

test('create is repeated while trouble may pass, and while a new table is still denied', async () => {
  const codes = [status.UNAVAILABLE, status.PERMISSION_DENIED, status.NOT_FOUND, status.DEADLINE_EXCEEDED]
  await using t = await opened((_method, _call, answer) => {
    const code = codes.shift()
    if (code === undefined) answer(null, writeStream(stream))
    else answer(fail(code))
  })
  assert.equal(await t.streams.create(table, { signal }), stream)
})

test('create gives up after five attempts with the last error', async () => {
  let attempts = 0
  await using t = await opened((_method, _call, answer) => {
    attempts++
    answer(fail(status.PERMISSION_DENIED, "Permission 'TABLES_UPDATE_DATA' denied on resource (or it may not exist)."))
  })
  await assert.rejects(t.streams.create(table, { signal }), {
    code: 'BIGQUERY_PERMISSION_DENIED',
    disposition: 'failPartition',
    message: /or it may not exist/,
  })
  assert.equal(attempts, 5)
})

test('a quota goes to the caller at once, for the ramp has to know', async () => {
  let attempts = 0
  await using t = await opened((_method, _call, answer) => {
    attempts++
    answer(fail(status.RESOURCE_EXHAUSTED, "Exceeds 'CreateWriteStream requests' quota"))
  })
  await assert.rejects(t.streams.create(table, { signal }), { code: 'BIGQUERY_QUOTA', disposition: 'retry' })
  assert.equal(attempts, 1)
})

test('create refuses a name that is no stream of the table', async () => {
  for (const name of [
    '',
    table,
    `${table}/streams/`,
    `${table}/streams/_default`,
    'projects/p/datasets/d/tables/other/streams/s',
  ]) {
    await using t = await opened((_method, _call, answer) => answer(null, writeStream(name)))
    await assert.rejects(t.streams.create(table, { signal }), { code: 'ACK_UNEXPECTED', disposition: 'failPartition' })
  }
})

test('create accepts the project by its number', async () => {
  const name = 'projects/1234567/datasets/d/tables/t/streams/s'
  await using t = await opened((_method, _call, answer) => answer(null, writeStream(name)))
  assert.equal(await t.streams.create(table, { signal }), name)
})

test('exists tells a committed stream from another kind, and from none', async () => {
  await using committed = await opened((_method, _call, answer) => answer(null, writeStream(stream)))
  assert.equal(await committed.streams.exists(stream, { signal }), true)
  await using buffered = await opened((_method, _call, answer) => answer(null, writeStream(stream, 'BUFFERED')))
  assert.equal(await buffered.streams.exists(stream, { signal }), false)
  await using none = await opened((_method, _call, answer) => answer(fail(status.NOT_FOUND)))
  await assert.rejects(none.streams.exists(stream, { signal }), { code: 'STREAM_GONE' })
})

test('finalize is one call: a count, STREAM_GONE, or an error the caller may ask again after', async () => {
  const answers: ((answer: sendUnaryData<Buffer>) => void)[] = [
    answer => answer(fail(status.UNAVAILABLE)),
    answer => answer(fail(status.NOT_FOUND)),
    answer => answer(null, encode(official.FinalizeWriteStreamResponse, { rowCount: '9223372036854775807' })),
    answer => answer(null, Buffer.alloc(0)),
    answer => answer(null, encode(official.FinalizeWriteStreamResponse, { rowCount: -1 })),
    answer => answer(null, Buffer.from([0x08])),
  ]
  let calls = 0
  await using t = await opened((method, call, answer) => {
    assert.equal(method, 'FinalizeWriteStream')
    assert.deepEqual(decode(official.FinalizeWriteStreamRequest, call.request), { name: stream })
    answers[calls++]?.(answer)
  })
  await assert.rejects(t.streams.finalize(stream, { signal }), { code: 'BIGQUERY_UNREACHABLE', disposition: 'retry' })
  await assert.rejects(t.streams.finalize(stream, { signal }), { code: 'STREAM_GONE' })
  assert.equal(await t.streams.finalize(stream, { signal }), 2n ** 63n - 1n)
  assert.equal(await t.streams.finalize(stream, { signal }), 0n)
  await assert.rejects(t.streams.finalize(stream, { signal }), { code: 'ACK_UNEXPECTED', disposition: 'failPartition' })
  await assert.rejects(t.streams.finalize(stream, { signal }), { code: 'ACK_UNEXPECTED' })
  assert.equal(calls, 6)
})

test('a call that is never answered ends with the signal, and rejects with its reason', async () => {
  const { promise: isCalled, resolve: called } = Promise.withResolvers<void>()
  await using t = await opened(() => called())
  const abort = new AbortController()
  const reason = new Error('given up')
  const pending = t.streams.finalize(stream, { signal: abort.signal })
  await isCalled
  abort.abort(reason)
  await assert.rejects(pending, error => error === reason)
})

test('a wait between attempts ends with the signal too', async () => {
  const abort = new AbortController()
  const reason = new Error('given up')
  await using t = await opened((_method, _call, answer) => answer(fail(status.UNAVAILABLE)), {
    timers: {
      sleep: (ms, options) => {
        queueMicrotask(() => abort.abort(reason))
        return time.timers.sleep(Math.max(ms, 5_000), options)
      },
    },
  })
  await assert.rejects(t.streams.create(table, { signal: abort.signal }), error => error === reason)
})

test('a default stream exists for its table without being created', async () => {
  const name = `${table}/streams/_default` as StreamName
  await using t = await opened((_method, call, answer) => {
    assert.deepEqual(decode(official.GetWriteStreamRequest, call.request), { name })
    answer(null, writeStream(name))
  })
  assert.equal(await t.streams.exists(name, { signal }), true)
})

test('a call that is never answered ends at its deadline, to be asked again', async () => {
  const deadlines: number[] = []
  await using t = await opened(() => {}, {
    timers: {
      sleep: async ms => {
        deadlines.push(ms)
      },
    },
  })
  await assert.rejects(t.streams.finalize(stream, { signal }), { code: 'BIGQUERY_UNREACHABLE', disposition: 'retry' })
  assert.deepEqual(deadlines, [60_000])
})

test('without credentials a service that wants some is not asked twice', async () => {
  let calls = 0
  await using t = await opened((_method, _call, answer) => {
    calls++
    answer(fail(status.UNAUTHENTICATED))
  })
  await assert.rejects(t.streams.create(table, { signal }), {
    code: 'BIGQUERY_AUTH_FAILED',
    disposition: 'failPartition',
  })
  assert.equal(calls, 1)
})
