// A worker as a company with a secured Kafka runs it: SASL_SSL with SCRAM, an authority of its own, and ACLs. The common keys
// alone; a user of its own for each kind of client, by prefix; wrong ones; and nowhere a password in what the worker says.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { hashPassword } from '@millrace/api'
import { CertificateAuthority, type DataFolder, dataFolder, type WorkerProcess } from '@millrace/testkit'
import kafkajs, { type AclOperationTypes, type AclResourceTypes } from 'kafkajs'
import { ROLE_OF_ROUTE } from '../../packages/api/src/security/route-roles.ts'
import { runWorker } from './support/short-lived.ts'
import { ask, connectorConfig, DLQ, range, Stage } from './support/stage.ts'

type Settings = Readonly<Record<string, string>>
type Role = 'consumer' | 'producer' | 'admin'

const ROLES: readonly Role[] = ['consumer', 'producer', 'admin']
/** In every password, right or wrong. */
const CANARY = 'c4n4ry'
const passwordOf = (user: string): string => `${CANARY}-${user}`
/** In configs as it is, where no placeholder hides it. */
const LITERAL = 'l1t3r4l'
const PARTITIONS = 2

let folder: DataFolder
let authority: CertificateAuthority
let stranger: CertificateAuthority
let stage: Stage

before(async () => {
  folder = dataFolder('e2e-tls')
  authority = new CertificateAuthority(folder.path)
  stranger = new CertificateAuthority(folder.path, 'stranger')
  const keystore = authority.issue('broker', 'IP:127.0.0.1')
  stage = await Stage.open({
    listeners: { SECURE: 'SASL_SSL' },
    scramUsers: ['worker', ...ROLES].map(name => ({
      mechanism: 'SCRAM-SHA-512',
      name,
      password: passwordOf(name),
    })),
    properties: {
      'listener.name.secure.ssl.keystore.type': 'PEM',
      'listener.name.secure.ssl.keystore.location': keystore,
      'listener.name.secure.sasl.enabled.mechanisms': 'SCRAM-SHA-512',
      'listener.name.secure.scram-sha-512.sasl.jaas.config':
        'org.apache.kafka.common.security.scram.ScramLoginModule required;',
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      // The broker itself and the tests come over the plain listener.
      'super.users': 'User:ANONYMOUS;User:worker',
    },
  })
})
after(async () => {
  await stage?.[Symbol.asyncDispose]()
  await folder?.remove()
})

const jaas = (user: string, password = passwordOf(user)): string =>
  `org.apache.kafka.common.security.scram.ScramLoginModule required username="${user}" password="${password}";`

const login = (user: string, password?: string): Settings => ({
  'security.protocol': 'SASL_SSL',
  'sasl.mechanism': 'SCRAM-SHA-512',
  'sasl.jaas.config': jaas(user, password),
})
const trustFile = (path: string): Settings => ({ 'ssl.truststore.type': 'PEM', 'ssl.truststore.location': path })
/** A properties file has no line breaks in values: Kafka's PEM may have spaces for them. */
const trustText = (pem: string): Settings => ({
  'ssl.truststore.type': 'PEM',
  'ssl.truststore.certificates': pem.trim().replaceAll('\n', ' '),
})
const prefixed = (role: Role, settings: Settings): Settings =>
  Object.fromEntries(Object.entries(settings).map(([key, value]) => [`${role}.${key}`, value]))

/** Worker settings over the secured listener. */
const secured = (...settings: readonly Settings[]): Settings =>
  Object.assign({ 'bootstrap.servers': stage.kafka.listeners['SECURE'] ?? '' }, ...settings)
const common = (): Settings => secured(login('worker'), trustFile(authority.path))
const byRole = (): Settings =>
  secured(...ROLES.map(role => prefixed(role, { ...login(role), ...trustText(authority.pem) })))

