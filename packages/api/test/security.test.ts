// Who may ask what: roles by route, before any route runs.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { describe, test } from 'node:test'
import { ANONYMOUS, type Authenticator, buildApi, OPEN, type Principal } from '../src/index.ts'
import { ROLES } from '../src/security/principal.ts'
import { ROLE_OF_ROUTE } from '../src/security/route-roles.ts'
import { TestApi } from './support/test-api.ts'

/** Believes what it is told. */
const trusting: Authenticator = {
  authenticate: async ({ authorization }) =>
    authorization === undefined
      ? { kind: 'unknown', challenge: 'Basic realm="millrace"' }
      : { kind: 'known', principal: JSON.parse(authorization) as Principal },
}
const as = (role: string): string => JSON.stringify({ name: 'ann', role })

async function guarded(api: TestApi): Promise<ReturnType<typeof buildApi>> {
  const app = buildApi(api.deps, api.closing.signal, { ...OPEN, authenticator: trusting })
  await app.ready()
  return app
}

describe('roles', () => {
  test('every line of the table is a route, and a route without a line keeps the server from starting', async () => {
    await using api = await TestApi.open()
    for (const line of ROLE_OF_ROUTE.keys()) {
      const [method, url] = line.split(' ') as ['GET', string]
      assert.ok(api.app.hasRoute({ method, url }), `${line} is a route`)
    }
    const app = buildApi(api.deps, api.closing.signal)
    assert.throws(() => app.get('/forgotten', async () => ({})), /Route GET \/forgotten has no role/)
  })

  test('each role may ask for its routes and those below, and nothing above', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    const app = await guarded(api)
    for (const [line, needed] of ROLE_OF_ROUTE) {
      if (needed === 'viewer' && line.endsWith('/events')) continue // an answer without end, which all three may have
      const [method, pattern] = line.split(' ') as ['GET', string]
      const url = pattern.replace(/:[a-z]+/g, '0')
      for (const role of ROLES) {
        const { statusCode, body } = await app.inject({ method, url, headers: { authorization: as(role) } })
        const isAllowed = ROLES.indexOf(role) >= ROLES.indexOf(needed)
        if (isAllowed) assert.ok(statusCode !== 403 && statusCode !== 401, `${role} ${line}: ${statusCode} ${body}`)
        else assert.equal(statusCode, 403, `${role} ${line}`)
        if (!isAllowed) assert.match(body, new RegExp(`needs the role ${needed}, and ann is ${role}`))
      }
    }
  })

  test('who is not known learns nothing: not even which paths there are', async () => {
    await using api = await TestApi.open()
    const app = await guarded(api)
    for (const line of [...ROLE_OF_ROUTE.keys(), 'GET /nowhere', 'OPTIONS /connectors', 'TRACE /connectors']) {
      const [method, url] = line.split(' ') as ['GET', string]
      const answer = await app.inject({ method, url, remoteAddress: '10.0.0.9' })
      assert.equal(answer.statusCode, 401, `${line}: ${answer.body}`)
      assert.deepEqual(answer.json(), { error_code: 401, message: 'User cannot access the resource.' }, line)
      assert.equal(answer.headers['www-authenticate'], 'Basic realm="millrace"', line)
    }
  })

  test('a probe on the same machine may ask for /health without a password, and for nothing else', async () => {
    await using api = await TestApi.open()
    const app = await guarded(api)
    assert.equal((await app.inject({ url: '/health', remoteAddress: '127.0.0.1' })).statusCode, 200)
    assert.equal((await app.inject({ url: '/health', remoteAddress: '::ffff:127.0.0.1' })).statusCode, 200)
    assert.equal((await app.inject({ url: '/health', remoteAddress: '10.0.0.9' })).statusCode, 401)
    assert.equal((await app.inject({ url: '/', remoteAddress: '127.0.0.1' })).statusCode, 401)
  })

  test('without authentication everybody is the anonymous admin, and routes see who asks', async () => {
    await using api = await TestApi.open()
    const seen: Principal[] = []
    for (const security of [OPEN, { ...OPEN, authenticator: trusting }]) {
      const app = buildApi(api.deps, api.closing.signal, security)
      app.addHook('preHandler', async request => {
        seen.push(request.principal)
      })
      await app.inject({ url: '/connectors', headers: { authorization: as('viewer') } })
    }
    assert.deepEqual(seen, [ANONYMOUS, { name: 'ann', role: 'viewer' }])
  })
})

describe('a stream of events', () => {
  test('ends for who is not known any more, and goes on for the others', async () => {
    await using api = await TestApi.open()
    const users = new Map([
      ['ann', 'viewer'],
      ['bob', 'viewer'],
    ])
    const authenticator: Authenticator = {
      authenticate: async ({ authorization = '' }) =>
        users.has(authorization)
          ? { kind: 'known', principal: { name: authorization, role: 'viewer' } }
          : { kind: 'unknown', challenge: 'Basic' },
    }
    const app = buildApi(api.deps, api.closing.signal, { ...OPEN, authenticator })
    const url = await app.listen({ host: '127.0.0.1', port: 0 })
    const listen = async (authorization: string): Promise<IncomingMessage> => {
      const [response] = await once(get(`${url}/api/v1/events`, { headers: { authorization } }), 'response')
      return response.on('error', () => {}).resume()
    }
    const [ann, bob] = [await listen('ann'), await listen('bob')]
    assert.deepEqual([ann.statusCode, bob.statusCode], [200, 200])
    await api.time.advance(60_000)
    assert.ok(!ann.closed && !bob.closed)
    const ended = new Promise<void>(resolve => ann.once('close', () => resolve()))
    users.delete('ann')
    await api.time.advance(15_000)
    await ended
    assert.equal(bob.closed, false)
    api.closing.abort()
    await app.close()
  })
})

