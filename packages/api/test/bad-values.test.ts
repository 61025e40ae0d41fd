// Values that are wrong inside well-formed requests (reliability.md §4): each is refused with its key or field named, or kept
// exactly as it was sent. Nothing is coerced or dropped without a word.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CONFIG, TestApi } from './support/test-api.ts'

/** No refusal takes longer, whatever the value; a busy machine's allowance. */
const REFUSAL_MS_MAX = 5_000
const DLQ = { 'errors.tolerance': 'all', 'errors.deadletterqueue.topic.name': 'dead' }
const regex = (pattern: string): Readonly<Record<string, string>> => ({ topics: '', 'topics.regex': pattern })
const key = (json: object): Readonly<Record<string, string>> => ({ keySource: 'JSON', keyfile: JSON.stringify(json) })

/** A label, the config's wrong part, and what the refusal must name. */
const REFUSED: readonly (readonly [string, Readonly<Record<string, unknown>>, RegExp])[] = [
  ['no topics', { topics: '' }, /topics or topics\.regex/],
  ['topics and regex', { 'topics.regex': 'a' }, /topics and topics\.regex are mutually exclusive/],
  ['a topic with a space', { topics: 'a b' }, /topics/],
  ['a topic of dots', { topics: '..' }, /topics/],
  ['a topic of 300 characters', { topics: 'a'.repeat(300) }, /topics/],
  ['a topic with a lone surrogate', { topics: '\ud800' }, /topics/],
  ['a regex that is none', regex('('), /topics\.regex/],
  ['a regex with lookbehind', regex('(?<=a)b'), /topics\.regex.*[Ll]ook/],
  ['a regex with a backreference', regex('(a)\\1'), /topics\.regex/],
  ['a regex of 5,000 characters', regex('a'.repeat(5_000)), /topics\.regex/],
  ['a regex that explodes by counting', regex('((a{1,1000}){1,1000}){1,1000}'), /topics\.regex/],
  ['a dataset with a space', { defaultDataset: 'a b' }, /defaultDataset/],
  ['a dataset with a backquote', { defaultDataset: 'a`; DROP TABLE x; --' }, /defaultDataset/],
  ['a dataset of 1,100 characters', { defaultDataset: 'x'.repeat(1_100) }, /defaultDataset/],
  ['an empty dataset', { defaultDataset: '' }, /defaultDataset/],
  ['a project that climbs', { project: '../other' }, /project/],
  ['a project with NUL', { project: 'a\u0000b' }, /project/],
  ['a table with $', { topic2TableMap: 'flights:a$b' }, /topic2TableMap/],
  ['a table with ;', { topic2TableMap: 'flights:a;b' }, /topic2TableMap/],
  ['an empty table', { topic2TableMap: 'flights:' }, /topic2TableMap/],
  ['a table of 1,100 characters', { topic2TableMap: `flights:${'x'.repeat(1_100)}` }, /topic2TableMap/],
  ['a batch of 0 bytes', { 'append.max.bytes': 0 }, /append\.max\.bytes/],
  ['a batch of −1 bytes', { 'append.max.bytes': -1 }, /append\.max\.bytes/],
  ['a batch beyond the service’s limit', { 'append.max.bytes': 10_485_761 }, /append\.max\.bytes/],
  ['a batch of 0 rows', { 'append.max.rows': 0 }, /append\.max\.rows/],
  ['a negative linger', { 'append.linger.ms': -1 }, /append\.linger\.ms/],
  ['no tasks', { 'tasks.max': 0 }, /tasks\.max/],
  ['a thousand million tasks', { 'tasks.max': 1_000_000_000 }, /tasks\.max/],
  ['half a task', { 'tasks.max': 1.5 }, /tasks\.max/],
  ['minus zero tasks', { 'tasks.max': '-0' }, /tasks\.max/],
  ['NaN tasks', { 'tasks.max': 'NaN' }, /tasks\.max/],
  ['tasks in hexadecimal', { 'tasks.max': '0x10' }, /tasks\.max/],
  ['tasks beyond 2^53', { 'tasks.max': '9007199254740993' }, /tasks\.max/],
  ['tasks: true', { 'tasks.max': true }, /tasks\.max/],
  [
    'a dead letter queue that is read',
    { ...DLQ, 'errors.deadletterqueue.topic.name': 'flights' },
    /DLQ topic 'flights'/,
  ],
  ['a dead letter queue a regex finds', { ...regex('de.*'), ...DLQ }, /DLQ topic 'dead'/],
  ['a dead letter queue that is no topic', { ...DLQ, 'errors.deadletterqueue.topic.name': 'a/b' }, /deadletterqueue/],
  [
    'a replication factor of 0',
    { ...DLQ, 'errors.deadletterqueue.topic.replication.factor': 0 },
    /replication\.factor/,
  ],
  ['a tolerance that is neither', { 'errors.tolerance': 'some' }, /errors\.tolerance/],
  ['a retry time of −2', { 'errors.retry.timeout': -2 }, /errors\.retry\.timeout/],
  ['a negative retry delay', { 'errors.retry.delay.max.ms': -1 }, /errors\.retry\.delay\.max\.ms/],
  ['a placeholder in a placeholder', { project: '$' + '{a:$' + '{b}}' }, /project/],
  ['a placeholder of nobody', { keySource: 'JSON', keyfile: '$' + '{nobody:/etc/passwd:root}' }, /keyfile/],
  ['a key that is no JSON', { keySource: 'JSON', keyfile: '{' }, /keyfile/],
  ['a key that is a list', { keySource: 'JSON', keyfile: '[]' }, /keyfile/],
  ['a key without keySource', { keyfile: '{"type":"service_account"}' }, /keySource/],
  [
    'an external account that runs a command',
    key({ type: 'external_account', credential_source: { executable: { command: '/bin/sh' } } }),
    /keyfile/,
  ],
  [
    'an external account that asks the metadata server',
    key({ type: 'external_account', credential_source: { url: 'http://169.254.169.254/' } }),
    /keyfile/,
  ],
  ['an authorized user', key({ type: 'authorized_user', refresh_token: 'x' }), /keyfile/],
  [
    'another Kafka',
    { 'consumer.override.bootstrap.servers': '169.254.169.254:9092' },
    /consumer\.override\.bootstrap\.servers/,
  ],
  [
    'a login module',
    { 'consumer.override.sasl.jaas.config': 'com.sun.security.auth.module.JndiLoginModule required;' },
    /sasl\.jaas\.config/,
  ],
  ['a login callback', { 'admin.override.sasl.login.callback.handler.class': 'x.Y' }, /callback/],
  ['an override nobody knows', { 'producer.override.bogus': 'x' }, /producer\.override\.bogus/],
  ['a key with a typing error', { 'error.tolerance': 'all' }, /error\.tolerance.*errors\.tolerance/],
  ['a converter by the name of a prototype', { 'value.converter': '__proto__' }, /value\.converter/],
  ['a converter that is another class', { 'header.converter': 'java.lang.Runtime' }, /header\.converter/],
  ['a transform without a type', { transforms: 'a' }, /transforms\.a\.type/],
  ['a transform by the name of a prototype', { transforms: '__proto__' }, /transforms\.__proto__\.type/],
  ['a transform twice', { transforms: 'a,a' }, /transforms/],
  ['a boolean that is none', { sanitizeTopics: 'maybe' }, /sanitizeTopics/],
  ['a guarantee that is none', { 'delivery.guarantee': 'twice' }, /delivery\.guarantee/],
  ['a partitioning that is none', { timePartitioningType: 'CENTURY' }, /timePartitioningType/],
  ['five clustering fields', { clusteringPartitionFieldNames: 'a,b,c,d,e' }, /clusteringPartitionFieldNames/],
  ['an expiry of −5', { partitionExpirationMs: -5 }, /partitionExpirationMs/],
  ['5,000 keys', Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`my.${i}`, 'v'])), /at most 1000 keys/],
  ['a value of 600 kB', { 'my.note': 'x'.repeat(600_000) }, /larger than/],
]

