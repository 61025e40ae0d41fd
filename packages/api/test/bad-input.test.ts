// Malformed requests (reliability.md §4 REST): a clear 4xx each, always `{error_code, message}`, never a crash or a hang.
import assert from 'node:assert/strict'
import { createConnection } from 'node:net'
import { describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { isMillraceError } from '@millrace/core'
import fc from 'fast-check'
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import { startApi } from '../src/index.ts'
import { BODY_VALUES_MAX } from '../src/json-body.ts'
import { CONFIG, TestApi } from './support/test-api.ts'

function assertRefused(answer: LightMyRequestResponse, codes: readonly number[], label: string): void {
  assert.ok(codes.includes(answer.statusCode), `${label}: ${answer.statusCode} ${answer.body}`)
  const body = answer.json()
  assert.deepEqual(Object.keys(body), ['error_code', 'message'], label)
  assert.equal(body.error_code, answer.statusCode, label)
  assert.equal(typeof body.message, 'string', label)
}

describe('bad requests', () => {
  test('bodies that are no object of the right kind are 400', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    const bodies = [
      '',
      'null',
      '[]',
      '5',
      '"x"',
      'true',
      '{',
      '{"a":}',
      "{'a':1}",
      'NaN',
      '\u0000',
      deep,
      `{"x":${deep}}`,
      '{"__proto__":"x"}',
      '{"x":1e999}',
    ]
    for (const body of bodies) {
      for (const [method, url] of [
        ['POST', '/connectors'],
        ['PUT', '/connectors/a/config'],
        ['PATCH', '/connectors/a/config'],
        ['PUT', '/connector-plugins/BigQuerySink/config/validate'],
      ] as const) {
        assertRefused(await api.call(method, url, body), [400], `${method} ${url} ${body.slice(0, 40)}`)
      }
    }
    const invalidUtf8 = Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])
    const headers = { 'content-type': 'application/json' }
    assertRefused(
      await api.app.inject({ method: 'POST', url: '/connectors', headers, payload: invalidUtf8 }),
      [400],
      'UTF-8',
    )
    assert.equal(api.store.read().connectors.get('a')?.version, 1)
  })

  test('more values than any request needs are 400 before they are parsed, and so are configs that are too large to be stored', async () => {
    await using api = await TestApi.open()
    const [open, close] = ['[', ']']
    const flood = [
      `{"a":${open}${'1,'.repeat(BODY_VALUES_MAX)}1${close}}`,
      `{"a":${open}${'[],'.repeat(BODY_VALUES_MAX)}[]${close}}`,
      JSON.stringify(Object.fromEntries(Array.from({ length: BODY_VALUES_MAX }, (_, i) => [`k${i}`, '']))),
      // Not even JSON: it is counted first.
      ','.repeat(BODY_VALUES_MAX),
    ]
    for (const body of flood) {
      for (const [method, url] of [
        ['POST', '/connectors'],
        ['PATCH', '/connectors/a/offsets'],
        ['PUT', '/connector-plugins/BigQuerySink/config/validate'],
      ] as const) {
        const answer = await api.call(method, url, body)
        assertRefused(answer, [400], `${method} ${url}`)
        assert.equal(answer.json().message, `The request body has more than ${BODY_VALUES_MAX} values.`)
      }
    }
    const large = { ...CONFIG, note: 'x'.repeat(600_000) }
    const answer = await api.call('PUT', '/connector-plugins/BigQuerySink/config/validate', large)
    assertRefused(answer, [400], 'validate')
    assert.match(answer.json().message, /^The configuration is larger than 524288 bytes\.$/)
  })

  test('config values that are nested or null are 400, naming the key', async () => {
    await using api = await TestApi.open()
    for (const value of [{}, [], { a: 1 }, ['x'], null]) {
      const answer = await api.create('a', { 'my.key': value })
      assertRefused(answer, [400], JSON.stringify(value))
      assert.match(answer.json().message, /my\.key/)
    }
    assertRefused(await api.create('a', { 'my.key': 'x'.repeat(600_000) }), [400], 'too large for a record')
  })

  test('large, compressed and oddly typed bodies are refused', async () => {
    await using api = await TestApi.open()
    const send = (headers: Record<string, string>, payload: string | Buffer) =>
      api.app.inject({ method: 'POST', url: '/connectors', headers, payload })
    const good = JSON.stringify({ name: 'a', config: CONFIG })
    const json = { 'content-type': 'application/json' }
    assertRefused(await send(json, JSON.stringify({ name: 'x'.repeat(1024 * 1024) })), [413], '1 MiB')
    assertRefused(await send({ ...json, 'content-encoding': 'gzip' }, gzipSync(good)), [415], 'gzip')
    assertRefused(await send(json, gzipSync(good)), [400], 'gzip undeclared')
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/jsonx',
      'a',
      '/',
      ';',
    ]) {
      assertRefused(await send({ 'content-type': type }, good), [400, 415], type)
    }
    for (const type of [
      'application/json; charset=utf-8',
      'APPLICATION/JSON',
      'application/json;charset=UTF-8',
      ' application/json',
    ]) {
      const answer = await send({ 'content-type': type }, good)
      assert.ok([201, 409].includes(answer.statusCode), `${type}: ${answer.body}`)
    }
    for (const type of ['application/json\t; x', 'application/json\u00a0']) {
      const answer = await send({ 'content-type': type }, '{"__proto__":{"x":1}}')
      assertRefused(answer, [400, 415], 'a content type must not lead past the parser')
    }
  })

  test('paths that lead nowhere are 404 or 400, methods that do not exist 405 with Allow', async () => {
    await using api = await TestApi.open()
    for (const url of [
      ...[
        '/nope',
        '/connectors/a/nope',
        '/connectors/a/b/c/d',
        '/api/v2/worker',
        '/connectors/..;/admin',
        '/v1/metadata/id',
      ],
      ...[
        '/connectors/a%00b',
        '/connectors/a%2fb',
        '/connectors/..%2f..%2fetc',
        '/connectors/%F0%9F%98%80',
        '/connectors/__proto__',
      ],
      ...[
        '/connectors/constructor/status',
        `/connectors/${'a'.repeat(10_240)}`,
        '/connectors/a/tasks/-1/status',
        '/connectors/a/tasks/1e3/status',
      ],
    ]) {
      assertRefused(await api.call('GET', url), [404], url.slice(0, 60))
    }
    for (const url of ['/connectors/%', '/connectors/%zz', '/connectors/%ff'])
      assertRefused(await api.call('GET', url), [400], url)
    assertRefused(await api.call('GET', `/connectors/${'a'.repeat(13_000)}`), [404, 414], 'longer than any name')
    for (const [method, url, allow] of [
      ['DELETE', '/connectors', 'GET, HEAD, POST, OPTIONS'],
      ['POST', '/connectors/a', 'DELETE, GET, HEAD, OPTIONS'],
      ['GET', '/connectors/a/pause', 'PUT, OPTIONS'],
      ['PUT', '/connectors/a/restart/', 'POST, OPTIONS'],
    ] as const) {
      const answer = await api.call(method, url)
      assertRefused(answer, [405], url)
      assert.equal(answer.headers.allow, allow)
      const options = await api.app.inject({ method: 'OPTIONS', url })
      assert.deepEqual([options.statusCode, options.headers.allow, options.body], [200, allow, ''])
      assert.equal(options.headers['access-control-allow-origin'], undefined)
    }
  })

  test('HEAD, doubled and trailing slashes work; every answer has a request id; ?pretty is for people', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    const head = await api.app.inject({ method: 'HEAD', url: '/connectors/a' })
    assert.deepEqual([head.statusCode, head.body], [200, ''])
    assert.equal((await api.call('GET', '//connectors//a//status/')).statusCode, 200)
    assert.ok((await api.call('GET', '/nope')).headers['x-request-id'])
    const pretty = await api.call('GET', '/connectors/a/config?pretty')
    assert.match(pretty.body, /^\{\n {2}"/)
  })

  test('a foreign Host is refused, addresses and localhost are not', async () => {
    await using api = await TestApi.open()
    const status = async (host: string): Promise<number> =>
      (await api.app.inject({ url: '/connectors', headers: { host } })).statusCode
    for (const host of ['localhost:8083', '127.0.0.1:8083', '[::1]:8083', '10.0.0.7', 'LOCALHOST', 'x.localhost:1']) {
      assert.equal(await status(host), 200, host)
    }
    for (const host of [
      'evil.example',
      'localhost.evil.example:8083',
      '127.0.0.1.evil.example',
      'evil.example.',
      'evil.example:8083:8083',
      'evil.example@127.0.0.1',
      '127.0.0.1@evil.example',
      '2130706433',
      '0x7f.1',
      '[evil.example]',
      '[::1].evil.example',
      '::1',
      'localhosts',
      'notlocalhost',
    ]) {
      assert.equal(await status(host), 403, host)
    }
  })

  test('an unforeseen failure is 500 without our insides, and logged', async () => {
    await using api = await TestApi.open()
    api.deps.clusterId = async () => {
      throw new TypeError('canary secret')
    }
    const answer = await api.call('GET', '/?access_token=canary')
    assertRefused(answer, [500], 'GET /')
    assert.doesNotMatch(answer.body, /canary/)
    const [line = ''] = api.logged.filter(logged => logged.startsWith('A request failed.'))
    assert.ok(line !== '' && !line.includes('access_token'), line)
  })

  test('no combination of method, path and body ends in a 5xx or in another shape', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    const segment = fc.oneof(
      fc.constantFrom(
        'connectors',
        'a',
        'config',
        'status',
        'tasks',
        '0',
        'restart',
        'offsets',
        'topics',
        'reset',
        'stop',
        'pause',
      ),
      fc.constantFrom(
        'connector-plugins',
        'BigQuerySink',
        'validate',
        'admin',
        'loggers',
        'root',
        '%2D%3E',
        '%00',
        '..',
        '%',
        'api',
        'v1',
      ),
    )
    const method = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS') as fc.Arbitrary<
      NonNullable<InjectOptions['method']>
    >
    const body = fc.oneof(
      fc.constant(undefined),
      fc.json(),
      fc.string(),
      fc.constant(JSON.stringify({ name: 'b', config: CONFIG })),
    )
    await fc.assert(
      fc.asyncProperty(method, fc.array(segment, { maxLength: 5 }), body, async (verb, segments, payload) => {
        const answer = await api.call(verb, `/${segments.join('/')}`, payload)
        const isClusterScope = answer.statusCode === 501
        assert.ok(answer.statusCode < 500 || isClusterScope, `${answer.statusCode} ${answer.body}`)
        if (answer.statusCode >= 400 && verb !== 'HEAD') assert.equal(answer.json().error_code, answer.statusCode)
      }),
      { numRuns: 500 },
    )
  })
})

