// Delivering to one table (journal.md, steps 4–7): open a stream, log Intents, append in order, and what every answer means.
// A pure machine: batches are frozen before they come in; the shell holds their bytes by id. Time arrives in the events.
// Invariants: IntentFirst, Contiguous, NoDup (a layout never changes while a copy of it may still land), NoOrphanRows.
import { assert, assertNever, MillraceError } from '../errors/error.ts'
import { type StreamName, type StreamOffset, streamOffset, type TableName } from '../ids.ts'
import { type IntervalSet, size, subtract, union } from '../interval-set.ts'
import type { AppendRefusal, RowError } from '../ports/bigquery.ts'
import type { Adoptable, Doubt } from './claim.ts'
import type { Fingerprint, IntentBatch } from './records.ts'

/** Unacknowledged batches a lane lays out; with ≤ 2 MB each this bounds a lane at ~32 MB and an Intent at a few KB. */
export const LANE_WINDOW_MAX = 16
/** The same while the lane has no open stream yet. */
export const LANE_OPENING_WINDOW_MAX = 2
/** AppendRows requests on the wire at once per lane. */
export const LANE_IN_FLIGHT_MAX = 8
const DAY_MS = 86_400_000
/** At most one rotation of streams per lane in this time: a flood of poison rows must not burn the creation quota. */
const ROTATION_EVERY_MS = 10_000
/** OUT_OF_RANGE for the oldest unacknowledged batch: stale row counts after a reconnect settle in ~5 s. */
const OUT_OF_RANGE_PERSISTS_MS = 30_000
const GONE_PERSISTS_MS = 600_000
const GONE_RETRY_MS = 10_000
const MISALIGNED_ATTEMPTS = 5
const BACKOFF_BASE_MS = 50
/** Short: a lane that waits is lag. Quotas refill in seconds to minutes, and one request per 5 s and lane asks little of them. */
const BACKOFF_MAX_MS = 5_000

/** A closed batch of records: what it contains of the Kafka log and how many rows it appends. */
export type Batch = {
  readonly id: number
  readonly rowCount: number
  readonly rows: IntervalSet
  readonly dead: IntervalSet
  readonly drop: IntervalSet
  /** Part of `drop`; audited as dead letters are produced: once the Intent is logged and the Claim still head. */
  readonly lost?: IntervalSet
  readonly generation: number
  readonly fingerprint: Fingerprint | null
}

/**
 * laid → (Intent) logging → logged → (dead letters: confirming → saving) → ready → sent → gone from the window.
 * `loose`: a copy may still land at this offset; only OK or ALREADY_EXISTS ends it.
 */
export type PlacedBatch = Batch & {
  readonly firstRow: StreamOffset
  readonly phase: 'laid' | 'logging' | 'confirming' | 'saving' | 'ready' | 'sent' | 'refused'
  readonly lettersSafe: boolean
  readonly loose: boolean
  readonly refusedRows: readonly RowError[]
}

type LaneData = {
  /** null: the lane of batches without rows, while nothing has a stream. */
  readonly table: TableName | null
  readonly claimId: string
  readonly epoch: number
  readonly adoptable: readonly Adoptable[]
  readonly stream: StreamName | null
  readonly tableCreationTime: string
  readonly nextRow: StreamOffset
  readonly window: readonly PlacedBatch[]
  readonly intentInFlight: boolean
  /** Records of the stream before a rotation, deletable once the first Intent of the new one is logged. */
  readonly obsoleteKeys: readonly string[]
  readonly rotate: boolean
  readonly lastRotationMs: number
  readonly lastTrafficMs: number
  readonly failures: number
  readonly outOfRangeSinceMs: number | null
  readonly goneSinceMs: number | null
  readonly misaligned: number
}

/**
 * unopened: no stream yet · creating, loggingOpen, confirmingOpen, rechecking: step 4 · appending: step 5 and 7
 * draining: nothing new is sent until every request is answered or its connection is dead · splitting: bad rows are cut out
 * pausing: backoff before sending again · finalizing, misaligned, settling: a rotation · ended: fenced, failed or in doubt
 */
