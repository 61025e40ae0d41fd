// Control by Kafka Connect's REST API: what each call answers, and what it does to the rows. Two workers that do not restart
// failed partitions by themselves; calls go to either.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { Flow } from './support/flow.ts'
import { ask, connectorConfig, OTHER_DATASET, range, Stage, type StatusShape } from './support/stage.ts'

type OffsetShape = {
  readonly partition: { readonly kafka_topic: string; readonly kafka_partition: number }
  readonly offset: { readonly kafka_offset: number }
}

describe('control', { concurrency: true }, () => {
  let stage: Stage
  before(async () => {
    stage = await Stage.open()
    const own = { 'auto.restart.enable': 'false' }
    await Promise.all([stage.startWorker(own), stage.startWorker(own)])
  })
  after(() => stage[Symbol.asyncDispose]())

  async function topicAndTable(name: string, partitions: number): Promise<void> {
    await Promise.all([stage.createTopic(name, partitions), stage.createTable(name)])
  }
  async function connect(name: string, partitions: number, over: Record<string, string> = {}): Promise<void> {
    await topicAndTable(name, partitions)
    await stage.createConnector(name, connectorConfig(name, over))
    await stage.untilRunning(name, partitions)
  }
  const untilStatus = (name: string, what: string, isSo: (status: StatusShape) => boolean): Promise<StatusShape> =>
    stage.until(`${name} is ${what}`, async () => {
      const status = await stage.status(name)
      return isSo(status) ? status : null
    })
  const call = async (method: string, path: string, status: number, body?: unknown): Promise<unknown> => {
    const answer = await stage.rest(method, path, body)
    assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`)
    return answer.body
  }

  it('connectors are created, listed, read, changed and deleted with the answers of Kafka Connect', async () => {
    const name = stage.unique('crud')
    await topicAndTable(name, 2)
    const config = connectorConfig(name)
    const stored = { ...config, name }
    const tasks = [0, 1].map(task => ({ connector: name, task }))
    const created = await call('POST', '/connectors', 201, { name, config })
    assert.deepEqual(created, { name, config: stored, tasks, type: 'sink' })
    assert.ok(((await call('GET', '/connectors', 200)) as string[]).includes(name))
    assert.deepEqual(await call('GET', `/connectors/${name}`, 200), created)
    assert.deepEqual(await call('GET', `/connectors/${name}/config`, 200), stored)
    const exists = await call('POST', '/connectors', 409, { name, config })
    assert.deepEqual(exists, { error_code: 409, message: `Connector ${name} already exists` })

    const changed = { ...stored, 'tasks.max': '1' }
    const answer = await call('PUT', `/connectors/${name}/config`, 200, changed)
    assert.deepEqual(answer, { name, config: changed, tasks: tasks.slice(0, 1), type: 'sink' })
    const status = await untilStatus(name, 'RUNNING', ({ tasks: [task] }) => task?.state === 'RUNNING')
    assert.deepEqual([status.name, status.type, status.connector.state], [name, 'sink', 'RUNNING'])
    assert.deepEqual(
      status.tasks.map(task => task.id),
      [0],
    )
    assert.match(status.tasks[0]?.worker_id ?? '', /^127\.0\.0\.1:\d+$/)
    const expanded = (await call('GET', '/connectors?expand=status&expand=info', 200)) as Record<
      string,
      { status: StatusShape; info: { config: unknown } }
    >
    assert.deepEqual(expanded[name]?.info.config, changed)
    assert.equal(expanded[name]?.status.connector.state, 'RUNNING')

    await call('DELETE', `/connectors/${name}`, 204)
    for (const [method, path] of [
      ['GET', `/connectors/${name}`],
      ['GET', `/connectors/${name}/status`],
      ['DELETE', `/connectors/${name}`],
    ] as const)
      await call(method, path, 404)
    for (const worker of stage.alive)
      await stage.until('every worker has forgotten it', async () =>
        (await ask('GET', `${worker.rest}/connectors/${name}`)).status === 404 ? true : null,
      )
  })

  it('two connectors on one topic are independent: one is paused, the other goes on', async () => {
    const name = stage.unique('paused')
    const other = `${name}_other`
    await Promise.all([topicAndTable(name, 2), stage.createTable(`${OTHER_DATASET}.${name}`)])
    await stage.createConnector(name, connectorConfig(name))
    await stage.createConnector(other, connectorConfig(name, { defaultDataset: OTHER_DATASET }))
    await stage.produceRows(name, range(0, 100), 2)
    await Promise.all([
      stage.assertDelivered(name, range(0, 100)),
      stage.assertDelivered(`${OTHER_DATASET}.${name}`, range(0, 100)),
    ])
    await call('PUT', `/connectors/${name}/pause`, 202)
    const paused = await untilStatus(name, 'PAUSED', s => s.tasks.every(task => task.state === 'PAUSED'))
    assert.equal(paused.connector.state, 'PAUSED')
    assert.equal(paused.tasks.length, 2)
    await stage.produceRows(name, range(100, 200), 2)
    await stage.assertDelivered(`${OTHER_DATASET}.${name}`, range(0, 200))
    assert.equal(await stage.countRows(name), 100, 'nothing while paused')
    await call('PUT', `/connectors/${name}/resume`, 202)
    await stage.assertDelivered(name, range(0, 200))
    await untilStatus(name, 'RUNNING', s => s.tasks.every(task => task.state === 'RUNNING'))
  })

  it('a stopped connector has no tasks, and resumes where it was', async () => {
    const name = stage.unique('stopped')
    await connect(name, 2)
    await stage.produceRows(name, range(0, 100), 2)
    await stage.assertDelivered(name, range(0, 100))
    await call('PUT', `/connectors/${name}/stop`, 204)
    const status = await untilStatus(name, 'STOPPED', s => s.connector.state === 'STOPPED')
    assert.deepEqual(status.tasks, [])
    assert.deepEqual(await call('GET', `/connectors/${name}/tasks`, 200), [])
    await stage.until('its partitions are let go', async () =>
      (await stage.partitions(name)).every(p => p.state !== 'RUNNING') ? true : null,
    )
    await stage.produceRows(name, range(100, 200), 2)
    await call('PUT', `/connectors/${name}/resume`, 202)
    await stage.assertDelivered(name, range(0, 200))
    const total = (await stage.partitions(name)).reduce((sum, p) => sum + p.takeovers, 0)
    assert.equal(total, 0, 'it was let go in order')
  })

  it('a restart of the failed starts them again, and only them', async () => {
    const name = stage.unique('restarted')
    await connect(name, 2, { 'tasks.max': '2' })
    await stage.produce(name, [{ value: '{"id": "not a number"}', partition: 1 }])
    await stage.produceRows(name, [0, 2], 2)
    await stage.untilRows(name, 2)
    const failed = await untilStatus(name, 'FAILED in one task', s => s.tasks.some(task => task.state === 'FAILED'))
    const task = failed.tasks.find(({ state }) => state === 'FAILED')
    assert.ok(task !== undefined)
    assert.match(task.trace ?? '', new RegExp(`^${name}-1@0: RECORD_NOT_CONVERTIBLE`))
    const before = await stage.partitions(name)
    assert.deepEqual(
      before.map(p => p.failures),
      [0, 1],
    )
    const answer = await call('POST', `/connectors/${name}/restart?includeTasks=true&onlyFailed=true`, 202)
    assert.deepEqual(
      (answer as StatusShape).tasks.map(({ id, state }) => [id, state]),
      failed.tasks.map(({ id, state }) => [id, state === 'FAILED' ? 'RESTARTING' : state]),
    )
    await stage.until('it has failed anew', async () => {
      const now = await stage.partitions(name)
      return now[1]?.state === 'FAILED' && now[1].epoch > (before[1]?.epoch ?? 0) ? true : null
    })
    assert.equal((await stage.partitions(name))[0]?.epoch, before[0]?.epoch, 'the other one was left alone')
    await call('POST', `/connectors/${name}/tasks/${task.id}/restart`, 204)
    await call('POST', `/connectors/${name}/restart`, 204)
    await call('POST', `/connectors/${name}_no/restart`, 404)
  })

  it('a missing table fails the partition until it is created and the connector restarted', async () => {
    const name = stage.unique('tableless')
    await stage.createTopic(name, 1)
    await stage.createConnector(name, connectorConfig(name))
    await stage.produceRows(name, [0, 1], 1)
    const status = await untilStatus(name, 'FAILED', s => s.tasks.some(task => task.state === 'FAILED'))
    const trace = status.tasks.find(task => task.state === 'FAILED')?.trace ?? ''
    assert.match(trace, new RegExp(`^${name}-0@0: TABLE_MISSING: .*${name}`))
    await stage.createTable(name)
    await call('POST', `/connectors/${name}/restart?includeTasks=true`, 202)
    await stage.assertDelivered(name, [0, 1])
  })

  it('plugins, validation, the version and the health are there', async () => {
    const plugins = (await call('GET', '/connector-plugins', 200)) as { class: string; type: string; version: string }[]
    const own = plugins.find(plugin => plugin.class === 'io.millrace.bigquery.BigQuerySinkConnector')
    assert.equal(own?.type, 'sink')
    const path = '/connector-plugins/BigQuerySinkConnector/config/validate'
    const config = { ...connectorConfig('t', { 'tasks.max': 'many' }), name: 'n' }
    const validated = (await call('PUT', path, 200, config)) as {
      error_count: number
      configs: { value: { name: string; errors: string[] } }[]
    }
    assert.equal(validated.error_count, 1)
    const wrong = validated.configs.filter(({ value }) => value.errors.length > 0)
    assert.deepEqual(
      wrong.map(({ value }) => value.name),
      ['tasks.max'],
    )
    const root = (await call('GET', '/', 200)) as Record<string, string>
    assert.match(root.version ?? '', /^4\.1\./)
    assert.equal(root.kafka_cluster_id, (await stage.admin.describeCluster()).clusterId)
    const health = (await call('GET', '/health', 200)) as { status: string }
    assert.equal(health.status, 'healthy')
  })

  it('a config that cannot be run is refused at create with its key named, and leaves nothing behind', async () => {
    const name = stage.unique('refused')
    for (const [over, says] of [
      [{ upsertEnabled: 'true' }, /upsertEnabled/],
      [{ 'delivery.guarantee': 'pending' }, /delivery\.guarantee/],
      [{ 'value.converter': 'io.confluent.connect.avro.AvroConverter' }, /value\.converter.*AvroConverter/],
      [{ transforms: 'x', 'transforms.x.type': 'org.apache.kafka.connect.transforms.Flatten$Value' }, /Flatten/],
      [{ 'errors.tolerence': 'all' }, /errors\.tolerence.*errors\.tolerance/],
      [{ 'tasks.max': '0' }, /tasks\.max/],
    ] as const) {
      const { message } = (await call('POST', '/connectors', 400, {
        name,
        config: { ...connectorConfig('t'), ...over },
      })) as { message: string }
      assert.match(message, says)
    }
    await call('GET', `/connectors/${name}`, 404)
  })

  it('a config changed again and again under load takes effect and costs no row', async () => {
    const name = stage.unique('changed')
    await connect(name, 4)
    await using flow = new Flow(stage, name, 4)
    for (const over of [
      { 'tasks.max': '4' },
      { 'append.max.rows': '7' },
      { 'tasks.max': '1', 'append.linger.ms': '5' },
    ]) {
      await flow.untilFresh(name)
      await call('PUT', `/connectors/${name}/config`, 200, { ...connectorConfig(name, over), name })
      const tasks = Number(over['tasks.max'] ?? 2)
      await untilStatus(
        name,
        `at work with ${tasks} tasks`,
        s => s.tasks.length === tasks && s.tasks.every(task => task.state === 'RUNNING'),
      )
    }
    await flow.untilFresh(name)
    await stage.assertDelivered(name, await flow.end())
    const partitions = await stage.untilRunning(name, 4)
    assert.ok(
      partitions.every(p => p.epoch > 3),
      'each change was a new claim',
    )
    assert.equal(
      partitions.reduce((sum, p) => sum + p.takeovers, 0),
      0,
      'from a drained point',
    )
  })

  it('a connector deleted and created anew under the same name goes on without a duplicate or a gap', async () => {
    const name = stage.unique('reborn')
    await connect(name, 2)
    await using flow = new Flow(stage, name, 2)
    for (let life = 0; life < 3; life++) {
      await flow.untilFresh(name)
      await call('DELETE', `/connectors/${name}`, 204)
      await call('POST', '/connectors', 201, { name, config: connectorConfig(name) })
    }
    await flow.untilFresh(name)
    await stage.assertDelivered(name, await flow.end())
  })

  it('a connector deleted while it is paused, and created anew, goes on where it was', async () => {
    const name = stage.unique('asleep')
    await connect(name, 2)
    await stage.produceRows(name, range(0, 100), 2)
    await stage.assertDelivered(name, range(0, 100))
    await call('PUT', `/connectors/${name}/pause`, 202)
    await untilStatus(name, 'PAUSED', s => s.tasks.every(task => task.state === 'PAUSED'))
    await call('DELETE', `/connectors/${name}`, 204)
    await stage.produceRows(name, range(100, 200), 2)
    const body = { name, config: connectorConfig(name), initial_state: 'STOPPED' }
    await call('POST', '/connectors', 201, body)
    await untilStatus(name, 'STOPPED', s => s.connector.state === 'STOPPED' && s.tasks.length === 0)
    await call('PUT', `/connectors/${name}/resume`, 202)
    await stage.assertDelivered(name, range(0, 200))
  })

  it('the consumer group shows the end of the log at rest, also after the connector is deleted', async () => {
    const name = stage.unique('lag')
    await connect(name, 2)
    await stage.produceRows(name, range(0, 333), 2)
    await stage.assertDelivered(name, range(0, 333))
    const ends = await stage.endOffsets(name)
    const untilEqual = (): Promise<true> =>
      stage.until(`committed offsets of connect-${name} are ${[...ends]}`, async () => {
        const committed = await stage.groupOffsets(`connect-${name}`, name)
        return [...ends].every(([partition, end]) => committed.get(partition) === end) ? true : null
      })
    await untilEqual()
    await stage.until('GET /offsets says the same', async () => {
      const { offsets } = (await call('GET', `/connectors/${name}/offsets`, 200)) as { offsets: OffsetShape[] }
      const shown = new Map(offsets.map(o => [o.partition.kafka_partition, BigInt(o.offset.kafka_offset)]))
      return offsets.every(o => o.partition.kafka_topic === name) && isDeepStrictEqual(shown, ends) ? true : null
    })
    await call('DELETE', `/connectors/${name}`, 204)
    await untilEqual()
  })

  it('a key in a config is shown nowhere but in the config', async () => {
    const canary = 'CANARY7f3a91'
    const name = stage.unique('secret')
    const keyfile = JSON.stringify({
      type: 'service_account',
      client_email: 'someone@example.iam.gserviceaccount.com',
      private_key: `-----BEGIN PRIVATE KEY-----\n${canary}\n-----END PRIVATE KEY-----\n`,
      private_key_id: canary,
    })
    const key = { keySource: 'JSON', keyfile }
    const answers: string[] = []
    const refused = { ...connectorConfig(name, key), 'tasks.max': 'x', name }
    answers.push((await stage.rest('POST', '/connectors', { name, config: refused })).text)
    answers.push((await stage.rest('PUT', '/connector-plugins/BigQuerySink/config/validate', refused)).text)
    answers.push((await stage.rest('POST', '/connectors', { name, config: { keyfile } })).text)

    // A worker of its own that needs credentials: the service is never reached, as the key is no key.
    const needy = await stage.startStranger(name, {
      'bigquery.endpoint': 'https://127.0.0.1:9',
      'bigquery.rest.endpoint': 'https://127.0.0.1:9',
    })
    await stage.createTopic(name, 1)
    const created = await ask('POST', `${needy.rest}/connectors`, { name, config: connectorConfig(name, key) })
    assert.equal(created.status, 201, created.text)
    const status = await stage.until('it fails for its key', async () => {
      const answer = await ask('GET', `${needy.rest}/connectors/${name}/status`)
      return /"FAILED"/.test(answer.text) ? answer.text : null
    })
    assert.match(status, /keyfile/)
    answers.push(status, (await ask('GET', `${needy.rest}/api/v1/connectors/${name}/partitions`)).text)
    answers.push((await ask('PUT', `${needy.rest}/connectors/${name}/config`, refused)).text)
    await needy.child.stop()
    for (const text of [...answers, stage.logs()]) assert.ok(!text.includes(canary), `the key shows in: ${text}`)
    assert.equal(answers.length, 6)
  })
})
