// Every offset gets its one outcome: whatever the log holds, whatever earlier claims have settled of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RowBuffer } from '@millrace/convert'
import {
  type Batch,
  type IntervalSet,
  isSettled,
  type KafkaOffset,
  kafkaOffset,
  offsetSetOf,
  type Progress,
  settle,
  size,
  startAt,
  union,
} from '@millrace/core'
import { SourceTopicsTwin } from '@millrace/testkit'
import fc from 'fast-check'
import { BatchBuilder } from '../src/batch-builder.ts'
import type { RecordConverter } from '../src/destination.ts'
import { TP } from './support/world.ts'

/** A row takes three bytes: the third of a batch is taken back. */
const LIMITS = { bytesMax: 1_000_000, rowsMax: 1_000, rowBytesMax: 7 }
type Entry = 'row' | 'dead' | 'drop' | 'gap'

/** Rows of one byte; what says `dead` does not convert, what is empty is a tombstone. */
const CONVERTER: RecordConverter = {
  writerSchema: {} as never,
  keeps: () => true,
  encode: (bytes, start, end, out) => {
    if (bytes.toString('utf8', start, end) === 'dead') return -1
    out.appendRow(Buffer.alloc(1))
    return 1
  },
  origin: null,
  isTombstone: false,
  lastError: { stage: 'VALUE_CONVERTER', message: 'bad' },
}

function logOf(entries: readonly Entry[], sliceRecords: number): SourceTopicsTwin {
  const topics = new SourceTopicsTwin({ sliceRecords })
  topics.createTopic(TP.topic, 1)
  for (const entry of entries) {
    if (entry === 'gap') topics.appendGap(TP, 1)
    else topics.append(TP, { key: null, value: entry === 'drop' ? null : entry, headers: [] })
  }
  return topics
}

/** All that stands in the log from `from` on, a few rows at a time. */
function batchesOf(topics: SourceTopicsTwin, from: KafkaOffset, settled: Progress | null): readonly Batch[] {
  const batches: Batch[] = []
  const begin = (base: KafkaOffset): BatchBuilder =>
    new BatchBuilder({
      tp: TP,
      converter: CONVERTER,
      limits: LIMITS,
      policy: 'deadLetter',
      generation: 1,
      base,
      nowMs: 0,
      rows: new RowBuffer(),
      onBadRecord: () => {},
    })
  let builder = begin(from)
  for (let at = from; ; ) {
    const { slice } = topics.sliceAt(TP, at)
    if (slice === null) break
    for (let first = 0; ; ) {
      const result = builder.add(slice, first, settled)
      if (result.kind === 'sliceDone') break
      first = result.next
      batches.push(builder.close(batches.length).batch)
      builder = begin(builder.position)
    }
    at = slice.nextKafkaOffset
  }
  return builder.isEmpty ? batches : [...batches, builder.close(batches.length).batch]
}

/** Of all batches: each offset is in one set of one of them. */
function outcomesOf(batches: readonly Batch[]) {
  const all = (part: (batch: Batch) => IntervalSet): IntervalSet => {
    const sets = batches.map(part)
    const sum = sets.reduce(union, [])
    assert.equal(
      size(sum),
      sets.reduce((n, set) => n + size(set), 0n),
      'no offset is in two batches',
    )
    return sum
  }
  const [rows, dead, drop] = [all(batch => batch.rows), all(batch => batch.dead), all(batch => batch.drop)]
  const covered = union(union(rows, dead), drop)
  assert.equal(size(covered), size(rows) + size(dead) + size(drop), 'no offset has two outcomes')
  return { dead, covered, rowCount: batches.reduce((n, batch) => n + batch.rowCount, 0) }
}

const entries = fc.array(fc.constantFrom<Entry>('row', 'dead', 'drop', 'gap'), { minLength: 1, maxLength: 24 })
const where = (all: readonly Entry[], is: (offset: KafkaOffset, entry: Entry) => boolean): IntervalSet =>
  offsetSetOf(all.map((_, i) => kafkaOffset(i)).filter(offset => is(offset, all[Number(offset)] as Entry)))

test('every offset has one outcome, and only a record is a dead letter: a gap before one is a drop', () => {
  fc.assert(
    fc.property(entries, fc.integer({ min: 1, max: 9 }), (all, sliceRecords) => {
      const { dead, covered } = outcomesOf(batchesOf(logOf(all, sliceRecords), kafkaOffset(0), null))
      const [letters, everything] = [where(all, (_, entry) => entry === 'dead'), where(all, () => true)]
      assert.deepEqual([dead, covered], [letters, everything])
    }),
  )
})

test('what was settled before the claim is in no batch of it, whatever the log has become since', () => {
  const cases = fc.record({
    all: entries,
    frontier: fc.nat(24),
    beyond: fc.uniqueArray(fc.nat(24)),
    sliceRecords: fc.integer({ min: 1, max: 9 }),
    from: fc.nat(24),
  })
  fc.assert(
    fc.property(cases, ({ all, frontier, beyond, sliceRecords, from }) => {
      const first = kafkaOffset(Math.min(frontier, all.length))
      const done = offsetSetOf(beyond.filter(o => o < all.length).map(kafkaOffset))
      const settled = settle(startAt(first), done)
      const base = kafkaOffset(Math.min(from, Number(first)))
      const { dead, covered, rowCount } = outcomesOf(batchesOf(logOf(all, sliceRecords), base, settled))
      const isOpen = (offset: KafkaOffset): boolean => offset >= base && !isSettled(settled, offset)
      const open = (kind: Entry): IntervalSet => where(all, (offset, entry) => isOpen(offset) && entry === kind)
      assert.deepEqual([dead, covered], [open('dead'), where(all, isOpen)])
      assert.equal(BigInt(rowCount), size(open('row')))
    }),
    { numRuns: 500 },
  )
})
