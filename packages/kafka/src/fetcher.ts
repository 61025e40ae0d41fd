// Source topics over KafkaJS's connections: two fetch lanes per broker, one bounded buffer per reader, positions owned here.
// F1 A reader's slices are contiguous: each begins where the one before ended, whatever broker answered.
// F2 A position never moves by itself: out of range fails the reader, there is no reset.
// F3 Buffered bytes of a reader stay below its share of the budget plus one fetch; a full reader stops nobody else.
// F4 A broker that does not answer is cut after `stallMs` and asked again over a new connection.
// F5 After a leader or a connection was lost, nothing more is handed out before the log was seen to hold the last batch still.
import {
  assert,
  type FetchTrouble,
  formatTopicPartition,
  isMillraceError,
  type KafkaOffset,
  MillraceError,
  type PartitionReader,
  type RecordSlice,
  type RecordSource,
  type TopicPartition,
} from '@millrace/core'
import type { Cluster, Lane, NodeId } from './cluster.ts'
import { fetchRequest, ISOLATION, type Isolation } from './fetch-request.ts'
import type { FetchAnswer, FetchedPartition } from './fetch-response.ts'
import { isRetriable, KAFKA_ERROR, kafkaError } from './kafka-errors.ts'
import { listOffsets, topicMissing } from './list-offsets.ts'
import { type BatchIdentity, batchAt, type Chunk, ChunkReader, scanBatches } from './record-batch.ts'
import { Wake } from './wake.ts'

const MIB = 1024 * 1024

export type FetcherOptions = {
  /** All buffered bytes of all readers, as they came from the broker (compressed batches are inflated only when read). */
  readonly totalBudgetBytes: number
  /** Most one reader may have buffered. Its share of the total, when many readers are open, is smaller. */
  readonly readerBudgetBytes: number
  /** Asked for per partition and request (max.partition.fetch.bytes). */
  readonly partitionFetchBytes: number
  /** Asked for per request (fetch.max.bytes). */
  readonly requestBytes: number
  /** How long a broker may hold a request when there is nothing new (fetch.max.wait.ms). */
  readonly maxWaitMs: number
  /** The same on the second lane: how long a partition that was just opened or drained may have to wait. */
  readonly shortWaitMs: number
  /** No answer for this long beyond maxWaitMs: the connection is cut. */
  readonly stallMs: number
  /** One `read` decodes about this many bytes at most: keeps the event loop free. */
  readonly readBytes: number
  /** A topic unknown to the cluster for this long fails its readers. */
  readonly missingTopicMs: number
  readonly isolation: Isolation
}

export const FETCHER_DEFAULTS: FetcherOptions = {
  totalBudgetBytes: 64 * MIB,
  readerBudgetBytes: 8 * MIB,
  partitionFetchBytes: MIB,
  requestBytes: 16 * MIB,
  maxWaitMs: 500,
  shortWaitMs: 50,
  stallMs: 10_000,
  readBytes: MIB,
  missingTopicMs: 10_000,
  isolation: ISOLATION.READ_COMMITTED,
}

/** A batch larger than the fetch size is asked for with twice the size, up to here. */
const FETCH_BYTES_MAX = 128 * MIB
/** Answers that say "out of range" or "corrupt" are asked again this often: a leader that just moved may be wrong once. */
const DOUBTFUL_ANSWERS_MAX = 3
/** A broker may ask clients to wait; longer than this is not believed. */
const THROTTLE_MAX_MS = 30_000
const READER_SHARE_MIN_BYTES = 64 * 1024

/** Counters for metrics; they only grow. */
export type FetcherStats = {
  readonly fetches: number
  readonly bytes: number
  readonly stalls: number
  readonly errors: number
}

