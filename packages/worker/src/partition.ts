// One topic-partition of one connector, from claim to release: the way of the data. Fetch → convert → batch → lane → settled.
// One loop takes events from a mailbox; reading stops while a lane, the worker's budget or the journal has no room.

import { RowBuffer } from '@millrace/convert'
import {
  assert,
  type Clock,
  type DeadLetter,
  type Doubt,
  type FrozenRows,
  type Incarnation,
  isDrained,
  isMillraceError,
  type JournalLog,
  type KafkaOffset,
  type KeySpace,
  type LaneEvent,
  type Logger,
  MillraceError,
  type Ownership,
  type PartitionReader,
  type Progress,
  type Random,
  type RecordSlice,
  type RecordSource,
  type StreamPermits,
  settle,
  type Timers,
  type TopicPartition,
  type WorkerId,
  type WriteStreams,
} from '@millrace/core'
import { unlessAborted } from './abortable.ts'
import { BatchBuilder, type BatchLimits, type ClosedBatch, type ErrorPolicy } from './batch-builder.ts'
import type { ByteBudget } from './byte-budget.ts'
import { runClaim } from './claim-runner.ts'
import { saveLoggedDeadLetters } from './dead-letter-recovery.ts'
import type { Destination, OpenTable } from './destination.ts'
import { type LaneHost, type LaneOutcome, LaneRunner, type OutcomeCounts } from './lane-runner.ts'
import { Mailbox } from './mailbox.ts'
import { fingerprintOf, offsetOf } from './record-place.ts'
import { untilDefinitive } from './retry.ts'

const SETTLE_IDLE_MS = 30_000
const TICK_MS = 5_000
/** About 10 ms of conversion: others on the event loop get their turn. */
const TURN_BYTES_MAX = 1024 * 1024
/** Id of the lane of batches without rows, while nothing has a stream. */
const STREAMLESS = '-'

export type PartitionDeps = {
  readonly connector: string
  readonly tp: TopicPartition
  readonly incarnation: Incarnation
  readonly workerId: WorkerId
  /** Config generation it works under. */
  readonly generation: number
  readonly journal: JournalLog
  readonly source: RecordSource
  readonly streams: WriteStreams
  readonly permits: StreamPermits
  readonly destination: Destination
  readonly policy: ErrorPolicy
  /** A record becomes a dead letter or a drop by the error policy: what `errors.log.enable` logs. */
  readonly noteBadRecord: (error: MillraceError) => void
  readonly limits: BatchLimits
  readonly lingerMs: number
  readonly intentBytesMax: number
  readonly budget: ByteBudget
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  resolveStart(options: { signal: AbortSignal }): Promise<KafkaOffset>
  produceDeadLetters(letters: readonly DeadLetter[], options: { signal: AbortSignal }): Promise<void>
  findDeadLetters(offsets: readonly KafkaOffset[], options: { signal: AbortSignal }): Promise<ReadonlySet<KafkaOffset>>
  /** The frontier moved: a view for lag tools follows. */
  onProgress(next: KafkaOffset): void
}

/** How a run ended. `released`: the next owner adopts. `fenced`: somebody newer owns it, claim again after a backoff. */
export type PartitionEnd =
  | { readonly kind: 'released' }
  | { readonly kind: 'fenced'; readonly deleted: boolean }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'inDoubt'; readonly doubts: readonly Doubt[] }

export type PartitionView = {
  readonly phase: 'claiming' | 'running' | 'releasing' | 'ended'
  readonly epoch: number
  readonly nextKafkaOffset: KafkaOffset | null
  readonly endKafkaOffset: KafkaOffset | null
  readonly inFlightRows: number
  readonly streams: readonly string[]
  readonly takeovers: number
  readonly rowsTotal: number
  readonly deadLettersTotal: number
  readonly droppedTotal: number
  readonly lastRecordAtMs: number | null
}

type Event =
  | { readonly kind: 'lane'; readonly lane: string; readonly event: LaneEvent }
  | { readonly kind: 'slices'; readonly slices: readonly RecordSlice[] }
  | { readonly kind: 'opened'; readonly table: OpenTable | null }
  | { readonly kind: 'linger' }
  | { readonly kind: 'room' }
  | { readonly kind: 'turn' }
  | { readonly kind: 'tick' }
  | { readonly kind: 'letGo' }
  | { readonly kind: 'end'; readonly end: LaneOutcome }

