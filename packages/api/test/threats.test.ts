// Ways around the guard that were tried elsewhere: forged headers, internal endpoints, other protocols, tokens in the wrong place.
import assert from 'node:assert/strict'
import { createConnection } from 'node:net'
import { describe, test } from 'node:test'
import { BasicAuthenticator, buildApi, hashPassword, OPEN, parseUsers, startApi } from '../src/index.ts'
import { CONFIG, TestApi } from './support/test-api.ts'

const CANARY = 'c4n4ry'
const CHEAP = { cost: 2, blockSize: 1, parallelization: 1 }
const basic = (name: string, password: string): string =>
  `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
const ANN = { authorization: basic('ann', `${CANARY}-right`) }
const FAR = '192.0.2.7'

async function guarded(api: TestApi): Promise<ReturnType<typeof buildApi>> {
  const users = parseUsers(`ann:admin:${await hashPassword(`${CANARY}-right`, CHEAP)}`)
  const security = { ...OPEN, authenticator: new BasicAuthenticator(() => users, api.time) }
  return buildApi(api.deps, api.closing.signal, security)
}

describe('ways around the log-in', () => {
  test('tokens of other kinds, in other places, or of nobody are no log-in', async () => {
    await using api = await TestApi.open()
    const app = await guarded(api)
    const none = Buffer.from('{"alg":"none"}').toString('base64url')
    const jwt = `${none}.${Buffer.from('{"sub":"ann","role":"admin"}').toString('base64url')}.`
    const password = `${CANARY}-right`
    for (const [url, headers] of [
      ['/connectors', { authorization: `Bearer ${jwt}` }],
      ['/connectors', { authorization: `basic-ish ${ANN.authorization.slice(6)}` }],
      ['/connectors', { 'proxy-authorization': ANN.authorization }],
      ['/connectors', { cookie: `authorization=${ANN.authorization}` }],
      ['/connectors', { 'x-forwarded-user': 'ann', 'x-remote-user': 'ann' }],
      [`/connectors?user=ann&password=${password}&access_token=${jwt}`, {}],
      ['/connectors', { authorization: `Basic ${'A'.repeat(12_000)}` }],
      ['/connectors', { authorization: basic('__proto__', password) }],
      ['/connectors', { authorization: basic('', '') }],
    ] as const) {
      const answer = await app.inject({ url, headers, remoteAddress: FAR })
      assert.ok([401, 429].includes(answer.statusCode), `${url} ${JSON.stringify(headers)}: ${answer.statusCode}`)
      assert.ok(!answer.body.includes(CANARY), 'and it is not repeated')
    }
    assert.ok(!api.logged.join().includes(CANARY), 'nor logged')
    assert.equal((await app.inject({ url: '/connectors', headers: ANN, remoteAddress: FAR })).statusCode, 200)
  })

  test('headers of proxies move nobody: neither to this machine nor away from the limit of guesses', async () => {
    await using api = await TestApi.open()
    const app = await guarded(api)
    for (const name of ['x-forwarded-for', 'x-real-ip', 'forwarded', 'x-client-ip', 'true-client-ip']) {
      const headers = { [name]: name === 'forwarded' ? 'for=127.0.0.1' : '127.0.0.1' }
      assert.equal((await app.inject({ url: '/health', headers, remoteAddress: FAR })).statusCode, 401, name)
    }
    const codes: number[] = []
    for (let i = 0; i < 15; i++) {
      const headers = { authorization: basic('ann', `guess ${i}`), 'x-forwarded-for': `10.0.0.${i}` }
      codes.push((await app.inject({ url: '/connectors', headers, remoteAddress: FAR })).statusCode)
    }
    assert.deepEqual(
      codes.slice(0, 10),
      Array.from({ length: 10 }, () => 401),
    )
    assert.deepEqual(
      codes.slice(10),
      Array.from({ length: 5 }, () => 429),
    )
  })

  test('the internal endpoints of Connect are not there, signed or not, and change nothing', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    const version = api.store.read().connectors.get('a')?.version
    const signed = {
      'x-connect-authorization': Buffer.from('forged').toString('base64'),
      'x-connect-request-signature-algorithm': 'HmacSHA256',
      'content-type': 'application/json',
    }
    const app = await guarded(api)
    for (const [method, url] of [
      ['POST', '/connectors/a/tasks'],
      ['PUT', '/connectors/a/fence'],
      ['PUT', '/connectors/a/config?forward=true'],
      ['DELETE', '/connectors/a?forward=false'],
    ] as const) {
      const payload = JSON.stringify({ ...CONFIG, 'tasks.max': '9' })
      const stranger = await app.inject({ method, url, headers: signed, payload, remoteAddress: FAR })
      assert.equal(stranger.statusCode, 401, `${method} ${url}`)
      if (url.includes('?')) continue
      const admin = await app.inject({ method, url, headers: { ...signed, ...ANN }, payload })
      assert.ok([404, 405].includes(admin.statusCode), `${method} ${url}: ${admin.statusCode}`)
    }
    assert.equal(api.store.read().connectors.get('a')?.version, version)
  })

  test('no answer has a stack, whoever asks', async () => {
    await using api = await TestApi.open()
    api.deps.configStore.refresh = () => Promise.reject(new Error(`deep inside ${CANARY}`))
    const app = await guarded(api)
    for (const [url, headers] of [
      ['/connectors/none', ANN],
      ['/connectors/none', {}],
      ['/%', ANN],
    ] as const) {
      const { body } = await app.inject({ url, headers, remoteAddress: FAR })
      assert.deepEqual(Object.keys(JSON.parse(body)), ['error_code', 'message'], url)
      assert.ok(!/\bat .*:\d+|node_modules|deep inside/.test(body), body)
    }
  })
})

describe('one connection', () => {
  test('is not logged in by its first request: each in a pipeline shows who it is from', async () => {
    await using api = await TestApi.open()
    const users = parseUsers(`ann:admin:${await hashPassword(`${CANARY}-right`, CHEAP)}`)
    const running = await startApi(api.deps, {
      listeners: [{ scheme: 'http', host: '127.0.0.1', port: 0 }],
      security: { ...OPEN, authenticator: new BasicAuthenticator(() => users, api.time) },
    })
    const get = (headers: string): string => `GET /connectors HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`
    const known = `Authorization: ${ANN.authorization}\r\n`
    const exchange = async (bytes: string): Promise<readonly string[] | null> => {
      const socket = createConnection({ host: '127.0.0.1', port: Number(new URL(running.url).port) })
      socket.setEncoding('utf8').write(bytes)
      let text = ''
      for await (const chunk of socket) text += chunk
      return text.match(/HTTP\/1\.1 \d+/g)
    }
    const close = 'Connection: close\r\n'
    const pipeline = await exchange(get(known) + get('') + get(known + close))
    assert.deepEqual(pipeline, ['HTTP/1.1 200', 'HTTP/1.1 401', 'HTTP/1.1 200'])
    const upgrade = 'Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n'
    assert.deepEqual(await exchange(get(upgrade)), ['HTTP/1.1 401'], 'nor by another protocol')
    await running.close()
  })
})