describe('a config with a wrong value', () => {
  for (const [label, over, named] of REFUSED)
    test(`${label}: refused at create, counted by validate, nothing stored`, async () => {
      await using api = await TestApi.open()
      const began = performance.now()
      const created = await api.create('a', over)
      assert.equal(created.statusCode, 400, created.body)
      const { error_code: code, message } = created.json()
      assert.equal(code, 400)
      assert.match(message, named)
      assert.ok(message.length < 20_000, 'what is wrong is not repeated in full')
      assert.doesNotMatch(message, /\n\s+at /, 'no stack')
      if (JSON.stringify(over).length < 100_000) {
        const path = '/connector-plugins/BigQuerySinkConnector/config/validate'
        const validated = await api.call('PUT', path, { name: 'a', ...CONFIG, ...over })
        assert.equal(validated.statusCode, 200, validated.body.slice(0, 500))
        assert.ok(validated.json().error_count > 0)
      }
      assert.ok(performance.now() - began < REFUSAL_MS_MAX)
      assert.equal(api.store.read().connectors.size, 0)
      assert.deepEqual(api.begun, [])
    })

  test('a pattern that hangs a backtracking engine is a pattern like any other', async () => {
    await using api = await TestApi.open()
    assert.equal((await api.create('a', regex('(a+)+$'))).statusCode, 201)
    assert.equal((await api.create('b', regex('(.*a){20}'))).statusCode, 201)
  })

  test('5,000 keys are not reported as a missing name', async () => {
    await using api = await TestApi.open()
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`my.${i}`, 'v']))
    const { message } = (await api.call('PUT', '/connectors/a/config', { ...many, ...CONFIG })).json()
    assert.doesNotMatch(message, /Missing required/)
    assert.match(message, /at most 1000 keys, but here are 5006/)
  })
})

