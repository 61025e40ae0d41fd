import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Metadata } from '@grpc/grpc-js'
import { openBigQuery } from '../src/index.ts'
import { freezeRows, RecordingListener, request, schema, stream, time } from './support/harness.ts'
import { encode, official, statusWithStorageError } from './support/official-protos.ts'
import {
  type AppendCall,
  acknowledge,
  readRequest,
  response,
  type Script,
  startScriptedServer,
} from './support/scripted-server.ts'

async function connected(script: Script, options: { appendDeadlineMs?: number } = {}) {
  const stack = new AsyncDisposableStack()
  const server = stack.use(await startScriptedServer(script))
  const bigquery = stack.use(
    await openBigQuery({
      endpoint: `http://127.0.0.1:${server.port}`,
      restEndpoint: 'http://127.0.0.1:1',
      ...time,
      ...options,
    }),
  )
  const listener = new RecordingListener()
  const connection = bigquery.writeStreams.connect(stream, schema, listener)
  return { server, bigquery, listener, connection, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

const offsetOf = (bytes: Buffer): number => Number((readRequest(bytes).offset as { value?: string }).value ?? 0)

test('acknowledges requests in order, with the offsets the service answers', async () => {
  const script: Script = {
    append: call => call.on('data', (bytes: Buffer) => call.write(acknowledge(offsetOf(bytes)))),
  }
  await using t = await connected(script)
  t.connection.send(request(1, 0, freezeRows(3)))
  t.connection.send(request(2, 3, freezeRows(2)))
  t.connection.send(request(3, 5))
  assert.deepEqual(await t.listener.hears(3), [
    { kind: 'acknowledged', id: 1, offset: 0n },
    { kind: 'acknowledged', id: 2, offset: 3n },
    { kind: 'acknowledged', id: 3, offset: 5n },
  ])
  assert.equal(t.connection.inFlightBytes, 0)
})

test('the first request carries stream and schema, the header routes it, and only the first does', async () => {
  const requests: Record<string, unknown>[] = []
  let headers: Metadata | undefined
  const script: Script = {
    append: call => {
      headers = call.metadata
      call.on('data', (bytes: Buffer) => {
        requests.push(readRequest(bytes))
        call.write(acknowledge(offsetOf(bytes)))
      })
    },
  }
  await using t = await connected(script)
  t.connection.send(request(1, 0))
  t.connection.send(request(2, 1))
  await t.listener.hears(2)
  assert.equal(requests[0]?.writeStream, stream)
  assert.equal(requests[1]?.writeStream, undefined)
  assert.deepEqual(headers?.get('x-goog-request-params'), [`write_stream=${encodeURIComponent(stream)}`])
  assert.match(String(headers?.get('user-agent')[0]), /^millrace\//)
})

test('a new connection says stream and schema again, and the rows arrive as they were', async () => {
  const seen: Record<string, unknown>[] = []
  const script: Script = {
    append: call =>
      call.on('data', (bytes: Buffer) => {
        seen.push(readRequest(bytes))
        if (seen.length === 1) call.emit('error', { code: 14, details: 'the connection is draining' })
        else call.write(acknowledge(0))
      }),
  }
  await using t = await connected(script)
  const rows = freezeRows(20)
  t.connection.send(request(1, 0, rows))
  await t.listener.hears(1)
  const again = new RecordingListener()
  const second = t.bigquery.writeStreams.connect(stream, schema, again)
  second.send(request(1, 0, rows))
  await again.hears(1)
  assert.deepEqual(seen[1], seen[0])
})

test('no request is sent, and no connection opened, before the first send', async () => {
  let calls = 0
  await using t = await connected({ append: () => calls++ })
  t.connection.close()
  const used = t.bigquery.writeStreams.connect(stream, schema, new RecordingListener())
  used.send(request(1, 0))
  while (calls === 0) await new Promise(resolve => setImmediate(resolve))
  assert.equal(calls, 1)
})

test('refusals are reported in order with acknowledgements, and the connection lives on', async () => {
  const answers = [
    acknowledge(0),
    response({ error: statusWithStorageError(6, 'within stream, expected offset 1, received 0', 8) }),
    response({ error: statusWithStorageError(11, 'beyond stream', 9) }),
    response({ error: { code: 3, message: 'rows' }, rowErrors: [{ index: 0, code: 1, message: 'bad' }] }),
    response({ error: { code: 8, message: "Exceeds 'AppendRows throughput' quota" } }),
    acknowledge(5),
  ]
  const script: Script = { append: call => call.on('data', () => call.write(answers.shift() ?? Buffer.alloc(0))) }
  await using t = await connected(script)
  for (let id = 1; id <= 6; id++) t.connection.send(request(id, id - 1))
  const heard = await t.listener.hears(6)
  assert.deepEqual(
    heard.map(event => (event.kind === 'refused' ? event.error.kind : event.kind)),
    ['acknowledged', 'alreadyExists', 'outOfRange', 'rowErrors', 'other', 'acknowledged'],
  )
  const quota = heard[4]
  assert.ok(quota?.kind === 'refused' && quota.error.kind === 'other')
  assert.equal(quota.error.error.code, 'BIGQUERY_QUOTA')
  assert.equal(quota.error.error.disposition, 'retry')
})

test('a new table schema is told after the acknowledgement it came with', async () => {
  const schemaNews = { updatedSchema: { fields: [{ name: 'a', type: 'STRING', mode: 'NULLABLE' }] } }
  const script: Script = {
    append: call =>
      call.on('data', () => call.write(response({ appendResult: { offset: { value: 0 } }, ...schemaNews }))),
  }
  await using t = await connected(script)
  t.connection.send(request(1, 0))
  assert.deepEqual(
    (await t.listener.hears(2)).map(event => event.kind),
    ['acknowledged', 'schemaUpdated'],
  )
})

const SENSELESS: readonly (readonly [string, (call: AppendCall) => void])[] = [
  ['an empty message', call => call.write(Buffer.alloc(0))],
  ['bytes that are no message', call => call.write(Buffer.from([0x0a, 0x7f]))],
  ['an error of code OK', call => call.write(response({ error: { code: 0, message: 'fine' } }))],
  ['an acknowledgement without offset', call => call.write(response({ appendResult: {} }))],
  [
    'a row error of a row that was not sent',
    call => call.write(response({ error: { code: 3 }, rowErrors: [{ index: 1 }] })),
  ],
  [
    'an answer about another stream',
    call => call.write(response({ appendResult: { offset: { value: 0 } }, writeStream: `${stream}x` })),
  ],
]
for (const [what, answer] of SENSELESS) {
  test(`${what} ends the connection with ACK_UNEXPECTED and fails the partition`, async () => {
    await using t = await connected({ append: call => call.on('data', () => answer(call)) })
    t.connection.send(request(1, 0))
    const [event] = await t.listener.hears(1)
    assert.ok(event?.kind === 'broken')
    assert.equal(event.error.code, 'ACK_UNEXPECTED')
    assert.equal(event.error.disposition, 'failPartition')
    assert.equal(t.connection.inFlightBytes, 0)
  })
}

test('an answer too many ends the connection', async () => {
  const script: Script = {
    append: call =>
      call.on('data', () => {
        call.write(acknowledge(0))
        call.write(acknowledge(1))
      }),
  }
  await using t = await connected(script)
  t.connection.send(request(1, 0))
  const [first, second] = await t.listener.hears(2)
  assert.equal(first?.kind, 'acknowledged')
  assert.equal(second?.kind === 'broken' && second.error.code, 'ACK_UNEXPECTED')
})

test('one onBroken stands for everything unanswered, and nothing follows it', async () => {
  const script: Script = {
    append: call => {
      let count = 0
      call.on('data', (bytes: Buffer) => {
        count++
        if (count === 1) call.write(acknowledge(offsetOf(bytes)))
        if (count === 3) call.emit('error', { code: 10, details: 'Closing the stream because server is restarted.' })
      })
    },
  }
  await using t = await connected(script)
  for (let id = 1; id <= 5; id++) t.connection.send(request(id, id - 1))
  const heard = await t.listener.hears(2)
  assert.deepEqual(
    heard.map(event => event.kind),
    ['acknowledged', 'broken'],
  )
  assert.equal(heard[1]?.kind === 'broken' && heard[1].error.disposition, 'reconnect')
  t.connection.send(request(6, 5))
  t.connection.close()
  await anotherExchange(t.bigquery)
  assert.equal(t.listener.heard.length, 2)
})

test('an idle connection that the service closes is reported, for the next send needs another', async () => {
  const script: Script = {
    append: call =>
      call.on('data', (bytes: Buffer) => {
        call.write(acknowledge(offsetOf(bytes)))
        call.emit('error', { code: 10, details: 'Closing the stream because it has been inactive for 600 seconds.' })
      }),
  }
  await using t = await connected(script)
  t.connection.send(request(1, 0))
  const heard = await t.listener.hears(2)
  assert.equal(heard[1]?.kind === 'broken' && heard[1].error.code, 'BIGQUERY_UNREACHABLE')
})

test('a close in good order by the service is a reconnect too', async () => {
  await using t = await connected({ append: call => call.on('data', () => call.end()) })
  t.connection.send(request(1, 0))
  const [event] = await t.listener.hears(1)
  assert.equal(event?.kind === 'broken' && event.error.disposition, 'reconnect')
})

const CLOSES: readonly (readonly [string, { code: number; storage?: number }, string])[] = [
  ['finalized', { code: 3, storage: 6 }, 'FENCED fenced'],
  ['not found', { code: 5, storage: 3 }, 'STREAM_GONE reopenStream'],
  ['a schema mismatch', { code: 3, storage: 7 }, 'SCHEMA_MISMATCH failPartition'],
  ['denied', { code: 7 }, 'BIGQUERY_PERMISSION_DENIED failPartition'],
  ['an unknown code of BigQuery', { code: 14, storage: 42 }, 'ACK_UNEXPECTED failPartition'],
]
for (const [what, status, expected] of CLOSES) {
  for (const trailer of ['google.cloud.bigquery.storage.v1.storageerror-bin', 'grpc-status-details-bin']) {
    test(`a close that means ${what} is told apart, read from ${trailer}`, async () => {
      const metadata = new Metadata()
      if (status.storage !== undefined) {
        const isAlone = trailer.startsWith('google')
        const details = encode(official.Status, statusWithStorageError(status.code, 'm', status.storage))
        metadata.set(trailer, isAlone ? encode(official.StorageError, { code: status.storage }) : details)
      }
      const script: Script = {
        append: call => call.on('data', () => call.emit('error', { code: status.code, details: 'closed', metadata })),
      }
      await using t = await connected(script)
      t.connection.send(request(1, 0))
      const [event] = await t.listener.hears(1)
      assert.ok(event?.kind === 'broken')
      assert.equal(`${event.error.code} ${event.error.disposition}`, expected)
    })
  }
}

test('a service that never answers is given up at the deadline', async () => {
  await using t = await connected({ append: call => call.on('data', () => {}) }, { appendDeadlineMs: 100 })
  t.connection.send(request(1, 0))
  const [event] = await t.listener.hears(1)
  assert.ok(event?.kind === 'broken')
  assert.equal(event.error.code, 'BIGQUERY_UNREACHABLE')
  assert.equal(event.error.disposition, 'reconnect')
  assert.match(event.error.message, /within 100 ms/)
})

test('the deadline is of the oldest append while nothing moves: answers in between push it back', async () => {
  const held: (() => void)[] = []
  const script: Script = {
    append: call => call.on('data', (bytes: Buffer) => held.push(() => call.write(acknowledge(offsetOf(bytes))))),
  }
  await using t = await connected(script, { appendDeadlineMs: 600 })
  for (let id = 1; id <= 4; id++) t.connection.send(request(id, id - 1))
  for (let id = 1; id <= 4; id++) {
    // 4 × 250 ms in all: more than the deadline, but never as long without an answer.
    await time.timers.sleep(250, { signal: AbortSignal.timeout(5_000) })
    held.shift()?.()
    await t.listener.hears(id)
  }
  assert.deepEqual(
    t.listener.heard.map(event => event.kind),
    Array(4).fill('acknowledged'),
  )
})

test('an endpoint nobody listens on is a reconnect', async () => {
  await using bigquery = await openBigQuery({
    endpoint: 'http://127.0.0.1:1',
    restEndpoint: 'http://127.0.0.1:1',
    ...time,
  })
  const listener = new RecordingListener()
  bigquery.writeStreams.connect(stream, schema, listener).send(request(1, 0))
  const [event] = await listener.hears(1)
  assert.ok(event?.kind === 'broken')
  assert.equal(`${event.error.code} ${event.error.disposition}`, 'BIGQUERY_UNREACHABLE reconnect')
})

test('after close the half-close waits for the answers, and nobody hears of either', async () => {
  const { promise: isEnded, resolve: end } = Promise.withResolvers<number>()
  const script: Script = {
    append: call => {
      let answered = 0
      call.on('data', (bytes: Buffer) => {
        answered++
        call.write(acknowledge(offsetOf(bytes)))
      })
      call.on('end', () => {
        call.end()
        end(answered)
      })
    },
  }
  await using t = await connected(script)
  t.connection.send(request(1, 0))
  t.connection.send(request(2, 1))
  t.connection.close()
  assert.equal(await isEnded, 2)
  assert.throws(() => t.connection.send(request(3, 2)), { code: 'BUG' })
  assert.deepEqual(t.listener.heard, [])
})

test('a listener may send, and close, from within its callbacks', async () => {
  await using t = await connected({
    append: call => call.on('data', (b: Buffer) => call.write(acknowledge(offsetOf(b)))),
  })
  const { promise: isDone, resolve } = Promise.withResolvers<void>()
  const heard: number[] = []
  const connection = t.bigquery.writeStreams.connect(stream, schema, {
    onAcknowledged(id) {
      heard.push(id)
      if (id < 5) connection.send(request(id + 1, id))
      else {
        connection.close()
        resolve()
      }
    },
    onRefused() {},
    onBroken() {},
    onSchemaUpdated() {},
  })
  connection.send(request(1, 0))
  await isDone
  assert.deepEqual(heard, [1, 2, 3, 4, 5])
})

test('writes wait for the service to read, then all arrive in order', async () => {
  const { promise: mayRead, resolve: read } = Promise.withResolvers<void>()
  const { promise: isCalled, resolve: called } = Promise.withResolvers<void>()
  const script: Script = {
    append: call => {
      called()
      void mayRead.then(() => call.on('data', (bytes: Buffer) => call.write(acknowledge(offsetOf(bytes)))))
    },
  }
  await using t = await connected(script)
  const batches = Array.from({ length: 60 }, () => freezeRows(1, 0, 500_000))
  batches.forEach((rows, index) => {
    t.connection.send(request(index, index, rows))
  })
  assert.ok(t.connection.inFlightBytes > 60 * 500_000)
  await isCalled
  // The head of a request is written as it is handed to gRPC, so it shows how many were.
  const framedWhileBlocked = batches.filter(rows => rows.bytes[rows.start - 1] !== 0).length
  read()
  assert.ok(
    framedWhileBlocked > 0 && framedWhileBlocked < 30,
    `${framedWhileBlocked} of 60 requests were handed on while nobody read`,
  )
  const heard = await t.listener.hears(60, 20_000)
  assert.deepEqual(
    heard.map(event => (event.kind === 'acknowledged' ? Number(event.offset) : event.kind)),
    [...batches.keys()],
  )
})

test('two hundred and twenty connections are spread over TCP connections, none with more than fifty', async () => {
  const perPeer = new Map<string, number>()
  const script: Script = {
    append: call => {
      perPeer.set(call.getPeer(), (perPeer.get(call.getPeer()) ?? 0) + 1)
      call.on('data', (bytes: Buffer) => call.write(acknowledge(offsetOf(bytes))))
    },
  }
  await using t = await connected(script)
  const listeners = Array.from({ length: 220 }, () => new RecordingListener())
  for (const listener of listeners) t.bigquery.writeStreams.connect(stream, schema, listener).send(request(1, 0))
  for (const listener of listeners) await listener.hears(1)
  assert.equal(
    [...perPeer.values()].reduce((a, b) => a + b),
    220,
  )
  assert.equal(perPeer.size, 5)
  assert.ok([...perPeer.values()].every(count => count <= 50))
})

async function anotherExchange(bigquery: Awaited<ReturnType<typeof openBigQuery>>): Promise<void> {
  const listener = new RecordingListener()
  const connection = bigquery.writeStreams.connect(stream, schema, listener)
  connection.send(request(1, 0))
  await listener.hears(1)
  connection.close()
}

test('slots of connections that ended are used again', async () => {
  const peers = new Set<string>()
  const script: Script = {
    append: call => {
      peers.add(call.getPeer())
      call.on('data', (bytes: Buffer) => call.write(acknowledge(offsetOf(bytes))))
      call.on('end', () => call.end())
    },
  }
  await using t = await connected(script)
  for (let i = 0; i < 300; i++) await anotherExchange(t.bigquery)
  assert.ok(peers.size <= 4, `${peers.size} TCP connections for one stream at a time`)
})

test('a TCP connection on which an append hung carries no new stream', async () => {
  const peers: string[] = []
  let isHanging = true
  const script: Script = {
    append: call => {
      peers.push(call.getPeer())
      call.on('data', (bytes: Buffer) => {
        if (!isHanging) call.write(acknowledge(offsetOf(bytes)))
      })
    },
  }
  await using t = await connected(script, { appendDeadlineMs: 100 })
  t.connection.send(request(1, 0))
  await t.listener.hears(1)
  isHanging = false
  for (let i = 0; i < 5; i++) await anotherExchange(t.bigquery)
  assert.equal(peers.length, 6)
  assert.ok(!peers.slice(1).includes(peers[0] ?? ''))
})

test('an end of the connection after close is not reported either', async () => {
  const { promise: isAsked, resolve: asked } = Promise.withResolvers<AppendCall>()
  await using t = await connected({ append: call => call.on('data', () => asked(call)) })
  t.connection.send(request(1, 0))
  const call = await isAsked
  t.connection.close()
  call.emit('error', { code: 14, details: 'the connection is draining' })
  while (t.connection.inFlightBytes > 0) await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(t.listener.heard, [])
})

test('an answer to a request that was not yet written is one too many', async () => {
  const script: Script = {
    append: call => {
      for (let i = 0; i < 50; i++) call.write(acknowledge(i))
    },
  }
  await using t = await connected(script)
  for (let id = 0; id < 60; id++) t.connection.send(request(id, id, freezeRows(1, 0, 500_000)))
  const deadline = AbortSignal.timeout(5_000)
  while (t.listener.heard.at(-1)?.kind !== 'broken') {
    assert.ok(!deadline.aborted, 'the connection went on')
    await new Promise(resolve => setImmediate(resolve))
  }
  assert.ok(t.listener.heard.length < 40)
  const last = t.listener.heard.at(-1)
  assert.equal(last?.kind === 'broken' && last.error.code, 'ACK_UNEXPECTED')
})
