// What kafkajs-internals.ts expects of KafkaJS 2.2.4. A new version of KafkaJS must pass this before anything is changed.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { classifyKafkaCode } from '../src/kafka-errors.ts'
import { API_VERSION, type Api, encoded, errorName, newConnection, protocolRequest } from '../src/kafkajs-internals.ts'
import { murmur2, partitionOfKey } from '../src/murmur2.ts'

const require = createRequire(import.meta.url)

test('the pinned version is installed', () => {
  assert.equal((require('kafkajs/package.json') as { version: string }).version, '2.2.4')
})

test('every request we speak exists at the version we speak', () => {
  for (const api of Object.keys(API_VERSION) as Api[]) {
    if (api === 'Produce') continue // encodes its topics when it is made; ours replaces the encoder
    const { request, response } = protocolRequest(api, { topics: [], resources: [], groupIds: [] })
    assert.equal(request.apiVersion, API_VERSION[api], api)
    assert.equal(typeof request.encode, 'function')
    assert.equal(typeof response.decode, 'function')
  }
  assert.equal(protocolRequest('Produce', { acks: -1, timeout: 1, topicData: [] }).request.apiKey, 0)
})

test('a finished body is framed as it is', () => {
  const body = Buffer.from('some bytes')
  const encoder = encoded(body)
  assert.equal(encoder.size(), body.length)
  assert.deepEqual(Buffer.from(encoder.buffer), body)
})

test('a connection has the parts that are used, and warns of no negative timeout', async () => {
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => void warnings.push(warning)
  process.on('warning', onWarning)
  const server = createServer(socket => {
    // Answers any request with its own correlation id and a body that ApiVersions v2 reads as "no versions".
    socket.on('data', request => {
      const answer = Buffer.alloc(4 + 4 + 2 + 4 + 4)
      answer.writeInt32BE(answer.length - 4, 0)
      request.copy(answer, 4, 8, 12)
      socket.write(answer)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const options = { host: '127.0.0.1', port, clientId: 'c', ssl: null, sasl: null, connectionTimeout: 1_000 }
  const connection = newConnection(options, () => undefined)
  await connection.connect()
  assert.equal(connection.isConnected(), true)
  assert.deepEqual(await connection.send(protocolRequest('ApiVersions', {})), {
    errorCode: 0,
    apiVersions: [],
    throttleTime: 0,
    clientSideThrottleTime: 0,
  })
  assert.equal(typeof connection.sessionLifetime.toNumber(), 'number')
  assert.equal(connection.requestQueue.pending.length, 0)
  connection.requestQueue.rejectAll(new Error('enough'))
  connection.socket?.destroy()
  await connection.disconnect()
  await new Promise(resolve => server.close(resolve))
  await new Promise(resolve => setImmediate(resolve))
  process.off('warning', onWarning)
  assert.deepEqual(
    warnings.map(w => w.name),
    [],
  )
})

test('every broker error code from -1 to 130 has a name and a rule, and an unknown one fails loudly', () => {
  for (let code = -1; code <= 130; code++) {
    if (code === 0) continue
    const { code: ours, disposition } = classifyKafkaCode(code)
    assert.ok(ours.length > 0 && errorName(code).length > 0)
    assert.ok(['retry', 'failPartition'].includes(disposition), String(code))
  }
  assert.deepEqual(classifyKafkaCode(130), { code: 'KAFKA_REQUEST_FAILED', disposition: 'failPartition' })
  assert.deepEqual(classifyKafkaCode(1), { code: 'SOURCE_OFFSET_LOST', disposition: 'failPartition' })
  assert.deepEqual(classifyKafkaCode(6), { code: 'KAFKA_REQUEST_FAILED', disposition: 'retry' })
})

test('murmur2 is Kafka’s', () => {
  // The values of org.apache.kafka.common.utils.UtilsTest.testMurmur2.
  const known: readonly (readonly [string, number])[] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ]
  for (const [text, hash] of known) assert.equal(murmur2(Buffer.from(text)), hash, text)
  assert.equal(partitionOfKey('21', 25), (-973932308 & 0x7fffffff) % 25)
})