export type LaneState = LaneData & {
  readonly kind:
    | 'unopened'
    | 'creating'
    | 'loggingOpen'
    | 'confirmingOpen'
    | 'rechecking'
    | 'appending'
    | 'draining'
    | 'splitting'
    | 'pausing'
    | 'finalizing'
    | 'misaligned'
    | 'settling'
    | 'ended'
}

export type LaneEvent =
  | { readonly kind: 'batch'; readonly batch: Batch; readonly nowMs: number }
  | {
      readonly kind: 'streamReady'
      readonly stream: StreamName
      readonly row: StreamOffset
      readonly tableCreationTime: string
      readonly nowMs: number
    }
  | { readonly kind: 'openLogged' }
  | { readonly kind: 'openConfirmed'; readonly isHead: boolean }
  | { readonly kind: 'rechecked' }
  | { readonly kind: 'intentLogged' }
  | { readonly kind: 'intentConfirmed'; readonly batchId: number; readonly isHead: boolean }
  /** `dead`: as the effect stated it; a batch may have got more of them while they were saved. */
  | { readonly kind: 'deadLettersSafe'; readonly batchId: number; readonly dead: IntervalSet }
  | { readonly kind: 'acknowledged'; readonly batchId: number; readonly offset: StreamOffset; readonly nowMs: number }
  | { readonly kind: 'refused'; readonly batchId: number; readonly refusal: AppendRefusal; readonly nowMs: number }
  | { readonly kind: 'broken'; readonly error: MillraceError; readonly nowMs: number }
  /** The batch without its bad rows: those are dead letters now (or drops, without a dead letter queue). */
  | { readonly kind: 'split'; readonly batch: Batch }
  | { readonly kind: 'pauseOver' }
  | { readonly kind: 'finalized'; readonly rows: StreamOffset; readonly nowMs: number }
  | { readonly kind: 'streamGone'; readonly nowMs: number }
  | { readonly kind: 'settledLogged'; readonly nowMs: number }

export type LaneEffect =
  /** Adopt this stream if it can still be appended to, else create one. */
  | { readonly kind: 'openStream'; readonly adoptable: readonly Adoptable[]; readonly delayMs: number }
  | { readonly kind: 'logOpen' }
  | { readonly kind: 'confirmOpen' }
  /** Finalize the streams of the recovery once more and compare (once per claim). */
  | { readonly kind: 'recheck' }
  /** Append the Intent of this state: progress of the claim and the window as it is now. */
  | { readonly kind: 'logIntent' }
  | { readonly kind: 'confirmIntent'; readonly batchId: number }
  | { readonly kind: 'saveDeadLetters'; readonly batchId: number; readonly dead: IntervalSet }
  | { readonly kind: 'send'; readonly batchId: number; readonly firstRow: StreamOffset }
  | { readonly kind: 'closeConnection' }
  | { readonly kind: 'split'; readonly batchId: number; readonly rows: readonly RowError[] }
  | { readonly kind: 'pause'; readonly ms: number }
  | { readonly kind: 'finalize'; readonly stream: StreamName }
  | { readonly kind: 'logSettled' }
  | { readonly kind: 'deleteKeys'; readonly keys: readonly string[] }
  /** The batch is done: its offsets are settled and its bytes can go. */
  | {
      readonly kind: 'settled'
      readonly batchId: number
      readonly offsets: IntervalSet
      readonly fingerprint: Fingerprint | null
    }
  | { readonly kind: 'fenced' }
  | { readonly kind: 'failed'; readonly error: MillraceError }
  | { readonly kind: 'inDoubt'; readonly doubts: readonly Doubt[] }

export type LaneStep = { readonly state: LaneState; readonly effects: readonly LaneEffect[] }

