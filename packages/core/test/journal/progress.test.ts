// The frontier against a plain set of settled offsets.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Fingerprint,
  type IntervalSet,
  isSettled,
  kafkaOffset,
  merge,
  type Progress,
  rangeOf,
  settle,
  settledPart,
  startAt,
  union,
  unsettled,
} from '@millrace/core'
import fc from 'fast-check'

const END = 40
const start = fc.nat({ max: 10 })
const range = fc
  .tuple(fc.nat({ max: END }), fc.nat({ max: 6 }))
  .map(([from, length]) => rangeOf(kafkaOffset(from), kafkaOffset(Math.min(END, from + length))))
const ranges = fc.array(range, { maxLength: 12 })
const covered = (begin: number, sets: readonly IntervalSet[]): boolean[] =>
  Array.from({ length: END }, (_, n) => n < begin || sets.some(set => set.some(r => r.from <= n && n < r.to)))
const settledList = (progress: Progress): boolean[] =>
  Array.from({ length: END }, (_, n) => isSettled(progress, kafkaOffset(n)))
const after = (begin: number, sets: readonly IntervalSet[]): Progress =>
  sets.reduce((progress, set) => settle(progress, set), startAt(kafkaOffset(begin)))

test('what was settled, in any order, is settled, and nothing else', () => {
  fc.assert(
    fc.property(start, ranges, (begin, sets) => {
      const progress = after(begin, sets)
      assert.deepEqual(settledList(progress), covered(begin, sets))
      assert.deepEqual(after(begin, sets.toReversed()), progress)
    }),
  )
})

test('the frontier stands before the first offset that is not settled; what lies beyond lies above it', () => {
  fc.assert(
    fc.property(start, ranges, (begin, sets) => {
      const { frontier, beyond } = after(begin, sets)
      const first = covered(begin, sets).indexOf(false)
      assert.equal(frontier, BigInt(first < 0 ? END : first))
      for (const r of beyond) assert.ok(r.from > frontier)
    }),
  )
})

test('merging is the union, whoever is asked first', () => {
  fc.assert(
    fc.property(start, ranges, start, ranges, (begin, sets, otherBegin, otherSets) => {
      const [a, b] = [after(begin, sets), after(otherBegin, otherSets)]
      const expected = covered(begin, sets).map((is, n) => is || covered(otherBegin, otherSets)[n] === true)
      assert.deepEqual(settledList(merge(a, b)), expected)
      assert.deepEqual(merge(b, a), merge(a, b))
    }),
  )
})

test('settledPart and unsettled divide a set', () => {
  fc.assert(
    fc.property(start, ranges, range, range, (begin, sets, r1, r2) => {
      const progress = after(begin, sets)
      const set = union(r1, r2)
      assert.deepEqual(union(settledPart(progress, set), unsettled(progress, set)), set)
      for (const { from, to } of unsettled(progress, set))
        for (let n = from; n < to; n++) assert.ok(!isSettled(progress, kafkaOffset(n)))
      for (const { from, to } of settledPart(progress, set))
        for (let n = from; n < to; n++) assert.ok(isSettled(progress, kafkaOffset(n)))
    }),
  )
})

test('what is lost is settled and remembered as lost, in whatever order it is settled and merged', () => {
  fc.assert(
    fc.property(start, ranges, range, range, (begin, sets, lost, other) => {
      const progress = settle(after(begin, sets), lost, null, lost)
      assert.deepEqual(settledList(progress), covered(begin, [...sets, lost]))
      assert.deepEqual(progress.lost ?? [], lost)
      const merged = merge(progress, settle(startAt(kafkaOffset(0)), other, null, other))
      assert.deepEqual(merged.lost ?? [], union(lost, other))
      assert.deepEqual(settle(merged, rangeOf(kafkaOffset(0), kafkaOffset(1))).lost ?? [], union(lost, other))
      assert.equal('lost' in after(begin, sets), false) // as older versions wrote it
    }),
  )
})

test('the fingerprint kept is that of the highest record, whatever order it came in', () => {
  const print = (offset: number): Fingerprint => ({ kafkaOffset: kafkaOffset(offset), timestampMs: 0, crc: offset })
  const low = settle(startAt(kafkaOffset(0)), rangeOf(kafkaOffset(0), kafkaOffset(2)), print(1))
  const high = settle(low, rangeOf(kafkaOffset(5), kafkaOffset(8)), print(7))
  assert.deepEqual(high.fingerprint, print(7))
  assert.deepEqual(settle(high, rangeOf(kafkaOffset(2), kafkaOffset(4)), print(3)).fingerprint, print(7))
  assert.deepEqual(settle(high, rangeOf(kafkaOffset(2), kafkaOffset(5))).fingerprint, print(7))
  assert.deepEqual(merge(low, high).fingerprint, print(7))
})
