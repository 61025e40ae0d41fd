// The dead letter queue as Kafka Connect writes it: original key, value, headers and timestamp, `__connect.errors.*` headers.
// The identity headers (topic, partition, offset) are always written: recovery finds by them what was produced already.
import {
  type DeadLetter,
  type DeadLetterQueue,
  type DeadLetters,
  formatTopicPartition,
  isMillraceError,
  type KafkaOffset,
  MillraceError,
  type RecordHeader,
  type RecordSlice,
  type TopicPartition,
} from '@millrace/core'
import type { Cluster } from './cluster.ts'
import { ISOLATION } from './fetch-request.ts'
import { Fetcher } from './fetcher.ts'
import { LogWriter, type LogWriterOptions } from './log-writer.ts'
import { partitionOfKey } from './murmur2.ts'
import { readHeaders } from './record-batch.ts'
import { type OutgoingRecord, recordSizeMax } from './record-batch-encoder.ts'
import { TopicAdmin } from './topic-admin.ts'
import { withSignal } from './with-signal.ts'

const PREFIX = '__connect.errors.'
const SINK_TASK_CLASS = 'io.millrace.bigquery.BigQuerySinkTask'
/** One produce carries at most this much; below the default max.message.bytes of 1 MiB. */
const BATCH_BYTES = 900_000
const FIND_BUDGET_BYTES = 8 * 1024 * 1024
/** Writers kept open, one per dead letter partition; the oldest is closed first. */
const WRITERS_MAX = 200

export class KafkaDeadLetters implements DeadLetters {
  readonly #cluster: Cluster
  readonly #admin: Cluster
  readonly #writerOptions: Partial<LogWriterOptions>
  readonly #partitionCounts = new Map<string, number>()
  readonly #writers = new Map<string, LogWriter>()

  /**
   * Opens no network by itself.
   * @param admin creates topics: as in Kafka Connect, the user who writes dead letters needs no right to.
   */
  constructor(cluster: Cluster, admin: Cluster = cluster, writerOptions: Partial<LogWriterOptions> = {}) {
    this.#cluster = cluster
    this.#admin = admin
    this.#writerOptions = writerOptions
  }

