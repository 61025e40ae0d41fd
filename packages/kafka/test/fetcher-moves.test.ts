// Answers that make the fetcher look again, on a cluster made of a few promises: the order of events is the test's.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { kafkaOffset, type PartitionReader } from '@millrace/core'
import type { KafkaDeps } from '../src/client-settings-type.ts'
import type { Cluster, NodeId } from '../src/cluster.ts'
import type { FetchAnswer } from '../src/fetch-response.ts'
import { Fetcher } from '../src/fetcher.ts'
import { KAFKA_ERROR } from '../src/kafka-errors.ts'
import { encodeRecordBatch } from '../src/record-batch-encoder.ts'
import { systemDeps, until, within } from './support.ts'

const record = { key: null, value: Buffer.from('moved'), headers: [], timestampMs: 1 }
const batch = encodeRecordBatch([record], { producerId: -1n, producerEpoch: -1 }, 0)

function answer(errorCode: number, records: Buffer, end = 1n): FetchAnswer {
  const part = {
    topic: 't',
    partition: 0,
    errorCode,
    highWatermark: end,
    lastStableOffset: end,
    logStartOffset: 0n,
    aborted: [],
    recordsStart: 0,
    recordsEnd: records.length,
  }
  return { payload: records, throttleMs: 0, errorCode: 0, partitions: [part] }
}

/** One partition of one topic, led by `leader()`; every fetch is answered by `fetch`. */
function clusterOf(
  leader: () => NodeId | null,
  fetch: (node: NodeId) => FetchAnswer,
  deps: KafkaDeps = systemDeps(),
): Cluster {
  const partitions = (): object[] => [{ partition: 0, leader: leader(), replicas: [], isr: [] }]
  return {
    deps,
    knownLeader: leader,
    forgetLeader: () => undefined,
    backoffMs: () => 1.9,
    metadata: async () => new Map([['t', { topic: 't', isInternal: false, errorCode: 0, partitions: partitions() }]]),
    send: async (node: NodeId) => {
      await new Promise(resolve => setImmediate(resolve))
      return fetch(node)
    },
  } as unknown as Cluster
}

test('a reader follows its partition to the new leader', async () => {
  let leader = 1
  const cluster = clusterOf(
    () => leader,
    node => {
      if (node === 2) return answer(0, batch)
      leader = 2
      return answer(KAFKA_ERROR.NOT_LEADER_OR_FOLLOWER, Buffer.alloc(0))
    },
  )
  await using fetcher = new Fetcher(cluster)
  const slices = await fetcher.open({ topic: 't', partition: 0 }, kafkaOffset(0)).read(within(5_000))
  assert.equal(slices[0]!.count, 1)
})

test('timers that fire a moment early leave no reader behind', async () => {
  const deps = systemDeps()
  // Time stands still while every sleep ends at once: whoever compares times after a sleep waits for ever.
  const early: KafkaDeps = {
    ...deps,
    clock: { nowMs: () => 0, monotonicMs: () => 0 },
    timers: { sleep: async () => undefined },
  }
  let failures = 10
  const cluster = clusterOf(
    () => 1,
    () => (failures-- > 0 ? answer(KAFKA_ERROR.NOT_LEADER_OR_FOLLOWER, Buffer.alloc(0)) : answer(0, batch)),
    early,
  )
  await using fetcher = new Fetcher(cluster)
  const slices = await fetcher.open({ topic: 't', partition: 0 }, kafkaOffset(0)).read(within(5_000))
  assert.equal(slices[0]!.count, 1)
})

test('a partition without a leader says so, also where nothing was known to be left', async () => {
  let leader: NodeId | null = null
  const cluster = clusterOf(
    () => leader,
    () => answer(0, batch),
  )
  await using fetcher = new Fetcher(cluster)
  const reader = fetcher.open({ topic: 't', partition: 0 }, kafkaOffset(0))
  const reading = reader.read(within(5_000))
  await until(() => reader.trouble !== null)
  assert.match(reader.trouble?.error.message ?? '', /t-0 has no leader/)
  leader = 1
  await reading
  assert.equal(reader.trouble, null)
})

test('offsets at the end of a compacted log that no batch covers are no lag', async () => {
  const answers = [answer(0, batch, 5n)]
  const cluster = clusterOf(
    () => 1,
    () => answers.shift() ?? answer(0, Buffer.alloc(0), 5n),
  )
  await using fetcher = new Fetcher(cluster)
  const reader = fetcher.open({ topic: 't', partition: 0 }, kafkaOffset(0))
  await reader.read(within(5_000))
  await until(() => reader.endKafkaOffset === 1n)
  assert.equal(reader.nextKafkaOffset, 1n, 'the position does not move by itself')
})

test('an answer that was full before it came to a partition says nothing about the end of it', async () => {
  const ends = new Set<bigint | null>()
  let end = 7n
  const cluster = clusterOf(
    () => 1,
    () => {
      ends.add(readers[1]?.endKafkaOffset ?? null)
      end++ // what was said of another end does not count
      const parts = [0, 1].flatMap(partition =>
        answer(0, Buffer.alloc(0), end).partitions.map(part => ({ ...part, partition })),
      )
      return { ...answer(0, Buffer.alloc(0)), partitions: parts }
    },
  )
  await using fetcher = new Fetcher(cluster)
  const readers: PartitionReader[] = []
  for (const partition of [0, 1]) readers.push(fetcher.open({ topic: 't', partition }, kafkaOffset(1)))
  await until(() => ends.has(1n)) // it was the first of its request
  await until(() => [...ends].some(seen => seen !== null && seen > 1n)) // it was not
})
