// Three brokers, one is killed: the journal's writer and the fetcher follow the leaders.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Incarnation, type JournalRecord, type KeySpace, kafkaOffset, type WorkerId } from '@millrace/core'
import { type Kafka, startKafka } from '@millrace/testkit'
import type { Cluster } from '../src/cluster.ts'
import { Fetcher, KafkaJournalLog, TopicAdmin } from '../src/index.ts'
import { LogWriter } from '../src/log-writer.ts'
import { plainCluster, until, within } from './support.ts'

let kafka: Kafka
let cluster: Cluster
before(async () => {
  kafka = await startKafka({ brokers: 3 })
  cluster = plainCluster(kafka.bootstrapServers)
})
after(async () => {
  await cluster?.close()
  await kafka?.stop()
})

const space: KeySpace = { incarnation: 'i' as Incarnation, topic: 't', partition: 0 }
const claim = (n: number): JournalRecord => ({
  kind: 'claim',
  claimId: `c${n}`,
  epoch: n,
  workerId: 'w' as WorkerId,
  generation: 1,
})

test('the leader of everything is killed inside a stream of group commits: nothing acknowledged is lost or twice, reading goes on', async () => {
  const admin = new TopicAdmin(cluster)
  await admin.ensureCompactedTopic('journal', { partitions: 1, replicationFactor: 3, configs: {} }, within(30_000))
  await admin.createTopic('source', { partitions: 3, replicationFactor: 3, configs: {} }, within(30_000))
  await until(async () => (await admin.describe('source', within(10_000)))?.partitions.length === 3)
  const journal = await KafkaJournalLog.open(cluster, { topic: 'journal', partitions: 1 }, within(30_000))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => journal.close(within(5_000)))
  const leader = (await admin.describe('journal', within(10_000)))!.partitions[0]!.leader!
  const ids = await brokerIndexes()

  // Not KafkaJS's producer: when a leader moves it acknowledges a send that left that leader's partition out.
  const writers = [0, 1, 2].map(partition => new LogWriter(cluster, { topic: 'source', partition }, []))
  await using fetcher = new Fetcher(cluster)
  const read: string[][] = [[], [], []]
  const stop = new AbortController()
  const reading = [0, 1, 2].map(async partition => {
    const reader = fetcher.open({ topic: 'source', partition }, kafkaOffset(0))
    for (;;)
      for (const s of await reader.read({ signal: stop.signal }))
        for (let i = 0; i < s.count; i++)
          read[partition]!.push(s.bytes.toString('utf8', s.valueStart[i], s.valueEnd[i]))
  })
  let failure: unknown = null
  const ended = Promise.all(
    reading.map(r =>
      r.catch(error => {
        if (!stop.signal.aborted) failure = error
      }),
    ),
  )

  let written = 0
  let isOver = false
  const acknowledged: number[] = []
  const writing = [0, 1, 2, 3].map(async () => {
    while (!isOver) {
      const n = written++
      await journal.append(space, [claim(n)])
      acknowledged.push(n)
    }
  })
  const produced: string[] = []
  const producing = (async () => {
    for (let i = 0; !isOver; i++) {
      await Promise.all(writers.map(writer => writer.append([{ key: 'k', value: `v${i}` }])))
      produced.push(`v${i}`)
    }
  })()

  await until(() => acknowledged.length > 100, 30_000)
  await kafka.stopBroker(ids.get(leader)!, 'SIGKILL')
  const reached = acknowledged.length
  await until(() => acknowledged.length > reached + 100, 60_000)
  isOver = true
  await Promise.all([...writing, producing])
  const state = await journal.readToEnd(space, within(30_000))
  assert.deepEqual(
    [...state.claims.values()].map(c => c.epoch).sort((a, b) => a - b),
    acknowledged.sort((a, b) => a - b),
  )
  const offsets = [...state.claims.values()].map(c => c.journalOffset)
  assert.equal(new Set(offsets).size, offsets.length)

  await until(() => failure !== null || read.every(values => values.length >= produced.length), 30_000)
  assert.equal(failure, null)
  for (const values of read) assert.deepEqual(values, produced)
  stop.abort(new Error('enough'))
  await ended
  assert.ok((await admin.describe('journal', within(30_000)))!.partitions[0]!.leader !== leader)

  async function brokerIndexes(): Promise<Map<number, number>> {
    const metadata = (await admin.describe('journal', within(10_000)))!
    // Node ids are given in the order of the brokers.
    return new Map([...metadata.partitions[0]!.replicas].sort((a, b) => a - b).map((id, index) => [id, index]))
  }
})
