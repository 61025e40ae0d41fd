// Answers that make the fetcher look again, on a cluster made of a few promises: the order of events is the test's.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { kafkaOffset } from '@millrace/core'
import type { KafkaDeps } from '../src/client-settings-type.ts'
import type { Cluster, NodeId } from '../src/cluster.ts'
import type { FetchAnswer } from '../src/fetch-response.ts'
import { Fetcher } from '../src/fetcher.ts'
import { KAFKA_ERROR } from '../src/kafka-errors.ts'
import { encodeRecordBatch } from '../src/record-batch-encoder.ts'
import { systemDeps, within } from './support.ts'

const record = { key: null, value: Buffer.from('moved'), headers: [], timestampMs: 1 }
const batch = encodeRecordBatch([record], { producerId: -1n, producerEpoch: -1 }, 0)

function answer(errorCode: number, records: Buffer): FetchAnswer {
  const part = {
    topic: 't',
    partition: 0,
    errorCode,
    highWatermark: 1n,
    lastStableOffset: 1n,
    logStartOffset: 0n,
    aborted: [],
    recordsStart: 0,
    recordsEnd: records.length,
  }
  return { payload: records, throttleMs: 0, errorCode: 0, partitions: [part] }
}

/** One partition of one topic, led by `leader()`; every fetch is answered by `fetch`. */
function clusterOf(
  leader: () => NodeId,
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
