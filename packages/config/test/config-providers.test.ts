// Placeholders: what they stand for, what providers may read, and that nothing tells what they found.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import {
  type ConnectorContext,
  parseConnectorConfig,
  parseWorkerConfig,
  resolvedConfig,
  selectTopics,
  validateConnectorConfig,
  type WorkerParse,
} from '../src/index.ts'

const CANARY = 'c4n4ry'
/** A placeholder, without writing one. */
const ph = (inner: string): string => `$${`{${inner}}`}`

const root = realpathSync(mkdtempSync(join(tmpdir(), 'providers-')))
after(() => rmSync(root, { recursive: true }))
const allowed = join(root, 'allowed')
const outside = join(root, 'allowed-not')
for (const folder of [allowed, outside]) mkdirSync(folder)
writeFileSync(join(allowed, 'p.properties'), `project=my-project\npassword=${CANARY}-password\ncolon=a:b\n`)
writeFileSync(join(allowed, 'token'), `${CANARY}-token\n`)
writeFileSync(join(outside, 'secret'), `k=${CANARY}-outside\n`)
symlinkSync(join(outside, 'secret'), join(allowed, 'link'))
symlinkSync(outside, join(allowed, 'folder'))
mkdirSync(join(allowed, '..data'))
writeFileSync(join(allowed, '..data', 'mounted'), 'from kubernetes')
symlinkSync(join('..data', 'mounted'), join(allowed, 'mounted'))

const seen: string[] = []
const files = { realPath: (path: string) => realpathSync(path), read: (path: string) => readFileSync(path, 'utf8') }
const environment = { MILLRACE_PROJECT: 'env-project', PATH: `${CANARY}-path`, MILLRACE_KEY: `${CANARY}-key` }
const PROVIDERS: Readonly<Record<string, string>> = {
  'config.providers': 'file,dir,env',
  'config.providers.file.class': 'org.apache.kafka.common.config.provider.FileConfigProvider',
  'config.providers.file.param.allowed.paths': allowed,
  'config.providers.dir.class': 'DirectoryConfigProvider',
  'config.providers.dir.param.allowed.paths': allowed,
  'config.providers.env.class': 'env',
  'config.providers.env.param.allowlist.pattern': 'MILLRACE_.*',
}
const worker = (settings: Readonly<Record<string, string>>): WorkerParse =>
  parseWorkerConfig({ flags: settings, environment, files, onProviderValue: value => seen.push(value) })
const contextOf = (settings: Readonly<Record<string, string>> = PROVIDERS): ConnectorContext => {
  const parse = worker(settings)
  assert.ok(parse.ok, JSON.stringify(parse))
  return parse.config.connectorContext
}
const CONNECTOR = { name: 'n', 'connector.class': 'BigQuerySink', topics: 't', project: 'p', defaultDataset: 'd' }
const errorsOf = (
  over: Readonly<Record<string, string>>,
  context: ConnectorContext = contextOf(),
): readonly { key: string; message: string }[] => {
  const parse = parseConnectorConfig({ ...CONNECTOR, ...over }, context)
  return parse.ok ? [] : parse.errors
}
const resolved = (text: string): string | undefined =>
  resolvedConfig({ ...CONNECTOR, project: text }, contextOf())['project']