export class Fetcher implements RecordSource {
  readonly #cluster: Cluster
  readonly #options: FetcherOptions
  readonly #readers = new Set<Reader>()
  readonly #nodes = new Map<NodeId, Wake>()
  readonly #lost = new Wake()
  readonly #stop = new AbortController()
  readonly #loops: Promise<void>[] = []
  readonly #stats = { fetches: 0, bytes: 0, stalls: 0, errors: 0 }
  #rotation = 0

  /** Opens no network by itself. The cluster stays the caller's to close, after this. */
  constructor(cluster: Cluster, options: Partial<FetcherOptions> = {}) {
    this.#cluster = cluster
    this.#options = { ...FETCHER_DEFAULTS, ...options }
    this.#loops.push(this.#run(() => this.#locateLoop()))
  }

  get stats(): FetcherStats {
    return this.#stats
  }

  open(tp: TopicPartition, position: KafkaOffset): PartitionReader {
    assert(!this.#stop.signal.aborted, 'the fetcher is closed')
    const reader = new Reader(tp, position, this.#options.readBytes, this.#options.partitionFetchBytes, {
      onRoom: () => this.#wakeNode(reader),
      onClose: () => this.#readers.delete(reader),
    })
    this.#readers.add(reader)
    const leader = this.#cluster.knownLeader(tp.topic, tp.partition)
    if (leader === undefined || leader === null) this.#lost.notify()
    else this.#assign(reader, leader)
    return reader
  }

