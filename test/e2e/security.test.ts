// A worker as a company with a secured Kafka runs it: SASL_SSL with SCRAM, an authority of its own, and ACLs. The common keys
// alone; a user of its own for each kind of client, by prefix; wrong ones; and nowhere a password in what the worker says.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { CertificateAuthority, type DataFolder, dataFolder, type WorkerProcess } from '@millrace/testkit'
import kafkajs, { type AclOperationTypes, type AclResourceTypes } from 'kafkajs'
import { runWorker } from './support/short-lived.ts'
import { ask, connectorConfig, DLQ, range, Stage } from './support/stage.ts'

type Settings = Readonly<Record<string, string>>
type Role = 'consumer' | 'producer' | 'admin'

const ROLES: readonly Role[] = ['consumer', 'producer', 'admin']
/** In every password, right or wrong. */
const CANARY = 'c4n4ry'
const passwordOf = (user: string): string => `${CANARY}-${user}`
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