export function newLane(options: {
  readonly table: TableName | null
  readonly claimId: string
  readonly epoch: number
  readonly adoptable: readonly Adoptable[]
}): LaneState {
  return {
    ...options,
    kind: options.table === null ? 'appending' : 'unopened',
    stream: null,
    tableCreationTime: '',
    nextRow: streamOffset(0),
    window: [],
    intentInFlight: false,
    obsoleteKeys: [],
    rotate: false,
    lastRotationMs: Number.NEGATIVE_INFINITY,
    lastTrafficMs: Number.POSITIVE_INFINITY,
    failures: 0,
    outOfRangeSinceMs: null,
    goneSinceMs: null,
    misaligned: 0,
  }
}

/**
 * Whether another batch may come in: the window is the lane's backpressure. Until its stream is open a lane takes little:
 * what opening waits for (journal, CreateWriteStream) should not stand in line behind conversion.
 */
export const hasRoom = (state: LaneState): boolean =>
  state.kind !== 'ended' && state.window.length < (isOpening(state) ? LANE_OPENING_WINDOW_MAX : LANE_WINDOW_MAX)
const isOpening = ({ table, stream, kind }: LaneState): boolean =>
  table !== null && (stream === null || kind === 'loggingOpen' || kind === 'confirmingOpen' || kind === 'rechecking')
export const isDrained = (state: LaneState): boolean => state.window.length === 0 && !state.intentInFlight
/** The window as an Intent states it. */
export const intentWindow = (state: LaneState): readonly IntentBatch[] =>
  state.window.map(({ firstRow, rowCount, rows, dead, drop, lost, generation, fingerprint }) => ({
    firstRow,
    rowCount,
    rows,
    dead,
    drop,
    ...(lost !== undefined && { lost }),
    generation,
    fingerprint,
  }))

export function stepLane(state: LaneState, event: LaneEvent): LaneStep {
  if (state.kind === 'ended') return { state, effects: [] } // late answers of a claim that is over
  switch (event.kind) {
    case 'batch':
      return takeBatch(state, event.batch, event.nowMs)
    case 'streamReady':
      expect(state, event, 'creating')
      return pumpless(
        {
          ...relay(state, event.row),
          kind: 'loggingOpen',
          stream: event.stream,
          tableCreationTime: event.tableCreationTime,
          adoptable: [],
          lastTrafficMs: event.nowMs,
        },
        { kind: 'logOpen' },
      )
    case 'openLogged':
      expect(state, event, 'loggingOpen')
      return pumpless({ ...state, kind: 'confirmingOpen' }, { kind: 'confirmOpen' })
    case 'openConfirmed':
      expect(state, event, 'confirmingOpen')
      return event.isHead ? pumpless({ ...state, kind: 'rechecking' }, { kind: 'recheck' }) : fence(state)
    case 'rechecked':
      expect(state, event, 'rechecking')
      return pump({ ...state, kind: 'appending' })
    case 'intentLogged':
      return intentLogged(state)
    case 'intentConfirmed':
      if (!event.isHead) return fence(state)
      return intentConfirmed(state, event.batchId)
    case 'deadLettersSafe': {
      const batch = state.window.find(b => b.id === event.batchId)
      if (batch === undefined) return pumpless(state) // a second copy of letters that were safe
      // Begun before the batch was laid out again and more of its rows were refused: those letters are saved after their Intent.
      if (subtract(batch.dead, event.dead).length > 0) return pumpless(state)
      const isLogged = batch.phase === 'saving'
      return pump(place(state, event.batchId, isLogged ? { phase: 'ready', lettersSafe: true } : { lettersSafe: true }))
    }
    case 'acknowledged':
      return acknowledged(state, event.batchId, event.offset, event.nowMs)
    case 'refused':
      return refused(state, event.batchId, event.refusal, event.nowMs)
    case 'broken':
      return broken(state, event.error)
    case 'split':
      expect(state, event, 'splitting')
      return splitIn(state, event.batch)
    case 'pauseOver':
      return pauseOver(state)
    case 'finalized':
      expect(state, event, 'finalizing')
      return rotated(state, event.rows)
    case 'streamGone':
      expect(state, event, 'finalizing')
      return goneWhileRotating(state, event.nowMs)
    case 'settledLogged':
      expect(state, event, 'settling')
      return open(
        { ...state, kind: 'unopened', lastRotationMs: event.nowMs },
        Math.max(0, state.lastRotationMs + ROTATION_EVERY_MS - event.nowMs),
      )
    default:
      return assertNever(event)
  }
}

