// What arrives at the socket and is no honest request (reliability.md §4): each is answered or cut, none keeps others waiting,
// and the server goes on afterwards.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { startApi } from '../src/index.ts'
import { CONFIG, TestApi } from './support/test-api.ts'

/** A client that waits longer has found a hang. */
const PATIENCE_MS = 15_000
/** Of a request of somebody else's meanwhile, on a busy machine. */
const WAIT_MS_MAX = 5_000
const HOST = 'Host: localhost'
const JSON_TYPE = 'Content-Type: application/json'
/** Short enough for a test to see them end. */
const ARRIVAL = { headersMs: 400, requestMs: 800, checkEveryMs: 100, stuckMs: 1_000 }

class Target implements AsyncDisposable {
  readonly api: TestApi
  readonly #url: string
  readonly #close: () => Promise<void>
  private constructor(api: TestApi, url: string, close: () => Promise<void>) {
    this.api = api
    this.#url = url
    this.#close = close
  }

  static async open(connectionsMaxPerAddress = 50): Promise<Target> {
    const api = await TestApi.open()
    await api.create('a')
    const limits = { connectionsMax: 50, connectionsMaxPerAddress, arrival: ARRIVAL }
    const running = await startApi(api.deps, { listeners: [{ scheme: 'http', host: '127.0.0.1', port: 0 }], limits })
    return new Target(api, running.url, () => running.close())
  }

  async connect(): Promise<Socket> {
    const { hostname, port } = new URL(this.#url)
    const socket = createConnection({ host: hostname, port: Number(port) })
    socket.on('error', () => {}) // a reset is an answer here
    await once(socket, 'connect')
    return socket
  }

  /** Status codes of what was answered until the server closed; `write` may go on as long as it likes. */
  async codes(bytes: string | Buffer, isToEnd = true): Promise<readonly number[]> {
    const socket = await this.connect()
    const answer = received(socket)
    if (isToEnd) socket.end(bytes)
    else socket.write(bytes)
    return codesIn(await answer)
  }

  async assertServing(): Promise<void> {
    const began = performance.now()
    const response = await fetch(`${this.#url}/connectors/a/status`, { signal: AbortSignal.timeout(PATIENCE_MS) })
    assert.equal(response.status, 200)
    await response.text()
    assert.ok(performance.now() - began < WAIT_MS_MAX, 'nobody else waits')
  }

  async isServing(): Promise<boolean> {
    const socket = await this.connect()
    const answer = received(socket)
    socket.end(request('GET /connectors/a/status HTTP/1.1', [HOST, 'Connection: close']))
    return codesIn(await answer)[0] === 200
  }

  /** Asks until it has a place. */
  async untilServing(): Promise<void> {
    const endMs = performance.now() + PATIENCE_MS
    while (!(await this.isServing())) assert.ok(performance.now() < endMs, 'no place becomes free')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close()
    await this.api[Symbol.asyncDispose]()
  }
}

function received(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    socket.setTimeout(PATIENCE_MS, () => {
      socket.destroy()
      reject(new Error('The connection neither answers nor ends.'))
    })
    socket.on('data', chunk => {
      text += (chunk as Buffer).toString('latin1')
    })
    socket.on('close', () => resolve(text))
  })
}

