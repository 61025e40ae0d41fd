// Lag in seconds and freshness, from the timestamps of slices.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KafkaOffset, RecordSlice } from '@millrace/core'
import { RecordTimes } from '../src/record-times.ts'
import { deliversAll, superviseIn, whilePassing } from './support/connector.ts'
import { World } from './support/world.ts'

const slice = (next: number, ...timestamps: readonly number[]): RecordSlice =>
  ({
    count: timestamps.length,
    nextKafkaOffset: BigInt(next) as KafkaOffset,
    timestampMs: Float64Array.from(timestamps),
  }) as unknown as RecordSlice
const at = (offset: number): KafkaOffset => BigInt(offset) as KafkaOffset

test('the oldest is what is not settled, the newest what is', () => {
  const times = new RecordTimes()
  assert.deepEqual([times.oldestMs, times.settledMs], [null, null])
  times.fetched(slice(2, 10, 20))
  times.fetched(slice(3))
  times.fetched(slice(4, 30, 40))
  assert.equal(times.oldestMs, 10)
  times.settled(at(1))
  assert.deepEqual([times.oldestMs, times.settledMs], [10, null], 'a slice in part is not settled')
  times.settled(at(2))
  assert.deepEqual([times.oldestMs, times.settledMs], [30, 20])
  times.settled(at(4))
  assert.deepEqual([times.oldestMs, times.settledMs], [null, 40])
  times.fetched(slice(5, -1))
  assert.equal(times.oldestMs, null, 'no timestamp, no age')
})

test('a record from the future hides neither what waits behind it nor how fresh the next ones are', () => {
  const times = new RecordTimes()
  times.fetched(slice(1, 4_102_444_800_000))
  times.fetched(slice(2, 10, 20))
  assert.equal(times.oldestMs, 10)
  times.settled(at(1))
  assert.equal(times.settledMs, 4_102_444_800_000, 'as its producer said')
  times.settled(at(2))
  assert.equal(times.settledMs, 20)
})

test('times that no calendar has are none', () => {
  const times = new RecordTimes()
  times.fetched(slice(1, 2 ** 63))
  times.fetched(slice(2, 5, Number.MAX_SAFE_INTEGER))
  assert.equal(times.oldestMs, null)
  times.settled(at(2))
  assert.equal(times.settledMs, null)
})

test('a million slices take no more room than sixty-four', () => {
  const times = new RecordTimes()
  for (let i = 0; i < 1_000_000; i++) times.fetched(slice(i + 1, i, i))
  times.settled(at(999_999))
  assert.equal(times.oldestMs, 63, 'the last stretch grew')
  times.settled(at(1_000_000))
  assert.deepEqual([times.oldestMs, times.settledMs], [null, 999_999])
})

test('a partition reports the age of what waits, none when nothing does, and its table', async () => {
  const world = await World.open()
  world.records.rows(3)
  const { promise, resolve } = Promise.withResolvers<void>()
  world.fateOf = () => ({ kind: 'hold', until: promise })
  const supervisor = superviseIn(world)
  await world.until('rows are sent', () => supervisor.report().inFlightRows === 3)
  await world.time.advance(5_000)
  const { lagMs, settledRecordAtMs } = supervisor.report()
  assert.equal(lagMs, world.time.nowMs() - 1_000, 'the first record has timestamp 1,000')
  assert.equal(settledRecordAtMs, undefined)
  world.fateOf = () => ({ kind: 'apply' })
  resolve()
  await deliversAll(world, supervisor)
  const done = supervisor.report()
  assert.deepEqual([done.lagMs, done.settledRecordAtMs, done.tables?.length], [0, 1_002, 1])
  await whilePassing(world, supervisor.stop())
})
