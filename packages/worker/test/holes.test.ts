// Holes of the list in docs/holes.md that no other file is about.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MillraceError } from '@millrace/core'
import { describeEnd, World } from './support/world.ts'

test('H18 a hole of 10^6 offsets, between records, at the end and before the first one, holds nothing up', async () => {
  const HOLE = 1_000_000
  const world = await World.open()
  world.records.gap(HOLE)
  world.records.rows(4)
  world.records.gap(HOLE)
  world.records.rows(2)
  world.records.gap(HOLE)
  const run = world.begin()
  await world.delivered(run)
  assert.equal(run.partition.view().nextKafkaOffset, BigInt(3 * HOLE + 6))
  assert.equal(run.partition.view().droppedTotal, 0)
  await world.letGo(run)
  world.records.rows(1)
  await world.finish()
  world.assertExactlyOnce()
  const longest = Math.max(...world.journal.entries.map(entry => entry.value?.length ?? 0))
  assert.ok(longest < 2_000, `a hole is one range in the journal, however long; the longest record has ${longest}`)
})

test('H24 what was logged under the config before a crash stays as it was decided; what was not is converted by the new one', async () => {
  const world = await World.open()
  world.records.produce('row', 'unreadable', 'row')
  const dying = world.process({ diesAt: { step: 'deadLetters', nth: 1, when: 'before' } })
  const run = world.begin({ generation: 1 }, dying)
  await world.ended(run)
  assert.deepEqual([world.deadOffsets(), world.rowIds()], [[], []])
  world.records.produce('unreadable', 'row')
  await world.finish({ generation: 2, policy: 'drop' })
  assert.deepEqual(world.deadOffsets(), [1n], 'the letter of generation 1, and none of what generation 2 drops')
  assert.deepEqual(world.rowIds(), [0n, 2n, 4n])
  const generations = world
    .journalRecords()
    .flatMap(record => (record.kind === 'intent' ? record.window.map(batch => batch.generation) : []))
  assert.deepEqual(new Set(generations), new Set([1, 2]))
})

test('H25 rows that no longer fit the table are never patched: FAILED, and the next claim converts them again', async () => {
  for (let nth = 1; nth <= 4; nth++) {
    const world = await World.open()
    world.records.rows(12)
    let seen = 0
    world.fateOf = () => {
      if (++seen !== nth) return { kind: 'apply' }
      const error = new MillraceError('SCHEMA_MISMATCH', 'failPartition', 'The table has no such column.')
      return { kind: 'refuse', error: { kind: 'other', error } }
    }
    const run = world.begin()
    await world.ended(run)
    assert(run.end?.kind === 'failed', describeEnd(run))
    await world.finish()
    world.assertExactlyOnce()
  }
})
