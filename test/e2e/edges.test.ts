// The edges: workers that cannot start say why and end; connectors whose table is missing; a BigQuery that answers late, wrongly
// or not at all; an emulator and a broker that crash. Whatever happens, every record arrives once.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { freePort } from '@millrace/testkit'
import { Flow } from './support/flow.ts'
import { type Ended, runToItsEnd, runWorker } from './support/short-lived.ts'
import { connectorConfig, PLAIN, range, restartEmulator, Stage } from './support/stage.ts'

const EXIT = { failed: 1, usage: 2 } as const
/** With a machine that does other things. Unreachable services are waited for; wrong words are not. */
const SOON_MS = 30_000

let stage: Stage
before(async () => {
  stage = await Stage.open({
    listeners: { LOGIN: 'SASL_PLAINTEXT' },
    properties: {
      'sasl.enabled.mechanisms': 'PLAIN',
      'listener.name.login.plain.sasl.jaas.config':
        'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="right";',
    },
  })
  await stage.startWorker()
})
after(() => stage[Symbol.asyncDispose]())

describe('a worker that cannot start says why on stderr and ends', { concurrency: 3 }, () => {
  const isExplained = (ended: Ended, code: number, ...says: readonly RegExp[]): void => {
    const told = `exit code ${ended.code} after ${ended.ms} ms: ${ended.err}`
    assert.equal(ended.code, code, told)
    for (const pattern of says) assert.match(ended.err, pattern)
    assert.equal(ended.out, '', 'nothing on stdout')
    assert.ok(ended.ms < SOON_MS, told)
    assert.doesNotMatch(ended.err, /^ {4}at /m, 'a sentence, not a stack')
  }

  it('no file', async () => {
    const path = join(stage.folder.path, 'nowhere.properties')
    isExplained(await runToItsEnd(['worker', '--config', path]), EXIT.usage, /--config/, /nowhere\.properties/)
    isExplained(await runToItsEnd(['worker']), EXIT.usage, /--config/)
  })
  it('a key that is nearly one', async () => {
    isExplained(
      await runWorker(stage, { 'sesion.timeout.ms': '3000' }),
      EXIT.usage,
      /sesion\.timeout\.ms/,
      /session\.timeout\.ms/,
    )
  })
  it('values that are none', async () => {
    const ended = await runWorker(stage, { 'session.timeout.ms': 'soon', 'redis.url': 'http://somewhere' })
    isExplained(ended, EXIT.usage, /session\.timeout\.ms/, /redis\.url/)
  })
  it('an address that is not loopback', async () => {
    isExplained(await runWorker(stage, { listeners: 'http://0.0.0.0:0' }), EXIT.usage, /listeners/, /loopback/)
  })
  it('a port that is taken', async () => {
    const { port } = new URL(stage.alive[0]?.rest ?? '')
    const listeners = `http://127.0.0.1:${port}`
    isExplained(await runWorker(stage, { listeners }), EXIT.usage, /PORT_IN_USE/, /listeners/, new RegExp(port))
  })
  it('no broker', async () => {
    const nobody = `127.0.0.1:${await freePort()}`
    const ended = await runWorker(stage, { 'bootstrap.servers': nobody })
    isExplained(ended, EXIT.failed, /KAFKA_UNREACHABLE/, /bootstrap\.servers/, new RegExp(nobody))
  })
  it('no Redis', async () => {
    const ended = await runWorker(stage, { 'redis.url': `redis://:CANARY@127.0.0.1:${await freePort()}` })
    isExplained(ended, EXIT.failed, /REDIS_UNREACHABLE/, /redis\.url/)
    assert.doesNotMatch(ended.err, /CANARY/)
  })
  it('a wrong password', async () => {
    const ended = await runWorker(stage, {
      'bootstrap.servers': stage.kafka.listeners.LOGIN ?? '',
      'security.protocol': 'SASL_PLAINTEXT',
      'sasl.mechanism': 'PLAIN',
      'sasl.jaas.config':
        'org.apache.kafka.common.security.plain.PlainLoginModule required username="alice" password="CANARY";',
    })
    isExplained(ended, EXIT.failed, /KAFKA_AUTH_FAILED/, /sasl\.jaas\.config/)
    assert.doesNotMatch(ended.err, /CANARY/)
  })
  it('a cluster too small for its topics', async () => {
    const ended = await runWorker(stage, { 'group.id': 'safe', 'journal.storage.replication.factor': '3' })
    isExplained(ended, EXIT.failed, /safe-journal/, /replication/i)
  })
})

