// What is told of a key space to somebody who looks at it, and what can be answered when it is in doubt.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type DoubtChoice,
  describeChoices,
  describeOffsets,
  doubtChoices,
  EMPTY_KEY_SPACE,
  fold,
  type IntervalSet,
  inspectKeySpace,
  isSettled,
  kafkaOffset,
  offsetSetOf,
  type StreamOffset,
  streamOffset,
} from '@millrace/core'
import { claimOf, intentOf, journalOf, laid, openOf, releaseRecord, S1, S2, settledOf } from './arbitrary-journal.ts'

const claimed = [
  claimOf('a', 1),
  settledOf('a', 1, 0),
  openOf('a', 1, S1),
  intentOf('a', 1, S1, 2, laid(0, { rows: [0, 1] }), laid(2, { rows: [2], dead: [3] }), laid(3, { rows: [4, 5] })),
] as const

const told = ({ rows, landed, again }: DoubtChoice): string =>
  `${rows}: ${describeOffsets(landed)} | ${describeOffsets(again)}`

test('the choices are the boundaries of the batches that are open: what is settled is no question any more', () => {
  const journal = journalOf(...claimed)
  assert.deepEqual(doubtChoices(journal, S1).map(told), ['2:  | 2, 4–5', '3: 2 | 4–5', '5: 2, 4–5 | '])
  assert.deepEqual(doubtChoices(journal, S2), [], 'a stream nobody opened')
})

test('a verdict does what its choice says: the next claim folds it so', () => {
  const journal = journalOf(...claimed, claimOf('b', 2))
  for (const { rows, landed, again } of doubtChoices(journal, S1)) {
    const counts = new Map<typeof S1, StreamOffset>([[S1, rows]])
    const { progress } = fold(journal, 2, counts, null)
    const settled = (set: IntervalSet): readonly boolean[] => set.map(range => isSettled(progress, range.from))
    assert.deepEqual(
      settled(landed),
      landed.map(() => true),
      `rows=${rows}`,
    )
    assert.deepEqual(
      settled(again),
      again.map(() => false),
      `rows=${rows}`,
    )
  }
})

test('the choices stand in one sentence, the ends and the first boundaries of many', () => {
  const choices = doubtChoices(journalOf(...claimed), S1)
  assert.match(
    describeChoices(choices),
    /^Possible verdicts: rows=2: none landed, offsets 2, 4–5 are delivered again; rows=3: offsets 2 count as delivered, 4–5 are delivered again; rows=5: all landed, offsets 2, 4–5 count as delivered\. What wrongly/,
  )
  const many = journalOf(
    ...claimed.slice(0, 3),
    intentOf('a', 1, S1, 0, ...Array.from({ length: 9 }, (_, i) => laid(i, { rows: [i] }))),
  )
  assert.match(describeChoices(doubtChoices(many, S1)), /rows=2: .*; 6 more boundaries in between; rows=9: all landed/)
  assert.match(describeChoices([]), /any verdict/)
})

test('offsets are told as ranges with both ends, a few of them', () => {
  assert.equal(describeOffsets(offsetSetOf([1, 2, 3, 7, 9, 11, 13].map(kafkaOffset))), '1–3, 7, 9 and 2 more ranges')
})

test('an owner at work: its claim, what is settled, its stream with the window on it', () => {
  const { head, progress, streams, altered, isDeleted, obsoleteRecords } = inspectKeySpace(journalOf(...claimed))
  assert.deepEqual(head, { claimId: 'a', epoch: 1, workerId: 'w', generation: 1, hasSettled: true })
  assert.equal(progress?.frontier, 2n)
  assert.deepEqual([isDeleted, altered, obsoleteRecords], [false, null, 0])
  const [stream] = streams
  assert.equal(streams.length, 1)
  assert.deepEqual([stream?.stream, stream?.release, stream?.openedAtRow], [S1, null, 0n])
  assert.deepEqual(
    [stream?.window?.batches, stream?.window?.firstRow, stream?.window?.endRow, stream?.window?.dead],
    [3, 0n, 5n, offsetSetOf([kafkaOffset(3)])],
  )
  assert.equal(stream?.choices.length, 3)
})

test('a stream that was let go of in order leaves no choice; what is below the base is obsolete', () => {
  const journal = journalOf(...claimed, releaseRecord('a', 1, S1, 5, 6), claimOf('b', 2))
  const before = inspectKeySpace(journal)
  assert.deepEqual([before.head?.epoch, before.head?.hasSettled], [2, false], 'taking over')
  assert.equal(before.streams[0]?.release?.row, 5n)
  assert.deepEqual(before.streams[0]?.choices, [])
  const after = inspectKeySpace(journalOf(...claimed, claimOf('b', 2), settledOf('b', 2, 6)))
  assert.deepEqual([after.streams, after.obsoleteRecords], [[], 4])
})

test('a verdict stands beside its stream', () => {
  const verdict = { kind: 'verdict', claimId: 'a', stream: S1, rows: streamOffset(3), by: 'rest' } as const
  const [stream] = inspectKeySpace(journalOf(...claimed, claimOf('b', 2), verdict)).streams
  assert.deepEqual(stream?.verdict, { rows: 3n, by: 'rest' })
})

test('nothing is told of nothing', () => {
  const view = inspectKeySpace(EMPTY_KEY_SPACE)
  assert.deepEqual([view.head, view.progress, view.streams, view.streamless], [null, null, [], null])
})
