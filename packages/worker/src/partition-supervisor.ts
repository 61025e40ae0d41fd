// Keeps one partition at work while its lease is ours: claim, deliver, and again after a fence, a failure or a verdict.
import {
  backoffMs,
  type Clock,
  type ConnectorEntry,
  describeDoubts,
  FAILURES_REPORTED_MAX,
  isMillraceError,
  type KafkaOffset,
  type KeySpace,
  type LeaseLost,
  type Logger,
  MillraceError,
  type PartitionAssignment,
  type PartitionReport,
  type PartitionState,
  type Random,
  restartToken,
  Shutdown,
  type Start,
  type Timers,
  type TopicPartition,
  verdictFor,
  type Waiting,
  type WorkerId,
} from '@millrace/core'
import { unlessAborted, untilAborted } from './abortable.ts'
import type { ByteBudget } from './byte-budget.ts'
import { type ConnectorRuntime, type ConnectorServices, openConnector } from './connector-runtime.ts'
import { saveLoggedDeadLetters } from './dead-letter-recovery.ts'
import { type EndIncarnationIo, endIncarnation } from './end-incarnation.ts'
import { endPredecessors } from './end-predecessors.ts'
import { lostOffsetsHost } from './lost-offsets.ts'
import { endOf, Partition, type PartitionDeps, type PartitionEnd, type PartitionView } from './partition.ts'
import { RecentCounts } from './recent-counts.ts'
import { untilDefinitive } from './retry.ts'
import type { RuntimeLease, SharedRuntimes } from './shared-runtimes.ts'
import { resolveStart } from './start-position.ts'
import { traceOf } from './trace.ts'
import { Waits } from './waits.ts'

/**
 * A broken promise of our own code is tried again only this often within a day: repeating it would not make it true. One that shows
 * once a month must not, the third time, stop the partition until somebody looks.
 */
const BUG_RESTARTS_MAX = 2
const BUGS_WITHIN_MS = 24 * 3_600_000
const VERDICT_POLL_MS = 2_000
const FAILURE = 'failure'
const FENCE = 'fence'

export type SupervisorDeps = {
  readonly workerId: WorkerId
  readonly services: ConnectorServices
  readonly budget: ByteBudget
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  readonly leaseTtlMs: number
  readonly intentBytesMax: number
  /** Aborts when the worker itself ends. */
  readonly lifetime: AbortSignal
  /** How long an orderly stop may drain. */
  readonly gracefulMs: number
  /** A FAILED partition starts again by itself: after backoffMs, doubling while it gets nowhere. */
  readonly autoRestart: { readonly isEnabled: boolean; readonly backoffMs: number; readonly backoffMaxMs: number }
  readonly runtimes: SharedRuntimes
  onProgress(group: string, tp: TopicPartition, next: KafkaOffset): void
}

export class PartitionSupervisor {
  readonly #deps: SupervisorDeps
  readonly #entry: ConnectorEntry
  #assignment: PartitionAssignment
  readonly #tp: TopicPartition
  readonly #logger: Logger
  readonly #stop = new AbortController()
  #partition: Partition | null = null
  /** While a claim lasts. */
  #lease: RuntimeLease | null = null
  #lastView: PartitionView | null = null
  #state: PartitionState = 'STARTING'
  #trace: string | null = null
  readonly #waits: Waits
  /** What it failed of, until its position moves again. */
  readonly #failure: Waits
  #pastFailures: readonly Waiting[] = []
  #restartsAtMs: number | null = null
  readonly #recent: RecentCounts = new RecentCounts()
  /** Where the position was when it last moved, in whatever claim. */
  #seenPosition: KafkaOffset | null = null
  #progressAtMs: number
  /** The trace the log told last. */
  #told: string | null = null
  #isStopping = false
  #retryNoted = false
  #failures = 0
  #takeovers = 0
  #rowsTotal = 0
  #deadLettersTotal = 0
  #droppedTotal = 0
  #running: Promise<void> | null = null

