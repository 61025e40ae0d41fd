// Creating topics and judging whether a compacted topic can keep the journal's promise.
import { MillraceError } from '@millrace/core'
import type { Cluster, TopicMetadata } from './cluster.ts'
import { KAFKA_ERROR, kafkaError } from './kafka-errors.ts'
import { protocolRequest } from './kafkajs-internals.ts'

export type TopicSpec = {
  readonly partitions: number
  readonly replicationFactor: number
  /** Topic configs by Kafka's names. */
  readonly configs: Readonly<Record<string, string>>
}

type CreateTopicsResponse = {
  readonly topicErrors: readonly {
    readonly topic: string
    readonly errorCode: number
    readonly errorMessage: string | null
  }[]
}
type DescribeConfigsResponse = {
  readonly resources: readonly {
    readonly errorCode: number
    readonly configEntries: readonly { readonly configName: string; readonly configValue: string | null }[]
  }[]
}

const RESOURCE_TOPIC = 2
const CREATE_TIMEOUT_MS = 15_000
const DEADLINE_MS = 60_000
/** From this replication factor on, losing one broker must neither stop writes nor lose them. */
const SAFE_REPLICATION_FACTOR = 3

/** What journal.md asks of the journal topic. */
export const JOURNAL_TOPIC_CONFIGS: Readonly<Record<string, string>> = {
  'segment.bytes': String(64 * 1024 * 1024),
  'min.cleanable.dirty.ratio': '0.1',
  'max.compaction.lag.ms': '600000',
}

export class TopicAdmin {
  readonly #cluster: Cluster

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** Creates the topic unless it exists; true when it was made by this call. */
  async createTopic(topic: string, spec: TopicSpec, options: { signal: AbortSignal }): Promise<boolean> {
    const request = protocolRequest<CreateTopicsResponse>('CreateTopics', {
      topics: [
        {
          topic,
          numPartitions: spec.partitions,
          replicationFactor: spec.replicationFactor,
          configEntries: Object.entries(spec.configs).map(([name, value]) => ({ name, value })),
        },
      ],
      timeout: CREATE_TIMEOUT_MS,
      validateOnly: false,
    })
    return this.#cluster.retrying(
      async () => {
        const answer = await this.#cluster.sendToController(request, options)
        const result = answer.topicErrors[0]
        const code = result?.errorCode ?? KAFKA_ERROR.NETWORK_EXCEPTION
        if (code === 0) return true
        if (code === KAFKA_ERROR.TOPIC_ALREADY_EXISTS) return false
        const error = kafkaError(
          code,
          `Creating topic ${topic}${result?.errorMessage ? ` (${result.errorMessage})` : ''}`,
        )
        if (code === KAFKA_ERROR.NOT_CONTROLLER) await this.#cluster.metadata('all', options)
        throw error
      },
      { signal: options.signal, deadlineMs: DEADLINE_MS },
    )
  }

  /** Metadata of an existing topic, or null. Partitions without a leader are waited for. */
  async describe(topic: string, options: { signal: AbortSignal }): Promise<TopicMetadata | null> {
    return this.#cluster.retrying(
      async () => {
        const found = (await this.#cluster.metadata([topic], options)).get(topic)
        const code = found?.errorCode ?? KAFKA_ERROR.UNKNOWN_TOPIC_OR_PARTITION
        if (code === KAFKA_ERROR.UNKNOWN_TOPIC_OR_PARTITION) return null
        if (code !== 0) throw kafkaError(code, `Topic ${topic}`)
        if (found!.partitions.some(p => p.leader === null))
          throw kafkaError(KAFKA_ERROR.LEADER_NOT_AVAILABLE, `Topic ${topic}`)
        return found!
      },
      { signal: options.signal, deadlineMs: DEADLINE_MS },
    )
  }

  /** The topic's effective configs. */
  async configs(topic: string, options: { signal: AbortSignal }): Promise<ReadonlyMap<string, string>> {
    const request = protocolRequest<DescribeConfigsResponse>('DescribeConfigs', {
      resources: [{ type: RESOURCE_TOPIC, name: topic, configNames: [] }],
      includeSynonyms: false,
    })
    return this.#cluster.retrying(
      async () => {
        const answer = await this.#cluster.sendToAny(request, options)
        const resource = answer.resources[0]
        if (resource?.errorCode !== 0)
          throw kafkaError(resource?.errorCode ?? KAFKA_ERROR.NETWORK_EXCEPTION, `Configs of topic ${topic}`)
        return new Map(resource.configEntries.map(e => [e.configName, e.configValue ?? '']))
      },
      { signal: options.signal, deadlineMs: DEADLINE_MS },
    )
  }

  /**
   * Creates the compacted topic when it is missing, and refuses one that cannot keep the promise: JOURNAL_TOPIC_UNSAFE
   * names the setting. Foreign records are found by whoever reads it first (LogFollower.open), before anything is written.
   */
  async ensureCompactedTopic(topic: string, spec: TopicSpec, options: { signal: AbortSignal }): Promise<void> {
    const isReplicated = spec.replicationFactor >= SAFE_REPLICATION_FACTOR
    const safety = isReplicated ? { 'min.insync.replicas': '2', 'unclean.leader.election.enable': 'false' } : {}
    let metadata = await this.describe(topic, options)
    if (metadata === null) {
      const configs = { ...spec.configs, ...safety, 'cleanup.policy': 'compact' }
      await this.createTopic(topic, { ...spec, configs }, options)
      metadata = await this.#awaitCreated(topic, options)
    }
    const unsafe = unsafeSetting(metadata, await this.configs(topic, options), spec)
    if (unsafe !== null)
      throw new MillraceError('JOURNAL_TOPIC_UNSAFE', 'failPartition', `Topic ${topic} ${unsafe}.`, {
        details: { topic },
      })
    if (!isReplicated)
      this.#cluster.deps.log.warn(
        { topic, replicationFactor: spec.replicationFactor },
        'The topic is configured with fewer than 3 replicas: losing a disk can lose what exactly-once rests on.',
      )
  }

  async #awaitCreated(topic: string, options: { signal: AbortSignal }): Promise<TopicMetadata> {
    return this.#cluster.retrying(
      async () => {
        const found = await this.describe(topic, options)
        if (found === null) throw kafkaError(KAFKA_ERROR.UNKNOWN_TOPIC_OR_PARTITION, `Topic ${topic}`)
        return found
      },
      { signal: options.signal, deadlineMs: DEADLINE_MS },
    )
  }
}

/** What is wrong with a topic's settings as the end of a sentence, or null. */
export function unsafeSetting(
  metadata: TopicMetadata,
  configs: ReadonlyMap<string, string>,
  spec: TopicSpec,
): string | null {
  if (metadata.partitions.length !== spec.partitions)
    return `has ${metadata.partitions.length} partitions, configured are ${spec.partitions}`
  const policy = configs.get('cleanup.policy') ?? 'delete'
  if (policy !== 'compact') return `has cleanup.policy=${policy}, which must be compact`
  const factor = Math.min(...metadata.partitions.map(p => p.replicas.length))
  if (factor < spec.replicationFactor)
    return `has replication factor ${factor}, configured is ${spec.replicationFactor}`
  if (spec.replicationFactor < SAFE_REPLICATION_FACTOR) return null
  const minIsr = Number(configs.get('min.insync.replicas') ?? '1')
  if (minIsr < 2) return `has min.insync.replicas=${minIsr}, which must be at least 2`
  if (configs.get('unclean.leader.election.enable') === 'true')
    return 'has unclean.leader.election.enable=true, which must be false'
  return null
}
