// Which topic-partitions each connector has now: the config log joined with Kafka's metadata, looked at again every few seconds,
// so that new topics and partitions are found while running.
import { selectTopics, type TopicSelection, type WorkerConfig } from '@millrace/config'
import type { CatalogConnector, ConnectorCatalog } from '@millrace/coordinator'
import {
  type ConfigStore,
  type ConnectorEntry,
  type Incarnation,
  type TopicCatalog,
  type TopicPartition,
  tasksMaxOf,
} from '@millrace/core'
import type { System } from './kafka-side.ts'

/** metadata.max.age of our own: how soon a new partition is worked on. */
const LOOK_EVERY_MS = 5_000
/** When connectors are created faster than topics are listed. */
const NUDGED_AGAIN_MS = 100
/** Deleted connectors remembered before they are looked for: 100 × a few hundred bytes. */
const KNOWN_SPARE = 100

export class SourceCatalog implements ConnectorCatalog {
  readonly #configStore: ConfigStore
  readonly #topics: TopicCatalog
  readonly #config: Pick<WorkerConfig, 'connectorContext'>
  readonly #system: System
  /** Partition counts by topic as of the last look; null before the first. Bounded by the topics of the cluster. */
  #counts: ReadonlyMap<string, number> | null = null
  /** By incarnation; the coordinator asks for all connectors at every turn. At most KNOWN_SPARE more than there are connectors. */
  readonly #known = new Map<Incarnation, Known>()
  #isNudged = false
  #wake: (() => void) | null = null

  constructor(
    deps: { readonly configStore: ConfigStore; readonly topics: TopicCatalog },
    config: Pick<WorkerConfig, 'connectorContext'>,
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
    const isNews = this.#counts === null || [...counts].some(([topic, count]) => this.#counts?.get(topic) !== count)
    if (isNews) this.#counts = new Map([...(this.#counts ?? []), ...counts])
  }

  connectors(): readonly CatalogConnector[] {
    const { connectors } = this.#configStore.read()
    if (this.#known.size > connectors.size + KNOWN_SPARE) this.#forgetDeleted(connectors)
    return [...connectors.values()].map(entry => ({
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
    const counts = this.#counts
    if (counts === null) return null
    const known = this.#known.get(entry.incarnation)
    const isSameConfig = known?.configGeneration === entry.configGeneration
    if (isSameConfig && known.counts === counts) return known.partitions
    const selection = isSameConfig ? known.selection : this.#select(entry)
    const partitions = selection === null ? [] : partitionsSelected(selection, counts)
    this.#known.set(entry.incarnation, { configGeneration: entry.configGeneration, selection, counts, partitions })
    return partitions
  }

  #forgetDeleted(connectors: ReadonlyMap<string, ConnectorEntry>): void {
    const living = new Set([...connectors.values()].map(entry => entry.incarnation))
    for (const incarnation of this.#known.keys()) if (!living.has(incarnation)) this.#known.delete(incarnation)
  }

  #select(entry: Pick<ConnectorEntry, 'config'>): TopicSelection | null {
    return selectTopics(entry.config, this.#config.connectorContext)
  }
}

/** What a config selected of the topics of a look. */
type Known = {
  readonly configGeneration: number
  readonly selection: TopicSelection | null
  readonly counts: ReadonlyMap<string, number>
  readonly partitions: readonly TopicPartition[]
}

const partitionsSelected = (
  selection: TopicSelection,
  counts: ReadonlyMap<string, number>,
): readonly TopicPartition[] =>
  [...counts].flatMap(([topic, count]) =>
    selection.matches(topic) ? Array.from({ length: count }, (_, partition) => ({ topic, partition })) : [],
  )