  offsets(
    tps: readonly TopicPartition[],
    at: 'earliest' | 'latest',
    options: { signal: AbortSignal },
  ): Promise<ReadonlyMap<string, KafkaOffset>> {
    return listOffsets(this.#cluster, tps, at, this.#options.isolation, options)
  }

  /** Stops all fetching; readers reject from then on. */
  async close(): Promise<void> {
    this.#stop.abort(new MillraceError('KAFKA_UNREACHABLE', 'retry', 'The fetcher is closed.'))
    for (const reader of this.#readers) reader.close()
    await Promise.allSettled(this.#loops)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  // --- Finding leaders: one loop for all readers that have none.

  async #locateLoop(): Promise<void> {
    const { clock, timers } = this.#cluster.deps
    const signal = this.#stop.signal
    for (let tries = 0; ; ) {
      const ticket = this.#lost.ticket
      const lost = [...this.#readers].filter(r => r.node === null && !r.isEnded)
      if (lost.length === 0) {
        tries = 0
        await this.#lost.wait(ticket, signal)
        continue
      }
      try {
        const metadata = await this.#cluster.metadata([...new Set(lost.map(r => r.tp.topic))], { signal })
        for (const reader of lost) {
          const { topic, partition } = reader.tp
          const code = metadata.get(topic)?.errorCode ?? KAFKA_ERROR.UNKNOWN_TOPIC_OR_PARTITION
          const found = metadata.get(topic)?.partitions.find(p => p.partition === partition)
          const isMissing = code === KAFKA_ERROR.UNKNOWN_TOPIC_OR_PARTITION || (code === 0 && !found)
          if (isMissing) {
            reader.missingSinceMs ??= clock.monotonicMs()
            if (clock.monotonicMs() - reader.missingSinceMs >= this.#options.missingTopicMs)
              reader.fail(topicMissing(reader.tp))
            else reader.suffer(topicMissing(reader.tp), clock.nowMs())
          } else if (code !== 0 && !isRetriable(code)) reader.fail(kafkaError(code, `Topic ${topic}`))
          else if (found && found.leader !== null) this.#assign(reader, found.leader)
          else reader.suffer(withoutLeader(reader, code), clock.nowMs())
        }
      } catch (error) {
        signal.throwIfAborted()
        this.#stats.errors++
        this.#reportOrFail(error, lost, tries)
      }
      // The first look may be at metadata that is just changing, so even a success waits a little before the next.
      await timers.sleep(this.#cluster.backoffMs(tries++), { signal })
    }
  }

  #assign(reader: Reader, node: NodeId): void {
    reader.node = node
    reader.missingSinceMs = null
    if (!this.#nodes.has(node)) {
      this.#nodes.set(node, new Wake())
      this.#loops.push(this.#run(() => this.#laneLoop(node, 'fetch')))
      this.#loops.push(this.#run(() => this.#laneLoop(node, 'fetch2')))
    }
    this.#wakeNode(reader)
  }

  #lose(reader: Reader): void {
    reader.node = null
    reader.doubt()
    this.#cluster.forgetLeader(reader.tp.topic)
    this.#lost.notify()
  }

  #wakeNode(reader: Reader): void {
    if (reader.node !== null) this.#nodes.get(reader.node)?.notify()
  }

  // --- Fetching. Lane one asks for everything and may be held long; lane two serves, meanwhile, whoever has data or is new.

  async #laneLoop(node: NodeId, lane: Lane): Promise<void> {
    const { timers } = this.#cluster.deps
    const signal = this.#stop.signal
    const wake = this.#nodes.get(node)!
    const isFirst = lane === 'fetch'
    const maxWaitMs = isFirst ? this.#options.maxWaitMs : this.#options.shortWaitMs
    for (let failures = 0; ; ) {
      const ticket = wake.ticket
      const readers = this.#select(node, isFirst)
      if (readers.length === 0) {
        await wake.wait(ticket, signal)
        continue
      }
      for (const reader of readers) reader.isInFlight = true
      let pauseMs = 0
      try {
        pauseMs = await this.#fetch(node, lane, readers, maxWaitMs)
        failures = 0
      } catch (error) {
        signal.throwIfAborted()
        this.#stats.errors++
        if (isMillraceError(error) && error.details['isTimeout'] === true) this.#stats.stalls++
        this.#reportOrFail(error, readers, failures)
        for (const reader of readers) if (!reader.isEnded) this.#lose(reader)
        pauseMs = this.#cluster.backoffMs(failures++)
      } finally {
        for (const reader of readers) reader.isInFlight = false
      }
      wake.notify()
      if (pauseMs > 0) await timers.sleep(pauseMs, { signal })
    }
  }

  /** Readers of this node that may be asked for now, another one first each time; a partition at most once per request. */
  #select(node: NodeId, isFirst: boolean): Reader[] {
    const share = this.#shareBytes()
    const taken = new Set<string>()
    const readers: Reader[] = []
    for (const reader of this.#readers) {
      if (reader.node !== node || reader.isInFlight || reader.isEnded) continue
      if (reader.bufferedBytes >= share || reader.isBackingOff || (!isFirst && reader.isIdle)) continue
      if (taken.has(reader.name)) continue
      taken.add(reader.name)
      readers.push(reader)
    }
    const turn = readers.length === 0 ? 0 : this.#rotation++ % readers.length
    return [...readers.slice(turn), ...readers.slice(0, turn)]
  }

  #shareBytes(): number {
    // Half of the total, because a reader just below its share may still receive one fetch of the same size.
    const share = this.#options.totalBudgetBytes / 2 / Math.max(1, this.#readers.size)
    return Math.min(this.#options.readerBudgetBytes, Math.max(READER_SHARE_MIN_BYTES, share))
  }

  async #fetch(node: NodeId, lane: Lane, readers: readonly Reader[], maxWaitMs: number): Promise<number> {
    const share = this.#shareBytes()
    const request = fetchRequest({
      maxWaitMs,
      maxBytes: this.#options.requestBytes,
      isolation: this.#options.isolation,
      partitions: readers.map(r => ({
        topic: r.tp.topic,
        partition: r.tp.partition,
        position: r.requestPosition,
        maxBytes: r.isOversized ? r.fetchBytes : Math.min(r.fetchBytes, share),
      })),
    })
    const answer = await this.#cluster.send(node, lane, request, {
      signal: this.#stop.signal,
      timeoutMs: maxWaitMs + this.#options.stallMs,
    })
    this.#stats.fetches++
    this.#stats.bytes += answer.payload.length
    if (answer.errorCode !== 0) throw kafkaError(answer.errorCode, `Fetch from broker ${node}`)
    const byName = new Map(readers.map(r => [r.name, r]))
    for (const part of answer.partitions) {
      const reader = byName.get(formatTopicPartition(part))
      // A second entry for the same partition, or one nobody asked for, is not looked at.
      if (!reader || reader.isEnded) continue
      byName.delete(reader.name)
      this.#deliver(reader, answer, part, reader === readers[0])
    }
    return Math.min(answer.throttleMs, THROTTLE_MAX_MS)
  }

  #deliver(reader: Reader, answer: FetchAnswer, part: FetchedPartition, isFirst: boolean): void {
    if (part.errorCode !== 0) return this.#onPartitionError(reader, part)
    try {
      reader.accept(answer.payload, part, this.#options.isolation, isFirst, this.#cluster.deps.clock.nowMs())
      if (!reader.isDoubted) reader.doubtfulAnswers = 0
    } catch (error) {
      reader.fail(error)
    }
  }

  #onPartitionError(reader: Reader, part: FetchedPartition): void {
    this.#stats.errors++
    const { code, tries } = { code: part.errorCode, tries: reader.doubtfulAnswers++ }
    this.#backOff(reader, this.#cluster.backoffMs(tries))
    if (code === KAFKA_ERROR.OFFSET_OUT_OF_RANGE) {
      if (reader.passOverTail()) reader.doubtfulAnswers = tries
      else if (tries + 1 < DOUBTFUL_ANSWERS_MAX) this.#lose(reader)
      else void this.#failOutOfRange(reader)
    } else if (code === KAFKA_ERROR.CORRUPT_MESSAGE && tries + 1 >= DOUBTFUL_ANSWERS_MAX) {
      reader.fail(
        new MillraceError(
          'SOURCE_CORRUPT',
          'failPartition',
          `${reader.name}@${reader.fetchPosition}: the broker answers CORRUPT_MESSAGE.`,
        ),
      )
    } else if (isRetriable(code)) {
      reader.suffer(kafkaError(code, `Fetch of ${reader.name}`), this.#cluster.deps.clock.nowMs())
      this.#lose(reader)
    } else reader.fail(kafkaError(code, `Fetch of ${reader.name}@${reader.fetchPosition}`))
  }

  async #failOutOfRange(reader: Reader): Promise<void> {
    const signal = this.#stop.signal
    const range = await Promise.all([
      this.offsets([reader.tp], 'earliest', { signal }),
      this.offsets([reader.tp], 'latest', { signal }),
    ]).catch(() => null)
    const held = range ? `; the partition holds [${range[0].get(reader.name)}, ${range[1].get(reader.name)})` : ''
    reader.fail(
      new MillraceError(
        'SOURCE_OFFSET_LOST',
        'failPartition',
        `${reader.name}@${reader.fetchPosition} is out of range${held}.`,
        { details: { topic: reader.tp.topic, partition: reader.tp.partition, kafkaOffset: reader.fetchPosition } },
      ),
    )
  }

  /** A flag and not a time to compare with: a timer that fires a moment early would wake nobody for good. */
  #backOff(reader: Reader, ms: number): void {
    reader.isBackingOff = true
    this.#cluster.deps.timers
      .sleep(ms, { signal: this.#stop.signal })
      .then(() => {
        reader.isBackingOff = false
        this.#wakeNode(reader)
      })
      .catch(() => undefined) // closed
  }

  /** Trouble that will not pass by itself fails the readers it concerns; the rest is retried, and told as it begins. */
  #reportOrFail(error: unknown, readers: readonly Reader[], failuresBefore: number): void {
    if (isMillraceError(error) && error.disposition !== 'retry') {
      for (const reader of readers) reader.fail(error)
      return
    }
    const { clock, log } = this.#cluster.deps
    if (isMillraceError(error)) for (const reader of readers) reader.suffer(error, clock.nowMs())
    const fields = { err: error, partitions: readers.length }
    if (failuresBefore === 0) log.warn(fields, 'Fetch failed; trying again.')
    else log.debug(fields, 'Fetch failed again.')
  }

  async #run(loop: () => Promise<void>): Promise<void> {
    try {
      await loop()
    } catch (error) {
      if (this.#stop.signal.aborted) return
      for (const reader of this.#readers) reader.fail(error)
      this.#cluster.deps.log.error({ err: error }, 'A fetch loop ended by a bug.')
    }
  }
}

