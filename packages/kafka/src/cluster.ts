// A Kafka cluster as the adapters see it: who leads what, and requests to a node over a named lane (one connection each).
// A connection that fails is replaced at the next request; metadata errors of one topic never hide another topic.
import { isMillraceError, MillraceError } from '@millrace/core'
import { BrokerConnection } from './broker-connection.ts'
import type { BrokerAddress, ClientSettings, KafkaDeps } from './client-settings-type.ts'
import { isRetriable, KAFKA_ERROR, kafkaError } from './kafka-errors.ts'
import { type ProtocolRequest, protocolRequest } from './kafkajs-internals.ts'

export type NodeId = number
export type PartitionMetadata = {
  readonly partition: number
  /** null while the partition has no leader. */
  readonly leader: NodeId | null
  readonly replicas: readonly NodeId[]
  readonly isr: readonly NodeId[]
}
export type TopicMetadata = {
  readonly topic: string
  readonly isInternal: boolean
  /** Kafka error code of the topic; 0 = none. */
  readonly errorCode: number
  readonly partitions: readonly PartitionMetadata[]
}

type MetadataResponse = {
  readonly clusterId: string | null
  readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[]
  readonly controllerId: number
  readonly topicMetadata: readonly {
    readonly topicErrorCode: number
    readonly topic: string
    readonly isInternal: boolean
    readonly partitionMetadata: readonly {
      readonly partitionErrorCode: number
      readonly partitionId: number
      readonly leader: number
      readonly replicas: readonly number[]
      readonly isr: readonly number[]
    }[]
  }[]
}
type CoordinatorResponse = {
  readonly errorCode: number
  readonly coordinator: { readonly nodeId: number; readonly host: string; readonly port: number }
}

/** Connections live by node and lane; requests on one lane are answered in order by the broker. */
export type Lane = 'control' | 'fetch' | 'fetch2' | 'tail' | `produce${number}`

const CONTROL: Lane = 'control'
/** Topics whose leaders are remembered; the oldest is forgotten first (a name and a few numbers each). */
const LEADER_CACHE_TOPICS_MAX = 10_000

export class Cluster {
  readonly settings: ClientSettings
  readonly deps: KafkaDeps
  readonly #connections = new Map<string, Promise<BrokerConnection>>()
  #nodes = new Map<NodeId, BrokerAddress>()
  #controller: NodeId | null = null
  #clusterId: string | null = null
  readonly #leaders = new Map<string, ReadonlyMap<number, NodeId | null>>()
  /** Questions for a topic's leaders under way, shared by all who want to know. */
  readonly #asking = new Map<string, Promise<ReadonlyMap<string, TopicMetadata>>>()
  readonly #closed = new AbortController()

  /** Opens no network by itself. */
  constructor(settings: ClientSettings, deps: KafkaDeps) {
    this.settings = settings
    this.deps = deps
  }

  /** Fresh metadata of the named topics, or of all. Also refreshes who leads them. Rejects KAFKA_UNREACHABLE, KAFKA_AUTH_FAILED. */
  async metadata(
    topics: readonly string[] | 'all',
    options: { signal: AbortSignal },
  ): Promise<ReadonlyMap<string, TopicMetadata>> {
    if (topics !== 'all' && topics.length === 0) return new Map()
    const request = protocolRequest<MetadataResponse>('Metadata', {
      topics: topics === 'all' ? [] : topics,
      allowAutoTopicCreation: false,
    })
    const answer = await this.sendToAny(request, options)
    this.#nodes = new Map(answer.brokers.map(b => [b.nodeId, { host: b.host, port: b.port }]))
    this.#controller = answer.controllerId >= 0 ? answer.controllerId : null
    this.#clusterId = answer.clusterId ?? null
    const found = new Map<string, TopicMetadata>()
    for (const topic of answer.topicMetadata) {
      const metadata: TopicMetadata = {
        topic: topic.topic,
        isInternal: topic.isInternal,
        errorCode: topic.topicErrorCode,
        partitions: topic.partitionMetadata
          .map(p => ({
            partition: p.partitionId,
            leader: p.leader >= 0 ? p.leader : null,
            replicas: p.replicas,
            isr: p.isr,
          }))
          .sort((a, b) => a.partition - b.partition),
      }
      found.set(topic.topic, metadata)
      if (topics !== 'all') this.#rememberLeaders(metadata)
    }
    return found
  }

