// Interval sets against plain sets of numbers.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  contains,
  EMPTY,
  type IntervalSet,
  intersect,
  kafkaOffset,
  offsetSetOf,
  rangeOf,
  size,
  subtract,
  union,
} from '@millrace/core'
import fc from 'fast-check'

const UNIVERSE = 40
const offsets = fc.uniqueArray(fc.nat({ max: UNIVERSE - 1 }), { maxLength: UNIVERSE })
const setOf = (numbers: readonly number[]): IntervalSet =>
  numbers.reduce<IntervalSet>((set, n) => union(set, rangeOf(kafkaOffset(n), kafkaOffset(n + 1))), EMPTY)
const numbersOf = (set: IntervalSet): number[] =>
  Array.from({ length: UNIVERSE }, (_, n) => n).filter(n => contains(set, kafkaOffset(n)))
const sorted = (numbers: Iterable<number>): number[] => [...numbers].sort((a, b) => a - b)

test('union, subtract and intersect are those of sets', () => {
  fc.assert(
    fc.property(offsets, offsets, (a, b) => {
      const [x, y, inB] = [setOf(a), setOf(b), new Set(b)]
      assert.deepEqual(numbersOf(union(x, y)), sorted(new Set([...a, ...b])))
      assert.deepEqual(numbersOf(subtract(x, y)), sorted(a.filter(n => !inB.has(n))))
      assert.deepEqual(numbersOf(intersect(x, y)), sorted(a.filter(n => inB.has(n))))
      assert.equal(size(x), BigInt(a.length))
    }),
  )
})

test('a set of offsets is the union of each of them, in whatever order they come', () => {
  fc.assert(fc.property(offsets, a => assert.deepEqual(offsetSetOf(a.map(kafkaOffset)), setOf(a))))
})

test('every answer is sorted, disjoint and without adjacent ranges', () => {
  fc.assert(
    fc.property(offsets, offsets, (a, b) => {
      for (const set of [union(setOf(a), setOf(b)), subtract(setOf(a), setOf(b)), intersect(setOf(a), setOf(b))]) {
        for (const range of set) assert.ok(range.from < range.to)
        for (const [i, range] of set.entries()) assert.ok(i === 0 || set[i - 1]!.to < range.from)
      }
    }),
  )
})

test('an empty range is no range', () => {
  assert.deepEqual(rangeOf(kafkaOffset(3), kafkaOffset(3)), EMPTY)
  assert.deepEqual(rangeOf(kafkaOffset(4), kafkaOffset(3)), EMPTY)
})
