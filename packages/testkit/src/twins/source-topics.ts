// Twin of source topics: partitions in memory with gaps, open transactions, retention and re-creation, read through the
// RecordSource and TopicCatalog ports. One slice per `sliceRecords` records, laid out in bytes as the adapter does it.
import {
  type FetchTrouble,
  formatTopicPartition,
  type KafkaOffset,
  kafkaOffset,
  MillraceError,
  type PartitionReader,
  type RecordHeader,
  type RecordSlice,
  type RecordSource,
  type TopicCatalog,
  type TopicPartition,
} from '@millrace/core'

export type TwinRecord = {
  readonly key?: string | Buffer | null
  readonly value?: string | Buffer | null
  readonly headers?: readonly RecordHeader[]
  readonly timestampMs?: number
}
type Stored = {
  readonly kafkaOffset: bigint
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** As they stand in a record batch. */
  readonly headers: Buffer
  readonly timestampMs: number
}
type PartitionLog = {
  records: Stored[]
  start: bigint
  end: bigint
  /** Open transactions hold the last stable offset here. */
  stableEnd: bigint | null
  heldSinceMs: number
  corruptAt: bigint | null
}

export class SourceTopicsTwin implements RecordSource, TopicCatalog {
  readonly #topics = new Map<string, PartitionLog[]>()
  readonly #waiting = new Set<() => void>()
  #trouble: FetchTrouble | null = null
  readonly #sliceRecords: number

  constructor(options: { readonly sliceRecords?: number } = {}) {
    this.#sliceRecords = options.sliceRecords ?? 100
  }

