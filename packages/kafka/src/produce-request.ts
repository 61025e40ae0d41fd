// Produce (version 7) of one finished record batch to one partition, acknowledged by all in-sync replicas.
import type { TopicPartition } from '@millrace/core'
import { encoded, type ProtocolRequest, protocolRequest } from './kafkajs-internals.ts'

export type ProduceAnswer = {
  readonly topics: readonly {
    readonly topicName: string
    readonly partitions: readonly {
      readonly partition: number
      readonly errorCode: number
      readonly baseOffset: string
    }[]
  }[]
}

/** @param brokerTimeoutMs how long the broker waits for its replicas before it answers REQUEST_TIMED_OUT. */
export function produceRequest(
  tp: TopicPartition,
  batch: Buffer,
  brokerTimeoutMs: number,
): ProtocolRequest<ProduceAnswer> {
  const definition = protocolRequest<ProduceAnswer>('Produce', { acks: -1, timeout: brokerTimeoutMs, topicData: [] })
  const name = Buffer.from(tp.topic)
  const head = Buffer.alloc(2 + 2 + 4 + 4 + 2 + name.length + 4 + 4 + 4)
  let at = head.writeInt16BE(-1, 0) // no transactional id
  at = head.writeInt16BE(-1, at) // acks = all
  at = head.writeInt32BE(brokerTimeoutMs, at)
  at = head.writeInt32BE(1, at)
  at = head.writeInt16BE(name.length, at)
  at += name.copy(head, at)
  at = head.writeInt32BE(1, at)
  at = head.writeInt32BE(tp.partition, at)
  head.writeInt32BE(batch.length, at)
  const body = Buffer.concat([head, batch])
  return { ...definition, request: { ...definition.request, encode: async () => encoded(body) } }
}
