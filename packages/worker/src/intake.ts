// The incoming half of a partition: fetched slices become closed batches, as far as there is room. Knows the log's continuity and
// that it is still the same log; knows nothing of claims, lanes or the journal.
import { RowBuffer } from '@millrace/convert'
import {
  assert,
  assertNever,
  type Clock,
  type FetchTrouble,
  type Fingerprint,
  type FrozenRows,
  formatTopicPartition,
  type IntervalSet,
  isMillraceError,
  type KafkaOffset,
  LOST_RANGES_MAX,
  type Logger,
  type MillraceError,
  type OffsetRange,
  type PartitionReader,
  type PartitionStage,
  type Progress,
  type Random,
  type RecordSlice,
  type RecordSource,
  rangeOf,
  type Timers,
  type TopicPartition,
  union,
  unsettled,
} from '@millrace/core'
import { BatchBuilder, type BatchLimits, type ClosedBatch, type ErrorPolicy } from './batch-builder.ts'
import type { ByteBudget } from './byte-budget.ts'
import type { Destination, OpenTable } from './destination.ts'
import {
  type HeldRange,
  type LostOffsetsHost,
  logCutOff,
  logMoved,
  lostBelow,
  offsetsLost,
  recordDiffers,
} from './lost-offsets.ts'
import { fingerprintOf, offsetOf } from './record-place.ts'
import { untilDefinitive } from './retry.ts'
import type { Waits } from './waits.ts'

/** About 10 ms of conversion: others on the event loop get their turn. */
const TURN_BYTES_MAX = 1024 * 1024
const OPEN_RETRY_MAX_MS = 30_000
/** A new leader may state an end too low for a moment; asked again this often before it counts. */
const LOW_END_ASKED_MAX = 3
const LOW_END_PAUSE_MS = 1_000

export type IntakeDeps = {
  readonly tp: TopicPartition
  readonly source: RecordSource
  readonly lostOffsets: LostOffsetsHost
  readonly destination: Destination
  readonly policy: ErrorPolicy
  /** A record becomes a dead letter or a drop by the error policy: what `errors.log.enable` logs. */
  readonly noteBadRecord: (error: MillraceError) => void
  readonly limits: BatchLimits
  readonly lingerMs: number
  /** Config generation that converts. */
  readonly generation: number
  readonly budget: ByteBudget
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
}

/** What the intake asks of its partition; called from the partition's loop only, except `post`. */
export interface IntakeHost {
  /** Puts the event into the partition's mailbox. */
  post(event: IntakeEvent): void
  /** Whether a batch could be delivered now, one without rows included; null: only one without rows. */
  hasRoom(table: OpenTable | null): boolean
  deliver(table: OpenTable | null, batch: ClosedBatch): void
  /** Nothing more comes in; all that came before is delivered first. */
  failed(error: unknown): void
  readonly waits: Waits
}

export type IntakeEvent =
  | { readonly kind: 'slices'; readonly slices: readonly RecordSlice[] }
  | { readonly kind: 'opened'; readonly table: OpenTable | null }
  | { readonly kind: 'linger' }
  /** These were deleted before they were delivered, and offset.lost.policy says to go on behind them. */
  | { readonly kind: 'lost'; readonly range: OffsetRange }
  /** The log reaches as far as it was settled: it is read again from where we are. */
  | { readonly kind: 'intact' }
  | { readonly kind: 'room' }
  | { readonly kind: 'turn' }

