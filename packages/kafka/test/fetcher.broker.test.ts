// The fetcher on a real broker: every codec, holes, backpressure, cuts, stalls, restarts.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { kafkaOffset, type PartitionReader, type RecordSlice } from '@millrace/core'
import { KAFKA_API, type Kafka, kafkaApiKey, startKafka, TcpProxy } from '@millrace/testkit'
import { Cluster } from '../src/cluster.ts'
import { Fetcher, type FetcherOptions } from '../src/fetcher.ts'
import { TopicAdmin } from '../src/topic-admin.ts'
import {
  type KafkaJsProducer,
  kafkaJs,
  plainCluster,
  plainSettings,
  SENDS_ONCE,
  systemDeps,
  until,
  within,
} from './support.ts'

let kafka: Kafka
let producer: KafkaJsProducer
let names = 0
before(async () => {
  kafka = await startKafka({ properties: { 'log.cleaner.backoff.ms': '100' } })
  producer = kafkaJs(kafka.bootstrapServers).producer(SENDS_ONCE)
  await producer.connect()
})
after(async () => {
  await producer?.disconnect()
  await kafka?.stop()
})

async function newTopic(partitions: number, configs: Record<string, string> = {}): Promise<string> {
  const topic = `topic-${names++}`
  const cluster = plainCluster(kafka.bootstrapServers)
  await new TopicAdmin(cluster).createTopic(topic, { partitions, replicationFactor: 1, configs }, within(20_000))
  await until(
    async () => (await new TopicAdmin(cluster).describe(topic, within(5_000)))?.partitions.length === partitions,
  )
  await cluster.close()
  return topic
}

/** Not while the broker still deletes the one before it. */
async function isMade(topic: string): Promise<boolean> {
  const cluster = plainCluster(kafka.bootstrapServers)
  try {
    const shape = { partitions: 1, replicationFactor: 1, configs: {} }
    return await new TopicAdmin(cluster).createTopic(topic, shape, within(5_000))
  } catch {
    return false
  } finally {
    await cluster.close()
  }
}

