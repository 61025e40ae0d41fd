import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { EMPTY_KEY_SPACE, type Incarnation, kafkaOffset } from '@millrace/core'
import { type Kafka, startKafka } from '@millrace/testkit'
import {
  Fetcher,
  KafkaCompactedLog,
  KafkaGroupOffsets,
  KafkaJournalLog,
  KafkaTopicCatalog,
  TopicAdmin,
} from '../src/index.ts'
import { kafkaJs, plainCluster, within } from './support.ts'

let kafka: Kafka
before(async () => {
  kafka = await startKafka()
})
after(() => kafka?.stop())

test('smoke', async () => {
  const js = kafkaJs(kafka.bootstrapServers)
  const admin = js.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: 't', numPartitions: 8, replicationFactor: 1 }] })
  const producer = js.producer()
  await producer.connect()
  for (const compression of [0, 1, 2, 3, 4])
    await producer.send({
      topic: 't',
      compression,
      messages: Array.from({ length: 800 }, (_, i) => ({
        key: `k${i}`,
        value: `v${compression}-${i}`.repeat(10),
        partition: i % 8,
        headers: { a: 'b' },
      })),
    })
  await using cluster = {
    c: plainCluster(kafka.bootstrapServers),
    [Symbol.asyncDispose]() {
      return this.c.close()
    },
  }
  const c = cluster.c
  console.log(await new KafkaTopicCatalog(c).partitionCounts('all', within(5000)))
  await using fetcher = new Fetcher(c)
  console.log(await fetcher.offsets([{ topic: 't', partition: 0 }], 'latest', within(5000)))
  for (let p = 0; p < 8; p++) {
    const reader = fetcher.open({ topic: 't', partition: p }, kafkaOffset(0))
    let n = 0
    while (n < 500) for (const s of await reader.read(within(5000))) n += s.count
    assert.equal(n, 500)
    assert.equal(reader.endKafkaOffset, 500n)
  }
  const groups = new KafkaGroupOffsets(c)
  await groups.commit('g', [{ tp: { topic: 't', partition: 1 }, nextKafkaOffset: kafkaOffset(7) }], within(5000))
  console.log(
    await groups.committed(
      'g',
      [0, 1].map(partition => ({ topic: 't', partition })),
      within(5000),
    ),
    await groups.hasLiveMembers('g', within(5000)),
  )
  await new TopicAdmin(c).ensureCompactedTopic('j', { partitions: 5, replicationFactor: 1, configs: {} }, within(5000))
  const journal = await KafkaJournalLog.open(c, { topic: 'j', partitions: 5 }, within(10000))
  const space = { incarnation: 'i' as Incarnation, topic: 't', partition: 0 }
  assert.equal(journal.peek(space), EMPTY_KEY_SPACE)
  await journal.append(space, [{ kind: 'claim', claimId: 'c1', epoch: 1, workerId: 'w' as never, generation: 1 }])
  const t0 = performance.now()
  for (let i = 0; i < 200; i++) await journal.append(space, [{ kind: 'barrier', claimId: 'c1' }])
  const t1 = performance.now()
  for (let i = 0; i < 200; i++) await journal.readToEnd(space, within(5000))
  console.log('append ms', (t1 - t0) / 200, 'readToEnd ms', (performance.now() - t1) / 200)
  assert.equal((await journal.readToEnd(space, within(5000))).claims.size, 1)
  await journal.writeGenesis(space.incarnation, { journalId: 'x', journalPartitions: 5, partitionsKnown: { t: 8 } })
  console.log(await journal.readGenesis(space.incarnation, within(5000)))
  await journal.close(within(5000))
  await new TopicAdmin(c).ensureCompactedTopic(
    'cfg',
    { partitions: 1, replicationFactor: 1, configs: {} },
    within(5000),
  )
  const log = await KafkaCompactedLog.open(c, { topic: 'cfg' }, within(5000))
  await log.append('a', '1', within(5000))
  console.log(await log.readToEnd(within(5000)))
  await log.close(within(5000))
  await producer.disconnect()
  await admin.disconnect()
})
