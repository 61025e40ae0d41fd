// Journal records by chance, for properties; and the words the other tests of the journal share.
import {
  applyRecord,
  EMPTY,
  EMPTY_KEY_SPACE,
  type Incarnation,
  type IntentBatch,
  type IntervalSet,
  type JournalRecord,
  type KeySpace,
  type KeySpaceState,
  kafkaOffset,
  type Progress,
  rangeOf,
  recordKey,
  type StreamName,
  startAt,
  statedLost,
  streamOffset,
  type TableName,
  union,
  type WorkerId,
} from '@millrace/core'
import fc from 'fast-check'

export const SPACE: KeySpace = { incarnation: 'inc1' as Incarnation, topic: 'flights', partition: 3 }
export const TABLE = 'projects/p/datasets/d/tables/t' as TableName
export const S1 = `${TABLE}/streams/s1` as StreamName
export const S2 = `${TABLE}/streams/s2` as StreamName

const offset = fc.bigInt({ min: 0n, max: 2n ** 62n })
const claimId = fc.constantFrom('a', 'b', 'c')
const epoch = fc.integer({ min: 1, max: 4 })
const stream = fc.constantFrom(S1, S2)
const intervals = fc
  .array(fc.tuple(offset, fc.bigInt({ min: 1n, max: 1000n })), { maxLength: 3 })
  .map(list => list.flatMap(([from, length]) => rangeOf(kafkaOffset(from), kafkaOffset(from + length))))
const fingerprint = fc.option(
  fc.record({ kafkaOffset: offset.map(kafkaOffset), timestampMs: fc.integer(), crc: fc.integer() }),
)
const progress: fc.Arbitrary<Progress> = fc.record(
  { frontier: offset.map(kafkaOffset), beyond: intervals, fingerprint, lost: intervals },
  { requiredKeys: ['frontier', 'beyond', 'fingerprint'] },
)
const batch: fc.Arbitrary<IntentBatch> = fc.record(
  {
    firstRow: offset.map(streamOffset),
    rowCount: fc.nat(),
    rows: intervals,
    dead: intervals,
    drop: intervals,
    lost: intervals,
    generation: fc.nat(),
    fingerprint,
  },
  { requiredKeys: ['firstRow', 'rowCount', 'rows', 'dead', 'drop', 'generation', 'fingerprint'] },
)
const workerId = fc.string().map(text => text as WorkerId)
const text = fc.string()

const anyRecord: fc.Arbitrary<JournalRecord> = fc.oneof(
  fc.record({ kind: fc.constant('claim' as const), claimId, epoch, workerId, generation: fc.nat() }),
  fc.record({
    kind: fc.constant('open' as const),
    claimId,
    epoch,
    table: fc.constant(TABLE),
    tableCreationTime: text,
    stream,
    row: offset.map(streamOffset),
  }),
  fc.record({
    kind: fc.constant('intent' as const),
    claimId,
    epoch,
    stream: fc.option(stream),
    progress,
    window: fc.array(batch, { maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant('settled' as const), claimId, epoch, progress }),
  fc.record({
    kind: fc.constant('settled' as const),
    claimId,
    epoch,
    progress: fc.option(progress),
    altered: fc.record({ by: text, atMs: fc.nat(), from: fc.option(offset.map(kafkaOffset)) }),
  }),
  fc.record({
    kind: fc.constant('release' as const),
    claimId,
    epoch,
    stream,
    row: offset.map(streamOffset),
    progress,
    releasedAtMs: fc.nat(),
  }),
  fc.record({ kind: fc.constant('barrier' as const), claimId }),
  fc.record({ kind: fc.constant('verdict' as const), claimId, stream, rows: offset.map(streamOffset), by: text }),
  fc.record({ kind: fc.constant('deleted' as const), claimId, epoch, by: text }),
)

/** As plain objects: fast-check's have no prototype. */
export const journalRecord: fc.Arbitrary<JournalRecord> = anyRecord.map(record => structuredClone(record))

// ── by hand ──

export const claimOf = (id: string, epochOfIt: number): JournalRecord => ({
  kind: 'claim',
  claimId: id,
  epoch: epochOfIt,
  workerId: 'w' as WorkerId,
  generation: 1,
})
export const openOf = (id: string, epochOfIt: number, name: StreamName, row = 0): JournalRecord => ({
  kind: 'open',
  claimId: id,
  epoch: epochOfIt,
  table: TABLE,
  tableCreationTime: '1',
  stream: name,
  row: streamOffset(row),
})
export const settledOf = (id: string, epochOfIt: number, settledTo: number): JournalRecord => ({
  kind: 'settled',
  claimId: id,
  epoch: epochOfIt,
  progress: startAt(kafkaOffset(settledTo)),
})
export const releaseRecord = (
  id: string,
  epochOfIt: number,
  name: StreamName,
  row: number,
  to: number,
): JournalRecord => ({
  kind: 'release',
  claimId: id,
  epoch: epochOfIt,
  stream: name,
  row: streamOffset(row),
  progress: startAt(kafkaOffset(to)),
  releasedAtMs: 5,
})
export const intentOf = (
  id: string,
  epochOfIt: number,
  name: StreamName | null,
  settledTo: number,
  ...window: readonly IntentBatch[]
): JournalRecord => ({
  kind: 'intent',
  claimId: id,
  epoch: epochOfIt,
  stream: name,
  progress: startAt(kafkaOffset(settledTo)),
  window,
})

type Outcomes = {
  readonly rows?: readonly number[]
  readonly dead?: readonly number[]
  readonly drop?: readonly number[]
  readonly lost?: readonly number[]
}
export const setOf = (numbers: readonly number[]): IntervalSet =>
  numbers.reduce<IntervalSet>((set, n) => union(set, rangeOf(kafkaOffset(n), kafkaOffset(n + 1))), EMPTY)
/** A batch as an Intent states it; every row, letter and drop by its own offset. */
export const laid = (firstRow: number, { rows = [], dead = [], drop = [], lost = [] }: Outcomes): IntentBatch => ({
  firstRow: streamOffset(firstRow),
  rowCount: rows.length,
  rows: setOf(rows),
  dead: setOf(dead),
  drop: setOf(drop),
  ...statedLost(setOf(lost)),
  generation: 1,
  fingerprint: null,
})

/** The key space after these records, in this order. */
export const journalOf = (...records: readonly JournalRecord[]): KeySpaceState =>
  records.reduce((state, record, i) => applyRecord(state, recordKey(record), record, BigInt(i)), EMPTY_KEY_SPACE)

export const deletedOf = (id: string, epochOfIt: number): JournalRecord => ({
  kind: 'deleted',
  claimId: id,
  epoch: epochOfIt,
  by: 'w' as WorkerId,
})

export const settledUpTo = (progress: Progress | null): string =>
  progress === null
    ? 'nothing'
    : [`<${progress.frontier}`, ...progress.beyond.map(r => `${r.from}..${r.to - 1n}`)].join(' ')
