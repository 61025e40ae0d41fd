// What a new owner concludes from a journal and the final row counts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  fold,
  isAligned,
  isAltered,
  isForgotten,
  isSettled,
  type JournalRecord,
  type KeySpaceState,
  kafkaOffset,
  knownPosition,
  needsStart,
  nothingOpen,
  planStreams,
  type StreamName,
  type StreamOffset,
  startAt,
  streamOffset,
  verdictFor,
} from '@millrace/core'
import {
  claimOf,
  intentOf,
  journalOf,
  laid,
  openOf,
  releaseRecord,
  S1,
  S2,
  setOf,
  settledOf,
  settledUpTo,
} from './arbitrary-journal.ts'

const counts = (given: Readonly<Record<string, number | 'gone'>>): ReadonlyMap<StreamName, StreamOffset | 'gone'> =>
  new Map(Object.entries(given).map(([stream, n]) => [stream as StreamName, n === 'gone' ? n : streamOffset(n)]))
const folded = (
  journal: KeySpaceState,
  epoch: number,
  given: Readonly<Record<string, number | 'gone'>> = {},
): string => {
  const { progress, deadLetters } = fold(journal, epoch, counts(given), null)
  return `${settledUpTo(progress)}${deadLetters.map(r => ` dead ${r.from}`).join('')}`
}

test('batches below the row count are done, those above are not', () => {
  const journal = journalOf(
    settledOf('a', 1, 0),
    openOf('a', 1, S1),
    intentOf('a', 1, S1, 0, laid(0, { rows: [0, 1] }), laid(2, { rows: [2] }), laid(3, { rows: [3, 4] })),
  )
  assert.equal(folded(journal, 2, { [S1]: 0 }), '<0')
  assert.equal(folded(journal, 2, { [S1]: 2 }), '<2')
  assert.equal(folded(journal, 2, { [S1]: 3 }), '<3')
  assert.equal(folded(journal, 2, { [S1]: 5 }), '<5')
})

test('logged dead letters and drops are final, landed or not; letters are handed over to be produced again', () => {
  const journal = journalOf(
    settledOf('a', 1, 0),
    openOf('a', 1, S1),
    intentOf('a', 1, S1, 0, laid(0, { rows: [0], dead: [1], drop: [2] }), laid(1, { rows: [3] })),
  )
  assert.equal(folded(journal, 2, { [S1]: 0 }), '<0 1..2 dead 1')
  assert.equal(folded(journal, 2, { [S1]: 1 }), '<3 dead 1')
})

test('the last record of a batch proves what the topic holds as soon as it is settled, with a row or without one', () => {
  const printOf = (offset: number) => ({ kafkaOffset: kafkaOffset(offset), timestampMs: offset, crc: offset })
  const endingIn = (outcomes: Parameters<typeof laid>[1], offset: number) => ({
    ...laid(0, outcomes),
    fingerprint: printOf(offset),
  })
  const known = (batch: ReturnType<typeof endingIn>, rows: number) =>
    fold(
      journalOf(settledOf('a', 1, 0), openOf('a', 1, S1), intentOf('a', 1, S1, 0, batch)),
      2,
      counts({ [S1]: rows }),
      null,
    ).progress.fingerprint
  assert.deepEqual(known(endingIn({ rows: [0, 1] }, 1), 2), printOf(1))
  assert.equal(known(endingIn({ rows: [0, 1] }, 1), 0), null, 'its row has not landed and is converted again')
  assert.deepEqual(known(endingIn({ rows: [0], drop: [1] }, 1), 0), printOf(1))
  assert.deepEqual(known(endingIn({ dead: [0] }, 0), 0), printOf(0))
})

test('H17 what claims that died on the way have each logged as lost is audited once', () => {
  const batch = laid(0, { drop: [3, 4], lost: [3, 4] })
  const journal = journalOf(
    settledOf('a', 1, 3),
    intentOf('a', 1, null, 3, batch),
    claimOf('b', 2),
    intentOf('b', 2, null, 3, batch),
  )
  assert.deepEqual(fold(journal, 3, new Map(), null).lost, [{ from: 3n, to: 5n }])
})

