// The journal on a compacted Kafka topic: rules W (LogWriter) and R (LogFollower) under core's key spaces.
// Opened once per worker; follows the whole journal from then on, so that a takeover reads only the tail.
import {
  applyRecord,
  decodeGenesis,
  decodeKey,
  decodeRecord,
  EMPTY_KEY_SPACE,
  type EncodedRecord,
  encodeGenesis,
  encodeKey,
  encodeRecord,
  formatKeySpace,
  type Genesis,
  type GenesisLog,
  type Incarnation,
  JOURNAL_FORMAT_OLDEST,
  JOURNAL_FORMATS,
  type JournalFormat,
  type JournalLog,
  type JournalRecord,
  type KeySpace,
  type KeySpaceState,
  type RecordHeader,
  type TopicPartition,
} from '@millrace/core'
import type { Cluster } from './cluster.ts'
import { FORMAT_HEADER, LogFollower, type LogRecord, type LogTrouble, STALE_LEADER_MS } from './log-follower.ts'
import { type LogEntry, LogWriter, type LogWriterOptions } from './log-writer.ts'
import { partitionOfKey } from './murmur2.ts'

export type JournalLogOptions = {
  readonly topic: string
  /** `journal.storage.partitions`; must be what the topic has. */
  readonly partitions: number
  readonly followIntervalMs?: number
  readonly staleLeaderMs?: number
  readonly writer?: Partial<LogWriterOptions>
}

const FOLLOW_INTERVAL_MS = 1_000

const headersOf = (format: JournalFormat): readonly RecordHeader[] => [
  { key: FORMAT_HEADER, value: Buffer.from(format) },
]
const entryOf = ({ key, value, format }: EncodedRecord): LogEntry => ({ key, value, headers: headersOf(format) })

export class KafkaJournalLog implements JournalLog, GenesisLog {
  readonly #partitions: number
  readonly #writers: readonly LogWriter[]
  readonly #follower: LogFollower
  readonly #spaces = new Map<string, KeySpaceState>()
  /** By incarnation: the partitions of its key spaces. */
  readonly #spacesOf = new Map<Incarnation, TopicPartition[]>()
  readonly #genesis = new Map<Incarnation, Genesis>()

  private constructor(cluster: Cluster, options: JournalLogOptions) {
    const headers = headersOf(JOURNAL_FORMAT_OLDEST)
    this.#partitions = options.partitions
    this.#writers = Array.from(
      { length: options.partitions },
      (_, partition) => new LogWriter(cluster, { topic: options.topic, partition }, headers, options.writer),
    )
    this.#follower = new LogFollower(
      cluster,
      options.topic,
      options.partitions,
      record => this.#apply(record),
      partition => this.#writers[partition]!.acknowledgedOffset,
      {
        followIntervalMs: options.followIntervalMs ?? FOLLOW_INTERVAL_MS,
        staleLeaderMs: options.staleLeaderMs ?? STALE_LEADER_MS,
        formats: JOURNAL_FORMATS,
      },
    )
  }

  /** Reads the whole journal before it resolves. Rejects JOURNAL_TOPIC_UNSAFE when a record is not ours: nothing was written. */
  static async open(
    cluster: Cluster,
    options: JournalLogOptions,
    { signal }: { signal: AbortSignal },
  ): Promise<KafkaJournalLog> {
    const log = new KafkaJournalLog(cluster, options)
    await log.#follower.open({ signal })
    return log
  }

  async append(space: KeySpace, records: readonly JournalRecord[]): Promise<void> {
    await this.#write(
      space,
      records.map(record => entryOf(encodeRecord(space, record))),
    )
  }

  async readToEnd(space: KeySpace, options: { signal: AbortSignal }): Promise<KeySpaceState> {
    await this.#follower.readToEnd(this.#partitionOf(formatKeySpace(space)), options)
    return this.peek(space)
  }

  async delete(space: KeySpace, keys: readonly string[]): Promise<void> {
    await this.#write(
      space,
      keys.map(key => ({ key: encodeKey(space, key), value: null })),
    )
  }

  peek(space: KeySpace): KeySpaceState {
    return this.#spaces.get(formatKeySpace(space)) ?? EMPTY_KEY_SPACE
  }

  async writeGenesis(incarnation: Incarnation, genesis: Genesis): Promise<void> {
    await this.#writers[this.#partitionOf(incarnation)]!.append([entryOf(encodeGenesis(incarnation, genesis))])
  }

  async readGenesis(incarnation: Incarnation, options: { signal: AbortSignal }): Promise<Genesis | null> {
    await this.#follower.readToEnd(this.#partitionOf(incarnation), options)
    return this.#genesis.get(incarnation) ?? null
  }

  /** What keeps it from being followed right now. */
  get trouble(): LogTrouble | null {
    return this.#follower.trouble
  }

  /** Partitions that the incarnation ever claimed, as followed so far. */
  partitionsOf(incarnation: Incarnation): readonly TopicPartition[] {
    return this.#spacesOf.get(incarnation) ?? []
  }

  /** Key spaces known so far, for inspection and metrics. */
  get keySpaceCount(): number {
    return this.#spaces.size
  }

  /** Waits for produces in flight (until the signal), then stops. The cluster stays the caller's to close. */
  async close(options: { signal: AbortSignal }): Promise<void> {
    await Promise.all(this.#writers.map(writer => writer.close(options)))
    await this.#follower.close()
  }

  async #write(space: KeySpace, entries: readonly LogEntry[]): Promise<void> {
    await this.#writers[this.#partitionOf(formatKeySpace(space))]!.append(entries)
  }

  #partitionOf(name: string): number {
    return partitionOfKey(name, this.#partitions)
  }

  /** A throw here ends the partition: a record that cannot be understood must not be skipped. */
  #apply({ key, value, offset }: LogRecord): void {
    const decoded = decodeKey(key)
    if (decoded.kind === 'genesis') {
      if (value === null) this.#genesis.delete(decoded.incarnation)
      else this.#genesis.set(decoded.incarnation, decodeGenesis(value))
      return
    }
    const name = formatKeySpace(decoded.space)
    const record = value === null ? null : decodeRecord(value)
    if (!this.#spaces.has(name)) {
      const { incarnation, topic, partition } = decoded.space
      const known = this.#spacesOf.get(incarnation)
      if (known === undefined) this.#spacesOf.set(incarnation, [{ topic, partition }])
      else known.push({ topic, partition })
    }
    this.#spaces.set(name, applyRecord(this.#spaces.get(name) ?? EMPTY_KEY_SPACE, decoded.key, record, offset))
  }
}