describe('odd but legal', () => {
  test('keys and values nobody knows come back exactly as they were sent', async () => {
    await using api = await TestApi.open()
    const odd = {
      constructor: 'c',
      'a.__proto__.b': 'p',
      toString: 't',
      '': 'empty key',
      'my.nul': 'a\u0000b',
      'my.surrogate': '\ud800',
      'my.rtl': '\u202eabc',
      'my.emoji': '💥',
      'my.long': 'x'.repeat(100_000),
      'my.quote': '"\\\n\t',
    }
    const created = await api.create('a', odd)
    assert.equal(created.statusCode, 201, created.body.slice(0, 1_000))
    assert.deepEqual((await api.call('GET', '/connectors/a/config')).json(), { ...CONFIG, ...odd, name: 'a' })
    const other = await TestApi.open(api.topic)
    assert.deepEqual((await other.call('GET', '/connectors/a/config')).json(), { ...CONFIG, ...odd, name: 'a' })
    await other[Symbol.asyncDispose]()
    assert.equal(({} as Record<string, unknown>).b, undefined, 'no prototype was touched')
  })

  test('names that differ by case, or look alike, are different connectors', async () => {
    await using api = await TestApi.open()
    const names = ['abc', 'ABC', 'аbc', 'a\u0301', 'á', 'con', 'constructor', 'toString', '%', 'a b', '0']
    for (const name of names) assert.equal((await api.create(name)).statusCode, 201, name)
    assert.deepEqual(new Set((await api.call('GET', '/connectors')).json()), new Set(names))
    for (const name of names) {
      const answer = await api.call('GET', `/connectors/${encodeURIComponent(name)}`)
      assert.equal(answer.json().name, name)
    }
    const all = (await api.call('GET', '/connectors?expand=info&expand=status')).json()
    assert.equal(Object.keys(all).length, names.length)
  })
})

