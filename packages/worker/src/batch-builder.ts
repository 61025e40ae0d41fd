// Converts records into one frozen batch: rows as wire bytes, and for every Kafka offset exactly one outcome.

import type { RowBuffer } from '@millrace/convert'
import {
  assert,
  type Batch,
  type DeadLetter,
  type Fingerprint,
  type FrozenRows,
  isSettled,
  type KafkaOffset,
  kafkaOffset,
  MillraceError,
  type Progress,
  type RecordSlice,
  rangeOf,
  type TopicPartition,
  unsettled,
} from '@millrace/core'
import { deadLetterOf } from './dead-letter.ts'
import type { RecordConverter } from './destination.ts'
import { DEAD, DROP, OffsetRuns, ROW, RUNS_MAX } from './offset-runs.ts'
import { fingerprintOf, offsetOf } from './record-place.ts'

export type BatchLimits = { readonly bytesMax: number; readonly rowsMax: number; readonly rowBytesMax: number }

/** What to do with a record that does not convert: Connect's errors.tolerance with or without a dead letter queue. */
export type ErrorPolicy = 'fail' | 'deadLetter' | 'drop'

export type ClosedBatch = {
  readonly batch: Batch
  readonly rows: FrozenRows
  /** Kafka offset of each row relative to `base`: to find the record behind a row error. */
  readonly rowOffsets: Float64Array
  readonly base: KafkaOffset
  /** The records the batch came from; kept until it is settled, for row errors. */
  readonly slices: readonly RecordSlice[]
  readonly letters: readonly DeadLetter[]
  /** Records dropped on purpose; gaps of the log are none. */
  readonly dropCount: number
  readonly byteCount: number
}

/** Why `add` stopped before the end of the slice. */
export type AddResult =
  | { readonly kind: 'sliceDone' }
  | { readonly kind: 'full'; readonly next: number }
  | { readonly kind: 'bad'; readonly next: number; readonly error: MillraceError }

const ROW_OFFSETS_INITIAL = 1024

export class BatchBuilder {
  readonly #tp: TopicPartition
  readonly #converter: RecordConverter
  readonly #limits: BatchLimits
  readonly #policy: ErrorPolicy
  readonly #generation: number
  readonly #begunAtMs: number
  readonly #runs: OffsetRuns
  readonly #rows: RowBuffer
  readonly #onBadRecord: (error: MillraceError) => void
  #rowOffsets: Float64Array<ArrayBuffer>
  readonly #slices: RecordSlice[] = []
  readonly #letters: DeadLetter[] = []
  #lastSlice: RecordSlice | null = null
  #lastIndex = -1
  #dropCount = 0

  constructor(options: {
    readonly tp: TopicPartition
    readonly converter: RecordConverter
    readonly limits: BatchLimits
    readonly policy: ErrorPolicy
    readonly generation: number
    readonly base: KafkaOffset
    /** By the wall clock: the insert time of its rows. */
    readonly nowMs: number
    /** Of the lane; its buffers are recycled when a batch is settled. */
    readonly rows: RowBuffer
    /** A record that becomes a dead letter or a drop: errors.log.enable logs it. */
    readonly onBadRecord: (error: MillraceError) => void
  }) {
    this.#tp = options.tp
    this.#converter = options.converter
    this.#limits = options.limits
    this.#policy = options.policy
    this.#generation = options.generation
    this.#begunAtMs = options.nowMs
    this.#runs = new OffsetRuns(options.base)
    this.#rows = options.rows
    this.#onBadRecord = options.onBadRecord
    this.#rowOffsets = new Float64Array(Math.min(ROW_OFFSETS_INITIAL, options.limits.rowsMax))
  }

  get isEmpty(): boolean {
    return this.#runs.isEmpty
  }
  /** Where the next batch begins. */
  get position(): KafkaOffset {
    return this.#runs.position
  }