describe('placeholders', () => {
  test('stand for a key of a file, a file of a folder, or a variable; several in one value; the text around them stays', () => {
    assert.equal(resolved(ph(`file:${allowed}/p.properties:project`)), 'my-project')
    assert.equal(resolved(ph(`dir:${allowed}:token`)), `${CANARY}-token`)
    assert.equal(resolved(ph(`dir:${allowed}:mounted`)), 'from kubernetes')
    assert.equal(resolved(ph('env:MILLRACE_PROJECT')), 'env-project')
    const several = `a-${ph('env:MILLRACE_PROJECT')}${ph(`file:${allowed}/p.properties:project`)}-b}$`
    assert.equal(resolved(several), 'a-env-projectmy-project-b}$')
    const parse = parseConnectorConfig({ ...CONNECTOR, project: ph('env:MILLRACE_PROJECT') }, contextOf())
    assert.ok(parse.ok)
    assert.equal(parse.config.project, 'env-project')
    assert.equal(parse.config.raw['project'], ph('env:MILLRACE_PROJECT'), 'kept as written')
  })

  test('what comes out is not looked at again', () => {
    writeFileSync(join(allowed, 'nested'), ph('env:MILLRACE_KEY'))
    assert.equal(resolved(ph(`dir:${allowed}:nested`)), ph('env:MILLRACE_KEY'))
  })

  test('that do not resolve are errors naming key and provider, never the literal or a value', () => {
    for (const [inner, why] of [
      ['vault:secret/c4n4ry:key', /provider vault cannot be resolved: config.providers of the worker does not name it/],
      ['c4n4ry secret:x', /provider \(not a name\)/],
      [`file:${allowed}/p.properties:c4n4ry`, /its file has no such key/],
      [`file:${allowed}/c4n4ry:k`, /cannot be read \(ENOENT\)/],
      ['file:c4n4ry', /it needs a path and a key/],
      [`dir:${allowed}:../allowed-not/secret`, /its key is not the name of a file/],
      [`dir:${allowed}:..`, /its key is not the name of a file/],
      ['env:c4n4ry', /no such variable/],
      ['env:PATH', /no such variable/],
      ['env:path:MILLRACE_KEY', /variables have no path/],
      [`env:${'$'}{file:c4n4ry`, /may not be nested/],
    ] as const) {
      const [error, ...others] = errorsOf({ project: ph(inner) })
      assert.deepEqual([error?.key, others], ['project', []], inner)
      assert.match(error?.message ?? '', why, inner)
      assert.ok(!error?.message.includes(CANARY), error?.message)
    }
  })

  test('lead nowhere but below allowed.paths, by no link, dots or name that begins alike, and say the same of all', () => {
    for (const path of [
      `${outside}/secret`,
      `${allowed}/../allowed-not/secret`,
      `${allowed}/link`,
      `${allowed}/folder/secret`,
      `${outside}/not-there`,
      '/etc/passwd',
      '/etc/not-there',
      '../../etc/passwd',
      `${allowed}/p.properties\u0000/../../allowed-not/secret`,
    ]) {
      const [error] = errorsOf({ project: ph(`file:${path}:k`) })
      assert.match(error?.message ?? '', /its path is not below allowed\.paths/, path)
    }
    const one = { ...PROVIDERS, 'config.providers.file.param.allowed.paths': `${allowed}/p.properties` }
    assert.deepEqual(errorsOf({ project: ph(`file:${allowed}/p.properties:project`) }, contextOf(one)), [])
    assert.equal(errorsOf({ project: ph(`file:${allowed}/token:project`) }, contextOf(one)).length, 1)
  })

  test('are not for what the whole cluster reads as it is written', () => {
    for (const key of ['name', 'connector.class', 'tasks.max', 'transforms', 'predicates']) {
      const errors = errorsOf({ [key]: ph('env:MILLRACE_KEY') })
      const own = errors.filter(error => error.key === key).map(error => error.message)
      assert.deepEqual(own, [`Configuration ${key} may not hold a placeholder of a config provider.`])
      assert.ok(!JSON.stringify(errors).includes(CANARY), JSON.stringify(errors))
    }
  })

  test('hundreds of them are too many, and none of many takes long', () => {
    const many = ph('env:MILLRACE_PROJECT').repeat(100_000)
    const began = performance.now()
    assert.match(errorsOf({ project: many })[0]?.message ?? '', /more than 200 placeholders/)
    assert.deepEqual(errorsOf({ 'my.key': '$'.repeat(200_000) + '{'.repeat(200_000) }), [])
    assert.ok(performance.now() - began < 5_000)
  })

  test('are read once each, and no more of them than a config may hold', () => {
    let reads = 0
    const get = (): { kind: 'value'; value: string } => {
      reads += 1
      return { kind: 'value', value: 'x'.repeat(1_000_000) }
    }
    const providers = { byName: new Map([['big', { get }]]), onValue: () => {} }
    const same = Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`my.${i}`, ph('big:one')]))
    assert.deepEqual(errorsOf(same, { providers }), [])
    assert.equal(reads, 1)
    const different = Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`my.${i}`, ph(`big:k${i}`)]))
    const errors = errorsOf(different, { providers })
    assert.match(errors[0]?.message ?? '', /my\.5: .* is too long/)
    assert.ok(reads < 10, String(reads))
  })
})

