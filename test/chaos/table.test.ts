// The figures at the end of a run.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ledger } from './ledger.ts'
import type { Outcome } from './run-rows.ts'
import { report, summary, table } from './table.ts'
import { compare } from './verdict.ts'

const verdict = compare(new Ledger(), { topic: 't', rows: [], letters: [], gaps: [], inTopic: null, unproduced: 0 })
const outcome = (over: Partial<Outcome>): Outcome => ({
  id: '1',
  name: 'worker killed',
  status: 'held',
  seconds: 60,
  load: 1,
  hits: { 'workers killed': 2 },
  takeoverMs: [],
  recoveryMs: null,
  verdict,
  ...over,
})

/** 1 to 100 seconds, in two rows; one row without a worker lost, one that failed before anything was compared. */
const OUTCOMES: readonly Outcome[] = [
  outcome({ takeoverMs: Array.from({ length: 60 }, (_, i) => (i + 1) * 1_000), recoveryMs: 7_000 }),
  outcome({
    id: '3',
    takeoverMs: Array.from({ length: 40 }, (_, i) => (i + 61) * 1_000),
    verdict: { ...verdict, committed: 10, missing: 3, duplicates: 2, doubleOutcomes: 1, phantoms: 4, torn: 1 },
    status: 'failed',
  }),
  outcome({ id: '12', verdict: { ...verdict, committed: 20, falseGaps: 2 }, recoveryMs: 500, hits: {} }),
  outcome({ id: '46', verdict: null, status: 'skipped', hits: {} }),
]

test('takeovers count over the run, by nearest rank, and differences over all rows', () => {
  const { totals, rows } = report(OUTCOMES)
  assert.deepEqual(totals.takeovers, { count: 100, p50Ms: 50_000, p99Ms: 99_000, maxMs: 100_000 })
  assert.deepEqual(totals.recoveries, { count: 2, p50Ms: 500, p99Ms: 7_000, maxMs: 7_000 })
  const { held, failed, void: voids, skipped, committed, missing, duplicates, doubleOutcomes } = totals
  assert.deepEqual({ held, failed, voids, skipped }, { held: 2, failed: 1, voids: 0, skipped: 1 })
  assert.deepEqual([committed, missing, duplicates, doubleOutcomes], [30, 3, 2, 1])
  assert.deepEqual((rows[0] as { takeovers: unknown }).takeovers, {
    count: 60,
    p50Ms: 30_000,
    p99Ms: 60_000,
    maxMs: 60_000,
  })
  const text = summary(OUTCOMES)
  assert.match(text, /^100 partitions taken over: p50 50\.0 s, p99 99\.0 s, at most 100\.0 s$/m)
  assert.match(text, /30 records, 3 missing, 2 duplicates, 1 double outcomes, 7 that are not what was produced$/)
})

test('each row has a line with its hits, and a dash where there is nothing to count', () => {
  const lines = table(OUTCOMES).split('\n')
  assert.equal(lines.length, 1 + OUTCOMES.length)
  assert.match(lines[1] ?? '', /^1 +worker killed +held +2 workers killed +30\.0 s +60\.0 s +7\.0 s +0 +0 +0 +0$/)
  assert.match(lines[4] ?? '', /^46 +worker killed +skipped +– +– +– +– +– +– +– +–$/)
})
