// Tokens end to end: a TLS Write API and a TLS REST API that check them, and a token endpoint of the test's own.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspect, promisify } from 'node:util'
import { status } from '@grpc/grpc-js'
import { type Clock, type MillraceError, Secret } from '@millrace/core'
import { openCredentials } from '../src/credentials.ts'
import { type CredentialSource, openBigQuery } from '../src/index.ts'
import { TokenCache } from '../src/token-cache.ts'
import { impatientTimers, RecordingListener, request, schema, signal, stream, table, time } from './support/harness.ts'
import { type Answer, type Asked, startHttpServer } from './support/http-server.ts'
import { encode, official } from './support/official-protos.ts'
import { acknowledge, startScriptedServer } from './support/scripted-server.ts'
import { TEST_CA, TEST_CERTIFICATE, TEST_KEY } from './support/test-certificates.ts'

const tls = { key: TEST_KEY, cert: TEST_CERTIFICATE }
const CANARY = 'canary-7f3a9c'
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const serviceAccount = (more: object = {}): object => ({
  type: 'service_account',
  client_email: 'writer@p.iam.gserviceaccount.com',
  private_key_id: CANARY,
  private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  token_uri: `https://${CANARY}.example.com/steal`,
  ...more,
})
const keyJson = (value: object): CredentialSource => ({ kind: 'keyJson', json: new Secret(JSON.stringify(value)) })

/** Hands out `token-1`, `token-2`, … and remembers what it was asked. */
async function startTokenEndpoint(answer?: (asked: Asked, count: number) => Answer | Promise<Answer>) {
  let count = 0
  return await startHttpServer(asked => {
    count++
    return (
      answer?.(asked, count) ?? {
        status: 200,
        body: { access_token: `token-${count}`, expires_in: 3600, token_type: 'Bearer' },
      }
    )
  })
}

