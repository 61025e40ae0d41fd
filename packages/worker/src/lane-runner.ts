// Performs the effects of one lane. The partition's loop feeds it events; whatever comes back arrives there as an event again.

import { removeRows } from '@millrace/convert'
import {
  type AppendConnection,
  type AppendListener,
  assert,
  assertLaneInvariants,
  assertNever,
  type Batch,
  type Clock,
  type DeadLetter,
  type Doubt,
  type ErrorCode,
  type Fingerprint,
  type FrozenRows,
  hasRoom,
  type IntervalSet,
  intentWindow,
  isHead,
  isMillraceError,
  type JournalLog,
  type JournalRecord,
  type KeySpace,
  type LaneEffect,
  type LaneEvent,
  type LaneState,
  type Logger,
  MillraceError,
  newLane,
  type Ownership,
  offsetSetOf,
  type PartitionStage,
  type Progress,
  type Random,
  type StreamName,
  type StreamPermits,
  stepLane,
  subtract,
  type TableName,
  type Timers,
  union,
  type WriterSchema,
  type WriteStreams,
} from '@millrace/core'
import type { ClosedBatch, ErrorPolicy } from './batch-builder.ts'
import { deadLetterOf } from './dead-letter.ts'
import type { LostOffsetsHost } from './lost-offsets.ts'
import { indexOf } from './record-place.ts'
import { untilDefinitive } from './retry.ts'
import type { Waits } from './waits.ts'

const DAY_MS = 86_400_000
/** Upper estimates: an interval is at most 60 characters of JSON, a batch 250 more. */
const INTERVAL_BYTES = 60
const BATCH_BYTES = 250
/** Failures in a row until the log says that a lane does not get on: about 2 s. */
const FAILURES_TOLD = 5

const intervalBytes = ({ rows, dead, drop }: Pick<Batch, 'rows' | 'dead' | 'drop'>): number =>
  INTERVAL_BYTES * (rows.length + dead.length + drop.length)

export type LaneIo = {
  readonly space: KeySpace
  readonly journal: JournalLog
  readonly streams: WriteStreams
  readonly permits: StreamPermits
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  readonly policy: ErrorPolicy
  readonly noteBadRecord: (error: MillraceError) => void
  readonly lostOffsets: LostOffsetsHost
  /** journal.intent.max.bytes: an Intent beyond it would not fit the journal. */
  readonly intentBytesMax: number
  produceDeadLetters(letters: readonly DeadLetter[], options: { signal: AbortSignal }): Promise<void>
}

/** What the lane asks of its partition. All synchronous; called from the partition's loop only. */
export interface LaneHost {
  progress(): Progress
  /** @param lost which of them the log no longer held */
  settle(offsets: IntervalSet, fingerprint: Fingerprint | null, lost: IntervalSet): void
  /** Its bytes are free again. `counts`: what became of its records in the end, row errors included. */
  finished(closed: ClosedBatch, counts: OutcomeCounts): void
  /** Puts the event into the partition's mailbox. */
  post(event: LaneEvent): void
  readonly waits: Waits
  /** Finalizes the recovered streams once more; the same promise for every lane of the claim. */
  recheck(): Promise<void>
  end(outcome: LaneOutcome): void
}

export type OutcomeCounts = { readonly rows: number; readonly deadLetters: number; readonly drops: number }

export type LaneOutcome =
  | { readonly kind: 'fenced' }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'inDoubt'; readonly doubts: readonly Doubt[] }

export type LaneTarget = {
  readonly table: TableName
  readonly tableCreationTime: string
  readonly writerSchema: WriterSchema
}

/** A batch as the lane holds it: without the rows that were refused. */
type Held = {
  readonly closed: ClosedBatch
  readonly rows: FrozenRows
  readonly letters: readonly DeadLetter[]
  readonly indexes: Float64Array
  readonly dropCount: number
}

export class LaneRunner {
  #state: LaneState
  readonly #target: LaneTarget | null
  readonly #ownership: Ownership
  readonly #io: LaneIo
  readonly #host: LaneHost
  readonly #signal: AbortSignal
  /** Bytes and letters by batch id; at most LANE_WINDOW_MAX entries. */
  readonly #batches = new Map<number, Held>()
  #connection: AppendConnection | null = null
  #intentRecords = 0
  /** Looked at after every step. */
  readonly #waitNames: { readonly append: string; readonly gone: string }

