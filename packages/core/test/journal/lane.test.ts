// The lane machine: every cell of states × events (SPEC.md shows the same table), then rule by rule of steps 4 to 7.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Adoptable,
  assertLaneInvariants,
  hasRoom,
  intentWindow,
  isMillraceError,
  LANE_IN_FLIGHT_MAX,
  LANE_WINDOW_MAX,
  type LaneEffect,
  type LaneEvent,
  type LaneState,
  type LaneStep,
  MillraceError,
  stepLane,
  streamOffset,
} from '@millrace/core'
import { S1, TABLE as TABLE_NAME } from './arbitrary-journal.ts'
import {
  acknowledged,
  batch,
  batchOf,
  broken,
  deadLettersSafe,
  eventsFor,
  finalized,
  INTENT_LOGGED,
  intentConfirmed,
  kindsOf,
  laneOf,
  OPEN_LOGGED,
  opened,
  PAUSE_OVER,
  refused,
  rowErrors,
  SAMPLES,
  sent,
  settledLogged,
  split,
  streamGone,
  streamless,
  streamReady,
  walk,
} from './lane-samples.ts'

const BUG = 'BUG'
type Cells = Record<LaneEvent['kind'], string>

/** What may come at any time changes nothing: batches wait, late answers about dead letters and connections are noted. */
const waiting = (kind: LaneState['kind']): Cells => ({
  batch: `${kind}: `,
  streamReady: BUG,
  openLogged: BUG,
  openConfirmed: BUG,
  rechecked: BUG,
  intentLogged: BUG,
  intentConfirmed: `${kind}: `,
  deadLettersSafe: `${kind}: `,
  acknowledged: BUG,
  refused: BUG,
  broken: `${kind}: `,
  split: BUG,
  pauseOver: BUG,
  finalized: BUG,
  streamGone: BUG,
  settledLogged: BUG,
})
const over: Cells = Object.fromEntries(Object.keys(waiting('ended')).map(event => [event, 'ended: '])) as Cells

/** Next state and effects. Samples: `lane-samples.ts`. */
const TABLE: Record<LaneState['kind'], Cells> = {
  // A new lane takes one batch before its stream is open; the samples from creating to rechecking hold it already.
  unopened: { ...waiting('unopened'), batch: 'creating: openStream' },
  creating: { ...waiting('creating'), streamReady: 'loggingOpen: logOpen' },
  loggingOpen: { ...waiting('loggingOpen'), openLogged: 'confirmingOpen: confirmOpen' },
  confirmingOpen: { ...waiting('confirmingOpen'), openConfirmed: 'rechecking: recheck' },
  rechecking: { ...waiting('rechecking'), rechecked: 'appending: logIntent' },
  // One batch is on the wire.
  appending: {
    ...waiting('appending'),
    batch: 'appending: logIntent',
    acknowledged: 'appending: settled',
    refused: 'pausing: pause',
    broken: 'pausing: pause',
  },
  // The first of three was refused, two are on the wire.
  draining: {
    ...waiting('draining'),
    acknowledged: 'ended: closeConnection, failed', // behind one that was refused and has no other copy
    refused: 'draining: ',
    broken: 'pausing: pause',
  },
  splitting: { ...waiting('splitting'), split: 'appending: logIntent' },
  pausing: { ...waiting('pausing'), pauseOver: 'appending: send' },
  // A copy of its only batch may still land.
  finalizing: { ...waiting('finalizing'), finalized: 'settling: logSettled', streamGone: 'misaligned: pause' },
  misaligned: { ...waiting('misaligned'), pauseOver: 'finalizing: finalize' },
  settling: { ...waiting('settling'), settledLogged: 'creating: openStream' },
  ended: over,
}

function outcome(state: LaneState, event: LaneEvent): string {
  try {
    const step = stepLane(state, event)
    assertLaneInvariants(step.state)
    return `${step.state.kind}: ${kindsOf(step.effects)}`
  } catch (error) {
    return isMillraceError(error) ? error.code : String(error)
  }
}

for (const kind of Object.keys(TABLE) as LaneState['kind'][])
  test(`lane ${kind}: every event`, () => {
    const state = SAMPLES[kind]
    assert.equal(state.kind, kind)
    const actual = Object.entries(eventsFor(state)).map(([name, event]) => [name, outcome(state, event)])
    assert.deepEqual(Object.fromEntries(actual), TABLE[kind])
  })

