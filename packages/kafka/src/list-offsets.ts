// First and last offsets of partitions, asked of their leaders.
import { formatTopicPartition, type KafkaOffset, kafkaOffset, MillraceError, type TopicPartition } from '@millrace/core'
import type { Cluster, NodeId } from './cluster.ts'
import type { Isolation } from './fetch-request.ts'
import { isRetriable, KAFKA_ERROR, kafkaError } from './kafka-errors.ts'
import { protocolRequest } from './kafkajs-internals.ts'

type ListOffsetsResponse = {
  readonly responses: readonly {
    readonly topic: string
    readonly partitions: readonly { readonly partition: number; readonly errorCode: number; readonly offset: string }[]
  }[]
}

const TIMESTAMP = { earliest: -2, latest: -1 } as const
const DEADLINE_MS = 30_000

/** `latest` under read_committed is the last stable offset. Moved leaders are asked again; a missing topic rejects KAFKA_TOPIC_MISSING. */
export async function listOffsets(
  cluster: Cluster,
  tps: readonly TopicPartition[],
  at: 'earliest' | 'latest',
  isolation: Isolation,
  options: { signal: AbortSignal },
): Promise<ReadonlyMap<string, KafkaOffset>> {
  const found = new Map<string, KafkaOffset>()
  await cluster.retrying(
    async () => {
      const missing = tps.filter(tp => !found.has(formatTopicPartition(tp)))
      await learnLeaders(cluster, missing, options)
      const byNode = new Map<NodeId, TopicPartition[]>()
      for (const tp of missing) {
        const leader = cluster.knownLeader(tp.topic, tp.partition)
        if (leader === null || leader === undefined)
          throw kafkaError(KAFKA_ERROR.LEADER_NOT_AVAILABLE, formatTopicPartition(tp))
        byNode.set(leader, [...(byNode.get(leader) ?? []), tp])
      }
      await Promise.all([...byNode].map(([node, some]) => askNode(cluster, node, some, at, isolation, found, options)))
    },
    { signal: options.signal, deadlineMs: DEADLINE_MS },
  )
  return found
}

/** Throws KAFKA_TOPIC_MISSING for a topic or partition the cluster does not have or show. */
async function learnLeaders(
  cluster: Cluster,
  tps: readonly TopicPartition[],
  options: { signal: AbortSignal },
): Promise<void> {
  const unknown = tps.filter(tp => (cluster.knownLeader(tp.topic, tp.partition) ?? null) === null)
  const topics = [...new Set(unknown.map(tp => tp.topic))]
  const metadata = await cluster.metadata(topics, options)
  for (const tp of unknown) {
    const topic = metadata.get(tp.topic)
    const code = topic?.errorCode ?? KAFKA_ERROR.UNKNOWN_TOPIC_OR_PARTITION
    if (
      code === KAFKA_ERROR.UNKNOWN_TOPIC_OR_PARTITION ||
      (code === 0 && !topic?.partitions.some(p => p.partition === tp.partition))
    )
      throw topicMissing(tp)
    if (code !== 0) throw kafkaError(code, `Topic ${tp.topic}`)
  }
}

async function askNode(
  cluster: Cluster,
  node: NodeId,
  tps: readonly TopicPartition[],
  at: 'earliest' | 'latest',
  isolation: Isolation,
  found: Map<string, KafkaOffset>,
  options: { signal: AbortSignal },
): Promise<void> {
  const topics = new Map<string, { partition: number; timestamp: number }[]>()
  for (const tp of tps)
    topics.set(tp.topic, [...(topics.get(tp.topic) ?? []), { partition: tp.partition, timestamp: TIMESTAMP[at] }])
  const request = protocolRequest<ListOffsetsResponse>('ListOffsets', {
    isolationLevel: isolation,
    topics: [...topics].map(([topic, partitions]) => ({ topic, partitions })),
  })
  const answer = await cluster.send(node, 'control', request, options).catch(error => {
    for (const topic of topics.keys()) cluster.forgetLeader(topic)
    throw error
  })
  let failed: MillraceError | null = null
  for (const { topic, partitions } of answer.responses)
    for (const { partition, errorCode, offset } of partitions) {
      if (errorCode === 0) found.set(formatTopicPartition({ topic, partition }), kafkaOffset(offset))
      else failed = kafkaError(errorCode, `Offsets of ${topic}-${partition}`)
      if (isRetriable(errorCode)) cluster.forgetLeader(topic)
    }
  if (failed) throw failed
}

/** The error of a topic or partition that does not exist or may not be described. */
export function topicMissing(tp: TopicPartition): MillraceError {
  const name = tp.partition < 0 ? tp.topic : formatTopicPartition(tp)
  return new MillraceError('KAFKA_TOPIC_MISSING', 'failPartition', `${name} does not exist or may not be described.`, {
    details: { topic: tp.topic },
  })
}
