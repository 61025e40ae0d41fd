// One partition of topic `t` as its leader answers for it, and a cluster that knows nothing else: it can be read and written.
import type { Cluster } from '../src/cluster.ts'
import type { FetchAnswer } from '../src/fetch-response.ts'
import { KAFKA_ERROR } from '../src/kafka-errors.ts'
import type { ProtocolRequest } from '../src/kafkajs-internals.ts'
import { batchAt } from '../src/record-batch.ts'
import { encodeRecordBatch, type OutgoingRecord } from '../src/record-batch-encoder.ts'
import { systemDeps } from './support.ts'

export const TP = { topic: 't', partition: 0 }
/** Where a Fetch of version 11 for one partition of topic `t` has its offset. */
const FETCH_OFFSET_AT = 44
/** Where a Produce of version 7 to it has its record batch. */
const PRODUCE_BATCH_AT = 27
const API_KEY = { produce: 0, fetch: 1, listOffsets: 2 } as const

type Batch = { readonly base: bigint; readonly next: bigint; readonly bytes: Buffer }

/** A log of batches, and what the test does to it. `answers` counts what was answered. */
export class LogInMemory {
  batches: Batch[] = []
  start = 0n
  end = 0n
  isAway = false
  requests: bigint[] = []

  append(...values: readonly string[]): void {
    this.appendRecords(...values.map(value => ({ key: null, value: Buffer.from(value), headers: [], timestampMs: 1 })))
  }
  appendRecords(...records: readonly OutgoingRecord[]): void {
    const bytes = encodeRecordBatch(records, { producerId: -1n, producerEpoch: -1 }, 0)
    bytes.writeBigInt64BE(this.end, 0)
    const base = this.end
    this.end += BigInt(records.length)
    this.batches.push({ base, next: this.end, bytes })
  }
  hole(offsets: bigint): void {
    this.end += offsets
  }
  truncate(end: bigint): void {
    this.batches = this.batches.filter(batch => batch.next <= end)
    this.end = end
  }
  deleteBefore(start: bigint): void {
    this.batches = this.batches.filter(batch => batch.next > start)
    this.start = start
  }

  /** One record batch as a Produce carries it; answers its base offset. */
  produce(batch: Buffer): bigint {
    const base = this.end
    const bytes = Buffer.from(batch)
    bytes.writeBigInt64BE(base, 0)
    const next = batchAt(bytes, 0, bytes.length)?.nextKafkaOffset ?? base
    this.batches.push({ base, next, bytes })
    this.end = next
    return base
  }

  answer(position: bigint): FetchAnswer {
    this.requests.push(position)
    if (this.isAway) return this.#part(KAFKA_ERROR.NOT_LEADER_OR_FOLLOWER, [])
    if (position < this.start || position > this.end) return this.#part(KAFKA_ERROR.OFFSET_OUT_OF_RANGE, [])
    return this.#part(
      0,
      this.batches.filter(batch => batch.next > position),
    )
  }
  #part(errorCode: number, batches: readonly Batch[]): FetchAnswer {
    const payload = Buffer.concat(batches.map(batch => batch.bytes))
    const [highWatermark, logStartOffset] = errorCode === 0 ? [this.end, this.start] : [-1n, -1n]
    const ends = { highWatermark, lastStableOffset: highWatermark, logStartOffset }
    const part = { ...TP, errorCode, ...ends, aborted: [], recordsStart: 0, recordsEnd: payload.length }
    return { payload, throttleMs: 0, errorCode: 0, partitions: [part] }
  }
}

/** @param log asked anew for each fetch: another leader may have another. */
export function clusterOf(log: LogInMemory | (() => LogInMemory)): Cluster {
  const partitions = [{ partition: 0, leader: 1, replicas: [], isr: [] }]
  const leader = typeof log === 'function' ? log : () => log
  return {
    deps: systemDeps(),
    isClosed: false,
    leader: async () => 1,
    knownLeader: () => 1,
    forgetLeader: () => undefined,
    backoffMs: () => 2,
    metadata: async () => new Map([['t', { topic: 't', isInternal: false, errorCode: 0, partitions }]]),
    retrying: async <T>(work: () => Promise<T>) => await work(),
    sendToAny: async () => ({ errorCode: 0, producerId: '1', producerEpoch: 0 }),
    send: async (_node: number, _lane: string, { request }: ProtocolRequest<FetchAnswer>) => {
      const { buffer } = (await request.encode()) as unknown as { readonly buffer: Buffer }
      await new Promise(resolve => setTimeout(resolve, 1))
      const one = (more: object): object => ({ partition: 0, errorCode: 0, ...more })
      switch (request.apiKey) {
        case API_KEY.fetch:
          return leader().answer(buffer.readBigInt64BE(FETCH_OFFSET_AT))
        case API_KEY.produce: {
          const baseOffset = String(leader().produce(buffer.subarray(PRODUCE_BATCH_AT)))
          return { topics: [{ topicName: 't', partitions: [one({ baseOffset })] }] }
        }
        case API_KEY.listOffsets:
          return { responses: [{ topic: 't', partitions: [one({ offset: String(leader().start) })] }] }
        default:
          throw new Error(`Nobody answers requests of kind ${request.apiKey}`)
      }
    },
  } as unknown as Cluster
}
