// Kafka Connect's own acceptance tests, as black-box tests against real worker processes (the numbers are those of
// connect-runtime.md §5). What needs no process is tested on twins: packages/api/test, packages/config/test.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Flow } from './support/flow.ts'
import { ask, connectorConfig, PLAIN, range, Stage, type StatusShape, textOf } from './support/stage.ts'

/** An answer that takes longer was kept waiting by somebody else's trouble; a busy machine's allowance. */
const PROMPT_MS = 5_000
const BOUNCE_PARTITIONS = 3
const BOUNCE_ROUNDS = 3
/** A good 100 a second for each of the three tasks. */
const BOUNCE_ROWS_PER_SEND = 10

describe('the acceptance tests of Kafka Connect', () => {
  let stage: Stage
  before(async () => {
    stage = await Stage.open()
    await Promise.all([startWorker(), startWorker()])
  })
  after(() => stage[Symbol.asyncDispose]())

  const startWorker = () => stage.startWorker({ 'auto.restart.enable': 'false' })
  const call = async (method: string, path: string, status: number, body?: unknown): Promise<unknown> => {
    const answer = await stage.rest(method, path, body)
    assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`)
    return answer.body
  }
  const untilStatus = (name: string, what: string, isSo: (status: StatusShape) => boolean): Promise<StatusShape> =>
    stage.until(`${name} is ${what}`, async () => {
      const status = await stage.status(name)
      return isSo(status) ? status : null
    })
  const untilState = (name: string, state: string, tasks: number): Promise<StatusShape> =>
    untilStatus(
      name,
      `${state} with ${tasks} tasks`,
      s => s.connector.state === state && s.tasks.length === tasks && s.tasks.every(task => task.state === state),
    )
  async function connect(name: string, partitions = 2, over: Record<string, string> = {}): Promise<void> {
    await Promise.all([stage.createTopic(name, partitions), stage.createTable(name)])
    await stage.createConnector(name, connectorConfig(name, over))
    await untilState(name, 'RUNNING', 2)
  }

  describe('of one connector', { concurrency: true }, () => {
    it('4: stop, resume and pause, each twice, from every state; rows come when it runs', async () => {
      const name = stage.unique('g4')
      await connect(name)
      const put = (verb: string, status: number): Promise<unknown> => call('PUT', `/connectors/${name}/${verb}`, status)
      for (let i = 0; i < 2; i++) await put('stop', 204)
      await untilState(name, 'STOPPED', 0)
      assert.deepEqual(await call('GET', `/connectors/${name}/tasks`, 200), [])
      for (let i = 0; i < 2; i++) await put('resume', 202)
      await untilState(name, 'RUNNING', 2)
      for (let i = 0; i < 2; i++) await put('pause', 202)
      await untilState(name, 'PAUSED', 2)
      await put('stop', 204)
      await untilState(name, 'STOPPED', 0)
      await put('pause', 202)
      await untilState(name, 'PAUSED', 0)
      await stage.produceRows(name, range(0, 50), 2)
      await put('resume', 202)
      await untilState(name, 'RUNNING', 2)
      await stage.assertDelivered(name, range(0, 50))
      await call('DELETE', `/connectors/${name}`, 204)
    })

    it('5: a connector that cannot start is FAILED, is stopped, mended and resumed, and deleted while stopped', async () => {
      const name = stage.unique('g5')
      const table = `${name}_mended`
      await Promise.all([stage.createTopic(name, 1), stage.createTable(table)])
      await stage.createConnector(name, connectorConfig(name, { 'tasks.max': '1' }))
      await stage.produceRows(name, range(0, 10), 1)
      const failed = await untilStatus(name, 'FAILED', s => s.tasks[0]?.state === 'FAILED')
      assert.match(failed.tasks[0]?.trace ?? '', /TABLE_MISSING/)
      await call('PUT', `/connectors/${name}/stop`, 204)
      await untilState(name, 'STOPPED', 0)
      const mended = connectorConfig(name, { 'tasks.max': '1', topic2TableMap: `${name}:${table}` })
      await call('PUT', `/connectors/${name}/config`, 200, mended)
      assert.equal((await stage.status(name)).connector.state, 'STOPPED', 'a new config does not start it')
      await call('PUT', `/connectors/${name}/resume`, 202)
      await stage.assertDelivered(table, range(0, 10))
      await call('PUT', `/connectors/${name}/stop`, 204)
      await call('DELETE', `/connectors/${name}`, 204)
      await call('GET', `/connectors/${name}/status`, 404)
    })

    it('6: created STOPPED it has no tasks; moved to 5 of 10 and resumed, it delivers what stands from there on', async () => {
      const name = stage.unique('g6')
      await Promise.all([stage.createTopic(name, 1), stage.createTable(name)])
      await stage.produceRows(name, range(0, 10), 1)
      const create = { name, config: connectorConfig(name), initial_state: 'STOPPED' }
      await call('POST', '/connectors', 201, create)
      await untilState(name, 'STOPPED', 0)
      const offsets = [{ partition: { kafka_topic: name, kafka_partition: 0 }, offset: { kafka_offset: 5 } }]
      await call('PATCH', `/connectors/${name}/offsets`, 200, { offsets })
      await call('PUT', `/connectors/${name}/resume`, 202)
      await stage.assertDelivered(name, range(5, 10))
      await stage.produceRows(name, range(10, 15), 1)
      await stage.assertDelivered(name, range(5, 15))
      await call('DELETE', `/connectors/${name}`, 204)
    })

    it('8: a change of nothing but a converter’s setting takes effect (KAFKA-9228)', async () => {
      const name = stage.unique('g8')
      await connect(name)
      await stage.produceRows(name, range(0, 20), 2)
      await stage.assertDelivered(name, range(0, 20))
      await call('PATCH', `/connectors/${name}/config`, 200, { 'value.converter.schemas.enable': 'true' })
      const type = { id: 'int64', text: 'string' } as const
      const fields = PLAIN.map(({ name: field }) => ({ field, type: type[field as keyof typeof type], optional: true }))
      const schema = { type: 'struct', fields, optional: false }
      await stage.until('the new claims are made', async () => {
        const partitions = await stage.untilRunning(name, 2)
        return partitions.every(p => p.epoch > 1) ? true : null
      })
      await stage.produce(
        name,
        range(20, 40).map(id => ({
          value: JSON.stringify({ schema, payload: { id, text: textOf(id) } }),
          partition: id % 2,
        })),
      )
      await stage.assertDelivered(name, range(0, 40))
    })

    it('9: a new config that is refused leaves the old one at work', async () => {
      const name = stage.unique('g9')
      await connect(name)
      const before = await stage.partitions(name)
      const stored = await call('GET', `/connectors/${name}/config`, 200)
      await call('PUT', `/connectors/${name}/config`, 400, connectorConfig(name, { 'tasks.max': '-3' }))
      await call('PATCH', `/connectors/${name}/config`, 400, { 'value.converter': 'no.such.Converter' })
      assert.deepEqual(await call('GET', `/connectors/${name}/config`, 200), stored)
      await stage.produceRows(name, range(0, 30), 2)
      await stage.assertDelivered(name, range(0, 30))
      const epochs = (await stage.partitions(name)).map(p => p.epoch)
      assert.deepEqual(
        epochs,
        before.map(p => p.epoch),
        'nothing was restarted',
      )
    })

    it('23: a connector that hangs in its start keeps neither the API nor another connector waiting', async () => {
      const stuck = stage.unique('g23_stuck')
      const other = stage.unique('g23_other')
      await Promise.all([stage.createTopic(stuck, 1), stage.createTable(stuck)])
      for (const method of ['CreateWriteStream', 'AppendRows', 'GetWriteStream'])
        await stage.fault({ method, effect: 'blackhole', stream: `/tables/${stuck}` })
      await stage.createConnector(stuck, connectorConfig(stuck))
      await stage.produceRows(stuck, range(0, 10), 1)
      await connect(other)
      await stage.produceRows(other, range(0, 100), 2)
      await stage.assertDelivered(other, range(0, 100))
      assert.equal(await stage.countRows(stuck), 0)
      for (const [method, path, status, body] of [
        ['GET', `/connectors/${stuck}/status`, 200, undefined],
        ['PUT', '/connector-plugins/BigQuerySink/config/validate', 200, { ...connectorConfig(stuck), name: stuck }],
        ['POST', `/connectors/${stuck}/restart?includeTasks=true`, 202, undefined],
        ['PUT', `/connectors/${stuck}/pause`, 202, undefined],
        ['PUT', `/connectors/${stuck}/config`, 200, connectorConfig(stuck, { 'tasks.max': '1' })],
        ['PUT', `/connectors/${stuck}/resume`, 202, undefined],
        ['GET', '/connectors?expand=info&expand=status', 200, undefined],
        ['PUT', `/connectors/${stuck}/stop`, 204, undefined],
        ['DELETE', `/connectors/${stuck}`, 204, undefined],
      ] as const) {
        const began = performance.now()
        await call(method, path, status, body)
        assert.ok(performance.now() - began < PROMPT_MS, `${method} ${path} is answered at once`)
      }
      await stage.produceRows(other, range(100, 200), 2)
      await stage.assertDelivered(other, range(100, 200).concat(range(0, 100)))
    })
  })

  it('31: a pause is seen on every worker, and outlives all of them; a log level does not', async () => {
    const name = stage.unique('g31')
    await connect(name)
    await stage.produceRows(name, range(0, 20), 2)
    await stage.assertDelivered(name, range(0, 20))
    await call('PUT', `/connectors/${name}/pause`, 202)
    for (const worker of stage.alive)
      await stage.until('every worker shows the pause', async () => {
        const status = (await ask('GET', `${worker.rest}/connectors/${name}/status`)).body as StatusShape
        return [status.connector, ...status.tasks].every(part => part.state === 'PAUSED') ? true : null
      })
    const level = async (): Promise<unknown> => {
      return ((await call('GET', '/admin/loggers', 200)) as { root: { level: string } }).root.level
    }
    const usual = await level()
    await call('PUT', '/admin/loggers/root', 200, { level: 'ERROR' })
    assert.equal(await level(), 'ERROR')

    await Promise.all(stage.alive.map(worker => worker.stop()))
    await stage.produceRows(name, range(20, 40), 2)
    await Promise.all([startWorker(), startWorker()])
    assert.equal(await level(), usual)
    await untilState(name, 'PAUSED', 2)
    assert.equal(await stage.countRows(name), 20, 'nothing while paused')
    await call('PUT', `/connectors/${name}/resume`, 202)
    await stage.assertDelivered(name, range(0, 40))
    await call('DELETE', `/connectors/${name}`, 204)
  })

  it('24: while Kafka is down what is known is answered, what is asked for waits, and all recovers', async () => {
    const name = stage.unique('g24')
    await connect(name)
    await stage.kafka.stopBroker(0, 'SIGKILL')
    const began = performance.now()
    await call('GET', `/connectors/${name}/status`, 200)
    await call('GET', `/connectors/${name}/config`, 200)
    assert.ok(performance.now() - began < PROMPT_MS, 'reads do not wait for Kafka')
    const pause = ask('PUT', `${stage.alive[0]?.rest}/connectors/${name}/pause`)
    await stage.kafka.startBroker(0)
    const { status, text } = await pause
    if (status !== 202) {
      assert.equal(status, 500, text)
      assert.match(text, /The worker is currently writing to the config topic, which began at /)
    }
    await untilState(name, 'PAUSED', 2)
    await call('PUT', `/connectors/${name}/resume`, 202)
    await stage.produceRows(name, range(0, 20), 2)
    await stage.assertDelivered(name, range(0, 20))
    await call('DELETE', `/connectors/${name}`, 204)
  })

  it('32: three workers are bounced in shuffled order, in order and by force: missing = 0, duplicates = 0', async t => {
    const name = stage.unique('g32')
    await startWorker()
    await Promise.all([stage.createTopic(name, BOUNCE_PARTITIONS), stage.createTable(name)])
    await stage.createConnector(name, connectorConfig(name, { 'tasks.max': String(BOUNCE_PARTITIONS) }))
    await untilState(name, 'RUNNING', BOUNCE_PARTITIONS)
    await using flow = new Flow(stage, name, BOUNCE_PARTITIONS, BOUNCE_ROWS_PER_SEND)
    await flow.untilFresh(name)
    const kills: string[] = []
    for (let round = 0; round < BOUNCE_ROUNDS; round++) {
      const returning: Promise<unknown>[] = []
      for (const worker of shuffled(stage.alive)) {
        const signal = (kills.length + round) % 2 === 0 ? 'SIGKILL' : 'SIGTERM'
        worker.child.kill(signal)
        await worker.child.exited
        kills.push(signal)
        returning.push(startWorker())
        // The last round has no pause between bounces: nobody is there for a while.
        if (round < BOUNCE_ROUNDS - 1) await Promise.all(returning)
      }
      await Promise.all(returning)
      await flow.untilFresh(name)
    }
    const ids = await flow.end()
    await stage.assertDelivered(name, ids)
    t.diagnostic(`missing=0 duplicates=0 of ${ids.length} rows over ${kills.length} bounces: ${kills.join(' ')}`)
    assert.ok(kills.filter(signal => signal === 'SIGKILL').length >= 4)
  })
})

/** Another order each time, and the same each run. */
function shuffled<T>(list: readonly T[]): readonly T[] {
  const rest = [...list]
  const order: T[] = []
  while (rest.length > 0) order.push(...rest.splice((turn++ % 7) % rest.length, 1))
  return order
}
let turn = 3
