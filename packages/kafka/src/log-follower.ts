// Rule R of the journal: follows every partition of a compacted topic and knows how to be at its end.
// R1 Records are applied once, in order; only one catch-up runs per partition.
// R2 `readToEnd` ends with a fetch, issued after the call, that brought nothing new while the leader's high watermark was
//    exactly our position, and our position was above everything acknowledged to our own writer.
// R3 A log that ends below what we know is JOURNAL_LOST for as long as it does, and once it reaches as far again it is gone on with
//    only if it still holds the last record that was applied. Another record there, or none, is JOURNAL_LOST for good.
import { isMillraceError, MillraceError, type RecordSlice, type TopicPartition } from '@millrace/core'
import type { Cluster, NodeId } from './cluster.ts'
import { crc32c } from './crc32c.ts'
import { fetchRequest, ISOLATION } from './fetch-request.ts'
import type { FetchAnswer, FetchedPartition } from './fetch-response.ts'
import { isRetriable, KAFKA_ERROR, kafkaError } from './kafka-errors.ts'
import { listOffsets } from './list-offsets.ts'
import { ChunkReader, readHeaders, scanBatches } from './record-batch.ts'
import { withSignal } from './with-signal.ts'

export const FORMAT_HEADER = 'millrace.format'

export type LogRecord = {
  readonly partition: number
  readonly offset: bigint
  readonly key: string
  /** null = tombstone. */
  readonly value: string | null
}

/** Since when, by the wall clock, some of the log cannot be read to its end, and why. */
export type LogTrouble = { readonly sinceMs: number; readonly message: string }

export type LogFollowerOptions = {
  /** How often the tail is read when nobody asks. */
  readonly followIntervalMs: number
  /** Values of the `millrace.format` header that are understood; every record must carry one. */
  readonly formats: readonly string[]
  /**
   * "Out of range" and ends below our position are told only after this long: a deposed leader may not know it yet, and a new one
   * states a low end until its followers have caught up or are given up (`replica.lag.time.max.ms`, 30 s).
   */
  readonly staleLeaderMs: number
}
export const STALE_LEADER_MS = 15_000

/** A topic that was made a moment ago, perhaps by another worker, is known to one broker before it is known to the next. */
const KNOWN_TO_ALL_MS = 5_000
const PARTITION_FETCH_BYTES = 1024 * 1024
const FETCH_BYTES_MAX = 128 * 1024 * 1024
const REQUEST_BYTES = 16 * 1024 * 1024
const FETCH_TIMEOUT_MS = 10_000
/** Failures in a row until the log says so: about a second. */
const TRIES_TOLD = 3
type Partition = {
  readonly index: number
  position: bigint
  fetchBytes: number
  running: Promise<void> | null
  next: Promise<void> | null
  /** For good. */
  failure: MillraceError | null
  trouble: LogTrouble | null
  /** By the monotonic clock: since when its leader states an end below what we know; null while none does. */
  staleSinceMs: number | null
  isLossTold: boolean
  /** The record applied last: by it the log is known again. */
  landmark: Landmark | null
}
type Landmark = { readonly offset: bigint; readonly crc: number }
/** What a fetch comes to: at the end, more to read, or why it is asked again. */
type Doubt = { readonly why: string; readonly isStale: boolean }

export class LogFollower {
  readonly #cluster: Cluster
  readonly #topic: string
  readonly #options: LogFollowerOptions
  readonly #onRecord: (record: LogRecord) => void
  readonly #acknowledged: (partition: number) => bigint
  readonly #partitions: readonly Partition[]
  readonly #tails = new Map<NodeId, NodeTail>()
  readonly #stop = new AbortController()
  #background: Promise<void> = Promise.resolve()
  #isTroubleTold = false

