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
  type IntervalSet,
  isMillraceError,
  type KafkaOffset,
  type Logger,
  MillraceError,
  type PartitionReader,
  type PartitionStage,
  type Progress,
  type Random,
  type RecordSlice,
  type RecordSource,
  rangeOf,
  type Timers,
  type TopicPartition,
} from '@millrace/core'
import { BatchBuilder, type BatchLimits, type ClosedBatch, type ErrorPolicy } from './batch-builder.ts'
import type { ByteBudget } from './byte-budget.ts'
import type { Destination, OpenTable } from './destination.ts'
import { fingerprintOf, offsetOf } from './record-place.ts'
import { untilDefinitive } from './retry.ts'
import type { Waits } from './waits.ts'

/** About 10 ms of conversion: others on the event loop get their turn. */
const TURN_BYTES_MAX = 1024 * 1024
const OPEN_RETRY_MAX_MS = 30_000
/** A batch closes behind the row that fills it; a larger one makes its buffer grow. */
const LAST_ROW_BYTES = 4 * 1024
const ROW_BUFFER_BYTES_MAX = 2 * 1024 * 1024 + LAST_ROW_BYTES

export type IntakeDeps = {
  readonly tp: TopicPartition
  readonly source: RecordSource
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
  | { readonly kind: 'room' }
  | { readonly kind: 'turn' }

export class Intake {
  readonly #deps: IntakeDeps
  readonly #host: IntakeHost
  readonly #signal: AbortSignal
  /** What was settled when the partition was claimed: passed over where the log holds it again. */
  readonly #recovered: Progress
  readonly #rows: RowBuffer
  #reader: PartitionReader
  /** The record to find again; null once that is done. */
  #verify: Fingerprint | null
  /** Where the next slice must begin. */
  #position: KafkaOffset
  #table: OpenTable | null = null
  #pending: RecordSlice[] = []
  /** Next record of the first pending slice. */
  #pendingIndex = 0
  #builder: BatchBuilder | null = null
  #batchIds = 0
  #busy: 'reading' | 'opening' | null = null
  #lingering = false
  #waitingForTurn = false
  /** Takes us out of the budget's queue. */
  #stopWaitingForRoom: (() => void) | null = null
  #isStopped = false
  #hasRead = false

  /** Begins at the last settled record, to see that the topic still holds the same log; else at the frontier. */
  constructor(recovered: Progress, deps: IntakeDeps, host: IntakeHost, { signal }: { signal: AbortSignal }) {
    this.#deps = deps
    this.#host = host
    this.#signal = signal
    this.#recovered = recovered
    this.#rows = new RowBuffer(Math.min(ROW_BUFFER_BYTES_MAX, deps.limits.bytesMax + LAST_ROW_BYTES))
    const { fingerprint, frontier } = recovered
    this.#verify = fingerprint !== null && fingerprint.kafkaOffset < frontier ? fingerprint : null
    this.#position = this.#verify?.kafkaOffset ?? frontier
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
        this.#busy = null
        this.#pending.push(...event.slices)
        this.#hasRead ||= event.slices.some(slice => slice.count > 0)
        return
      case 'opened':
        this.#busy = null
        this.#table = event.table
        if (event.table === null) this.#dropPending()
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
    this.#reader.read({ signal: this.#signal }).then(
      slices => this.#host.post({ kind: 'slices', slices }),
      error => {
        if (this.#isStopped) return // the reader was closed
        if (this.#verify !== null && isLost(error)) this.#readFromFrontier()
        else this.#host.failed(error)
      },
    )
  }

  /** The log no longer holds the verified record: that alone is not a change of the source. */
  #readFromFrontier(): void {
    this.#reader.close()
    this.#verify = null
    this.#position = this.#recovered.frontier
    this.#reader = this.#deps.source.open(this.#deps.tp, this.#position)
    this.#host.post({ kind: 'slices', slices: [] })
  }

  /** `Contiguous`: a slice begins exactly where the last one ended. And the log is the one we knew. */
  #accept(slice: RecordSlice): void {
    const { topic, partition } = this.#deps.tp
    assert(
      slice.startKafkaOffset === this.#position,
      `${topic}-${partition}: a slice begins at ${slice.startKafkaOffset}, not ${this.#position}.`,
    )
    const expected = this.#verify
    if (expected === null || slice.nextKafkaOffset <= expected.kafkaOffset) return
    this.#verify = null
    if (!isSameLog(slice, expected))
      throw new MillraceError(
        'SOURCE_CHANGED',
        'failPartition',
        `${topic}-${partition}@${expected.kafkaOffset} is not the record it was: the topic was re-created or truncated.`,
      )
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
    if (this.#pendingIndex === 0) this.#accept(slice)
    this.#builder ??= this.#newBuilder(table, slice)
    const result = this.#builder.add(slice, this.#pendingIndex, this.#alreadySettled(slice))
    if (result.kind === 'sliceDone') {
      this.#position = slice.nextKafkaOffset
      this.#pending.shift()
      this.#pendingIndex = 0
      if (this.#builder.isEmpty) this.#builder = null
      return
    }
    this.#pendingIndex = result.next
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

  #newBuilder({ converter }: OpenTable, slice: RecordSlice): BatchBuilder {
    const { tp, limits, policy, generation, clock, noteBadRecord } = this.#deps
    const base =
      this.#pendingIndex === 0 ? this.#position : ((offsetOf(slice, this.#pendingIndex - 1) + 1n) as KafkaOffset)
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
    const end = this.#recovered.beyond.at(-1)?.to ?? this.#recovered.frontier
    return slice.startKafkaOffset < end ? this.#recovered : null
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

const isLost = (error: unknown): boolean => isMillraceError(error) && error.code === 'SOURCE_OFFSET_LOST'