describe('a body with a key twice', () => {
  test('is refused by the key’s name: one of the values would be lost', async () => {
    await using api = await TestApi.open()
    const config = JSON.stringify(CONFIG)
    for (const [body, named] of [
      [`{"name":"a","name":"b","config":${config}}`, /"name" twice/],
      [`{"name":"a","config":${config},"config":{}}`, /"config" twice/],
      [`{"name":"a","config":{"topics":"x",${config.slice(1)}}`, /"topics" twice/],
      [`{"name":"a","config":{"\\u0074opics":"x",${config.slice(1)}}`, /"topics" twice/],
    ] as const) {
      const answer = await api.call('POST', '/connectors', body)
      assert.equal(answer.statusCode, 400, body)
      assert.match(answer.json().message, named)
    }
    assert.equal(api.store.read().connectors.size, 0)
  })

  test('the same key in several objects, or as a value, is no repetition', async () => {
    await using api = await TestApi.open()
    const config = JSON.stringify({
      ...CONFIG,
      name: 'name',
      'my.note': 'name',
      'my.quote': '"a":1,"a":2',
      'my.end': '\\',
    })
    assert.equal((await api.call('POST', '/connectors', `{"name":"name","config":${config}}`)).statusCode, 201)
    await api.call('PUT', '/connectors/name/stop')
    const offsets = [0, 1].map(partition => ({
      partition: { kafka_topic: 'flights', kafka_partition: partition },
      offset: { kafka_offset: 5 },
    }))
    assert.equal((await api.call('PATCH', '/connectors/name/offsets', { offsets })).statusCode, 200)
  })
})

describe('changes that meet', () => {
  test('of two PUTs with the same If-Match one wins, the other is told', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    const send = (tasks: number) =>
      api.app.inject({
        method: 'PUT',
        url: '/connectors/a/config',
        headers: { 'if-match': '"1"', 'content-type': 'application/json' },
        payload: JSON.stringify({ ...CONFIG, 'tasks.max': tasks }),
      })
    const answers = await Promise.all([send(5), send(6), send(7)])
    assert.deepEqual(answers.map(answer => answer.statusCode).sort(), [200, 412, 412])
    const won = answers.find(answer => answer.statusCode === 200)?.json().config['tasks.max']
    assert.equal((await api.call('GET', '/connectors/a/config')).json()['tasks.max'], won)
  })

  test('creates, deletes and pauses of one name at once end in 2xx, 404 or 409, and in one state', async () => {
    await using api = await TestApi.open()
    const calls = Array.from({ length: 40 }, (_, i) => {
      if (i % 4 === 0) return api.create('a')
      if (i % 4 === 1) return api.call('DELETE', '/connectors/a')
      if (i % 4 === 2) return api.call('PUT', '/connectors/a/pause')
      return api.call('PATCH', '/connectors/a/config', { 'tasks.max': String(1 + i) })
    })
    for (const answer of await Promise.all(calls))
      assert.ok([200, 201, 202, 204, 404, 409].includes(answer.statusCode), `${answer.statusCode} ${answer.body}`)
    const listed = (await api.call('GET', '/connectors')).json()
    assert.equal((await api.call('GET', '/connectors/a')).statusCode, listed.length === 1 ? 200 : 404)
  })

  test('a connector is paused, stopped and deleted while it fails', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    api.report('w1', 'a', [{ state: 'FAILED', trace: 'boom' }])
    assert.equal((await api.call('PUT', '/connectors/a/pause')).statusCode, 202)
    assert.equal((await api.call('PUT', '/connectors/a/stop')).statusCode, 204)
    assert.equal((await api.call('GET', '/connectors/a/status')).json().connector.state, 'STOPPED')
    assert.equal((await api.call('DELETE', '/connectors/a')).statusCode, 204)
    assert.equal((await api.call('GET', '/connectors/a/status')).statusCode, 404)
  })
})
