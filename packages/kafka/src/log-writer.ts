// Rule W of the journal: one partition, one idempotent producer id, one produce in flight, the identical batch until the
// answer is definitive. Group commit: whatever waits when a produce ends goes into the next one.
// W1 A record is acknowledged only after all in-sync replicas have it, at an offset above every one acknowledged before.
// W2 After a rejection or an unknown outcome the producer id is never used again.
import { isMillraceError, MillraceError, type RecordHeader, type TopicPartition } from '@millrace/core'
import type { Cluster } from './cluster.ts'
import { isRetriable, KAFKA_ERROR, kafkaError } from './kafka-errors.ts'
import { errorName, protocolRequest } from './kafkajs-internals.ts'
import { produceRequest } from './produce-request.ts'
import { encodeRecordBatch, type OutgoingRecord, type ProducerIdentity, recordSizeMax } from './record-batch-encoder.ts'

export type LogEntry = {
  readonly key: string
  readonly value: string | null
  /** Instead of the writer's own. */
  readonly headers?: readonly RecordHeader[]
}

export type LogWriterOptions = {
  /** From the first try of a produce until its outcome counts as unknown. */
  readonly produceDeadlineMs: number
  /** One request; shorter than the deadline, so that a cut connection is tried again in time. */
  readonly requestTimeoutMs: number
  /** Bytes of one batch; below the topic's max.message.bytes. A single larger append goes alone. */
  readonly batchBytes: number
}
export const LOG_WRITER_DEFAULTS: LogWriterOptions = {
  produceDeadlineMs: 60_000,
  requestTimeoutMs: 15_000,
  batchBytes: 900_000,
}

/** Bytes waiting per partition; beyond it an append is refused at once (25 partitions × 32 MiB at the very worst). */
const PENDING_MAX_BYTES = 32 * 1024 * 1024
/** Produce requests to one broker share this many connections: the broker serves one request per connection at a time. */
const PRODUCE_LANES = 4
/** Kafka's sequence numbers wrap to 0 after 2^31 − 1; a new producer id is taken long before. */
const SEQUENCE_MAX = 2 ** 31 - 1_000_000

type Append = {
  readonly records: readonly OutgoingRecord[]
  readonly bytes: number
  readonly resolve: (lastOffset: bigint) => void
  readonly reject: (error: unknown) => void
}

export class LogWriter {
  readonly #cluster: Cluster
  readonly #tp: TopicPartition
  readonly #headers: readonly RecordHeader[]
  readonly #options: LogWriterOptions
  readonly #stop = new AbortController()
  readonly #waiting: Append[] = []
  #waitingBytes = 0
  #pump: Promise<void> | null = null
  #producer: ProducerIdentity | null = null
  #sequence = 0
  #acknowledged = -1n
  #failure: MillraceError | null = null

  /** @param headers every record gets that states none, e.g. `millrace.format`. */
  constructor(
    cluster: Cluster,
    tp: TopicPartition,
    headers: readonly RecordHeader[],
    options: Partial<LogWriterOptions> = {},
  ) {
    this.#cluster = cluster
    this.#tp = tp
    this.#headers = headers
    this.#options = { ...LOG_WRITER_DEFAULTS, ...options }
  }

  /** Highest offset acknowledged to this writer; -1 before the first. */
  get acknowledgedOffset(): bigint {
    return this.#acknowledged
  }

  /**
   * Appends the entries in one batch, in order; resolves with the last one's offset. Rejects JOURNAL_OUTCOME_UNKNOWN
   * (they may or may not be in the log, now or later) or JOURNAL_LOST (the log went backwards).
   */
  append(entries: readonly LogEntry[]): Promise<bigint> {
    const timestampMs = this.#cluster.deps.clock.nowMs()
    return this.appendRecords(
      entries.map(({ key, value, headers }) => ({
        key: Buffer.from(key),
        value: value === null ? null : Buffer.from(value),
        headers: headers ?? this.#headers,
        timestampMs,
      })),
    )
  }

  /** The same for finished records, which keep their own headers and timestamps. */
  appendRecords(records: readonly OutgoingRecord[]): Promise<bigint> {
    if (this.#failure) return Promise.reject(this.#failure)
    if (records.length === 0) return Promise.resolve(this.#acknowledged)
    const bytes = records.reduce((sum, record) => sum + recordSizeMax(record), 0)
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes > PENDING_MAX_BYTES)
      return Promise.reject(this.#unknown(`${this.#waitingBytes} bytes are waiting already`))
    return new Promise((resolve, reject) => {
      this.#waiting.push({ records, bytes, resolve, reject })
      this.#waitingBytes += bytes
      this.#pump ??= this.#run()
    })
  }

  /** Waits for what is in flight, then refuses everything. */
  async close(options: { signal: AbortSignal }): Promise<void> {
    const onAbort = (): void => this.#stop.abort(options.signal.reason)
    options.signal.addEventListener('abort', onAbort, { once: true })
    if (options.signal.aborted) onAbort()
    await this.#pump
    options.signal.removeEventListener('abort', onAbort)
    this.#stop.abort(new Error('closed'))
    this.#failure ??= this.#unknown('the writer is closed')
  }

  async #run(): Promise<void> {
    // A macrotask's worth of appends goes together; the first one of a burst does not travel alone.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup()
      try {
        const records = group.flatMap(append => append.records)
        const base = await this.#produce(records)
        this.#settle(group, base, records.length)
      } catch (error) {
        this.#producer = null
        for (const append of group) append.reject(error)
      }
    }
    // In the same turn as the last look at `#waiting`: a later append must start a new run.
    this.#pump = null
  }