const effect = <K extends LaneEffect['kind']>(step: LaneStep, kind: K): Extract<LaneEffect, { kind: K }> => {
  const found = step.effects.find(e => e.kind === kind)
  assert(found !== undefined, `${kind} is not among: ${kindsOf(step.effects)}`)
  return found as Extract<LaneEffect, { kind: K }>
}
const sends = (step: LaneStep): number[] => step.effects.flatMap(e => (e.kind === 'send' ? [e.batchId] : []))
const phases = ({ state }: LaneStep): string => state.window.map(b => `${b.id}@${b.firstRow} ${b.phase}`).join(', ')

// ── opening (NoOrphanRows) ──

test('nothing is logged or sent before the Open is confirmed with the own claim as head', () => {
  const events = [batch(1), ...opened()]
  for (let i = 1; i < events.length; i++) {
    const { effects } = walk(laneOf(), ...events.slice(0, i))
    assert.ok(!effects.some(e => e.kind === 'logIntent' || e.kind === 'send'), `after ${i} events`)
  }
  assert.deepEqual(kindsOf(walk(laneOf(), ...events).effects), 'logIntent')
})

test('an Open or an Intent read without being head fences the lane', () => {
  const atOpen = walk(laneOf(), batch(1), streamReady(), OPEN_LOGGED, { kind: 'openConfirmed', isHead: false })
  assert.equal(kindsOf(atOpen.effects), 'closeConnection, fenced')
  const atLetters = walk(laneOf(), batch(1, { dead: 1 }), ...opened(), INTENT_LOGGED, intentConfirmed(1, false))
  assert.equal(kindsOf(atLetters.effects), 'closeConnection, fenced')
})

test('an adopted stream is continued at its row', () => {
  const adoptable: Adoptable = {
    table: TABLE_NAME,
    tableCreationTime: '1',
    stream: S1,
    row: streamOffset(7),
    releasedAtMs: 0,
  }
  const opening = walk(laneOf([adoptable]), batch(1))
  assert.deepEqual(effect(opening, 'openStream').adoptable, [adoptable])
  const adopted = walk(opening.state, ...opened(7), INTENT_LOGGED)
  assert.equal(effect(adopted, 'send').firstRow, 7n)
  assert.deepEqual(adopted.state.adoptable, [], 'once')
})

// ── IntentFirst and OneOutcome ──

test('IntentFirst: rows go out only after the Intent that lays them out is logged, all of a window at once', () => {
  const before = walk(laneOf(), batch(1), ...opened(), batch(2), batch(3))
  assert.equal(phases(before), '1@0 logging, 2@2 laid, 3@4 laid')
  const first = walk(before.state, INTENT_LOGGED)
  assert.deepEqual([kindsOf(first.effects), sends(first)], ['logIntent, send', [1]])
  assert.deepEqual(
    intentWindow(first.state).map(b => [b.firstRow, b.rowCount]),
    [
      [0n, 2],
      [2n, 2],
      [4n, 2],
    ],
  )
  assert.deepEqual(sends(walk(first.state, INTENT_LOGGED)), [2, 3])
})

test('OneOutcome: a batch with dead letters waits for Intent, head check and produced letters; those behind it wait too', () => {
  const logged = walk(laneOf(), batch(1, { dead: 1 }), ...opened(), batch(2), INTENT_LOGGED)
  assert.deepEqual([kindsOf(logged.effects), sends(logged)], ['confirmIntent, logIntent', []])
  const confirmed = walk(logged.state, INTENT_LOGGED, intentConfirmed(1))
  assert.equal(kindsOf(confirmed.effects), 'saveDeadLetters')
  assert.deepEqual(sends(walk(confirmed.state, deadLettersSafe(1))), [1, 2])
})

test('a batch without rows is settled once its letters are safe, without a stream', () => {
  const step = walk(
    streamless(),
    batch(1, { rows: 0, dead: 1, drop: 2 }),
    INTENT_LOGGED,
    intentConfirmed(1),
    deadLettersSafe(1),
  )
  assert.deepEqual(effect(step, 'settled').offsets, [{ from: 10n, to: 13n }])
  assert.deepEqual(step.state.window, [])
})

