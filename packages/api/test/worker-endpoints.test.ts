// The worker itself: root, health, plugins, validate, loggers, /api/v1.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CONFIG, TestApi } from './support/test-api.ts'

describe('the worker', () => {
  test('GET / tells the Kafka level that clients read features from', async () => {
    await using api = await TestApi.open()
    const root = (await api.call('GET', '/')).json()
    assert.deepEqual(root, { version: '4.1.0', commit: 'abcdef', kafka_cluster_id: 'kafka-cluster' })
  })

  test('/health is 200, 503 or 500 with Connect’s sentences, and unhealthy when the check hangs or throws', async () => {
    await using api = await TestApi.open()
    const answer = async (): Promise<readonly [number, unknown]> => {
      const response = await api.call('GET', '/health')
      return [response.statusCode, response.json()]
    }
    assert.deepEqual(await answer(), [
      200,
      { status: 'healthy', message: 'Worker has completed startup and is ready to handle requests.' },
    ])
    api.deps.health = async () => ({ status: 'starting', detail: 'Reading the config topic.' })
    assert.deepEqual(await answer(), [
      503,
      { status: 'starting', message: 'Worker is still starting up. Reading the config topic.' },
    ])
    api.deps.health = () => new Promise(() => {})
    const hanging = answer()
    await api.time.advance(11_000)
    const [code, body] = await hanging
    assert.equal(code, 500)
    assert.equal((body as { status: string }).status, 'unhealthy')
    assert.match(
      (body as { message: string }).message,
      /^Worker was unable to handle this request and may be unable to handle other/,
    )
  })

  test('plugins: connectors only unless asked for all; definitions by class, simple name or alias', async () => {
    await using api = await TestApi.open()
    const connectors = (await api.call('GET', '/connector-plugins')).json()
    assert.deepEqual(connectors, [
      { class: 'io.millrace.bigquery.BigQuerySinkConnector', type: 'sink', version: '0.1.0' },
      { class: 'com.wepay.kafka.connect.bigquery.BigQuerySinkConnector', type: 'sink', version: '0.1.0' },
    ])
    const all = (await api.call('GET', '/connector-plugins?connectorsOnly=false')).json()
    assert.ok(all.some((plugin: { type: string }) => plugin.type === 'converter'))
    for (const plugin of ['io.millrace.bigquery.BigQuerySinkConnector', 'BigQuerySinkConnector', 'BigQuerySink']) {
      const definitions = (await api.call('GET', `/connector-plugins/${plugin}/config`)).json()
      assert.deepEqual(Object.keys(definitions[0]).sort(), [
        ...['default_value', 'dependents', 'display_name', 'documentation', 'group', 'importance'],
        ...['name', 'order', 'required', 'type', 'width'],
      ])
    }
    const unknown = await api.call('GET', '/connector-plugins/Nope/config')
    assert.deepEqual(unknown.json(), { error_code: 404, message: 'Unknown plugin Nope.' })
    for (const hostile of ['constructor', '__proto__', 'toString']) {
      assert.equal((await api.call('GET', `/connector-plugins/${hostile}/config`)).statusCode, 404, hostile)
    }
  })

  test('validate answers 200 with the errors inside, even for a config of nothing but a class', async () => {
    await using api = await TestApi.open()
    const validate = (plugin: string, config: object) =>
      api.call('PUT', `/connector-plugins/${plugin}/config/validate`, config)
    const probe = await validate('BigQuerySinkConnector', {
      'connector.class': CONFIG['connector.class'],
      topics: 'getPlugins',
    })
    assert.equal(probe.statusCode, 200)
    const { error_count, configs } = probe.json()
    const counted = configs.reduce(
      (sum: number, config: { value: { errors: string[] } }) => sum + config.value.errors.length,
      0,
    )
    assert.ok(error_count > 0)
    assert.equal(error_count, counted)
    const mismatch = await validate('OtherConnector', CONFIG)
    assert.deepEqual(mismatch.json(), {
      error_code: 400,
      message: 'Included connector type BigQuerySinkConnector does not match request type OtherConnector',
    })
    assert.equal((await validate('BigQuerySink', { topics: 't' })).statusCode, 400)
    const hidden = await validate('BigQuerySink', { ...CONFIG, keyfile: 'canary', 'my.password': 'canary' })
    assert.doesNotMatch(hidden.body, /canary/)
  })

  test('loggers are listed, changed for this worker, and for the cluster', async () => {
    await using api = await TestApi.open()
    assert.deepEqual((await api.call('GET', '/admin/loggers/')).json(), {
      root: { level: 'INFO', last_modified: null },
    })
    const put = (payload: unknown, query = '') => api.call('PUT', `/admin/loggers/kafka${query}`, payload)
    assert.deepEqual((await put({ level: 'debug' })).json(), ['kafka'])
    const one = (await api.call('GET', '/admin/loggers/kafka')).json()
    assert.deepEqual(one, { level: 'DEBUG', last_modified: api.time.nowMs() })
    assert.deepEqual((await api.call('GET', '/admin/loggers/none')).json(), {
      error_code: 404,
      message: 'Logger none not found.',
    })
    assert.equal((await put({})).json().message, "Desired 'level' parameter was not specified in request.")
    assert.equal((await put({ level: 'LOUD' })).statusCode, 404)
    const everywhere = await put({ level: 'INFO' }, '?scope=cluster')
    assert.deepEqual([everywhere.statusCode, everywhere.body], [204, ''])
    assert.equal((await put({ level: 'LOUD' }, '?scope=CLUSTER')).statusCode, 404)
    assert.equal((await put({ level: 'INFO' }, '?scope=galaxy')).statusCode, 200)
  })

  test('/api/v1 tells who this is, who there is, and every partition of a connector', async () => {
    await using api = await TestApi.open()
    assert.deepEqual((await api.call('GET', '/api/v1/worker')).json(), {
      worker: 'w1',
      worker_id: '127.0.0.1:8083',
      pid: 42,
      version: '0.1.0',
      audit_records_lost: 0,
    })
    await api.create('a')
    const position = {
      nextOffset: 10n as never,
      endOffset: 12n as never,
      lag: 2,
      epoch: 3,
      inFlightRows: 5,
      takeovers: 2,
    }
    api.report('w2', 'a', [
      position,
      { state: 'IN_DOUBT', trace: 'boom', takeovers: 1, nextOffset: (2n ** 60n) as never },
    ])
    const { connector, partitions, takeovers } = (await api.call('GET', '/api/v1/connectors/a/partitions')).json()
    assert.equal(connector, 'a')
    assert.equal(takeovers, 3)
    const {
      topic,
      partition,
      worker,
      worker_id,
      task,
      state,
      epoch,
      next_offset,
      end_offset,
      lag,
      in_flight_rows,
      trace,
    } = partitions[0]
    assert.deepEqual(
      [topic, partition, worker, worker_id, task, state, epoch, next_offset, end_offset, lag, in_flight_rows, trace],
      ['flights', 0, 'w2', 'w2:8083', 0, 'RUNNING', 3, 10, 12, 2, 5, undefined],
    )
    assert.equal(partitions[1].state, 'IN_DOUBT')
    assert.equal(partitions[1].next_offset, String(2n ** 60n), 'a string where a number would be rounded')
    assert.match(partitions[1].trace, /^flights-1@\d+: boom$/)
    assert.equal((await api.call('GET', '/api/v1/workers')).json().workers[0].worker_id, 'w2:8083')
    assert.equal((await api.call('GET', '/api/v1/connectors/x/partitions')).statusCode, 404)

    const stream = 'projects/p/datasets/d/tables/t/streams/s'
    const answer = async (tp: string, body: object): Promise<readonly [number, string]> => {
      const response = await api.call('PUT', `/api/v1/connectors/a/partitions/${tp}/verdict`, body)
      return [response.statusCode, response.json().message]
    }
    assert.equal((await answer('flights/9', { stream, rows: 1 }))[0], 404)
    assert.match((await answer('flights/0', { stream, rows: 1 }))[1], /not IN_DOUBT/)
    assert.match((await answer('flights/1', { stream, rows: -1 }))[1], /rows must be/)
    assert.match((await answer('flights/1', { stream: 's', rows: 1 }))[1], /stream must be/)
    assert.match((await answer('flights/1', { stream, rows: 1, by: 'me' }))[1], /Unrecognized field "by"/)
    assert.deepEqual(api.verdicts, [])
    assert.equal((await answer('flights/1', { stream, rows: '9007199254740993' }))[0], 202)
    assert.deepEqual(api.verdicts, [{ tp: { topic: 'flights', partition: 1 }, stream, rows: 9007199254740993n }])

    // Nobody reports a stopped connector: a request to move its positions found the doubt.
    assert.equal((await api.call('PUT', '/connectors/a/stop')).statusCode, 204)
    assert.equal((await answer('flights/0', { stream, rows: 1 }))[0], 202)
    assert.equal(api.verdicts.length, 2)
  })
})
