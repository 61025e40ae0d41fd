// One Fetch request without a fetch session: every request names its partitions and positions, so nothing can go stale.
import { decodeFetchAnswer, type FetchAnswer } from './fetch-response.ts'
import { type ProtocolRequest, protocolRequest, withDecoder } from './kafkajs-internals.ts'

export const ISOLATION = { READ_UNCOMMITTED: 0, READ_COMMITTED: 1 } as const
export type Isolation = (typeof ISOLATION)[keyof typeof ISOLATION]

export type FetchSpec = {
  readonly maxWaitMs: number
  readonly maxBytes: number
  readonly isolation: Isolation
  readonly partitions: readonly {
    readonly topic: string
    readonly partition: number
    readonly position: bigint
    readonly maxBytes: number
  }[]
}

/** Partitions are asked for in the given order: the broker fills the answer from the front. */
export function fetchRequest(spec: FetchSpec): ProtocolRequest<FetchAnswer> {
  type Wanted = { partition: number; fetchOffset: string; maxBytes: number }
  const topics: { topic: string; partitions: Wanted[] }[] = []
  for (const { topic, partition, position, maxBytes } of spec.partitions) {
    const wanted = { partition, fetchOffset: position.toString(), maxBytes }
    const last = topics.at(-1)
    if (last?.topic === topic) last.partitions.push(wanted)
    else topics.push({ topic, partitions: [wanted] })
  }
  const definition = protocolRequest<unknown>('Fetch', {
    isolationLevel: spec.isolation,
    maxWaitTime: spec.maxWaitMs,
    minBytes: 1,
    maxBytes: spec.maxBytes,
    topics,
    rackId: '',
  })
  return withDecoder(definition, decodeFetchAnswer)
}
