// A fleet of worker processes under load: orderly hand-over, killed workers and leaders, a wiped and a stopped Redis, a worker
// that joins, partitions and topics that appear. What arrived is compared row by row each time.
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { startRedis, type WorkerProcess } from '@millrace/testkit'
import { Flow } from './support/flow.ts'
import { connectorConfig, LEASE_TTL_MS, type PartitionShape, plainRecord, range, Stage } from './support/stage.ts'

const PARTITIONS = 4

describe('a fleet of workers', () => {
  let stage: Stage
  before(async () => {
    stage = await Stage.open()
    await Promise.all([stage.startWorker(), stage.startWorker()])
  })
  afterEach(() => stage.deleteConnectors())
  after(() => stage[Symbol.asyncDispose]())

  /** A topic, its table and its connector, with all partitions at work and spread over the workers. */
  async function connect(name: string): Promise<readonly PartitionShape[]> {
    await Promise.all([stage.createTopic(name, PARTITIONS), stage.createTable(name)])
    await stage.createConnector(name, connectorConfig(name, { 'tasks.max': String(PARTITIONS) }))
    return await stage.until(`${name} runs on ${stage.alive.length} workers`, async () => {
      const partitions = await stage.untilRunning(name, PARTITIONS)
      return ownersOf(partitions).size === Math.min(stage.alive.length, PARTITIONS) ? partitions : null
    })
  }
  const takeovers = async (name: string): Promise<number> =>
    (await stage.partitions(name)).reduce((sum, p) => sum + p.takeovers, 0)
  const epochs = async (name: string): Promise<readonly number[]> => (await stage.partitions(name)).map(p => p.epoch)
  const leaderId = async (): Promise<string> => {
    return await stage.redisCommand('GET e2e:leader')
  }
  async function untilMoved(name: string, from: WorkerProcess): Promise<readonly PartitionShape[]> {
    const id = ids.get(from)
    return await stage.until(`the partitions of ${from.child.name} are taken over`, async () => {
      const partitions = await stage.untilRunning(name, PARTITIONS)
      return partitions.every(p => p.worker !== id) ? partitions : null
    })
  }
  const ids = new Map<WorkerProcess, string>()
  before(async () => {
    for (const worker of stage.workers) ids.set(worker, await stage.workerId(worker))
  })
  async function join(): Promise<WorkerProcess> {
    const worker = await stage.startWorker()
    ids.set(worker, await stage.workerId(worker))
    return worker
  }

  it('a wipe of Redis under load stops no partition', async () => {
    const name = stage.unique('wiped')
    await connect(name)
    const before = await epochs(name)
    await using flow = new Flow(stage, name, PARTITIONS)
    for (let wipe = 0; wipe < 3; wipe++) {
      await flow.untilFresh(name)
      assert.match(await stage.redisCommand('FLUSHALL'), /^\+OK/)
      await flow.untilFresh(name)
    }
    await stage.assertDelivered(name, await flow.end())
    await stage.untilRunning(name, PARTITIONS)
    assert.equal(await takeovers(name), 0)
    assert.deepEqual(await epochs(name), before, 'every claim is the one it was')
  })

  it('partitions go on while Redis is away, and after it is back', async () => {
    const name = stage.unique('away')
    await connect(name)
    const before = await epochs(name)
    await using flow = new Flow(stage, name, PARTITIONS)
    await flow.untilFresh(name)
    const { port } = stage.redis
    await stage.redis.stop()
    const since = performance.now()
    while (performance.now() - since < LEASE_TTL_MS + 1_000) await flow.untilFresh(name)
    stage.redis = await startRedis({ port })
    await stage.until('all workers are members again', async () => {
      const { body } = await stage.rest('GET', '/api/v1/workers')
      return (body as { workers: unknown[] }).workers.length === stage.alive.length ? true : null
    })
    await flow.untilFresh(name)
    await stage.assertDelivered(name, await flow.end())
    await stage.untilRunning(name, PARTITIONS)
    assert.equal(await takeovers(name), 0)
    assert.deepEqual(await epochs(name), before, 'every claim is the one it was')
  })

  it('a worker stopped by SIGTERM drains, and the next owner goes on with its streams', async () => {
    const name = stage.unique('handed')
    await connect(name)
    await using flow = new Flow(stage, name, PARTITIONS)
    await flow.untilFresh(name)
    const leaving = stage.alive[0] as WorkerProcess
    const before = await stage.until('every partition has its stream', async () => {
      const streams = await stage.streams(name)
      return streams.length === PARTITIONS ? streams.map(stream => stream.name) : null
    })
    leaving.child.kill('SIGTERM')
    await leaving.child.exited
    assert.deepEqual(leaving.child.exit(), { code: 0, signal: null })
    const after = await untilMoved(name, leaving)
    await flow.untilFresh(name)
    await stage.assertDelivered(name, await flow.end())
    assert.equal(
      after.reduce((sum, p) => sum + p.takeovers, 0),
      0,
      'nothing was left to recover',
    )
    const streams = await stage.streams(name)
    assert.deepEqual(streams.map(stream => stream.name).sort(), before.sort(), 'no stream was created')
    assert.ok(streams.every(stream => !stream.finalized))
  })

  it('a worker that joins gets its share, and nothing is lost on the way', async () => {
    const name = stage.unique('shared')
    await connect(name)
    await using flow = new Flow(stage, name, PARTITIONS)
    await flow.untilFresh(name)
    const joined = await join()
    await stage.until('it owns half of the partitions', async () => {
      const partitions = await stage.untilRunning(name, PARTITIONS)
      const mine = partitions.filter(p => p.worker === ids.get(joined))
      return mine.length === PARTITIONS / stage.alive.length ? true : null
    })
    await flow.untilFresh(name)
    await stage.assertDelivered(name, await flow.end())
    assert.equal(await takeovers(name), 0)
  })

  for (const [role, isVictim] of [
    ['worker that follows', (leads: boolean) => !leads],
    ['leader', (leads: boolean) => leads],
  ] as const)
    it(`the partitions of a ${role} that is killed are taken over soon after its lease ends`, async t => {
      const name = stage.unique('killed')
      if (stage.alive.length < 2) await join()
      await connect(name)
      await using flow = new Flow(stage, name, PARTITIONS)
      await flow.untilFresh(name)
      const leader = await leaderId()
      const victim = stage.alive.find(worker => isVictim(leader.includes(ids.get(worker) ?? '-')))
      assert.ok(victim !== undefined, `one of the workers is a ${role}: ${leader}`)
      const owned = (await stage.partitions(name)).filter(p => p.worker === ids.get(victim)).length
      victim.child.kill('SIGKILL')
      await victim.child.exited
      const since = performance.now()
      await untilMoved(name, victim)
      const tookMs = performance.now() - since
      await flow.untilFresh(name)
      await stage.assertDelivered(name, await flow.end())
      assert.ok(owned > 0)
      assert.equal(await takeovers(name), owned)
      t.diagnostic(`taken over after ${Math.round(tookMs)} ms`)
      assert.ok(tookMs < LEASE_TTL_MS + 10_000, `taken over after ${tookMs} ms`) // a busy machine's allowance
    })

  it('partitions and topics that appear are found and delivered from their beginning', async () => {
    const name = stage.unique('grows')
    const other = `${name}_too`
    await Promise.all([stage.createTopic(name, 2), stage.createTable(name), stage.createTable(other)])
    await stage.createConnector(
      name,
      connectorConfig('', { topics: '', 'topics.regex': `${name}.*`, 'tasks.max': '3', ...LATEST }),
    )
    await stage.untilRunning(name, 2)
    await stage.produceRows(name, range(0, 100), 2)
    await stage.assertDelivered(name, range(0, 100))

    await stage.admin.createPartitions({ topicPartitions: [{ topic: name, count: 4 }] })
    await stage.createTopic(other, 2)
    const producer = await stage.newProducer()
    await producer.send({ topic: name, messages: range(100, 200).map(id => plainRecord(id, 2 + (id % 2))) })
    await producer.send({ topic: other, messages: range(0, 100).map(id => plainRecord(id, id % 2)) })
    await producer.disconnect()
    await stage.assertDelivered(name, range(0, 200))
    await stage.assertDelivered(other, range(0, 100))
    await stage.untilRunning(name, 6)
    const { body } = await stage.rest('GET', `/connectors/${name}/tasks`)
    assert.deepEqual(
      (body as { id: { task: number } }[]).map(task => task.id.task),
      [0, 1, 2],
    )
    assert.deepEqual(new Set((await stage.status(name)).tasks.map(task => task.id)), new Set([0, 1, 2]))
  })
})

/** Only what appears after the connector is read from its beginning. */
const LATEST = { 'consumer.override.auto.offset.reset': 'latest' }

const ownersOf = (partitions: readonly PartitionShape[]): ReadonlySet<string> => new Set(partitions.map(p => p.worker))