function expect(state: LaneState, event: LaneEvent, kind: LaneState['kind']): void {
  assert(state.kind === kind, `Lane in state ${state.kind} cannot take ${event.kind}.`)
}
const pumpless = (state: LaneState, ...effects: readonly LaneEffect[]): LaneStep => ({ state, effects })
const andThen = (first: readonly LaneEffect[], step: LaneStep): LaneStep => ({
  state: step.state,
  effects: [...first, ...step.effects],
})

function fence(state: LaneState): LaneStep {
  return pumpless({ ...state, kind: 'ended' }, { kind: 'closeConnection' }, { kind: 'fenced' })
}
function fail(state: LaneState, error: MillraceError): LaneStep {
  return pumpless({ ...state, kind: 'ended' }, { kind: 'closeConnection' }, { kind: 'failed', error })
}
function doubt(state: LaneState, saw: string): LaneStep {
  assert(state.stream !== null, 'Doubt needs a stream.')
  return pumpless(
    { ...state, kind: 'ended' },
    { kind: 'closeConnection' },
    { kind: 'inDoubt', doubts: [{ stream: state.stream, saw }] },
  )
}

function placed(state: LaneState, batchId: number): PlacedBatch {
  const batch = state.window.find(b => b.id === batchId)
  assert(batch !== undefined, `Batch ${batchId} is not in the window.`)
  return batch
}
function place(state: LaneState, batchId: number, change: Partial<PlacedBatch>): LaneState {
  placed(state, batchId)
  return { ...state, window: state.window.map(b => (b.id === batchId ? { ...b, ...change } : b)) }
}

// ── coming in ──

function takeBatch(state: LaneState, batch: Batch, nowMs: number): LaneStep {
  assert(hasRoom(state), 'A batch came although the window is full.')
  assert(batch.rowCount > 0 || state.stream !== null || state.table === null, 'A batch without rows needs no stream.')
  const layout: PlacedBatch = {
    ...batch,
    firstRow: state.nextRow,
    phase: 'laid',
    lettersSafe: batch.dead.length === 0 && (batch.lost ?? []).length === 0,
    loose: false,
    refusedRows: [],
  }
  const next: LaneState = {
    ...state,
    window: [...state.window, layout],
    nextRow: streamOffset(state.nextRow + BigInt(batch.rowCount)),
  }
  if (state.kind === 'unopened') return open(next, 0)
  const expired = state.kind === 'appending' && state.stream !== null && nowMs - state.lastTrafficMs > DAY_MS
  if (expired && state.window.length === 0) return drain({ ...next, rotate: true })
  return pump(next)
}

function open(state: LaneState, delayMs: number): LaneStep {
  if (state.window.length === 0) return pumpless(state)
  return pumpless({ ...state, kind: 'creating' }, { kind: 'openStream', adoptable: state.adoptable, delayMs })
}

/** Lays the whole window out anew from `row`: only ever before a first append on a stream. */
function relay(state: LaneState, row: StreamOffset): LaneState {
  let nextRow = row
  const window = state.window.map(batch => {
    const firstRow = nextRow
    nextRow = streamOffset(nextRow + BigInt(batch.rowCount))
    return { ...batch, firstRow, phase: 'laid' as const, loose: false, refusedRows: [] }
  })
  return { ...state, window, nextRow }
}

// ── going out ──