export class Intake {
  readonly #deps: IntakeDeps
  readonly #host: IntakeHost
  readonly #signal: AbortSignal
  /** What was settled when the partition was claimed: passed over where the log holds it again. */
  readonly #recovered: Progress
  /** One past the last offset that was settled then. */
  readonly #reach: KafkaOffset
  readonly #rows: RowBuffer
  #reader: PartitionReader
  /** The record to find again; null once that is done. */
  #verify: Fingerprint | null
  /** Where the next slice must begin. */
  #position: KafkaOffset
  #table: OpenTable | null = null
  #pending: RecordSlice[] = []
  /** Next record of the first pending slice, and where its batch begins if it is not the first of it. */
  #pendingIndex = 0
  #midSlice: KafkaOffset | null = null
  #builder: BatchBuilder | null = null
  #batchIds = 0
  #busy: 'reading' | 'opening' | 'judging' | null = null
  /** To be skipped once there is room for the batch that says so. */
  #lost: OffsetRange | null = null
  /** Of this claim and those before it. */
  #allLost: IntervalSet
  #lingering = false
  #waitingForTurn = false
  /** Takes us out of the budget's queue. */
  #stopWaitingForRoom: (() => void) | null = null
  #isStopped = false
  #hasRead = false

  /** Begins at the last settled record, to see that the topic still holds the same log. */
  constructor(recovered: Progress, deps: IntakeDeps, host: IntakeHost, { signal }: { signal: AbortSignal }) {
    this.#deps = deps
    this.#host = host
    this.#signal = signal
    this.#recovered = recovered
    this.#rows = new RowBuffer(0, deps.budget.rowBuffers)
    const { fingerprint, frontier, lost } = recovered
    this.#allLost = lost ?? []
    this.#verify = fingerprint
    this.#reach = recovered.beyond.at(-1)?.to ?? frontier
    this.#position = fingerprint?.kafkaOffset ?? frontier
    this.#reader = deps.source.open(deps.tp, this.#position)
  }

