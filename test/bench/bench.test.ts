import assert from 'node:assert/strict'
import { test } from 'node:test'
import { INPUTS } from './inputs/index.ts'
import { latencies, latencyFigures } from './support/latency.ts'
import { loopFigures, RESOLUTION_MS } from './support/loop-log.ts'
import { figuresOf, ratio, type Turn } from './support/throughput.ts'
import type { ThroughputRun } from './support/throughput-run.ts'
import { turnOf } from './support/turns.ts'

const run = (rowsPerCpuSecond: number): ThroughputRun => ({
  warmUp: 'a quarter of the rows',
  rows: rowsPerCpuSecond * 2,
  seconds: 4,
  valueBytes: rowsPerCpuSecond * 400,
  cpuSeconds: 2,
  brokerCpuSeconds: 1,
  emulatorCpuSeconds: 1,
  rssPeakBytes: 100e6,
  firstRowMs: 10,
  isWhole: true,
  loop: null,
  journal: null,
})

for (const { name, fields, line } of INPUTS)
  test(`${name}: a record is decided by its number alone, is one line of JSON and names columns of the table only`, () => {
    const columns = new Set(fields.map(field => field.name))
    for (const id of [0, 1, 7, 130, 99_999, 3_999_999]) {
      const text = line(id)
      assert.equal(text, line(id))
      assert.equal(text.indexOf('\n'), text.length - 1)
      assert.deepEqual(new Set(Object.keys(JSON.parse(text))), columns)
    }
    assert.equal(new Set(Array.from({ length: 2_000 }, (_, id) => line(id))).size, 2_000)
  })

test('latency: the k-th record of a partition is visible once k rows are, and what the warm-up sent does not count', () => {
  const produced = [
    { atMs: 0, count: 2 },
    { atMs: 100, count: 4 },
    { atMs: 200, count: 5 },
  ]
  const visible = [
    { atMs: 50, count: 1 },
    { atMs: 130, count: 3 },
    { atMs: 260, count: 5 },
  ]
  assert.deepEqual(latencies(produced, visible, 0), [50, 130, 30, 160, 60])
  assert.deepEqual(latencies(produced, visible, 100), [30, 160, 60])
  assert.deepEqual(latencies(produced, visible.slice(0, 2), 0), [50, 130, 30])
})

test('latency: percentiles of records, and of the time between two looks', () => {
  const records = Array.from({ length: 100 }, (_, i) => i + 1)
  const figures = latencyFigures(records, [4, 5, 9])
  assert.deepEqual(figures, {
    records: 100,
    p50Ms: 50,
    p99Ms: 99,
    maxMs: 100,
    resolutionP50Ms: 5,
    resolutionP99Ms: 9,
  })
})

test('ratios compare runs of one turn only, and a turn in which one of them failed counts for nothing', () => {
  const turns: Turn[] = [
    new Map([
      ['ours', run(800)],
      ['google-node', run(100)],
    ]),
    new Map([
      ['ours', run(400)],
      ['google-node', run(40)],
    ]),
    new Map([['ours', run(5)]]),
  ]
  assert.deepEqual(ratio(turns, 'ours', 'google-node'), { median: 9, spread: 2 / 9, pairs: 2 })
  assert.equal(ratio(turns, 'ours', 'go'), null)
  const figures = figuresOf('ours', turns)
  assert.equal(figures?.rowsPerCpuSecond, 400)
  assert.equal(figures?.runs, 3)
  assert.equal(figuresOf('go', turns), null)
})

test('everybody begins a turn as often as anybody else, and every second turn runs backwards', () => {
  const all = ['a', 'b', 'c']
  assert.deepEqual(turnOf(all, 0), ['a', 'b', 'c'])
  assert.deepEqual(turnOf(all, 1), ['c', 'b', 'a'])
  assert.deepEqual(turnOf(all, 2), ['b', 'c', 'a'])
  const firsts = Array.from({ length: 6 }, (_, turn) => turnOf(all, turn)[0]!)
  assert.deepEqual(firsts.toSorted(), ['a', 'a', 'b', 'b', 'c', 'c'])
})

test('the event loop is judged by the seconds that were measured', () => {
  const line = (atMs: number, maxMs: number, gcMs: number) => ({
    atMs,
    maxMs,
    p99Ms: 6,
    utilization: 1,
    gc: { count: 2, ms: gcMs, maxMs: gcMs / 2 },
  })
  const lines = [line(1_000, 900, 500), line(2_000, 35, 40), line(3_000, 25, 60), line(9_000, 800, 500)]
  const figures = loopFigures(lines, 1_000, 2_500)
  assert.equal(figures?.longestTaskMs, 35 - RESOLUTION_MS)
  assert.equal(figures?.gcMs, 100)
  assert.equal(figures?.gcLongestMs, 30)
  assert.equal(figures?.gcShare, 0.05)
  assert.equal(loopFigures(lines, 10_000, 11_000), null)
})
