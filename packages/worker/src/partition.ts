// One topic-partition of one connector, from claim to release: the way of the data. Fetch → convert → batch → lane → settled.
// One loop takes events from a mailbox; the intake stops while a lane, the worker's budget or the journal has no room.

import {
  assert,
  type Clock,
  type DeadLetter,
  type Doubt,
  type Incarnation,
  isDrained,
  isMillraceError,
  type JournalLog,
  type JournalRecord,
  type KafkaOffset,
  type KeySpace,
  type LaneEvent,
  type MillraceError,
  type Ownership,
  type PartitionStage,
  type Progress,
  type Start,
  type StreamPermits,
  settle,
  size,
  type Waiting,
  type WorkerId,
  type WriteStreams,
} from '@millrace/core'
import { unlessAborted } from './abortable.ts'
import type { ClosedBatch } from './batch-builder.ts'
import { runClaim } from './claim-runner.ts'
import { saveLoggedDeadLetters } from './dead-letter-recovery.ts'
import type { OpenTable } from './destination.ts'
import { Intake, type IntakeDeps, type IntakeEvent, type IntakeHost } from './intake.ts'
import { type LaneHost, type LaneOutcome, LaneRunner, type OutcomeCounts } from './lane-runner.ts'
import { Mailbox } from './mailbox.ts'
import { RecordTimes } from './record-times.ts'
import { untilDefinitive } from './retry.ts'
import { Waits } from './waits.ts'

const SETTLE_IDLE_MS = 30_000
const TICK_MS = 5_000
/** Id of the lane of batches without rows, while nothing has a stream. */
const STREAMLESS = '-'

export type PartitionDeps = IntakeDeps & {
  readonly incarnation: Incarnation
  readonly workerId: WorkerId
  readonly journal: JournalLog
  readonly streams: WriteStreams
  readonly permits: StreamPermits
  readonly intentBytesMax: number
  readonly clock: Clock
  resolveStart(options: { forgotten: boolean; signal: AbortSignal }): Promise<Start>
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
  /** Offsets that were never delivered since the position was set last: what the journal states. */
  readonly lostOffsets: number
  readonly lastRecordAtMs: number | null
  readonly stage: PartitionStage
  readonly waiting: Waiting | null
  /** Tables it writes to. */
  readonly tables: readonly string[]
  /** Timestamps of the oldest record not yet settled, and of the newest that is. */
  readonly oldestRecordMs: number | null
  readonly settledRecordMs: number | null
}

type Event =
  | { readonly kind: 'lane'; readonly lane: string; readonly event: LaneEvent }
  | { readonly kind: 'intake'; readonly event: IntakeEvent }
  | { readonly kind: 'tick' }
  /** Nothing but another look at what is to be done. */
  | { readonly kind: 'wake' }
  | { readonly kind: 'letGo' }
  | { readonly kind: 'end'; readonly end: LaneOutcome }

export class Partition {
  readonly #deps: PartitionDeps
  readonly #space: KeySpace
  readonly #mailbox = new Mailbox<Event>()
  readonly #lanes = new Map<string, LaneRunner>()
  readonly #waits: Waits
  readonly #times = new RecordTimes()
  #phase: PartitionView['phase'] = 'claiming'
  #takeovers = 0
  #rowsTotal = 0
  #deadLettersTotal = 0
  #droppedTotal = 0
  #lastRecordAtMs: number | null = null
  #ownership: Ownership | null = null
  #progress: Progress | null = null
  #recheck: Promise<void> | null = null
  #intake: Intake | null = null
  #failure: MillraceError | null = null
  #letGo = false
  #end: PartitionEnd | null = null
  #signal: AbortSignal = AbortSignal.abort()
  #lastIntentMs = 0
  #unsettledIntents = 0

  constructor(deps: PartitionDeps) {
    this.#deps = deps
    this.#waits = new Waits(deps.clock)
    this.#space = { ...deps.tp, incarnation: deps.incarnation }
  }

  /** Stop fetching, drain, Settled, Release: `run` then answers `released`. Without effect before it owns the partition. */
  letGo(): void {
    this.#mailbox.put({ kind: 'letGo' })
  }

  get takeovers(): number {
    return this.#takeovers
  }

