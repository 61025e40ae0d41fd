// What a dead letter looks like in its topic: Kafka Connect's headers, the original record untouched.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type DeadLetter, type DeadLetterQueue, kafkaOffset } from '@millrace/core'
import { type Kafka, letterAt, startKafka } from '@millrace/testkit'
import type { Cluster } from '../src/cluster.ts'
import { Fetcher, KafkaDeadLetters, partitionOfKey, readHeaders, TopicAdmin } from '../src/index.ts'
import { plainCluster, within } from './support.ts'

let kafka: Kafka
let cluster: Cluster
before(async () => {
  kafka = await startKafka()
  cluster = plainCluster(kafka.bootstrapServers)
})
after(async () => {
  await cluster?.close()
  await kafka?.stop()
})

const queueOf = (topic: string, contextHeaders: boolean): DeadLetterQueue => ({
  topic,
  connector: 'sink',
  taskId: 3,
  contextHeaders,
  replicationFactor: 1,
})

type Stored = {
  partition: number
  key: string | null
  value: string | null
  timestampMs: number
  headers: [string, string | null][]
}

async function stored(topic: string, partitions: number): Promise<Stored[]> {
  await using fetcher = new Fetcher(cluster)
  const letters: Stored[] = []
  for (let partition = 0; partition < partitions; partition++) {
    const tp = { topic, partition }
    const end = (await fetcher.offsets([tp], 'latest', within(5_000))).get(`${topic}-${partition}`)!
    const reader = fetcher.open(tp, kafkaOffset(0))
    while (reader.nextKafkaOffset < end)
      for (const s of await reader.read(within(5_000)))
        for (let i = 0; i < s.count; i++)
          letters.push({
            partition,
            key: s.keyStart[i] === -1 ? null : s.bytes.toString('latin1', s.keyStart[i], s.keyEnd[i]),
            value: s.valueStart[i] === -1 ? null : s.bytes.toString('latin1', s.valueStart[i], s.valueEnd[i]),
            timestampMs: s.timestampMs[i]!,
            headers: readHeaders(s.bytes, s.headersStart[i]!, s.headersEnd[i]!).map(h => [
              h.key,
              h.value?.toString('latin1') ?? null,
            ]),
          })
  }
  return letters
}

async function produced(queue: DeadLetterQueue, letters: readonly DeadLetter[], partitions = 1): Promise<Stored[]> {
  await new TopicAdmin(cluster).createTopic(
    queue.topic,
    { partitions, replicationFactor: 1, configs: {} },
    within(10_000),
  )
  const deadLetters = new KafkaDeadLetters(cluster)
  await deadLetters.produce(queue, letters, within(10_000))
  await deadLetters.close(within(5_000))
  return stored(queue.topic, partitions)
}

const IDENTITY: [string, string][] = [
  ['__connect.errors.topic', 'orders'],
  ['__connect.errors.partition', '2'],
  ['__connect.errors.offset', '41'],
]
const ORIGINAL: [string, string | null][] = [
  ['h', null],
  ['h', '\x00ÿ'],
]

test('without context headers a letter is the original record and its identity', async () => {
  assert.deepEqual(await produced(queueOf('plain', false), [letterAt('orders', 2, 41)]), [
    { partition: 0, key: 'k41', value: 'v41', timestampMs: 1_041, headers: [...ORIGINAL, ...IDENTITY] },
  ])
})

test('with context headers it also says who failed, where and why', async () => {
  const [letter] = await produced(queueOf('context', true), [letterAt('orders', 2, 41)])
  assert.deepEqual(letter!.headers, [
    ...ORIGINAL,
    ...IDENTITY,
    ['__connect.errors.connector.name', 'sink'],
    ['__connect.errors.task.id', '3'],
    ['__connect.errors.stage', 'VALUE_CONVERTER'],
    ['__connect.errors.class.name', 'io.millrace.bigquery.BigQuerySinkTask'],
    ['__connect.errors.exception.class.name', 'org.apache.kafka.connect.errors.DataException'],
    ['__connect.errors.exception.message', 'not JSON'],
    ['__connect.errors.exception.stacktrace', 'org.apache.kafka.connect.errors.DataException: not JSON'],
  ])
})

test('a letter without its record says so, whatever the context headers', async () => {
  const gone: DeadLetter = {
    ...letterAt('orders', 2, 41),
    record: null,
    error: { stage: 'TASK_PUT', exceptionClass: 'X', message: 'the source no longer holds the record' },
  }
  const [letter] = await produced(queueOf('gone', false), [gone])
  assert.deepEqual([letter!.key, letter!.value], [null, null])
  assert.deepEqual(letter!.headers, [
    ...IDENTITY,
    ['__connect.errors.exception.message', 'the source no longer holds the record'],
  ])
})

test('letters go to the partition of their key, large ones in several batches', async () => {
  const letters = Array.from({ length: 60 }, (_, i) => {
    const letter = letterAt('orders', 0, i)
    return { ...letter, record: { ...letter.record!, value: Buffer.alloc(50_000, 65) } }
  })
  const found = await produced(queueOf('spread', false), letters, 4)
  assert.equal(found.length, 60)
  for (const { key, partition } of found) assert.equal(partition, partitionOfKey(key!, 4))
})