test('what a step settles is progress before the Intent of that step is composed: it is in no window any more', () => {
  const open = walk(laneOf(), ...sent(1), acknowledged(1, 0), batch(2, { rows: 0, dead: 1 }), batch(3))
  const letters = walk(open.state, INTENT_LOGGED, INTENT_LOGGED, intentConfirmed(2))
  const saved = walk(letters.state, refused(3, rowErrors(1)), deadLettersSafe(2))
  assert.equal(phases(saved), '2@2 ready, 3@2 refused')
  assert.equal(kindsOf(walk(saved.state, split(3)).effects), 'settled, logIntent')
})

test('drops alone need no head check', () => {
  assert.equal(kindsOf(walk(streamless(), batch(1, { rows: 0, drop: 2 }), INTENT_LOGGED).effects), 'settled')
})

test('window and wire are bounded', () => {
  const ids = Array.from({ length: LANE_WINDOW_MAX - 1 }, (_, i) => batch(i + 2))
  const full = walk(laneOf(), batch(1), ...opened(), ...ids)
  assert.ok(!hasRoom(full.state))
  assert.throws(() => stepLane(full.state, batch(99)), { code: BUG })
  const { state } = walk(full.state, INTENT_LOGGED, INTENT_LOGGED)
  assert.equal(state.window.filter(b => b.phase === 'sent').length, LANE_IN_FLIGHT_MAX)
  const acked = walk(state, acknowledged(1, 0))
  assert.deepEqual(sends(acked), [LANE_IN_FLIGHT_MAX + 1])
  assert.ok(hasRoom(acked.state))
})

// ── answers ──

test('OUT_OF_RANGE: everything on the wire is answered first, then all of it goes out again in order', () => {
  const first = walk(laneOf(), ...sent(3), refused(1, 'outOfRange'))
  assert.equal(phases(first), '1@0 ready, 2@2 sent, 3@4 sent')
  const drained = walk(first.state, refused(2, 'outOfRange'), refused(3, 'outOfRange'))
  assert.equal(drained.state.kind, 'pausing')
  assert.deepEqual(sends(walk(drained.state, PAUSE_OVER)), [1, 2, 3])
})

test('OUT_OF_RANGE for the oldest batch that lasts more than 30 s is FAILED, for a later one it is not', () => {
  const again = (state: LaneState, nowMs: number): LaneStep => walk(state, PAUSE_OVER, refused(1, 'outOfRange', nowMs))
  const first = walk(laneOf(), ...sent(1), refused(1, 'outOfRange', 1_000))
  const still = again(first.state, 31_000)
  assert.equal(still.state.kind, 'pausing')
  const failed = again(still.state, 31_001)
  assert.match(effect(failed, 'failed').error.message, /OFFSET_OUT_OF_RANGE persists for the next offset 0/)
  const later = walk(laneOf(), ...sent(2), refused(2, 'outOfRange', 1_000), acknowledged(1, 0, 99_000), PAUSE_OVER)
  assert.deepEqual(sends(later), [2])
})

test('ALREADY_EXISTS is done for a loose request and FAILED for a first copy', () => {
  const first = walk(laneOf(), ...sent(1), refused(1, 'alreadyExists'))
  assert.equal(effect(first, 'failed').error.code, 'ACK_UNEXPECTED')
  const loose = walk(laneOf(), ...sent(1), broken(), PAUSE_OVER, refused(1, 'alreadyExists'))
  assert.equal(effect(loose, 'settled').batchId, 1)
})

test("a refusal by the service's own trouble leaves the request loose; one by quota or by the request does not", () => {
  const after = (code: 'BIGQUERY_UNREACHABLE' | 'BIGQUERY_QUOTA'): LaneStep => {
    const error = new MillraceError(code, 'retry', 'x')
    return walk(laneOf(), ...sent(1), refused(1, { kind: 'other', error }), PAUSE_OVER, refused(1, 'alreadyExists'))
  }
  assert.equal(effect(after('BIGQUERY_UNREACHABLE'), 'settled').batchId, 1)
  assert.equal(effect(after('BIGQUERY_QUOTA'), 'failed').error.code, 'ACK_UNEXPECTED')
})

test('the refusal of a later copy does not end looseness; OK and ALREADY_EXISTS do', () => {
  const loose = walk(laneOf(), ...sent(1), broken(), PAUSE_OVER, refused(1, 'outOfRange'), PAUSE_OVER)
  assert.equal(loose.state.window[0]?.loose, true)
  assert.equal(kindsOf(walk(loose.state, refused(1, 'alreadyExists')).effects), 'settled')
  assert.equal(kindsOf(walk(loose.state, acknowledged(1, 0)).effects), 'settled')
})