const withoutLeader = (reader: Reader, code: number): MillraceError =>
  code === 0
    ? new MillraceError('KAFKA_UNREACHABLE', 'retry', `${reader.name} has no leader: its replicas are offline.`)
    : kafkaError(code, `Topic ${reader.tp.topic}`)

const transactionOpen = (name: string, held: { readonly stableEnd: bigint; readonly logEnd: bigint }): MillraceError =>
  new MillraceError(
    'SOURCE_TRANSACTION_OPEN',
    'retry',
    `${name}@${held.stableEnd}: a transaction is open since here; the ${held.logEnd - held.stableEnd} offsets up to ${held.logEnd} wait for its end.`,
  )

type Pending = { readonly chunk: Chunk; readonly position: bigint; readonly next: bigint }

/** One reader's buffer. Everything is synchronous; the fetch lanes put in, `read` takes out. */
class Reader implements PartitionReader {
  readonly tp: TopicPartition
  readonly name: string
  node: NodeId | null = null
  isInFlight = false
  /** Had nothing new when last asked: lane one waits for it. */
  isIdle = false
  isOversized = false
  isBackingOff = false
  doubtfulAnswers = 0
  missingSinceMs: number | null = null
  fetchPosition: bigint
  fetchBytes: number
  bufferedBytes = 0
  readonly #partitionFetchBytes: number
  readonly #readBytes: number
  readonly #callbacks: { onRoom(): void; onClose(): void }
  readonly #pending: Pending[] = []
  readonly #wake = new Wake()
  readonly #closed = new AbortController()
  #current: { reader: ChunkReader; bytes: number } | null = null
  #position: bigint
  #end: bigint | null = null
  /** An end up to which the log holds nothing more. */
  #emptyUpTo: bigint | null = null
  #trouble: FetchTrouble | null = null
  /** Since when the last stable offset is where it is while the log goes on. */
  #held: { readonly stableEnd: bigint; readonly logEnd: bigint; readonly sinceMs: number } | null = null
  #failure: unknown = null
  #isReading = false
  /** The last batch that was fetched. */
  #tail: BatchIdentity | null = null
  /** The same while it is to be found again. */
  #doubted: BatchIdentity | null = null
  /** Whether the next request begins at it, or, where nothing is found there, at `fetchPosition`. */
  #asksTail = false