/** What each role's user needs, and no more. */
async function grantRoles(group: string, topic: string, deadLetters: string): Promise<void> {
  const { TOPIC, GROUP } = kafkajs.AclResourceTypes
  const { READ, WRITE, CREATE, DESCRIBE, DESCRIBE_CONFIGS } = kafkajs.AclOperationTypes
  const own = [`${group}-journal`, `${group}-config`]
  const grants: readonly (readonly [Role, AclResourceTypes, readonly string[], readonly AclOperationTypes[]])[] = [
    ['consumer', TOPIC, [topic], [READ]],
    ['consumer', GROUP, [`connect-${topic}`], [READ]],
    ['producer', TOPIC, own, [READ, WRITE]],
    ['producer', TOPIC, [deadLetters], [READ, WRITE]],
    ['admin', TOPIC, own, [CREATE, DESCRIBE, DESCRIBE_CONFIGS]],
    ['admin', TOPIC, [deadLetters], [CREATE]],
    ['admin', TOPIC, [topic], [DESCRIBE]],
  ]
  await stage.admin.createAcls({
    acl: grants.flatMap(([user, resourceType, names, operations]) =>
      names.flatMap(resourceName =>
        operations.map(operation => ({
          resourceType,
          resourceName,
          resourcePatternType: kafkajs.ResourcePatternTypes.LITERAL,
          principal: `User:${user}`,
          host: '*',
          operation,
          permissionType: kafkajs.AclPermissionTypes.ALLOW,
        })),
      ),
    ),
  })
}

async function connect(name: string, over: Settings = {}): Promise<void> {
  await Promise.all([stage.createTopic(name, PARTITIONS), stage.createTable(name)])
  await stage.createConnector(name, connectorConfig(name, over))
  await stage.untilRunning(name, PARTITIONS)
}

/** Every answer a client can have of this worker, and all it wrote: with the most talkative log. */
async function assertShowsNoPassword(worker: WorkerProcess, name: string): Promise<void> {
  const paths = ['', '/status', '/config', '/tasks', '/tasks/0/status', '/topics', '/offsets']
  const connectors = [...paths.map(path => `/connectors/${name}${path}`), '/connectors?expand=status&expand=info']
  const others = ['/', '/health', '/admin/loggers', '/connector-plugins', '/api/v1/worker', '/api/v1/workers']
  const plugin = '/connector-plugins/BigQuerySinkConnector/config'
  for (const path of [...connectors, ...others, plugin, `/api/v1/connectors/${name}/partitions`]) {
    const { status, text } = await ask('GET', worker.rest + path)
    assert.equal(status, 200, `${path}: ${text}`)
    assert.ok(!text.includes(CANARY), `${path} holds no password`)
  }
  const log = readFileSync(worker.child.logFile, 'utf8')
  assert.match(log, /"level":20/, 'it was the most talkative log')
  assert.ok(!log.includes(CANARY), 'the log holds no password')
}
const makeTalkative = async (worker: WorkerProcess): Promise<void> => {
  const { status, text } = await ask('PUT', `${worker.rest}/admin/loggers/root`, { level: 'TRACE' })
  assert.equal(status, 200, text)
}

describe('a worker at a Kafka with TLS, logins and ACLs', () => {
  it('delivers every record once with the common keys alone, and shows no password', async () => {
    await using worker = await stage.startWorker({ 'group.id': 'plainly', ...common() })
    await makeTalkative(worker)
    const name = stage.unique('common')
    await connect(name)
    await stage.produceRows(name, range(0, 200), PARTITIONS)
    await stage.assertDelivered(name, range(0, 200))
    await assertShowsNoPassword(worker, name)
  })

  it('logs each role in as its own user, none of which needs the rights of another', async () => {
    const name = stage.unique('roles')
    const deadLetters = `${name}_dead`
    await grantRoles('roles', name, deadLetters)
    await using worker = await stage.startWorker({ 'group.id': 'roles', ...byRole() })
    await makeTalkative(worker)
    await connect(name, DLQ(deadLetters))
    await stage.produceRows(name, range(0, 200), PARTITIONS)
    await stage.produce(name, [{ value: 'no JSON', partition: 0 }])
    await stage.assertDelivered(name, range(0, 200))
    await stage.until('the dead letter is written', async () =>
      (await stage.endOffsets(deadLetters)).get(0) === 1n ? true : null,
    )
    await stage.until('its offsets are committed', async () =>
      [...(await stage.groupOffsets(`connect-${name}`, name)).values()].join() === '101,100' ? true : null,
    )
    await assertShowsNoPassword(worker, name)
  })
})