  get endKafkaOffset(): KafkaOffset | null {
    return this.#reader.endKafkaOffset
  }
  /** What it is at. */
  get stage(): PartitionStage {
    if (this.#busy === 'opening') return 'openingTable'
    if (this.#pending.length > 0) return 'converting'
    return this.#stopWaitingForRoom === null ? 'reading' : 'waitingForMemory'
  }
  /** Why it is not fetched, while it is not. */
  get trouble(): FetchTrouble | null {
    return this.#busy === 'reading' ? this.#reader.trouble : null
  }
  /** Whether a record came since this was asked last. */
  takeHasRead(): boolean {
    const hasRead = this.#hasRead
    this.#hasRead = false
    return hasRead
  }

  /** Drops what is not delivered yet; it is fetched again by whoever comes next. Idempotent. */
  stop(): void {
    this.#isStopped = true
    this.#reader.close()
    this.#stopWaitingForRoom?.()
    this.#stopWaitingForRoom = null
    this.#pending = []
    this.#builder = null
  }

  /** The batch is settled: its buffer is used again. */
  recycle({ rows }: ClosedBatch): void {
    this.#rows.recycle(rows.bytes)
  }

  take(event: IntakeEvent): void {
    if (this.#isStopped) return
    switch (event.kind) {
      case 'slices':
        if (this.#busy !== 'reading') return // the log is judged, or was: it is read again from where we are
        this.#busy = null
        if (this.#endsTooEarly()) return this.#judge(async held => this.#judgeEnd(held))
        if (this.#verify !== null && this.#verify.kafkaOffset >= this.#recovered.frontier)
          return this.#lookAhead(event.slices, this.#verify)
        this.#pending.push(...event.slices)
        this.#hasRead ||= event.slices.some(slice => slice.count > 0)
        return
      case 'opened':
        this.#busy = null
        this.#table = event.table
        if (event.table === null) this.#dropPending()
        return
      case 'lost':
        this.#busy = null
        this.#lost = event.range
        return
      case 'intact':
        this.#busy = null
        this.#reopen(this.#position)
        return
      case 'linger':
        this.#lingering = false
        if (this.#table !== null && this.#host.hasRoom(this.#table)) this.#closeBatch()
        return
      case 'turn':
        this.#waitingForTurn = false
        return
      case 'room':
        this.#stopWaitingForRoom = null
        this.#host.waits.off('memory')
        return
      default:
        return assertNever(event)
    }
  }

  /** Converts what is here, then reads on, as far as there is room. */
  goOn(): void {
    if (this.#isStopped) return
    if (this.#lost !== null && !this.#skip(this.#lost)) return
    if (this.#pending.length > 0 && this.#table === null && this.#busy === null && this.#host.hasRoom(null))
      this.#openTable()
    if (this.#table !== null && !this.#waitingForTurn) this.#convert(this.#table)
    if (this.#pending.length === 0 && this.#busy === null && !this.#isStopped) this.#read()
    if (this.#builder !== null && !this.#lingering) this.#startLinger()
  }

  // ── reading ──

  #read(): void {
    if (!this.#deps.budget.hasRoom()) {
      this.#host.waits.on('memory', 'WAITING_FOR_MEMORY', 'worker.memory.budget is used up by batches on their way.')
      this.#stopWaitingForRoom ??= this.#deps.budget.whenRoom(() => this.#host.post({ kind: 'room' }))
      return
    }
    this.#busy = 'reading'
    const reader = this.#reader
    const isCurrent = (): boolean => !this.#isStopped && this.#reader === reader && this.#busy === 'reading'
    reader.read({ signal: this.#signal }).then(
      slices => isCurrent() && this.#host.post({ kind: 'slices', slices }),
      error => {
        if (!isCurrent()) return // the reader was closed
        if (!isLost(error)) this.#host.failed(error)
        else if (this.#verify !== null) this.#readFromFrontier()
        else this.#judge(async held => this.#judgeOutOfRange(held))
      },
    )
  }

  /** The log no longer holds the verified record: that alone is not a change of the source. */
  #readFromFrontier(): void {
    this.#beginAtFrontier()
    this.#host.post({ kind: 'slices', slices: [] })
  }
  #beginAtFrontier(): void {
    this.#verify = null
    this.#reopen(this.#recovered.frontier)
  }
  #reopen(position: KafkaOffset): void {
    this.#reader.close()
    this.#position = position
    this.#reader = this.#deps.source.open(this.#deps.tp, position)
  }

  // ── whether it is still the same log ──

  /** Now and then, for a log that ends so low that nothing comes any more. */
  look(): void {
    if (this.#busy === 'reading' && this.#endsTooEarly()) this.#judge(async held => this.#judgeEnd(held))
  }
  /** While settled offsets are read again: below them a log that was cut off would grow records that nobody delivers. */
  #endsTooEarly(): boolean {
    const end = this.#reader.endKafkaOffset
    return this.#position < this.#reach && end !== null && end < this.#reach
  }

  /** Asks what the log holds now; nothing is converted meanwhile. What `judge` throws is what the partition fails of. */
  #judge(judge: (held: HeldRange) => Promise<void>): void {
    if (this.#busy === 'judging') return
    this.#busy = 'judging'
    const ended = (): boolean => this.#isStopped || this.#signal.aborted
    this.#heldRange()
      .then(judge)
      .catch(error => !ended() && this.#host.failed(error))
  }
  async #heldRange(): Promise<HeldRange> {
    const { tp, source } = this.#deps
    const signal = this.#signal
    const ask = async (at: 'earliest' | 'latest'): Promise<KafkaOffset> => {
      const [offset] = (await source.offsets([tp], at, { signal })).values()
      assert(offset !== undefined, 'An offset that was asked for is answered.')
      return offset
    }
    const both = async (): Promise<HeldRange> => ({ start: await ask('earliest'), end: await ask('latest') })
    return await untilDefinitive(both, { ...this.#deps, ...this.#host.waits.retrying('range') }, { signal })
  }

  #judgeOutOfRange(held: HeldRange): void {
    const { tp, lostOffsets } = this.#deps
    const position = this.#position
    const range = lostBelow(position, held)
    if (range === null) throw position > held.end ? logCutOff(tp, position, held) : logMoved(tp, position, held)
    if (lostOffsets.policy === 'fail') throw offsetsLost(tp, range)
    if (union(this.#allLost, [range]).length > LOST_RANGES_MAX) throw offsetsLost(tp, range, TOO_MANY_LOST)
    this.#host.post({ kind: 'lost', range })
  }

  async #judgeEnd(first: HeldRange): Promise<void> {
    let held = first
    for (let asked = 1; held.end < this.#reach; asked++) {
      if (asked === LOW_END_ASKED_MAX) throw logCutOff(this.#deps.tp, this.#reach, held)
      await this.#deps.timers.sleep(LOW_END_PAUSE_MS, { signal: this.#signal })
      held = await this.#heldRange()
    }
    this.#host.post({ kind: 'intact' })
  }

  /** Logged like a drop, in a batch of its own, behind everything that came before. Whether it is. */
  #skip(range: OffsetRange): boolean {
    if (this.#builder !== null) {
      if (this.#table === null || !this.#host.hasRoom(this.#table)) return false
      this.#closeBatch()
    }
    if (!this.#host.hasRoom(null)) return false
    this.#lost = null
    const lost = unsettled(this.#recovered, [range])
    const { generation } = this.#deps
    if (lost.length > 0) {
      const batch = dropBatch(++this.#batchIds, lost, 0, generation)
      this.#host.deliver(null, { ...batch, batch: { ...batch.batch, lost } })
      this.#allLost = union(this.#allLost, lost)
    }
    this.#reopen(range.to)
    return true
  }

  /** `Contiguous`: a slice begins exactly where the last one ended. Whether the log is the one we knew. */
  #accept(slice: RecordSlice): boolean {
    const { tp } = this.#deps
    assert(
      slice.startKafkaOffset === this.#position,
      `${formatTopicPartition(tp)}: a slice begins at ${slice.startKafkaOffset}, not ${this.#position}.`,
    )
    const expected = this.#verify
    if (expected === null || slice.nextKafkaOffset <= expected.kafkaOffset) return true
    if (!isSameLog(slice, expected)) {
      this.#failByRecord(expected)
      return false
    }
    this.#verify = null
    return true
  }

  /** The record lies above what is to be delivered next: what came with it is read again once it was found. */
  #lookAhead(slices: readonly RecordSlice[], expected: Fingerprint): void {
    if (!slices.every(slice => isSameLog(slice, expected))) return this.#failByRecord(expected)
    if (slices.some(slice => slice.nextKafkaOffset > expected.kafkaOffset)) this.#beginAtFrontier()
  }

  #failByRecord({ kafkaOffset }: Fingerprint): void {
    this.#pending = []
    this.#judge(async held => {
      throw recordDiffers(this.#deps.tp, kafkaOffset, this.#reach, held)
    })
  }

  // ── the table ──

  #openTable(): void {
    this.#busy = 'opening'
    const slices = this.#pending
    const signal = this.#signal
    const open = () => this.#deps.destination.open(this.#deps.tp.topic, slices, { signal })
    const retry = { ...this.#deps, ...this.#host.waits.retrying('table') }
    untilDefinitive(open, retry, { signal, maxMs: OPEN_RETRY_MAX_MS }).then(
      table => this.#host.post({ kind: 'opened', table }),
      error => this.#host.failed(error),
    )
  }

  /** Slices without any record a table could be created from: tombstones and gaps. They are drops. */
  #dropPending(): void {
    const slices = this.#pending
    const last = slices.at(-1)
    assert(last !== undefined, 'Only slices that are there are dropped.')
    const drop = rangeOf(this.#position, last.nextKafkaOffset)
    this.#pending = []
    this.#position = last.nextKafkaOffset
    if (drop.length === 0) return
    const dropCount = slices.reduce((sum, slice) => sum + slice.count, 0)
    this.#host.deliver(null, dropBatch(++this.#batchIds, drop, dropCount, this.#deps.generation))
  }

  // ── converting ──

  /** In turns of about a MiB, so that nothing holds the event loop for long. */
  #convert(table: OpenTable): void {
    let turnBytes = 0
    while (this.#pending.length > 0) {
      const slice = this.#pending[0]
      assert(slice !== undefined, 'There is a slice.')
      if (!this.#host.hasRoom(table)) return
      if (turnBytes > TURN_BYTES_MAX) return this.#takeTurns()
      turnBytes += slice.bytes.length
      try {
        this.#convertSlice(table, slice)
      } catch (error) {
        return this.#host.failed(error)
      }
    }
  }

  /** Until the slice ends or the batch is full. Throws what is wrong with the source or, by the error policy, with a record. */
  #convertSlice(table: OpenTable, slice: RecordSlice): void {
    if (this.#pendingIndex === 0 && !this.#accept(slice)) return
    this.#builder ??= this.#newBuilder(table)
    const result = this.#builder.add(slice, this.#pendingIndex, this.#alreadySettled(slice))
    if (result.kind === 'sliceDone') {
      this.#position = slice.nextKafkaOffset
      this.#pending.shift()
      this.#pendingIndex = 0
      this.#midSlice = null
      if (this.#builder.isEmpty) this.#builder = null
      return
    }
    this.#pendingIndex = result.next
    this.#midSlice = this.#builder.position
    this.#closeBatch()
    if (result.kind === 'bad') throw result.error
  }

  #takeTurns(): void {
    this.#waitingForTurn = true
    this.#later(0, { kind: 'turn' })
  }
  #startLinger(): void {
    this.#lingering = true
    this.#later(this.#deps.lingerMs, { kind: 'linger' })
  }
  #later(ms: number, event: IntakeEvent): void {
    this.#deps.timers.sleep(ms, { signal: this.#signal }).then(
      () => this.#host.post(event),
      () => {}, // the claim is over
    )
  }

  #newBuilder({ converter }: OpenTable): BatchBuilder {
    const { tp, limits, policy, generation, clock, noteBadRecord } = this.#deps
    const base = this.#midSlice ?? this.#position
    return new BatchBuilder({
      tp,
      converter,
      limits,
      policy,
      generation,
      base,
      nowMs: clock.nowMs(),
      rows: this.#rows,
      onBadRecord: noteBadRecord,
    })
  }

  /** While records of the slice may be settled already (after a takeover); null on the hot path. */
  #alreadySettled(slice: RecordSlice): Progress | null {
    return slice.startKafkaOffset < this.#reach ? this.#recovered : null
  }

  #closeBatch(): void {
    const builder = this.#builder
    this.#builder = null
    if (builder === null || builder.isEmpty) return
    this.#host.deliver(this.#table, builder.close(++this.#batchIds))
  }
}

/** Compacted away or absent is not different; a record that differs is. */
function isSameLog(slice: RecordSlice, expected: Fingerprint): boolean {
  for (let i = 0; i < slice.count; i++) {
    if (offsetOf(slice, i) !== expected.kafkaOffset) continue
    const found = fingerprintOf(slice, i)
    return found.crc === expected.crc && found.timestampMs === expected.timestampMs
  }
  return true
}

const NO_ROWS: FrozenRows = { bytes: Buffer.alloc(0), start: 0, end: 0, rowCount: 0 }

function dropBatch(id: number, drop: IntervalSet, dropCount: number, generation: number): ClosedBatch {
  return {
    batch: { id, rowCount: 0, rows: [], dead: [], drop, generation, fingerprint: null },
    rows: NO_ROWS,
    rowOffsets: new Float64Array(0),
    base: drop[0]?.from ?? (0n as KafkaOffset),
    slices: [],
    letters: [],
    dropCount,
    byteCount: 0,
  }
}

const TOO_MANY_LOST = ` ${LOST_RANGES_MAX} ranges are noted as lost already: no more are skipped until the position is set anew.`

const isLost = (error: unknown): boolean => isMillraceError(error) && error.code === 'SOURCE_OFFSET_LOST'