test('H17 a logged loss is final and stays a loss; it is handed over to be audited again until it is known to be settled', () => {
  const batch = laid(0, { drop: [3, 4, 5], lost: [3, 4, 5] })
  const known = journalOf(claimOf('a', 1), settledOf('a', 1, 3))
  const logged = journalOf(claimOf('a', 1), settledOf('a', 1, 3), intentOf('a', 1, null, 3, batch))
  const folded = fold(logged, 2, new Map(), null)
  assert.deepEqual(folded, {
    progress: { ...startAt(kafkaOffset(6)), lost: setOf([3, 4, 5]) },
    deadLetters: [],
    lost: setOf([3, 4, 5]),
  })
  assert.equal('lost' in fold(known, 2, new Map(), null), false)
  const settled: JournalRecord = { kind: 'settled', claimId: 'b', epoch: 2, progress: folded.progress }
  const next = fold(journalOf(claimOf('b', 2), settled, intentOf('b', 2, S1, 6)), 3, new Map(), null)
  assert.deepEqual(next, { progress: folded.progress, deadLetters: [] })
})

test('letters the Intent itself calls settled are not produced again', () => {
  const journal = journalOf(
    settledOf('a', 1, 0),
    intentOf('a', 1, null, 2, laid(0, { dead: [1] }), laid(0, { dead: [2] })),
  )
  assert.equal(folded(journal, 2), '<3 dead 2')
})

test('outcomes logged while nothing had a stream count like all others', () => {
  const journal = journalOf(
    settledOf('a', 1, 0),
    intentOf('a', 1, null, 0, laid(0, { drop: [0] }), laid(0, { dead: [1] })),
    openOf('a', 1, S1),
    intentOf('a', 1, S1, 0, laid(0, { rows: [2] })),
  )
  assert.equal(folded(journal, 2, { [S1]: 1 }), '<3 dead 1')
})

test('several lanes of one claim: each stream by its own count, together one frontier', () => {
  const journal = journalOf(
    settledOf('a', 1, 0),
    openOf('a', 1, S1),
    openOf('a', 1, S2),
    intentOf('a', 1, S1, 0, laid(0, { rows: [0] }), laid(1, { rows: [2] })),
    intentOf('a', 1, S2, 0, laid(0, { rows: [1] }), laid(1, { rows: [3] })),
  )
  assert.equal(folded(journal, 2, { [S1]: 2, [S2]: 1 }), '<3')
  assert.equal(folded(journal, 2, { [S1]: 1, [S2]: 2 }), '<2 3..3')
})

test('whatever is below the base is ignored, deleted or not', () => {
  const below = [settledOf('a', 1, 0), openOf('a', 1, S1), intentOf('a', 1, S1, 9, laid(0, { rows: [9], dead: [10] }))]
  const journal = journalOf(
    ...below,
    settledOf('b', 2, 4),
    openOf('b', 2, S2),
    intentOf('b', 2, S2, 4, laid(0, { rows: [4] })),
  )
  assert.equal(folded(journal, 3, { [S1]: 1, [S2]: 1 }), '<5')
  assert.deepEqual(planStreams(journal, 3).finalize, [S2])
})

test('claims between the base and ours that never settled count too', () => {
  const journal = journalOf(
    settledOf('a', 1, 0),
    openOf('a', 1, S1),
    intentOf('a', 1, S1, 0, laid(0, { rows: [0] })),
    claimOf('b', 2),
    intentOf('b', 2, null, 0, laid(0, { dead: [5] })),
  )
  assert.equal(folded(journal, 3, { [S1]: 1 }), '<1 5..5 dead 5')
})