test('a late copy may land while a later one is refused: what is acknowledged behind it stays done, its own answer follows', () => {
  const quota = { kind: 'other', error: new MillraceError('BIGQUERY_QUOTA', 'retry', 'x') } as const
  const gap = walk(laneOf(), ...sent(3), broken(), PAUSE_OVER, refused(1, quota), acknowledged(2, 2))
  assert.equal(effect(gap, 'settled').batchId, 2)
  const again = walk(gap.state, refused(3, quota), PAUSE_OVER)
  assert.deepEqual(sends(again), [1, 3])
  assert.equal(kindsOf(walk(again.state, refused(1, 'alreadyExists'), acknowledged(3, 4)).effects), 'settled')
  const impossible = walk(laneOf(), ...sent(2), refused(1, quota), acknowledged(2, 2))
  assert.match(effect(impossible, 'failed').error.message, /Offset 2 is there although 0 was refused/)
})

test('a broken connection makes loose what was on the wire, and nothing else', () => {
  const { state } = walk(laneOf(), ...sent(2), batch(3), broken())
  assert.deepEqual(
    state.window.map(b => [b.id, b.loose]),
    [
      [1, true],
      [2, true],
      [3, false],
    ],
  )
})

test('an ack of another offset fails, STREAM_FINALIZED fences, and late answers of an ended lane are ignored', () => {
  const wrong = walk(laneOf(), ...sent(1), acknowledged(1, 3))
  assert.match(effect(wrong, 'failed').error.message, /sent for offset 0 were acknowledged at 3/)
  const fenced = walk(laneOf(), ...sent(1), refused(1, 'streamFinalized'))
  assert.equal(kindsOf(fenced.effects), 'closeConnection, fenced')
  assert.deepEqual(walk(fenced.state, acknowledged(1, 0)), { state: fenced.state, effects: [] })
})

test('every disposition of an error has its rule', () => {
  const expected: Record<MillraceError['disposition'], string> = {
    retry: 'pausing: pause',
    reconnect: 'pausing: pause',
    reopenStream: 'finalizing: closeConnection, finalize',
    fenced: 'ended: closeConnection, fenced',
    alreadyDone: 'ended: closeConnection, failed',
    badRecord: 'ended: closeConnection, failed',
    failPartition: 'ended: closeConnection, failed',
  }
  for (const [disposition, then] of Object.entries(expected)) {
    const error = new MillraceError('BIGQUERY_UNREACHABLE', disposition as MillraceError['disposition'], 'x')
    assert.equal(outcome(SAMPLES.appending, refused(1, { kind: 'other', error })), then, disposition)
    assert.equal(outcome(SAMPLES.appending, broken(error.disposition)), then, `broken with ${disposition}`)
  }
})

test('pauses grow with failures in a row and start over after an acknowledgement', () => {
  const pauses: number[] = []
  let { state } = walk(laneOf(), ...sent(1))
  for (let i = 0; i < 12; i++) {
    const step = walk(state, broken())
    pauses.push(effect(step, 'pause').ms)
    state = walk(step.state, PAUSE_OVER).state
  }
  assert.deepEqual(pauses.slice(0, 4), [100, 200, 400, 800])
  assert.equal(pauses.at(-1), 5_000)
  const next = walk(state, acknowledged(1, 0), batch(2), INTENT_LOGGED, broken())
  assert.equal(effect(next, 'pause').ms, 100)
})

test('after failures in a row only the oldest goes out; its acknowledgement opens the window again', () => {
  let { state } = walk(laneOf(), ...sent(3))
  assert.deepEqual(sends(walk(state, broken(), PAUSE_OVER)), [1, 2, 3])
  state = walk(state, broken(), PAUSE_OVER, broken()).state
  const alone = walk(state, PAUSE_OVER)
  assert.deepEqual(sends(alone), [1])
  assert.deepEqual(sends(walk(alone.state, acknowledged(1, 0))), [2, 3])
})

// ── row errors ──