  /** Leader as last heard of; null when there is none, undefined when nothing is known (ask `metadata`). */
  knownLeader(topic: string, partition: number): NodeId | null | undefined {
    return this.#leaders.get(topic)?.get(partition)
  }

  /** The leader, asking the cluster unless it is known. Rejects retry while there is none, KAFKA_TOPIC_MISSING when refused. */
  async leader(topic: string, partition: number, options: { signal: AbortSignal }): Promise<NodeId> {
    const known = this.knownLeader(topic, partition)
    if (known !== undefined && known !== null) return known
    let asking = this.#asking.get(topic)
    if (!asking) {
      asking = this.metadata([topic], { signal: this.#closed.signal }).finally(() => this.#asking.delete(topic))
      this.#asking.set(topic, asking)
    }
    const metadata = (await asking).get(topic)
    options.signal.throwIfAborted()
    if (metadata && metadata.errorCode !== 0) throw kafkaError(metadata.errorCode, `Topic ${topic}`)
    const leader = this.knownLeader(topic, partition)
    if (leader === undefined || leader === null)
      throw kafkaError(KAFKA_ERROR.LEADER_NOT_AVAILABLE, `${topic}-${partition}`)
    return leader
  }

  /** Makes the next `leader` ask the cluster: the node answered that it does not lead. */
  forgetLeader(topic: string): void {
    this.#leaders.delete(topic)
  }

  /** One request to one node. The outcome is unknown when it rejects (unless it says why). */
  async send<T>(
    node: NodeId,
    lane: Lane,
    request: ProtocolRequest<T>,
    options: { signal: AbortSignal; timeoutMs?: number },
  ): Promise<T> {
    const address = this.#nodes.get(node)
    if (!address)
      throw new MillraceError('KAFKA_UNREACHABLE', 'retry', `Broker ${node} is not in the cluster's metadata.`)
    const connection = await this.#connection(`${node}/${lane}`, address, options)
    return connection.send(request, this.#timed(options))
  }

  /** To any broker that answers: known ones first, then bootstrap.servers. */
  async sendToAny<T>(request: ProtocolRequest<T>, options: { signal: AbortSignal }): Promise<T> {
    const candidates: (readonly [string, BrokerAddress])[] = [
      ...this.#shuffled([...this.#nodes].map(([node, address]) => [`${node}/${CONTROL}`, address] as const)),
      ...this.#shuffled(this.settings.bootstrap.map(a => [`${a.host}:${a.port}`, a] as const)),
    ]
    candidates.sort((a, b) => Number(this.#connections.has(b[0])) - Number(this.#connections.has(a[0])))
    let last: unknown = null
    for (const [key, address] of candidates) {
      try {
        const connection = await this.#connection(key, address, options)
        return await connection.send(request, this.#timed(options))
      } catch (error) {
        options.signal.throwIfAborted()
        if (isMillraceError(error) && error.disposition !== 'retry') throw error
        last = error
      }
    }
    throw new MillraceError(
      'KAFKA_UNREACHABLE',
      'retry',
      `No broker of bootstrap.servers (${this.settings.bootstrap.map(a => `${a.host}:${a.port}`).join(', ')}) answers: ${last instanceof Error ? last.message : String(last)}`,
      { cause: last },
    )
  }

  async sendToController<T>(request: ProtocolRequest<T>, options: { signal: AbortSignal }): Promise<T> {
    if (this.#controller === null || !this.#nodes.has(this.#controller)) await this.metadata('all', options)
    if (this.#controller === null) throw kafkaError(KAFKA_ERROR.NOT_CONTROLLER, 'Controller')
    return this.send(this.#controller, CONTROL, request, options)
  }

  /** The group's coordinator. Rejects retry while it is loading or moving. */
  async coordinator(group: string, options: { signal: AbortSignal }): Promise<NodeId> {
    const request = protocolRequest<CoordinatorResponse>('GroupCoordinator', { groupId: group, coordinatorType: 0 })
    const answer = await this.sendToAny(request, options)
    if (answer.errorCode !== 0) throw kafkaError(answer.errorCode, `Coordinator of group ${group}`)
    const { nodeId, host, port } = answer.coordinator
    this.#nodes.set(nodeId, { host, port })
    return nodeId
  }

  /** Runs `attempt` again after a backoff while it rejects with disposition retry, until the deadline. */
  async retrying<T>(
    attempt: () => Promise<T>,
    options: { signal: AbortSignal; deadlineMs: number; onRetry?: (error: MillraceError) => void },
  ): Promise<T> {
    const until = this.deps.clock.monotonicMs() + options.deadlineMs
    for (let tries = 0; ; tries++) {
      try {
        return await attempt()
      } catch (error) {
        options.signal.throwIfAborted()
        if (!isMillraceError(error) || error.disposition !== 'retry') throw error
        const delayMs = this.backoffMs(tries)
        if (this.deps.clock.monotonicMs() + delayMs >= until) throw error
        options.onRetry?.(error)
        await this.deps.timers.sleep(delayMs, { signal: options.signal })
      }
    }
  }

  /** 50 ms doubling to 2 s, with jitter over the upper half. */
  backoffMs(tries: number): number {
    const ceiling = Math.min(2_000, 50 * 2 ** Math.min(tries, 6))
    return ceiling / 2 + (this.deps.random.nextUint32() / 2 ** 32) * (ceiling / 2)
  }

  /** Cuts the connection of a lane; whatever waits on it rejects. The next request opens a new one. */
  cut(node: NodeId, lane: Lane, reason: MillraceError): void {
    const key = `${node}/${lane}`
    const connection = this.#connections.get(key)
    this.#connections.delete(key)
    connection?.then(c => c.destroy(reason)).catch(() => undefined)
  }

  /** The id of the cluster, which never changes; asked once. */
  async clusterId(options: { signal: AbortSignal }): Promise<string> {
    if (this.#clusterId === null) await this.metadata('all', options)
    return this.#clusterId ?? ''
  }

  /** Closes every connection; nothing is answered after. Idempotent. */
  async close(): Promise<void> {
    this.#closed.abort(new MillraceError('KAFKA_UNREACHABLE', 'failPartition', 'The Kafka client is closed.'))
    const open = [...this.#connections.values()]
    this.#connections.clear()
    for (const connection of await Promise.allSettled(open))
      if (connection.status === 'fulfilled') connection.value.destroy()
  }

  get isClosed(): boolean {
    return this.#closed.signal.aborted
  }

  async #connection(key: string, address: BrokerAddress, options: { signal: AbortSignal }): Promise<BrokerConnection> {
    options.signal.throwIfAborted()
    this.#closed.signal.throwIfAborted()
    const present = this.#connections.get(key)
    if (present) {
      const connection = await present
      if (connection.isAlive) return connection
      connection.retire()
      if (this.#connections.get(key) === present) this.#connections.delete(key)
      else return this.#connection(key, address, options)
    }
    // Shared by everybody who wants this lane, so it is bound to the cluster's life and not to the first caller's signal.
    const reached = this.settings.reachedAt?.(address) ?? address
    const opening = BrokerConnection.open(reached, this.settings, this.deps, { signal: this.#closed.signal })
    this.#connections.set(key, opening)
    opening.catch(() => {
      if (this.#connections.get(key) === opening) this.#connections.delete(key)
    })
    const connection = await opening
    options.signal.throwIfAborted()
    return connection
  }

  #timed(options: { signal: AbortSignal; timeoutMs?: number }): { signal: AbortSignal; timeoutMs: number } {
    return { signal: options.signal, timeoutMs: options.timeoutMs ?? this.settings.requestTimeoutMs }
  }

  #rememberLeaders(metadata: TopicMetadata): void {
    this.#leaders.delete(metadata.topic)
    if (metadata.errorCode !== 0 && !isRetriable(metadata.errorCode)) return
    this.#leaders.set(metadata.topic, new Map(metadata.partitions.map(p => [p.partition, p.leader])))
    if (this.#leaders.size > LEADER_CACHE_TOPICS_MAX) this.#leaders.delete(this.#leaders.keys().next().value!)
  }

  #shuffled<T>(items: readonly T[]): T[] {
    const out = [...items]
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.deps.random.nextUint32() % (i + 1)
      const swap = out[i]!
      out[i] = out[j]!
      out[j] = swap
    }
    return out
  }
}