export class Partition {
  readonly #deps: PartitionDeps
  readonly #space: KeySpace
  readonly #mailbox = new Mailbox<Event>()
  readonly #lanes = new Map<string, LaneRunner>()
  readonly #rows: RowBuffer
  #phase: PartitionView['phase'] = 'claiming'
  #takeovers = 0
  #rowsTotal = 0
  #deadLettersTotal = 0
  #droppedTotal = 0
  #lastRecordAtMs: number | null = null
  #ownership: Ownership | null = null
  #progress: Progress | null = null
  #recheck: Promise<void> | null = null
  #reader: PartitionReader | null = null
  #endKafkaOffset: KafkaOffset | null = null
  // What is being converted:
  #pending: RecordSlice[] = []
  #pendingIndex = 0
  #builder: BatchBuilder | null = null
  #position: KafkaOffset = 0n as KafkaOffset
  #table: OpenTable | null = null
  #busy: 'reading' | 'opening' | null = null
  #lingering = false
  /** Takes the waiting partition out of the budget's queue. */
  #stopWaitingForRoom: (() => void) | null = null
  #waitingForTurn = false
  #verify: boolean = false
  #batchIds = 0
  #failure: MillraceError | null = null
  #letGo = false
  #end: PartitionEnd | null = null
  #signal: AbortSignal = AbortSignal.abort()
  #lastIntentMs = 0
  #unsettledIntents = 0

  constructor(deps: PartitionDeps) {
    this.#deps = deps
    this.#space = { ...deps.tp, incarnation: deps.incarnation }
    this.#rows = new RowBuffer()
  }

  /** Stop fetching, drain, Settled, Release: `run` then answers `released`. Without effect before it owns the partition. */
  letGo(): void {
    this.#mailbox.put({ kind: 'letGo' })
  }

