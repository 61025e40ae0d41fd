// TLS and SASL against a real broker, from Kafka-style properties. Certificates are made here, by openssl and keytool.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { CertificateAuthority, type Kafka, startKafka } from '@millrace/testkit'
import { clientSettings, type Properties } from '../src/client-settings.ts'
import { Cluster } from '../src/cluster.ts'
import { KafkaTopicCatalog } from '../src/topic-catalog.ts'
import { systemDeps, within } from './support.ts'

const PASSWORD = 'store-secret'
let folder: string
let kafka: Kafka
let tokens: Server
let tokenRequests: { authorization: string; body: string }[] = []
const path = (name: string): string => join(folder, name)
const text = (name: string): string => readFileSync(path(name), 'utf8')
const run = (command: string, ...args: string[]): void => {
  execFileSync(command, args, { cwd: folder, stdio: 'pipe' })
}

function makeCertificates(): void {
  const authority = new CertificateAuthority(folder)
  new CertificateAuthority(folder, 'other')
  authority.issue('server', 'IP:127.0.0.1,DNS:localhost')
  authority.issue('wronghost', 'DNS:elsewhere.example')
  authority.issue('client', 'DNS:client')
  run(
    'keytool',
    '-importcert',
    '-noprompt',
    '-alias',
    'ca',
    '-file',
    'ca.pem',
    '-keystore',
    'trust.p12',
    '-storetype',
    'PKCS12',
    '-storepass',
    PASSWORD,
  )
  run(
    'keytool',
    '-importcert',
    '-noprompt',
    '-alias',
    'ca',
    '-file',
    'ca.pem',
    '-keystore',
    'trust.jks',
    '-storetype',
    'JKS',
    '-storepass',
    PASSWORD,
  )
  run(
    'openssl',
    'pkcs12',
    '-export',
    '-nokeys',
    '-in',
    'ca.pem',
    '-out',
    'trust-openssl.p12',
    '-passout',
    `pass:${PASSWORD}`,
  )
  run(
    'openssl',
    'pkcs12',
    '-export',
    '-in',
    'client.pem',
    '-inkey',
    'client.key',
    '-out',
    'client.p12',
    '-passout',
    `pass:${PASSWORD}`,
  )
  run('openssl', 'pkcs8', '-topk8', '-in', 'client.key', '-out', 'client-locked.key', '-passout', `pass:${PASSWORD}`)
}

/** A token endpoint that knows one client, and the unsecured tokens Kafka's own test handler accepts. */
function startTokenEndpoint(): Promise<Server> {
  const part = (json: object): string => Buffer.from(JSON.stringify(json)).toString('base64url')
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', chunk => {
      body += String(chunk)
    })
    request.on('end', () => {
      const authorization = request.headers.authorization ?? ''
      tokenRequests.push({ authorization, body })
      if (authorization !== `Basic ${Buffer.from('me:let%20me%20in').toString('base64')}`) {
        response.writeHead(401).end('{}')
        return
      }
      const now = Math.floor(Date.now() / 1000)
      const token = `${part({ alg: 'none' })}.${part({ sub: 'me', iat: now, exp: now + 300 })}.`
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ access_token: token, expires_in: 300 }))
    })
  })
  return new Promise(resolve => server.listen(0, '127.0.0.1', () => resolve(server)))
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-tls-'))
  makeCertificates()
  tokens = await startTokenEndpoint()
  const listener = (name: string, certificate: string): Record<string, string> => ({
    [`listener.name.${name}.ssl.keystore.type`]: 'PEM',
    [`listener.name.${name}.ssl.keystore.location`]: path(`${certificate}-both.pem`),
    [`listener.name.${name}.ssl.truststore.type`]: 'PEM',
    [`listener.name.${name}.ssl.truststore.location`]: path('ca.pem'),
  })
  kafka = await startKafka({
    listeners: { SECURE: 'SASL_SSL', MUTUAL: 'SSL', WRONGHOST: 'SSL', LOGIN: 'SASL_PLAINTEXT' },
    scramUsers: [
      { mechanism: 'SCRAM-SHA-512', name: 'alice', password: 'alice-secret' },
      { mechanism: 'SCRAM-SHA-256', name: 'alice', password: 'alice-256' },
    ],
    properties: {
      ...listener('secure', 'server'),
      ...listener('mutual', 'server'),
      ...listener('wronghost', 'wronghost'),
      'listener.name.mutual.ssl.client.auth': 'required',
      'listener.name.secure.sasl.enabled.mechanisms': 'SCRAM-SHA-512,SCRAM-SHA-256',
      'listener.name.secure.scram-sha-512.sasl.jaas.config':
        'org.apache.kafka.common.security.scram.ScramLoginModule required;',
      'listener.name.secure.scram-sha-256.sasl.jaas.config':
        'org.apache.kafka.common.security.scram.ScramLoginModule required;',
      'listener.name.login.sasl.enabled.mechanisms': 'PLAIN,OAUTHBEARER',
      'listener.name.login.plain.sasl.jaas.config':
        'org.apache.kafka.common.security.plain.PlainLoginModule required user_bob="bob-secret";',
      'listener.name.login.oauthbearer.sasl.jaas.config':
        'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";',
      // The session ends every 4 s: the login has to be renewed on the connection (KIP-368).
      'listener.name.login.connections.max.reauth.ms': '4000',
    },
  })
})
after(async () => {
  await kafka?.stop()
  tokens?.close()
  if (folder) rmSync(folder, { recursive: true, force: true })
})