  /** Converts records of the slice from index `first` on, until it ends, the batch is full, or one is bad. */
  add(slice: RecordSlice, first: number, settled: Progress | null): AddResult {
    const { offsetDelta, valueStart, valueEnd, bytes, count } = slice
    const { bytesMax, rowsMax, rowBytesMax } = this.#limits
    const runs = this.#runs
    const rows = this.#rows
    const converter = this.#converter
    const { origin } = converter
    const sliceBase = runs.relative(slice.startKafkaOffset)
    if (this.#lastSlice !== slice) this.#slices.push(slice)
    for (let i = first; i < count; i++) {
      if (rows.rowCount >= rowsMax || rows.byteLength >= bytesMax || runs.runCount >= RUNS_MAX)
        return { kind: 'full', next: i }
      const relative = sliceBase + (offsetDelta[i] as number)
      if (settled !== null) {
        this.#passGap(settled, relative)
        if (isSettled(settled, runs.position)) {
          runs.skipTo(relative + 1)
          continue
        }
      }
      this.#lastSlice = slice
      this.#lastIndex = i
      const start = valueStart[i] as number
      if (start < 0 || !converter.keeps(slice, i)) {
        this.#drop(relative)
        continue
      }
      const end = rows.end
      let length = converter.encode(bytes, start, valueEnd[i] as number, rows)
      if (length >= 0 && origin !== null) {
        const { partition } = this.#tp
        length = origin.append(rows, length, partition, runs.base + BigInt(relative), this.#begunAtMs)
      }
      if (length > rowBytesMax) {
        takeBack(rows, end)
      } else if (length >= 0 && rows.rowCount > 1 && rows.byteLength > rowBytesMax) {
        takeBack(rows, end) // one request could not hold it with those before it
        return { kind: 'full', next: i }
      } else if (length >= 0) {
        this.#noteRow(rows.rowCount - 1, relative)
        runs.cover(ROW, relative)
        continue
      } else if (converter.isTombstone) {
        this.#drop(relative)
        continue
      }
      const stage = length > rowBytesMax ? 'TASK_PUT' : converter.lastError.stage
      const error =
        length > rowBytesMax ? this.#tooLarge(slice, i, length, rowBytesMax) : this.#notConvertible(slice, i)
      if (this.#policy === 'fail') return { kind: 'bad', next: i, error }
      this.#onBadRecord(error)
      if (this.#policy === 'drop') {
        this.#drop(relative)
        continue
      }
      this.#letters.push(deadLetterOf(this.#tp, slice, i, stage, error))
      runs.cover(DEAD, relative)
    }
    const end = runs.relative(slice.nextKafkaOffset)
    if (settled !== null) this.#passGap(settled, end)
    runs.coverGap(end)
    return { kind: 'sliceDone' }
  }

  close(id: number): ClosedBatch {
    const runs = this.#runs
    assert(!runs.isEmpty, 'An empty batch is not closed.')
    const rows = this.#rows.freeze()
    const byteCount = rows.end - rows.start + this.#slices.reduce((sum, s) => sum + s.bytes.length, 0)
    return {
      batch: {
        id,
        rowCount: rows.rowCount,
        rows: runs.intervals(ROW),
        dead: runs.intervals(DEAD),
        drop: runs.intervals(DROP),
        generation: this.#generation,
        fingerprint: this.#fingerprint(),
      },
      rows,
      rowOffsets: this.#rowOffsets.subarray(0, rows.rowCount),
      base: runs.base,
      slices: this.#slices,
      letters: this.#letters,
      dropCount: this.#dropCount,
      byteCount,
    }
  }

  /**
   * Of a gap of the log only what is not settled yet is covered, which nobody else would ever settle: what an earlier claim
   * decided, of a record that compaction took meanwhile too, must not stand here as its neighbour's outcome.
   */
  #passGap(settled: Progress, relative: number): void {
    const runs = this.#runs
    if (relative <= runs.relative(runs.position)) return
    const gap = rangeOf(runs.position, kafkaOffset(runs.base + BigInt(relative)))
    for (const { from, to } of unsettled(settled, gap)) {
      runs.skipTo(runs.relative(from))
      runs.coverGap(runs.relative(to))
    }
    runs.skipTo(relative)
  }

  #drop(relativeOffset: number): void {
    this.#runs.cover(DROP, relativeOffset)
    this.#dropCount++
  }

  #noteRow(index: number, relativeOffset: number): void {
    if (index >= this.#rowOffsets.length) {
      const grown = new Float64Array(this.#rowOffsets.length * 2)
      grown.set(this.#rowOffsets)
      this.#rowOffsets = grown
    }
    this.#rowOffsets[index] = relativeOffset
  }

  #fingerprint(): Fingerprint | null {
    return this.#lastSlice === null ? null : fingerprintOf(this.#lastSlice, this.#lastIndex)
  }

  #notConvertible(slice: RecordSlice, i: number): MillraceError {
    const { message } = this.#converter.lastError
    return new MillraceError('RECORD_NOT_CONVERTIBLE', 'badRecord', `${this.#place(slice, i)}: ${message}`)
  }
  #tooLarge(slice: RecordSlice, i: number, length: number, limit: number): MillraceError {
    return new MillraceError(
      'RECORD_TOO_LARGE',
      'badRecord',
      `${this.#place(slice, i)}: its row has ${length} bytes; the limit is ${limit}.`,
    )
  }
  #place(slice: RecordSlice, i: number): string {
    return `${this.#tp.topic}-${this.#tp.partition}@${offsetOf(slice, i)}`
  }
}

/** The row just encoded, which began at `end`. */
function takeBack(rows: RowBuffer, end: number): void {
  rows.end = end
  rows.rowCount--
}
