// Journal records as text and back; what is not understood is refused, never guessed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  applyRecord,
  decodeGenesis,
  decodeKey,
  decodeRecord,
  EMPTY_KEY_SPACE,
  encodeGenesis,
  encodeKey,
  encodeRecord,
  type Incarnation,
  isDeleted,
  isMillraceError,
  type JournalRecord,
  kafkaOffset,
  recordKey,
  startAt,
} from '@millrace/core'
import fc from 'fast-check'
import {
  claimOf,
  deletedOf,
  journalRecord,
  laid,
  releaseRecord,
  S1,
  SPACE,
  setOf,
  settledOf,
} from './arbitrary-journal.ts'

test('every record comes back as it was, under its own key', () => {
  fc.assert(
    fc.property(journalRecord, record => {
      const { key, value } = encodeRecord(SPACE, record)
      assert.deepEqual(decodeRecord(value), record)
      assert.deepEqual(decodeKey(key), { kind: 'record', space: SPACE, key: recordKey(record) })
      assert.equal(key, encodeKey(SPACE, recordKey(record)))
    }),
  )
})

test('records of different claims, streams or kinds never share a key', () => {
  fc.assert(
    fc.property(journalRecord, journalRecord, (a, b) => {
      const nameOf = (r: typeof a): string =>
        [r.kind, 'claimId' in r ? r.claimId : '', 'stream' in r ? (r.stream ?? '-') : ''].join('|')
      assert.equal(recordKey(a) === recordKey(b), nameOf(a) === nameOf(b))
    }),
  )
})

test('Genesis comes back as it was', () => {
  const genesis = { journalId: 'j', journalPartitions: 25, partitionsKnown: { flights: 3, 'a/b': 1 } }
  const { key, value } = encodeGenesis('inc1' as Incarnation, genesis)
  assert.deepEqual(decodeKey(key), { kind: 'genesis', incarnation: 'inc1' })
  assert.deepEqual(decodeGenesis(value), genesis)
})

test('Genesis with initial_offsets comes back as it was, beyond what a JSON number holds', () => {
  const genesis = {
    journalId: 'j',
    journalPartitions: 25,
    partitionsKnown: { flights: 3 },
    initialOffsets: { 'flights-0': kafkaOffset(2n ** 53n + 1n), 'flights-1': null, 'flights-2': kafkaOffset(0) },
  }
  assert.deepEqual(decodeGenesis(encodeGenesis('inc1' as Incarnation, genesis).value), genesis)
})

test('records as versions wrote them that could not move positions are read as before', () => {
  const progress = '{"frontier":"4","beyond":[],"fingerprint":null}'
  assert.deepEqual(decodeRecord(`{"kind":"settled","claimId":"a","epoch":1,"progress":${progress}}`), {
    kind: 'settled',
    claimId: 'a',
    epoch: 1,
    progress: startAt(kafkaOffset(4)),
  })
  assert.deepEqual(decodeGenesis('{"journalId":"j","journalPartitions":25,"partitionsKnown":{"flights":3}}'), {
    journalId: 'j',
    journalPartitions: 25,
    partitionsKnown: { flights: 3 },
  })
})

test('a Deleted as format 1 wrote it counts whatever stands before it', () => {
  const record = decodeRecord('{"kind":"deleted","by":"w"}')
  const journal = [claimOf('a', 1), claimOf('b', 2)].reduce(
    (state, claim, i) => applyRecord(state, recordKey(claim), claim, BigInt(i)),
    EMPTY_KEY_SPACE,
  )
  assert.ok(isDeleted(applyRecord(journal, 'deleted', record, 3n)))
  assert.ok(isDeleted(applyRecord(applyRecord(journal, 'deleted', record, 3n), 'deleted', null, 4n)), 'and for ever')
})

test('what a reader of format 1 would misread says 2; everything else says 1, so that versions mix until then', () => {
  const genesis = { journalId: 'j', journalPartitions: 25, partitionsKnown: {} }
  const altered = { by: 'x', atMs: 0, from: null }
  const moved = { ...settledOf('a', 1, 3), altered } as JournalRecord
  const forgotten: JournalRecord = { kind: 'settled', claimId: 'a', epoch: 1, progress: null, altered }
  const formats = [claimOf('a', 1), settledOf('a', 1, 3), moved, forgotten, deletedOf('a', 1)].map(
    record => encodeRecord(SPACE, record).format,
  )
  assert.deepEqual(formats, ['1', '1', '2', '2', '2'])
  assert.equal(encodeGenesis(SPACE.incarnation, genesis).format, '1')
  assert.equal(encodeGenesis(SPACE.incarnation, { ...genesis, initialOffsets: {} }).format, '2')
})

test('what states lost offsets says 3: a reader of 2 would forget that they never were delivered', () => {
  const lost = setOf([4, 5])
  const progress = { ...startAt(kafkaOffset(9)), lost }
  const window = [laid(0, { drop: [4, 5], lost: [4, 5] })]
  const records: readonly JournalRecord[] = [
    { kind: 'settled', claimId: 'a', epoch: 1, progress },
    { kind: 'intent', claimId: 'a', epoch: 1, stream: null, progress: startAt(kafkaOffset(4)), window },
    { kind: 'intent', claimId: 'a', epoch: 1, stream: null, progress, window: [] },
    { ...releaseRecord('a', 1, S1, 1, 9), progress } as JournalRecord,
  ]
  for (const record of records) assert.equal(encodeRecord(SPACE, record).format, '3', JSON.stringify(record.kind))
})

test('a record this version cannot read is JOURNAL_LOST, not a guess', () => {
  const refused = (decode: () => unknown): void =>
    assert.throws(decode, error => isMillraceError(error) && error.code === 'JOURNAL_LOST')
  for (const value of [
    '',
    'no json',
    '[]',
    '{}',
    '{"kind":"future","claimId":"a"}',
    '{"kind":"claim","claimId":"a","epoch":1.5,"workerId":"w","generation":1}',
    '{"kind":"settled","claimId":"a","epoch":1}',
    '{"kind":"open","claimId":"a","epoch":1,"table":"t","tableCreationTime":"1","stream":"s","row":3}',
  ])
    refused(() => decodeRecord(value))
  for (const key of ['', 'inc', 'inc/t', 'inc/t/x', '/t/0/claim/a']) refused(() => decodeKey(key))
})
