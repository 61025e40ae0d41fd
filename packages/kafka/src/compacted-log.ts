// A single-partition compacted topic as an append-only log of text keys and values: what the config topic is folded from.
// Same rules W and R as the journal; `readToEnd` also covers what others had acknowledged.
import { assert, type CompactedLog, type CompactedRecord } from '@millrace/core'
import type { Cluster } from './cluster.ts'
import { ISOLATION } from './fetch-request.ts'
import { listOffsets } from './list-offsets.ts'
import { FORMAT_HEADER, LogFollower, type LogTrouble, STALE_LEADER_MS } from './log-follower.ts'
import { LogWriter, type LogWriterOptions } from './log-writer.ts'
import { Wake } from './wake.ts'
import { withSignal } from './with-signal.ts'

export type CompactedLogOptions = {
  readonly topic: string
  readonly followIntervalMs?: number
  readonly staleLeaderMs?: number
  readonly writer?: Partial<LogWriterOptions>
}

/** How soon `waitForMore` learns of another's record. */
const FOLLOW_INTERVAL_MS = 250
const FORMAT = '1'

export class KafkaCompactedLog implements CompactedLog {
  readonly #cluster: Cluster
  readonly #topic: string
  readonly #writer: LogWriter
  readonly #follower: LogFollower
  readonly #wake = new Wake()
  /** Followed but not yet answered by `readToEnd`: at most what the topic holds, as its owner reads on every change. */
  #unread: CompactedRecord[] = []
  #isReading = false

  private constructor(cluster: Cluster, options: CompactedLogOptions) {
    const headers = [{ key: FORMAT_HEADER, value: Buffer.from(FORMAT) }]
    this.#cluster = cluster
    this.#topic = options.topic
    this.#writer = new LogWriter(cluster, { topic: options.topic, partition: 0 }, headers, options.writer)
    this.#follower = new LogFollower(
      cluster,
      options.topic,
      1,
      ({ offset, key, value }) => {
        this.#unread.push({ offset, key, value })
        this.#wake.notify()
      },
      () => this.#writer.acknowledgedOffset,
      {
        followIntervalMs: options.followIntervalMs ?? FOLLOW_INTERVAL_MS,
        staleLeaderMs: options.staleLeaderMs ?? STALE_LEADER_MS,
        formats: [FORMAT],
      },
    )
  }

  /** Reads the whole log before it resolves. Rejects JOURNAL_TOPIC_UNSAFE when a record is not ours: nothing was written. */
  static async open(
    cluster: Cluster,
    options: CompactedLogOptions,
    { signal }: { signal: AbortSignal },
  ): Promise<KafkaCompactedLog> {
    const log = new KafkaCompactedLog(cluster, options)
    await log.#follower.open({ signal })
    return log
  }

  /** What keeps it from being followed right now. */
  get trouble(): LogTrouble | null {
    return this.#follower.trouble
  }

  append(key: string, value: string | null, options: { signal: AbortSignal }): Promise<bigint> {
    if (options.signal.aborted) return Promise.reject(options.signal.reason)
    return withSignal(this.#writer.append([{ key, value }]), options.signal)
  }

  async readToEnd(options: { signal: AbortSignal }): Promise<readonly CompactedRecord[]> {
    assert(!this.#isReading, `${this.#topic} is read by two callers at once`)
    this.#isReading = true
    try {
      // A leader that was just elected refuses this until its high watermark covers all that was acknowledged (KIP-207).
      const tp = { topic: this.#topic, partition: 0 }
      const ends = await listOffsets(this.#cluster, [tp], 'latest', ISOLATION.READ_UNCOMMITTED, options)
      const end = ends.get(`${this.#topic}-0`)!
      do await this.#follower.readToEnd(0, options)
      while (this.#follower.position(0) < end)
      const records = this.#unread
      this.#unread = []
      return records
    } finally {
      this.#isReading = false
    }
  }

  async waitForMore(options: { signal: AbortSignal }): Promise<void> {
    for (;;) {
      const ticket = this.#wake.ticket
      if (this.#unread.length > 0) return
      await this.#wake.wait(ticket, options.signal)
    }
  }

  /** Waits for the produce in flight (until the signal), then stops. The cluster stays the caller's to close. */
  async close(options: { signal: AbortSignal }): Promise<void> {
    await this.#writer.close(options)
    await this.#follower.close()
  }
}