/** Logs what is laid, sends what is ready, finishes what has no rows. */
function pump(state: LaneState): LaneStep {
  if (state.kind !== 'appending') return pumpless(state)
  /** First of all: the Intent of this step states them as progress, as they are in its window no more. */
  const settled: LaneEffect[] = []
  const effects: LaneEffect[] = []
  let next = state
  if (!next.intentInFlight && next.window.some(b => b.phase === 'laid')) {
    next = {
      ...next,
      intentInFlight: true,
      window: next.window.map(b => (b.phase === 'laid' ? { ...b, phase: 'logging' as const } : b)),
    }
    effects.push({ kind: 'logIntent' })
  }
  // After failures in a row only the oldest goes out until it is answered well: eight refused at once would cost the service
  // eight times, and where every n-th request fails the same one could be hit for ever.
  const inFlightMax = next.failures > 1 ? 1 : LANE_IN_FLIGHT_MAX
  let inFlight = next.window.filter(b => b.phase === 'sent').length
  let blocked = false
  const window: PlacedBatch[] = []
  for (const batch of next.window) {
    if (batch.phase === 'ready' && batch.rowCount === 0) {
      settled.push(settledEffect(batch))
      continue
    }
    if (batch.rowCount > 0 && batch.phase !== 'sent') {
      if (batch.phase === 'ready' && !blocked && inFlight < inFlightMax) {
        effects.push({ kind: 'send', batchId: batch.id, firstRow: batch.firstRow })
        window.push({ ...batch, phase: 'sent' })
        inFlight++
        continue
      }
      blocked = true // order: nothing behind an unsent batch goes out
    }
    window.push(batch)
  }
  return { state: { ...next, window }, effects: [...settled, ...effects] }
}

const settledEffect = (batch: PlacedBatch): LaneEffect => ({
  kind: 'settled',
  batchId: batch.id,
  offsets: union(union(batch.rows, batch.dead), batch.drop),
  fingerprint: batch.fingerprint,
})

function intentLogged(state: LaneState): LaneStep {
  assert(state.intentInFlight, 'An Intent was logged that was not under way.')
  const effects: LaneEffect[] = []
  const window = state.window.map(batch => {
    if (batch.phase !== 'logging') return batch
    if (batch.lettersSafe) return { ...batch, phase: 'ready' as const }
    effects.push({ kind: 'confirmIntent', batchId: batch.id })
    return { ...batch, phase: 'confirming' as const }
  })
  if (state.obsoleteKeys.length > 0) effects.push({ kind: 'deleteKeys', keys: state.obsoleteKeys })
  const next: LaneState = { ...state, window, intentInFlight: false, obsoleteKeys: [] }
  return andThen(effects, next.kind === 'draining' ? drained(next) : pump(next))
}

function intentConfirmed(state: LaneState, batchId: number): LaneStep {
  const batch = state.window.find(b => b.id === batchId)
  // Laid out again meanwhile (its next Intent is confirmed instead), or saved by that one already.
  if (batch?.phase !== 'confirming') return pumpless(state)
  return pumpless(place(state, batchId, { phase: 'saving' }), { kind: 'saveDeadLetters', batchId, dead: batch.dead })
}

// ── answers ──

function acknowledged(state: LaneState, batchId: number, offset: StreamOffset, nowMs: number): LaneStep {
  const batch = placed(state, batchId)
  assert(batch.phase === 'sent', `Batch ${batchId} was answered although it is ${batch.phase}.`)
  if (offset !== batch.firstRow)
    return fail(state, unexpected(state, `Rows sent for offset ${batch.firstRow} were acknowledged at ${offset}`))
  return done(state, batch, nowMs)
}

function done(state: LaneState, batch: PlacedBatch, nowMs: number): LaneStep {
  // Rows land in order: those before it have landed too, which only a loose copy can have done unheard. Its own answer follows.
  const missing = state.window.find(b => b.rowCount > 0 && b.firstRow < batch.firstRow && !b.loose)
  if (missing !== undefined)
    return fail(state, unexpected(state, `Offset ${batch.firstRow} is there although ${missing.firstRow} was refused`))
  const next: LaneState = {
    ...state,
    window: state.window.filter(b => b !== batch),
    failures: 0,
    outOfRangeSinceMs: null,
    lastTrafficMs: nowMs,
  }
  return andThen([settledEffect(batch)], next.kind === 'draining' ? drained(next) : pump(next))
}