  /** @param target null for the lane of batches without rows. */
  constructor(options: {
    readonly target: LaneTarget | null
    readonly ownership: Ownership
    readonly io: LaneIo
    readonly host: LaneHost
    readonly signal: AbortSignal
  }) {
    this.#target = options.target
    this.#ownership = options.ownership
    this.#io = options.io
    this.#host = options.host
    this.#signal = options.signal
    this.#waitNames = { append: this.#wait('append'), gone: this.#wait('gone') }
    const { claimId, epoch, adoptable } = options.ownership
    const nowMs = options.io.clock.nowMs()
    const mine = adoptable.filter(
      a =>
        a.table === options.target?.table &&
        a.tableCreationTime === options.target.tableCreationTime &&
        nowMs - a.releasedAtMs < DAY_MS,
    )
    this.#state = newLane({ table: options.target?.table ?? null, claimId, epoch, adoptable: mine })
  }

  get state(): LaneState {
    return this.#state
  }
  /** The lane's backpressure: its window, and the size its next Intent would have. */
  get hasRoom(): boolean {
    return hasRoom(this.#state) && this.#intentBytes() < this.#io.intentBytesMax
  }
  /** Of its batches, until they are settled: what the budget gets back when the claim ends before that. */
  get heldBytes(): number {
    let bytes = 0
    for (const { closed } of this.#batches.values()) bytes += closed.byteCount
    return bytes
  }
  get inFlightRows(): number {
    return this.#state.window.reduce((sum, batch) => sum + batch.rowCount, 0)
  }
  /** Intents since the last `takeIntentCount`: what makes an idle Settled worth writing. */
  takeIntentCount(): number {
    const count = this.#intentRecords
    this.#intentRecords = 0
    return count
  }

  deliver(closed: ClosedBatch): void {
    const { batch, rows, letters, rowOffsets, dropCount } = closed
    this.#batches.set(batch.id, { closed, rows, letters, indexes: rowOffsets, dropCount })
    this.handle({ kind: 'batch', batch, nowMs: this.#io.clock.monotonicMs() })
  }

  handle(event: LaneEvent): void {
    const { kind: from, failures } = this.#state
    // Not before: what was sent since it broke went nowhere, and this event speaks for it too. On a new connection it would land.
    if (event.kind === 'broken') this.#connection = null
    const { state, effects } = stepLane(this.#state, event)
    this.#state = state
    assertLaneInvariants(state)
    if (failures < FAILURES_TOLD && state.failures >= FAILURES_TOLD)
      this.#io.logger.warn({ stream: state.stream, err: errorOf(event) }, 'Appends fail; they are tried again.')
    this.#noteWaiting(event)
    if (from !== state.kind) this.#io.logger.debug({ from, event: event.kind, to: state.kind }, 'Lane goes on.')
    for (const effect of effects) this.#perform(effect)
  }

  /** What it is at; null when it has nothing to do. */
  get stage(): PartitionStage | null {
    const { kind, window, intentInFlight } = this.#state
    const oldest = window[0]
    if (oldest === undefined) return intentInFlight ? 'logging' : null
    if (OPENING.has(kind)) return 'openingStream'
    if (kind !== 'appending') return 'appending'
    if (oldest.phase === 'saving') return 'savingDeadLetters'
    return oldest.phase === 'ready' || oldest.phase === 'sent' ? 'appending' : 'logging'
  }

  #noteWaiting(event: LaneEvent): void {
    const { waits } = this.#host
    const { failures, goneSinceMs, stream, table } = this.#state
    const { append, gone } = this.#waitNames
    const problem = failures > 0 ? problemOf(event) : null
    if (problem !== null) waits.on(append, problem.code, problem.message)
    if (failures === 0) waits.off(append)
    if (goneSinceMs !== null)
      waits.on(gone, 'STREAM_GONE', `${stream ?? table} is not found while appends on it are unanswered.`)
    else waits.off(gone)
  }

  #wait(what: string): string {
    return `${this.#target?.table ?? ''} ${what}`
  }

  close(): void {
    this.#connection?.close()
    this.#connection = null
  }

  /** Runs an asynchronous effect: its event, or the end of the claim. */
  #later(work: Promise<LaneEvent | null>): void {
    work.then(
      event => event !== null && this.#host.post(event),
      error =>
        this.#host.end(
          isMillraceError(error) && error.disposition === 'fenced' ? { kind: 'fenced' } : { kind: 'failed', error },
        ),
    )
  }

  #perform(effect: LaneEffect): void {
    switch (effect.kind) {
      case 'openStream':
        return this.#later(this.#openStream(effect))
      case 'logOpen':
        return this.#later(this.#append(this.#openRecord(), { kind: 'openLogged' }))
      case 'confirmOpen':
        return this.#later(this.#headCheck(isHead => ({ kind: 'openConfirmed', isHead })))
      case 'recheck':
        return this.#later(this.#host.recheck().then(() => ({ kind: 'rechecked' })))
      case 'logIntent':
        this.#intentRecords++
        return this.#later(this.#append(this.#intentRecord(), { kind: 'intentLogged' }))
      case 'confirmIntent':
        return this.#later(this.#headCheck(isHead => ({ kind: 'intentConfirmed', batchId: effect.batchId, isHead })))
      case 'saveDeadLetters':
        return this.#later(this.#saveDeadLetters(effect.batchId, effect.dead))
      case 'send':
        return this.#send(effect.batchId, effect.firstRow)
      case 'closeConnection':
        return this.close()
      case 'split':
        return this.#split(effect)
      case 'pause':
        return this.#later(this.#pause(effect.ms))
      case 'finalize':
        return this.#later(this.#finalize(effect.stream))
      case 'logSettled':
        return this.#later(this.#logSettled())
      case 'deleteKeys':
        return this.#later(this.#io.journal.delete(this.#io.space, effect.keys).then(() => null))
      case 'settled':
        return this.#settled(effect)
      case 'fenced':
        return this.#host.end({ kind: 'fenced' })
      case 'failed':
        return this.#host.end({ kind: 'failed', error: effect.error })
      case 'inDoubt':
        return this.#host.end({ kind: 'inDoubt', doubts: effect.doubts })
      default:
        return assertNever(effect)
    }
  }