  view(): PartitionView {
    const lanes = [...this.#lanes.values()]
    return {
      phase: this.#phase,
      epoch: this.#ownership?.epoch ?? 0,
      nextKafkaOffset: this.#progress?.frontier ?? null,
      endKafkaOffset: this.#reader?.endKafkaOffset ?? this.#endKafkaOffset,
      inFlightRows: lanes.reduce((sum, lane) => sum + lane.inFlightRows, 0),
      streams: lanes.flatMap(lane => (lane.state.stream === null ? [] : [lane.state.stream])),
      takeovers: this.#takeovers,
      rowsTotal: this.#rowsTotal,
      deadLettersTotal: this.#deadLettersTotal,
      droppedTotal: this.#droppedTotal,
      lastRecordAtMs: this.#lastRecordAtMs,
    }
  }

  /** One claim, from beginning to end. Rejects only with `signal.reason`; after that nothing of it acts any more. */
  async run({ signal }: { signal: AbortSignal }): Promise<PartitionEnd> {
    const over = new AbortController()
    this.#signal = AbortSignal.any([signal, over.signal])
    try {
      const claimed = await this.#claim()
      if (claimed !== null) return claimed
      return await this.#deliver()
    } catch (error) {
      signal.throwIfAborted()
      return endOf(error)
    } finally {
      this.#phase = 'ended'
      over.abort()
      this.#closeAll()
    }
  }

  // ── claiming ──

  /** null once it owns the partition. */
  async #claim(): Promise<PartitionEnd | null> {
    const { journal, streams, clock, timers, random, logger, workerId, generation } = this.#deps
    const identity = { claimId: random.nextId(), workerId, generation }
    const state = await runClaim(
      identity,
      {
        space: this.#space,
        journal,
        streams,
        clock,
        timers,
        random,
        logger,
        resolveStart: options => this.#deps.resolveStart(options),
        saveDeadLetters: (offsets, options) => saveLoggedDeadLetters(offsets, this.#deps, options),
      },
      { signal: this.#signal },
    )
    if (state.kind === 'fenced') return { kind: 'fenced', deleted: state.deleted }
    if (state.kind === 'inDoubt') return { kind: 'inDoubt', doubts: state.doubts }
    const { ownership } = state
    this.#ownership = ownership
    this.#progress = ownership.progress
    if (ownership.wasTakeover) this.#takeovers++
    logger.info(
      { epoch: ownership.epoch, nextKafkaOffset: ownership.progress.frontier, takeover: ownership.wasTakeover },
      'Partition claimed.',
    )
    this.#deps.onProgress(ownership.progress.frontier)
    return null
  }

  // ── delivering ──

  async #deliver(): Promise<PartitionEnd> {
    assert(this.#progress !== null, 'Delivery begins with a position.')
    this.#phase = 'running'
    this.#openReader(this.#progress)
    this.#startTicking()
    this.#goOn()
    for (;;) {
      for (const event of await this.#mailbox.take({ signal: this.#signal })) {
        this.#take(event)
        if (this.#end !== null) return this.#end
      }
      this.#goOn()
      if (this.#end !== null) return this.#end
      if (this.#isStopping() && this.#isDrained()) return await this.#release()
    }
  }

  /** Begins at the fingerprint of the last settled record, to see that the topic still holds the same log. */
  #openReader(progress: Progress): void {
    const { fingerprint, frontier } = progress
    this.#verify = fingerprint !== null && fingerprint.kafkaOffset < frontier
    const position = this.#verify && fingerprint !== null ? fingerprint.kafkaOffset : frontier
    this.#reader = this.#deps.source.open(this.#deps.tp, position)
    this.#position = position
  }

  #take(event: Event): void {
    switch (event.kind) {
      case 'lane':
        return this.#lanes.get(event.lane)?.handle(event.event)
      case 'slices':
        this.#busy = null
        this.#pending.push(...event.slices)
        if (event.slices.some(slice => slice.count > 0)) this.#lastRecordAtMs = this.#deps.clock.nowMs()
        return
      case 'opened':
        this.#busy = null
        this.#table = event.table
        if (event.table === null) this.#dropPending()
        return
      case 'linger':
        this.#lingering = false
        if (this.#table !== null && this.#hasRoom(this.#table)) this.#closeBatch()
        return
      case 'turn':
        this.#waitingForTurn = false
        return
      case 'room':
        this.#stopWaitingForRoom = null
        return
      case 'tick':
        return this.#settleWhenIdle()
      case 'letGo':
        this.#letGo = true
        return this.#stopReading()
      case 'end':
        this.#end ??= event.end.kind === 'fenced' ? { kind: 'fenced', deleted: false } : event.end
        return
    }
  }

  #isStopping(): boolean {
    return this.#letGo || this.#failure !== null
  }
  #isDrained(): boolean {
    return [...this.#lanes.values()].every(lane => isDrained(lane.state))
  }

  /** Converts what is here, then reads on, as far as there is room. */
  #goOn(): void {
    if (this.#isStopping()) return
    if (this.#pending.length > 0 && this.#table === null && this.#busy === null && this.#canDrop()) this.#openTable()
    if (this.#table !== null && !this.#waitingForTurn) this.#convert(this.#table)
    if (this.#pending.length === 0 && this.#busy === null && !this.#isStopping()) this.#read()
    if (this.#builder !== null && !this.#lingering) this.#startLinger()
  }

  #read(): void {
    if (!this.#deps.budget.hasRoom()) {
      this.#stopWaitingForRoom ??= this.#deps.budget.whenRoom(() => this.#mailbox.put({ kind: 'room' }))
      return
    }
    const reader = this.#reader
    assert(reader !== null, 'Reading needs a reader.')
    this.#busy = 'reading'
    reader.read({ signal: this.#signal }).then(
      slices => this.#mailbox.put({ kind: 'slices', slices }),
      error => {
        if (this.#isStopping()) return // the reader was closed
        if (this.#verify && isLost(error)) this.#readFromFrontier()
        else this.#failAt(error)
      },
    )
  }

  /** The log no longer holds the verified record: that alone is not a change of the source. */
  #readFromFrontier(): void {
    assert(this.#progress !== null, 'Reading needs a position.')
    this.#reader?.close()
    this.#verify = false
    this.#position = this.#progress.frontier
    this.#reader = this.#deps.source.open(this.#deps.tp, this.#position)
    this.#mailbox.put({ kind: 'slices', slices: [] })
  }

  #openTable(): void {
    this.#busy = 'opening'
    const slices = this.#pending
    const open = () => this.#deps.destination.open(this.#deps.tp.topic, slices, { signal: this.#signal })
    untilDefinitive(open, this.#deps, { signal: this.#signal, maxMs: 30_000 }).then(
      table => this.#mailbox.put({ kind: 'opened', table }),
      error => this.#failAt(error),
    )
  }

  /** Slices without any record a table could be created from: tombstones and gaps. They are drops. */
  #dropPending(): void {
    const base = this.#position
    const slices = this.#pending
    const last = slices.at(-1)
    assert(last !== undefined, 'Only slices that are there are dropped.')
    this.#pending = []
    this.#position = last.nextKafkaOffset
    this.#deliverWithoutRows(base, last.nextKafkaOffset, slices)
  }

  #deliverWithoutRows(from: KafkaOffset, to: KafkaOffset, slices: readonly RecordSlice[]): void {
    if (from >= to) return
    const drop = [{ from, to }]
    const batch = {
      id: ++this.#batchIds,
      rowCount: 0,
      rows: [],
      dead: [],
      drop,
      generation: this.#deps.generation,
      fingerprint: null,
    }
    this.#laneFor(null).deliver({
      batch,
      rows: NO_ROWS,
      rowOffsets: new Float64Array(0),
      base: from,
      slices: [],
      letters: [],
      dropCount: slices.reduce((sum, slice) => sum + slice.count, 0),
      byteCount: 0,
    })
  }

  // ── converting ──

  /** In turns of about a MiB, so that nothing holds the event loop for long. */
  #convert(table: OpenTable): void {
    let turnBytes = 0
    while (this.#pending.length > 0 && !this.#isStopping()) {
      const slice = this.#pending[0]
      assert(slice !== undefined, 'There is a slice.')
      if (!this.#hasRoom(table) || this.#end !== null) return
      if (turnBytes > TURN_BYTES_MAX) return this.#takeTurns()
      if (this.#pendingIndex === 0) this.#checkContinuity(slice)
      if (this.#failure !== null) return
      this.#builder ??= this.#newBuilder(table)
      const result = this.#builder.add(slice, this.#pendingIndex, this.#alreadySettled(slice))
      turnBytes += slice.bytes.length
      if (result.kind === 'sliceDone') {
        this.#position = slice.nextKafkaOffset
        this.#pending.shift()
        this.#pendingIndex = 0
        if (this.#builder.isEmpty) this.#builder = null
        continue
      }
      this.#pendingIndex = result.next
      this.#closeBatch()
      if (result.kind === 'bad') return this.#fail(result.error)
    }
  }

  #takeTurns(): void {
    this.#waitingForTurn = true
    this.#deps.timers.sleep(0, { signal: this.#signal }).then(
      () => this.#mailbox.put({ kind: 'turn' }),
      () => {}, // the claim is over
    )
  }

  /** A batch without rows goes to the streamless lane while nothing is open: both must have room. */
  #hasRoom(table: OpenTable): boolean {
    return this.#laneFor(table).hasRoom && this.#canDrop()
  }
  #canDrop(): boolean {
    return this.#lanes.get(STREAMLESS)?.hasRoom ?? true
  }

  #newBuilder({ converter }: OpenTable): BatchBuilder {
    const { tp, limits, policy, generation } = this.#deps
    const slice = this.#pending[0]
    const base = this.#pendingIndex === 0 || slice === undefined ? this.#position : this.#nextOffset(slice)
    return new BatchBuilder({
      tp,
      converter,
      limits,
      policy,
      generation,
      base,
      rows: this.#rows,
      onBadRecord: this.#deps.noteBadRecord,
    })
  }

  /** Where the batch after one that closed inside the slice begins. */
  #nextOffset(slice: RecordSlice): KafkaOffset {
    return (offsetOf(slice, this.#pendingIndex - 1) + 1n) as KafkaOffset
  }

  /** `Contiguous`: a slice begins exactly where the last one ended. And the log is the one we knew. */
  #checkContinuity(slice: RecordSlice): void {
    const { topic, partition } = this.#deps.tp
    assert(
      slice.startKafkaOffset === this.#position,
      `${topic}-${partition}: a slice begins at ${slice.startKafkaOffset}, not ${this.#position}.`,
    )
    const fingerprint = this.#progress?.fingerprint ?? null
    if (!this.#verify || fingerprint === null) return
    for (let i = 0; i < slice.count; i++) {
      const offset = offsetOf(slice, i)
      if (offset < fingerprint.kafkaOffset) continue
      this.#verify = false
      if (offset > fingerprint.kafkaOffset) return // compacted away: absent is not different
      const found = fingerprintOf(slice, i)
      if (found.crc === fingerprint.crc && found.timestampMs === fingerprint.timestampMs) return
      const message = `${topic}-${partition}@${offset} is not the record it was: the topic was re-created or truncated.`
      this.#fail(new MillraceError('SOURCE_CHANGED', 'failPartition', message))
      return
    }
    if (slice.nextKafkaOffset > fingerprint.kafkaOffset) this.#verify = false
  }

  /** The claim's progress while records of the slice may be settled already (after a takeover); null on the hot path. */
  #alreadySettled(slice: RecordSlice): Progress | null {
    const recovered = this.#ownership?.progress
    assert(recovered !== undefined, 'Delivery begins with a claim.')
    const end = recovered.beyond.at(-1)?.to ?? recovered.frontier
    return slice.startKafkaOffset < end ? recovered : null
  }

  #closeBatch(): void {
    const builder = this.#builder
    if (builder === null || this.#isStopping()) return
    this.#builder = null
    if (builder.isEmpty) return
    const closed = builder.close(++this.#batchIds)
    assert(this.#table !== null, 'A batch has a table.')
    this.#deps.budget.take(closed.byteCount)
    const lane = this.#laneFor(closed.batch.rowCount === 0 && this.#hasNoStream() ? null : this.#table)
    lane.deliver(closed)
  }

  #hasNoStream(): boolean {
    return this.#table === null || (this.#lanes.get(this.#table.table)?.state.stream ?? null) === null
  }

  #laneFor(table: OpenTable | null): LaneRunner {
    const id = table === null ? STREAMLESS : table.table
    const known = this.#lanes.get(id)
    if (known !== undefined) return known
    assert(this.#ownership !== null, 'A lane needs a claim.')
    const lane = new LaneRunner({
      target:
        table === null
          ? null
          : {
              table: table.table,
              tableCreationTime: table.tableCreationTime,
              writerSchema: table.converter.writerSchema,
            },
      ownership: this.#ownership,
      io: { ...this.#deps, space: this.#space },
      host: this.#hostOf(id),
      signal: this.#signal,
    })
    this.#lanes.set(id, lane)
    return lane
  }

  #hostOf(lane: string): LaneHost {
    return {
      progress: () => {
        assert(this.#progress !== null, 'A lane needs a position.')
        return this.#progress
      },
      settle: (offsets, fingerprint) => {
        assert(this.#progress !== null, 'A lane needs a position.')
        const before = this.#progress.frontier
        this.#progress = settle(this.#progress, offsets, fingerprint)
        if (this.#progress.frontier > before) this.#deps.onProgress(this.#progress.frontier)
      },
      finished: (closed, counts) => this.#finished(closed, counts),
      post: event => this.#mailbox.put({ kind: 'lane', lane, event }),
      recheck: () => (this.#recheck ??= this.#recheckFinalized()),
      end: end => this.#mailbox.put({ kind: 'end', end }),
    }
  }

  #finished(closed: ClosedBatch, { rows, deadLetters, drops }: OutcomeCounts): void {
    this.#deps.budget.release(closed.byteCount)
    this.#rows.recycle(closed.rows.bytes)
    this.#rowsTotal += rows
    this.#deadLettersTotal += deadLetters
    this.#droppedTotal += drops
    this.#lastIntentMs = this.#deps.clock.monotonicMs()
  }

  /** Step 4: every stream of the recovery still answers the same count, else something landed after we settled. */
  async #recheckFinalized(): Promise<void> {
    assert(this.#ownership !== null, 'A recheck needs a claim.')
    for (const [stream, rows] of this.#ownership.finalized) {
      const finalize = () => this.#deps.streams.finalize(stream, { signal: this.#signal })
      const again = await untilDefinitive(finalize, this.#deps, { signal: this.#signal }).catch(ignoreGone)
      if (again !== null && again !== rows)
        this.#mailbox.put({
          kind: 'end',
          end: {
            kind: 'inDoubt',
            doubts: [{ stream, saw: `${again} rows after ${rows} when it was finalized first` }],
          },
        })
    }
  }

  // ── time ──

  #startLinger(): void {
    this.#lingering = true
    this.#deps.timers.sleep(this.#deps.lingerMs, { signal: this.#signal }).then(
      () => this.#mailbox.put({ kind: 'linger' }),
      () => {}, // the claim is over
    )
  }

  #startTicking(): void {
    this.#deps.timers.sleep(TICK_MS, { signal: this.#signal }).then(
      () => {
        this.#mailbox.put({ kind: 'tick' })
        this.#startTicking()
      },
      () => {}, // the claim is over
    )
  }

  /** A lane idle for 30 s writes Settled: what it settled then needs no stream any more (expiry cannot hurt). */
  #settleWhenIdle(): void {
    for (const lane of this.#lanes.values()) this.#unsettledIntents += lane.takeIntentCount()
    const idleMs = this.#deps.clock.monotonicMs() - this.#lastIntentMs
    if (this.#unsettledIntents === 0 || !this.#isDrained() || idleMs < SETTLE_IDLE_MS || this.#isStopping()) return
    this.#unsettledIntents = 0
    this.#deps.journal.append(this.#space, [this.#settledRecord()]).catch(error => this.#endWith(error))
  }

  // ── ending ──

  #settledRecord() {
    assert(this.#ownership !== null && this.#progress !== null, 'Only an owner settles.')
    const { claimId, epoch } = this.#ownership
    return { kind: 'settled', claimId, epoch, progress: this.#progress } as const
  }

  #fail(error: MillraceError): void {
    this.#failure ??= error
    this.#stopReading()
  }
  /** An error before the batch that would hold it: everything converted so far is delivered first. */
  #failAt(error: unknown): void {
    if (isMillraceError(error)) {
      this.#fail(error)
      this.#mailbox.put({ kind: 'room' })
    } else this.#endWith(error)
  }
  #endWith(error: unknown): void {
    const end = endOf(error)
    this.#mailbox.put({ kind: 'end', end: end.kind === 'failed' ? end : { kind: 'fenced' } })
  }

