// The rules that all clients together ask for (R1–R14): one test each, by its number.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CompactedTopicTwin } from '@millrace/testkit'
import { OPEN } from '../../src/index.ts'
import { CONFIG, TestApi } from '../support/test-api.ts'
import * as read from './support/reads.ts'
import { curl, redpandaConsole } from './support/recordings.ts'
import { configText, createText, openScene } from './support/scene.ts'
import { HOST } from './support/wire.ts'

const OFFSETS = JSON.stringify({
  offsets: [{ partition: { kafka_topic: 'flights', kafka_partition: 0 }, offset: { kafka_offset: 7 } }],
})
const CODES: readonly (readonly [string, string | undefined, number])[] = [
  ['POST /connectors', createText('r2'), 201],
  ['PUT /connectors/r2b/config', configText(), 201],
  ['PUT /connectors/r2b/config', configText(), 200],
  ['PATCH /connectors/r2b/config', '{"tasks.max": "3"}', 200],
  ['PUT /connectors/r2/pause', undefined, 202],
  ['PUT /connectors/r2/resume', undefined, 202],
  ['POST /connectors/r2/restart', undefined, 204],
  ['POST /connectors/r2/restart?includeTasks=true', undefined, 202],
  ['POST /connectors/r2/restart?onlyFailed=true', undefined, 202],
  ['POST /connectors/r2/tasks/0/restart', undefined, 204],
  ['GET /connectors/r2/offsets', undefined, 200],
  ['PUT /connectors/r2/topics/reset', undefined, 202],
  ['PUT /connectors/r2/stop', undefined, 204],
  ['PATCH /connectors/r2/offsets', OFFSETS, 200],
  ['DELETE /connectors/r2/offsets', undefined, 200],
  ['PUT /admin/loggers/root', '{"level":"WARN"}', 200],
  ['PUT /admin/loggers/root?scope=cluster', '{"level":"WARN"}', 204],
  ['DELETE /connectors/r2', undefined, 204],
]

/** As people have them: in the names of the other connectors, and one that means nothing here. */
const PASTED = {
  keySource: 'JSON',
  keyfile: '{"type":"service_account","client_email":"a@b.c","private_key":"x"}',
  topic2TableMap: 'flights:departures',
  useStorageWriteApi: 'true',
  autoCreateTables: 'true',
  allowNewBigQueryFields: 'false',
  allowBigQueryRequiredFieldRelaxation: 'false',
  sanitizeTopics: 'true',
  bigQueryPartitionDecorator: 'false',
  threadPoolSize: '10',
}