describe('what placeholders stand for', () => {
  const over = {
    keyfile: ph(`file:${allowed}/p.properties:password`),
    'append.linger.ms': ph('env:MILLRACE_KEY'),
    'errors.deadletterqueue.topic.name': `dead-${ph('env:MILLRACE_KEY')}`,
    topics: `t,dead-${ph('env:MILLRACE_KEY')}`,
    'connector.plugin.version': ph(`dir:${allowed}:token`),
    'my.unknown.key': ph('env:MILLRACE_KEY'),
    'value.converter': ph('env:MILLRACE_KEY'),
    'errors.tolerance': ph('env:MILLRACE_KEY'),
  }

  test('is in no answer of validate, which shows values as they were written', () => {
    const infos = validateConnectorConfig({ ...CONNECTOR, ...over }, contextOf())
    assert.ok(infos.error_count >= 3, 'there are errors to tell')
    assert.ok(!JSON.stringify(infos).includes(CANARY), JSON.stringify(infos))
    const value = (name: string): string | null | undefined =>
      infos.configs.find(config => config.value.name === name)?.value.value
    assert.equal(value('topics'), over.topics)
    assert.equal(value('append.linger.ms'), over['append.linger.ms'])
    assert.equal(value('my.unknown.key'), over['my.unknown.key'])
    assert.equal(value('keyfile'), '[hidden]')
  })

  test('is in no error: not of its key, not of another that does not go together with it', () => {
    const errors = errorsOf(over)
    assert.ok(!JSON.stringify(errors).includes(CANARY), JSON.stringify(errors))
    const linger = errors.find(error => error.key === 'append.linger.ms')?.message ?? ''
    assert.match(linger, /Invalid value \[hidden\] for configuration append\.linger\.ms: .* \(INT; .*\)/)
    const literal = errorsOf({
      'errors.deadletterqueue.topic.name': ph('env:MILLRACE_KEY'),
      topics: `t,${CANARY}-key`,
    })
    assert.match(literal.find(error => error.key === 'topics')?.message ?? '', /does not go together/)
  })

  test('is told to whoever keeps it out of logs', () => {
    seen.length = 0
    errorsOf(over)
    for (const value of [`${CANARY}-password`, `${CANARY}-key`, `${CANARY}-token`])
      assert.ok(seen.includes(value), value)
  })

  test('need not be readable where partitions are assigned, but for the topics', () => {
    const context = contextOf()
    const gone = { ...CONNECTOR, keyfile: ph(`file:${allowed}/not-there:k`) }
    assert.equal(selectTopics(gone, context)?.matches('t'), true)
    assert.equal(selectTopics({ ...gone, topics: ph('env:MILLRACE_PROJECT') }, context)?.matches('env-project'), true)
    assert.equal(selectTopics({ ...gone, topics: ph('env:NOT_THERE') }, context), null)
    assert.equal(selectTopics({ ...CONNECTOR, project: '', 'tasks.max': '0' }, context), null)
  })
})

