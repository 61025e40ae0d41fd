// Connectors and configs over HTTP: Kafka Connect's shapes, codes and texts (connect-runtime.md §1.2, contract rules R1–R8).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CompactedTopicTwin } from '@millrace/testkit'
import { CONFIG, TestApi, WORKER_ID } from './support/test-api.ts'

describe('connectors', () => {
  test('the life of a connector: none, validated, created, listed, read, changed, deleted, none', async () => {
    await using api = await TestApi.open()
    assert.deepEqual((await api.call('GET', '/connectors')).json(), [])
    const validated = await api.call('PUT', '/connector-plugins/BigQuerySinkConnector/config/validate', {
      name: 'a',
      ...CONFIG,
    })
    assert.equal(validated.statusCode, 200)
    assert.equal(validated.json().error_count, 0, validated.body)

    const created = await api.create('a')
    const info = {
      name: 'a',
      config: { ...CONFIG, name: 'a' },
      tasks: [
        { connector: 'a', task: 0 },
        { connector: 'a', task: 1 },
      ],
      type: 'sink',
    }
    assert.equal(created.statusCode, 201)
    assert.equal(created.headers.location, '/connectors/a')
    assert.equal(created.headers['content-type'], 'application/json')
    assert.deepEqual(created.json(), info)
    assert.equal((await api.create('b')).statusCode, 201)
    assert.deepEqual((await api.call('GET', '/connectors/')).json(), ['a', 'b'])
    const again = await api.create('a')
    assert.equal(again.statusCode, 409)
    assert.deepEqual(again.json(), { error_code: 409, message: 'Connector a already exists' })

    assert.deepEqual((await api.call('GET', '/connectors/a')).json(), info)
    assert.deepEqual((await api.call('GET', '/connectors/a/config')).json(), info.config)
    const tasks = (await api.call('GET', '/connectors/a/tasks')).json()
    assert.equal(tasks.length, 2)
    assert.deepEqual(tasks[1], {
      id: { connector: 'a', task: 1 },
      config: { ...info.config, 'task.class': 'io.millrace.bigquery.BigQuerySinkTask' },
    })

    const put = await api.call('PUT', '/connectors/a/config', { ...CONFIG, 'tasks.max': '3' })
    assert.equal(put.statusCode, 200)
    assert.equal(put.json().tasks.length, 3)
    const deleted = await api.call('DELETE', '/connectors/a')
    assert.deepEqual([deleted.statusCode, deleted.body], [204, ''])
    assert.deepEqual((await api.call('DELETE', '/connectors/a')).json(), {
      error_code: 404,
      message: 'Connector a not found',
    })
    assert.equal((await api.call('GET', '/connectors/a/status')).statusCode, 404)
    assert.deepEqual((await api.call('GET', '/connectors')).json(), ['b'])
    assert.equal((await api.create('a')).statusCode, 201, 'the name is free again')
    assert.equal(new Set(api.begun).size, 3, 'each create is a new incarnation')
  })

  test('PUT creates what is not there with 201 and Location, and replaces with 200', async () => {
    await using api = await TestApi.open()
    const created = await api.call('PUT', '/connectors/a%2D%3Eb/config', CONFIG)
    assert.equal(created.statusCode, 201)
    assert.equal(created.headers.location, '/connectors/a-%3Eb')
    assert.equal(created.json().name, 'a->b')
    const same = await api.call('PUT', '/connectors/a->b/config', CONFIG)
    assert.equal(same.statusCode, 200)
    assert.equal(api.store.read().connectors.get('a->b')?.version, 1, 'the same config restarts nothing')
  })

  test('PATCH changes, adds and removes keys and leaves the others, and never creates', async () => {
    await using api = await TestApi.open()
    await api.create('a', { 'errors.log.enable': 'true' })
    const patched = await api.call('PATCH', '/connectors/a/config', {
      'tasks.max': 3,
      'errors.tolerance': 'none',
      'errors.log.enable': null,
    })
    assert.equal(patched.statusCode, 200, patched.body)
    assert.deepEqual(patched.json().config, { ...CONFIG, name: 'a', 'tasks.max': '3', 'errors.tolerance': 'none' })
    assert.equal((await api.call('PATCH', '/connectors/none/config', { x: 'y' })).statusCode, 404)
    assert.equal((await api.call('PATCH', '/connectors/a/config', { topics: null })).statusCode, 400)
  })

  test('two PATCHes on two workers are both applied, though the second one has not heard of the first', async () => {
    const topic = new CompactedTopicTwin()
    await using one = await TestApi.open(topic)
    await using two = await TestApi.open(topic)
    await one.create('a')
    await two.store.refresh({ signal: new AbortController().signal })
    topic.setQuiet(true)
    const answers = [
      await one.call('PATCH', '/connectors/a/config', { 'tasks.max': '5' }),
      await two.call('PATCH', '/connectors/a/config', { 'errors.tolerance': 'none' }),
    ]
    assert.deepEqual(
      answers.map(answer => answer.statusCode),
      [200, 200],
    )
    const { config } = (await two.call('GET', '/connectors/a')).json()
    assert.deepEqual([config['tasks.max'], config['errors.tolerance']], ['5', 'none'])
  })

  test('any worker answers for a connector created on another one a moment ago', async () => {
    const topic = new CompactedTopicTwin()
    await using one = await TestApi.open(topic)
    await using two = await TestApi.open(topic)
    topic.setQuiet(true)
    await one.create('a')
    assert.equal((await two.call('GET', '/connectors/a')).statusCode, 200)
    assert.equal((await two.call('DELETE', '/connectors/a')).statusCode, 204)
    assert.equal((await one.create('a')).statusCode, 201)
  })

  test('If-Match protects a change made on an old reading, and is optional', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    const { etag } = (await api.call('GET', '/connectors/a/config')).headers
    assert.equal(etag, '"1"')
    const send = (method: 'PUT' | 'PATCH' | 'DELETE', url: string, header: string, payload?: object) =>
      api.app.inject({ method, url, headers: { 'if-match': header }, ...(payload === undefined ? {} : { payload }) })
    assert.equal((await send('PUT', '/connectors/a/config', '"1"', { ...CONFIG, 'tasks.max': '4' })).statusCode, 200)
    const stale = await send('PUT', '/connectors/a/config', '"1"', { ...CONFIG, 'tasks.max': '5' })
    assert.equal(stale.statusCode, 412)
    assert.equal(stale.json().error_code, 412)
    assert.equal((await send('PATCH', '/connectors/a/config', '"1"', { x: 'y' })).statusCode, 412)
    assert.equal((await send('DELETE', '/connectors/a', '"1"')).statusCode, 412)
    assert.equal((await send('DELETE', '/connectors/a', 'yesterday')).statusCode, 400)
    assert.equal((await send('DELETE', '/connectors/a', '"2"')).statusCode, 204)
  })

  test('config values may be numbers and booleans, keep their text, and come back as strings', async () => {
    await using api = await TestApi.open()
    const body = `{"name":"a","config":{"connector.class":"BigQuerySink","topics":"t","project":"my-project","defaultDataset":"ds",
      "tasks.max":3,"errors.log.enable":true,"my.long.setting":9007199254740993,"my.precise.setting":1.10}}`
    const created = await api.call('POST', '/connectors', body)
    assert.equal(created.statusCode, 201, created.body)
    const { config } = created.json()
    assert.equal(config['tasks.max'], '3')
    assert.equal(config['errors.log.enable'], 'true')
    assert.equal(config['my.long.setting'], '9007199254740993')
    assert.equal(config['my.precise.setting'], '1.10')
    assert.equal(Object.keys(config).length, 9, 'what was sent, plus the name')
  })

  test('secrets come back from /config as they were written', async () => {
    await using api = await TestApi.open()
    const keyfile = '{"type":"service_account","private_key":"canary"}'
    assert.equal((await api.create('a', { keySource: 'JSON', keyfile })).statusCode, 201)
    assert.equal((await api.call('GET', '/connectors/a/config')).json().keyfile, keyfile)
  })

  test('an invalid config is refused in Connect’s words, one error a line, for POST and PUT alike', async () => {
    await using api = await TestApi.open()
    const bad = { ...CONFIG, topics: '', 'tasks.max': '0' }
    for (const answer of [
      await api.call('POST', '/connectors', { name: 'a', config: bad }),
      await api.call('PUT', '/connectors/a/config', bad),
    ]) {
      assert.equal(answer.statusCode, 400)
      const lines = answer.json().message.split('\n')
      assert.match(lines[0], /^Connector configuration is invalid and contains the following \d+ error\(s\):$/)
      assert.equal(Number(/\d+/.exec(lines[0])?.[0]), lines.length - 2)
      assert.equal(
        lines.at(-1),
        'You can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`',
      )
    }
    assert.deepEqual((await api.call('GET', '/connectors')).json(), [])
    assert.deepEqual(api.begun, [], 'nothing was written anywhere')
  })

  test('no connector class, or an unknown one, is refused without printing the config', async () => {
    await using api = await TestApi.open()
    const none = await api.call('POST', '/connectors', { name: 'a', config: { topics: 't', 'my.password': 'canary' } })
    assert.equal(none.statusCode, 400)
    assert.match(none.json().message, /contains no connector type$/)
    assert.doesNotMatch(none.body, /canary/)
    const unknown = await api.create('a', { 'connector.class': 'FileStreamSink' })
    assert.equal(unknown.statusCode, 400)
    assert.match(
      unknown.json().message,
      /^Failed to find any class that implements Connector and which name matches FileStreamSink,/,
    )
  })

  test('names are trimmed on POST, must match the config, and may hold anything but control characters', async () => {
    await using api = await TestApi.open()
    assert.equal((await api.create('  spaced  ')).json().name, 'spaced')
    for (const name of ['', '   ', 'a\u0000b', 'a\nb', 'a\u0085b', '\ud800', 'n'.repeat(10_240), null, 7]) {
      const refused = await api.call('POST', '/connectors', { name, config: CONFIG })
      assert.equal(refused.statusCode, 400, JSON.stringify(name))
    }
    assert.equal((await api.call('POST', '/connectors', { config: CONFIG })).statusCode, 400)
    const mismatch = await api.create('a', { name: 'b' })
    assert.deepEqual(mismatch.json(), {
      error_code: 400,
      message: "Connector name configuration (b) doesn't match connector name in the URL (a)",
    })
    assert.equal((await api.call('PUT', '/connectors/a/config', { ...CONFIG, name: 'b' })).statusCode, 400)
    for (const name of [
      'con',
      '../../etc',
      'a/b',
      'ünïcodé 😀',
      '\u202eabc',
      'a;b?c#d%e',
      'x'.repeat(1000),
      '😀'.repeat(500),
    ]) {
      const created = await api.create(name)
      assert.equal(created.statusCode, 201, name)
      const url = String(created.headers.location)
      assert.equal((await api.call('GET', url)).json().name, name)
      assert.equal((await api.call('PUT', `${url}/pause`)).statusCode, 202)
      assert.equal((await api.call('DELETE', `${url}/`)).statusCode, 204)
    }
  })

  test('initial_state may be RUNNING, PAUSED or STOPPED in any case; nothing else, and no unknown fields', async () => {
    await using api = await TestApi.open()
    for (const [name, initial, state, tasks] of [
      ['a', 'running', 'UNASSIGNED', 2],
      ['b', 'Paused', 'PAUSED', 0],
      ['c', 'STOPPED', 'STOPPED', 0],
      ['d', null, 'UNASSIGNED', 2],
    ] as const) {
      const created = await api.create(name, {}, { initial_state: initial })
      assert.equal(created.statusCode, 201)
      assert.equal(created.json().tasks.length, tasks)
      assert.equal((await api.call('GET', `/connectors/${name}/status`)).json().connector.state, state)
    }
    assert.equal((await api.create('e', {}, { initial_state: 'DANCING' })).statusCode, 400)
    assert.match((await api.create('e', {}, { color: 'red' })).json().message, /Unrecognized field "color"/)
  })

  test('expand takes status, info, both, repeated or unknown, and never fills an entry by half', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    const keys = async (query: string): Promise<readonly string[]> =>
      Object.keys((await api.call('GET', `/connectors?${query}`)).json().a ?? {}).sort()
    assert.deepEqual(await keys('expand=status'), ['status'])
    assert.deepEqual(await keys('expand=info&expand=status'), ['info', 'status'])
    assert.deepEqual(await keys('expand=info&expand=nonsense'), ['info'])
    assert.deepEqual((await api.call('GET', '/connectors?expand=nonsense')).json(), { a: {} })
    const { a } = (await api.call('GET', '/connectors?expand=status')).json()
    assert.deepEqual(a.status, (await api.call('GET', '/connectors/a/status')).json())
  })

  test('status has exactly Connect’s keys, FAILED always with a trace, others never', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    api.report('w2', 'a', [{}, { state: 'FAILED', trace: 'boom', nextOffset: 7n as never }])
    assert.deepEqual((await api.call('GET', '/connectors/a/status')).json(), {
      name: 'a',
      connector: { state: 'RUNNING', worker_id: 'w2:8083' },
      tasks: [
        { id: 0, state: 'RUNNING', worker_id: 'w2:8083' },
        { id: 1, state: 'FAILED', worker_id: 'w2:8083', trace: 'flights-1@7: boom' },
      ],
      type: 'sink',
    })
    assert.deepEqual((await api.call('GET', '/connectors/a/tasks/0/status')).json(), {
      id: 0,
      state: 'RUNNING',
      worker_id: 'w2:8083',
    })
    for (const [url, message] of [
      ['/connectors/a/tasks/2/status', 'No status found for task a-2'],
      ['/connectors/x/tasks/0/status', 'No status found for task x-0'],
      ['/connectors/x/status', 'No status found for connector x'],
      ['/connectors/x/tasks', 'Connector x not found'],
    ] as const) {
      assert.deepEqual((await api.call('GET', url)).json(), { error_code: 404, message })
    }
    assert.equal((await api.call('GET', '/connectors/a/tasks/first/status')).statusCode, 404)
  })

  test('without Redis status shows what was last known, then nothing better than UNASSIGNED, and never an error', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    api.report('w2', 'a', [{}])
    const state = async (): Promise<string> => (await api.call('GET', '/connectors/a/status')).json().tasks[0].state
    api.time.jump(1_000)
    assert.equal(await state(), 'RUNNING')
    api.isBoardDown = true
    api.time.jump(1_000)
    assert.equal(await state(), 'RUNNING')
    api.time.jump(60_000)
    assert.equal(await state(), 'UNASSIGNED')
    assert.equal((await api.call('GET', '/connectors/a')).json().tasks.length, 2)
  })

  test('a thousand connectors are listed with status and info from one view', async () => {
    await using api = await TestApi.open()
    for (let i = 0; i < 1000; i++) await api.write(`connector-${i}`)
    api.report('w2', 'connector-7', [{}])
    const began = performance.now()
    const listed = await api.call('GET', '/connectors?expand=status&expand=info')
    const elapsedMs = performance.now() - began
    assert.equal(Object.keys(listed.json()).length, 1000)
    assert.ok(elapsedMs < 2_000, `took ${elapsedMs} ms`)
    const zipped = await api.app.inject({
      url: '/connectors?expand=info',
      headers: { 'accept-encoding': 'gzip, deflate' },
    })
    assert.equal(zipped.headers['content-encoding'], 'gzip')
    assert.ok(zipped.rawPayload.length * 5 < listed.rawPayload.length)
  })

  test('a change of a converter or a client override alone is a new generation of the config, the same again is none', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    const generation = (): number | undefined => api.store.read().connectors.get('a')?.configGeneration
    const converter = { 'key.converter': 'org.apache.kafka.connect.storage.StringConverter' }
    for (const [expected, patch] of [
      [2, converter],
      [2, converter],
      [3, { 'consumer.override.group.id': 'watched' }],
      [3, { 'consumer.override.group.id': 'watched' }],
      [4, { 'consumer.override.group.id': null }],
    ] as const) {
      assert.equal((await api.call('PATCH', '/connectors/a/config', patch)).statusCode, 200)
      assert.equal(generation(), expected, JSON.stringify(patch))
    }
  })

  test('while Kafka is away a write is answered 500 with the stage, reads go on, and the write may still be applied', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    api.topic.failNextAppend('late')
    const pause = api.call('PUT', '/connectors/a/pause')
    await api.time.settle()
    api.topic.setDown(true)
    await api.time.advance(31_000)
    const answer = await pause
    assert.equal(answer.statusCode, 500)
    assert.match(
      answer.json().message,
      /^Request timed out\. The worker is currently writing to the config topic, which began at /,
    )
    assert.equal((await api.call('GET', '/connectors/a')).statusCode, 200)
    api.topic.setDown(false)
    api.topic.landLate()
    await api.store.refresh({ signal: new AbortController().signal })
    assert.equal((await api.call('GET', '/connectors/a/status')).json().connector.state, 'PAUSED')
  })

  test('worker_id is the advertised address when nothing better is known', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    assert.equal((await api.call('GET', '/connectors/a/status')).json().connector.worker_id, WORKER_ID)
  })
})