  constructor(entry: ConnectorEntry, assignment: PartitionAssignment, deps: SupervisorDeps) {
    this.#deps = deps
    this.#entry = entry
    this.#assignment = assignment
    this.#tp = { topic: assignment.topic, partition: assignment.partition }
    this.#waits = new Waits(deps.clock)
    this.#failure = new Waits(deps.clock)
    this.#progressAtMs = deps.clock.nowMs()
    this.#logger = deps.logger.child({ connector: entry.name, topic: this.#tp.topic, partition: this.#tp.partition })
  }

  /** Differs from that of the current control state when the partition is to be started anew. */
  get token(): string {
    return restartToken(this.#entry, this.#assignment.taskId)
  }

  start(): void {
    this.#running = this.#run().catch(error => {
      if (!this.#stop.signal.aborted) this.#logger.error({ err: error }, 'Supervision of the partition ended.')
    })
  }

  /** Lets go in order within `gracefulMs`, else leaves the rest to the next owner's recovery. */
  async stop(): Promise<void> {
    this.#isStopping = true
    const grace = new AbortController()
    if (this.#partition !== null) {
      this.#partition.letGo()
      const over = this.#deps.timers.sleep(this.#deps.gracefulMs, { signal: grace.signal }).catch(() => {})
      await Promise.race([this.#running, over])
    }
    grace.abort()
    this.#stop.abort(new Shutdown('The partition is let go.'))
    await this.#running
  }

  /** The connector is deleted: let go in order, then end its incarnation here, so that nobody continues it. */
  async delete(): Promise<void> {
    await this.stop()
    const done = new AbortController()
    const tooLong = new AbortController()
    const signal = AbortSignal.any([this.#deps.lifetime, tooLong.signal])
    this.#deps.timers.sleep(this.#deps.gracefulMs, { signal: done.signal }).then(
      () => tooLong.abort(new Shutdown('Ending the deleted connector took too long.')),
      () => {},
    )
    try {
      const deps = await this.#prepare(signal)
      const runtime = await this.#openRuntime(signal)
      const endedAt = await endIncarnation(this.#entry.incarnation, endingBy(deps), { signal })
      if (endedAt !== null) await this.#tellGroup(runtime.config.consumer.groupId, endedAt.start, signal)
    } catch (error) {
      this.#logger.warn(
        { err: error },
        'The deleted connector was not ended in the journal here; a connector re-created under its name will do so.',
      )
    } finally {
      done.abort()
      this.#releaseRuntime()
    }
  }

  /** Somebody else holds the lease: nothing more is written; what was under way is the next owner's to recover. */
  async abandon(reason: LeaseLost): Promise<void> {
    this.#isStopping = true
    this.#stop.abort(reason)
    await this.#running
  }

  /** The same work under another task number. */
  relabel(assignment: PartitionAssignment): void {
    this.#assignment = assignment
  }

  get takeovers(): number {
    return this.#takeovers + (this.#partition?.takeovers ?? 0)
  }

  /** Also where progress is noted: to be called every few seconds at least. */
  report(): PartitionReport {
    const running = this.#partition?.view()
    const view = running ?? this.#lastView
    const waiting = this.#waits.longest ?? running?.waiting ?? null
    this.#noteProgress(running, waiting)
    const failure = this.#failure.longest
    const end = view?.endKafkaOffset ?? null
    const next = view?.nextKafkaOffset ?? null
    return {
      connector: this.#entry.name,
      incarnation: this.#entry.incarnation,
      ...this.#tp,
      taskId: this.#assignment.taskId,
      state: this.#state === 'RUNNING' && view?.phase === 'claiming' ? 'STARTING' : this.#state,
      ...(this.#trace !== null && { trace: this.#trace }),
      restartToken: restartToken(this.#entry, this.#assignment.taskId),
      epoch: view?.epoch ?? 0,
      nextOffset: next,
      endOffset: end,
      lag: end === null || next === null ? null : Math.max(0, Number(end - next)),
      inFlightRows: running?.inFlightRows ?? 0,
      streams: view?.streams ?? [],
      takeovers: this.takeovers,
      rowsTotal: this.#rowsTotal + (running?.rowsTotal ?? 0),
      deadLettersTotal: this.#deadLettersTotal + (running?.deadLettersTotal ?? 0),
      droppedTotal: this.#droppedTotal + (running?.droppedTotal ?? 0),
      ...((view?.lostOffsets ?? 0) > 0 && { lostOffsets: view?.lostOffsets ?? 0 }),
      failures: this.#failures,
      ...(view?.lastRecordAtMs != null && { lastRecordAtMs: view.lastRecordAtMs }),
      ...this.#timesOf(view),
      tables: view?.tables ?? [],
      stage: running?.stage ?? 'opening',
      ...(waiting !== null && { waiting }),
      progressAtMs: this.#progressAtMs,
      ...(failure !== null && { failure }),
      ...(this.#pastFailures.length > 0 && { pastFailures: this.#pastFailures }),
      ...(this.#restartsAtMs !== null && { restartsAtMs: this.#restartsAtMs }),
      recent: this.#recent.note(this.#deps.clock.nowMs(), {
        rows: this.#rowsTotal + (running?.rowsTotal ?? 0),
        deadLetters: this.#deadLettersTotal + (running?.deadLettersTotal ?? 0),
      }),
    }
  }

  /** By the clocks of producers: skew shows. Without anything fetched the lag in time is not known, unless there is none. */
  #timesOf(view: PartitionView | null): Pick<PartitionReport, 'lagMs' | 'settledRecordAtMs'> {
    if (view === null) return {}
    const { nextKafkaOffset: next, endKafkaOffset: end, oldestRecordMs, settledRecordMs } = view
    const isAtEnd = end !== null && next !== null && next >= end
    const lagMs = oldestRecordMs === null ? null : Math.max(0, this.#deps.clock.nowMs() - oldestRecordMs)
    return {
      ...(isAtEnd ? { lagMs: 0 } : lagMs !== null && { lagMs: Math.floor(lagMs) }),
      ...(settledRecordMs !== null && { settledRecordAtMs: Math.floor(settledRecordMs) }),
    }
  }

  /** A claim anew at the same position is no progress; having nothing to do is. */
  #noteProgress(view: PartitionView | undefined, waiting: Waiting | null): void {
    if (view === undefined) return
    const { nextKafkaOffset: next, endKafkaOffset: end } = view
    const hasMoved = next !== null && next !== this.#seenPosition
    const isDone = view.phase === 'running' && end !== null && next !== null && next >= end && waiting === null
    if (hasMoved) this.#seenPosition = next
    if (!hasMoved && !isDone) return
    this.#progressAtMs = this.#deps.clock.nowMs()
    this.#failure.off(FAILURE)
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    const { isEnabled, backoffMs: baseMs, backoffMaxMs: maxMs } = this.#deps.autoRestart
    let bugsAtMs: readonly number[] = []
    let attempt = 0
    let failedAt: KafkaOffset | null | undefined
    for (;;) {
      this.#become('STARTING')
      const end = await this.#claimOnce(signal)
      if (this.#isStopping || end.kind === 'released') return
      if (end.kind === 'fenced') {
        if (end.deleted) return
        this.#logger.warn({}, 'Claim fenced: it is over; the partition is claimed anew while its lease is ours.')
        this.#waits.on(
          FENCE,
          'FENCED',
          'Another worker claimed the partition while its lease is here: claimed anew after a pause.',
        )
        await this.#deps.timers.sleep(this.#fencedPauseMs(), { signal })
        this.#waits.off(FENCE)
        continue
      }
      if (end.kind === 'inDoubt') {
        await this.#awaitVerdict(end, signal)
        continue
      }
      this.#failures++
      const reached = this.#lastView?.nextKafkaOffset ?? null
      const isStuck = reached === failedAt
      attempt = isStuck ? attempt + 1 : 0
      failedAt = reached
      if (!isStuck) this.#told = null
      this.#become('FAILED', end.error)
      this.#deps.runtimes.forget(this.#entry) // what was put right meanwhile is seen: a table, a key, a topic
      const isBug = isMillraceError(end.error) && end.error.code === 'BUG'
      const nowMs = this.#deps.clock.monotonicMs()
      if (isBug) bugsAtMs = [...bugsAtMs.filter(atMs => nowMs - atMs < BUGS_WITHIN_MS), nowMs]
      if (!isEnabled || (isBug && bugsAtMs.length > BUG_RESTARTS_MAX)) return await untilAborted(signal)
      const pauseMs = Math.ceil(backoffMs(attempt, { baseMs, maxMs }, this.#deps.random))
      this.#restartsAtMs = this.#deps.clock.nowMs() + pauseMs
      await this.#deps.timers.sleep(pauseMs, { signal })
      this.#restartsAtMs = null
    }
  }

  /** One claim, from beginning to end. */
  async #claimOnce(signal: AbortSignal): Promise<PartitionEnd> {
    try {
      const partition = new Partition(await this.#prepare(signal))
      this.#partition = partition
      this.#become('RUNNING')
      if (this.#isStopping) partition.letGo()
      return await partition.run({ signal })
    } catch (error) {
      signal.throwIfAborted()
      return endOf(error)
    } finally {
      this.#keepTotals()
      this.#releaseRuntime()
    }
  }

  #openRuntime(signal: AbortSignal): Promise<ConnectorRuntime> {
    const { services, runtimes } = this.#deps
    const lease = runtimes.lease(this.#entry, () => openConnector(this.#entry, services, { signal }))
    this.#releaseRuntime() // only now: it may be the same
    this.#lease = lease
    return lease.opened
  }

  #releaseRuntime(): void {
    this.#lease?.release()
    this.#lease = null
  }

  #keepTotals(): void {
    const view = this.#partition?.view()
    if (view === undefined) return
    this.#lastView = view
    this.#takeovers += view.takeovers
    this.#rowsTotal += view.rowsTotal
    this.#deadLettersTotal += view.deadLettersTotal
    this.#droppedTotal += view.droppedTotal
    this.#partition = null
  }

  async #prepare(signal: AbortSignal): Promise<PartitionDeps> {
    const { services } = this.#deps
    const entry = this.#entry
    const runtime = await untilDefinitive(
      () => unlessAborted(this.#openRuntime(this.#deps.lifetime), signal), // shared with others, and perhaps deaf
      { ...this.#deps, onRetry: error => this.#noteRetry(error), onOver: () => this.#waits.off('opening') },
      { signal },
    )
    const { config, genesis, bigQuery, destination, policy } = runtime
    const queue = runtime.queueFor(this.#assignment.taskId)
    const noQueue = (): MillraceError =>
      new MillraceError(
        'CONFIG_INVALID',
        'failPartition',
        'The journal holds dead letters that may not have been produced, but errors.deadletterqueue.topic.name is empty.',
      )
    const { journal, source, permits, groupOffsets, deadLetters, auditLostOffsets } = services
    const { groupId: group, autoOffsetReset } = config.consumer
    const start = { tp: this.#tp, group, genesis, autoOffsetReset, groupOffsets, source, logger: this.#logger }
    let endedAt: Start | null = null
    const deps: PartitionDeps = {
      tp: this.#tp,
      incarnation: entry.incarnation,
      workerId: this.#deps.workerId,
      generation: entry.configGeneration,
      journal,
      source,
      lostOffsets: lostOffsetsHost(entry, config.offsetLostPolicy, auditLostOffsets, this.#logger),
      streams: bigQuery.streams,
      permits,
      destination,
      policy,
      noteBadRecord: error => {
        if (config.errors.logEnable)
          this.#logger.error({ code: error.code }, `A record is not written: ${error.message}`)
      },
      limits: { bytesMax: config.append.maxBytes, rowsMax: config.append.maxRows, rowBytesMax: ROW_BYTES_MAX },
      lingerMs: config.append.lingerMs,
      intentBytesMax: this.#deps.intentBytesMax,
      budget: this.#deps.budget,
      clock: this.#deps.clock,
      timers: this.#deps.timers,
      random: this.#deps.random,
      logger: this.#logger,
      resolveStart: options => resolveStart({ ...start, endedAt }, options),
      produceDeadLetters: async (letters, options) => {
        if (letters.length === 0) return
        if (queue === null) throw noQueue()
        await deadLetters.produce(queue, letters, options)
      },
      findDeadLetters: async (offsets, options) => {
        if (queue === null) throw noQueue()
        return await deadLetters.find(queue, this.#tp, offsets, options)
      },
      onProgress: next => this.#deps.onProgress(group, this.#tp, next),
    }
    endedAt = await endPredecessors({ entry, services, start }, endingBy(deps), { signal })
    return deps
  }

  /** The last word about a deleted connector, for lag tools and for another sink that goes on from here. */
  async #tellGroup(group: string, endedAt: KafkaOffset, signal: AbortSignal): Promise<void> {
    this.#deps.onProgress(group, this.#tp, endedAt) // nothing older is published after it
    try {
      await this.#deps.services.groupOffsets.commit(group, [{ tp: this.#tp, nextKafkaOffset: endedAt }], { signal })
    } catch (error) {
      this.#logger.warn(
        { group, endedAt, err: error },
        'The deleted connector is ended, but its group was not told where.',
      )
    }
  }

  /** IN_DOUBT says what it saw, and waits for an operator's Verdict: the next claim folds it. */
  async #awaitVerdict({ doubts }: Extract<PartitionEnd, { kind: 'inDoubt' }>, signal: AbortSignal): Promise<void> {
    const place = `${this.#tp.topic}-${this.#tp.partition}`
    const space: KeySpace = { ...this.#tp, incarnation: this.#entry.incarnation }
    const { journal } = this.#deps.services
    const message = `${place}: ${describeDoubts(doubts, journal.peek(space))}`
    this.#become('IN_DOUBT', new MillraceError('IN_DOUBT', 'failPartition', message))
    const isAnswered = (): boolean => doubts.every(({ stream }) => verdictFor(journal.peek(space), stream) !== null)
    while (!isAnswered()) await this.#deps.timers.sleep(VERDICT_POLL_MS, { signal })
  }

  #fencedPauseMs(): number {
    const jitter = this.#deps.random.nextUint32() / 2 ** 32
    return this.#deps.leaseTtlMs * (1 + jitter / 2)
  }

  #noteRetry(error: MillraceError): void {
    this.#waits.on('opening', error.code, error.message)
    if (this.#retryNoted) return
    this.#retryNoted = true
    this.#logger.warn({ err: error }, 'Connector cannot be opened yet; trying again.')
  }

  /** `#failure` tells since when it fails; this one was now. */
  #keepFailure(): void {
    const { longest } = this.#failure
    if (longest === null) return
    const failure = { ...longest, sinceMs: this.#deps.clock.nowMs() }
    this.#pastFailures = [...this.#pastFailures.slice(1 - FAILURES_REPORTED_MAX), failure]
  }

  /** State transitions of a partition are logged here and nowhere else; the same trouble again is told once. */
  #become(state: PartitionState, problem: unknown = null): void {
    const fields = { from: this.#state, to: state, failures: this.#failures }
    this.#state = state
    if (problem === null) {
      if (state === 'RUNNING') this.#trace = null
      return this.#logger.debug(fields, 'Partition state.')
    }
    this.#trace = traceOf(problem)
    if (isMillraceError(problem)) this.#failure.on(FAILURE, problem.code, problem.message)
    else this.#failure.on(FAILURE, 'PARTITION_FAILED', problem instanceof Error ? problem.message : String(problem))
    this.#keepFailure()
    if (this.#trace === this.#told) return this.#logger.debug(fields, 'Partition state, for the same reason as before.')
    this.#told = this.#trace
    this.#logger.error({ ...fields, trace: this.#trace }, `Partition is ${state}.`)
  }
}

const endingBy = (deps: PartitionDeps): EndIncarnationIo => ({
  ...deps,
  saveDeadLetters: (offsets, options) => saveLoggedDeadLetters(offsets, deps, options),
})

/** Row bytes one request can hold besides its header: BigQuery enforces 10,485,760 per AppendRows request. */
const ROW_BYTES_MAX = 9 * 1024 * 1024
