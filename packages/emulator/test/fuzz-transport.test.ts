// Hostile callers below and around AppendRows: frames that lie about their size, compressed bombs, metadata without end, HTTP/1 and noise
// on the gRPC port, unary requests that are none. The emulator goes on serving, and its memory stays bounded.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders } from 'node:http2'
import { createConnection } from 'node:net'
import { after, afterEach, before, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { endSpawned } from './command.ts'
import { delimited, mutationsOf, repeated, scalar, Victim } from './hostile.ts'
import { ROUNDS, runs } from './random-runs.ts'
import { encode, RawClient } from './raw-client.ts'

const SERVICE = '/google.cloud.bigquery.storage.v1.BigQueryWrite/'
const DEADLINE_MS = 10_000
/** grpc-status of what the emulator should have seen coming. */
const BUGS = ['2', '13']

type Reply = { headers: IncomingHttpHeaders; trailers: IncomingHttpHeaders; status: string | undefined }

function frame(message: Buffer, flags = 0, length = message.length): Buffer {
  const head = Buffer.alloc(5)
  head[0] = flags
  head.writeUInt32BE(length, 1)
  return Buffer.concat([head, message])
}

describe('hostile callers', { timeout: 110_000 * ROUNDS }, () => {
  let victim: Victim
  let session: ClientHttp2Session

  before(async () => {
    victim = await Victim.start()
    session = connect(`http://${victim.grpc}`)
    session.on('error', () => {})
  })
  afterEach(() => victim.stillServes())
  after(async () => {
    session.destroy()
    await victim.stop()
    RawClient.closeAll()
    endSpawned()
  })

  /** One gRPC call from its bytes; resolves however it ends, as long as it does. */
  async function call(method: string, body: Buffer, headers: Record<string, string> = {}): Promise<Reply> {
    if (session.destroyed || session.closed) {
      session = connect(`http://${victim.grpc}`)
      session.on('error', () => {})
    }
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: SERVICE + method,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    })
    const reply: Reply = { headers: {}, trailers: {}, status: undefined }
    const deadline = setTimeout(() => stream.destroy(new Error('no answer within ten seconds')), DEADLINE_MS)
    let failure: Error | undefined
    stream.on('error', error => {
      failure = error
    })
    stream.on('response', found => Object.assign(reply.headers, found))
    stream.on('trailers', found => Object.assign(reply.trailers, found))
    stream.resume()
    stream.end(body)
    await new Promise(resolve => stream.once('close', resolve))
    clearTimeout(deadline)
    assert.doesNotMatch(failure?.message ?? '', /within ten seconds/, method)
    reply.status = String(reply.trailers['grpc-status'] ?? reply.headers['grpc-status'] ?? '')
    return reply
  }

  const good = encode('CreateWriteStreamRequest', {
    parent: 'projects/p/datasets/d/tables/good',
    writeStream: { type: 1 },
  })

  it('takes the good call that the bad ones are made of', async () => {
    assert.equal((await call('CreateWriteStream', frame(good))).status, '0')
  })

  const lies: [what: string, method: string, body: () => Buffer, headers?: Record<string, string>][] = [
    ['a frame of 4 GB that ends', 'AppendRows', () => frame(good, 0, 0xffffffff)],
    ['a unary frame of 4 GB that ends', 'GetWriteStream', () => frame(good, 0, 0xffffffff)],
    ['a frame longer than its bytes', 'GetWriteStream', () => frame(good, 0, good.length + 1)],
    ['no frame at all', 'FinalizeWriteStream', () => Buffer.alloc(0)],
    ['half a frame head', 'AppendRows', () => Buffer.alloc(3)],
    ['two unary requests', 'GetWriteStream', () => Buffer.concat([frame(good), frame(good)])],
    ['a frame said to be compressed and not', 'AppendRows', () => frame(good, 1), { 'grpc-encoding': 'gzip' }],
    ['a compression nobody knows', 'AppendRows', () => frame(good, 1), { 'grpc-encoding': 'zzz' }],
    ['a compression flag of 7', 'AppendRows', () => frame(good, 7)],
    ['a compressed bomb', 'AppendRows', () => frame(bomb, 1), { 'grpc-encoding': 'gzip' }],
    ['a compressed bomb in a unary call', 'GetWriteStream', () => frame(bomb, 1), { 'grpc-encoding': 'gzip' }],
    ['a method that is not there', 'DropEverything', () => frame(good)],
    ['a timeout that is none', 'GetWriteStream', () => frame(good), { 'grpc-timeout': '99999999999999999S' }],
    ['a binary header that is no base64', 'GetWriteStream', () => frame(good), { 'x-bin': '%%%%' }],
    ['another content type', 'AppendRows', () => frame(good), { 'content-type': 'text/html' }],
    ['metadata of 60 KB', 'GetWriteStream', () => frame(good), { 'x-large': 'x'.repeat(60_000) }],
    [
      'routing parameters of 30 KB',
      'AppendRows',
      () => frame(good),
      { 'x-goog-request-params': `write_stream=${'%2F'.repeat(10_000)}` },
    ],
  ]
  const bomb = gzipSync(Buffer.alloc(1 << 27))
  for (const [what, method, body, headers] of lies)
    it(`refuses ${what}`, async () => {
      const { status } = await call(method, body(), headers)
      assert.notEqual(status, '0')
    })

  it('survives metadata of a megabyte', async () => {
    await call('GetWriteStream', frame(good), { 'x-large': 'x'.repeat(1_000_000) }).catch(() => {})
  })

  for (const method of [
    'CreateWriteStream',
    'GetWriteStream',
    'FinalizeWriteStream',
    'BatchCommitWriteStreams',
    'FlushRows',
  ])
    it(`survives mutated ${method} requests`, () => {
      const request = encode(`${method}Request`, {
        parent: 'projects/p/datasets/d/tables/good',
        name: 'projects/p/datasets/d/tables/good/streams/_default',
        writeStream: method === 'FlushRows' ? 'projects/p/datasets/d/tables/good/streams/_default' : { type: 1 },
        ...(method === 'BatchCommitWriteStreams' && { writeStreams: ['projects/p/datasets/d/tables/good/streams/x'] }),
        ...(method === 'FlushRows' && { offset: { value: '3' } }),
      })
      return fc.assert(
        fc.asyncProperty(mutationsOf(request), async bytes => {
          const { status, trailers, headers } = await call(method, frame(bytes))
          const message = trailers['grpc-message'] ?? headers['grpc-message']
          assert.ok(!BUGS.includes(status!), `${method} did not expect this: ${message}`)
        }),
        runs(40),
      )
    })

  it('refuses unary requests with groups, depth and a million names', async () => {
    const bodies: [method: string, body: Buffer][] = [
      ['GetWriteStream', Buffer.alloc(1_000_000, 0x7b)],
      ['CreateWriteStream', nested(2, 3_000)],
      ['BatchCommitWriteStreams', repeated(delimited(2, 'x'), 1_000_000)],
      ['FlushRows', Buffer.concat([delimited(1, 'x'), delimited(2, scalar(1, -1n))])],
      ['GetWriteStream', Buffer.concat([delimited(1, Buffer.from([0xff, 0xfe, 0xfd]))])],
    ]
    for (const [method, body] of bodies) {
      const { status } = await call(method, frame(body))
      assert.ok(!['0', ...BUGS].includes(status!), `${method}: grpc-status ${status}`)
    }
  })

  it('survives HTTP/1 and noise on the gRPC port, and callers who leave', async () => {
    const [host, port] = victim.grpc.split(':') as [string, string]
    const noises = [
      Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
      Buffer.alloc(100_000, 0xff),
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
      Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.alloc(100_000, 0x41)]),
      Buffer.alloc(0),
    ]
    for (const noise of noises) {
      const socket = createConnection({ host, port: Number(port) })
      socket.on('error', () => {})
      await once(socket, 'connect')
      socket.write(noise)
      const gone = once(socket, 'close')
      socket.resume()
      setImmediate(() => socket.destroy())
      await gone
    }
  })

  it('survives five hundred calls opened and dropped', async () => {
    // On a connection of its own: Node ends one that resets so many calls (rapid reset, CVE-2023-44487).
    const client = new RawClient(victim.grpc)
    for (let i = 0; i < 500; i++) {
      const append = client.append()
      void append.ended
      append.sendRaw(Buffer.alloc(100))
      append.cancel()
    }
    client.close()
  })
})

/** A message in a message in a message, all as field `number`. */
function nested(number: number, depth: number): Buffer {
  let bytes: Buffer = Buffer.alloc(0)
  for (let i = 0; i < depth; i++) bytes = delimited(number, bytes)
  return bytes
}
