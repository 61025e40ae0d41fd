import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeWorkerReport, type WorkerId } from '@millrace/core'
import { partitionReport, workerReport } from '@millrace/testkit'
import { LoadMeter } from '../src/index.ts'

const A = 'a' as WorkerId
const B = 'b' as WorkerId

const report = (worker: WorkerId, atMs: number, rows: readonly [number, number][]): [WorkerId, string] => {
  const partitions = rows.map(([partition, rowsTotal]) => partitionReport({ partition, taskId: partition, rowsTotal }))
  return [worker, encodeWorkerReport(workerReport(worker, partitions, { publishedAtMs: atMs }))]
}
const looked = (...looks: [WorkerId, string][][]): Record<string, number> => {
  const meter = new LoadMeter()
  for (const look of looks) meter.look(new Map(look))
  return Object.fromEntries(meter.loads)
}

test('measures rows per second between two looks, by the time in the reports', () => {
  const loads = looked(
    [
      report(A, 10_000, [
        [0, 0],
        [1, 500],
      ]),
      report(B, 11_000, [[2, 100]]),
    ],
    [
      report(A, 70_000, [
        [0, 60_000],
        [1, 12_500],
      ]),
      report(B, 41_000, [[2, 30_100]]),
    ],
  )
  assert.deepEqual(loads, { 'c/t-0': 1_000, 'c/t-1': 200, 'c/t-2': 1_000 })
})

test('a partition that changed hands, restarted its count or was not reported anew is not measured', () => {
  const loads = looked(
    [
      report(A, 10_000, [
        [0, 0],
        [1, 500],
        [3, 0],
      ]),
      report(B, 10_000, [[2, 100]]),
    ],
    [
      report(A, 70_000, [
        [0, 600_000],
        [1, 10],
      ]),
      report(B, 10_000, [[2, 100]]),
    ],
  )
  assert.deepEqual(loads, { 'c/t-0': 10_000 })
  const moved = looked(
    [
      report(A, 0, [
        [0, 0],
        [1, 0],
      ]),
    ],
    [report(B, 60_000, [[0, 9_999_999]]), report(A, 60_000, [[1, 60_000]])],
  )
  assert.deepEqual(moved, { 'c/t-1': 1_000 })
})

test('a quiet cluster keeps its last measure', () => {
  const busy = [[report(A, 0, [[0, 0]])], [report(A, 60_000, [[0, 600_000]])]]
  assert.deepEqual(looked(...busy, [report(A, 120_000, [[0, 600_060]])]), { 'c/t-0': 10_000 })
})

test('reports it cannot read count as none', () => {
  assert.deepEqual(looked([[A, 'no json']], [[A, '{"partitions":[{}]}'], report(B, 1, [])]), {})
})