describe('a connector at work', { concurrency: true }, () => {
  after(() => stage.deleteConnectors())

  async function connect(name: string, partitions: number, over: Readonly<Record<string, string>> = {}): Promise<void> {
    await Promise.all([stage.createTopic(name, partitions), stage.createTable(name)])
    await stage.createConnector(name, connectorConfig(name, over))
    await stage.untilRunning(name, partitions)
  }

  it('fails for a missing table by its name, and recovers by itself when the table is there', async () => {
    const name = stage.unique('missing')
    await stage.createTopic(name, 2)
    await stage.createConnector(name, connectorConfig(name))
    await stage.produceRows(name, range(0, 10), 2)
    const trace = await stage.until('its tasks are FAILED', async () => {
      const { tasks } = await stage.status(name)
      return tasks.length > 0 && tasks.every(task => task.state === 'FAILED') ? (tasks[0]?.trace ?? '') : null
    })
    assert.match(trace, new RegExp(`TABLE_MISSING: .*p\\W.*d\\W.*${name}.*autoCreateTables`))
    await stage.createTable(name)
    await stage.assertDelivered(name, range(0, 10))
    await stage.untilRunning(name, 2)
  })

  it('recovers by itself when the table gets the column whose absence failed it', async () => {
    const name = stage.unique('narrow')
    await stage.createTopic(name, 1)
    await stage.createTable(name, PLAIN.slice(0, 1))
    await stage.createConnector(name, connectorConfig(name))
    await stage.produceRows(name, range(0, 10), 1)
    const trace = await stage.until('its task is FAILED', async () => {
      const { tasks } = await stage.status(name)
      return tasks.find(task => task.state === 'FAILED')?.trace ?? null
    })
    assert.match(trace, new RegExp(`^${name}-0@0: RECORD_NOT_CONVERTIBLE: .*text`))
    await stage.alterTable(name, PLAIN)
    await stage.assertDelivered(name, range(0, 10))
  })

  it('goes on where another sink of its group was, once that is gone', async () => {
    const name = stage.unique('migrated')
    const group = `connect-${name}`
    await Promise.all([stage.createTopic(name, 2), stage.createTable(name)])
    await stage.produceRows(name, range(0, 100), 2)
    await stage.admin.setOffsets({
      groupId: group,
      topic: name,
      partitions: [0, 1].map(partition => ({ partition, offset: String(20 + partition) })),
    })
    const other = await stage.joinGroup(group, name)
    await stage.createConnector(name, connectorConfig(name))
    const trace = await stage.until('its tasks are FAILED', async () => {
      const { tasks } = await stage.status(name)
      return tasks.length > 0 && tasks.every(task => task.state === 'FAILED') ? (tasks[0]?.trace ?? '') : null
    })
    assert.match(trace, new RegExp(`GROUP_IN_USE: .*${group}`))
    await other.disconnect()
    await stage.assertDelivered(
      name,
      range(0, 100).filter(id => id >= (id % 2 === 0 ? 40 : 42)), // ids of partition p are 2 × offset + p
    )
  })

  for (const [what, ...faults] of [
    ['appends are applied but their answers are lost', { effect: 'closeAfterApply', every: 5 }],
    ['appends fail in band with INTERNAL', { effect: 'inBand', code: 'INTERNAL', every: 4 }],
    ['connections are closed', { effect: 'close', code: 'UNAVAILABLE', probability: 0.2, seed: 7 }],
    ['answers come late', { effect: 'delayReply', delayMs: 300, every: 3 }],
    [
      'appends land long after their connection is gone',
      { effect: 'delayApply', delayMs: 400, every: 7 },
      { effect: 'close', code: 'ABORTED', every: 5 },
    ],
    [
      'streams are refused and finalizing fails',
      { method: 'CreateWriteStream', effect: 'close', code: 'RESOURCE_EXHAUSTED', times: 3 },
      { method: 'FinalizeWriteStream', effect: 'closeAfterApply', code: 'INTERNAL', times: 2 },
      { method: 'AppendRows', effect: 'closeAfterApply', every: 9 },
    ],
  ] as const)
    it(`delivers every record once while ${what}`, async () => {
      const name = stage.unique('faulty')
      for (const fault of faults) await stage.fault({ ...fault, stream: `/tables/${name}` })
      await connect(name, 2, { 'append.max.rows': '10', 'append.linger.ms': '5' })
      for (let round = 0; round < 4; round++) await stage.produceRows(name, range(round * 100, (round + 1) * 100), 2)
      await stage.assertDelivered(name, range(0, 400))
      const { body } = await stage.askEmulator('GET', '/emulator/faults')
      const fired = (body as { faults: { stream: string; method: string; fired: number }[] }).faults.filter(
        fault => fault.stream === `/tables/${name}` && fault.method !== 'FinalizeWriteStream',
      )
      assert.ok(fired.length > 0 && fired.every(fault => fault.fired > 0), 'the fault hit')
    })
})