describe('the worker', () => {
  test('has no providers unless they are named, and each must say what it may read', () => {
    const parse = (settings: Readonly<Record<string, string>>): Readonly<Record<string, string>> => {
      const result = worker(settings)
      return result.ok ? {} : Object.fromEntries(result.errors.map(error => [error.key, error.message]))
    }
    assert.equal(errorsOf({ project: ph('env:MILLRACE_PROJECT') }, contextOf({})).length, 1)
    for (const name of ['file', 'dir'])
      assert.match(
        parse({ 'config.providers': name, [`config.providers.${name}.class`]: name })[
          `config.providers.${name}.param.allowed.paths`
        ] ?? '',
        /is required: without it every file of the worker could be read/,
      )
    const env = { 'config.providers': 'e', 'config.providers.e.class': 'env' }
    assert.match(parse(env)['config.providers.e.param.allowlist.pattern'] ?? '', /is required/)
    const bad = parse({ ...env, 'config.providers.e.param.allowlist.pattern': '(a' })
    assert.match(bad['config.providers.e.param.allowlist.pattern'] ?? '', /Invalid regex/)
    assert.ok(
      parse({ 'config.providers': 'v', 'config.providers.v.class': 'com.acme.Vault' })['config.providers.v.class'],
    )
    assert.ok(parse({ 'config.providers': 'v' })['config.providers.v.class'], 'class is required')
    assert.ok(parse({ 'config.providers': 'a b' })['config.providers'])
    const relative = { 'config.providers.f.class': 'file', 'config.providers.f.param.allowed.paths': 'secrets' }
    assert.match(
      parse({ 'config.providers': 'f', ...relative })['config.providers.f.param.allowed.paths'] ?? '',
      /absolute/,
    )
  })

  test('is configured by the environment too, and takes values of its own file from providers without showing them', () => {
    const parse = parseWorkerConfig({
      file: {
        path: 'w',
        text: `redis.prefix=${ph('secrets:MILLRACE_PROJECT')}\nredis.url=redis://:${ph('secrets:MILLRACE_KEY')}@r:1`,
      },
      environment: {
        ...environment,
        CONNECT_CONFIG_PROVIDERS: 'secrets',
        CONNECT_CONFIG_PROVIDERS_SECRETS_CLASS: 'env',
        CONNECT_CONFIG_PROVIDERS_SECRETS_PARAM_ALLOWLIST_PATTERN: 'MILLRACE_.*',
      },
      files,
    })
    assert.ok(parse.ok, JSON.stringify(parse))
    assert.equal(parse.config.redis.prefix, 'env-project')
    assert.equal(parse.config.redis.url.reveal(), `redis://:${CANARY}-key@r:1`)
    const prefix = parse.described.find(setting => setting.key === 'redis.prefix')
    assert.equal(prefix?.value, ph('secrets:MILLRACE_PROJECT'))
    assert.ok(!JSON.stringify(parse).includes(CANARY))
    const bad = worker({ ...PROVIDERS, 'session.timeout.ms': ph('env:MILLRACE_KEY'), 'bootstrap.servers': ph('env:X') })
    assert.ok(!bad.ok)
    assert.deepEqual(bad.errors.map(error => error.key).toSorted(), ['bootstrap.servers', 'session.timeout.ms'])
    assert.ok(!JSON.stringify(bad).includes(CANARY))
  })

  test('lets connectors override clients by its policy, and never beyond what is known', () => {
    const keys = (policy: string, allowlist = ''): readonly string[] =>
      errorsOf(
        {
          'consumer.override.group.id': 'g',
          'consumer.override.auto.offset.reset': 'latest',
          'consumer.override.sasl.jaas.config': 'x',
          'producer.override.linger.ms': '1',
        },
        contextOf({
          'connector.client.config.override.policy': policy,
          'connector.client.config.override.allowlist': allowlist,
        }),
      ).map(error => error.key)
    const jaas = 'consumer.override.sasl.jaas.config'
    const every = [
      'consumer.override.group.id',
      'consumer.override.auto.offset.reset',
      jaas,
      'producer.override.linger.ms',
    ]
    assert.deepEqual(keys('All'), [jaas])
    assert.deepEqual(keys('None'), every)
    assert.deepEqual(keys('Principal'), every)
    assert.deepEqual(keys('Allowlist'), every)
    assert.deepEqual(keys('Allowlist', 'group.id,sasl.jaas.config'), every.slice(1))
    const long = 'org.apache.kafka.connect.connector.policy.NoneConnectorClientConfigOverridePolicy'
    assert.deepEqual(keys(long), every)
    const parse = worker({ 'connector.client.config.override.policy': 'com.acme.Policy' })
    assert.ok(!parse.ok && parse.errors[0]?.key === 'connector.client.config.override.policy')
    const [error] = errorsOf(
      { 'consumer.override.group.id': 'g' },
      contextOf({ 'connector.client.config.override.policy': 'None' }),
    )
    assert.equal(
      error?.message,
      "The 'None' policy does not allow 'group.id' to be overridden in the connector configuration.",
    )
  })
})