test('only the last Intent of a stream counts: a layout that was replaced is forgotten', () => {
  const journal = journalOf(
    settledOf('a', 1, 0),
    openOf('a', 1, S1),
    intentOf('a', 1, S1, 0, laid(0, { rows: [0, 1] }), laid(2, { rows: [2] })),
    intentOf('a', 1, S1, 0, laid(0, { rows: [1], dead: [0] }), laid(1, { rows: [2] })),
  )
  assert.equal(folded(journal, 2, { [S1]: 1 }), '<2 dead 0')
})

test('lateDup: an older Intent behind a newer one is never a silent loss of rows, its count is no boundary any more', () => {
  const older = intentOf('a', 1, S1, 0, laid(0, { rows: [0] }))
  const newer = intentOf('a', 1, S1, 1, laid(1, { rows: [1] }), laid(2, { rows: [2] }))
  const journal = journalOf(settledOf('a', 1, 0), openOf('a', 1, S1), older, newer, older)
  for (const n of [2, 3]) assert.ok(!isAligned(journal, S1, streamOffset(n)), 'asked again, then IN_DOUBT')
  assert.equal(folded(journal, 2, { [S1]: 1 }), '<1', 'still right where it is aligned')
  // An outcome without rows would be forgotten, so rule W has to make it impossible (one idempotent produce in flight per
  // journal partition): packages/kafka/test/journal.broker.test.ts.
  const letter = intentOf('a', 1, S1, 1, laid(1, { dead: [1] }))
  assert.equal(folded(journalOf(settledOf('a', 1, 0), openOf('a', 1, S1), older, letter, older), 2, { [S1]: 1 }), '<1')
})

test('a released stream is adoptable with its row; one released by an earlier owner only is not', () => {
  const released = [settledOf('a', 1, 0), openOf('a', 1, S1), releaseRecord('a', 1, S1, 7, 7)]
  const plan = planStreams(journalOf(...released), 2)
  assert.deepEqual([[...plan.released.keys()], plan.finalize], [[S1], []])
  assert.equal(plan.released.get(S1)?.row, 7n)
  const adoptedAgain = planStreams(journalOf(...released, openOf('b', 2, S1, 7)), 3)
  assert.deepEqual([[...adoptedAgain.released.keys()], adoptedAgain.finalize], [[], [S1]])
})

test('a Release states what was settled, also when its Settled was not seen', () => {
  const journal = journalOf(openOf('a', 1, S1), releaseRecord('a', 1, S1, 7, 7))
  assert.equal(folded(journal, 2, { [S1]: 7 }), '<7')
})

test('aligned are 0, the row of an Open, and both ends of every batch of a last Intent', () => {
  const journal = journalOf(
    openOf('b', 2, S1, 5),
    intentOf('b', 2, S1, 0, laid(5, { rows: [0, 1] }), laid(7, { rows: [2] })),
  )
  const aligned = Array.from({ length: 10 }, (_, n) => n).filter(n => isAligned(journal, S1, streamOffset(n)))
  assert.deepEqual(aligned, [0, 5, 7, 8])
  assert.ok(!isAligned(journal, S2, streamOffset(5)))
})

test('a stream that is gone loses nothing only where all its batches are settled without its count', () => {
  const open = (settledTo: number): KeySpaceState =>
    journalOf(
      settledOf('a', 1, settledTo),
      openOf('a', 1, S1),
      intentOf('a', 1, S1, 0, laid(0, { rows: [0] }), laid(1, { rows: [1], dead: [2] })),
    )
  assert.ok(!nothingOpen(open(0), 2, S1))
  assert.ok(!nothingOpen(open(1), 2, S1))
  assert.ok(nothingOpen(open(2), 2, S1))
  assert.ok(nothingOpen(journalOf(settledOf('a', 1, 0), openOf('a', 1, S1)), 2, S1), 'never appended to')
})

