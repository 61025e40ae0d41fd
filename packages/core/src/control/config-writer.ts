// The config store over a compacted log: append a write, read back, decide who won. All calls of one process take turns.
//
// Nothing is answered before it is read back: a write that resolves is the valid head, or was, in every replica.
import { isMillraceError, MillraceError } from '../errors/error.ts'
import type { CompactedLog } from '../ports/compacted-log.ts'
import type { ConfigStore, ControlChange, WriteResult } from '../ports/config-store.ts'
import type { Clock, Logger, Random, Timers } from '../ports/time.ts'
import {
  type ConfigLogState,
  controlStateOf,
  EMPTY_CONFIG_LOG,
  foldConfigLog,
  historyOf,
  outcomeOf,
  successor,
} from './config-log.ts'
import { type ConfigRecord, encodeConfigRecord, keyOf, nameOf, versionOf } from './config-record.ts'
import { type ConfigVersion, type ControlState, EMPTY_CONTROL_STATE } from './control-state.ts'
import { type ChangePlan, planChange } from './plan-change.ts'
import { marksAfter, marksOf, type RequestKey, type RequestMark } from './request-marks.ts'

export type ConfigWriterDeps = {
  readonly log: CompactedLog
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
}

/** Each lost race means that somebody else's write went through; so many in a row is a client gone wild. */
export const LOST_RACES_MAX = 50
/** Pause before the log is tried again after a failure. */
export const RETRY_PAUSE_MS = 200

const FATAL: ReadonlySet<string> = new Set(['JOURNAL_TOPIC_UNSAFE', 'JOURNAL_LOST'])

type WriteOptions = {
  readonly ifVersion?: number
  readonly by?: string
  readonly requestKey?: RequestKey
  readonly signal: AbortSignal
}
type PlannedWrite = Extract<ChangePlan, { readonly kind: 'write' }>

export class ConfigWriter implements ConfigStore, AsyncDisposable {
  readonly #deps: ConfigWriterDeps
  readonly #closing = new AbortController()
  readonly #watchers = new Set<() => void>()
  #fold: ConfigLogState = EMPTY_CONFIG_LOG
  #state: ControlState = EMPTY_CONTROL_STATE
  #failure: MillraceError | null = null
  #turn: Promise<unknown> = Promise.resolve()
  #queuedRefresh: Promise<ControlState> | null = null
  #following: Promise<void> = Promise.resolve()

  private constructor(deps: ConfigWriterDeps) {
    this.#deps = deps
  }

  /** Reads the whole log, then keeps following it until disposed. Rejects JOURNAL_TOPIC_UNSAFE when it holds foreign records. */
  static async open(deps: ConfigWriterDeps, { signal }: { signal: AbortSignal }): Promise<ConfigWriter> {
    const writer = new ConfigWriter(deps)
    await writer.#readToEnd(signal)
    writer.#following = writer.#follow()
    return writer
  }

  /** Set for good when the topic turned out not to be ours, or to have lost records: nothing is written or believed after that. */
  get failure(): MillraceError | null {
    return this.#failure
  }

  read(): ControlState {
    return this.#state
  }

