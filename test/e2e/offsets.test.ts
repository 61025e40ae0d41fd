// Positions moved over REST: exactly the rows an operator asks for, and not one more from whoever still thinks it owns a
// partition. Two workers; every call goes to the one that did not answer the call before.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Ended, inspectJournal, runToItsEnd } from './support/short-lived.ts'
import { ask, connectorConfig, DLQ, type Field, PLAIN, range, Stage, sqlName } from './support/stage.ts'

const ROWS = 10
const ORIGIN: Field = {
  name: 'kafka',
  type: 'RECORD',
  fields: [
    { name: 'topic', type: 'STRING' },
    { name: 'partition', type: 'INTEGER' },
    { name: 'offset', type: 'INTEGER' },
    { name: 'insertTime', type: 'TIMESTAMP' },
  ],
}
const ZOMBIE_ROWS = 1_000

describe('offsets', () => {
  let stage: Stage
  before(async () => {
    stage = await Stage.open()
    await Promise.all([stage.startWorker(), stage.startWorker()])
  })
  after(() => stage[Symbol.asyncDispose]())

  let turn = 0
  async function call(method: string, path: string, status: number, body?: unknown): Promise<unknown> {
    const worker = stage.alive[turn++ % stage.alive.length]
    assert.ok(worker !== undefined)
    const answer = await ask(method, worker.rest + path, body)
    assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`)
    return answer.body
  }
  const element = (topic: string, partition: number, offset: number | string | null) => ({
    partition: { kafka_topic: topic, kafka_partition: partition },
    offset: offset === null ? null : { kafka_offset: offset },
  })
  const positions = async (name: string): Promise<readonly (readonly [number, number])[]> => {
    const { offsets } = (await call('GET', `/connectors/${name}/offsets`, 200)) as {
      offsets: { partition: { kafka_partition: number }; offset: { kafka_offset: number } }[]
    }
    return offsets.map(({ partition, offset }) => [partition.kafka_partition, offset.kafka_offset])
  }
  const stop = (name: string): Promise<unknown> => call('PUT', `/connectors/${name}/stop`, 204)
  const resume = (name: string): Promise<unknown> => call('PUT', `/connectors/${name}/resume`, 202)

  /** Ids even on partition 0, odd on 1: record k of partition p is id 2k + p. */
  async function connected(prefix: string, over: Record<string, string> = {}): Promise<string> {
    const name = stage.unique(prefix)
    await Promise.all([stage.createTopic(name, 2), stage.createTable(name)])
    await stage.produceRows(name, range(0, ROWS), 2)
    await stage.createConnector(name, connectorConfig(name, over))
    await stage.assertDelivered(name, range(0, ROWS))
    return name
  }
  /** How often each id is in the table, once as many rows are there and every record is settled. */
  async function timesById(name: string, rows: number): Promise<readonly number[]> {
    await stage.untilRows(name, rows)
    await stage.until('nothing is left to do', async () =>
      (await stage.partitions(name)).every(p => p.lag === 0 && p.in_flight_rows === 0) ? true : null,
    )
    const times: number[] = []
    for (const [id] of await stage.sql(`SELECT id FROM ${sqlName(name)}`))
      times[Number(id)] = (times[Number(id)] ?? 0) + 1
    return Array.from(times, n => n ?? 0)
  }

  it('verify: what is in the table is what was in the topic; a row deleted and one doubled by SQL are named; the journal tells the rest', async () => {
    const name = stage.unique('verified')
    const dlq = stage.unique('dead')
    await Promise.all([stage.createTopic(name, 2), stage.createTable(name, [...PLAIN, ORIGIN])])
    await stage.produceRows(name, range(0, ROWS), 2)
    await stage.produce(name, [
      { value: 'no JSON', partition: 0 },
      { value: null, partition: 1 },
    ])
    await stage.createConnector(name, connectorConfig(name, { ...DLQ(dlq), kafkaDataFieldName: 'kafka' }))
    await stage.until('nothing is left to do', async () => {
      const partitions = await stage.partitions(name)
      return partitions.length === 2 && partitions.every(p => p.lag === 0 && p.in_flight_rows === 0) ? true : null
    })
    const verify = (): Promise<Ended> => runToItsEnd(['verify', name, '--url', stage.alive[0]?.rest ?? ''])
    const fine = await verify()
    assert.equal(fine.code, 0, fine.out + fine.err)
    assert.match(fine.out, /: VERIFIED\n {2}12 records, 10 rows, 1 dead letters, 1 tombstones\n/)
    await stage.sql(`DELETE FROM ${sqlName(name)} WHERE kafka.partition = 1 AND kafka.\`offset\` = 3`)
    await stage.sql(`INSERT INTO ${sqlName(name)} SELECT * FROM ${sqlName(name)} WHERE id = 4`)
    const different = await verify()
    assert.equal(different.code, 1, different.out + different.err)
    assert.match(different.out, /: DIFFERENT\n.*\n {2}1 missing, 1 more than once, 0 unexpected\n/)
    assert.match(different.out, new RegExp(`${name}-1@3 is missing`))
    assert.match(different.out, new RegExp(`${name}-0@2 is there more than once`))
    const { state, receipt } = (await call('GET', `/api/v1/connectors/${name}/verify`, 200)) as {
      state: string
      receipt: { verdict: string }
    }
    assert.deepEqual([state, receipt.verdict], ['DONE', 'DIFFERENT'], 'on the other worker')
    const told = await inspectJournal(stage, '--partition', `${name}-1`)
    assert.equal(told.code, 0, told.err)
    assert.match(told.out, new RegExp(`^${name}-1 of connector ${name}`))
    assert.match(told.out, /Claimed by worker .*epoch 1/)
    assert.match(told.out, /Stream projects\/p\/datasets\/d\/tables\//)
    await call('DELETE', `/connectors/${name}`, 204)
  })

  it('back: those rows again; forward: skipped; null and DELETE: all again; read at once on every worker', async () => {
    const name = await connected('moved')
    const change = { offsets: [element(name, 0, 3)] }
    const running = (await call('PATCH', `/connectors/${name}/offsets`, 400, change)) as { message: string }
    assert.match(running.message, /^Connectors must be in the STOPPED state/)

    await stop(name)
    const altered = { message: 'The offsets for this connector have been altered successfully' }
    assert.deepEqual(await call('PATCH', `/connectors/${name}/offsets`, 200, change), altered)
    for (const _ of stage.alive)
      assert.deepEqual(
        await positions(name),
        [
          [0, 3],
          [1, 5],
        ],
        'merged, seen everywhere',
      )
    const group = await stage.groupOffsets(`connect-${name}`, name)
    assert.deepEqual([group.get(0), group.get(1)], [3n, 5n], 'the group follows')
    for (const [offset, says] of [
      [element(name, 2, 0), /has partitions 0 to 1, not 2/],
      [element('elsewhere', 0, 0), /reads no topic elsewhere/],
      [element(name, 0, 6), /-0 holds offsets from 0, and its next is 5: it cannot start at 6/],
    ] as const) {
      const refused = (await call('PATCH', `/connectors/${name}/offsets`, 400, { offsets: [offset] })) as {
        message: string
      }
      assert.match(refused.message, says)
    }
    await resume(name)
    assert.deepEqual(await timesById(name, 12), [1, 1, 1, 1, 1, 1, 2, 1, 2, 1])

    await stop(name)
    // Where it is anyway: nobody can be at work on it after that, so what is produced now waits.
    await call('PATCH', `/connectors/${name}/offsets`, 200, { offsets: [element(name, 0, 5), element(name, 1, 5)] })
    await stage.produceRows(name, range(ROWS, 14), 2)
    await call('PATCH', `/connectors/${name}/offsets`, 200, { offsets: [element(name, 0, '6'), element(name, 1, 7)] })
    await resume(name)
    assert.deepEqual(
      await timesById(name, 13),
      [1, 1, 1, 1, 1, 1, 2, 1, 2, 1, 0, 0, 1],
      'ids 10, 11 and 13 were skipped',
    )

    await stop(name)
    await call('PATCH', `/connectors/${name}/offsets`, 200, { offsets: [element(name, 1, null)] })
    assert.deepEqual(await positions(name), [[0, 7]])
    await resume(name)
    assert.deepEqual(await timesById(name, 20), [1, 2, 1, 2, 1, 2, 2, 2, 2, 2, 0, 1, 1, 1])

    await stop(name)
    for (const _ of [1, 2]) {
      const reset = await call('DELETE', `/connectors/${name}/offsets`, 200)
      assert.deepEqual(reset, { message: 'The offsets for this connector have been reset successfully' })
      assert.deepEqual(await positions(name), [])
    }
    assert.equal((await stage.groupOffsets(`connect-${name}`, name)).size, 0)
    await resume(name)
    assert.deepEqual(await timesById(name, 34), [2, 3, 2, 3, 2, 3, 3, 3, 3, 3, 1, 2, 2, 2])
  })

  it('initial_offsets: a new connector begins there, whatever its name left behind', async () => {
    const name = await connected('initial')
    await call('DELETE', `/connectors/${name}`, 204)
    const config = connectorConfig(name)
    const bad = { name, config, initial_offsets: [element(name, 9, 0)] }
    await call('POST', '/connectors', 400, bad)
    await call('GET', `/connectors/${name}`, 404)
    const request = {
      name,
      config,
      initial_state: 'STOPPED',
      initial_offsets: [element(name, 0, 4), element(name, 1, '5')],
    }
    const created = (await call('POST', '/connectors', 201, request)) as Record<string, unknown>
    assert.equal(created['offsets_status'], 'The offsets for this connector have been altered successfully')
    assert.deepEqual(await positions(name), [
      [0, 4],
      [1, 5],
    ])
    await resume(name)
    assert.deepEqual(await timesById(name, 11), [1, 1, 1, 1, 1, 1, 1, 1, 2, 1])
  })

  it('offset.lost.policy=skip: what the topic lost is passed over and told, and nothing else is', async () => {
    const name = stage.unique('lost')
    await Promise.all([stage.createTopic(name, 1), stage.createTable(name, [...PLAIN, ORIGIN])])
    await stage.produceRows(name, range(0, ROWS), 1)
    const config = connectorConfig(name, { kafkaDataFieldName: 'kafka', 'offset.lost.policy': 'skip' })
    const request = { name, config, initial_state: 'STOPPED', initial_offsets: [element(name, 0, 2)] }
    await call('POST', '/connectors', 201, request)
    await stage.admin.deleteTopicRecords({ topic: name, partitions: [{ partition: 0, offset: '5' }] })
    await resume(name)
    assert.deepEqual(await timesById(name, 5), [0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    const { code, out, err } = await runToItsEnd(['verify', name, '--url', stage.alive[0]?.rest ?? ''])
    assert.equal(code, 0, out + err)
    assert.match(out, /Offsets 2–4 were gone from the topic before they were delivered: offset\.lost\.policy=skip/)
    await call('DELETE', `/connectors/${name}`, 204)
  })

  it('a worker that is thawed after the position moved adds no row', async () => {
    const name = stage.unique('zombie')
    await Promise.all([stage.createTopic(name, 1), stage.createTable(name)])
    await stage.createConnector(name, connectorConfig(name, { 'append.max.rows': '20', 'append.linger.ms': '1' }))
    const [partition] = await stage.untilRunning(name, 1)
    const ids = new Map(await Promise.all(stage.alive.map(async w => [await stage.workerId(w), w] as const)))
    const frozen = ids.get(partition?.worker ?? '')
    const awake = stage.alive.find(worker => worker !== frozen)
    assert.ok(frozen !== undefined && awake !== undefined)
    // Requests on their way all the time: the freeze falls between journal and table.
    await stage.fault({ effect: 'delayReply', delayMs: 100, stream: `/tables/${name}` })
    await stage.produceRows(name, range(0, ZOMBIE_ROWS), 1)
    await stage.untilRows(name, 100)
    frozen.child.kill('SIGSTOP')
    const stopped = await ask('PUT', `${awake.rest}/connectors/${name}/stop`)
    assert.equal(stopped.status, 204, stopped.text)
    await stage.until('the position is moved', async () => {
      const moved = await ask('PATCH', `${awake.rest}/connectors/${name}/offsets`, { offsets: [element(name, 0, 50)] })
      if (moved.status !== 200) assert.match(moved.text, /tasks haven't stopped completely yet/)
      return moved.status === 200 ? true : null
    })
    const before = await stage.countRows(name)
    assert.ok(before < ZOMBIE_ROWS, 'it was frozen at work')
    frozen.child.kill('SIGCONT')
    const resumed = await ask('PUT', `${awake.rest}/connectors/${name}/resume`)
    assert.equal(resumed.status, 202, resumed.text)
    await stage.untilRows(name, before + ZOMBIE_ROWS - 50)
    await stage.until('nothing is left to do', async () =>
      (await stage.partitions(name)).every(p => p.lag === 0 && p.in_flight_rows === 0) ? true : null,
    )
    const rows = await stage.sql(`SELECT id, COUNT(*) FROM ${sqlName(name)} GROUP BY id ORDER BY id`)
    assert.deepEqual(
      rows.map(([, n]) => Number(n)),
      range(0, ZOMBIE_ROWS).map(id => (id >= 50 && id < before ? 2 : 1)),
    )
  })
})