  async ensureTopic(queue: DeadLetterQueue, options: { signal: AbortSignal }): Promise<void> {
    if ((await new TopicAdmin(this.#cluster).describe(queue.topic, options)) !== null) return
    await new TopicAdmin(this.#admin).createTopic(
      queue.topic,
      { partitions: 1, replicationFactor: queue.replicationFactor, configs: {} },
      options,
    )
  }

  async produce(
    queue: DeadLetterQueue,
    letters: readonly DeadLetter[],
    options: { signal: AbortSignal },
  ): Promise<void> {
    try {
      const count = await this.#partitionCount(queue.topic, options)
      const byPartition = new Map<number, OutgoingRecord[]>()
      for (const letter of letters) {
        const partition = partitionOfKey(letter.record?.key ?? identity(letter), count)
        byPartition.set(partition, [
          ...(byPartition.get(partition) ?? []),
          toRecord(queue, letter, this.#cluster.deps.clock.nowMs()),
        ])
      }
      await Promise.all(
        [...byPartition].map(([partition, records]) => this.#write(queue.topic, partition, records, options)),
      )
    } catch (error) {
      options.signal.throwIfAborted()
      throw failed(queue.topic, error)
    }
  }

  async find(
    queue: DeadLetterQueue,
    tp: TopicPartition,
    kafkaOffsets: readonly KafkaOffset[],
    options: { signal: AbortSignal },
  ): Promise<ReadonlySet<KafkaOffset>> {
    const found = new Set<KafkaOffset>()
    const wanted = new Set(kafkaOffsets)
    if (wanted.size === 0) return found
    const metadata = await new TopicAdmin(this.#cluster).describe(queue.topic, options)
    if (metadata === null) return found
    const queuePartitions = metadata.partitions.map(p => ({ topic: queue.topic, partition: p.partition }))
    await using fetcher = new Fetcher(this.#cluster, {
      isolation: ISOLATION.READ_UNCOMMITTED,
      totalBudgetBytes: FIND_BUDGET_BYTES,
    })
    const starts = await fetcher.offsets(queuePartitions, 'earliest', options)
    const ends = await fetcher.offsets(queuePartitions, 'latest', options)
    await Promise.all(
      queuePartitions.map(async queuePartition => {
        const name = formatTopicPartition(queuePartition)
        const reader = fetcher.open(queuePartition, starts.get(name)!)
        while (reader.nextKafkaOffset < ends.get(name)! && found.size < wanted.size)
          for (const slice of await reader.read(options)) collectIdentities(slice, tp, wanted, found)
        reader.close()
      }),
    )
    return found
  }

  /** Waits for produces in flight (until the signal). The cluster stays the caller's to close. */
  async close(options: { signal: AbortSignal }): Promise<void> {
    await Promise.all([...this.#writers.values()].map(writer => writer.close(options)))
    this.#writers.clear()
  }

  async #write(
    topic: string,
    partition: number,
    records: readonly OutgoingRecord[],
    options: { signal: AbortSignal },
  ): Promise<void> {
    const key = `${topic}-${partition}`
    const writer = this.#writer(key, { topic, partition })
    try {
      for (const batch of batches(records)) await withSignal(writer.appendRecords(batch), options.signal)
    } catch (error) {
      // The next try gets a new writer: this one may have been told that the topic was created anew.
      if (this.#writers.get(key) === writer) this.#writers.delete(key)
      this.#partitionCounts.delete(topic)
      throw error
    }
  }

  #writer(key: string, tp: TopicPartition): LogWriter {
    const present = this.#writers.get(key)
    if (present) return present
    const writer = new LogWriter(this.#cluster, tp, [], this.#writerOptions)
    this.#writers.set(key, writer)
    if (this.#writers.size > WRITERS_MAX) this.#writers.delete(this.#writers.keys().next().value!)
    return writer
  }

  async #partitionCount(topic: string, options: { signal: AbortSignal }): Promise<number> {
    const known = this.#partitionCounts.get(topic)
    if (known !== undefined) return known
    const metadata = await new TopicAdmin(this.#cluster).describe(topic, options)
    if (metadata === null)
      throw new MillraceError('KAFKA_TOPIC_MISSING', 'retry', `${topic} does not exist or may not be described.`)
    this.#partitionCounts.set(topic, metadata.partitions.length)
    return metadata.partitions.length
  }
}

const identity = ({ tp, kafkaOffset }: DeadLetter): string => `${formatTopicPartition(tp)}@${kafkaOffset}`

function failed(topic: string, cause: unknown): MillraceError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new MillraceError('DEAD_LETTER_FAILED', 'retry', `A dead letter could not be produced to ${topic}: ${why}`, {
    details: { topic, ...(isMillraceError(cause) ? { because: cause.code } : {}) },
    cause,
  })
}

function toRecord(queue: DeadLetterQueue, letter: DeadLetter, nowMs: number): OutgoingRecord {
  const { record } = letter
  const headers = [...(record?.headers ?? []), ...identityHeaders(letter)]
  if (queue.contextHeaders) headers.push(...contextHeaders(queue, letter))
  else if (record === null) headers.push(header('exception.message', letter.error.message))
  return {
    key: record?.key ?? null,
    value: record?.value ?? null,
    headers,
    timestampMs: record !== null && record.timestampMs >= 0 ? record.timestampMs : nowMs,
  }
}

const header = (name: string, value: string): RecordHeader => ({ key: PREFIX + name, value: Buffer.from(value) })

const identityHeaders = ({ tp, kafkaOffset }: DeadLetter): RecordHeader[] => [
  header('topic', tp.topic),
  header('partition', String(tp.partition)),
  header('offset', String(kafkaOffset)),
]

const contextHeaders = (queue: DeadLetterQueue, { error }: DeadLetter): RecordHeader[] => [
  header('connector.name', queue.connector),
  header('task.id', String(queue.taskId)),
  header('stage', error.stage),
  header('class.name', SINK_TASK_CLASS),
  header('exception.class.name', error.exceptionClass),
  header('exception.message', error.message),
  header('exception.stacktrace', `${error.exceptionClass}: ${error.message}`),
]

function* batches(records: readonly OutgoingRecord[]): Generator<readonly OutgoingRecord[]> {
  let batch: OutgoingRecord[] = []
  let bytes = 0
  for (const record of records) {
    const size = recordSizeMax(record)
    if (batch.length > 0 && bytes + size > BATCH_BYTES) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(record)
    bytes += size
  }
  if (batch.length > 0) yield batch
}

function collectIdentities(
  slice: RecordSlice,
  tp: TopicPartition,
  wanted: ReadonlySet<KafkaOffset>,
  found: Set<KafkaOffset>,
): void {
  for (let i = 0; i < slice.count; i++) {
    const headers = readHeaders(slice.bytes, slice.headersStart[i]!, slice.headersEnd[i]!)
    // A letter delivered again from a dead letter topic carries two identities: the last one is its own.
    const last = (name: string): string | undefined => headers.findLast(h => h.key === PREFIX + name)?.value?.toString()
    const offset = last('offset')
    if (last('topic') !== tp.topic || last('partition') !== String(tp.partition) || !/^\d+$/.test(offset ?? ''))
      continue
    const kafkaOffset = BigInt(offset!) as KafkaOffset
    if (wanted.has(kafkaOffset)) found.add(kafkaOffset)
  }
}
