// Lane states as events lead to them, one of each kind, and the shorthand the tests of the lane share.
import {
  type Adoptable,
  assertLaneInvariants,
  type Batch,
  type IntervalSet,
  kafkaOffset,
  type LaneEffect,
  type LaneEvent,
  type LaneState,
  type LaneStep,
  MillraceError,
  newLane,
  type OffsetRange,
  stepLane,
  streamOffset,
} from '@millrace/core'
import { S1, TABLE } from './arbitrary-journal.ts'

const range = (from: number, count: number): OffsetRange[] =>
  count === 0 ? [] : [{ from: kafkaOffset(from), to: kafkaOffset(from + count) }]

/** Offsets 10 × id on: `rows` rows, then `dead` letters, then `drop` drops. */
export function batchOf(id: number, { rows = 2, dead = 0, drop = 0 }: Outcomes = {}): Batch {
  const at = 10 * id
  return {
    id,
    rowCount: rows,
    rows: range(at, rows),
    dead: range(at + rows, dead),
    drop: range(at + rows + dead, drop),
    generation: 1,
    fingerprint: null,
  }
}

export const laneOf = (adoptable: readonly Adoptable[] = []): LaneState =>
  newLane({ table: TABLE, claimId: 'me', epoch: 2, adoptable })
export const streamless = (): LaneState => newLane({ table: null, claimId: 'me', epoch: 2, adoptable: [] })

/** The last step after all events; invariants are asserted after each, as in production. */
export function walk(state: LaneState, ...events: readonly LaneEvent[]): LaneStep {
  return events.reduce<LaneStep>(
    (last, event) => {
      const step = stepLane(last.state, event)
      assertLaneInvariants(step.state)
      return step
    },
    { state, effects: [] },
  )
}

// ── events ──

type Outcomes = { readonly rows?: number; readonly dead?: number; readonly drop?: number }
export const batch = (id: number, what: Outcomes = {}, nowMs = 0): LaneEvent => ({
  kind: 'batch',
  batch: batchOf(id, what),
  nowMs,
})
export const streamReady = (row = 0, nowMs = 0): LaneEvent => ({
  kind: 'streamReady',
  stream: S1,
  row: streamOffset(row),
  tableCreationTime: '1',
  nowMs,
})
export const OPEN_LOGGED: LaneEvent = { kind: 'openLogged' }
export const OPEN_CONFIRMED: LaneEvent = { kind: 'openConfirmed', isHead: true }
export const RECHECKED: LaneEvent = { kind: 'rechecked' }
export const INTENT_LOGGED: LaneEvent = { kind: 'intentLogged' }
export const intentConfirmed = (batchId: number, isHead = true): LaneEvent => ({
  kind: 'intentConfirmed',
  batchId,
  isHead,
})
/** All letters `batchOf(id)` can have, unless said otherwise. */
export const deadLettersSafe = (batchId: number, dead: IntervalSet = range(10 * batchId, 10)): LaneEvent => ({
  kind: 'deadLettersSafe',
  batchId,
  dead,
})
export const acknowledged = (batchId: number, offset: number, nowMs = 0): LaneEvent => ({
  kind: 'acknowledged',
  batchId,
  offset: streamOffset(offset),
  nowMs,
})
type Refusal = Extract<LaneEvent, { kind: 'refused' }>['refusal']
export const refused = (
  batchId: number,
  refusal: Refusal | Exclude<Refusal['kind'], 'other' | 'rowErrors'>,
  nowMs = 0,
): LaneEvent => ({
  kind: 'refused',
  batchId,
  refusal: typeof refusal === 'string' ? { kind: refusal, message: refusal } : refusal,
  nowMs,
})
export const rowErrors = (...indexes: readonly number[]): Refusal => ({
  kind: 'rowErrors',
  message: 'bad rows',
  rows: indexes.map(index => ({ index, message: 'bad' })),
})
export const broken = (disposition: MillraceError['disposition'] = 'reconnect'): LaneEvent => ({
  kind: 'broken',
  error: new MillraceError('BIGQUERY_UNREACHABLE', disposition, 'lost'),
  nowMs: 0,
})
/** `batchOf(id)` without its last row, which is a dead letter now. */
export const split = (id: number): LaneEvent => ({ kind: 'split', batch: batchOf(id, { rows: 1, dead: 1 }) })
export const PAUSE_OVER: LaneEvent = { kind: 'pauseOver' }
export const finalized = (rows: number, nowMs = 0): LaneEvent => ({
  kind: 'finalized',
  rows: streamOffset(rows),
  nowMs,
})
export const streamGone = (nowMs = 0): LaneEvent => ({ kind: 'streamGone', nowMs })
export const settledLogged = (nowMs = 0): LaneEvent => ({ kind: 'settledLogged', nowMs })