/** Both APIs over TLS, each accepting exactly the tokens in `good`. */
async function startApis(good: Set<string>, seen: string[] = []) {
  const stack = new AsyncDisposableStack()
  const isGood = (authorization: string): boolean => {
    seen.push(authorization)
    return good.has(authorization.replace('Bearer ', ''))
  }
  const refusal = { code: status.UNAUTHENTICATED, details: 'Request had invalid authentication credentials.' }
  const grpc = stack.use(
    await startScriptedServer(
      {
        unary: (_method, call, answer) =>
          isGood(String(call.metadata.get('authorization')[0]))
            ? answer(null, encode(official.WriteStream, { name: stream, type: 'COMMITTED' }))
            : answer(refusal),
        append: call => {
          if (!isGood(String(call.metadata.get('authorization')[0]))) call.emit('error', refusal)
          else call.on('data', () => call.write(acknowledge(0)))
        },
      },
      tls,
    ),
  )
  const rest = stack.use(
    await startHttpServer(
      asked =>
        isGood(String(asked.headers.authorization))
          ? { status: 200, body: { type: 'TABLE', creationTime: '1', location: 'US' } }
          : {
              status: 401,
              body: { error: { code: 401, message: 'Invalid Credentials', errors: [{ reason: 'authError' }] } },
            },
      tls,
    ),
  )
  return {
    endpoint: `https://localhost:${grpc.port}`,
    restEndpoint: `https://localhost:${rest.port}`,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

const appendOnce = async (bigquery: Awaited<ReturnType<typeof openBigQuery>>) => {
  const listener = new RecordingListener()
  bigquery.writeStreams.connect(stream, schema, listener).send(request(1, 0))
  return (await listener.hears(1))[0]
}

test('over TLS every call carries the token, which is fetched once for all of them', async () => {
  const seen: string[] = []
  await using apis = await startApis(new Set(['token-1']), seen)
  await using tokens = await startTokenEndpoint()
  await using bigquery = await openBigQuery({
    ...apis,
    ...time,
    ca: TEST_CA,
    credentials: keyJson(serviceAccount()),
    tokenEndpoint: `http://127.0.0.1:${tokens.port}/token`,
  })
  const [append] = await Promise.all([
    appendOnce(bigquery),
    bigquery.writeStreams.exists(stream, { signal }),
    bigquery.tables.get(table, { signal }),
  ])
  assert.equal(append?.kind, 'acknowledged')
  assert.deepEqual(new Set(seen), new Set(['Bearer token-1']))
  assert.equal(tokens.asked.length, 1)
  const assertion = new URLSearchParams(tokens.asked[0]?.text).get('assertion') ?? ''
  const claims = JSON.parse(Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString())
  assert.equal(claims.iss, 'writer@p.iam.gserviceaccount.com')
  assert.match(claims.scope, /auth\/bigquery /)
})

test('a server whose certificate nobody vouched for gets nothing, whatever the environment says', async () => {
  const seen: string[] = []
  await using apis = await startApis(new Set(['token-1']), seen)
  await using tokens = await startTokenEndpoint()
  const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  try {
    await using bigquery = await openBigQuery({
      ...apis,
      ...time,
      timers: impatientTimers,
      credentials: keyJson(serviceAccount()),
      tokenEndpoint: `http://127.0.0.1:${tokens.port}/`,
    })
    const append = await appendOnce(bigquery)
    assert.equal(append?.kind === 'broken' && append.error.code, 'BIGQUERY_UNREACHABLE')
    await assert.rejects(bigquery.tables.get(table, { signal }), { code: 'BIGQUERY_UNREACHABLE' })
    assert.deepEqual(seen, [])
  } finally {
    if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
    else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before
  }
})

test('an authority named by NODE_EXTRA_CA_CERTS is trusted by both APIs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-ca-'))
  try {
    await writeFile(join(folder, 'ca.pem'), TEST_CA)
    await writeFile(join(folder, 'key.json'), JSON.stringify(serviceAccount()))
    await using apis = await startApis(new Set(['token-1']))
    await using tokens = await startTokenEndpoint()
    const script = `
      import { readFileSync } from 'node:fs'
      import { Secret } from '@millrace/core'
      import { openBigQuery } from ${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)}
      import { time, table, stream, signal } from ${JSON.stringify(new URL('./support/harness.ts', import.meta.url).href)}
      const [endpoint, restEndpoint, tokenEndpoint, path] = process.argv.slice(1)
      await using bigquery = await openBigQuery({ ...time, endpoint, restEndpoint, tokenEndpoint, credentials: { kind: 'keyJson', json: new Secret(readFileSync(path, 'utf8')) } })
      await bigquery.tables.get(table, { signal })
      await bigquery.writeStreams.exists(stream, { signal })`
    const args = [
      '--input-type=module',
      '--eval',
      script,
      apis.endpoint,
      apis.restEndpoint,
      `http://127.0.0.1:${tokens.port}/`,
    ]
    await promisify(execFile)(process.execPath, [...args, join(folder, 'key.json')], {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') },
      timeout: 30_000,
    })
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('a token the service does not accept is replaced once, in calls without a word, in appends by a reconnect', async () => {
  await using apis = await startApis(new Set(['token-2', 'token-3']))
  for (const use of ['unary', 'rest', 'append'] as const) {
    await using tokens = await startTokenEndpoint()
    await using bigquery = await openBigQuery({
      ...apis,
      ...time,
      ca: TEST_CA,
      credentials: keyJson(serviceAccount()),
      tokenEndpoint: `http://127.0.0.1:${tokens.port}/`,
    })
    if (use === 'unary') assert.equal(await bigquery.writeStreams.exists(stream, { signal }), true)
    if (use === 'rest') assert.equal((await bigquery.tables.get(table, { signal }))?.creationTime, '1')
    if (use === 'append') {
      const first = await appendOnce(bigquery)
      assert.equal(
        first?.kind === 'broken' && `${first.error.code} ${first.error.disposition}`,
        'BIGQUERY_AUTH_FAILED reconnect',
      )
      assert.equal((await appendOnce(bigquery))?.kind, 'acknowledged')
    }
    assert.equal(tokens.asked.length, 2)
  }
})

test('when the replacement is refused as well, the partition fails', async () => {
  await using apis = await startApis(new Set())
  await using tokens = await startTokenEndpoint()
  await using bigquery = await openBigQuery({
    ...apis,
    ...time,
    ca: TEST_CA,
    credentials: keyJson(serviceAccount()),
    tokenEndpoint: `http://127.0.0.1:${tokens.port}/`,
  })
  const failed = { code: 'BIGQUERY_AUTH_FAILED', disposition: 'failPartition' }
  await assert.rejects(bigquery.writeStreams.exists(stream, { signal }), failed)
  await assert.rejects(bigquery.tables.get(table, { signal }), failed)
  const append = await appendOnce(bigquery)
  assert.equal(append?.kind === 'broken' && append.error.disposition, 'failPartition')
})

test('a token endpoint that refuses fails the partition; one in trouble is asked again later', async () => {
  const cases: readonly (readonly [number, object, string])[] = [
    [400, { error: 'invalid_grant', error_description: `Invalid JWT ${CANARY}` }, 'BIGQUERY_AUTH_FAILED failPartition'],
    [403, { error: CANARY }, 'BIGQUERY_AUTH_FAILED failPartition'],
    [200, { nothing: CANARY }, 'BIGQUERY_AUTH_FAILED failPartition'],
    [500, { error: CANARY }, 'BIGQUERY_UNREACHABLE retry'],
  ]
  for (const [code, body, expected] of cases) {
    await using tokens = await startTokenEndpoint(() => ({ status: code, body }))
    const fetchToken = await openCredentials(keyJson(serviceAccount()), `http://127.0.0.1:${tokens.port}/`)
    const error = await rejection(fetchToken())
    assert.equal(`${error.code} ${error.disposition}`, expected)
    assertWithoutSecrets(error)
  }
  const nobody = await openCredentials(keyJson(serviceAccount()), 'http://127.0.0.1:1/')
  const error = await rejection(nobody())
  assert.equal(`${error.code} ${error.disposition}`, 'BIGQUERY_UNREACHABLE retry')
  assertWithoutSecrets(error)
})

test('a key that is unusable is refused at once, naming what is wrong and quoting nothing', async () => {
  const bad: readonly (readonly [CredentialSource, RegExp])[] = [
    [{ kind: 'keyJson', json: new Secret(`{"private_key": "${CANARY}`) }, /not a JSON object/],
    [{ kind: 'keyJson', json: new Secret(`"${CANARY}"`) }, /not a JSON object/],
    [keyJson(serviceAccount({ private_key: `-----BEGIN PRIVATE KEY-----\n${CANARY}\n` })), /not a valid PEM key/],
    [keyJson({ type: 'service_account', client_email: CANARY }), /lacks client_email or private_key/],
    [keyJson({ type: 'external_account', credential_source: { url: CANARY } }), /type external_account/],
    [keyJson({ type: 'external_account', credential_source: { file: '/etc/passwd' } }), /type external_account/],
    [
      keyJson({ type: 'external_account', credential_source: { executable: { command: CANARY } } }),
      /type external_account/,
    ],
    [keyJson({ type: 'external_account_authorized_user', token_url: CANARY }), /type external_account_authorized_user/],
    [keyJson({ type: 'impersonated_service_account', source_credentials: {} }), /type impersonated_service_account/],
    [keyJson({ type: 'gdch_service_account', token_uri: CANARY }), /type gdch_service_account/],
    [keyJson({ type: 'authorized_user', refresh_token: CANARY }), /type authorized_user/],
    [keyJson({ type: `x ${CANARY}` }), /type unknown/],
  ]
  for (const [source, expected] of bad) {
    const error = await rejection(openBigQuery({ ...time, credentials: source }))
    assert.equal(`${error.code} ${error.disposition}`, 'BIGQUERY_AUTH_FAILED failPartition')
    assert.match(error.message, expected)
    assertWithoutSecrets(error)
  }
})

test('a key is used twice, each time for a token of its own', async () => {
  await using tokens = await startTokenEndpoint()
  const fetchToken = await openCredentials(keyJson(serviceAccount()), `http://127.0.0.1:${tokens.port}/`)
  assert.equal((await fetchToken()).token, 'token-1')
  assert.equal((await fetchToken()).token, 'token-2', 'the library must not serve a token of its own cache')
})

test('whatever addresses a key names, its assertion goes to Google’s token endpoint and nowhere else', async () => {
  const asked: string[] = []
  const proxy = createServer().on('connect', (request, socket) => {
    asked.push(String(request.url))
    socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
  })
  await once(proxy.listen(0, '127.0.0.1'), 'listening')
  const { port } = proxy.address() as AddressInfo
  const before = { ...process.env }
  const names = ['HTTPS_PROXY', 'https_proxy', 'NO_PROXY', 'no_proxy', 'HTTP_PROXY', 'http_proxy'] as const
  for (const name of names) delete process.env[name]
  process.env.HTTPS_PROXY = `http://127.0.0.1:${port}`
  try {
    const evil = `https://${CANARY}.example.com`
    const addresses = {
      token_uri: `${evil}/token`,
      auth_uri: `${evil}/auth`,
      auth_provider_x509_cert_url: `${evil}/certs`,
      client_x509_cert_url: `${evil}/cert`,
      universe_domain: `${CANARY}.example.com`,
      quota_project_id: 'other',
      subject: 'ceo@example.com',
      service_account_impersonation_url: `${evil}/impersonate`,
      credential_source: { url: `${evil}/source`, file: '/etc/passwd', executable: { command: '/bin/false' } },
    }
    const fetchToken = await openCredentials(keyJson(serviceAccount(addresses)), undefined)
    assertWithoutSecrets(await rejection(fetchToken()))
    assert.ok(asked.length > 0, 'it did ask')
    assert.deepEqual(new Set(asked), new Set(['oauth2.googleapis.com:443']))
  } finally {
    for (const name of names) {
      const value = before[name]
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
    proxy.close()
    proxy.closeAllConnections()
  }
})

test('the operator may use application default credentials of another kind', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-adc-'))
  const before = process.env.GOOGLE_APPLICATION_CREDENTIALS
  try {
    const path = join(folder, 'adc.json')
    await writeFile(
      path,
      JSON.stringify({ type: 'authorized_user', client_id: 'c', client_secret: CANARY, refresh_token: 'r' }),
    )
    process.env.GOOGLE_APPLICATION_CREDENTIALS = path
    await using tokens = await startTokenEndpoint()
    const fetchToken = await openCredentials({ kind: 'applicationDefault' }, `http://127.0.0.1:${tokens.port}/`)
    assert.equal((await fetchToken()).token, 'token-1')
    assert.equal((await fetchToken()).token, 'token-2')
    assert.equal(tokens.asked.length, 2)
  } finally {
    if (before === undefined) delete process.env.GOOGLE_APPLICATION_CREDENTIALS
    else process.env.GOOGLE_APPLICATION_CREDENTIALS = before
    await rm(folder, { recursive: true })
  }
})

test('what is closed forgets its token, asks for no other, and connects to nobody', async () => {
  const seen: string[] = []
  await using apis = await startApis(new Set(['token-1', 'token-2']), seen)
  await using tokens = await startTokenEndpoint()
  const bigquery = await openBigQuery({
    ...apis,
    ...time,
    timers: impatientTimers,
    ca: TEST_CA,
    credentials: keyJson(serviceAccount()),
    tokenEndpoint: `http://127.0.0.1:${tokens.port}/`,
  })
  await bigquery.tables.get(table, { signal })
  assert.equal(await bigquery.writeStreams.exists(stream, { signal }), true)
  await bigquery[Symbol.asyncDispose]()
  assert.equal(seen.length, 2)
  assert.equal((await rejection(bigquery.tables.get(table, { signal }))).code, 'BIGQUERY_UNREACHABLE')
  assert.equal((await rejection(bigquery.writeStreams.exists(stream, { signal }))).code, 'BIGQUERY_UNREACHABLE')
  const append = await appendOnce(bigquery)
  assert.equal(append?.kind === 'broken' && append.error.code, 'BIGQUERY_UNREACHABLE')
  assert.deepEqual([seen.length, tokens.asked.length], [2, 1])
})

test('a token that arrives after the end is not kept', async () => {
  const flight = Promise.withResolvers<{ token: string; lifetimeMs: number }>()
  const cache = new TokenCache(() => flight.promise, time.clock, time.timers)
  const asked = cache.token({ signal })
  flight.resolve({ token: CANARY, lifetimeMs: 1_000_000 })
  cache.close()
  assert.equal((await rejection(asked)).code, 'BIGQUERY_UNREACHABLE')
  assert.ok(!inspect(cache, { depth: 5, showHidden: true }).includes(CANARY))
  assert.equal((await rejection(cache.token({ signal }))).message, 'These credentials are not in use any more.')
})

class ManualClock implements Clock {
  ms = 0
  nowMs(): number {
    return this.ms
  }
  monotonicMs(): number {
    return this.ms
  }
}

test('a token serves until three quarters of its life, is renewed aside, and waited for only when it has expired', async () => {
  const clock = new ManualClock()
  const fetches: PromiseWithResolvers<{ token: string; lifetimeMs: number }>[] = []
  const cache = new TokenCache(
    () => {
      const flight = Promise.withResolvers<{ token: string; lifetimeMs: number }>()
      fetches.push(flight)
      return flight.promise
    },
    clock,
    time.timers,
  )
  const ask = () => cache.token({ signal })
  const both = Promise.all([ask(), ask()])
  fetches[0]?.resolve({ token: 'a', lifetimeMs: 1_000_000 })
  assert.deepEqual(await both, ['a', 'a'])
  clock.ms = 740_000
  assert.equal(await ask(), 'a')
  assert.equal(fetches.length, 1)
  clock.ms = 760_000
  assert.equal(await ask(), 'a')
  assert.equal(fetches.length, 2)
  fetches[1]?.reject(new Error('not now'))
  clock.ms = 770_000
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(await ask(), 'a', 'a failed renewal is nobody’s error while the token is good')
  assert.equal(fetches.length, 3)
  clock.ms = 995_000
  const late = ask()
  fetches[2]?.resolve({ token: 'c', lifetimeMs: 1_000_000 })
  assert.equal(await late, 'c')
  cache.close()
})

test('a replacement that is refused at once was never good; one that has served is replaced as well', async () => {
  const clock = new ManualClock()
  let fetched = 0
  const fetch = async () => ({ token: `token ${++fetched}`, lifetimeMs: 3_600_000 })
  const cache = new TokenCache(fetch, clock, time.timers)
  const refusedAfter = async (ms: number) => {
    const token = await cache.token({ signal })
    clock.ms += ms
    return cache.refused(token)
  }
  assert.equal(await refusedAfter(1_000), 'reconnect')
  assert.equal(await refusedAfter(100_000), 'reconnect', 'it replaced one, and has served')
  assert.equal(await refusedAfter(1_000), 'failPartition')
  cache.close()
})

test('one caller that gives up does not take the token from the others', async () => {
  const flight = Promise.withResolvers<{ token: string; lifetimeMs: number }>()
  const cache = new TokenCache(() => flight.promise, new ManualClock(), time.timers)
  const abort = new AbortController()
  const reason = new Error('given up')
  const impatient = cache.token({ signal: abort.signal })
  const patient = cache.token({ signal })
  abort.abort(reason)
  await assert.rejects(impatient, error => error === reason)
  flight.resolve({ token: 'a', lifetimeMs: 1_000_000 })
  assert.equal(await patient, 'a')
  cache.close()
})

test('endpoints are URLs of scheme, host and port, and nothing else', async () => {
  for (const endpoint of ['localhost:9060', 'ftp://x', 'http://user:pass@x', 'https://x/path', 'https://x?y=1', '']) {
    await assert.rejects(openBigQuery({ ...time, endpoint, restEndpoint: 'http://127.0.0.1:1' }), {
      code: 'CONFIG_INVALID',
      message: /bigquery\.endpoint/,
    })
  }
})

async function rejection(promise: Promise<unknown>): Promise<MillraceError> {
  try {
    await promise
  } catch (error) {
    return error as MillraceError
  }
  throw new Error('It did not reject.')
}

function assertWithoutSecrets(error: MillraceError): void {
  const everything = inspect(error, { depth: 20, showHidden: true })
  assert.ok(!everything.includes(CANARY), everything)
  assert.ok(!everything.includes('PRIVATE KEY'), everything)
  assert.ok(!everything.includes('assertion='), everything)
}
