// Rules W and R on a real broker behind a proxy that loses requests and answers.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  headClaim,
  type Incarnation,
  type JournalRecord,
  type KeySpace,
  kafkaOffset,
  type WorkerId,
} from '@millrace/core'
import { KAFKA_API, type Kafka, kafkaApiKey, startKafka, TcpProxy } from '@millrace/testkit'
import { Cluster } from '../src/cluster.ts'
import { Fetcher, ISOLATION, KafkaCompactedLog, KafkaJournalLog, TopicAdmin } from '../src/index.ts'
import type { JournalLogOptions } from '../src/journal-log.ts'
import { LogFollower } from '../src/log-follower.ts'
import { partitionOfKey } from '../src/murmur2.ts'
import { type KafkaJs, kafkaJs, plainCluster, plainSettings, SENDS_ONCE, systemDeps, until, within } from './support.ts'

let kafka: Kafka
let js: KafkaJs
let names = 0
before(async () => {
  kafka = await startKafka()
  js = kafkaJs(kafka.bootstrapServers)
})
after(() => kafka?.stop())

const PARTITIONS = 3
const space = (partition: number): KeySpace => ({ incarnation: 'i' as Incarnation, topic: 't', partition })
const claim = (claimId: string): JournalRecord => ({
  kind: 'claim',
  claimId,
  epoch: 1,
  workerId: 'w' as WorkerId,
  generation: 1,
})

async function newTopic(partitions = PARTITIONS): Promise<string> {
  const topic = `journal-${names++}`
  await using cluster = closing(plainCluster(kafka.bootstrapServers))
  await new TopicAdmin(cluster.it).ensureCompactedTopic(
    topic,
    { partitions, replicationFactor: 1, configs: {} },
    within(20_000),
  )
  return topic
}

const closing = (it: Cluster): AsyncDisposable & { it: Cluster } => ({ it, [Symbol.asyncDispose]: () => it.close() })