const codesIn = (text: string): readonly number[] => [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(m => Number(m[1]))
const request = (line: string, headers: readonly string[], body = ''): string =>
  [line, ...headers, '', body].join('\r\n')

describe('a hostile connection', () => {
  test('headers that trickle in are cut in time, however many such connections there are', async () => {
    await using target = await Target.open()
    const sockets = await Promise.all(Array.from({ length: 30 }, () => target.connect()))
    const answers = sockets.map(received)
    const trickle = setInterval(() => {
      for (const socket of sockets) if (socket.writable) socket.write('X-A: b\r\n')
    }, 50)
    for (const socket of sockets) socket.write(`GET /connectors HTTP/1.1\r\n${HOST}\r\n`)
    try {
      await target.assertServing()
      for (const answer of await Promise.all(answers)) {
        const codes = codesIn(answer)
        assert.ok(codes.length === 0 || codes[0] === 408, answer)
      }
    } finally {
      clearInterval(trickle)
    }
    await target.assertServing()
  })

  test('a body that never ends is cut in time, chunked or announced', async () => {
    await using target = await Target.open()
    for (const head of [
      request('POST /connectors HTTP/1.1', [HOST, JSON_TYPE, 'Transfer-Encoding: chunked']),
      request('POST /connectors HTTP/1.1', [HOST, JSON_TYPE, 'Content-Length: 1000000']),
    ]) {
      const socket = await target.connect()
      const answer = received(socket)
      socket.write(head)
      const isChunked = head.includes('chunked')
      const drip = setInterval(() => {
        if (socket.writable) socket.write(isChunked ? '1\r\n \r\n' : ' ')
      }, 50)
      const codes = codesIn(await answer)
      clearInterval(drip)
      assert.ok(codes.length === 0 || codes[0] === 408, String(codes))
      await target.assertServing()
    }
  })

  test('a body larger than allowed is refused while it is still coming', async () => {
    await using target = await Target.open()
    const mebibyte = ' '.repeat(1024 * 1024)
    const announced = request('POST /connectors HTTP/1.1', [HOST, JSON_TYPE, `Content-Length: ${11 * mebibyte.length}`])
    assert.deepEqual(await target.codes(announced, false), [413])
    const chunk = `${mebibyte.length.toString(16)}\r\n${mebibyte}\r\n`
    const chunked = request('POST /connectors HTTP/1.1', [HOST, JSON_TYPE, 'Transfer-Encoding: chunked'], chunk + chunk)
    assert.deepEqual(await target.codes(chunked, false), [413])
    await target.assertServing()
  })

  test('headers without end, too many, malformed or contradictory are 4xx', async () => {
    await using target = await Target.open()
    const get = 'GET /connectors HTTP/1.1'
    const post = 'POST /connectors HTTP/1.1'
    const cases: readonly (readonly [string, string, readonly number[]])[] = [
      ['one long header', request(get, [HOST, `X-A: ${'x'.repeat(100_000)}`]), [431]],
      ['many headers', request(get, [HOST, ...Array.from({ length: 5_000 }, (_, i) => `X-${i}: y`)]), [431]],
      ['a long URL', request(`GET /connectors/${'x'.repeat(100_000)} HTTP/1.1`, [HOST]), [431]],
      ['NUL in a header', request(get, [HOST, 'X-A: a\0b']), [400]],
      ['space before the colon', request(get, [HOST, 'X-A : b']), [400]],
      ['a header without colon', request(get, [HOST, 'nonsense']), [400]],
      ['two lengths', request(post, [HOST, JSON_TYPE, 'Content-Length: 2', 'Content-Length: 3'], '{}x'), [400]],
      [
        'length and chunked (smuggling)',
        request(
          post,
          [HOST, JSON_TYPE, 'Content-Length: 4', 'Transfer-Encoding: chunked'],
          '0\r\n\r\nGET /x HTTP/1.1\r\n\r\n',
        ),
        [400],
      ],
      ['a negative length', request(post, [HOST, JSON_TYPE, 'Content-Length: -1']), [400]],
      ['a length that is no number', request(post, [HOST, JSON_TYPE, 'Content-Length: 0x10'], '{}'), [400]],
      [
        'a chunk size that is no number',
        request(post, [HOST, JSON_TYPE, 'Transfer-Encoding: chunked'], 'zz\r\n{}\r\n'),
        [400],
      ],
      [
        'a chunk size beyond 2^64',
        request(post, [HOST, JSON_TYPE, 'Transfer-Encoding: chunked'], 'fffffffffffffffff\r\n'),
        [400],
      ],
      ['a length with a sign', request(post, [HOST, JSON_TYPE, 'Content-Length: +2'], '{}'), [400]],
      ['a list of lengths', request(post, [HOST, JSON_TYPE, 'Content-Length: 2, 2'], '{}'), [400]],
      ['a coding that is nearly chunked', request(post, [HOST, JSON_TYPE, 'Transfer-Encoding: xchunked'], 'x'), [400]],
      ['chunked, and not last', request(post, [HOST, JSON_TYPE, 'Transfer-Encoding: chunked, identity'], 'x'), [400]],
      [
        'chunked and a length, in the other order',
        request(post, [HOST, JSON_TYPE, 'Transfer-Encoding: chunked', 'Content-Length: 4'], '0\r\n\r\n'),
        [400],
      ],
      ['a folded header', request(get, [HOST, 'X-A: b\r\n Content-Length: 4']), [400]],
      ['a lone carriage return', request(get, [HOST, 'X-A: b\rX-B: c']), [400]],
      [
        'a chunk longer than it says',
        request(post, [HOST, JSON_TYPE, 'Transfer-Encoding: chunked'], '1\r\nxyz\r\n0\r\n\r\n'),
        [400],
      ],
      ['two Hosts', request(get, [HOST, 'Host: evil.example']), [400]],
      ['an unknown transfer coding', request(post, [HOST, JSON_TYPE, 'Transfer-Encoding: gzip'], 'x'), [400, 501]],
      ['an unknown method', request('BREW /connectors HTTP/1.1', [HOST]), [405]],
      ['an unknown method, but no HTTP', 'BREW /connectors COFFEE/1.0\r\n\r\n', [400]],
      ['TRACE', request('TRACE /connectors HTTP/1.1', [HOST]), [404, 405]],
      ['CONNECT', request('CONNECT example.com:443 HTTP/1.1', [HOST]), [400, 404, 405]],
      ['HTTP/2 without asking', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [400, 505]],
      ['HTTP/9.9', request('GET /connectors HTTP/9.9', [HOST]), [400, 505]],
      ['TLS on a plain port', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', [400]],
      ['nothing but zeros', '\0'.repeat(1_000), [400]],
      [
        'a gzip bomb',
        Buffer.concat([
          Buffer.from(request(post, [HOST, JSON_TYPE, 'Content-Encoding: gzip', 'Content-Length: 10230'])),
          gzipSync(Buffer.alloc(10_000_000)),
        ]).toString('latin1'),
        [415],
      ],
    ]
    for (const [label, bytes, allowed] of cases) {
      const codes = await target.codes(Buffer.from(bytes, 'latin1'))
      // CONNECT may also be cut without an answer: Node hands it to nobody.
      const isCut = codes.length === 0 && label === 'CONNECT'
      assert.ok(isCut || (codes.length > 0 && allowed.includes(codes[0]!)), `${label}: ${codes}`)
    }
    await target.assertServing()
  })

  test('an offer of h2c is not taken up, and HTTP/1.0 is answered', async () => {
    await using target = await Target.open()
    const upgrade = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA']
    assert.deepEqual(await target.codes(request('GET /connectors HTTP/1.1', [HOST, ...upgrade])), [200])
    assert.deepEqual(
      await target.codes(request('GET /connectors HTTP/1.1', [HOST, 'Connection: Upgrade', 'Upgrade: websocket'])),
      [200],
    )
    assert.deepEqual(await target.codes(request('GET /connectors HTTP/1.0', [HOST])), [200])
    await target.assertServing()
  })

  test('pipelined requests are answered in order, a bad one among them ends the connection after it', async () => {
    await using target = await Target.open()
    const good = request('GET /connectors HTTP/1.1', [HOST])
    const missing = request('GET /connectors/none HTTP/1.1', [HOST])
    assert.deepEqual(await target.codes(good + missing + good), [200, 404, 200])
    const broken = await target.codes(`${good}\0\0\0\r\n\r\n${good}`)
    assert.equal(broken.at(-1), 400, 'and what comes after it is not read')
    const flood = await target.codes(missing.repeat(1_000))
    assert.deepEqual([flood.length, new Set(flood)], [1_000, new Set([404])])
    await target.assertServing()
  })

  test('clients that do not read their answers do not make the server hold them', async () => {
    await using target = await Target.open()
    for (let i = 0; i < 100; i++) await target.api.write(`more-${i}`)
    const deaf = await Promise.all(Array.from({ length: 10 }, () => target.connect()))
    const list = request('GET /connectors?expand=info&expand=status HTTP/1.1', [HOST])
    for (const socket of deaf) {
      socket.pause()
      socket.write(list.repeat(20))
    }
    await target.assertServing()
    for (const socket of deaf) socket.destroy()
    await target.assertServing()
  })

  test('one that says nothing at all is cut in time', async () => {
    await using target = await Target.open()
    const codes = codesIn(await received(await target.connect()))
    assert.ok(codes.length === 0 || codes[0] === 408, String(codes))
  })

  test('one that never reads its answers holds its place for a while and not for ever', async () => {
    await using target = await Target.open(1)
    for (let i = 0; i < 100; i++) await target.api.write(`more-${i}`)
    const deaf = await target.connect()
    deaf.pause()
    deaf.write(request('GET /connectors?expand=info&expand=status HTTP/1.1', [HOST]).repeat(200))
    assert.equal(await target.isServing(), false, 'it has the only place')
    await target.untilServing()
    deaf.destroy()
  })

  test('more than are allowed from one address are closed at once, and make room when they end', async () => {
    await using target = await Target.open(2)
    const [first, second] = [await target.connect(), await target.connect()]
    assert.equal(await received(await target.connect()), '', 'closed without a word')
    first.destroy()
    await target.untilServing()
    second.destroy()
  })

  test('headers that pretend to come from another worker, or to be somebody, change nothing', async () => {
    await using target = await Target.open()
    for (const header of [
      'X-Connect-Authorization: AAAA',
      'X-Connect-Request-Signature-Algorithm: HmacSHA256',
      'X-Forwarded-User: admin',
      'X-HTTP-Method-Override: DELETE',
      'Authorization: Bearer eyJhbGciOiJub25lIn0.e30.',
    ])
      assert.deepEqual(await target.codes(request('GET /connectors/a HTTP/1.1', [HOST, header])), [200], header)
    assert.deepEqual(
      await target.codes(request('PUT /connectors/a/fence HTTP/1.1', [HOST, 'Content-Length: 0'])),
      [404],
    )
    assert.deepEqual(
      await target.codes(request('POST /connectors/a/tasks HTTP/1.1', [HOST, JSON_TYPE, 'Content-Length: 2'], '[]')),
      [405],
    )
    const forward = request('PUT /connectors/a/pause?forward=false HTTP/1.1', [HOST, 'Content-Length: 0'])
    assert.deepEqual(await target.codes(forward), [202], 'a query of Connect’s own is ignored')
    assert.equal(target.api.store.read().connectors.get('a')?.config.topics, CONFIG.topics)
  })
})