  view(): PartitionView {
    const lanes = [...this.#lanes.values()]
    return {
      phase: this.#phase,
      epoch: this.#ownership?.epoch ?? 0,
      nextKafkaOffset: this.#progress?.frontier ?? null,
      endKafkaOffset: this.#intake?.endKafkaOffset ?? null,
      inFlightRows: lanes.reduce((sum, lane) => sum + lane.inFlightRows, 0),
      streams: lanes.flatMap(lane => (lane.state.stream === null ? [] : [lane.state.stream])),
      takeovers: this.#takeovers,
      rowsTotal: this.#rowsTotal,
      deadLettersTotal: this.#deadLettersTotal,
      droppedTotal: this.#droppedTotal,
      lostOffsets: Number(size(this.#progress?.lost ?? [])),
      lastRecordAtMs: this.#lastRecordAtMs,
      stage: this.#stage(lanes),
      waiting: this.#waiting(),
      tables: [...this.#lanes.keys()].filter(id => id !== STREAMLESS),
      oldestRecordMs: this.#times.oldestMs,
      settledRecordMs: this.#times.settledMs,
    }
  }

  #stage(lanes: readonly LaneRunner[]): PartitionStage {
    if (this.#phase === 'claiming') return 'claiming'
    for (const { stage } of lanes) if (stage !== null) return stage
    return this.#phase === 'releasing' ? 'releasing' : (this.#intake?.stage ?? 'claiming')
  }

  #waiting(): Waiting | null {
    const waiting = this.#waits.longest
    const trouble = this.#intake?.trouble ?? null
    if (trouble === null) return waiting
    // A transaction may be open for long and nobody minds: it is the cause only where there is no other.
    const isLess = waiting !== null && waiting.sinceMs <= trouble.sinceMs
    if (isLess || (waiting !== null && trouble.error.code === 'SOURCE_TRANSACTION_OPEN')) return waiting
    return { code: trouble.error.code, message: trouble.error.message, sinceMs: trouble.sinceMs }
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
        ...this.#waits.retrying('claim'),
        resolveStart: options => this.#deps.resolveStart(options),
        saveDeadLetters: (offsets, options) => saveLoggedDeadLetters(offsets, this.#deps, options),
        lostOffsets: this.#deps.lostOffsets,
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
    this.#intake = new Intake(this.#progress, this.#deps, this.#intakeHost(), { signal: this.#signal })
    this.#startTicking()
    this.#intake.goOn()
    for (;;) {
      for (const event of await this.#mailbox.take({ signal: this.#signal })) {
        this.#take(event)
        if (this.#end !== null) return this.#end
      }
      if (!this.#isStopping()) this.#intake.goOn()
      if (this.#end !== null) return this.#end
      if (this.#isStopping() && this.#isDrained()) return await this.#release()
    }
  }

  #take(event: Event): void {
    switch (event.kind) {
      case 'lane':
        return this.#lanes.get(event.lane)?.handle(event.event)
      case 'intake':
        if (event.event.kind === 'slices') for (const slice of event.event.slices) this.#times.fetched(slice)
        this.#intake?.take(event.event)
        if (this.#intake?.takeHasRead()) this.#lastRecordAtMs = this.#deps.clock.nowMs()
        return
      case 'wake':
        return
      case 'tick':
        if (!this.#isStopping()) this.#intake?.look()
        return this.#settleWhenIdle()
      case 'letGo':
        this.#letGo = true
        return this.#intake?.stop()
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

  #intakeHost(): IntakeHost {
    return {
      waits: this.#waits,
      post: event => this.#mailbox.put({ kind: 'intake', event }),
      hasRoom: table => (table === null || this.#laneFor(table).hasRoom) && this.#canDrop(),
      deliver: (table, batch) => this.#deliverBatch(table, batch),
      failed: error => this.#failAfterDelivery(error),
    }
  }
  /** A batch without rows goes to the streamless lane while nothing is open. */
  #canDrop(): boolean {
    return this.#end === null && (this.#lanes.get(STREAMLESS)?.hasRoom ?? true)
  }

  #deliverBatch(table: OpenTable | null, closed: ClosedBatch): void {
    this.#deps.budget.take(closed.byteCount)
    const hasStream = table !== null && this.#laneFor(table).state.stream !== null
    this.#laneFor(closed.batch.rowCount === 0 && !hasStream ? null : table).deliver(closed)
  }

  // ── lanes ──

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
      settle: (offsets, fingerprint, lost) => {
        assert(this.#progress !== null, 'A lane needs a position.')
        const before = this.#progress.frontier
        this.#progress = settle(this.#progress, offsets, fingerprint, lost)
        if (this.#progress.frontier <= before) return
        this.#times.settled(this.#progress.frontier)
        this.#deps.onProgress(this.#progress.frontier)
      },
      finished: (closed, counts) => this.#finished(closed, counts),
      waits: this.#waits,
      post: event => this.#mailbox.put({ kind: 'lane', lane, event }),
      recheck: () => (this.#recheck ??= this.#recheckFinalized()),
      end: end => this.#mailbox.put({ kind: 'end', end }),
    }
  }

  #finished(closed: ClosedBatch, { rows, deadLetters, drops }: OutcomeCounts): void {
    this.#deps.budget.release(closed.byteCount)
    this.#intake?.recycle(closed)
    this.#rowsTotal += rows
    this.#deadLettersTotal += deadLetters
    this.#droppedTotal += drops
    this.#lastIntentMs = this.#deps.clock.monotonicMs()
  }

  /** Step 4: every stream of the recovery still answers the same count, else something landed after we settled. */
  async #recheckFinalized(): Promise<void> {
    assert(this.#ownership !== null, 'A recheck needs a claim.')
    const doubts: Doubt[] = []
    for (const [stream, rows] of this.#ownership.finalized) {
      const finalize = () => this.#deps.streams.finalize(stream, { signal: this.#signal })
      const retry = { ...this.#deps, ...this.#waits.retrying('recheck') }
      const again = await untilDefinitive(finalize, retry, { signal: this.#signal }).catch(ignoreGone)
      if (again !== null && again !== rows)
        doubts.push({ stream, saw: `${again} rows after ${rows} when it was finalized first` })
    }
    if (doubts.length === 0) return
    try {
      await this.#logDoubts(doubts)
    } finally {
      this.#mailbox.put({ kind: 'end', end: { kind: 'inDoubt', doubts } })
    }
  }

  /** So that a doubt outlives this process: the next claim counts the stream again, and a Verdict finds it. */
  async #logDoubts(doubts: readonly Doubt[]): Promise<void> {
    assert(this.#ownership !== null && this.#progress !== null, 'A recheck needs a claim.')
    const { claimId, epoch, restated } = this.#ownership
    const progress = this.#progress
    const records = doubts.flatMap(({ stream }): readonly JournalRecord[] => {
      const again = restated.get(stream)
      if (again === undefined) return []
      return [again.open, { kind: 'intent', claimId, epoch, stream, progress, window: again.window }]
    })
    await this.#deps.journal.append(this.#space, records)
  }

  // ── time ──

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

  /** What keeps the next batch from being built: everything before it is delivered and released first. */
  #failAfterDelivery(error: unknown): void {
    if (!isMillraceError(error) || error.code === 'BUG') return this.#endWith(error)
    this.#failure ??= error
    this.#intake?.stop()
    this.#mailbox.put({ kind: 'wake' })
  }
  #endWith(error: unknown): void {
    const end = endOf(error)
    this.#mailbox.put({ kind: 'end', end: end.kind === 'failed' ? end : { kind: 'fenced' } })
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
    this.#intake?.stop()
    for (const lane of this.#lanes.values()) {
      lane.close()
      this.#deps.budget.release(lane.heldBytes)
    }
  }
}

/** Kinds in which an open stream is clean once the window is empty; before its Open is confirmed nothing is released. */
const CAN_RELEASE: ReadonlySet<string> = new Set(['appending', 'draining', 'pausing'])

const ignoreGone = (error: unknown): null => {
  if (isMillraceError(error) && error.code === 'STREAM_GONE') return null
  throw error
}
/** What an error that no rule covers makes of a claim. */
export const endOf = (error: unknown): PartitionEnd =>
  isMillraceError(error) && error.disposition === 'fenced'
    ? { kind: 'fenced', deleted: false }
    : { kind: 'failed', error }
