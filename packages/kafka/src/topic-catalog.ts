// Which topics exist and how many partitions they have.
import type { TopicCatalog } from '@millrace/core'
import type { Cluster } from './cluster.ts'
import { isRetriable, KAFKA_ERROR, kafkaError } from './kafka-errors.ts'

const DEADLINE_MS = 30_000

export class KafkaTopicCatalog implements TopicCatalog {
  readonly #cluster: Cluster

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** Topics that do not exist or may not be described are absent. Retries for 30 s, then rejects KAFKA_UNREACHABLE (retry). */
  async partitionCounts(
    topics: readonly string[] | 'all',
    options: { signal: AbortSignal },
  ): Promise<ReadonlyMap<string, number>> {
    return this.#cluster.retrying(
      async () => {
        const counts = new Map<string, number>()
        for (const [name, topic] of await this.#cluster.metadata(topics, options)) {
          if (topics === 'all' && topic.isInternal) continue
          if (topic.errorCode === 0) counts.set(name, topic.partitions.length)
          else if (topic.errorCode !== KAFKA_ERROR.UNKNOWN_TOPIC_OR_PARTITION && isRetriable(topic.errorCode))
            throw kafkaError(topic.errorCode, `Topic ${name}`)
        }
        return counts
      },
      { signal: options.signal, deadlineMs: DEADLINE_MS },
    )
  }
}