describe('a crash', () => {
  afterEach(() => stage.deleteConnectors())

  async function connect(name: string): Promise<void> {
    await Promise.all([stage.createTopic(name, 4), stage.createTable(name)])
    await stage.createConnector(name, connectorConfig(name, { 'append.max.rows': '50' }))
    await stage.untilRunning(name, 4)
  }

  it('of BigQuery under load costs no row and doubles none', async () => {
    const name = stage.unique('crash')
    await connect(name)
    await using flow = new Flow(stage, name, 4)
    for (let crash = 0; crash < 2; crash++) {
      await flow.untilFresh(name)
      await restartEmulator(stage)
    }
    await flow.untilFresh(name)
    await stage.assertDelivered(name, await flow.end())
  })

  it('of everything else does not keep a worker that is told to stop', async () => {
    const name = stage.unique('hung')
    await connect(name)
    const leaving = await stage.startWorker({ 'task.shutdown.graceful.timeout.ms': '1000' })
    const id = await stage.workerId(leaving)
    await stage.until('it has its share', async () =>
      (await stage.untilRunning(name, 4)).filter(p => p.worker === id).length === 2 ? true : null,
    )
    await stage.fault({ effect: 'blackhole', stream: `/tables/${name}` })
    await stage.produceRows(name, range(0, 100), 4)
    await stage.until('it waits for answers', async () =>
      (await stage.partitions(name)).every(p => p.in_flight_rows > 0) ? true : null,
    )
    const since = performance.now()
    leaving.child.kill('SIGTERM')
    await leaving.child.exited
    const tookMs = performance.now() - since
    assert.equal(leaving.child.exit()?.code, 0, stage.logs())
    assert.ok(tookMs < 5_000, `it took ${tookMs} ms`)
    await stage.askEmulator('DELETE', '/emulator/faults')
  })

  it('of the broker under load costs no row and doubles none', async () => {
    const name = stage.unique('crash')
    await connect(name)
    // All of it before the crash: a producer without idempotence doubles records by itself. Slow answers keep them waiting.
    await stage.fault({ effect: 'delayReply', delayMs: 50, stream: `/tables/${name}` })
    await stage.produceRows(name, range(0, 4_000), 4)
    await stage.until('some of it has arrived', async () => ((await stage.countRows(name)) > 100 ? true : null))
    await stage.kafka.stopBroker(0, 'SIGKILL')
    assert.ok((await stage.countRows(name)) < 4_000, 'in the middle of it')
    await stage.kafka.startBroker(0)
    await stage.assertDelivered(name, range(0, 4_000))
    await stage.untilRunning(name, 4)
  })
})