  #stopReading(): void {
    this.#endKafkaOffset = this.#reader?.endKafkaOffset ?? null
    this.#reader?.close()
    this.#pending = []
    this.#builder = null
  }

  /** Drained: Settled, then Release for every open stream. A failed partition lets go as cleanly as any other. */
  async #release(): Promise<PartitionEnd> {
    this.#phase = 'releasing'
    assert(this.#ownership !== null && this.#progress !== null, 'Only an owner releases.')
    const { claimId, epoch } = this.#ownership
    const progress = this.#progress
    const releasedAtMs = this.#deps.clock.nowMs()
    const releases = [...this.#lanes.values()].flatMap(({ state }) =>
      state.stream === null || !CAN_RELEASE.has(state.kind)
        ? []
        : [
            {
              kind: 'release',
              claimId,
              epoch,
              stream: state.stream,
              row: state.nextRow,
              progress,
              releasedAtMs,
            } as const,
          ],
    )
    await unlessAborted(this.#deps.journal.append(this.#space, [this.#settledRecord(), ...releases]), this.#signal)
    return this.#failure === null ? { kind: 'released' } : { kind: 'failed', error: this.#failure }
  }

  #closeAll(): void {
    this.#endKafkaOffset = this.#reader?.endKafkaOffset ?? this.#endKafkaOffset
    this.#reader?.close()
    this.#stopWaitingForRoom?.()
    for (const lane of this.#lanes.values()) {
      lane.close()
      this.#deps.budget.release(lane.heldBytes)
    }
  }
}

const NO_ROWS: FrozenRows = { bytes: Buffer.alloc(0), start: 0, end: 0, rowCount: 0 }

/** Kinds in which an open stream is clean once the window is empty; before its Open is confirmed nothing is released. */
const CAN_RELEASE: ReadonlySet<string> = new Set(['appending', 'draining', 'pausing'])

const isLost = (error: unknown): boolean => isMillraceError(error) && error.code === 'SOURCE_OFFSET_LOST'
const ignoreGone = (error: unknown): null => {
  if (isMillraceError(error) && error.code === 'STREAM_GONE') return null
  throw error
}
const endOf = (error: unknown): PartitionEnd =>
  isMillraceError(error) && error.disposition === 'fenced'
    ? { kind: 'fenced', deleted: false }
    : { kind: 'failed', error }