  /**
   * @param onRecord called for each record in log order per partition; a throw ends that partition with JOURNAL_LOST.
   * @param acknowledged highest offset acknowledged to our own writer of the partition; -1 when none.
   */
  constructor(
    cluster: Cluster,
    topic: string,
    partitionCount: number,
    onRecord: (record: LogRecord) => void,
    acknowledged: (partition: number) => bigint,
    options: LogFollowerOptions,
  ) {
    this.#cluster = cluster
    this.#topic = topic
    this.#options = options
    this.#onRecord = onRecord
    this.#acknowledged = acknowledged
    this.#partitions = Array.from({ length: partitionCount }, (_, index) => ({
      index,
      position: 0n,
      fetchBytes: PARTITION_FETCH_BYTES,
      running: null,
      next: null,
      failure: null,
      trouble: null,
      staleSinceMs: null,
      isLossTold: false,
      landmark: null,
    }))
  }

  /** Reads every partition to its end, then keeps following. Rejects when a record is foreign or unreadable. */
  async open(options: { signal: AbortSignal }): Promise<void> {
    try {
      await this.#readAll(options)
    } catch (error) {
      await this.close()
      throw error
    }
    this.#background = this.#follow()
  }

  async #readAll(options: { signal: AbortSignal }): Promise<void> {
    const tps = this.#partitions.map(p => ({ topic: this.#topic, partition: p.index }))
    const starts = await this.#startsOf(tps, options)
    for (const p of this.#partitions) p.position = starts.get(`${this.#topic}-${p.index}`)!
    await Promise.all(this.#partitions.map(p => this.readToEnd(p.index, options)))
  }

  async #startsOf(
    tps: readonly TopicPartition[],
    options: { signal: AbortSignal },
  ): Promise<ReadonlyMap<string, bigint>> {
    const { clock, timers } = this.#cluster.deps
    const until = clock.monotonicMs() + KNOWN_TO_ALL_MS
    for (let tries = 0; ; tries++) {
      try {
        return await listOffsets(this.#cluster, tps, 'earliest', ISOLATION.READ_UNCOMMITTED, options)
      } catch (error) {
        const isMissing = isMillraceError(error) && error.code === 'KAFKA_TOPIC_MISSING'
        if (!isMissing || clock.monotonicMs() >= until) throw error
        await timers.sleep(this.#cluster.backoffMs(tries), options)
      }
    }
  }

  /** Position reached so far in a partition. */
  position(partition: number): bigint {
    return this.#partitions[partition]!.position
  }

  /** The oldest trouble of any partition; null while all of them can be read. */
  get trouble(): LogTrouble | null {
    let oldest: LogTrouble | null = null
    for (const { trouble } of this.#partitions)
      if (trouble !== null && (oldest === null || trouble.sinceMs < oldest.sinceMs)) oldest = trouble
    return oldest
  }

  /** Rule R. Calls made while one is running share the next. Rejects `signal.reason`, or what ended the partition. */
  readToEnd(partition: number, options: { signal: AbortSignal }): Promise<void> {
    const p = this.#partitions[partition]!
    return withSignal(this.#requestCatchUp(p), options.signal)
  }

  async close(): Promise<void> {
    this.#stop.abort(new MillraceError('KAFKA_UNREACHABLE', 'retry', `The follower of ${this.#topic} is closed.`))
    await this.#background.catch(() => undefined)
    await Promise.allSettled(this.#partitions.flatMap(p => [p.running, p.next]))
  }

  #requestCatchUp(p: Partition): Promise<void> {
    if (p.next) return p.next
    if (p.running === null) {
      const running = this.#catchUp(p).finally(() => {
        if (p.running === running) p.running = null
      })
      p.running = running
      running.catch(() => undefined)
      return running
    }
    const next = p.running
      .catch(() => undefined)
      .then(() => {
        p.next = null
        return this.#requestCatchUp(p)
      })
    p.next = next
    next.catch(() => undefined)
    return next
  }

  async #follow(): Promise<void> {
    const signal = this.#stop.signal
    while (!signal.aborted && !this.#cluster.isClosed) {
      await this.#cluster.deps.timers.sleep(this.#options.followIntervalMs, { signal })
      await Promise.allSettled(this.#partitions.filter(p => p.failure === null).map(p => this.#requestCatchUp(p)))
    }
  }

  async #catchUp(p: Partition): Promise<void> {
    const { clock, timers, log } = this.#cluster.deps
    const signal = this.#stop.signal
    for (let tries = 0; ; ) {
      signal.throwIfAborted()
      if (p.failure) throw p.failure
      const doubt = await this.#step(p)
      if (typeof doubt === 'string') this.#recovered(p)
      if (doubt === 'end') return
      if (doubt === 'more') {
        tries = 0
        continue
      }
      const message = `${this.#topic}-${p.index}: ${doubt.why}`
      p.trouble = { sinceMs: p.trouble?.sinceMs ?? clock.nowMs(), message }
      if (doubt.isStale) this.#noteStale(p, doubt.why)
      if (tries === TRIES_TOLD && !this.#isTroubleTold) {
        this.#isTroubleTold = true
        log.warn({ topic: this.#topic, partition: p.index, why: doubt.why }, 'Reading the log to its end waits.')
      }
      this.#cluster.forgetLeader(this.#topic)
      await timers.sleep(this.#cluster.backoffMs(tries++), { signal })
    }
  }

  /** Throws once it has lasted too long to be a leader that does not know better; every call after that tries anew. */
  #noteStale(p: Partition, why: string): void {
    const nowMs = this.#cluster.deps.clock.monotonicMs()
    p.staleSinceMs ??= nowMs
    if (nowMs - p.staleSinceMs <= this.#options.staleLeaderMs) return
    this.#cluster.forgetLeader(this.#topic)
    const lost = this.#lost(p, why)
    if (!p.isLossTold) this.#tell(p, lost)
    p.isLossTold = true
    throw lost
  }

  /** What all partitions suffer from at once is told once, and so is its end. */
  #recovered(p: Partition): void {
    p.trouble = null
    p.staleSinceMs = null
    p.isLossTold = false
    if (!this.#isTroubleTold || this.trouble !== null) return
    this.#isTroubleTold = false
    this.#cluster.deps.log.info({ topic: this.#topic }, 'The log is read to its end again.')
  }

  /** One fetch and what it says. After an end that was too low it begins at the last record we know. */
  async #step(p: Partition): Promise<'end' | 'more' | Doubt> {
    const before = p.position
    const landmark = p.staleSinceMs === null ? null : p.landmark
    const from = landmark?.offset ?? before
    let answer: FetchAnswer
    let part: FetchedPartition
    try {
      const leader = await this.#cluster.leader(this.#topic, p.index, { signal: this.#stop.signal })
      const fetched = await this.#tail(leader).fetch(p.index, from, p.fetchBytes)
      answer = fetched.answer
      part = fetched.part
    } catch (error) {
      this.#stop.signal.throwIfAborted()
      if (isMillraceError(error) && error.disposition === 'retry') return { why: error.message, isStale: false }
      throw error
    }
    if (part.errorCode === KAFKA_ERROR.OFFSET_OUT_OF_RANGE)
      return { why: `offset ${from} is out of range`, isStale: true }
    if (part.errorCode !== 0) {
      const error = kafkaError(part.errorCode, `${this.#topic}-${p.index}@${from}`)
      if (!isRetriable(part.errorCode)) throw error
      return { why: error.message, isStale: false }
    }
    if (part.highWatermark < before)
      return { why: `the log ends at ${part.highWatermark}, below ${before}`, isStale: true }
    if (landmark !== null) this.#recognise(p, landmark, answer, part)
    const isEmpty = part.recordsStart === part.recordsEnd || (landmark !== null && part.highWatermark === before)
    if (!isEmpty) this.#apply(p, answer, part)
    if (!isEmpty) return 'more'
    // The answer was full before this partition's turn came.
    if (part.highWatermark !== before)
      return { why: `nothing of ${part.highWatermark - before} records came`, isStale: false }
    const acknowledged = this.#acknowledged(p.index)
    if (before <= acknowledged)
      return { why: `the log ends at ${before}, but ${acknowledged} was acknowledged`, isStale: true }
    return 'end'
  }

  /** Whether the log is the one we know: its leader may be another, or it was lost and has grown as long again. */
  #recognise(p: Partition, { offset, crc }: Landmark, answer: FetchAnswer, part: FetchedPartition): void {
    const tp = { topic: this.#topic, partition: p.index }
    let found: number | null = null
    try {
      const scan = scanBatches(tp, answer.payload, part.recordsStart, part.recordsEnd, offset)
      const chunk = { tp, bytes: answer.payload, start: part.recordsStart, end: scan.end, aborted: [] }
      const slice = new ChunkReader(chunk, offset).next()
      if (slice !== null && slice.count > 0 && offsetAt(slice, 0) === offset) found = crcOf(slice, 0)
    } catch (error) {
      this.#end(p, this.#lost(p, String(error), error))
    }
    if (found === crc) return
    const what = found === null ? 'is not there any more' : 'is another record than it was'
    this.#end(p, this.#lost(p, `the log was shorter than it had been, and offset ${offset} ${what}`))
  }

  #apply(p: Partition, answer: FetchAnswer, part: FetchedPartition): void {
    const tp = { topic: this.#topic, partition: p.index }
    try {
      const scan = scanBatches(tp, answer.payload, part.recordsStart, part.recordsEnd, p.position)
      if (scan.nextKafkaOffset === p.position) {
        p.fetchBytes = Math.min(FETCH_BYTES_MAX, p.fetchBytes * 2)
        return
      }
      p.fetchBytes = PARTITION_FETCH_BYTES
      const chunk = { tp, bytes: answer.payload, start: part.recordsStart, end: scan.end, aborted: [] }
      const reader = new ChunkReader(chunk, p.position)
      for (let slice = reader.next(); slice !== null; slice = reader.next()) {
        for (let i = 0; i < slice.count; i++) {
          const offset = offsetAt(slice, i)
          const { bytes, keyStart, keyEnd, valueStart, valueEnd, headersStart, headersEnd } = slice
          const headers = readHeaders(bytes, headersStart[i]!, headersEnd[i]!)
          const format = headers.find(h => h.key === FORMAT_HEADER)?.value?.toString()
          if (format === undefined || !this.#options.formats.includes(format) || keyStart[i] === -1)
            throw this.#foreign(p, offset, format)
          const key = bytes.toString('utf8', keyStart[i], keyEnd[i])
          const value = valueStart[i] === -1 ? null : bytes.toString('utf8', valueStart[i], valueEnd[i])
          this.#onRecord({ partition: p.index, offset, key, value })
        }
        p.position = slice.nextKafkaOffset
        const last = slice.count - 1
        if (last >= 0) p.landmark = { offset: offsetAt(slice, last), crc: crcOf(slice, last) }
      }
    } catch (error) {
      this.#end(p, isMillraceError(error) ? error : this.#lost(p, String(error), error))
    }
  }

  #end(p: Partition, failure: MillraceError): never {
    p.failure = failure
    this.#tell(p, failure)
    throw failure
  }

  #tell(p: Partition, failure: MillraceError): void {
    const fields = { err: failure, topic: this.#topic, partition: p.index }
    this.#cluster.deps.log.error(fields, 'The log cannot be followed.')
  }

  #tail(node: NodeId): NodeTail {
    const present = this.#tails.get(node)
    if (present) return present
    const tail = new NodeTail(this.#cluster, node, this.#topic, this.#stop.signal)
    this.#tails.set(node, tail)
    return tail
  }

  #lost(p: Partition, why: string, cause?: unknown): MillraceError {
    return new MillraceError('JOURNAL_LOST', 'failPartition', `${this.#topic}-${p.index}: ${why}.`, { cause })
  }

  #foreign(p: Partition, offset: bigint, format: string | undefined): MillraceError {
    const isNewer = format !== undefined && Number(format) > Math.max(...this.#options.formats.map(Number))
    const what = format === undefined ? `no ${FORMAT_HEADER} header` : `${FORMAT_HEADER} ${JSON.stringify(format)}`
    const why = isNewer ? 'a newer Millrace wrote it, so this worker is to be upgraded' : "the record is not Millrace's"
    return new MillraceError(
      'JOURNAL_TOPIC_UNSAFE',
      'failPartition',
      `${this.#topic}-${p.index}@${offset} has ${what}: ${why}. The topic is not written to.`,
    )
  }
}

const offsetAt = (slice: RecordSlice, i: number): bigint => slice.startKafkaOffset + BigInt(slice.offsetDelta[i]!)

/** Of key, value and time, which a compaction that writes the batch anew leaves as they are. */
function crcOf({ bytes, keyStart, keyEnd, valueStart, valueEnd, timestampMs }: RecordSlice, i: number): number {
  const value = valueStart[i] === -1 ? [] : [bytes.subarray(valueStart[i], valueEnd[i])]
  const head = Buffer.from(`${timestampMs[i]}/${value.length}/`)
  const all = Buffer.concat([head, bytes.subarray(keyStart[i], keyEnd[i]), ...value])
  return crc32c(all, 0, all.length)
}

type Wanted = {
  readonly partition: number
  readonly position: bigint
  readonly maxBytes: number
  readonly resolve: (fetched: { answer: FetchAnswer; part: FetchedPartition }) => void
  readonly reject: (error: unknown) => void
}

/** Gathers the fetches that many partitions want from one broker: one request at a time, each takes all that wait. */
class NodeTail {
  readonly #cluster: Cluster
  readonly #node: NodeId
  readonly #topic: string
  readonly #signal: AbortSignal
  #waiting: Wanted[] = []
  #isBusy = false

  constructor(cluster: Cluster, node: NodeId, topic: string, signal: AbortSignal) {
    this.#cluster = cluster
    this.#node = node
    this.#topic = topic
    this.#signal = signal
  }

  fetch(
    partition: number,
    position: bigint,
    maxBytes: number,
  ): Promise<{ answer: FetchAnswer; part: FetchedPartition }> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ partition, position, maxBytes, resolve, reject })
      if (!this.#isBusy) void this.#pump()
    })
  }

  async #pump(): Promise<void> {
    this.#isBusy = true
    await Promise.resolve() // everything asked for in this turn goes together
    while (this.#waiting.length > 0) {
      const wanted = this.#waiting
      this.#waiting = []
      try {
        const answer = await this.#ask(wanted)
        for (const want of wanted) {
          const part = answer.partitions.find(x => x.topic === this.#topic && x.partition === want.partition)
          if (part) want.resolve({ answer, part })
          else
            want.reject(
              kafkaError(KAFKA_ERROR.NETWORK_EXCEPTION, `${this.#topic}-${want.partition} is not in the answer`),
            )
        }
      } catch (error) {
        for (const want of wanted) want.reject(error)
      }
    }
    this.#isBusy = false
  }

  async #ask(wanted: readonly Wanted[]): Promise<FetchAnswer> {
    const partitions = wanted.map(w => ({ ...w, topic: this.#topic }))
    const request = fetchRequest({
      maxWaitMs: 0,
      maxBytes: REQUEST_BYTES,
      isolation: ISOLATION.READ_UNCOMMITTED,
      partitions,
    })
    const answer = await this.#cluster.send(this.#node, 'tail', request, {
      signal: this.#signal,
      timeoutMs: FETCH_TIMEOUT_MS,
    })
    if (answer.errorCode !== 0) throw kafkaError(answer.errorCode, `Fetch from broker ${this.#node}`)
    return answer
  }
}