// ── states ──

/** From a new lane to one whose stream is open and which has logged batches 1 to `count` and sent them. */
export const opened = (row = 0): readonly LaneEvent[] => [streamReady(row), OPEN_LOGGED, OPEN_CONFIRMED, RECHECKED]
export const sent = (count: number): readonly LaneEvent[] => [
  batch(1),
  ...opened(),
  ...Array.from({ length: count - 1 }, (_, i) => batch(i + 2)),
  INTENT_LOGGED,
  ...(count > 1 ? [INTENT_LOGGED] : []),
]
/** Batch 1 was sent, its answer lost; the copy sent after it was refused for its rows: what landed is not known. */
const looseAndRefused: readonly LaneEvent[] = [...sent(1), broken(), PAUSE_OVER, refused(1, rowErrors(1))]

export const SAMPLES: Record<LaneState['kind'], LaneState> = {
  unopened: laneOf(),
  creating: walk(laneOf(), batch(1)).state,
  loggingOpen: walk(laneOf(), batch(1), streamReady()).state,
  confirmingOpen: walk(laneOf(), batch(1), streamReady(), OPEN_LOGGED).state,
  rechecking: walk(laneOf(), batch(1), streamReady(), OPEN_LOGGED, OPEN_CONFIRMED).state,
  appending: walk(laneOf(), ...sent(1)).state,
  draining: walk(laneOf(), ...sent(3), refused(1, 'outOfRange')).state,
  splitting: walk(laneOf(), ...sent(1), refused(1, rowErrors(1))).state,
  pausing: walk(laneOf(), ...sent(1), refused(1, 'outOfRange')).state,
  finalizing: walk(laneOf(), ...looseAndRefused).state,
  misaligned: walk(laneOf(), ...looseAndRefused, finalized(9)).state,
  settling: walk(laneOf(), ...looseAndRefused, finalized(0)).state,
  ended: walk(laneOf(), ...sent(1), refused(1, 'streamFinalized')).state,
}

/** One event of each kind; answers are for the batch on the wire, where there is one. */
export function eventsFor({ window }: LaneState): Record<LaneEvent['kind'], LaneEvent> {
  const onWire = window.find(b => b.phase === 'sent') ?? { id: 1, firstRow: streamOffset(0) }
  return {
    batch: batch(9),
    streamReady: streamReady(),
    openLogged: OPEN_LOGGED,
    openConfirmed: OPEN_CONFIRMED,
    rechecked: RECHECKED,
    intentLogged: INTENT_LOGGED,
    intentConfirmed: intentConfirmed(1),
    deadLettersSafe: deadLettersSafe(1),
    acknowledged: acknowledged(onWire.id, Number(onWire.firstRow)),
    refused: refused(onWire.id, 'outOfRange'),
    broken: broken(),
    split: split(1),
    pauseOver: PAUSE_OVER,
    finalized: finalized(0),
    streamGone: streamGone(),
    settledLogged: settledLogged(),
  }
}

export const kindsOf = (effects: readonly LaneEffect[]): string => effects.map(effect => effect.kind).join(', ')