  // ── journal ──

  async #append(record: JournalRecord, event: LaneEvent): Promise<LaneEvent> {
    await this.#io.journal.append(this.#io.space, [record])
    return event
  }

  async #headCheck(answer: (isHead: boolean) => LaneEvent): Promise<LaneEvent> {
    const journal = await this.#io.journal.readToEnd(this.#io.space, { signal: this.#signal })
    return answer(isHead(journal, this.#ownership.claimId))
  }

  #openRecord(): JournalRecord {
    const { claimId, epoch, stream, nextRow, tableCreationTime, window } = this.#state
    assert(this.#target !== null && stream !== null, 'Only a lane with a table opens a stream.')
    const { table } = this.#target
    const row = window[0]?.firstRow ?? nextRow
    return { kind: 'open', claimId, epoch, table, tableCreationTime, stream, row }
  }

  #intentRecord(): JournalRecord {
    const { claimId, epoch, stream } = this.#state
    const window = intentWindow(this.#state)
    return { kind: 'intent', claimId, epoch, stream, progress: this.#host.progress(), window }
  }

  async #logSettled(): Promise<LaneEvent> {
    const { claimId, epoch } = this.#state
    await this.#io.journal.append(this.#io.space, [
      { kind: 'settled', claimId, epoch, progress: this.#host.progress() },
    ])
    return { kind: 'settledLogged', nowMs: this.#io.clock.monotonicMs() }
  }

  #intentBytes(): number {
    return this.#state.window.reduce((sum, batch) => sum + BATCH_BYTES + intervalBytes(batch), 0)
  }

  // ── streams ──

  async #openStream({ adoptable, delayMs }: Extract<LaneEffect, { kind: 'openStream' }>): Promise<LaneEvent> {
    assert(this.#target !== null, 'Only a lane with a table opens a stream.')
    const { tableCreationTime } = this.#target
    if (delayMs > 0) await this.#io.timers.sleep(delayMs, { signal: this.#signal })
    for (const { stream, row } of adoptable)
      if (await this.#exists(stream))
        return { kind: 'streamReady', stream, row, tableCreationTime, nowMs: this.#io.clock.monotonicMs() }
    const stream = await this.#create()
    return { kind: 'streamReady', stream, row: 0n as never, tableCreationTime, nowMs: this.#io.clock.monotonicMs() }
  }

  /** A stream that is gone was released with everything settled: nothing is lost with it. */
  async #exists(stream: StreamName): Promise<boolean> {
    const signal = this.#signal
    try {
      const retry = { ...this.#io, ...this.#host.waits.retrying(this.#wait('stream')) }
      return await untilDefinitive(() => this.#io.streams.exists(stream, { signal }), retry, { signal })
    } catch (error) {
      if (isMillraceError(error) && error.code === 'STREAM_GONE') return false
      throw error
    }
  }

  /** Ramped: every create takes a permit, and tells the ramp how it went. An orphan by a lost reply is always empty. */
  async #create(): Promise<StreamName> {
    const { permits, streams, clock } = this.#io
    const signal = this.#signal
    assert(this.#target !== null, 'Only a lane with a table creates a stream.')
    const { table } = this.#target
    const kind = this.#ownership.wasTakeover ? 'takeover' : 'coldStart'
    const { waits } = this.#host
    return await untilDefinitive(
      async () => {
        waits.on(this.#wait('permit'), 'WAITING_FOR_STREAM_PERMITS', `A write stream for ${table} has to be created.`)
        await permits.take(kind, { signal }).finally(() => waits.off(this.#wait('permit')))
        const startedMs = clock.monotonicMs()
        try {
          const stream = await streams.create(table, { signal })
          await permits.report({ latencyMs: clock.monotonicMs() - startedMs, quotaExceeded: false })
          return stream
        } catch (error) {
          const quotaExceeded = isMillraceError(error) && error.code === 'BIGQUERY_QUOTA'
          await permits.report({ latencyMs: clock.monotonicMs() - startedMs, quotaExceeded })
          throw error
        }
      },
      { ...this.#io, ...waits.retrying(this.#wait('stream')) },
      { signal, maxMs: 30_000 },
    )
  }

  async #finalize(stream: StreamName): Promise<LaneEvent> {
    const signal = this.#signal
    try {
      const retry = { ...this.#io, ...this.#host.waits.retrying(this.#wait('finalize')) }
      const rows = await untilDefinitive(() => this.#io.streams.finalize(stream, { signal }), retry, { signal })
      return { kind: 'finalized', rows, nowMs: this.#io.clock.monotonicMs() }
    } catch (error) {
      if (isMillraceError(error) && error.code === 'STREAM_GONE')
        return { kind: 'streamGone', nowMs: this.#io.clock.monotonicMs() }
      throw error
    }
  }

  async #pause(ms: number): Promise<LaneEvent> {
    const jitterMs = ms === 0 ? 0 : (ms / 4) * (this.#io.random.nextUint32() / 2 ** 32)
    if (ms > 0) await this.#io.timers.sleep(ms + jitterMs, { signal: this.#signal })
    return { kind: 'pauseOver' }
  }

  // ── appends ──

  #send(id: number, firstRow: Extract<LaneEffect, { kind: 'send' }>['firstRow']): void {
    this.#connection ??= this.#connect()
    this.#connection.send({ id, firstRow, rows: this.#held(id).rows })
  }

  #connect(): AppendConnection {
    const { stream } = this.#state
    assert(stream !== null && this.#target !== null, 'Only a lane with a stream connects.')
    let connection: AppendConnection | null = null
    const isCurrent = (): boolean => connection !== null && this.#connection === connection
    const nowMs = (): number => this.#io.clock.monotonicMs()
    const listener: AppendListener = {
      onAcknowledged: (batchId, offset) =>
        isCurrent() && this.#host.post({ kind: 'acknowledged', batchId, offset, nowMs: nowMs() }),
      onRefused: (batchId, refusal) =>
        isCurrent() && this.#host.post({ kind: 'refused', batchId, refusal, nowMs: nowMs() }),
      onBroken: error => {
        if (!isCurrent()) return
        this.#io.logger.debug({ stream, error: error.message }, 'Append connection ended.')
        this.#host.post({ kind: 'broken', error, nowMs: nowMs() })
      },
      onSchemaUpdated: () => {},
    }
    connection = this.#io.streams.connect(stream, this.#target.writerSchema, listener)
    return connection
  }

  #held(id: number): Held {
    const held = this.#batches.get(id)
    assert(held !== undefined, `The bytes of batch ${id} are gone.`)
    return held
  }

  #settled({ batchId, offsets, fingerprint }: Extract<LaneEffect, { kind: 'settled' }>): void {
    const { closed, rows, letters, dropCount } = this.#held(batchId)
    this.#batches.delete(batchId)
    this.#host.settle(offsets, fingerprint, closed.batch.lost ?? [])
    this.#host.finished(closed, { rows: rows.rowCount, deadLetters: letters.length, drops: dropCount })
  }

  async #saveDeadLetters(batchId: number, dead: IntervalSet): Promise<LaneEvent> {
    const signal = this.#signal
    const { letters, closed } = this.#held(batchId)
    const retry = { ...this.#io, ...this.#host.waits.retrying(this.#wait('letters')) }
    await untilDefinitive(() => this.#io.produceDeadLetters(letters, { signal }), retry, { signal, maxMs: 30_000 })
    const { space: tp, lostOffsets, clock } = this.#io
    for (const range of closed.batch.lost ?? [])
      await untilDefinitive(() => lostOffsets.audit({ tp, range, atMs: clock.nowMs() }, { signal }), retry, {
        signal,
        maxMs: 30_000,
      })
    return { kind: 'deadLettersSafe', batchId, dead }
  }

  /** Cuts refused rows out of a batch nothing of which has landed; they become dead letters or drops by the error policy. */
  #split({ batchId, rows }: Extract<LaneEffect, { kind: 'split' }>): void {
    const held = this.#held(batchId)
    const before = this.#state.window.find(b => b.id === batchId)
    assert(before !== undefined, 'A batch that is split is in the window.')
    const bad = new Map(rows.filter(r => r.index >= 0 && r.index < before.rowCount).map(r => [r.index, r.message]))
    if (bad.size === 0) {
      const message = `BigQuery refused rows of ${this.#place(held.closed.base)} without naming one of them.`
      return this.#host.end({ kind: 'failed', error: new MillraceError('ACK_UNEXPECTED', 'failPartition', message) })
    }
    const errors = [...bad].map(([index, message]) => this.#rowError(held, index, message))
    const first = errors[0]
    if (this.#io.policy === 'fail' && first) return this.#host.end({ kind: 'failed', error: first.error })
    for (const { error } of errors) this.#io.noteBadRecord(error)
    const offsets = offsetSetOf(errors.map(e => e.offset))
    const keepLetters = this.#io.policy === 'deadLetter'
    const rowCount = before.rowCount - bad.size
    const rest = subtract(before.rows, offsets)
    const drop = keepLetters ? before.drop : union(before.drop, offsets)
    const batch: Batch = {
      id: batchId,
      rowCount,
      // Without any row left, gaps of the log that were counted to one are drops.
      rows: rowCount === 0 ? [] : rest,
      dead: keepLetters ? union(before.dead, offsets) : before.dead,
      drop: rowCount === 0 ? union(drop, rest) : drop,
      generation: before.generation,
      fingerprint: before.fingerprint,
    }
    // The broker would refuse its Intent, now and after every new claim.
    if (intervalBytes(batch) > this.#io.intentBytesMax)
      return this.#host.end({ kind: 'failed', error: this.#torn(batch) })
    const letters = keepLetters ? errors.map(e => e.letter) : []
    this.#batches.set(batchId, {
      closed: held.closed,
      rows: removeRows(held.rows, bad.keys()),
      letters: [...held.letters, ...letters],
      indexes: held.indexes.filter((_, index) => !bad.has(index)),
      dropCount: held.dropCount + (keepLetters ? 0 : bad.size),
    })
    this.#host.post({ kind: 'split', batch })
  }

  #rowError(held: Held, index: number, refusal: string) {
    const { base, slices } = held.closed
    const offset = (base + BigInt(held.indexes[index] ?? 0)) as typeof base
    const message = `${this.#place(offset)}: BigQuery refused the row: ${refusal}`
    const error = new MillraceError('ROW_REFUSED', 'badRecord', message)
    const slice = slices.find(s => s.startKafkaOffset <= offset && offset < s.nextKafkaOffset)
    assert(slice !== undefined, `The record of ${this.#place(offset)} is gone.`)
    const letter = deadLetterOf(this.#io.space, slice, indexOf(slice, offset), 'TASK_PUT', error)
    return { offset, error, letter }
  }

  #torn({ id }: Batch): MillraceError {
    const place = this.#place(this.#held(id).closed.base)
    const message = `${place}: BigQuery refused so many rows of one batch that no journal record can hold what becomes of each. Set append.max.rows lower.`
    return new MillraceError('ROW_REFUSED', 'failPartition', message)
  }

  #place(offset: bigint): string {
    return `${this.#io.space.topic}-${this.#io.space.partition}@${offset}`
  }
}

const OPENING: ReadonlySet<LaneState['kind']> = new Set([
  'unopened',
  'creating',
  'loggingOpen',
  'confirmingOpen',
  'rechecking',
  'finalizing',
  'misaligned',
  'settling',
])

/** Code and sentence of an append that did not succeed; null for every other event. */
function problemOf(event: LaneEvent): { readonly code: ErrorCode; readonly message: string } | null {
  if (event.kind === 'broken') return event.error
  if (event.kind !== 'refused') return null
  const { refusal } = event
  if (refusal.kind === 'other') return refusal.error
  return { code: refusal.kind === 'streamNotFound' ? 'STREAM_GONE' : 'ACK_UNEXPECTED', message: refusal.message }
}

/** What the event says went wrong with an append. */
function errorOf(event: LaneEvent): Error | string {
  if (event.kind === 'broken') return event.error
  if (event.kind !== 'refused') return event.kind
  return event.refusal.kind === 'other' ? event.refusal.error : event.refusal.message
}