/** A journal whose every connection goes through a proxy. */
async function proxied(topic: string, options: Partial<JournalLogOptions> = {}) {
  const stack = new AsyncDisposableStack()
  const proxy = stack.use(await TcpProxy.listen(() => plainSettings(kafka.bootstrapServers).bootstrap[0]!))
  const settings = { ...plainSettings(kafka.bootstrapServers), reachedAt: () => proxy.address }
  const cluster = new Cluster(settings, systemDeps())
  stack.defer(() => cluster.close())
  const log = await KafkaJournalLog.open(cluster, { topic, partitions: PARTITIONS, ...options }, within(20_000))
  stack.defer(() => log.close(within(1_000)))
  return { proxy, log, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

/** Every record of the topic as `partition@offset key`, as a stranger reads them. */
async function everything(topic: string, partitions = PARTITIONS): Promise<{ partition: number; key: string }[]> {
  await using cluster = closing(plainCluster(kafka.bootstrapServers))
  await using fetcher = new Fetcher(cluster.it, { isolation: ISOLATION.READ_UNCOMMITTED })
  const tps = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
  const ends = await fetcher.offsets(tps, 'latest', within(5_000))
  const found: { partition: number; key: string }[] = []
  for (const tp of tps) {
    const reader = fetcher.open(tp, kafkaOffset(0))
    while (reader.nextKafkaOffset < ends.get(`${topic}-${tp.partition}`)!)
      for (const s of await reader.read(within(5_000)))
        for (let i = 0; i < s.count; i++)
          found.push({ partition: tp.partition, key: s.bytes.toString('utf8', s.keyStart[i]!, s.keyEnd[i]!) })
  }
  return found
}
const copies = (records: readonly { key: string }[], claimId: string): number =>
  records.filter(r => r.key.endsWith(`claim/${claimId}`)).length

/** The given fates for the next produces, then pass. */
function nextProduces(proxy: TcpProxy, ...fates: ('cutBefore' | 'cutAnswer' | 'hold')[]): void {
  proxy.fate = request => (kafkaApiKey(request) === KAFKA_API.PRODUCE ? (fates.shift() ?? 'pass') : 'pass')
}

test('a lost answer is asked for again with the identical batch: acknowledged once, stored once', async () => {
  const topic = await newTopic()
  await using journal = await proxied(topic)
  await journal.log.append(space(0), [claim('before')])
  nextProduces(journal.proxy, 'cutAnswer', 'cutAnswer', 'cutBefore')
  await journal.log.append(space(0), [claim('lost')])
  await journal.log.append(space(0), [claim('after')])
  const records = await everything(topic)
  for (const id of ['before', 'lost', 'after']) assert.equal(copies(records, id), 1, id)
  const state = await journal.log.readToEnd(space(0), within(5_000))
  assert.deepEqual([...state.claims.keys()], ['claim/before', 'claim/lost', 'claim/after'])
})

test('a write whose outcome stays unknown is rejected, its producer id is not used again, and it is stored at most once', async () => {
  const topic = await newTopic()
  await using journal = await proxied(topic, { writer: { produceDeadlineMs: 400, requestTimeoutMs: 150 } })
  await journal.log.append(space(0), [claim('before')])
  journal.proxy.fate = request => (kafkaApiKey(request) === KAFKA_API.PRODUCE ? 'cutAnswer' : 'pass')
  const both = await Promise.allSettled([
    journal.log.append(space(0), [claim('unknown-1')]),
    journal.log.append(space(0), [claim('unknown-2')]),
  ])
  for (const result of both) {
    assert.equal(result.status, 'rejected')
    assert.deepEqual([result.reason.code, result.reason.disposition], ['JOURNAL_OUTCOME_UNKNOWN', 'fenced'])
  }
  journal.proxy.fate = () => 'pass'
  await journal.log.append(space(0), [claim('after')])
  const records = await everything(topic)
  assert.equal(copies(records, 'unknown-1'), 1, 'it had landed, and only once in all its tries')
  assert.equal(copies(records, 'after'), 1)
  assert.equal((await journal.log.readToEnd(space(0), within(5_000))).claims.size, records.length)
})

test('a produce that lingers and lands late does not disturb what was written after it', async () => {
  const topic = await newTopic()
  await using journal = await proxied(topic, { writer: { produceDeadlineMs: 300, requestTimeoutMs: 100 } })
  await journal.log.append(space(0), [claim('before')])
  journal.proxy.fate = request => (kafkaApiKey(request) === KAFKA_API.PRODUCE ? 'hold' : 'pass')
  await assert.rejects(journal.log.append(space(0), [claim('late')]), { code: 'JOURNAL_OUTCOME_UNKNOWN' })
  journal.proxy.fate = () => 'pass'
  await journal.log.append(space(0), [claim('after')])
  assert.equal(copies(await everything(topic), 'late'), 0)
  journal.proxy.release()
  await until(async () => copies(await everything(topic), 'late') > 0)
  await journal.log.append(space(0), [claim('last')])
  const records = await everything(topic)
  for (const id of ['before', 'late', 'after', 'last']) assert.equal(copies(records, id), 1, id)
  const state = await journal.log.readToEnd(space(0), within(5_000))
  assert.deepEqual([...state.claims.keys()].sort(), ['claim/after', 'claim/before', 'claim/last', 'claim/late'])
})

test('a write the broker refuses for good is rejected and absent, and the next one goes on', async () => {
  const topic = await newTopic()
  await using journal = await proxied(topic)
  const huge = claim('x'.repeat(2_000_000))
  const [refused, small] = await Promise.allSettled([
    journal.log.append(space(0), [huge]),
    journal.log.append(space(0), [claim('small')]),
  ])
  assert.equal(refused.status, 'rejected')
  assert.equal(refused.reason.code, 'JOURNAL_OUTCOME_UNKNOWN')
  assert.match(String(refused.reason), /MESSAGE_TOO_LARGE/)
  assert.equal(small.status, 'fulfilled')
  assert.equal((await everything(topic)).length, 1)
})

test('under cuts at random everything acknowledged is there once, in the order of each caller', async () => {
  const topic = await newTopic()
  await using journal = await proxied(topic)
  const acknowledged: string[] = []
  let isOver = false
  const faults = (async () => {
    const fates = ['cutBefore', 'cutAnswer', 'pass', 'pass', 'pass'] as const
    let n = 0
    journal.proxy.fate = request =>
      kafkaApiKey(request) === KAFKA_API.PRODUCE ? fates[(n++ * 7) % fates.length]! : 'pass'
    while (!isOver) {
      await new Promise(resolve => setTimeout(resolve, 60))
      journal.proxy.cutAll()
    }
  })()
  const writers = [0, 1, 2, 3, 4].map(async w => {
    for (let i = 0; i < 30; i++) {
      await journal.log.append(space(w), [claim(`${w}-${i}`)])
      acknowledged.push(`${w}-${i}`)
    }
  })
  await Promise.all(writers)
  isOver = true
  await faults
  journal.proxy.fate = () => 'pass'
  const records = await everything(topic)
  for (const id of acknowledged) assert.equal(copies(records, id), 1, id)
  assert.equal(records.length, 150)
  for (const w of [0, 1, 2, 3, 4]) {
    const state = await journal.log.readToEnd(space(w), within(5_000))
    assert.deepEqual(
      [...state.claims.keys()],
      Array.from({ length: 30 }, (_, i) => `claim/${w}-${i}`),
    )
    const offsets = [...state.claims.values()].map(c => c.journalOffset)
    assert.deepEqual(
      offsets,
      [...offsets].sort((a, b) => (a < b ? -1 : 1)),
    )
  }
})

test('all records of a key space are in the partition of its murmur2', async () => {
  const topic = await newTopic()
  await using journal = await proxied(topic)
  await Promise.all([0, 1, 2, 3, 4, 5].map(n => journal.log.append(space(n), [claim(`of-${n}`)])))
  for (const { partition, key } of await everything(topic)) {
    const n = key.split('/')[2]
    assert.equal(partition, partitionOfKey(`i/t/${n}`, PARTITIONS))
  }
})

test('reading to the end waits out cut fetches and still answers everything', async () => {
  const topic = await newTopic()
  await using other = await proxied(topic)
  await using journal = await proxied(topic)
  await other.log.append(space(0), [claim('theirs')])
  let cuts = 3
  journal.proxy.fate = request => (kafkaApiKey(request) === KAFKA_API.FETCH && cuts-- > 0 ? 'cutAnswer' : 'pass')
  assert.equal(headClaim(await journal.log.readToEnd(space(0), within(10_000)))?.claimId, 'theirs')
  assert.ok(cuts <= 0)
})

test('a read asked for while another is under way sees what was acknowledged in between', async () => {
  const topic = await newTopic()
  await using other = await proxied(topic)
  await using journal = await proxied(topic, { followIntervalMs: 60_000 })
  let asked = 0
  journal.proxy.fate = request => (kafkaApiKey(request) === KAFKA_API.FETCH && asked++ === 0 ? 'holdAnswer' : 'pass')
  const early = journal.log.readToEnd(space(0), within(10_000))
  await until(() => asked === 1)
  await until(() => journal.proxy.heldNow > 0)
  await other.log.append(space(0), [claim('between')])
  const late = journal.log.readToEnd(space(0), within(10_000))
  journal.proxy.release()
  assert.equal((await late).claims.size, 1)
  await early
})

test('readers that ask at once share their fetches', async () => {
  const topic = await newTopic()
  await using journal = await proxied(topic, { followIntervalMs: 60_000 })
  await journal.log.readToEnd(space(0), within(5_000))
  const before = journal.proxy.requests
  await Promise.all(Array.from({ length: 100 }, () => journal.log.readToEnd(space(0), within(5_000))))
  assert.ok(journal.proxy.requests - before <= 4, `${journal.proxy.requests - before} requests`)
})

test('a log that begins anew is JOURNAL_LOST for writers and readers', async () => {
  const topic = await newTopic()
  await using journal = await proxied(topic, { staleLeaderMs: 200, followIntervalMs: 60_000 })
  for (const id of ['a', 'b', 'c']) await journal.log.append(space(0), [claim(id)])
  const admin = js.admin()
  await admin.connect()
  await admin.deleteTopics({ topics: [topic] })
  await admin.disconnect()
  {
    await using cluster = closing(plainCluster(kafka.bootstrapServers))
    const spec = { partitions: PARTITIONS, replicationFactor: 1, configs: {} }
    await until(() => new TopicAdmin(cluster.it).createTopic(topic, spec, within(5_000)))
  }
  const lost = { code: 'JOURNAL_LOST', disposition: 'failPartition' }
  await assert.rejects(journal.log.readToEnd(space(0), within(20_000)), lost)
  await assert.rejects(journal.log.append(space(0), [claim('d')]), lost)
  await assert.rejects(journal.log.append(space(0), [claim('e')]), lost)
})

test('a topic that one broker does not know yet is waited for', async () => {
  const topic = `journal-${names++}`
  await using cluster = closing(plainCluster(kafka.bootstrapServers))
  const opening = KafkaCompactedLog.open(cluster.it, { topic }, within(20_000))
  await sleep(300) // it has asked, and was told that there is no such topic
  await new TopicAdmin(cluster.it).createTopic(
    topic,
    { partitions: 1, replicationFactor: 1, configs: {} },
    within(20_000),
  )
  const log = await opening
  assert.deepEqual(await log.readToEnd(within(10_000)), [])
  await log.close(within(1_000))
})

test('a topic with foreign records is refused before anything is written', async () => {
  const topic = await newTopic(1)
  const producer = js.producer(SENDS_ONCE)
  await producer.connect()
  await producer.send({ topic, messages: [{ key: 'connector-x', value: '{}' }] })
  await producer.disconnect()
  await using cluster = closing(plainCluster(kafka.bootstrapServers))
  const unsafe = { code: 'JOURNAL_TOPIC_UNSAFE', message: new RegExp(`${topic}-0@0 has no millrace.format header`) }
  await assert.rejects(KafkaJournalLog.open(cluster.it, { topic, partitions: 1 }, within(10_000)), unsafe)
  await assert.rejects(KafkaCompactedLog.open(cluster.it, { topic }, within(10_000)), unsafe)
  assert.equal((await everything(topic, 1)).length, 1)
})

test('each record says the lowest format that reads it; one of a newer Millrace ends the reader there', async () => {
  const topic = await newTopic(1)
  {
    await using journal = await proxied(topic, { partitions: 1 })
    await journal.log.append(space(0), [claim('a'), { kind: 'deleted', claimId: 'a', epoch: 1, by: 'w' }])
    await journal.log.readToEnd(space(0), within(10_000))
  }
  await using cluster = closing(plainCluster(kafka.bootstrapServers))
  const old = new LogFollower(
    cluster.it,
    topic,
    1,
    () => {},
    () => -1n,
    { followIntervalMs: 1_000, formats: ['1'], staleLeaderMs: 1_000 },
  )
  await assert.rejects(old.open(within(10_000)), {
    code: 'JOURNAL_TOPIC_UNSAFE',
    message: new RegExp(`${topic}-0@1 has millrace.format "2": a newer Millrace wrote it`),
  })
})

test('a broker killed and started again loses nothing acknowledged, and the journal goes on', async () => {
  const topic = await newTopic()
  await using journal = await proxied(topic)
  const acknowledged: string[] = []
  let isOver = false
  const writing = (async () => {
    for (let i = 0; !isOver; i++) {
      await journal.log.append(space(0), [claim(`k-${i}`)])
      acknowledged.push(`k-${i}`)
    }
  })()
  await until(() => acknowledged.length > 20)
  await kafka.stopBroker(0, 'SIGKILL')
  await kafka.startBroker(0)
  const reached = acknowledged.length
  await until(() => acknowledged.length > reached + 5, 30_000)
  isOver = true
  await writing
  const records = await everything(topic)
  for (const id of acknowledged) assert.equal(copies(records, id), 1, id)
  const state = await journal.log.readToEnd(space(0), within(10_000))
  assert.equal(state.claims.size, acknowledged.length)
})