async function proxied(options: Partial<FetcherOptions> = {}) {
  const stack = new AsyncDisposableStack()
  const proxy = stack.use(await TcpProxy.listen(() => plainSettings(kafka.bootstrapServers).bootstrap[0]!))
  const cluster = new Cluster(
    { ...plainSettings(kafka.bootstrapServers), reachedAt: () => proxy.address },
    systemDeps(),
  )
  stack.defer(() => cluster.close())
  const fetcher = stack.use(new Fetcher(cluster, options))
  return { proxy, fetcher, cluster, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

async function readTo(reader: PartitionReader, end: number, ms = 20_000): Promise<RecordSlice[]> {
  const slices: RecordSlice[] = []
  while (reader.nextKafkaOffset < end) slices.push(...(await reader.read(within(ms))))
  return slices
}
const values = (slices: readonly RecordSlice[]): string[] =>
  slices.flatMap(s =>
    Array.from({ length: s.count }, (_, i) => s.bytes.toString('utf8', s.valueStart[i], s.valueEnd[i])),
  )
const range = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `v${from + i}`)
const messages = (from: number, to: number, partition = 0) => range(from, to).map(value => ({ value, partition }))

test('eight partitions of every codec are read at once, each whole and in order', async () => {
  const topic = await newTopic(8)
  for (const compression of [0, 1, 2, 3, 4])
    await producer.send({
      topic,
      compression,
      messages: Array.from({ length: 8 * 500 }, (_, i) => ({
        value: `${compression}-${i}-`.repeat(20),
        partition: i % 8,
      })),
    })
  await using it = await proxied()
  await Promise.all(
    Array.from({ length: 8 }, async (_, p) => {
      const reader = it.fetcher.open({ topic, partition: p }, kafkaOffset(0))
      const read = values(await readTo(reader, 2_500))
      const expected = [0, 1, 2, 3, 4].flatMap(c =>
        Array.from({ length: 500 }, (_, i) => `${c}-${i * 8 + p}-`.repeat(20)),
      )
      assert.deepEqual(read, expected)
    }),
  )
})

test('a compacted topic with holes is read over, to its very end', async () => {
  const topic = await newTopic(1, {
    'cleanup.policy': 'compact',
    'segment.ms': '50',
    'min.cleanable.dirty.ratio': '0.01',
    'delete.retention.ms': '0',
  })
  const send = async (from: number, to: number): Promise<void> => {
    const keyed = range(from, to).map((value, i) => ({ key: `k${i % 5}`, value, partition: 0 }))
    await producer.send({ topic, messages: keyed })
  }
  await using it = await proxied()
  let count = 0
  let seen: string[] = []
  await until(async () => {
    await send(count, count + 50)
    count += 50
    await new Promise(resolve => setTimeout(resolve, 60)) // lets segment.ms pass: the next append rolls the segment
    const reader = it.fetcher.open({ topic, partition: 0 }, kafkaOffset(0))
    const slices = await readTo(reader, count)
    reader.close()
    seen = values(slices)
    assert.equal(reader.nextKafkaOffset, BigInt(count))
    assert.deepEqual(seen.slice(-5), range(count - 5, count))
    return seen.length < count - 50
  }, 40_000)
  assert.ok(seen.length < count, 'compaction left holes')
})

test('H16 a topic deleted and made anew while its reader was cut off, longer than before, is SOURCE_CHANGED', async () => {
  const topic = await newTopic(1)
  await producer.send({ topic, messages: messages(0, 10) })
  await using it = await proxied({ missingTopicMs: 60_000 })
  const reader = it.fetcher.open({ topic, partition: 0 }, kafkaOffset(0))
  assert.deepEqual(values(await readTo(reader, 10)), range(0, 10))
  it.proxy.fate = request => (kafkaApiKey(request) === KAFKA_API.FETCH ? 'cutBefore' : 'pass')
  const admin = kafkaJs(kafka.bootstrapServers).admin()
  await admin.connect()
  await admin.deleteTopics({ topics: [topic] })
  await until(async () => await isMade(topic))
  await admin.disconnect()
  const other = kafkaJs(kafka.bootstrapServers).producer(SENDS_ONCE)
  await other.connect()
  await other.send({ topic, messages: messages(100, 130) })
  await other.disconnect()
  it.proxy.fate = () => 'pass'
  await assert.rejects(reader.read(within(20_000)), { code: 'SOURCE_CHANGED', message: new RegExp(`${topic}-0@`) })
  assert.equal(reader.nextKafkaOffset, 10n)
})

test('a slow reader is fetched for no further than its budget, and stops nobody else', async () => {
  const topic = await newTopic(2)
  const big = 'x'.repeat(10_000)
  for (let i = 0; i < 10; i++)
    await producer.send({
      topic,
      messages: Array.from({ length: 100 }, (_, n) => ({ value: big, partition: n % 2 })),
    })
  const share = 500_000
  await using it = await proxied({
    totalBudgetBytes: 4 * share,
    readerBudgetBytes: share,
    partitionFetchBytes: 200_000,
  })
  const slow = it.fetcher.open({ topic, partition: 0 }, kafkaOffset(0))
  const quick = it.fetcher.open({ topic, partition: 1 }, kafkaOffset(0))
  assert.equal(values(await readTo(quick, 500)).length, 500)
  const fetched = it.fetcher.stats.bytes
  assert.ok(fetched < 5_200_000 + 2 * share, `${fetched} bytes`)
  assert.equal(values(await readTo(slow, 500)).length, 500)
})

test('a partition opened while another is polled for long is served at once', async () => {
  const topic = await newTopic(2)
  await producer.send({ topic, messages: messages(0, 5, 1) })
  await using it = await proxied({ maxWaitMs: 10_000 })
  const idle = it.fetcher.open({ topic, partition: 0 }, kafkaOffset(0))
  const waiting = idle.read(within(20_000)).catch(() => undefined)
  await until(() => idle.endKafkaOffset !== null || it.proxy.requests > 3)
  const started = performance.now()
  assert.equal(values(await readTo(it.fetcher.open({ topic, partition: 1 }, kafkaOffset(0)), 5)).length, 5)
  assert.ok(performance.now() - started < 5_000)
  idle.close()
  await waiting
})

test('a batch larger than the fetch size still comes', async () => {
  const topic = await newTopic(2)
  const huge = 'y'.repeat(700_000)
  for (const partition of [0, 1])
    await producer.send({ topic, messages: [...messages(0, 3, partition), { value: huge, partition }] })
  await using it = await proxied({ partitionFetchBytes: 1_000, requestBytes: 2_000 })
  for (const partition of [0, 1]) {
    const read = values(await readTo(it.fetcher.open({ topic, partition }, kafkaOffset(0)), 4))
    assert.deepEqual(read, [...range(0, 3), huge])
  }
})

test('cut connections and lost answers leave no gap and no repetition', async () => {
  const topic = await newTopic(3)
  await using it = await proxied({ partitionFetchBytes: 2_000 })
  let n = 0
  it.proxy.fate = request =>
    kafkaApiKey(request) === KAFKA_API.FETCH && n++ % 4 === 3 ? (n % 8 === 0 ? 'cutBefore' : 'cutAnswer') : 'pass'
  for (const partition of [0, 1, 2])
    for (let i = 0; i < 40; i++) await producer.send({ topic, messages: messages(i * 25, i * 25 + 25, partition) })
  await Promise.all(
    [0, 1, 2].map(async partition => {
      const slices = await readTo(it.fetcher.open({ topic, partition }, kafkaOffset(0)), 1_000)
      assert.deepEqual(values(slices), range(0, 1_000))
      slices.forEach((s, i) => {
        assert.equal(s.startKafkaOffset, i === 0 ? 0n : slices[i - 1]!.nextKafkaOffset)
      })
    }),
  )
  assert.ok(it.fetcher.stats.errors > 0, 'the faults were effective')
})

test('a fetch that is never answered is cut by the watchdog, counted, and asked again', async () => {
  const topic = await newTopic(1)
  await producer.send({ topic, messages: messages(0, 10) })
  await using it = await proxied({ stallMs: 200, maxWaitMs: 100 })
  let held = 0
  it.proxy.fate = request => (kafkaApiKey(request) === KAFKA_API.FETCH && held++ < 2 ? 'hold' : 'pass')
  assert.deepEqual(values(await readTo(it.fetcher.open({ topic, partition: 0 }, kafkaOffset(0)), 10)), range(0, 10))
  assert.ok(it.fetcher.stats.stalls >= 1)
})

test('a topic that appears shortly after its reader is read', async () => {
  const topic = `topic-${names++}`
  await using it = await proxied({ missingTopicMs: 10_000 })
  const reader = it.fetcher.open({ topic, partition: 0 }, kafkaOffset(0))
  const waiting = reader.read(within(20_000))
  const cluster = plainCluster(kafka.bootstrapServers)
  await new TopicAdmin(cluster).createTopic(topic, { partitions: 1, replicationFactor: 1, configs: {} }, within(20_000))
  await cluster.close()
  await producer.send({ topic, messages: messages(0, 1) })
  assert.deepEqual(values(await waiting), ['v0'])
})

test('a broker that is killed and comes back is read on from where the reader was', async () => {
  const topic = await newTopic(1)
  await producer.send({ topic, messages: messages(0, 100) })
  await using it = await proxied()
  const reader = it.fetcher.open({ topic, partition: 0 }, kafkaOffset(0))
  assert.equal(values(await readTo(reader, 100)).length, 100)
  const waiting = reader.read(within(60_000))
  await kafka.stopBroker(0, 'SIGKILL')
  await kafka.startBroker(0)
  const again = kafkaJs(kafka.bootstrapServers).producer(SENDS_ONCE)
  await again.connect()
  await again.send({ topic, messages: messages(100, 150) })
  await again.disconnect()
  const read = values([...(await waiting), ...(await readTo(reader, 150))])
  assert.deepEqual(read, range(100, 150))
})