describe('the listener', () => {
  test('answers over a real socket, and close ends what is still waiting', async () => {
    await using api = await TestApi.open()
    const running = await startApi(api.deps, { listeners: [{ scheme: 'http', host: '127.0.0.1', port: 0 }] })
    const response = await fetch(`${running.url}/connectors`)
    assert.deepEqual([response.status, await response.json()], [200, []])
    const arrived = Promise.withResolvers<void>()
    api.deps.clusterId = () => {
      arrived.resolve()
      return new Promise(() => {})
    }
    const waiting = fetch(`${running.url}/`)
    await arrived.promise
    await running.close()
    const cut = await waiting
    assert.equal(cut.status, 503)
    assert.deepEqual(await cut.json(), { error_code: 503, message: 'The worker is shutting down.' })
    await assert.rejects(fetch(`${running.url}/connectors`))
  })

  test('survives requests that are no HTTP', async () => {
    await using api = await TestApi.open()
    const running = await startApi(api.deps, { listeners: [{ scheme: 'http', host: '127.0.0.1', port: 0 }] })
    const { hostname, port } = new URL(running.url)
    for (const raw of [
      '\u0000\u0001',
      'GET / HTTP/1.1\r\nHost: a b\r\n\r\n',
      'TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n',
      'GET / HTTP/1.0\r\n\r\n',
      'POST /connectors HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nxyz',
    ]) {
      const socket = createConnection({ host: hostname, port: Number(port) })
      socket.end(raw)
      let answer = ''
      for await (const chunk of socket) answer += chunk
      assert.match(answer, /^HTTP\/1\.1 \d{3} /, JSON.stringify(raw))
    }
    assert.equal((await fetch(`${running.url}/connectors`)).status, 200)
    await running.close()
  })

  test('a taken port is PORT_IN_USE', async () => {
    await using api = await TestApi.open()
    const running = await startApi(api.deps, { listeners: [{ scheme: 'http', host: '127.0.0.1', port: 0 }] })
    const port = Number(new URL(running.url).port)
    await assert.rejects(
      startApi(api.deps, { listeners: [{ scheme: 'http', host: '127.0.0.1', port }] }),
      error =>
        isMillraceError(error) &&
        error.code === 'PORT_IN_USE' &&
        error.message.includes(`listeners: port 127.0.0.1:${port}`),
    )
    await running.close()
  })

  test('without authentication it listens on loopback only', async () => {
    await using api = await TestApi.open()
    for (const host of [
      '0.0.0.0',
      '::',
      '',
      '192.168.1.2',
      'example.com',
      '127.0.0.1.example.com',
      'localhost.example.com',
    ]) {
      await assert.rejects(
        startApi(api.deps, { listeners: [{ scheme: 'http', host, port: 0 }] }),
        error => isMillraceError(error) && error.code === 'CONFIG_INVALID' && error.message.startsWith('listeners: '),
        host,
      )
    }
    for (const host of ['localhost', '[::1]', '127.0.0.2']) {
      const running = await startApi(api.deps, { listeners: [{ scheme: 'http', host, port: 0 }] })
      assert.equal((await fetch(`${running.url}/connectors`)).status, 200)
      await running.close()
    }
  })
})
