import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { Secret } from '@millrace/core'
import { type ClientRole, clientSettings, type Properties } from '../src/client-settings.ts'
import type { ClientSettings } from '../src/client-settings-type.ts'
import { parseJaas } from '../src/jaas.ts'
import { type Fetch, OauthTokens } from '../src/oauth-token.ts'
import { pkcs12Certificates } from '../src/pkcs12-certificates.ts'

const clock = { nowMs: () => 0, monotonicMs: () => 0 }
const noFetch: Fetch = async () => {
  throw new Error('not expected')
}
const make = (properties: Properties, role: ClientRole = 'consumer'): ClientSettings =>
  clientSettings({ 'bootstrap.servers': 'k:9092', ...properties }, role, { clock, fetch: noFetch })
const PLAIN = 'org.apache.kafka.common.security.plain.PlainLoginModule'
const SCRAM = 'org.apache.kafka.common.security.scram.ScramLoginModule'

test('bootstrap.servers takes hosts, IPv6 addresses and listener prefixes', () => {
  const { bootstrap } = make({ 'bootstrap.servers': 'a.b:1, [::1]:2 ,PLAINTEXT://c_d:3,' })
  assert.deepEqual(bootstrap, [
    { host: 'a.b', port: 1 },
    { host: '::1', port: 2 },
    { host: 'c_d', port: 3 },
  ])
})

test('plain text is the default, and a role prefix wins for its role only', () => {
  const properties = { 'client.id': 'all', 'consumer.client.id': 'mine', 'producer.request.timeout.ms': '5' }
  assert.deepEqual([make(properties).ssl, make(properties).sasl], [null, null])
  assert.equal(make(properties).clientId, 'mine')
  assert.equal(make(properties, 'producer').clientId, 'all')
  assert.equal(make(properties, 'producer').requestTimeoutMs, 5)
  assert.equal(make(properties).requestTimeoutMs, 30_000)
})

const REFUSED: readonly (readonly [Properties, string, RegExp])[] = [
  [{ 'bootstrap.servers': '' }, 'CONFIG_INVALID', /^bootstrap\.servers is missing/],
  [{ 'bootstrap.servers': 'k' }, 'CONFIG_INVALID', /^bootstrap\.servers must be host:port/],
  [{ 'bootstrap.servers': 'k:0' }, 'CONFIG_INVALID', /^bootstrap\.servers/],
  [{ 'bootstrap.servers': 'k:99999' }, 'CONFIG_INVALID', /^bootstrap\.servers/],
  [{ 'consumer.bootstrap.servers': 'k' }, 'CONFIG_INVALID', /^consumer\.bootstrap\.servers/],
  [{ 'security.protocol': 'TLS' }, 'CONFIG_INVALID', /^security\.protocol must be one of PLAINTEXT, SSL/],
  [{ 'request.timeout.ms': '-1' }, 'CONFIG_INVALID', /^request\.timeout\.ms/],
  [{ 'security.protocol': 'SASL_SSL' }, 'NOT_SUPPORTED', /^sasl\.mechanism GSSAPI is not supported/],
  [
    { 'security.protocol': 'SASL_SSL', 'sasl.mechanism': 'AWS_MSK_IAM' },
    'NOT_SUPPORTED',
    /^sasl\.mechanism AWS_MSK_IAM/,
  ],
  [{ 'security.protocol': 'SASL_SSL', 'sasl.mechanism': 'PLAIN' }, 'CONFIG_INVALID', /^sasl\.jaas\.config is missing/],
  [
    {
      'security.protocol': 'SASL_SSL',
      'sasl.mechanism': 'PLAIN',
      'sasl.jaas.config': 'com.sun.security.auth.module.JndiLoginModule required user.provider.url="ldap://evil";',
    },
    'CONFIG_INVALID',
    /^sasl\.jaas\.config must name org\.apache\.kafka\.common\.security\.plain\.PlainLoginModule/,
  ],
  [
    {
      'security.protocol': 'SASL_SSL',
      'sasl.mechanism': 'PLAIN',
      'sasl.jaas.config': `${PLAIN} required username="a";`,
    },
    'CONFIG_INVALID',
    /^sasl\.jaas\.config must have username and password/,
  ],
  [{ 'security.protocol': 'SSL', 'ssl.endpoint.identification.algorithm': 'none' }, 'CONFIG_INVALID', /^ssl\.endpoint/],
  [
    { 'security.protocol': 'SSL', 'ssl.truststore.certificates': 'x' },
    'CONFIG_INVALID',
    /^ssl\.truststore\.type must be PEM/,
  ],
  [
    { 'security.protocol': 'SSL', 'ssl.truststore.type': 'PEM', 'ssl.truststore.certificates': 'x' },
    'CONFIG_INVALID',
    /^ssl\.truststore\.certificates holds no PEM certificate/,
  ],
  [
    { 'security.protocol': 'SSL', 'ssl.keystore.type': 'PEM', 'ssl.keystore.certificate.chain': 'x' },
    'CONFIG_INVALID',
    /^ssl\.keystore\.certificate\.chain holds no PEM certificate/,
  ],
]

test('what cannot be used is refused with an error that begins with its key', () => {
  for (const [properties, code, message] of REFUSED)
    assert.throws(() => make(properties), { code, message }, JSON.stringify(properties))
})

const oauth = (url: string): Properties => ({
  'security.protocol': 'SASL_SSL',
  'sasl.mechanism': 'OAUTHBEARER',
  'sasl.oauthbearer.token.endpoint.url': url,
  'sasl.login.callback.handler.class': 'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler',
  'sasl.jaas.config':
    'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required clientId="i" clientSecret="s" extension_logicalCluster="lkc-1";',
})