describe('pages of other origins', () => {
  test('change nothing, not even by a request without a body, while those of this server may', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    const restart = async (origin: string): Promise<number> =>
      (
        await api.app.inject({
          method: 'POST',
          url: '/connectors/a/restart',
          headers: { host: 'localhost:8083', origin },
        })
      ).statusCode
    for (const origin of ['http://evil.example', 'null', 'http://localhost:9999', 'http://localhost:8083.evil.example'])
      assert.equal(await restart(origin), 403, origin)
    assert.equal(await restart('http://localhost:8083'), 204)
    assert.equal(await restart('https://LOCALHOST:8083'), 204)
  })
})

describe('configured origins', () => {
  const cors = { origins: ['https://ui.example'], methods: ['GET', 'PUT'] }
  const from = (origin: string, more: Record<string, string> = {}): Record<string, string> => ({
    host: 'localhost:8083',
    origin,
    ...more,
  })
  const preflight = { 'access-control-request-method': 'PUT' }

  test('may use the configured methods, and ask first without a password', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    const app = buildApi(api.deps, api.closing.signal, { ...OPEN, authenticator: trusting, cors })
    const url = '/connectors/a/pause'
    const asked = await app.inject({ method: 'OPTIONS', url, headers: from('https://ui.example', preflight) })
    assert.equal(asked.statusCode, 204)
    assert.equal(asked.headers['access-control-allow-origin'], 'https://ui.example')
    assert.equal(asked.headers['access-control-allow-methods'], 'GET, PUT')
    assert.match(String(asked.headers['access-control-allow-headers']), /authorization/)
    assert.equal(asked.headers['access-control-allow-credentials'], undefined, 'no remembered passwords')
    const known = { authorization: as('admin') }
    const put = await app.inject({ method: 'PUT', url, headers: from('https://ui.example', known) })
    assert.equal(put.statusCode, 202)
    assert.equal(put.headers['access-control-allow-origin'], 'https://ui.example')
    assert.equal(put.headers.vary, 'origin')
    const deleting = { method: 'DELETE', url: '/connectors/a', headers: from('https://ui.example', known) } as const
    assert.equal((await app.inject(deleting)).statusCode, 403, 'a method that is not listed')
    const refusal = await app.inject({ url: '/connectors', headers: from('https://ui.example') })
    assert.equal(refusal.statusCode, 401)
    assert.equal(refusal.headers['access-control-allow-origin'], 'https://ui.example', 'the page can read why')
  })

  test('and no others: their preflight is not answered, and without the key nobody’s is', async () => {
    await using api = await TestApi.open()
    for (const security of [OPEN, { ...OPEN, cors }]) {
      const app = buildApi(api.deps, api.closing.signal, security)
      for (const method of ['OPTIONS', 'GET'] as const) {
        const headers = from('https://evil.example', preflight)
        const answer = await app.inject({ method, url: '/connectors', headers })
        assert.equal(answer.headers['access-control-allow-origin'], undefined)
      }
      const write = { method: 'PUT', url: '/connectors/a/pause', headers: from('https://evil.example') } as const
      assert.equal((await app.inject(write)).statusCode, 403)
    }
  })
})

describe('headers and rates', () => {
  test('configured headers are on every answer, refusals too', async () => {
    await using api = await TestApi.open()
    const headers = [
      { action: 'set', name: 'Cache-Control', value: 'no-cache, no-store' },
      { action: 'add', name: 'Cache-Control', value: 'private' },
      { action: 'setDate', name: 'Expires', value: '31540000000' },
    ] as const
    const app = buildApi(api.deps, api.closing.signal, { ...OPEN, authenticator: trusting, headers })
    for (const url of ['/health', '/nowhere']) {
      const answer = await app.inject({ url })
      assert.equal(answer.headers['cache-control'], 'no-cache, no-store, private')
      assert.equal(answer.headers['x-content-type-options'], 'nosniff')
      assert.equal(answer.headers.expires, new Date(api.time.nowMs() + 31_540_000_000).toUTCString())
    }
  })

  test('an address over its rate is told how long to wait, and takes nothing from the others', async () => {
    await using api = await TestApi.open()
    const app = buildApi(api.deps, api.closing.signal, { ...OPEN, rates: { all: 10, perAddress: 5 } })
    const burst = async (remoteAddress: string, count: number): Promise<number> => {
      let answered = 0
      for (let i = 0; i < count; i++) {
        const answer = await app.inject({ url: '/connectors', remoteAddress })
        if (answer.statusCode === 200) answered += 1
        else {
          assert.equal(answer.statusCode, 429)
          assert.equal(answer.headers['retry-after'], '1')
          assert.equal(answer.json().error_code, 429)
        }
      }
      return answered
    }
    assert.equal(await burst('10.0.0.1', 100), 20)
    assert.equal(await burst('10.0.0.2', 20), 20, 'the others have theirs')
    assert.equal(await burst('10.0.0.3', 10), 0, 'until all together have had theirs')
    api.time.jump(1_000)
    assert.equal(await burst('10.0.0.1', 10), 5)
  })
})
