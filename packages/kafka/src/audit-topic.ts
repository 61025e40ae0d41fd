// The audit topic: one partition, in order, made when the first record comes. What it cannot take, its caller is told.
import type { Cluster } from './cluster.ts'
import { LogWriter } from './log-writer.ts'
import { TopicAdmin } from './topic-admin.ts'
import { withSignal } from './with-signal.ts'

/** A year; audits ask for more only of what they copied elsewhere. */
const RETENTION_MS = 365 * 86_400_000
const PRODUCE_DEADLINE_MS = 30_000

export class KafkaAuditTopic {
  readonly #admin: Cluster
  readonly #topic: string
  readonly #replicationFactor: number
  readonly #writer: LogWriter
  #made: Promise<void> | null = null

  /** Opens no network by itself. */
  constructor(
    producer: Cluster,
    admin: Cluster,
    options: { readonly topic: string; readonly replicationFactor: number },
  ) {
    this.#admin = admin
    this.#topic = options.topic
    this.#replicationFactor = options.replicationFactor
    const tp = { topic: options.topic, partition: 0 }
    this.#writer = new LogWriter(producer, tp, [], { produceDeadlineMs: PRODUCE_DEADLINE_MS })
  }

  /** Resolves when all in-sync replicas have it. A rejection leaves open whether it is there. */
  async append(key: string, value: string, options: { signal: AbortSignal }): Promise<void> {
    this.#made ??= this.#make(options)
    try {
      await this.#made
    } catch (error) {
      this.#made = null
      throw error
    }
    await withSignal(this.#writer.append([{ key, value }]), options.signal)
  }

  async #make(options: { signal: AbortSignal }): Promise<void> {
    const topics = new TopicAdmin(this.#admin)
    if ((await topics.describe(this.#topic, options)) !== null) return
    const configs = { 'cleanup.policy': 'delete', 'retention.ms': String(RETENTION_MS) }
    await topics.createTopic(
      this.#topic,
      { partitions: 1, replicationFactor: this.#replicationFactor, configs },
      options,
    )
  }

  async close(options: { signal: AbortSignal }): Promise<void> {
    await this.#writer.close(options)
  }
}