const settings = (listener: string, properties: Properties): ReturnType<typeof clientSettings> =>
  clientSettings({ 'bootstrap.servers': kafka.listeners[listener], ...properties }, 'consumer', {
    clock: systemDeps().clock,
    fetch: (url, init) => fetch(url, init),
  })

async function ask(listener: string, properties: Properties, times = 1): Promise<void> {
  const cluster = new Cluster(settings(listener, properties), systemDeps())
  try {
    for (let i = 0; i < times; i++) await cluster.metadata('all', within(20_000))
    await new KafkaTopicCatalog(cluster).partitionCounts('all', within(20_000))
  } finally {
    await cluster.close()
  }
}

const scram = (name: string, password: string): Properties => ({
  'security.protocol': 'SASL_SSL',
  'sasl.mechanism': 'SCRAM-SHA-512',
  'sasl.jaas.config': `org.apache.kafka.common.security.scram.ScramLoginModule required username="${name}" password="${password}";`,
})
const trustPem = (): Properties => ({ 'ssl.truststore.type': 'PEM', 'ssl.truststore.certificates': text('ca.pem') })
const trustP12 = (file = 'trust.p12'): Properties => ({
  'ssl.truststore.type': 'PKCS12',
  'ssl.truststore.location': path(file),
  'ssl.truststore.password': PASSWORD,
})
const refused = { code: 'KAFKA_AUTH_FAILED', disposition: 'failPartition' }

test('SCRAM over TLS with trust from inline PEM, a PEM file, and PKCS#12 of keytool and of OpenSSL', async () => {
  await ask('SECURE', { ...scram('alice', 'alice-secret'), ...trustPem() })
  await ask('SECURE', {
    ...scram('alice', 'alice-secret'),
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.certificates': text('ca.pem').replaceAll('\n', ' '),
  })
  await ask('SECURE', {
    ...scram('alice', 'alice-secret'),
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': path('ca.pem'),
  })
  await ask('SECURE', { ...scram('alice', 'alice-secret'), ...trustP12() })
  await ask('SECURE', { ...scram('alice', 'alice-secret'), ...trustP12('trust-openssl.p12') })
  // Without a type Java says JKS and reads PKCS#12 all the same.
  const { 'ssl.truststore.type': _, ...untyped } = trustP12()
  await ask('SECURE', { ...scram('alice', 'alice-secret'), ...untyped })
  await ask('SECURE', { ...scram('alice', 'alice-256'), 'sasl.mechanism': 'SCRAM-SHA-256', ...trustPem() })
})

