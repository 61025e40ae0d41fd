import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backoffMs } from '../src/backoff.ts'

const random = (value: number) => ({ nextUint32: () => value, nextId: () => '' })
const limits = { baseMs: 100, maxMs: 5_000 }

test('waits double from the base up to the maximum', () => {
  const highest = [0, 1, 2, 3, 10, 1_000].map(attempt => backoffMs(attempt, limits, random(2 ** 32 - 1)))
  assert.deepEqual(highest, [100, 200, 400, 800, 5_000, 5_000])
})

test('chance shortens a wait by half at most', () => {
  assert.equal(backoffMs(2, limits, random(0)), 200)
  assert.equal(backoffMs(2, limits, random(2 ** 31)), 300)
})