describe('a worker whose login or trust is wrong', { concurrency: 3 }, () => {
  async function assertRefused(settings: Settings, key: string): Promise<void> {
    const { code, out, err } = await runWorker(stage, { 'group.id': 'refused', ...settings })
    assert.equal(code, 1, err)
    const [, keys = ''] = /^KAFKA_AUTH_FAILED: .* Keys: (.*)\.$/m.exec(err) ?? []
    assert.ok(keys.split(', ').includes(key), `it names ${key}: ${err}`)
    assert.ok(!(out + err).includes(CANARY), 'it holds no password')
  }

  for (const role of ROLES)
    it(`ends with the keys of the ${role} when only its password is wrong`, async () => {
      const wrong = prefixed(role, { 'sasl.jaas.config': jaas(role, passwordOf('wrong')) })
      await assertRefused({ ...byRole(), ...wrong }, `${role}.sasl.jaas.config`)
    })
  it('ends with the common key when the common password is wrong', () =>
    assertRefused({ ...common(), 'sasl.jaas.config': jaas('worker', passwordOf('wrong')) }, 'sasl.jaas.config'))
  it('ends with the key of the trust store when the broker is not signed by it', () =>
    assertRefused({ ...common(), ...trustFile(stranger.path) }, 'ssl.truststore.location'))
  it('ends with the key a role trusts by', () =>
    assertRefused(
      { ...common(), ...prefixed('consumer', trustFile(stranger.path)) },
      'consumer.ssl.truststore.location',
    ))
})

