// Reading source topics: one reader per partition, positions owned by the caller, records as views on one buffer.
import type { MillraceError } from '../errors/error.ts'
import type { KafkaOffset, TopicPartition } from '../ids.ts'

/**
 * The data records of one Kafka record batch, as views: record i has its key in `bytes[keyStart[i], keyEnd[i])`
 * and so on; a start of -1 means null. Aborted and control records are left out but covered by `nextKafkaOffset`.
 * The buffer is never written again after it was handed out.
 */
export type RecordSlice = {
  readonly bytes: Buffer
  readonly count: number
  /** Where this slice begins: equal to the `nextKafkaOffset` of the one before (gaps in the log are inside the slice). */
  readonly startKafkaOffset: KafkaOffset
  /** Position after this slice; > the last record's offset; the log holds nothing else for us below it. */
  readonly nextKafkaOffset: KafkaOffset
  /** Offset of record i = startKafkaOffset + offsetDelta[i]. Strictly rising. */
  readonly offsetDelta: Float64Array
  readonly timestampMs: Float64Array
  readonly keyStart: Int32Array
  readonly keyEnd: Int32Array
  readonly valueStart: Int32Array
  readonly valueEnd: Int32Array
  /** Raw headers section of the record (Kafka record format v2: varint count, then key and value pairs). */
  readonly headersStart: Int32Array
  readonly headersEnd: Int32Array
}

export type FetchTrouble = { readonly error: MillraceError; readonly sinceMs: number }

export interface PartitionReader {
  /**
   * The next slices in order, at least one; waits until there are some. Rejects with SOURCE_OFFSET_LOST (never resets by
   * itself), SOURCE_CORRUPT, BATCH_TOO_LARGE, KAFKA_TOPIC_MISSING; other trouble is retried inside, with backoff.
   */
  read(options: { signal: AbortSignal }): Promise<readonly RecordSlice[]>
  /** Position of the next `read`. */
  readonly nextKafkaOffset: KafkaOffset
  /**
   * Last stable offset as of the latest fetch (exclusive end for read_committed); null before the first answer. Never beyond
   * what there is to read: compaction may leave offsets at the end of a log without any batch, which no read can pass.
   */
  readonly endKafkaOffset: KafkaOffset | null
  /**
   * What keeps it from being fetched right now, and since when (by the wall clock); null while nothing does. At the end:
   * SOURCE_TRANSACTION_OPEN while records follow that are not stable, since the end last moved.
   */
  readonly trouble: FetchTrouble | null
  /** Stops fetching this partition and drops what is buffered. Idempotent. */
  close(): void
}

export interface RecordSource {
  /** Registers a reader at exactly `position`. Nothing is fetched for it while its buffered bytes exceed the budget. */
  open(tp: TopicPartition, position: KafkaOffset): PartitionReader
  /** First (`earliest`) or last stable (`latest`) offset of each partition. */
  offsets(
    tps: readonly TopicPartition[],
    at: 'earliest' | 'latest',
    options: { signal: AbortSignal },
  ): Promise<ReadonlyMap<string, KafkaOffset>>
}

/** Which topics and partitions exist. */
export interface TopicCatalog {
  /** Partition counts by topic, of the named topics that exist, or of all that are not internal. */
  partitionCounts(
    topics: readonly string[] | 'all',
    options: { signal: AbortSignal },
  ): Promise<ReadonlyMap<string, number>>
}
