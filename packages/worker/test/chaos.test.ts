// Everything at once, by chance and by seed: two processes without leases on one partition, deaths, lost and late journal writes,
// every fate of an append, compaction, records that come meanwhile. When the trouble ends, all is delivered exactly once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MillraceError } from '@millrace/core'
import type { AppendFate } from '@millrace/testkit'
import type { RecordKind } from './support/topic-records.ts'
import { describeEnd, type Run, World } from './support/world.ts'

const SEEDS = 15
const TURNS = 60
const KINDS: readonly RecordKind[] = ['row', 'row', 'row', 'row', 'unreadable', 'refused', 'tombstone', 'filtered']

function fateBy(world: World): AppendFate {
  const { random, time } = world
  const unseen = { signal: new AbortController().signal }
  switch (random.below(14)) {
    case 0:
      return { kind: 'loseRequest' }
    case 1:
      return { kind: 'loseReply' }
    case 2:
      return { kind: 'hold', until: time.sleep(random.below(90_000), unseen) }
    case 3:
      return { kind: 'silence', applies: random.isOneIn(2) }
    case 4:
      return {
        kind: 'refuse',
        error: { kind: 'other', error: new MillraceError('BIGQUERY_QUOTA', 'retry', 'not now') },
      }
    default:
      return { kind: 'apply' }
  }
}

function disturb(world: World, runs: (Run | null)[]): void {
  const { random, records, journal, letters } = world
  const i = random.below(runs.length)
  switch (random.below(8)) {
    case 0:
      return runs[i]?.process.die()
    case 1:
      return runs[i]?.partition.letGo()
    case 2:
      return journal.failNextAppend((['lost', 'landed', 'late'] as const)[random.below(3)] ?? 'lost')
    case 3:
      return journal.landLate()
    case 4:
      return journal.compact({ dropTombstones: random.isOneIn(2) })
    case 5:
      return letters.failNextProduce(random.isOneIn(2) ? 'lost' : 'landed')
    case 6:
      return random.isOneIn(2) ? records.gap(1 + random.below(3)) : records.aborted(1 + random.below(2))
    default:
      for (let n = random.below(8); n > 0; n--) records.produce(KINDS[random.below(KINDS.length)] ?? 'row')
  }
}

test(`${SEEDS} seeds of chaos: exactly once`, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const world = await World.open({ seed, sliceRecords: 1 + (seed % 7) })
    const { random } = world
    world.records.rows(10)
    world.fateOf = () => fateBy(world)
    world.bigQuery.callFate = () => (random.isOneIn(6) ? (random.isOneIn(2) ? 'loseRequest' : 'loseReply') : 'apply')
    const runs: (Run | null)[] = [null, null]
    try {
      for (let turn = 0; turn < TURNS; turn++) {
        for (const [i, run] of runs.entries()) {
          if (run !== null && run.end === null) continue
          assert.ok(run?.end?.kind !== 'failed' && run?.end?.kind !== 'inDoubt', run === null ? '' : describeEnd(run))
          runs[i] = random.isOneIn(3) ? world.begin() : null
        }
        disturb(world, runs)
        await world.time.advance(random.isOneIn(5) ? random.below(70_000) : random.below(100))
      }
      for (const run of runs) run?.process.die()
      world.fateOf = () => ({ kind: 'apply' })
      world.bigQuery.callFate = () => 'apply'
      await world.time.advance(1)
      world.journal.landLate()
      await world.finish()
      await world.time.advance(100_000)
      world.assertExactlyOnce()
      world.assertBudgetsEmpty()
    } catch (error) {
      throw new Error(`seed=${seed}`, { cause: error })
    }
  }
})