  constructor(
    tp: TopicPartition,
    position: KafkaOffset,
    readBytes: number,
    partitionFetchBytes: number,
    callbacks: { onRoom(): void; onClose(): void },
  ) {
    this.tp = tp
    this.name = formatTopicPartition(tp)
    this.fetchPosition = position
    this.#position = position
    this.#readBytes = readBytes
    this.#partitionFetchBytes = partitionFetchBytes
    this.fetchBytes = partitionFetchBytes
    this.#callbacks = callbacks
  }

  get nextKafkaOffset(): KafkaOffset {
    return this.#position as KafkaOffset
  }
  get endKafkaOffset(): KafkaOffset | null {
    return this.#end as KafkaOffset | null
  }
  get isEnded(): boolean {
    return this.#failure !== null || this.#closed.signal.aborted
  }

  get trouble(): FetchTrouble | null {
    if (this.#trouble !== null || this.#held === null || this.#end === null || this.#position < this.#end)
      return this.#trouble
    return { error: transactionOpen(this.name, this.#held), sinceMs: this.#held.sinceMs }
  }

  /** @param isFirst of all partitions of the request: a broker leaves out records of the others when the answer is full. */
  accept(payload: Buffer, part: FetchedPartition, isolation: Isolation, isFirst: boolean, nowMs: number): void {
    this.#trouble = null
    const { recordsStart, recordsEnd, lastStableOffset, highWatermark } = part
    const wasDoubted = this.#doubted !== null
    if (wasDoubted && !this.#isFoundAgain(payload, part)) return
    const isCommitted = isolation === ISOLATION.READ_COMMITTED
    const end = isCommitted ? lastStableOffset : highWatermark
    if (isCommitted) this.#noteStable(lastStableOffset, highWatermark, nowMs)
    this.isIdle = recordsStart === recordsEnd
    if (this.isIdle && isFirst) this.#emptyUpTo = end
    this.#end = this.isIdle && end === this.#emptyUpTo ? this.fetchPosition : end
    if (this.isIdle) return
    const scan = scanBatches(this.tp, payload, recordsStart, recordsEnd, this.fetchPosition)
    if (scan.nextKafkaOffset === this.fetchPosition) {
      if (wasDoubted && !scan.isPartial) return // the batch that was looked for, and nothing behind it
      if (!scan.isPartial) throw this.#noProgress()
      this.isOversized = true
      this.fetchBytes = Math.min(FETCH_BYTES_MAX, this.fetchBytes * 2)
      return
    }
    this.isOversized = false
    this.#tail = scan.last
    this.fetchBytes = this.#partitionFetchBytes
    const isMostOfAnswer = scan.end - recordsStart > payload.length / 2
    // A small part is copied out, so that a slow reader does not keep whole answers alive.
    const bytes = isMostOfAnswer ? payload : Buffer.from(payload.subarray(recordsStart, scan.end))
    const start = isMostOfAnswer ? recordsStart : 0
    const chunk = { tp: this.tp, bytes, start, end: start + (scan.end - recordsStart), aborted: part.aborted }
    this.#pending.push({ chunk, position: this.fetchPosition, next: scan.nextKafkaOffset })
    this.bufferedBytes += chunk.end - chunk.start
    this.fetchPosition = scan.nextKafkaOffset
    // The broker reads its end before it reads the records, so that records may lie beyond the end it states.
    if (this.#end < this.fetchPosition) this.#end = this.fetchPosition
    this.#wake.notify()
  }

  // ── whether a log that was out of sight is still the same (F5) ──

  get requestPosition(): bigint {
    return this.#doubted !== null && this.#asksTail ? this.#doubted.nextKafkaOffset - 1n : this.fetchPosition
  }
  get isDoubted(): boolean {
    return this.#doubted !== null
  }
  /** The log may be another one when it is seen again: an unclean election, a topic made anew. */
  doubt(): void {
    this.#doubted = this.#tail
    this.#asksTail = true
  }
  /** Out of range was said of the doubted batch, which retention may have taken; whether it was. */
  passOverTail(): boolean {
    const wasAsked = this.#doubted !== null && this.#asksTail
    this.#asksTail = false
    return wasAsked
  }

  /**
   * Whether the answer may be used. Compacted away or passed by retention is not another log; what differs is, or compaction wrote
   * it anew: the claim that follows the failure compares records, and goes on where it was that.
   */
  #isFoundAgain(payload: Buffer, { recordsStart, recordsEnd, logStartOffset }: FetchedPartition): boolean {
    const tail = this.#doubted
    assert(tail !== null, `${this.name}: nothing is in doubt`)
    if (!this.#asksTail) {
      this.#asksTail = true
      if (logStartOffset < tail.nextKafkaOffset) return recordsStart === recordsEnd
      this.#doubted = null
      return true
    }
    const found = batchAt(payload, recordsStart, recordsEnd)
    if (found === null) {
      this.#asksTail = false
      return false
    }
    const isGone = found.baseOffset >= tail.nextKafkaOffset
    if (!isGone && (found.baseOffset !== tail.baseOffset || found.crc !== tail.crc)) throw this.#differs(tail)
    this.#doubted = null
    return true
  }

  #differs({ baseOffset, nextKafkaOffset }: BatchIdentity): MillraceError {
    const message = `${this.name}@${baseOffset}: offsets [${baseOffset}, ${nextKafkaOffset}) are not the batch that was read before the leader was lost: the topic was truncated or re-created, or compacted just now. The next claim compares the last record that was delivered.`
    const { topic, partition } = this.tp
    const details = { topic, partition, from: baseOffset, to: nextKafkaOffset, seen: 'batch' }
    return new MillraceError('SOURCE_CHANGED', 'failPartition', message, { details })
  }

  #noteStable(stableEnd: bigint, logEnd: bigint, nowMs: number): void {
    const sinceMs = this.#held?.stableEnd === stableEnd ? this.#held.sinceMs : nowMs
    this.#held = stableEnd < logEnd ? { stableEnd, logEnd, sinceMs } : null
  }

  /** Ended by the next good answer. */
  suffer(error: MillraceError, nowMs: number): void {
    this.#trouble = { error, sinceMs: this.#trouble?.sinceMs ?? nowMs }
  }

  fail(error: unknown): void {
    this.#failure ??= error
    this.#wake.notify()
  }

  async read(options: { signal: AbortSignal }): Promise<readonly RecordSlice[]> {
    assert(!this.#isReading, `${this.name} is read by two callers at once`)
    this.#isReading = true
    try {
      for (;;) {
        const ticket = this.#wake.ticket
        options.signal.throwIfAborted()
        this.#closed.signal.throwIfAborted()
        const slices = this.#decode()
        if (slices.length > 0) return slices
        if (this.#failure !== null) throw this.#failure
        await this.#wake.wait(ticket, options.signal)
      }
    } finally {
      this.#isReading = false
    }
  }

  close(): void {
    if (this.#closed.signal.aborted) return
    this.#closed.abort(new MillraceError('KAFKA_UNREACHABLE', 'retry', `The reader of ${this.name} is closed.`))
    this.#pending.length = 0
    this.#current = null
    this.bufferedBytes = 0
    this.#wake.notify()
    this.#callbacks.onClose()
  }

  #decode(): RecordSlice[] {
    const slices: RecordSlice[] = []
    let bytes = 0
    while (bytes < this.#readBytes) {
      if (this.#current === null) {
        const pending = this.#pending.shift()
        if (pending === undefined) break
        assert(pending.position === this.#position, `${this.name}: a fetch does not continue at ${this.#position}`)
        this.#current = {
          reader: new ChunkReader(pending.chunk, pending.position),
          bytes: pending.chunk.end - pending.chunk.start,
        }
      }
      let slice: RecordSlice | null
      try {
        slice = this.#current.reader.next()
      } catch (error) {
        // What was decoded before the damage is still good; the failure is the next read's.
        this.#pending.length = 0
        this.#current = null
        this.fail(error)
        break
      }
      if (slice === null) {
        this.bufferedBytes -= this.#current.bytes
        this.#current = null
        this.#callbacks.onRoom()
        continue
      }
      this.#position = slice.nextKafkaOffset
      if (slice.count > 0) bytes += slice.headersEnd[slice.count - 1]! - slice.headersStart[0]!
      slices.push(slice)
    }
    return slices
  }

  #noProgress(): MillraceError {
    return new MillraceError(
      'SOURCE_CORRUPT',
      'failPartition',
      `${this.name}@${this.fetchPosition}: the broker answered batches that all end before this offset.`,
    )
  }
}
