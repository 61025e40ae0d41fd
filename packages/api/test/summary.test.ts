// GET /api/v1/connectors, /api/v1/connectors/{name} and …/tables.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestApi } from './support/test-api.ts'

const TABLE = 'projects/p/datasets/d/tables/t'

test('a connector at a glance: what its partitions say, added up', async () => {
  await using api = await TestApi.open()
  await api.create('a')
  await api.create('b')
  const shared = { streams: [`${TABLE}/streams/s`], tables: [TABLE], progressAtMs: 9e15 }
  api.report('w2', 'a', [
    { ...shared, lag: 3, lagMs: 1_500, rowsTotal: 5, deadLettersTotal: 1, settledRecordAtMs: 70 },
    { ...shared, lag: 4, lagMs: 9_000, rowsTotal: 6, settledRecordAtMs: 50, tables: [TABLE, `${TABLE}2`] },
    { state: 'FAILED', trace: 'x' },
  ])
  const answer = await api.call('GET', '/api/v1/connectors/a')
  const { name, state, health, reason, tasks_failed, partitions_by_state, lag, lag_ms, rows_total, streams } =
    answer.json()
  assert.deepEqual([name, state, health, reason.code], ['a', 'RUNNING', 'DEGRADED', 'PARTITION_FAILED'])
  assert.deepEqual(partitions_by_state, { RUNNING: 2, FAILED: 1 })
  assert.deepEqual([tasks_failed, lag, lag_ms, rows_total, streams], [0, 7, 9_000, 11, 2])
  assert.equal(answer.headers.etag, '"1"')
  const { connectors } = (await api.call('GET', '/api/v1/connectors')).json()
  assert.deepEqual(
    connectors.map((one: { name: string; partitions: number; lag: number | null; lag_ms: number | null }) => [
      one.name,
      one.partitions,
      one.lag,
      one.lag_ms,
    ]),
    [
      ['a', 3, 7, 9_000],
      ['b', 0, null, null],
    ],
  )
  const { tables } = (await api.call('GET', '/api/v1/connectors/a/tables')).json()
  assert.deepEqual(
    tables.map((one: Record<string, unknown>) => [
      one.table,
      one.partitions,
      one.lag,
      one.newest_record_at_ms,
      one.streams,
    ]),
    [
      [TABLE, 2, 7, 70, 2],
      [`${TABLE}2`, 1, 4, 50, 0],
    ],
  )
  assert.equal((await api.call('GET', '/api/v1/connectors/x')).statusCode, 404)
  assert.equal((await api.call('GET', '/api/v1/connectors/x/tables')).statusCode, 404)
})
