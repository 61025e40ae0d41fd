// GET /api/v1/connectors/{name}/health and GET /api/v1/health.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestApi } from './support/test-api.ts'

test('health names what a connector waits for, with cause and fix from the manual', async () => {
  await using api = await TestApi.open()
  await api.create('a')
  const sinceMs = 0
  const waiting = { code: 'BIGQUERY_UNREACHABLE', message: 'No route.', sinceMs } as const
  api.time.jump(100_000)
  api.report('w2', 'a', [{ progressAtMs: 100_000 }, { lag: 7, stage: 'appending', waiting, progressAtMs: 0 }])
  api.reports = api.reports.map(report => ({ ...report, publishedAtMs: 100_000 }))
  const answer = await api.call('GET', '/api/v1/connectors/a/health')
  const { connector, health, state, reasons, reason_count } = answer.json()
  assert.deepEqual([connector, health, state, reason_count], ['a', 'STALLED', 'RUNNING', 1])
  const { fix, cause, ...reason } = reasons[0]
  assert.deepEqual(reason, {
    code: 'BIGQUERY_UNREACHABLE',
    severity: 'STALLED',
    topic: 'flights',
    partition: 1,
    worker_id: 'w2:8083',
    stage: 'appending',
    since_ms: 0,
    message: 'No route.',
  })
  assert.match(cause, /did not answer/)
  assert.match(fix, /bigquery\.endpoint/)
  assert.equal((await api.call('GET', '/api/v1/connectors/nope/health')).statusCode, 404)
})

test('the list shows the worst first and can be filtered', async () => {
  await using api = await TestApi.open()
  await api.create('a')
  await api.create('b')
  api.report('w2', 'b', [{ state: 'IN_DOUBT', trace: 'IN_DOUBT: s.' }])
  const list = async (query = '') => (await api.call('GET', `/api/v1/health${query}`)).json().connectors
  const all = await list()
  assert.deepEqual(
    all.map((one: { connector: string; health: string; reason?: { code: string } }) => [
      one.connector,
      one.health,
      one.reason?.code,
    ]),
    [
      ['b', 'STALLED', 'IN_DOUBT'],
      ['a', 'OK', undefined],
    ],
  )
  assert.deepEqual((await list('?health=stalled')).length, 1)
  assert.equal((await api.call('GET', '/api/v1/health?health=fine')).statusCode, 400)
})
