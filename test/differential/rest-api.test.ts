// The oracle: Apache Kafka Connect itself. The same requests go to it and to Millrace, and whatever they disagree about is
// either in support/differences.ts with its reason, or a fault.
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { missing } from '../conformance/support/program-cases.ts'
import { DIFFERENCES } from './support/differences.ts'
import type { Request } from './support/exchange.ts'
import { line, Pair, type Sequence } from './support/pair.ts'
import { randomNumbers, randomRequest } from './support/random-requests.ts'
import { shrink } from './support/shrink.ts'
import { EMPTY_TOPIC, sinkConfig, TOPIC } from './support/sink-config.ts'

/** In a usual run; more by MILLRACE_DIFFERENTIAL_REQUESTS. */
const REQUESTS = 60
const SHRINKING_MS = 60_000
const TOOLS = { java: 'Debian: apt-get install openjdk-17-jre-headless', mvn: 'Debian: apt-get install maven' }
const TRANSFORMS = 'org.apache.kafka.connect.transforms'
const JSON_TYPE = { 'content-type': 'application/json' }

describe('Millrace answers as Kafka Connect does', { skip: missing(TOOLS) }, () => {
  let pair: Pair
  before(async () => {
    pair = await Pair.open()
  })
  after(() => pair?.[Symbol.asyncDispose]())

  const agree = (name: string, ask: (requests: Sequence) => Promise<void>): void => {
    it(name, async () => {
      const requests = pair.sequence()
      await ask(requests)
      await requests.end()
    })
  }

  agree('about itself, about paths that do not exist, and about methods a path does not have', async requests => {
    for (const path of [
      '/',
      '/health',
      '/connectors',
      '/connectors/',
      '/nope',
      '/connectors/x/nope',
      '/connectors/x/y/z/w',
    ])
      await requests.get(path)
    for (const path of [
      '/connectors?expand=status',
      '/connectors?expand=nonsense',
      '/connectors?expand=status&expand=info',
    ])
      await requests.get(path)
    for (const method of ['HEAD', 'OPTIONS'])
      for (const path of ['/', '/connectors', '/connectors/x', '/connectors/x/status', '/connector-plugins', '/nope'])
        await requests.ask(method, path)
    for (const method of ['TRACE', 'PROPFIND', 'PATCH'])
      for (const path of ['/connectors', '/connectors/x', '/connectors/x/pause', '/nope'])
        await requests.ask(method, path)
    await requests.ask('BREW', '/connectors')
    for (const [method, path] of [
      ['DELETE', '/'],
      ['POST', '/'],
      ['PUT', '/connectors'],
      ['DELETE', '/connectors'],
      ['POST', '/connectors/x'],
      ['PUT', '/connectors/x'],
      ['POST', '/connectors/x/config'],
      ['GET', '/connectors/x/pause'],
      ['POST', '/connectors/x/pause'],
      ['GET', '/connectors/x/restart'],
      ['PUT', '/connectors/x/restart'],
      ['POST', '/connectors/x/status'],
      ['GET', '/connectors/x/tasks/0/restart'],
      ['PUT', '/connectors/x/offsets'],
      ['POST', '/connector-plugins'],
      ['POST', '/connector-plugins/{{alias}}/config/validate'],
      ['GET', '/connector-plugins/{{alias}}/config/validate'],
      ['DELETE', '/admin/loggers'],
      ['POST', '/admin/loggers/root'],
    ] as const)
      await requests.ask(method, path)
  })

  agree('about connectors that do not exist', async requests => {
    for (const [method, path, body] of [
      ['GET', ''],
      ['GET', '/config'],
      ['GET', '/status'],
      ['GET', '/tasks'],
      ['GET', '/tasks/0/status'],
      ['GET', '/tasks/x/status'],
      ['GET', '/tasks/-1/status'],
      ['GET', '/tasks/99999999999/status'],
      ['GET', '/topics'],
      ['GET', '/offsets'],
      ['PUT', '/pause'],
      ['PUT', '/resume'],
      ['PUT', '/stop'],
      ['PUT', '/topics/reset'],
      ['POST', '/restart'],
      ['POST', '/restart?includeTasks=true'],
      ['POST', '/restart?includeTasks=true&onlyFailed=true'],
      ['POST', '/tasks/0/restart'],
      ['POST', '/tasks/x/restart'],
      ['DELETE', ''],
      ['DELETE', '/offsets'],
      ['PATCH', '/offsets', { offsets: [{ partition: { kafka_topic: TOPIC, kafka_partition: 0 }, offset: null }] }],
      ['PATCH', '/config', { x: 'y' }],
      ['PATCH', '/config', {}],
    ] as const)
      await requests.ask(method, `/connectors/absent${path}`, body)
  })

  agree('about bodies that are not what they should be', async requests => {
    const name = 'bodies'
    const config = sinkConfig()
    const bad = [
      '',
      'null',
      '{',
      '[]',
      '"text"',
      '7',
      '{"a":1}}',
      '{"name":7}',
      '{}',
      'nonsense',
      '{"a":{"b":1}}',
      '{"a":[1]}',
      '{"a":null}',
    ]
    for (const body of bad) {
      await requests.ask('POST', '/connectors', body, JSON_TYPE)
      await requests.ask('PUT', `/connectors/${name}/config`, body, JSON_TYPE)
      await requests.ask('PUT', '/connector-plugins/{{alias}}/config/validate', body, JSON_TYPE)
      await requests.ask('PUT', '/admin/loggers/x', body, JSON_TYPE)
      await requests.ask('PATCH', `/connectors/${name}/offsets`, body, JSON_TYPE)
    }
    for (const body of [
      { config },
      { name: '', config },
      { name: '  ', config },
      { name: null, config },
      { name },
      { name, config: null },
      { name, config: [] },
      { name, config: 'text' },
      { name, config: {} },
      { name, config: { ...config, name: 'other' } },
      { name, config: { ...config, nested: { a: 1 } } },
      { name, config: { ...config, list: [1] } },
      { name, config: { ...config, nothing: null } },
      { name, config, unknown: 1 },
      { name, config, initial_state: 'NONSENSE' },
      { name, config, initial_state: 7 },
      { name, config: { ...config, 'connector.class': undefined } },
      { name, config: { ...config, 'connector.class': 'nonsense' } },
      { name, config: { ...config, 'connector.class': '' } },
      { name: 'a\u0007b', config },
    ])
      await requests.ask('POST', '/connectors', body)
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/xml',
      'nonsense',
      'application/json; charset=utf-8',
      'application/json;charset=ISO-8859-1',
      'APPLICATION/JSON',
    ]) {
      await requests.ask('POST', '/connectors', '{"name":"bodies","config":{}}', { 'content-type': type })
      await requests.ask('PUT', '/connectors/bodies/config', '{}', { 'content-type': type })
    }
    for (const accept of [
      '*/*',
      'application/*',
      'text/html',
      'application/xml',
      'application/json;q=0.1',
      'text/html, application/json',
    ])
      await requests.ask('GET', '/connectors/absent', undefined, { accept })
    // What half of the clients send: a JSON content type and no body.
    for (const [method, path] of [
      ['GET', '/connectors'],
      ['GET', '/connectors/bodies'],
      ['PUT', '/connectors/bodies/pause'],
      ['POST', '/connectors/bodies/restart'],
      ['DELETE', '/connectors/bodies'],
      ['DELETE', '/connectors/bodies/offsets'],
    ] as const)
      await requests.ask(method, path, undefined, JSON_TYPE)
    await requests.ask('PUT', '/connectors/bodies/pause', 'null', JSON_TYPE)
    await requests.ask('PUT', '/connectors/bodies/pause', '{"a":1}', JSON_TYPE)
    await requests.ask('PUT', '/connectors/bodies/pause', 'text', { 'content-type': 'text/plain' })
  })

  agree('about creating, reading, changing and deleting', async requests => {
    const name = 'crud'
    const config = sinkConfig({ 'tasks.max': 1 })
    await requests.ask('POST', '/connectors', { name, config })
    await readEverything(requests, name)
    await requests.get('/connectors')
    await requests.get('/connectors?expand=info')
    await requests.get('/connectors?expand=status&expand=info')
    await requests.get('/connectors?expand=status')
    await requests.ask('POST', '/connectors', { name, config })
    await requests.ask('PUT', `/connectors/${name}/config`, sinkConfig({ 'tasks.max': 2 }))
    await readEverything(requests, name)
    await requests.ask('PUT', `/connectors/${name}/config`, sinkConfig({ 'tasks.max': '2', name }))
    await requests.ask('PUT', `/connectors/${name}/config`, sinkConfig({ name: 'other' }))
    await requests.ask('PUT', `/connectors/${name}/config`, sinkConfig({ 'tasks.max': 'many' }))
    await requests.ask('PUT', `/connectors/${name}/config`, sinkConfig({ 'tasks.max': 0 }))
    await requests.ask('PUT', `/connectors/${name}/config`, sinkConfig({ topics: '' }))
    await requests.ask('PUT', `/connectors/${name}/config`, sinkConfig({ 'topics.regex': 'a.*' }))
    await requests.ask('PATCH', `/connectors/${name}/config`, { added: 'x', 'tasks.max': 3 })
    await readEverything(requests, name)
    await requests.ask('PATCH', `/connectors/${name}/config`, { added: null, 'tasks.max': null })
    await readEverything(requests, name)
    await requests.ask('PATCH', `/connectors/${name}/config`, {})
    await requests.ask('PATCH', `/connectors/${name}/config`, { 'tasks.max': 'many' })
    await requests.ask('PATCH', `/connectors/${name}/config`, { topics: null })
    await requests.ask('PATCH', `/connectors/${name}/config`, { a: { b: 1 } })
    await requests.ask('PATCH', `/connectors/${name}/config`, '', JSON_TYPE)
    await requests.get(`/connectors/${name}/config`)
    await requests.get(`/connectors/${name}/`)
    await requests.get(`/connectors/${name}/status/`)
    await requests.ask('HEAD', `/connectors/${name}`)
    await requests.ask('DELETE', `/connectors/${name}`)
    await requests.get(`/connectors/${name}`)
    await requests.ask('DELETE', `/connectors/${name}`)
    await requests.ask('PUT', `/connectors/${name}/config`, config)
    await readEverything(requests, name)
    await requests.ask('PATCH', `/connectors/${name}/config`, { name: 'other' })
  })

  agree('about names: spaces, percent signs, other scripts, a thousand characters', async requests => {
    const config = sinkConfig({ 'tasks.max': 1 })
    for (const name of ['with space', 'naïve ☃', '->', 'a+b', 'x?y#z', '\'"<>&', 'a'.repeat(1000), ' trimmed ']) {
      await requests.ask('POST', '/connectors', { name, config, initial_state: 'STOPPED' })
      const path = `/connectors/${encodeURIComponent(name.trim())}`
      await requests.get(path)
      await requests.get(`${path}/status`)
    }
    await requests.get('/connectors/%2D%3E')
    await requests.get('/connectors/%2d%3e/config')
    await requests.get('/connectors/a+b')
    await requests.get('/connectors/with+space')
    for (const path of [
      '/connectors/%',
      '/connectors/%zz',
      '/connectors/%00',
      '/connectors/%ff',
      '/connectors/a%2Fb',
      '/connectors/100%25',
      '/connectors/a%3Bb',
      '/connectors/%2E%2E',
      '/connectors//',
      '//connectors',
      '/connectors/x;y=z',
      '/connectors/./x',
      '/connectors/../',
      '/connectors/a%20b/status',
      `/connectors/${'a'.repeat(2000)}`,
    ])
      await requests.get(path)
  })

  agree('about pause, resume and stop, from every state', async requests => {
    const name = 'lifecycle'
    const at = (verb: string): Promise<unknown> => requests.ask('PUT', `/connectors/${name}/${verb}`)
    await requests.ask('POST', '/connectors', { name, config: sinkConfig() })
    for (const verb of [
      'pause',
      'pause',
      'resume',
      'resume',
      'stop',
      'stop',
      'pause',
      'resume',
      'pause',
      'stop',
      'resume',
      'stop',
    ]) {
      await at(verb)
      await requests.settle()
      await readEverything(requests, name)
    }
    await requests.ask('PUT', `/connectors/${name}/config`, sinkConfig({ 'tasks.max': 3 }))
    await readEverything(requests, name)
    await at('resume')
    await readEverything(requests, name)
  })

  agree('about the number of tasks of a paused connector', async requests => {
    const path = '/connectors/resized'
    await requests.ask('POST', '/connectors', { name: 'resized', config: sinkConfig({ 'tasks.max': 3 }) })
    await requests.ask('PUT', `${path}/pause`)
    await requests.ask('PUT', `${path}/config`, sinkConfig({ 'tasks.max': 1 }))
    await requests.settle()
    for (const view of ['', '/config', '/status', '/tasks', '/tasks/0/status']) await requests.get(path + view)
    await requests.ask('PUT', `${path}/resume`)
    await readEverything(requests, 'resized')
  })

  agree('about connectors created paused or stopped', async requests => {
    for (const [state, name] of [
      ['PAUSED', 'born-paused'],
      ['STOPPED', 'born-stopped'],
      ['stopped', 'lower'],
      ['RUNNING', 'born-running'],
      [null, 'born-null'],
    ] as const) {
      await requests.ask('POST', '/connectors', { name, config: sinkConfig(), initial_state: state })
      await readEverything(requests, name)
    }
    await requests.ask('PUT', '/connectors/born-stopped/pause')
    await readEverything(requests, 'born-stopped')
    await requests.ask('PUT', '/connectors/born-paused/resume')
    await requests.ask('PUT', '/connectors/born-stopped/resume')
    for (const name of ['born-paused', 'born-stopped']) await readEverything(requests, name)
  })

  agree('about restarts, of the connector and of tasks', async requests => {
    const name = 'restarts'
    const flags = ['', '?includeTasks=true', '?onlyFailed=true', '?includeTasks=true&onlyFailed=true']
    const spellings = [
      '?includeTasks=TRUE',
      '?includeTasks=',
      '?includeTasks=nonsense',
      '?onlyFailed=1',
      '?includeTasks=false&onlyFailed=false',
      '?forward=false',
    ]
    const restart = async (queries: readonly string[], tasks: readonly string[]): Promise<void> => {
      for (const query of queries) await requests.ask('POST', `/connectors/${name}/restart${query}`)
      for (const task of tasks) await requests.ask('POST', `/connectors/${name}/tasks/${task}/restart`)
      await readEverything(requests, name)
    }
    await requests.ask('POST', '/connectors', { name, config: sinkConfig() })
    await restart([...flags, ...spellings], ['0', '1', '2', '-1', 'x', '99999999999'])
    await requests.ask('PUT', `/connectors/${name}/pause`)
    await restart(flags, ['0', '2'])
    await requests.ask('PUT', `/connectors/${name}/stop`)
    await restart(flags, ['0', '7', 'x'])
  })

  agree('about offsets', async requests => {
    const name = 'offsets'
    const path = `/connectors/${name}/offsets`
    const alter = (offsets: unknown): Promise<unknown> => requests.ask('PATCH', path, { offsets })
    const position = (partition: unknown, offset: unknown): unknown => ({
      partition: { kafka_topic: TOPIC, kafka_partition: partition },
      offset: offset === null ? null : { kafka_offset: offset },
    })
    await requests.ask('POST', '/connectors', { name, config: sinkConfig() })
    // Or one of them is stopped with half of it read.
    await requests.getOnce(path, text => text.match(/"kafka_offset":5\b/g)?.length === 2)
    await requests.ask('DELETE', path)
    await alter([position(0, 1)])
    await requests.ask('PUT', `/connectors/${name}/pause`)
    await requests.ask('DELETE', path)
    await alter([position(0, 1)])
    await alter([{ partition: null, offset: null }])
    await requests.ask('PUT', `/connectors/${name}/stop`)
    await requests.settle()
    await requests.get(path)
    for (const offsets of [
      null,
      [],
      {},
      'text',
      [null],
      ['text'],
      [{}],
      [{ partition: null, offset: null }],
      [{ partition: {}, offset: null }],
      [{ partition: { kafka_topic: TOPIC }, offset: null }],
      [{ partition: { kafka_partition: 0 }, offset: null }],
      [{ partition: { kafka_topic: null, kafka_partition: 0 }, offset: null }],
      [{ partition: { kafka_topic: 7, kafka_partition: 0 }, offset: null }],
      [{ partition: { kafka_topic: '', kafka_partition: 0 }, offset: null }],
      [position(null, 1)],
      [position('x', 1)],
      [position(0.5, 1)],
      [position(-1, 1)],
      [position(0, 'x')],
      [position(0, 1.5)],
      [position(0, -5)],
      [position(0, true)],
      [{ partition: { kafka_topic: TOPIC, kafka_partition: 0 }, offset: {} }],
      [{ partition: { kafka_topic: TOPIC, kafka_partition: 0 }, offset: 'text' }],
      [{ partition: { kafka_topic: TOPIC, kafka_partition: 0 }, offset: { kafka_offset: null } }],
    ]) {
      await alter(offsets)
    }
    await requests.get(path)
    await requests.ask('PATCH', path, { offsets: [position(0, 3)], more: 1 })
    await requests.ask('PUT', `/connectors/${name}/resume`)
    await requests.settle()
    await requests.get(path)
  })

  agree('about positions that are moved, forgotten, and gone on from', async requests => {
    const name = 'moved'
    const path = `/connectors/${name}/offsets`
    const element = (topic: string, partition: number, offset: number | string | null): unknown => ({
      partition: { kafka_topic: topic, kafka_partition: partition },
      offset: offset === null ? null : { kafka_offset: offset },
    })
    const alter = async (...offsets: readonly unknown[]): Promise<void> => {
      await requests.ask('PATCH', path, { offsets })
      await requests.get(path)
    }
    const allRead = (): Promise<unknown> =>
      requests.getOnce(path, text => text.match(/"kafka_offset":5\b/g)?.length === 2)
    const put = (verb: string): Promise<unknown> => requests.ask('PUT', `/connectors/${name}/${verb}`)

    await requests.ask('POST', '/connectors', { name, config: sinkConfig() })
    await allRead()
    await put('stop')
    await requests.settle()
    await requests.get(path)
    await alter(element(TOPIC, 0, 2))
    await alter(element(TOPIC, 0, 1), element(TOPIC, 1, '3'), element(TOPIC, 0, 4))
    await alter(element(TOPIC, 1, null))
    await alter(element(TOPIC, 0, 0), element(TOPIC, 1, 5))
    await put('resume')
    await allRead()
    await put('stop')
    await requests.settle()
    for (let i = 0; i < 2; i++) {
      await requests.ask('DELETE', path)
      await requests.get(path)
    }
    await alter(element(TOPIC, 0, null))
    // What only Kafka Connect does: each is undone before it is looked at.
    for (const offset of [
      element(TOPIC, 0, 99),
      element(TOPIC, 0, '9223372036854775807'),
      element(TOPIC, 7, 0),
      element('__consumer_offsets', 0, 0),
      element('nowhere', 0, 0),
      element('nowhere', 0, null),
    ])
      await requests.ask('PATCH', path, { offsets: [offset] })
    await requests.ask('PATCH', path, `{"offsets":[],"offsets":${JSON.stringify([element(TOPIC, 0, 1)])}}`)
    await requests.ask('DELETE', path)
    await requests.get(path)
    await put('resume')
    await allRead()
  })

  agree('about the position in a log without records', async requests => {
    const path = '/connectors/idle/offsets'
    await requests.ask('POST', '/connectors', {
      name: 'idle',
      config: sinkConfig({ topics: EMPTY_TOPIC, 'tasks.max': 1 }),
    })
    await requests.getOnce(path, (text, side) => side === 'connect' || /"kafka_offset":0/.test(text))
  })

  agree('about active topics', async requests => {
    const name = 'topics'
    await requests.ask('POST', '/connectors', { name, config: sinkConfig() })
    await requests.get(`/connectors/${name}/topics`)
    await requests.ask('PUT', `/connectors/${name}/topics/reset`)
    await requests.get(`/connectors/${name}/topics`)
  })

  agree('about log levels', async requests => {
    await requests.get('/admin/loggers/nonsense')
    await requests.ask('PUT', '/admin/loggers/some.logger', { level: 'NONSENSE' })
    await requests.ask('PUT', '/admin/loggers/some.logger', { level: 7 })
    await requests.ask('PUT', '/admin/loggers/some.logger', { level: null })
    await requests.ask('PUT', '/admin/loggers/some.logger', { level: 'debug' })
    await requests.get('/admin/loggers/some.logger')
    await requests.ask('PUT', '/admin/loggers/some.logger', { level: 'TRACE', more: 1 })
    await requests.ask('PUT', '/admin/loggers/some.logger?scope=nonsense', { level: 'DEBUG' })
    await requests.ask('PUT', '/admin/loggers/some.logger?scope=worker', { level: 'ERROR' })
    await requests.ask('PUT', '/admin/loggers/some.logger?scope=cluster', { level: 'DEBUG' })
    await requests.get('/admin/loggers/some.logger')
  })

  agree('about plugins and what is asked of them', async requests => {
    await requests.get('/connector-plugins/nonsense/config')
    for (const [plugin, body] of [
      ['nonsense', sinkConfig()],
      ['{{alias}}', {}],
      ['{{alias}}', { ...sinkConfig(), 'connector.class': undefined }],
      ['{{alias}}', sinkConfig({ 'connector.class': 'nonsense' })],
      ['{{alias}}', sinkConfig({ 'connector.class': 'FileStreamSource' })],
    ] as const)
      await requests.ask('PUT', `/connector-plugins/${plugin}/config/validate`, body)
  })

  agree('about every converter, transformation and predicate it has', async requests => {
    const { text } = await pair.send('connect', { method: 'GET', path: '/connector-plugins?connectorsOnly=false' })
    const plugins = JSON.parse(text) as readonly { readonly class: string; readonly type: string }[]
    const names = plugins.filter(({ type }) => type !== 'sink' && type !== 'source').map(plugin => plugin.class)
    assert.ok(names.length > 40, 'all of them')
    for (const name of [...new Set(names), 'JsonConverter', 'Filter', 'TopicNameMatches'])
      await requests.get(`/connector-plugins/${encodeURIComponent(name)}/config`)
    for (const version of ['latest', '9.9'])
      await requests.get(`/connector-plugins/JsonConverter/config?version=${version}`)
  })

  agree('about valid and invalid configs, key by key', async requests => {
    const filter = { 'transforms.a.type': `${TRANSFORMS}.Filter` }
    const topicNames = {
      predicates: 'p',
      'predicates.p.type': `${TRANSFORMS}.predicates.TopicNameMatches`,
      'predicates.p.pattern': 'a.*',
    }
    for (const over of [
      {},
      { name: '' },
      { name: 'validated' },
      { name: 'validated', 'tasks.max': 0 },
      { name: 'validated', topics: undefined },
      { name: 'validated', topics: undefined, 'topics.regex': '(' },
      { name: 'validated', 'topics.regex': 'a.*' },
      {
        name: 'validated',
        'errors.tolerance': 'some',
        'errors.retry.timeout': 'x',
        'config.action.reload': 'never',
        'errors.log.enable': 'perhaps',
        'errors.deadletterqueue.topic.replication.factor': '99999',
      },
      { name: 'validated', 'errors.deadletterqueue.topic.name': TOPIC },
      { name: 'validated', 'value.converter': 'nonsense', 'unknown.to.both': 1 },
      { name: 'validated', 'value.converter': undefined, 'key.converter': undefined },
      { name: 'validated', 'value.converter': 'JsonConverter', 'value.converter.schemas.enable': 'perhaps' },
      { name: 'validated', 'value.converter.decimal.format': 'nonsense' },
      { name: 'validated', 'header.converter': 'org.apache.kafka.connect.converters.ByteArrayConverter' },
      { name: 'validated', 'connector.plugin.version': '9.9' },
      { name: 'validated', transforms: 'a,a' },
      { name: 'validated', transforms: 'a,a', 'transforms.a.type': 'Filter' },
      { name: 'validated', transforms: 'a', predicates: 'p' },
      { name: 'validated', transforms: 'a', 'transforms.a.type': 'nonsense' },
      {
        name: 'validated',
        transforms: 'a, b',
        ...filter,
        'transforms.b.type': `${TRANSFORMS}.Cast$Value`,
        'transforms.b.spec': 'int8',
      },
      { name: 'validated', transforms: 'a', 'transforms.a.type': `${TRANSFORMS}.predicates.RecordIsTombstone` },
      { name: 'validated', predicates: 'p', 'predicates.p.type': `${TRANSFORMS}.Filter` },
      { name: 'validated', transforms: 'a', ...filter, 'transforms.a.negate': true },
      {
        name: 'validated',
        transforms: 'a',
        ...filter,
        'transforms.a.negate': 'perhaps',
        'transforms.a.predicate': 'none',
      },
      { name: 'validated', transforms: 'a', ...filter, 'transforms.a.predicate': 'p', ...topicNames },
      { name: 'validated', transforms: 'a', ...filter, ...topicNames, 'predicates.p.pattern': '(' },
      { name: 'validated', transforms: 'a', 'transforms.a.type': `${TRANSFORMS}.InsertField$Value` },
      {
        name: 'validated',
        transforms: 'a',
        'transforms.a.type': `${TRANSFORMS}.MaskField$Key`,
        'transforms.a.fields': 'x',
      },
    ])
      await requests.validate(sinkConfig(over))
  })

  it('to long sequences of requests made by chance', async t => {
    const seed = Number(process.env.MILLRACE_DIFFERENTIAL_SEED ?? randomInt(2 ** 32))
    const count = Number(process.env.MILLRACE_DIFFERENTIAL_REQUESTS ?? REQUESTS)
    t.diagnostic(`seed=${seed}, ${count} requests`)
    const random = randomNumbers(seed)
    const requests = pair.sequence()
    const failure = await failureOf(requests, async () => {
      for (let i = 0; i < count && requests.faults.length === 0; i++)
        await requests.request(randomRequest(random, requests.model))
    })
    if (failure === null) return
    const patience = performance.now() + SHRINKING_MS
    const few = await shrink(requests.asked, replayFails, () => performance.now() < patience)
    assert.fail(
      `${failure}\n\nMILLRACE_DIFFERENTIAL_SEED=${seed}, ${few.length} of ${requests.asked.length} requests:\n${few.map(line).join('\n')}`,
    )
  })

  async function replayFails(few: readonly Request[]): Promise<boolean> {
    const requests = pair.sequence()
    const failure = await failureOf(requests, async () => {
      for (const request of few) if (requests.faults.length === 0) await requests.request(request)
    })
    return failure !== null
  }

  it('no difference that is told of has gone', () => {
    const gone = DIFFERENCES.filter(difference => !pair.seen.has(difference))
    assert.deepEqual(gone, [])
  })
})

/** The first fault, or whatever else went wrong; null when all was well. Leaves no connectors. */
async function failureOf(requests: Sequence, work: () => Promise<void>): Promise<string | null> {
  try {
    await work()
    await requests.end()
    return null
  } catch (error) {
    await requests.abandon()
    return error instanceof Error ? error.message : String(error)
  }
}

/** All that can be read about one connector. */
async function readEverything(requests: Sequence, name: string): Promise<void> {
  await requests.settle()
  for (const path of ['', '/config', '/status', '/tasks', '/tasks/0/status', '/tasks/7/status'])
    await requests.get(`/connectors/${name}${path}`)
}