describe('a worker whose REST API needs a log-in, and whose connectors have placeholders', () => {
  /** A placeholder, without writing one. */
  const ph = (inner: string): string => `$${`{${inner}}`}`
  const CHEAP = { cost: 2, blockSize: 1, parallelization: 1 }
  const userLine = async (name: string, role: string): Promise<string> =>
    `${name}:${role}:${await hashPassword(passwordOf(name), CHEAP)}\n`
  const basic = (name: string): string => `Basic ${Buffer.from(`${name}:${passwordOf(name)}`).toString('base64')}`

  type Said = { readonly status: number; readonly text: string }
  const say = async (url: string, user: string | null, method = 'GET', body?: unknown): Promise<Said> => {
    const headers = {
      ...(user !== null && { authorization: basic(user) }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    }
    const answer = await fetch(url, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) })
    return { status: answer.status, text: await answer.text() }
  }
  const overTls = (url: string): Promise<number> =>
    new Promise((resolve, reject) => {
      httpsRequest(url, { ca: authority.pem }, response => {
        response.resume()
        resolve(response.statusCode ?? 0)
      })
        .on('error', reject)
        .end()
    })

  /** Everything there is in a topic, keys and headers too. */
  const everythingIn = async (topic: string): Promise<readonly string[]> => {
    const ends = [...(await stage.endOffsets(topic)).values()]
    const records = await stage.consume(topic, Number(ends.reduce((sum, end) => sum + end, 0n)))
    return records.map(({ key, value, headers }) => [key, value, JSON.stringify(headers)].join(' '))
  }

  /** The event stream, as it comes, until it is closed. */
  const events = async (rest: string): Promise<{ text: () => string; close: () => void }> => {
    const stop = new AbortController()
    const { body } = await fetch(`${rest}/api/v1/events`, {
      headers: { authorization: basic('ann') },
      signal: stop.signal,
    })
    let text = ''
    const reading = async (): Promise<void> => {
      for await (const chunk of body ?? []) text += Buffer.from(chunk).toString()
    }
    reading().catch(() => {}) // it is cut in the end
    return { text: () => text, close: () => stop.abort() }
  }

  /** Everything in this Redis that holds a canary, and how many values there are. */
  const searchRedis = async (): Promise<string> => {
    const values = [
      "local t=redis.call('TYPE',k).ok",
      "if t=='string' then return {redis.call('GET',k)} end",
      "if t=='hash' then return redis.call('HGETALL',k) end",
      "if t=='list' then return redis.call('LRANGE',k,0,-1) end",
      "if t=='set' then return redis.call('SMEMBERS',k) end",
      "if t=='zset' then return redis.call('ZRANGE',k,0,-1) end",
      'return {}',
    ].join(' ')
    const isTold = [CANARY, LITERAL].map(secret => `string.find(k..v,'${secret}',1,true)`).join(' or ')
    const search = `for _,v in ipairs(of(k)) do seen=seen+1 if ${isTold} then told=told..k end end`
    const script = `local seen=0 local told='' local function of(k) ${values} end for _,k in ipairs(redis.call('KEYS','*')) do ${search} end return seen..' '..told`
    return (await stage.redisCommand(`EVAL "${script}" 0`)).split('\r\n')[1] ?? ''
  }

  it('lets in who is known, by role, and tells nobody a secret: in no answer, log, topic or key of Redis', async () => {
    const secrets = join(stage.folder.path, 'secrets')
    mkdirSync(secrets)
    const write = (name: string, text: string): void => writeFileSync(join(secrets, name), text)
    const keyStore = join(stage.folder.path, 'rest.p12')
    authority.issue('rest', 'IP:127.0.0.1')
    const pem = ['-in', join(folder.path, 'rest.pem'), '-inkey', join(folder.path, 'rest.key')]
    execFileSync('openssl', ['pkcs12', '-export', ...pem, '-out', keyStore, '-passout', `pass:${passwordOf('store')}`])
    const users = join(stage.folder.path, 'users')
    writeFileSync(users, (await userLine('ann', 'admin')) + (await userLine('vic', 'viewer')))
    write('kafka.properties', `jaas=${jaas('worker')}\n`)
    const keyFile = (id: string): string =>
      JSON.stringify({ type: 'service_account', client_email: 'a@b.c', private_key: `${CANARY}-${id}` })
    write('key.json', keyFile('one'))
    write('project', `${CANARY}-project\n`)
    const provider = (name: string): Settings => ({
      [`config.providers.${name}.class`]: name,
      [`config.providers.${name}.param.allowed.paths`]: secrets,
      [`config.providers.${name}.param.ttl.ms`]: '500',
    })
    const secret = (name: string): string => ph(`dir:${secrets}:${name}`)
    await using worker = await stage.startStranger('guarded', {
      ...common(),
      'sasl.jaas.config': ph(`file:${secrets}/kafka.properties:jaas`),
      'config.providers': 'file,dir',
      ...provider('file'),
      ...provider('dir'),
      listeners: 'http://127.0.0.1:0,https://127.0.0.1:0',
      'listeners.https.ssl.keystore.location': keyStore,
      'listeners.https.ssl.keystore.password': passwordOf('store'),
      'rest.authentication': 'basic',
      'rest.basic.users.file': users,
    })
    const { rest } = worker
    const told: string[] = []
    const asAnn = async (method: string, path: string, body?: unknown): Promise<Said> => {
      const said = await say(rest + path, 'ann', method, body)
      told.push(said.text)
      return said
    }
    assert.equal((await asAnn('PUT', '/admin/loggers/root', { level: 'TRACE' })).status, 200)

    const stream = await events(rest)
    const name = stage.unique('guarded')
    await Promise.all([stage.createTopic(name, 1), stage.createTable(name)])
    const config = connectorConfig(name, {
      keySource: 'JSON',
      keyfile: secret('key.json'),
      'my.own': secret('project'),
    })
    const create = { name, config }
    assert.equal((await say(`${rest}/connectors`, null, 'POST', create)).status, 401)
    assert.equal((await say(`${rest}/connectors`, 'mallory', 'POST', create)).status, 401)
    assert.equal((await say(`${rest}/connectors`, 'vic', 'POST', create)).status, 403)
    assert.equal((await say(`${rest}/connectors`, 'vic')).text, '[]')
    assert.equal((await say(`${rest}/health`, null)).status, 200, 'a probe on the same machine')
    const https = /https:\/\/127\.0\.0\.1:\d+/.exec(readFileSync(worker.child.logFile, 'utf8'))?.[0] ?? ''
    assert.equal(await overTls(`${https}/connectors`), 401)
    assert.equal((await asAnn('POST', '/connectors', create)).status, 201)
    await stage.produceRows(name, range(0, 50), 1)
    await stage.assertDelivered(name, range(0, 50))

    const failing = `${name}_failing`
    const unknown = { ...config, project: secret('project'), keyfile: secret('key.json'), 'my.password': LITERAL }
    assert.equal((await asAnn('POST', '/connectors', { name: failing, config: unknown })).status, 201)
    const wrong = {
      ...unknown,
      name,
      'append.linger.ms': secret('project'),
      timestampPartitionFieldName: secret('project'),
    }
    const checked = await asAnn('PUT', '/connector-plugins/BigQuerySink/config/validate', {
      ...wrong,
      'my.password': LITERAL,
    })
    assert.ok(!checked.text.includes(LITERAL), 'a password is not echoed, as Kafka Connect does')
    assert.equal((await say(`${rest}/connector-plugins/BigQuerySink/config/validate`, 'vic', 'PUT', wrong)).status, 403)
    assert.match(checked.text, /Invalid value \[hidden\] for configuration append\.linger\.ms/)
    assert.equal((await asAnn('PUT', `/connectors/${name}/config`, wrong)).status, 400)
    await stage.until('the connector of another project fails', async () =>
      /"state":"FAILED","worker_id":"[^"]*","trace":"[^"]*\[hidden\]/.test(
        (await asAnn('GET', `/connectors/${failing}/status`)).text,
      )
        ? true
        : null,
    )

    const epochOf = async (): Promise<number> =>
      Number(/"epoch":(\d+)/.exec((await asAnn('GET', `/api/v1/connectors/${name}/partitions`)).text)?.[1])
    const before = await epochOf()
    write('key.json', keyFile('two'))
    await stage.until('its tasks restart with the new key', async () => ((await epochOf()) > before ? true : null))
    await stage.produceRows(name, range(50, 100), 1)
    await stage.assertDelivered(name, range(0, 100))

    writeFileSync(users, await userLine('ann', 'admin'))
    await stage.until('who is no longer in the file is no longer known', async () =>
      (await say(`${rest}/connectors`, 'vic')).status === 401 ? true : null,
    )

    await asAnn('PATCH', `/connectors/${failing}/config`, { 'my.password': `${LITERAL}-two` })
    const asWritten = new Set<string>()
    const routes = [...ROLE_OF_ROUTE.keys()].filter(route => route.startsWith('GET ') && !route.includes('events'))
    for (const route of [...routes, 'GET /connectors?expand=status&expand=info'])
      for (const connector of [name, failing]) {
        const path = route
          .slice(4)
          .replace(':name', connector)
          .replace(':plugin', 'BigQuerySink')
          .replace(':logger', 'root')
          .replace(/:[a-z]+/g, '0')
        const { status, text } = await asAnn('GET', path)
        assert.ok(status < 500, `${path}: ${text}`)
        if (text.includes(LITERAL)) asWritten.add(route.slice(4))
      }
    assert.ok(
      told.some(text => text.includes(secret('key.json'))),
      'configs are answered as they were written',
    )
    assert.deepEqual(
      told.filter(text => text.includes(CANARY)),
      [],
    )

    const one = ['/connectors/:name', '/connectors/:name/config', '/connectors/:name/tasks']
    const written = [...one, '/connectors?expand=status&expand=info']
    assert.deepEqual([...asWritten].sort(), written, 'a config is answered as it was written, and by nothing else')

    const isTold = (text: string): boolean => text.includes(CANARY) || text.includes(LITERAL)
    const log = readFileSync(worker.child.logFile, 'utf8')
    assert.match(log, /its tasks on this worker restart/)
    assert.deepEqual(log.split('\n').filter(isTold), [])
    stream.close()
    assert.match(stream.text(), /event: connector\.config/)
    assert.ok(!isTold(stream.text()), 'no event tells')
    for (const topic of ['guarded-journal', 'guarded-audit']) {
      const records = await everythingIn(topic)
      assert.ok(
        records.some(record => record.includes(topic.endsWith('audit') ? 'ann' : name)),
        'it is the right topic',
      )
      assert.deepEqual(records.filter(isTold), [], topic)
    }
    for (const file of ['cmdline', 'environ'])
      assert.ok(!isTold(readFileSync(`/proc/${worker.child.pid}/${file}`, 'utf8')), file)
    const stored = await stage.consume('guarded-config', 2)
    assert.ok(
      stored.some(({ value }) => value?.includes(secret('key.json'))),
      'and kept so',
    )
    for (const { key, value, headers } of stored)
      assert.ok(![key, value, JSON.stringify(headers)].join().includes(CANARY), String(key))
    assert.match(
      await searchRedis(),
      /^[1-9]\d* $/,
      'Redis holds values, and none with a secret; jobs of BullMQ neither',
    )
  })
})
