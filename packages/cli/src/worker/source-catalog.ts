// Which topic-partitions each connector has now: the config log joined with Kafka's metadata, looked at again every few seconds,
// so that new topics and partitions are found while running.
import { parseConnectorConfig, type TopicSelection, type WorkerConfig } from '@millrace/config'
import type { CatalogConnector, ConnectorCatalog } from '@millrace/coordinator'
import {
  type ConfigStore,
  type ConnectorEntry,
  type TopicCatalog,
  type TopicPartition,
  tasksMaxOf,
} from '@millrace/core'
import type { System } from './kafka-side.ts'

/** metadata.max.age of our own: how soon a new partition is worked on. */
const LOOK_EVERY_MS = 5_000
/** When connectors are created faster than topics are listed. */
const NUDGED_AGAIN_MS = 100

export class SourceCatalog implements ConnectorCatalog {
  readonly #configStore: ConfigStore
  readonly #topics: TopicCatalog
  readonly #config: WorkerConfig
  readonly #system: System
  /** Partition counts by topic as of the last look; null before the first. Bounded by the topics of the cluster. */
  #counts: ReadonlyMap<string, number> | null = null
  /** By incarnation and generation: which topics a config selects. */
  readonly #selections = new Map<string, TopicSelection | null>()
  #isNudged = false
  #wake: (() => void) | null = null

  constructor(
    deps: { readonly configStore: ConfigStore; readonly topics: TopicCatalog },
    config: WorkerConfig,
    system: System,
  ) {
    this.#configStore = deps.configStore
    this.#topics = deps.topics
    this.#config = config
    this.#system = system
  }

  /** Looks until aborted; `onChanged` is called when a connector's partitions may have changed. */
  async run(onChanged: () => void, { signal }: { signal: AbortSignal }): Promise<void> {
    for (;;) {
      this.#isNudged = false
      try {
        await this.look({ signal })
        onChanged()
      } catch (error) {
        signal.throwIfAborted()
        this.#system.logger.warn({ err: error }, 'Topics cannot be listed; the known ones stay.')
      }
      await this.#pause(signal)
    }
  }

  /** Looks again soon: a connector that was just created may read topics that were just created. */
  nudge(): void {
    this.#isNudged = true
    this.#wake?.()
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const nudged = new AbortController()
    this.#wake = () => nudged.abort()
    const ms = this.#isNudged ? NUDGED_AGAIN_MS : LOOK_EVERY_MS
    await this.#system.timers.sleep(ms, { signal: AbortSignal.any([signal, nudged.signal]) }).catch(() => {})
    this.#wake = null
    signal.throwIfAborted()
  }

  async look({ signal }: { signal: AbortSignal }): Promise<void> {
    const counts = await this.#topics.partitionCounts('all', { signal })
    // A topic that vanishes from one answer keeps its partitions: deleting topics is reported by the partitions themselves.
    this.#counts = new Map([...(this.#counts ?? []), ...counts])
  }

  connectors(): readonly CatalogConnector[] {
    return [...this.#configStore.read().connectors.values()].map(entry => ({
      name: entry.name,
      incarnation: entry.incarnation,
      targetState: entry.hasTasks ? entry.targetState : 'STOPPED',
      tasksMax: tasksMaxOf(entry),
      partitions: this.#partitionsOf(entry),
    }))
  }

  /** Partition counts of the topics this config selects, as of now: what a Genesis fixes. */
  async partitionsOf(
    entry: Pick<ConnectorEntry, 'config'>,
    { signal }: { signal: AbortSignal },
  ): Promise<Readonly<Record<string, number>>> {
    await this.look({ signal })
    const selection = this.#select(entry)
    return Object.fromEntries([...(this.#counts ?? [])].filter(([topic]) => selection?.matches(topic)))
  }

  /** As of the last look. */
  partitionsNow(entry: ConnectorEntry): readonly TopicPartition[] {
    return this.#partitionsOf(entry) ?? []
  }

  #partitionsOf(entry: ConnectorEntry): readonly TopicPartition[] | null {
    if (this.#counts === null) return null
    const selection = this.#selectionOf(entry)
    if (selection === null) return []
    return [...this.#counts].flatMap(([topic, count]) =>
      selection.matches(topic) ? Array.from({ length: count }, (_, partition) => ({ topic, partition })) : [],
    )
  }

  #selectionOf(entry: ConnectorEntry): TopicSelection | null {
    const key = `${entry.incarnation}.${entry.configGeneration}`
    const known = this.#selections.get(key)
    if (known !== undefined) return known
    for (const old of this.#selections.keys()) if (old.startsWith(`${entry.incarnation}.`)) this.#selections.delete(old)
    const selection = this.#select(entry)
    this.#selections.set(key, selection)
    return selection
  }

  #select(entry: Pick<ConnectorEntry, 'config'>): TopicSelection | null {
    const parse = parseConnectorConfig(entry.config, this.#config.connectorContext)
    return parse.ok ? parse.config.topics : null
  }
}