test('a start position is needed until anything states one', () => {
  assert.ok(needsStart(journalOf(claimOf('a', 1), claimOf('b', 2)), 2))
  assert.ok(!needsStart(journalOf(settledOf('a', 1, 0)), 2))
  assert.ok(needsStart(journalOf(settledOf('a', 2, 0)), 2), 'one of a newer claim is none')
  const { progress } = fold(journalOf(claimOf('a', 1)), 2, new Map(), kafkaOffset(5))
  assert.ok(isSettled(progress, kafkaOffset(4)) && !isSettled(progress, kafkaOffset(5)))
})

test('a Verdict is found by its stream; the known position of a journal needs no row count', () => {
  const verdict: JournalRecord = { kind: 'verdict', claimId: 'a', stream: S1, rows: streamOffset(2), by: 'x' }
  assert.equal(verdictFor(journalOf(verdict), S1), 2n)
  assert.equal(verdictFor(journalOf(verdict), S2), null)
  assert.equal(knownPosition(journalOf(settledOf('a', 1, 3), intentOf('a', 1, S1, 5, laid(0, { rows: [5] })))), 5n)
  assert.equal(knownPosition(journalOf(claimOf('a', 1))), null)
})

// ── alterations ──

const movedBy = (id: string, epoch: number, to: number | null): JournalRecord => ({
  kind: 'settled',
  claimId: id,
  epoch,
  progress: to === null ? null : startAt(kafkaOffset(to)),
  altered: { by: 'operator', atMs: 0, from: kafkaOffset(9) },
})
const DELIVERED: readonly JournalRecord[] = [
  claimOf('a', 1),
  settledOf('a', 1, 0),
  openOf('a', 1, S1),
  intentOf('a', 1, S1, 7, laid(7, { rows: [7] }), laid(8, { rows: [8], dead: [9] })),
]

test('a position that was moved back is where the next owner begins: what lies below it in the journal does not count', () => {
  const journal = journalOf(...DELIVERED, claimOf('op', 2), movedBy('op', 2, 3))
  assert.equal(folded(journal, 3), '<3')
  assert.equal(knownPosition(journal), 3n)
  assert.deepEqual(planStreams(journal, 3), { released: new Map(), finalize: [] })
  assert.equal(isForgotten(journal), false)
})

test('what owners settle after the position was moved counts from there', () => {
  const journal = journalOf(
    ...DELIVERED,
    claimOf('op', 2),
    movedBy('op', 2, 3),
    claimOf('b', 3),
    settledOf('b', 3, 3),
    openOf('b', 3, S2),
    intentOf('b', 3, S2, 4, laid(1, { rows: [4] })),
  )
  assert.equal(folded(journal, 4, { [S2]: 1 }), '<4')
  assert.equal(folded(journal, 4, { [S2]: 2 }), '<5')
})

test('a forgotten position is stated by nothing until an owner resolves one', () => {
  const forgotten = [...DELIVERED, claimOf('op', 2), movedBy('op', 2, null)]
  const journal = journalOf(...forgotten)
  assert.deepEqual([needsStart(journal, 3), isForgotten(journal), knownPosition(journal)], [true, true, null])
  const resolved = journalOf(...forgotten, claimOf('b', 3), settledOf('b', 3, 0))
  assert.deepEqual([needsStart(resolved, 4), isForgotten(resolved), knownPosition(resolved)], [false, false, 0n])
  assert.equal(isForgotten(journalOf()), false, 'where nothing was ever stated nothing was forgotten')
})

test('an alteration that lands behind a higher Claim is void: what that claim began goes on', () => {
  const before = [...DELIVERED, claimOf('op', 2)]
  const late = journalOf(...before, claimOf('b', 3), movedBy('op', 2, 3))
  assert.equal(isAltered(late, 'op'), false)
  assert.equal(folded(late, 3, { [S1]: 9 }), '<10 dead 9')
  const intime = journalOf(...before, movedBy('op', 2, 3), claimOf('b', 3))
  assert.equal(isAltered(intime, 'op'), true, 'also when it is not the head any more')
  assert.equal(folded(intime, 3), '<3')
  assert.equal(isAltered(journalOf(...before), 'op'), false)
})