test('a token endpoint is https, or plain http on a loopback address', () => {
  for (const url of ['https://login.example/token', 'http://127.0.0.1:1/t', 'http://localhost/t', 'http://[::1]/t'])
    make(oauth(url))
  for (const url of ['http://login.example/t', 'file:///etc/passwd', 'login', 'http://127.0.0.1.evil.example/t'])
    assert.throws(() => make(oauth(url)), {
      code: 'CONFIG_INVALID',
      message: /^sasl\.oauthbearer\.token\.endpoint\.url must be an https URL/,
    })
  const foreign = { ...oauth('https://a/b'), 'sasl.login.callback.handler.class': 'com.example.Evil' }
  assert.throws(() => make(foreign), { code: 'NOT_SUPPORTED' })
})

test('a password in any form is accepted, used, and never shown', () => {
  const canary = 'can"ary\\'
  const jaas = `${SCRAM} required username='u' password="can\\"ary\\\\" ;`
  for (const value of [jaas, new Secret(jaas)]) {
    const settings = make({
      'security.protocol': 'SASL_PLAINTEXT',
      'sasl.mechanism': 'scram-sha-512',
      'sasl.jaas.config': value,
    })
    assert.deepEqual(settings.sasl?.(), { mechanism: 'scram-sha-512', username: 'u', password: canary })
    assert.doesNotMatch(inspect(settings, { depth: 9 }) + JSON.stringify(settings), /ary/)
  }
})

test('sasl.jaas.config is parsed as Java does, and its errors show no value', () => {
  assert.deepEqual(
    [...parseJaas(`a.B required\n x="1;2=3" y='q"q' z=bare empty="";`).options],
    [
      ['x', '1;2=3'],
      ['y', 'q"q'],
      ['z', 'bare'],
      ['empty', ''],
    ],
  )
  for (const bad of [
    '',
    'a.B',
    'a.B required',
    'a.B maybe x="1";',
    'a.B required x="secret',
    'a.B required x secret;',
    'a.B required x="secret"',
    'a.B required x="secret"; c.D required;',
    '"a" required;',
  ])
    assert.throws(
      () => parseJaas(bad),
      (error: Error) => /^sasl\.jaas\.config /.test(error.message) && !error.message.includes('secret'),
      bad,
    )
})

test('a token is renewed at three quarters of its life, by one request at a time', async () => {
  let nowMs = 0
  let requests = 0
  const answer = async (): Promise<Response> => {
    requests++
    return Response.json({ access_token: `token-${requests}`, expires_in: 100 })
  }
  const source = { tokenEndpoint: new URL('https://a/b'), clientId: 'i', clientSecret: new Secret('s'), scope: null }
  const tokens = new OauthTokens(source, { nowMs: () => nowMs, monotonicMs: () => nowMs }, answer)
  assert.deepEqual(await Promise.all([tokens.token(), tokens.token()]), ['token-1', 'token-1'])
  nowMs = 74_999
  assert.equal(await tokens.token(), 'token-1')
  nowMs = 75_000
  assert.equal(await tokens.token(), 'token-2')
})

test('a token endpoint that refuses, fails or answers nonsense is told apart, without the secret', async () => {
  const cases: readonly (readonly [() => Response, string, string])[] = [
    [() => new Response('{}', { status: 401 }), 'KAFKA_AUTH_FAILED', 'failPartition'],
    [() => new Response('{}', { status: 503 }), 'KAFKA_UNREACHABLE', 'retry'],
    [() => new Response('<html>'), 'KAFKA_UNREACHABLE', 'retry'],
    [() => Response.json({}), 'KAFKA_AUTH_FAILED', 'failPartition'],
    [() => Response.json(null), 'KAFKA_AUTH_FAILED', 'failPartition'],
  ]
  for (const [respond, code, disposition] of cases) {
    const source = {
      tokenEndpoint: new URL('https://a/b'),
      clientId: 'i',
      clientSecret: new Secret('hush'),
      scope: 'x',
    }
    const tokens = new OauthTokens(source, clock, async () => respond())
    await assert.rejects(tokens.token(), (error: Error & { code: string; disposition: string }) => {
      assert.deepEqual([error.code, error.disposition], [code, disposition])
      return !inspect(error).includes('hush')
    })
  }
})

test('bytes that are no PKCS#12 store are refused, never a crash', () => {
  const inputs = [
    Buffer.alloc(0),
    Buffer.from([0x30]),
    Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, 0xff]),
    Buffer.from('feedfeed', 'hex'),
    Buffer.alloc(2_000, 0x30),
  ]
  for (const input of inputs) assert.throws(() => pkcs12Certificates(input, 'p'), { name: 'Pkcs12Error' })
})

test('settings say which keys a refused login or handshake is about, as the user wrote them', () => {
  const jaas = `${SCRAM} required username="u" password="p";`
  const properties = {
    'sasl.mechanism': 'SCRAM-SHA-256',
    'consumer.sasl.jaas.config': jaas,
    'ssl.truststore.type': 'PEM',
  }
  assert.deepEqual(make(properties).keys, {
    ssl: ['ssl.truststore.location'],
    sasl: ['sasl.mechanism', 'consumer.sasl.jaas.config'],
  })
  const stores = { 'admin.ssl.truststore.certificates': 'x', 'ssl.keystore.location': 'y' }
  assert.deepEqual(make(stores, 'admin').keys?.ssl, ['admin.ssl.truststore.certificates', 'ssl.keystore.location'])
  assert.deepEqual(make(stores).keys?.ssl, ['ssl.truststore.location', 'ssl.keystore.location'])
})
