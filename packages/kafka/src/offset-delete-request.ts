// OffsetDelete (version 0; KafkaJS has none): what forgets the committed offset of single partitions of a group.
// https://kafka.apache.org/protocol#The_Messages_OffsetDelete
import type { TopicPartition } from '@millrace/core'
import { encoded, type ProtocolRequest } from './kafkajs-internals.ts'

export type OffsetDeleteAnswer = {
  readonly errorCode: number
  readonly partitions: readonly (TopicPartition & { readonly errorCode: number })[]
}

export function offsetDeleteRequest(
  group: string,
  topics: readonly { readonly topic: string; readonly partitions: readonly { readonly partition: number }[] }[],
): ProtocolRequest<OffsetDeleteAnswer> {
  const body = Buffer.concat([
    text(group),
    int32(topics.length),
    ...topics.flatMap(({ topic, partitions }) => [
      text(topic),
      int32(partitions.length),
      ...partitions.map(({ partition }) => int32(partition)),
    ]),
  ])
  return {
    request: { apiKey: 47, apiVersion: 0, apiName: 'OffsetDelete', encode: async () => encoded(body) },
    response: {
      decode: async payload => ({ ...decodeAnswer(payload), clientSideThrottleTime: 0 }),
      parse: async decoded => decoded as OffsetDeleteAnswer,
    },
    logResponseError: false,
  }
}

function decodeAnswer(payload: Buffer): OffsetDeleteAnswer {
  const errorCode = payload.readInt16BE(0)
  let at = 2 + 4 // throttle_time_ms
  const next = (): number => {
    at += 4
    return payload.readInt32BE(at - 4)
  }
  const partitions: OffsetDeleteAnswer['partitions'][number][] = []
  for (let topics = next(); topics > 0; topics--) {
    const length = payload.readInt16BE(at)
    const topic = payload.toString('utf8', at + 2, at + 2 + length)
    at += 2 + length
    for (let count = next(); count > 0; count--) {
      const partition = next()
      partitions.push({ topic, partition, errorCode: payload.readInt16BE(at) })
      at += 2
    }
  }
  return { errorCode, partitions }
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(2)
  length.writeInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}
function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