test('row errors with nothing loose at or after them: the rows are cut out in place under a new Intent', () => {
  const drained = walk(laneOf(), ...sent(3), acknowledged(1, 0), refused(2, rowErrors(1)), refused(3, 'outOfRange'))
  assert.deepEqual(effect(drained, 'split'), { kind: 'split', batchId: 2, rows: [{ index: 1, message: 'bad' }] })
  const cut = walk(drained.state, split(2))
  assert.equal(phases(cut), '2@2 logging, 3@3 logging')
  const logged = walk(cut.state, INTENT_LOGGED)
  assert.equal(kindsOf(logged.effects), 'confirmIntent', 'its letter is new: nothing goes out before it is safe')
  assert.deepEqual(sends(walk(logged.state, intentConfirmed(2), deadLettersSafe(2))), [2, 3])
})

test('a refused row next to an offset that is a dead letter already is a new letter', () => {
  const beside = walk(
    laneOf(),
    batch(1, { rows: 2, dead: 1 }),
    ...opened(),
    INTENT_LOGGED,
    intentConfirmed(1),
    deadLettersSafe(1),
  )
  const cut = walk(beside.state, refused(1, rowErrors(1)), { kind: 'split', batch: batchOf(1, { rows: 1, dead: 2 }) })
  assert.equal(cut.state.window[0]?.lettersSafe, false)
})

test('letters saved before more rows of their batch were refused say nothing about the new letter', () => {
  const [first, second] = [batchOf(2, { dead: 1 }).dead, batchOf(2, { rows: 1, dead: 2 }).dead]
  // Batch 2 is saving its letter when batch 1 is cut: laid out anew, it is saved once more.
  const open = walk(laneOf(), batch(1), ...opened(), INTENT_LOGGED, batch(2, { dead: 1 }), INTENT_LOGGED)
  const cut = walk(open.state, intentConfirmed(2), refused(1, rowErrors(1)), {
    kind: 'split',
    batch: batchOf(1, { rows: 1, drop: 1 }),
  })
  const twice = walk(cut.state, INTENT_LOGGED, intentConfirmed(2))
  assert.deepEqual(effect(twice, 'saveDeadLetters').dead, first)
  // The first saving is done; a row of batch 2 is refused before the second one is.
  const wire = walk(twice.state, deadLettersSafe(2, first), acknowledged(1, 0), refused(2, rowErrors(1)))
  const again = walk(wire.state, { kind: 'split', batch: batchOf(2, { rows: 1, dead: 2 }) })
  const early = walk(again.state, deadLettersSafe(2, first), INTENT_LOGGED, deadLettersSafe(2, first))
  assert.equal(kindsOf(walk(again.state, deadLettersSafe(2, first), INTENT_LOGGED).effects), 'confirmIntent')
  assert.equal(early.state.window[0]?.lettersSafe, false)
  const saving = walk(early.state, intentConfirmed(2))
  assert.deepEqual(effect(saving, 'saveDeadLetters').dead, second)
  assert.deepEqual(sends(walk(saving.state, deadLettersSafe(2, first))), [])
  assert.deepEqual(sends(walk(saving.state, deadLettersSafe(2, second))), [2])
})

test('rows that are dropped instead need no letter', () => {
  const cut = walk(laneOf(), ...sent(1), refused(1, rowErrors(1)), {
    kind: 'split',
    batch: batchOf(1, { rows: 1, drop: 1 }),
  })
  assert.deepEqual(sends(walk(cut.state, INTENT_LOGGED)), [1])
})

test('what is loose before the bad rows keeps its place, so they are cut out in place; at or after them: the stream rotates', () => {
  const loosened = [...sent(3), broken(), PAUSE_OVER] // all three are loose
  const before = walk(laneOf(), ...loosened, acknowledged(1, 0), refused(2, rowErrors(0)), refused(3, 'outOfRange'))
  assert.equal(before.state.kind, 'finalizing')
  const onlyFirst = walk(
    laneOf(),
    ...sent(1),
    broken(),
    batch(2),
    PAUSE_OVER,
    INTENT_LOGGED,
    refused(1, 'outOfRange'),
    refused(2, rowErrors(0)),
  )
  assert.equal(onlyFirst.state.kind, 'splitting')
  assert.equal(onlyFirst.state.window[0]?.loose, true)
})

test('an Intent under way holds up the cutting: no layout changes while one may still be logged', () => {
  const waitingForIntent = walk(laneOf(), ...sent(1), batch(2), refused(1, rowErrors(1)))
  assert.equal(waitingForIntent.state.kind, 'draining')
  assert.equal(walk(waitingForIntent.state, INTENT_LOGGED).state.kind, 'splitting')
})

