// The fold of a key space: who is head, which Settled is the base, and that compaction hides nothing that matters.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  applyRecord,
  baseBelow,
  EMPTY_KEY_SPACE,
  headClaim,
  isAltered,
  isDeleted,
  isHead,
  type JournalRecord,
  type KeySpaceState,
  keysBelow,
  recordKey,
  streamsToRecover,
} from '@millrace/core'
import fc from 'fast-check'
import {
  claimOf,
  deletedOf,
  intentOf,
  journalOf,
  journalRecord,
  laid,
  openOf,
  releaseRecord,
  S1,
  S2,
  settledOf,
} from './arbitrary-journal.ts'

type Entry = { readonly offset: bigint; readonly key: string; readonly record: JournalRecord | null }
const foldOf = (log: readonly Entry[]): KeySpaceState =>
  log.reduce((state, { key, record, offset }) => applyRecord(state, key, record, offset), EMPTY_KEY_SPACE)
/** Rule W: a Claim is written once, and so is what may be void behind another. */
const writtenOnce = (records: readonly JournalRecord[]): readonly JournalRecord[] => {
  const seen = new Set<string>()
  return records.filter(record => {
    if (seen.has(recordKey(record))) return false
    const isOnce =
      record.kind === 'claim' ||
      record.kind === 'deleted' ||
      (record.kind === 'settled' && record.altered !== undefined)
    if (isOnce) seen.add(recordKey(record))
    return true
  })
}

test('the head is the Claim with the highest epoch; among equals the first in the log', () => {
  const journal = journalOf(claimOf('a', 1), claimOf('b', 3), claimOf('c', 3), claimOf('d', 2))
  assert.equal(headClaim(journal)?.claimId, 'b')
  assert.ok(isHead(journal, 'b') && !isHead(journal, 'c'))
  assert.equal(headClaim(EMPTY_KEY_SPACE), null)
})

test('a second copy of a Claim, as a retried produce may leave it, does not move it down the log', () => {
  assert.equal(headClaim(journalOf(claimOf('a', 1), claimOf('b', 1), claimOf('a', 1)))?.claimId, 'a')
})

test('nobody is head of a deleted key space, whatever is written after', () => {
  const journal = journalOf(claimOf('a', 1), deletedOf('a', 1), claimOf('b', 2))
  assert.ok(isDeleted(journal) && !isHead(journal, 'a') && !isHead(journal, 'b'))
  assert.ok(isDeleted(journalOf(claimOf('a', 1), deletedOf('a', 1), claimOf('b', 2), deletedOf('a', 1))))
})

test('a Deleted behind a higher Claim is void, and stays so when that claim is superseded', () => {
  const journal = journalOf(claimOf('a', 1), claimOf('b', 2), deletedOf('a', 1))
  assert.ok(!isDeleted(journal) && isHead(journal, 'b'))
  const superseded = [claimOf('c', 3), settledOf('c', 3, 0)].reduce(
    (state, record, i) => applyRecord(state, recordKey(record), record, BigInt(10 + i)),
    journal,
  )
  const left = keysBelow(superseded, 3).reduce((state, key) => applyRecord(state, key, null, 99n), superseded)
  assert.ok(!isDeleted(left) && isHead(left, 'c'))
  assert.ok(isDeleted(applyRecord(left, 'deleted/c', deletedOf('c', 3), 100n)))
})

test('a second copy of what may be void does not move it behind the claim that came after it', () => {
  assert.ok(isDeleted(journalOf(claimOf('a', 1), deletedOf('a', 1), claimOf('b', 2), deletedOf('a', 1))))
  const moved = { ...settledOf('a', 1, 5), altered: { by: 'x', atMs: 0, from: null } } as JournalRecord
  const journal = journalOf(claimOf('a', 1), moved, claimOf('b', 2), moved)
  assert.ok(isAltered(journal, 'a'))
  assert.equal(baseBelow(journal, 2)?.claimId, 'a')
})

test('the base is the Settled with the highest epoch below, never the last in the log', () => {
  const journal = journalOf(settledOf('b', 2, 20), settledOf('c', 3, 30), settledOf('a', 1, 40))
  assert.equal(baseBelow(journal, 4)?.claimId, 'c')
  assert.equal(baseBelow(journal, 3)?.claimId, 'b')
  assert.equal(baseBelow(journal, 1), null)
})

test('streams to recover: opened from the base on and below the epoch, each by its last Open', () => {
  const journal = journalOf(openOf('a', 1, S1), openOf('b', 2, S1, 7), openOf('b', 2, S2), openOf('c', 3, S1, 9))
  const found = [...streamsToRecover(journal, 2, 3)].map(([stream, open]) => [stream, open.claimId, open.row])
  assert.deepEqual(found, [
    [S1, 'b', 7n],
    [S2, 'b', 0n],
  ])
})

test('keysBelow names everything of lower epochs and nothing of its own', () => {
  const records = [
    claimOf('a', 1),
    openOf('a', 1, S1),
    intentOf('a', 1, S1, 0, laid(0, { rows: [0] })),
    intentOf('a', 1, null, 0),
    settledOf('a', 1, 0),
    releaseRecord('a', 1, S1, 1, 1),
    { kind: 'verdict', claimId: 'a', stream: S1, rows: 0n, by: 'x' } as JournalRecord,
  ]
  const own = [claimOf('b', 2), openOf('b', 2, S2), settledOf('b', 2, 1)]
  const journal = journalOf(...records, ...own)
  assert.deepEqual([...keysBelow(journal, 2)].sort(), records.map(recordKey).sort())
  const left = keysBelow(journal, 2).reduce((state, key) => applyRecord(state, key, null, 99n), journal)
  assert.equal(headClaim(left)?.claimId, 'b')
  assert.deepEqual(
    [left.opens.size, left.intents.size, left.settled.size, left.releases.size, left.verdicts.size],
    [1, 0, 1, 0, 0],
  )
})

test('compaction at any point, any number of times, leaves the fold as it is', () => {
  fc.assert(
    fc.property(
      fc.array(journalRecord, { maxLength: 25 }),
      fc.array(fc.nat({ max: 25 }), { maxLength: 4 }),
      (all, cuts) => {
        const records = writtenOnce(all)
        let log: Entry[] = []
        const whole: Entry[] = []
        for (const [i, record] of records.entries()) {
          const entry = { offset: BigInt(i), key: recordKey(record), record }
          log.push(entry)
          whole.push(entry)
          if (cuts.includes(i)) log = log.filter((e, at) => !log.some((x, later) => later > at && x.key === e.key))
        }
        // Maps keep the order of first insertion, which says nothing: compared as sets of entries.
        const plain = (state: KeySpaceState): unknown =>
          Object.values(state).map(part =>
            part instanceof Map ? [...part].sort(([a], [b]) => (a < b ? -1 : 1)) : part,
          )
        assert.deepEqual(plain(foldOf(log)), plain(foldOf(whole)))
      },
    ),
  )
})