  createTopic(topic: string, partitions: number): void {
    const present = this.#topics.get(topic) ?? []
    while (present.length < partitions)
      present.push({ records: [], start: 0n, end: 0n, stableEnd: null, heldSinceMs: 0, corruptAt: null })
    this.#topics.set(topic, present)
    this.#wake()
  }
  /** Brokers do not answer: readers get nothing and say why, until `null`. */
  setTrouble(trouble: FetchTrouble | null): void {
    this.#trouble = trouble
    this.#wake()
  }
  get trouble(): FetchTrouble | null {
    return this.#trouble
  }
  /** What a reader that came to the last stable offset says. */
  openTransaction(tp: TopicPartition, position: bigint): FetchTrouble | null {
    const log = this.#topics.get(tp.topic)?.[tp.partition]
    if (log === undefined || log.stableEnd === null || position < log.stableEnd || log.end === log.stableEnd)
      return null
    const message = `${formatTopicPartition(tp)}@${log.stableEnd}: a transaction is open since here.`
    return { error: new MillraceError('SOURCE_TRANSACTION_OPEN', 'retry', message), sinceMs: log.heldSinceMs }
  }
  /** The first offset it holds, or would. */
  start(tp: TopicPartition): KafkaOffset {
    return kafkaOffset(this.#log(tp).start)
  }
  /** Where the next record goes. */
  end(tp: TopicPartition): KafkaOffset {
    return kafkaOffset(this.#log(tp).end)
  }
  deleteTopic(topic: string): void {
    this.#topics.delete(topic)
    this.#wake()
  }
  /** Offset of the last record. */
  append(tp: TopicPartition, ...records: readonly TwinRecord[]): KafkaOffset {
    const log = this.#log(tp)
    for (const record of records) {
      const { key, value, headers, timestampMs } = record
      log.records.push({
        kafkaOffset: log.end,
        key: bytesOf(key),
        value: bytesOf(value),
        headers: headersSection(headers ?? []),
        timestampMs: timestampMs ?? 0,
      })
      log.end += 1n
    }
    this.#wake()
    return kafkaOffset(log.end - 1n)
  }
  /** Offsets without records, as compaction, markers and aborted transactions leave them. */
  appendGap(tp: TopicPartition, count: number): void {
    this.#log(tp).end += BigInt(count)
    this.#wake()
  }
  /** From now on records are not yet stable, until `commitTransaction`. */
  beginTransaction(tp: TopicPartition, nowMs = 0): void {
    const log = this.#log(tp)
    log.heldSinceMs = nowMs
    log.stableEnd ??= log.end
  }
  /** Ends the transaction with a marker, which takes an offset. */
  commitTransaction(tp: TopicPartition): void {
    const log = this.#log(tp)
    log.stableEnd = null
    this.appendGap(tp, 1)
  }
  abortTransaction(tp: TopicPartition): void {
    const log = this.#log(tp)
    const from = log.stableEnd ?? log.end
    log.records = log.records.filter(r => r.kafkaOffset < from)
    this.commitTransaction(tp)
  }
  /** Retention: everything below is gone. */
  deleteBefore(tp: TopicPartition, offset: KafkaOffset): void {
    const log = this.#log(tp)
    log.start = offset
    log.records = log.records.filter(r => r.kafkaOffset >= offset)
    this.#wake()
  }
  /** An unclean election: everything from `offset` on is gone. */
  truncate(tp: TopicPartition, offset: KafkaOffset): void {
    const log = this.#log(tp)
    log.end = offset
    log.records = log.records.filter(r => r.kafkaOffset < offset)
    this.#wake()
  }
  /** Reading this offset finds a damaged batch. */
  corrupt(tp: TopicPartition, offset: KafkaOffset): void {
    this.#log(tp).corruptAt = offset
  }

  open(tp: TopicPartition, position: KafkaOffset): PartitionReader {
    return new ReaderTwin(this, tp, position)
  }

  async offsets(
    tps: readonly TopicPartition[],
    at: 'earliest' | 'latest',
    { signal }: { signal: AbortSignal },
  ): Promise<ReadonlyMap<string, KafkaOffset>> {
    signal.throwIfAborted()
    await Promise.resolve()
    return new Map(
      tps.map(tp => {
        const log = this.#log(tp)
        return [formatTopicPartition(tp), kafkaOffset(at === 'earliest' ? log.start : (log.stableEnd ?? log.end))]
      }),
    )
  }

  async partitionCounts(
    topics: readonly string[] | 'all',
    { signal }: { signal: AbortSignal },
  ): Promise<ReadonlyMap<string, number>> {
    signal.throwIfAborted()
    await Promise.resolve()
    const all = [...this.#topics].map(([topic, logs]) => [topic, logs.length] as const)
    return new Map(all.filter(([topic]) => topics === 'all' || topics.includes(topic)))
  }

  /** The next slice at a position, or null when there is nothing stable to read. Throws what a reader rejects with. */
  sliceAt(tp: TopicPartition, position: bigint): { slice: RecordSlice | null; stableEnd: bigint } {
    const log = this.#log(tp)
    const stableEnd = log.stableEnd ?? log.end
    if (position < log.start || position > log.end)
      throw fault(
        'SOURCE_OFFSET_LOST',
        tp,
        position,
        `is out of range; the partition holds [${log.start}, ${stableEnd})`,
      )
    if (position >= stableEnd) return { slice: null, stableEnd }
    const first = indexFrom(log.records, position)
    const records = log.records.slice(first, indexFrom(log.records, stableEnd)).slice(0, this.#sliceRecords)
    if (log.corruptAt !== null && records[0]?.kafkaOffset === log.corruptAt)
      throw fault('SOURCE_CORRUPT', tp, log.corruptAt, 'the record batch has a wrong CRC')
    const { corruptAt } = log
    const good = corruptAt === null ? records : records.filter(r => r.kafkaOffset < corruptAt)
    const last = good.at(-1)
    const after = last === undefined ? undefined : log.records[first + good.length]
    const isAll = after === undefined || after.kafkaOffset >= stableEnd
    return {
      slice: sliceOf(good, position, isAll || last === undefined ? stableEnd : last.kafkaOffset + 1n),
      stableEnd,
    }
  }

  async waitForChange(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const onAbort = (): void => resolve()
    this.#waiting.add(resolve)
    signal.addEventListener('abort', onAbort, { once: true })
    await promise
    signal.removeEventListener('abort', onAbort)
    this.#waiting.delete(resolve)
    signal.throwIfAborted()
  }

  #log(tp: TopicPartition): PartitionLog {
    const log = this.#topics.get(tp.topic)?.[tp.partition]
    if (!log)
      throw new MillraceError('KAFKA_TOPIC_MISSING', 'failPartition', `${formatTopicPartition(tp)} does not exist.`)
    return log
  }
  #wake(): void {
    for (const resolve of this.#waiting) resolve()
  }
}

class ReaderTwin implements PartitionReader {
  readonly #topics: SourceTopicsTwin
  readonly #tp: TopicPartition
  readonly #closed = new AbortController()
  #position: bigint
  #end: bigint | null = null

  constructor(topics: SourceTopicsTwin, tp: TopicPartition, position: KafkaOffset) {
    this.#topics = topics
    this.#tp = tp
    this.#position = position
  }
  get nextKafkaOffset(): KafkaOffset {
    return kafkaOffset(this.#position)
  }
  get endKafkaOffset(): KafkaOffset | null {
    return this.#end === null ? null : kafkaOffset(this.#end)
  }
  get trouble(): FetchTrouble | null {
    return this.#topics.trouble ?? this.#topics.openTransaction(this.#tp, this.#position)
  }
  async read({ signal }: { signal: AbortSignal }): Promise<readonly RecordSlice[]> {
    const either = AbortSignal.any([signal, this.#closed.signal])
    for (;;) {
      either.throwIfAborted()
      await Promise.resolve()
      either.throwIfAborted()
      if (this.#topics.trouble !== null) {
        await this.#topics.waitForChange(either)
        continue
      }
      const { slice, stableEnd } = this.#topics.sliceAt(this.#tp, this.#position)
      this.#end = stableEnd
      if (slice !== null) {
        this.#position = slice.nextKafkaOffset
        return [slice]
      }
      await this.#topics.waitForChange(either)
    }
  }
  close(): void {
    this.#closed.abort(new MillraceError('KAFKA_UNREACHABLE', 'retry', 'The reader is closed.'))
  }
}

/** Of the first record at this offset or above; as many as there are when none is. */
function indexFrom(records: readonly Stored[], offset: bigint): number {
  let low = 0
  let high = records.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (records[middle]!.kafkaOffset < offset) low = middle + 1
    else high = middle
  }
  return low
}

const bytesOf = (value: string | Buffer | null | undefined): Buffer | null =>
  value === null || value === undefined ? null : Buffer.from(value)

function fault(
  code: 'SOURCE_OFFSET_LOST' | 'SOURCE_CORRUPT',
  tp: TopicPartition,
  offset: bigint,
  what: string,
): MillraceError {
  return new MillraceError(code, 'failPartition', `${formatTopicPartition(tp)}@${offset}: ${what}.`)
}

function sliceOf(records: readonly Stored[], start: bigint, next: bigint): RecordSlice {
  const parts: Buffer[] = []
  let at = 0
  const put = (bytes: Buffer | null): [number, number] => {
    if (bytes === null) return [-1, -1]
    parts.push(bytes)
    at += bytes.length
    return [at - bytes.length, at]
  }
  const laid = records.map(r => ({ key: put(r.key), value: put(r.value), headers: put(r.headers) }))
  return {
    bytes: Buffer.concat(parts),
    count: records.length,
    startKafkaOffset: kafkaOffset(start),
    nextKafkaOffset: kafkaOffset(next),
    offsetDelta: Float64Array.from(records, r => Number(r.kafkaOffset - start)),
    timestampMs: Float64Array.from(records, r => r.timestampMs),
    keyStart: Int32Array.from(laid, l => l.key[0]),
    keyEnd: Int32Array.from(laid, l => l.key[1]),
    valueStart: Int32Array.from(laid, l => l.value[0]),
    valueEnd: Int32Array.from(laid, l => l.value[1]),
    headersStart: Int32Array.from(laid, l => l.headers[0]),
    headersEnd: Int32Array.from(laid, l => l.headers[1]),
  }
}

/** Kafka's record format v2: varint count, then key and value of each, with varint lengths (−1 = null value). */
function headersSection(headers: readonly RecordHeader[]): Buffer {
  const parts: Buffer[] = [varint(headers.length)]
  for (const { key, value } of headers) {
    const name = Buffer.from(key)
    parts.push(varint(name.length), name, varint(value?.length ?? -1), value ?? Buffer.alloc(0))
  }
  return Buffer.concat(parts)
}

function varint(value: number): Buffer {
  let rest = value >= 0 ? value * 2 : -value * 2 - 1
  const bytes: number[] = []
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  return Buffer.from([...bytes, rest])
}