describe('the contract', () => {
  test('R1: every error is {error_code, message}: route, method, media type, body, size, host, URL, log-in, failure', async () => {
    await using wire = await openScene()
    const send = async (status: number, line: string, headers: readonly string[] = [], body = ''): Promise<void> => {
      const length = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]
      const all = [...(headers.some(text => text.startsWith('Host')) ? [] : [`Host: ${HOST}`]), ...headers, ...length]
      const answer = await wire.replay({ line: `${line} HTTP/1.1`, headers: all, body })
      assert.equal(answer.status, status, line)
      assert.match(answer.headers.get('content-type') ?? '', /^application\/json/, line)
      read.error(JSON.parse(answer.text), status)
    }
    const json = ['Content-Type: application/json']
    await send(404, 'GET /nope')
    await send(405, 'DELETE /connectors')
    await send(415, 'POST /connectors', ['Content-Type: text/xml'], '<a/>')
    await send(415, 'POST /connectors', [...json, 'Content-Encoding: gzip'], 'x')
    await send(400, 'POST /connectors', json, '{')
    await send(413, 'POST /connectors', json, `"${'x'.repeat(1024 * 1024)}"`)
    await send(403, 'GET /connectors', ['Host: evil.example'])
    await send(400, 'GET /connectors/%zz')
    await send(404, 'GET /connectors/none')
    wire.api.deps.clusterId = () => Promise.reject(new TypeError('deep inside'))
    await send(500, 'GET /')

    const unknown = { kind: 'unknown', challenge: 'Basic' } as const
    await using closed = await openScene({ ...OPEN, authenticator: { authenticate: async () => unknown } })
    const answer = await closed.replay(curl('GET /connectors'))
    assert.equal(answer.status, 401)
    read.error(JSON.parse(answer.text), 401)
  })

  test('R2: each call has its code, and 204 and 202 without flags have no body', async () => {
    await using wire = await openScene()
    for (const [request, body, status] of CODES) {
      const answer = await wire.replay(curl(request, body))
      assert.equal(answer.status, status, `${request}: ${answer.text}`)
      if (status === 204) assert.equal(answer.text, '', request)
      if (status === 201) assert.match(answer.headers.get('location') ?? '', /^\/connectors\/r2b?$/, request)
    }
  })

  test('R3: scalars become strings as Jackson writes them, nested values are 400, null in PATCH deletes', async () => {
    await using wire = await openScene()
    const body = createText('r3', { 'my.int': 7, 'my.bool': false, 'my.float': 1.5 })
    const { config } = read.info(await wire.expect(201, curl('POST /connectors', body)))
    assert.deepEqual([config['my.int'], config['my.bool'], config['my.float']], ['7', 'false', '1.5'])
    for (const value of [{}, [], ['a'], { a: 1 }])
      read.error(await wire.expect(400, curl('PUT /connectors/r3/config', configText({ 'my.int': value }))), 400)
    const patched = read.info(await wire.expect(200, curl('PATCH /connectors/r3/config', '{"my.int":null}')))
    assert.equal(patched.config['my.int'], undefined)
    assert.equal(patched.config['my.bool'], 'false')
  })

  test('R4: status has int ids, worker_id always, trace exactly when FAILED, and no key more', async () => {
    await using wire = await openScene()
    for (const name of ['runs', 'fails', 'rests', 'stands'])
      read.status(await wire.expect(200, curl(`GET /connectors/${name}/status`)))
    wire.api.report('w2', 'fails', [{ state: 'FAILED', failures: 1 }])
    const bare = await wire.expect(200, curl('GET /connectors/fails/status'))
    assert.ok(
      read.status(bare).tasks.some(task => task.state === 'FAILED'),
      'a trace even where nobody told why',
    )
  })

  test('R5: expand may be absent, single, repeated or unknown; entries are whole or absent', async () => {
    await using wire = await openScene()
    read.list(await wire.expect(200, curl('GET /connectors')))
    const unknown = read.object(await wire.expect(200, curl('GET /connectors?expand=nonsense')))
    assert.deepEqual(Object.values(unknown), [{}, {}, {}, {}], 'as Connect answers: an object, with nothing in it')
    for (const [query, keys] of [
      ['expand=info', ['info']],
      ['expand=status&expand=status', ['status']],
      ['expand=info&expand=other&expand=status', ['info', 'status']],
    ] as const)
      for (const entry of Object.values(read.object(await wire.expect(200, curl(`GET /connectors?${query}`)))))
        assert.deepEqual(Object.keys(read.object(entry)).sort(), keys)
    const deletions = ['runs', 'fails', 'rests', 'stands'].map(name =>
      wire.expect(204, curl(`DELETE /connectors/${name}`)),
    )
    const lists = Array.from({ length: 20 }, () => wire.expect(200, curl('GET /connectors?expand=info&expand=status')))
    for (const all of await Promise.all(lists))
      for (const entry of Object.values(read.object(all)))
        assert.deepEqual(Object.keys(read.object(entry)).sort(), ['info', 'status'])
    await Promise.all(deletions)
  })

  test('R6: topics are under the connector’s name, also when there are none', async () => {
    await using wire = await openScene()
    assert.deepEqual(await wire.expect(200, curl('GET /connectors/runs/topics')), { runs: { topics: ['flights'] } })
    assert.deepEqual(await wire.expect(200, curl('GET /connectors/rests/topics')), { rests: { topics: [] } })
  })

  test('R7: validate knows a plugin by class, simple name and alias, is quick, and refuses another class', async () => {
    await using wire = await openScene()
    for (const plugin of [
      'io.millrace.bigquery.BigQuerySinkConnector',
      'com.wepay.kafka.connect.bigquery.BigQuerySinkConnector',
      'BigQuerySinkConnector',
      'BigQuerySink',
    ]) {
      const body = configText({ name: 'x', 'connector.class': plugin })
      const answer = await wire.expect(200, curl(`PUT /connector-plugins/${plugin}/config/validate`, body))
      assert.equal(read.validation(answer).errorCount, 0, plugin)
    }
    const other = curl('PUT /connector-plugins/SomethingElse/config/validate', configText())
    assert.match(read.error(await wire.expect(400, other), 400), /does not match request type SomethingElse/)
    const times: number[] = []
    for (let i = 0; i < 20; i++) {
      const began = performance.now()
      await wire.expect(200, curl('PUT /connector-plugins/BigQuerySink/config/validate', configText({ name: 'x' })))
      times.push(performance.now() - began)
    }
    assert.ok((times.sort((a, b) => a - b)[10] ?? 0) < 300)
  })

  test('R8: an invalid config is refused in the three parts that kcctl takes apart', async () => {
    await using wire = await openScene()
    const body = createText('r8', { 'tasks.max': '0', topics: '' })
    const message = read.error(await wire.expect(400, curl('POST /connectors', body)), 400)
    const [first = '', ...rest] = message.split('\n')
    const count = Number(
      /^Connector configuration is invalid and contains the following (\d+) error\(s\):$/.exec(first)?.[1],
    )
    assert.equal(rest.length, count + 1)
    assert.equal(
      rest.at(-1),
      'You can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`',
    )
  })

  test('R9: offsets have the sink’s shape, move of a STOPPED connector only, and say so in Connect’s words', async () => {
    await using wire = await openScene()
    const shape = await wire.expect(200, curl('GET /connectors/stands/offsets'))
    assert.deepEqual(shape, {
      offsets: [{ partition: { kafka_topic: 'flights', kafka_partition: 0 }, offset: { kafka_offset: 42 } }],
    })
    for (const name of ['runs', 'rests'])
      read.error(await wire.expect(400, curl(`PATCH /connectors/${name}/offsets`, JSON.stringify(shape))), 400)
    const answer = read.object(await wire.expect(200, curl('PATCH /connectors/stands/offsets', JSON.stringify(shape))))
    assert.match(String(answer.message), /^The offsets for this connector have been altered successfully/)
  })

  test('R10: /health is healthy 200, starting 503, unhealthy 500, each {status, message}', async () => {
    await using wire = await openScene()
    for (const [status, code] of [
      ['healthy', 200],
      ['starting', 503],
      ['unhealthy', 500],
    ] as const) {
      wire.api.deps.health = async () => ({ status })
      const health = read.stringMap(await wire.expect(code, curl('GET /health')))
      assert.deepEqual(Object.keys(health).sort(), ['message', 'status'])
      assert.equal(health.status, status)
    }
  })

  test('R11: Connect’s bodies have Connect’s keys only; the request’s id is a header', async () => {
    await using wire = await openScene()
    read.info(await wire.expect(200, curl('GET /connectors/runs')))
    const answer = await wire.replay(curl('GET /connectors/runs/status'))
    assert.ok((answer.headers.get('x-request-id') ?? '').length > 0)
    read.status(JSON.parse(answer.text))
  })

  test('R12: any worker answers any call at once, for what was written through another', async () => {
    const topic = new CompactedTopicTwin()
    await using one = await TestApi.open(topic)
    await using two = await TestApi.open(topic)
    topic.setQuiet(true) // neither hears of the other's writes by itself
    for (const [writer, reader] of [
      [one, two],
      [two, one],
    ] as const) {
      assert.equal((await writer.create('r12')).statusCode, 201)
      for (const path of ['', '/config', '/status', '/tasks', '/offsets'])
        assert.equal((await reader.call('GET', `/connectors/r12${path}`)).statusCode, 200, path)
      assert.equal((await reader.call('PUT', '/connectors/r12/pause')).statusCode, 202)
      assert.equal((await writer.call('PATCH', '/connectors/r12/config', { 'tasks.max': '4' })).statusCode, 200)
      assert.equal((await reader.create('r12')).statusCode, 409)
      assert.equal((await reader.call('DELETE', '/connectors/r12')).statusCode, 204)
    }
  })

  test('R13: a config pasted from Confluent’s or Aiven’s connector is taken under their class names and key names', async () => {
    await using wire = await openScene()
    for (const className of ['com.wepay.kafka.connect.bigquery.BigQuerySinkConnector', 'BigQueryStorageSink']) {
      const keys = { ...PASTED, 'connector.class': className }
      const { config } = read.info(await wire.expect(201, curl('POST /connectors', createText(className, keys))))
      assert.deepEqual(config, { ...CONFIG, ...keys, name: className }, 'returned as it was sent')
      const validate = `PUT /connector-plugins/${className}/config/validate`
      const answer = await wire.expect(200, curl(validate, configText({ ...keys, name: 'x' })))
      assert.equal(read.validation(answer).errorCount, 0)
      const infos = read.list(read.object(answer).configs).map(read.object)
      for (const key of Object.keys(PASTED)) {
        const { definition } = infos.find(info => read.object(info.value).name === key) ?? {}
        assert.equal(read.definition(definition).name, key, 'mapped, not merely stored')
      }
      const ignored = infos.find(info => read.object(info.value).name === 'threadPoolSize')
      assert.match(String(read.definition(ignored?.definition).documentation), /No effect: /, 'and says so in forms')
    }
  })

  test('R14: HEAD and OPTIONS answer, big lists are zipped for those who ask, ?pretty is for people', async () => {
    await using wire = await openScene()
    for (let i = 0; i < 30; i++) await wire.api.write(`more-${i}`)
    const zipped = await wire.replay(redpandaConsole('GET /connectors?expand=info'))
    assert.equal(zipped.headers.get('content-encoding'), 'gzip')
    const plain = await wire.replay(curl('GET /connectors?expand=info'))
    assert.equal(plain.headers.get('content-encoding'), undefined)
    assert.deepEqual(JSON.parse(zipped.text), JSON.parse(plain.text))
    const pretty = await wire.replay(curl('GET /connectors/runs?pretty'))
    assert.match(pretty.text, /^\{\n {2}"name"/)
    for (const path of ['/', '/health', '/connectors', '/connectors/runs', '/connector-plugins', '/admin/loggers']) {
      const head = await wire.replay({ line: `HEAD ${path} HTTP/1.1`, headers: [`Host: ${HOST}`] })
      assert.deepEqual([head.status, head.text], [200, ''], path)
      const options = await wire.replay({ line: `OPTIONS ${path} HTTP/1.1`, headers: [`Host: ${HOST}`] })
      assert.equal(options.status, 200, path)
      assert.match(options.headers.get('allow') ?? '', /\bGET\b.*\bOPTIONS\b/, path)
    }
  })
})