const unexpected = (state: LaneState, sentence: string): MillraceError =>
  new MillraceError('ACK_UNEXPECTED', 'failPartition', `${sentence} on ${state.stream}.`)

function refused(state: LaneState, batchId: number, refusal: AppendRefusal, nowMs: number): LaneStep {
  const batch = placed(state, batchId)
  assert(batch.phase === 'sent', `Batch ${batchId} was refused although it is ${batch.phase}.`)
  switch (refusal.kind) {
    case 'alreadyExists':
      if (batch.loose) return done(state, batch, nowMs)
      return fail(state, unexpected(state, `OFFSET_ALREADY_EXISTS for the first copy of offset ${batch.firstRow}`))
    case 'streamFinalized':
      return fence(state)
    case 'streamNotFound':
      return drain({ ...place(state, batchId, { phase: 'ready' }), rotate: true })
    case 'rowErrors':
      return drain(place(state, batchId, { phase: 'refused', refusedRows: refusal.rows }))
    case 'outOfRange': {
      const isOldest = state.window.find(b => b.rowCount > 0)?.id === batchId
      const sinceMs = isOldest ? (state.outOfRangeSinceMs ?? nowMs) : state.outOfRangeSinceMs
      if (isOldest && sinceMs !== null && nowMs - sinceMs > OUT_OF_RANGE_PERSISTS_MS)
        return fail(state, unexpected(state, `OFFSET_OUT_OF_RANGE persists for the next offset ${batch.firstRow}`))
      return drain({
        ...place(state, batchId, { phase: 'ready' }),
        outOfRangeSinceMs: sinceMs,
        failures: state.failures + (isOldest ? 1 : 0),
      })
    }
    case 'other':
      return refusedByRule(
        place(state, batchId, { phase: 'ready', loose: batch.loose || mayHaveLanded(refusal.error) }),
        refusal.error,
      )
    default:
      return assertNever(refusal)
  }
}

/**
 * The documentation says that a refused request wrote nothing. For the service's own trouble (INTERNAL, UNAVAILABLE, …) that
 * is not taken at its word: should the resent copy find its offset written, it was this one. A throttled one never was.
 */
const mayHaveLanded = (error: MillraceError): boolean =>
  (error.disposition === 'retry' || error.disposition === 'reconnect') && error.code !== 'BIGQUERY_QUOTA'

function refusedByRule(state: LaneState, error: MillraceError): LaneStep {
  switch (error.disposition) {
    case 'retry':
    case 'reconnect':
      return drain({ ...state, failures: state.failures + 1 })
    case 'reopenStream':
      return drain({ ...state, rotate: true })
    case 'fenced':
      return fence(state)
    case 'alreadyDone':
    case 'badRecord':
    case 'failPartition':
      return fail(state, error)
    default:
      return assertNever(error.disposition)
  }
}

function broken(state: LaneState, error: MillraceError): LaneStep {
  const loosened: LaneState = {
    ...state,
    window: state.window.map(b => (b.phase === 'sent' ? { ...b, phase: 'ready' as const, loose: true } : b)),
  }
  // Before the first answer on a stream nothing but the connection itself can be wrong; a stream that is open stays open.
  if (loosened.kind !== 'appending' && loosened.kind !== 'draining') return pumpless(loosened)
  return refusedByRule(loosened, error)
}

// ── draining, splitting, rotating ──

function drain(state: LaneState): LaneStep {
  return drained({ ...state, kind: 'draining' })
}

/** Goes on once nothing is on the wire and no Intent is under way. */
function drained(state: LaneState): LaneStep {
  if (state.intentInFlight || state.window.some(b => b.phase === 'sent')) return pumpless(state)
  if (state.rotate) return rotate(state)
  const bad = state.window.find(b => b.phase === 'refused')
  if (bad === undefined) return pumpless({ ...state, kind: 'pausing' }, { kind: 'pause', ms: backoff(state.failures) })
  if (state.window.some(b => b.loose && b.rowCount > 0 && b.firstRow >= bad.firstRow))
    return rotate({ ...state, rotate: true })
  return pumpless({ ...state, kind: 'splitting' }, { kind: 'split', batchId: bad.id, rows: bad.refusedRows })
}

