// A leader that moves while a fetch is under way, on a cluster made of a few promises: the order of events is the test's.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { kafkaOffset } from '@millrace/core'
import type { Cluster } from '../src/cluster.ts'
import type { FetchAnswer } from '../src/fetch-response.ts'
import { Fetcher } from '../src/fetcher.ts'
import { KAFKA_ERROR } from '../src/kafka-errors.ts'
import { encodeRecordBatch } from '../src/record-batch-encoder.ts'
import { systemDeps, until, within } from './support.ts'

const record = { key: null, value: Buffer.from('moved'), headers: [], timestampMs: 1 }
const batch = encodeRecordBatch([record], { producerId: -1n, producerEpoch: -1 }, 0)

function answer(errorCode: number, records: Buffer, topics = ['t']): FetchAnswer {
  const partitions = topics.map(topic => ({
    topic,
    partition: 0,
    errorCode,
    highWatermark: 1n,
    lastStableOffset: 1n,
    logStartOffset: 0n,
    aborted: [],
    recordsStart: 0,
    recordsEnd: records.length,
  }))
  return { payload: records, throttleMs: 0, errorCode: 0, partitions }
}

test('a reader that moves to a broker with nothing else to do is fetched there', async () => {
  let leader = 1
  let releaseOld = (): void => undefined
  const sent: number[] = []
  const deps = systemDeps()
  const cluster = {
    deps,
    knownLeader: () => leader,
    forgetLeader: () => undefined,
    backoffMs: () => 1,
    metadata: async () =>
      new Map([
        [
          't',
          {
            topic: 't',
            isInternal: false,
            errorCode: 0,
            partitions: [{ partition: 0, leader, replicas: [], isr: [] }],
          },
        ],
      ]),
    send: async (node: number) => {
      sent.push(node)
      if (node === 2) return answer(0, batch)
      leader = 2
      // The fetch that failed on the old broker settles only after the new broker's lanes have looked.
      setTimeout(() => releaseOld(), 50)
      await new Promise<void>(resolve => {
        releaseOld = resolve
      })
      return answer(KAFKA_ERROR.NOT_LEADER_OR_FOLLOWER, Buffer.alloc(0))
    },
  } as unknown as Cluster
  await using fetcher = new Fetcher(cluster)
  const slices = await fetcher.open({ topic: 't', partition: 0 }, kafkaOffset(0)).read(within(5_000))
  assert.equal(slices[0]!.count, 1)
  await until(() => sent.includes(2))
})