  history(name: string): readonly ConfigVersion[] {
    return historyOf(this.#fold.get(name))
  }

  marks(key: string): ReadonlyMap<string, RequestMark> {
    return marksOf(this.#fold, key, this.#deps.clock.nowMs())
  }

  /** Calls that arrive while one waits for its turn share that one. */
  async refresh({ signal }: { signal: AbortSignal }): Promise<ControlState> {
    if (this.#queuedRefresh === null) {
      const queued = this.#inTurn(async () => {
        this.#queuedRefresh = null
        await this.#readToEnd(this.#closing.signal)
        return this.#state
      })
      this.#queuedRefresh = queued
      queued.catch(() => {})
    }
    return await untilAborted(this.#queuedRefresh, signal)
  }

  async write(change: ControlChange, options: WriteOptions): Promise<WriteResult> {
    const signal = AbortSignal.any([options.signal, this.#closing.signal])
    return await untilAborted(
      this.#inTurn(async () => {
        signal.throwIfAborted()
        await this.#insistOnReading(signal)
        return await this.#decide(change, { ...options, signal })
      }),
      signal,
    )
  }

  async *changes({ signal }: { signal: AbortSignal }): AsyncIterable<ControlState> {
    const end = AbortSignal.any([signal, this.#closing.signal])
    let shown: ControlState | null = null
    while (!end.aborted) {
      if (shown === this.#state) await this.#nextChange(end)
      else {
        shown = this.#state
        yield shown
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error('The config store is closed.'))
    await this.#following
    await this.#turn.catch(() => {})
  }

  /** Tries until the change is in, refused, or beaten too often. The fold is at the end of the log. */
  async #decide(change: ControlChange, options: WriteOptions): Promise<WriteResult> {
    for (let race = 0; race < LOST_RACES_MAX; race++) {
      const { ifVersion, requestKey } = options
      const before = requestKey === undefined ? null : this.#doneBefore(change.name, requestKey)
      if (before !== null) return before
      const plan = planChange(this.#state, change, {
        nowMs: this.#deps.clock.nowMs(),
        leavesMark: requestKey !== undefined,
        ...(ifVersion === undefined ? {} : { ifVersion }),
      })
      if (plan.kind === 'answer') return plan.result
      if (await this.#compareAndSet(change, plan, options)) {
        await this.#deleteSuperseded(change.name, options.signal)
        return resultOf(plan)
      }
    }
    throw new MillraceError(
      'CONFIG_CONFLICT',
      'retry',
      `Connector ${change.name} is being changed by others all the time.`,
    )
  }

  /** Asked at the end of the log: a request that is not there, and then wins, is carried out once. */
  #doneBefore(name: string, { key, request }: RequestKey): WriteResult | null {
    const marks = this.marks(key)
    for (const mark of marks.values()) if (mark.request !== request) return { kind: 'keyTaken' }
    const mark = marks.get(name)
    return mark === undefined ? null : { kind: 'replayed', mark }
  }

  /** Whether the plan became the valid head at its version. A failed append is sent again under a new id: one key, one write. */
  async #compareAndSet(
    { kind: change, name }: ControlChange,
    { body, outcome, version }: PlannedWrite,
    { by, requestKey, signal }: WriteOptions,
  ): Promise<boolean> {
    const atMs = this.#deps.clock.nowMs()
    const mark = requestKey === undefined ? null : { ...requestKey, change, outcome, version, atMs }
    const writeIds = new Set<string>()
    const parent = this.#fold.get(name)
    const made = { marks: marksAfter(parent?.head.marks ?? [], mark, atMs), ...(by === undefined ? {} : { by }) }
    for (;;) {
      const record = successor(parent, this.#deps.random.nextId(), body, made)
      writeIds.add(record.writeId)
      const appended = await this.#append(record, signal)
      await this.#insistOnReading(signal)
      switch (outcomeOf(this.#fold.get(name), version, writeIds)) {
        case 'won':
          return true
        case 'lost':
          return false
        case 'unknown':
          throw new MillraceError(
            'CONFIG_CONFLICT',
            'retry',
            `Connector ${name} was changed so often meanwhile that the outcome is not known.`,
          )
        case 'notYet':
          if (appended) throw lostWrite(name)
          await this.#deps.timers.sleep(RETRY_PAUSE_MS, { signal })
      }
    }
  }

  /** False when the outcome is unknown. */
  async #append(record: ConfigRecord, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#deps.log.append(keyOf(record), encodeConfigRecord(record), { signal })
      return true
    } catch (error) {
      signal.throwIfAborted()
      if (isMillraceError(error) && error.disposition !== 'retry' && error.disposition !== 'fenced') throw error
      this.#deps.logger.warn(
        { connector: nameOf(record), version: versionOf(record), error },
        'A config write is tried again.',
      )
      return false
    }
  }

  /** Best effort: what stays is deleted by the next valid writer. */
  async #deleteSuperseded(name: string, signal: AbortSignal): Promise<void> {
    const keys = [...(this.#fold.get(name)?.superseded ?? [])]
    try {
      await Promise.all(keys.map(key => this.#deps.log.append(key, null, { signal })))
    } catch (error) {
      this.#deps.logger.debug({ connector: name, err: error }, 'Superseded config records stay until the next write.')
    }
  }

  async #readToEnd(signal: AbortSignal): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    try {
      const records = await this.#deps.log.readToEnd({ signal })
      if (records.length === 0) return
      this.#fold = foldConfigLog(this.#fold, records)
    } catch (error) {
      if (isMillraceError(error) && FATAL.has(error.code)) this.#failure = error
      throw error
    }
    this.#state = controlStateOf(this.#fold)
    for (const wake of this.#watchers) wake()
  }

  /** While the log is away a writer waits for it: having appended, it must know what became of it. */
  async #insistOnReading(signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await this.#readToEnd(signal)
        return
      } catch (error) {
        signal.throwIfAborted()
        if (!isMillraceError(error) || error.disposition !== 'retry') throw error
        await this.#deps.timers.sleep(RETRY_PAUSE_MS, { signal })
      }
    }
  }

  async #follow(): Promise<void> {
    const { log, logger, timers } = this.#deps
    const { signal } = this.#closing
    let isAway = false
    while (!signal.aborted) {
      try {
        await log.waitForMore({ signal })
        await this.refresh({ signal })
        isAway = false
      } catch (error) {
        if (signal.aborted) return
        if (this.#failure !== null) {
          logger.error({ err: error }, 'The config topic is not followed any more.')
          return
        }
        if (!isAway) logger.warn({ err: error }, 'The config topic cannot be read; trying again.')
        isAway = true
        await timers.sleep(RETRY_PAUSE_MS, { signal }).catch(() => {})
      }
    }
  }

  /** Work on the log is done one after the other: it has one reading position, and decisions are made at its end. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work, work)
    this.#turn = mine.catch(() => {})
    return mine
  }

  async #nextChange(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#watchers.add(resolve)
    signal.addEventListener('abort', () => resolve(), { once: true })
    try {
      await promise
    } finally {
      this.#watchers.delete(resolve)
    }
  }
}

function resultOf({ body, outcome }: PlannedWrite): WriteResult {
  if (body.kind === 'deleted') return { kind: 'deleted' }
  return { kind: outcome === 'unchanged' ? 'unchanged' : 'written', entry: body.entry }
}

function lostWrite(name: string): MillraceError {
  return new MillraceError(
    'JOURNAL_LOST',
    'failPartition',
    `The config topic acknowledged a write about connector ${name} and does not hold it.`,
  )
}

/** The work goes on; only this caller stops waiting. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