/** The shell adds jitter. 0 after a first failure-free drain, so that a plain reorder costs nothing. */
const backoff = (failures: number): number =>
  failures === 0 ? 0 : Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** Math.min(failures, 12))

function splitIn(state: LaneState, batch: Batch): LaneStep {
  const index = state.window.findIndex(b => b.id === batch.id)
  const before = state.window[index]
  assert(before !== undefined && before.rowCount > batch.rowCount, 'A split must remove rows.')
  let nextRow = before.firstRow
  const window = state.window.map((b, i) => {
    if (i < index) return b
    const changed: PlacedBatch =
      i === index
        ? { ...b, ...batch, lettersSafe: b.lettersSafe && size(batch.dead) === size(before.dead), refusedRows: [] }
        : b
    const firstRow = nextRow
    nextRow = streamOffset(nextRow + BigInt(changed.rowCount))
    return { ...changed, firstRow, phase: 'laid' as const }
  })
  return pump({ ...state, kind: 'appending', window, nextRow })
}

function rotate(state: LaneState): LaneStep {
  assert(state.stream !== null, 'Only a lane with a stream rotates.')
  return pumpless(
    { ...state, kind: 'finalizing' },
    { kind: 'closeConnection' },
    { kind: 'finalize', stream: state.stream },
  )
}

function rotated(state: LaneState, rows: StreamOffset): LaneStep {
  const boundaries = new Set([state.nextRow, ...state.window.filter(b => b.rowCount > 0).map(b => b.firstRow)])
  if (!boundaries.has(rows)) {
    if (state.misaligned >= MISALIGNED_ATTEMPTS)
      return doubt(state, `${rows} rows, which is no boundary of a logged batch`)
    return pumpless({ ...state, kind: 'misaligned', misaligned: state.misaligned + 1 }, { kind: 'pause', ms: 2_000 })
  }
  const landed = state.window.filter(b => b.rowCount > 0 && b.firstRow < rows)
  return settleRotation({ ...state, window: state.window.filter(b => !landed.includes(b)) }, landed.map(settledEffect))
}

function settleRotation(state: LaneState, effects: readonly LaneEffect[]): LaneStep {
  const { claimId, stream } = state
  const obsoleteKeys = [...state.obsoleteKeys, `open/${claimId}/${stream}`, `intent/${claimId}/${stream}`]
  const next: LaneState = {
    ...state,
    kind: 'settling',
    rotate: false,
    outOfRangeSinceMs: null,
    goneSinceMs: null,
    misaligned: 0,
    stream: null,
    obsoleteKeys,
  }
  return pumpless(relay(next, streamOffset(0)), ...effects, { kind: 'logSettled' })
}

function goneWhileRotating(state: LaneState, nowMs: number): LaneStep {
  // Never sent, or refused for certain: then nothing of the window can be in the stream that is gone.
  if (!state.window.some(b => b.loose && b.rowCount > 0)) return settleRotation(state, [])
  const sinceMs = state.goneSinceMs ?? nowMs
  if (nowMs - sinceMs >= GONE_PERSISTS_MS) return doubt(state, 'STREAM_NOT_FOUND although appends on it are unanswered')
  return pumpless({ ...state, kind: 'misaligned', goneSinceMs: sinceMs }, { kind: 'pause', ms: GONE_RETRY_MS })
}

function pauseOver(state: LaneState): LaneStep {
  switch (state.kind) {
    case 'pausing':
      return pump({ ...state, kind: 'appending' })
    case 'misaligned':
      assert(state.stream !== null, 'A rotation keeps its stream until it is settled.')
      return pumpless({ ...state, kind: 'finalizing' }, { kind: 'finalize', stream: state.stream })
    default:
      throw new MillraceError('BUG', 'failPartition', `Lane in state ${state.kind} was not pausing.`)
  }
}