  #takeGroup(): Append[] {
    const group: Append[] = []
    let bytes = 0
    while (this.#waiting.length > 0) {
      const next = this.#waiting[0]!
      if (group.length > 0 && bytes + next.bytes > this.#options.batchBytes) break
      group.push(next)
      bytes += next.bytes
      this.#waiting.shift()
    }
    this.#waitingBytes -= bytes
    return group
  }

  #settle(group: readonly Append[], base: bigint, count: number): void {
    if (base <= this.#acknowledged) {
      this.#failure = new MillraceError(
        'JOURNAL_LOST',
        'failPartition',
        `${this.#tp.topic}-${this.#tp.partition}: a record was acknowledged at offset ${base}, after ${this.#acknowledged} had been: the log lost its end.`,
        { details: { topic: this.#tp.topic, partition: this.#tp.partition } },
      )
      throw this.#failure
    }
    this.#acknowledged = base + BigInt(count) - 1n
    let offset = base
    for (const append of group) {
      offset += BigInt(append.records.length)
      append.resolve(offset - 1n)
    }
  }

  /** Base offset of the batch. */
  async #produce(records: readonly OutgoingRecord[]): Promise<bigint> {
    if (this.#failure) throw this.#failure
    const { clock, timers } = this.#cluster.deps
    const signal = this.#stop.signal
    const until = clock.monotonicMs() + this.#options.produceDeadlineMs
    let batch: Buffer | null = null
    let last = 'the deadline passed'
    for (let tries = 0; ; tries++) {
      try {
        signal.throwIfAborted()
        batch ??= await this.#encode(records)
        const answer = await this.#sendOnce(batch, until)
        if (answer.errorCode === KAFKA_ERROR.NONE && answer.baseOffset >= 0n) {
          this.#sequence += records.length
          return answer.baseOffset
        }
        if (!isRetriable(answer.errorCode) || answer.errorCode === KAFKA_ERROR.CORRUPT_MESSAGE)
          throw this.#unknown(`the broker answered ${errorName(answer.errorCode)}`)
        last = errorName(answer.errorCode)
        this.#cluster.forgetLeader(this.#tp.topic)
      } catch (error) {
        if (signal.aborted) throw this.#unknown('the writer was stopped')
        if (!isMillraceError(error)) throw this.#unknown('a bug', error)
        if (error.disposition !== 'retry')
          throw error.code === 'JOURNAL_OUTCOME_UNKNOWN' ? error : this.#unknown(error.message, error)
        last = error.message
        this.#cluster.forgetLeader(this.#tp.topic)
      }
      const delayMs = this.#cluster.backoffMs(tries)
      if (clock.monotonicMs() + delayMs >= until) throw this.#unknown(last)
      await timers.sleep(delayMs, { signal }).catch(() => undefined)
    }
  }

  async #encode(records: readonly OutgoingRecord[]): Promise<Buffer> {
    if (this.#producer === null || this.#sequence > SEQUENCE_MAX) {
      this.#producer = await initProducerId(this.#cluster, { signal: this.#stop.signal })
      this.#sequence = 0
    }
    return encodeRecordBatch(records, this.#producer, this.#sequence)
  }

  async #sendOnce(batch: Buffer, until: number): Promise<{ errorCode: number; baseOffset: bigint }> {
    const { topic, partition } = this.#tp
    const signal = this.#stop.signal
    const leader = await this.#cluster.leader(topic, partition, { signal })
    const leftMs = Math.max(1, until - this.#cluster.deps.clock.monotonicMs())
    const timeoutMs = Math.min(this.#options.requestTimeoutMs, leftMs)
    const answer = await this.#cluster.send(
      leader,
      `produce${partition % PRODUCE_LANES}`,
      produceRequest(this.#tp, batch, Math.ceil(timeoutMs / 2)),
      { signal, timeoutMs },
    )
    const part = answer.topics[0]?.partitions[0]
    if (answer.topics[0]?.topicName !== topic || part?.partition !== partition)
      throw this.#unknown('the broker answered for another partition')
    return { errorCode: part.errorCode, baseOffset: BigInt(part.baseOffset) }
  }

  #unknown(why: string, cause?: unknown): MillraceError {
    return new MillraceError(
      'JOURNAL_OUTCOME_UNKNOWN',
      'fenced',
      `${this.#tp.topic}-${this.#tp.partition}: a write was rejected or its outcome is unknown: ${why}.`,
      { cause },
    )
  }
}

type InitProducerIdResponse = {
  readonly errorCode: number
  readonly producerId: string
  readonly producerEpoch: number
}

/** A fresh producer id from any broker: an idempotent producer without a transactional id needs no coordinator. */
export async function initProducerId(cluster: Cluster, options: { signal: AbortSignal }): Promise<ProducerIdentity> {
  const request = protocolRequest<InitProducerIdResponse>('InitProducerId', {
    transactionalId: null,
    transactionTimeout: 60_000,
  })
  const answer = await cluster.sendToAny(request, options)
  if (answer.errorCode !== 0) throw kafkaError(answer.errorCode, 'InitProducerId')
  return { producerId: BigInt(answer.producerId), producerEpoch: answer.producerEpoch }
}