test('a wrong password, an unknown authority and a certificate of another host are KAFKA_AUTH_FAILED', async () => {
  await assert.rejects(ask('SECURE', { ...scram('alice', 'wrong'), ...trustPem() }), refused)
  await assert.rejects(ask('SECURE', scram('alice', 'alice-secret')), refused)
  await assert.rejects(
    ask('SECURE', {
      ...scram('alice', 'alice-secret'),
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': path('other.pem'),
    }),
    refused,
  )
  await assert.rejects(ask('WRONGHOST', { 'security.protocol': 'SSL', ...trustPem() }), refused)
})

test('an empty ssl.endpoint.identification.algorithm turns off the host check only', async () => {
  const unchecked = { 'security.protocol': 'SSL', 'ssl.endpoint.identification.algorithm': '' }
  await ask('WRONGHOST', { ...unchecked, ...trustPem() })
  await assert.rejects(ask('WRONGHOST', unchecked), refused)
})

test('mutual TLS with a client certificate from PEM, an encrypted key, and PKCS#12', async () => {
  const ssl = { 'security.protocol': 'SSL', ...trustPem() }
  const pem = { 'ssl.keystore.type': 'PEM', 'ssl.keystore.certificate.chain': text('client.pem') }
  await ask('MUTUAL', { ...ssl, ...pem, 'ssl.keystore.key': text('client.key') })
  await ask('MUTUAL', { ...ssl, ...pem, 'ssl.keystore.key': text('client-locked.key'), 'ssl.key.password': PASSWORD })
  await ask('MUTUAL', { ...ssl, 'ssl.keystore.type': 'PEM', 'ssl.keystore.location': path('client-both.pem') })
  await ask('MUTUAL', {
    ...ssl,
    'ssl.keystore.type': 'PKCS12',
    'ssl.keystore.location': path('client.p12'),
    'ssl.keystore.password': PASSWORD,
  })
  await assert.rejects(ask('MUTUAL', ssl), /certificate|alert|ECONNRESET|closed/i)
})

test('PLAIN with the right password only', async () => {
  const plain = (password: string): Properties => ({
    'security.protocol': 'SASL_PLAINTEXT',
    'sasl.mechanism': 'PLAIN',
    'sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required username="bob" password="${password}";`,
  })
  await ask('LOGIN', plain('bob-secret'))
  await assert.rejects(ask('LOGIN', plain('wrong')), refused)
})

test('OAUTHBEARER gets one token for many connections, which are replaced before their session ends', async () => {
  const { port } = tokens.address() as AddressInfo
  const oauth = (secret: string): Properties => ({
    'security.protocol': 'SASL_PLAINTEXT',
    'sasl.mechanism': 'OAUTHBEARER',
    'sasl.oauthbearer.token.endpoint.url': `http://127.0.0.1:${port}/token`,
    'sasl.jaas.config': `org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required clientId="me" clientSecret="${secret}" scope="kafka";`,
  })
  tokenRequests = []
  const shared = settings('LOGIN', oauth('let me in'))
  const cluster = new Cluster(shared, systemDeps())
  const end = performance.now() + 6_000 // beyond one session of 4 s
  let asked = 0
  while (performance.now() < end) {
    await cluster.metadata('all', within(5_000))
    asked++
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  await cluster.close()
  assert.ok(asked > 20)
  assert.equal(tokenRequests.length, 1)
  assert.equal(tokenRequests[0]!.body, 'grant_type=client_credentials&scope=kafka')
  await assert.rejects(ask('LOGIN', oauth('wrong')), refused)
})

test('unreadable stores name their key', () => {
  const make = (properties: Properties) => () => settings('SECURE', { ...scram('a', 'b'), ...properties })
  assert.throws(
    make({ ...trustP12(), 'ssl.truststore.password': 'wrong' }),
    /ssl\.truststore\.location .*password is wrong/,
  )
  assert.throws(make(trustP12('trust.jks')), /ssl\.truststore\.location/)
  const { 'ssl.truststore.type': _, ...untyped } = trustP12('trust.jks')
  assert.throws(make(untyped), { code: 'NOT_SUPPORTED', message: /keytool -importkeystore/ })
  assert.throws(make(trustP12('nowhere.p12')), /ssl\.truststore\.location cannot be read \(ENOENT\)/)
})