// ── rotating ──

test('a rotation settles by the row count, then lays the rest out from row 0 of the next stream', () => {
  const rotating = walk(
    laneOf(),
    ...sent(3),
    broken(),
    PAUSE_OVER,
    refused(1, rowErrors(0)),
    refused(2, 'outOfRange'),
    refused(3, 'outOfRange'),
  )
  assert.equal(rotating.state.kind, 'finalizing')
  const counted = walk(rotating.state, finalized(2))
  assert.equal(kindsOf(counted.effects), 'settled, logSettled')
  assert.equal(phases(counted), '2@0 laid, 3@2 laid')
  assert.ok(
    counted.state.window.every(b => !b.loose),
    'nothing of the old stream can land any more',
  )
})

test('the old Open and Intent are deleted once the first Intent of the new stream is logged', () => {
  const reopened = walk(SAMPLES.settling, settledLogged(), ...opened())
  assert.equal(kindsOf(reopened.effects), 'logIntent')
  const logged = walk(reopened.state, INTENT_LOGGED)
  assert.deepEqual(effect(logged, 'deleteKeys').keys, [`open/me/${S1}`, `intent/me/${S1}`])
})

test('a lane rotates at most once in 10 s: the next stream waits', () => {
  const once = walk(SAMPLES.settling, settledLogged(50_000))
  assert.equal(effect(once, 'openStream').delayMs, 0)
  const events = [...opened(), INTENT_LOGGED, broken(), PAUSE_OVER, refused(1, rowErrors(1)), finalized(0)]
  const twice = walk(once.state, ...events, settledLogged(53_000))
  assert.equal(effect(twice, 'openStream').delayMs, 7_000)
  const later = walk(once.state, ...events, settledLogged(61_000))
  assert.equal(effect(later, 'openStream').delayMs, 0)
})

test('Aligned: a count that is no boundary is asked again 5 times, then IN_DOUBT', () => {
  let state = SAMPLES.finalizing
  for (let i = 0; i < 5; i++) {
    const step = walk(state, finalized(1))
    assert.equal(effect(step, 'pause').ms, 2_000)
    state = walk(step.state, PAUSE_OVER).state
  }
  const { doubts } = effect(walk(state, finalized(1)), 'inDoubt')
  assert.deepEqual(doubts, [{ stream: S1, saw: '1 rows, which is no boundary of a logged batch' }])
})

test('STREAM_NOT_FOUND: left behind at once when nothing is loose, IN_DOUBT after 10 minutes when something is', () => {
  const notSent = walk(laneOf(), ...sent(2), refused(1, 'streamNotFound'), refused(2, 'streamNotFound'))
  assert.equal(kindsOf(notSent.effects), 'closeConnection, finalize')
  const left = walk(notSent.state, streamGone())
  assert.equal(kindsOf(left.effects), 'logSettled')
  assert.equal(phases(left), '1@0 laid, 2@2 laid')

  const first = walk(SAMPLES.finalizing, streamGone(1_000))
  assert.equal(effect(first, 'pause').ms, 10_000)
  const still = walk(first.state, PAUSE_OVER, streamGone(600_999))
  assert.equal(still.state.kind, 'misaligned')
  const { doubts } = effect(walk(still.state, PAUSE_OVER, streamGone(601_000)), 'inDoubt')
  assert.match(doubts[0]?.saw ?? '', /STREAM_NOT_FOUND/)
})

test('a stream that nobody appended to for 24 h is finalized before the next batch', () => {
  const DAY_MS = 86_400_000
  const idle = walk(laneOf(), ...sent(1), acknowledged(1, 0, 1_000)).state
  assert.equal(kindsOf(walk(idle, batch(2, {}, DAY_MS + 1_000)).effects), 'logIntent')
  const expired = walk(idle, batch(2, {}, DAY_MS + 1_001))
  assert.equal(kindsOf(expired.effects), 'closeConnection, finalize')
  assert.equal(phases(walk(expired.state, finalized(2))), '2@0 laid')
  assert.equal(phases(walk(expired.state, streamGone())), '2@0 laid')
})

test('a batch that comes while a stream is changed waits and is laid out on the next one', () => {
  const step = walk(SAMPLES.finalizing, batch(2), finalized(2), settledLogged()).state
  assert.deepEqual(
    step.window.map(b => [b.id, b.firstRow]),
    [[2, 0n]],
  )
})
