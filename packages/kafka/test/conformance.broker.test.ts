// The adapters pass the suites of their ports on a real broker.
import { after, before } from 'node:test'
import {
  describeCompactedLog,
  describeDeadLetters,
  describeGroupOffsets,
  describeJournalLog,
  describeRecordSource,
  type Kafka,
  type SourceRecord,
  startKafka,
} from '@millrace/testkit'
import type { Cluster } from '../src/cluster.ts'
import {
  Fetcher,
  KafkaCompactedLog,
  KafkaDeadLetters,
  KafkaGroupOffsets,
  KafkaJournalLog,
  KafkaTopicCatalog,
  TopicAdmin,
} from '../src/index.ts'
import {
  type KafkaJs,
  type KafkaJsAdmin,
  type KafkaJsMessage,
  kafkaJs,
  plainCluster,
  SENDS_ONCE,
  until,
  within,
} from './support.ts'

let kafka: Kafka
let js: KafkaJs
let admin: KafkaJsAdmin
let names = 0

before(async () => {
  kafka = await startKafka()
  js = kafkaJs(kafka.bootstrapServers)
  admin = js.admin()
  await admin.connect()
})
after(async () => {
  await admin?.disconnect()
  await kafka?.stop()
})

async function createTopic(partitions: number): Promise<string> {
  const topic = `topic-${names++}`
  await admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: 1 }] })
  return topic
}

function subject(): { cluster: Cluster; stack: AsyncDisposableStack } {
  const stack = new AsyncDisposableStack()
  const cluster = plainCluster(kafka.bootstrapServers)
  stack.defer(() => cluster.close())
  return { cluster, stack }
}

const messages = (partition: number, records: readonly SourceRecord[]): KafkaJsMessage[] =>
  records.map(r => ({
    partition,
    key: r.key,
    value: r.value,
    timestamp: String(r.timestampMs),
    ...(r.header === undefined ? {} : { headers: { [r.header[0]]: r.header[1] } }),
  }))

describeRecordSource('broker', async () => {
  const { cluster, stack } = subject()
  const producer = js.producer(SENDS_ONCE)
  await producer.connect()
  stack.defer(() => producer.disconnect())
  const fetcher = stack.use(new Fetcher(cluster, { missingTopicMs: 500 }))
  return {
    source: fetcher,
    catalog: new KafkaTopicCatalog(cluster),
    createTopic,
    append: async (tp, records) => {
      await producer.send({ topic: tp.topic, messages: messages(tp.partition, records) })
    },
    transaction: async (tp, records, outcome) => {
      const transactional = js.producer({ transactionalId: `tx-${names++}`, maxInFlightRequests: 1, idempotent: true })
      await transactional.connect()
      const transaction = await transactional.transaction()
      await transaction.send({ topic: tp.topic, messages: messages(tp.partition, records) })
      if (outcome === 'open') {
        stack.defer(async () => {
          await transaction.abort()
          await transactional.disconnect()
        })
        return
      }
      await (outcome === 'commit' ? transaction.commit() : transaction.abort())
      await transactional.disconnect()
      // The marker is written after EndTxn was answered; KafkaJS's offsets are the high watermark.
      await until(async () => {
        const end = (await fetcher.offsets([tp], 'latest', within(5_000))).get(`${tp.topic}-${tp.partition}`)
        const high = (await admin.fetchTopicOffsets(tp.topic)).find(o => o.partition === tp.partition)?.high
        return end === BigInt(high!)
      })
    },
    deleteBefore: async (tp, offset) => {
      await admin.fetchTopicOffsets(tp.topic) // KafkaJS deletes only in topics it has metadata of
      await admin.deleteTopicRecords({
        topic: tp.topic,
        partitions: [{ partition: tp.partition, offset: String(offset) }],
      })
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
})

describeJournalLog('broker', async () => {
  const { cluster, stack } = subject()
  const topic = `journal-${names++}`
  const partitions = 5
  await new TopicAdmin(cluster).ensureCompactedTopic(
    topic,
    { partitions, replicationFactor: 1, configs: {} },
    within(20_000),
  )
  return {
    client: async () => {
      const log = await KafkaJournalLog.open(cluster, { topic, partitions }, within(20_000))
      stack.defer(() => log.close(within(5_000)))
      return log
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
})

describeCompactedLog('broker', async () => {
  const { cluster, stack } = subject()
  const topic = `config-${names++}`
  await new TopicAdmin(cluster).ensureCompactedTopic(
    topic,
    { partitions: 1, replicationFactor: 1, configs: {} },
    within(20_000),
  )
  return {
    client: async () => {
      const log = await KafkaCompactedLog.open(cluster, { topic }, within(20_000))
      stack.defer(() => log.close(within(5_000)))
      return log
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
})

describeGroupOffsets('broker', async () => {
  const { cluster, stack } = subject()
  return {
    offsets: new KafkaGroupOffsets(cluster),
    fresh: async () => ({ topic: await createTopic(2), group: `group-${names++}` }),
    join: async (group, topic) => {
      const consumer = js.consumer({ groupId: group })
      await consumer.connect()
      await consumer.subscribe({ topics: [topic], fromBeginning: true })
      await consumer.run({ eachMessage: async () => undefined })
      const offsets = new KafkaGroupOffsets(cluster)
      await until(() => offsets.hasLiveMembers(group, within(5_000)), 20_000)
      return { [Symbol.asyncDispose]: () => consumer.disconnect() }
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
})

describeDeadLetters('broker', async () => {
  const { cluster, stack } = subject()
  const deadLetters = new KafkaDeadLetters(cluster)
  stack.defer(() => deadLetters.close(within(5_000)))
  return {
    deadLetters,
    freshQueue: () => ({
      topic: `dlq-${names++}`,
      connector: 'c',
      taskId: 0,
      contextHeaders: true,
      replicationFactor: 1,
    }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
})
