// Comparisons over REST: started once, asked about anywhere, bounded, ended on demand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MillraceError, type VerifyReceipt } from '@millrace/core'
import { buildApi } from '../src/index.ts'
import { TestApi, verifyReceipt } from './support/test-api.ts'

const PATH = '/api/v1/connectors/a/verify'

async function opened(...names: readonly string[]): Promise<TestApi> {
  const api = await TestApi.open()
  for (const name of ['a', ...names]) await api.create(name)
  return api
}

test('a run is answered with 202 and asked about: what differs stands first in its receipt', async () => {
  await using api = await opened()
  assert.equal((await api.call('GET', PATH)).statusCode, 404)
  const started = await api.call('POST', PATH)
  assert.deepEqual([started.statusCode, started.json().state, started.json().connector], [202, 'RUNNING', 'a'])
  await api.time.advance(10)
  const { state, id, receipt, progress, ended_at_ms } = (await api.call('GET', PATH)).json()
  assert.deepEqual([state, id], ['DONE', started.json().id])
  assert.ok(ended_at_ms !== null)
  assert.deepEqual(progress, { stage: 'reading flights-0', partitions: 2, partitions_read: 1, records_read: 100 })
  assert.deepEqual([receipt.verdict, receipt.records, receipt.rows, receipt.missing], ['DIFFERENT', 20, 17, 1])
  assert.deepEqual(receipt.examples, ['flights-1@3 is missing'])
  assert.deepEqual(
    receipt.partitions.map((each: { name: string }) => each.name),
    ['flights-1', 'flights-0'],
  )
})

test('a run that is under way is joined, and shows how far it is', async () => {
  await using api = await opened()
  const { promise, resolve } = Promise.withResolvers<VerifyReceipt>()
  api.verifying = () => promise
  const first = (await api.call('POST', PATH)).json()
  const second = (await api.call('POST', PATH)).json()
  assert.equal(first.id, second.id)
  assert.equal((await api.call('GET', PATH)).json().progress.records_read, 100)
  resolve(verifyReceipt())
  await api.time.advance(10)
  assert.notEqual((await api.call('POST', PATH)).json().id, first.id)
})

test('any worker is asked about it; only the one that runs it ends it', async () => {
  await using api = await opened()
  const other = buildApi({ ...api.deps }, api.closing.signal)
  let isStopped = false
  api.verifying = (_, signal) =>
    new Promise((_resolve, reject) =>
      signal.addEventListener('abort', () => {
        isStopped = true
        reject(signal.reason)
      }),
    )
  const { id } = (await api.call('POST', PATH)).json()
  const seen = await other.inject({ method: 'GET', url: PATH })
  assert.deepEqual([seen.json().id, seen.json().state], [id, 'RUNNING'])
  assert.equal((await other.inject({ method: 'POST', url: PATH })).json().id, id, 'not a second one')
  const refused = await other.inject({ method: 'DELETE', url: PATH })
  assert.deepEqual([refused.statusCode, /127\.0\.0\.1:8083/.test(refused.json().message)], [409, true])
  assert.equal((await api.call('DELETE', PATH)).statusCode, 204)
  await api.time.advance(10)
  assert.ok(isStopped)
  assert.equal((await other.inject({ method: 'GET', url: PATH })).json().state, 'CANCELLED')
  assert.equal((await api.call('DELETE', PATH)).statusCode, 404)
})

test('what keeps it from comparing is said with its code; a bug without its insides', async () => {
  await using api = await opened()
  api.verifying = async () => {
    throw new MillraceError('BIGQUERY_PERMISSION_DENIED', 'failPartition', 'bigquery.jobs.create is missing.')
  }
  await api.call('POST', PATH)
  await api.time.advance(10)
  const { state, error } = (await api.call('GET', PATH)).json()
  assert.deepEqual([state, error], ['FAILED', 'BIGQUERY_PERMISSION_DENIED: bigquery.jobs.create is missing.'])
  api.verifying = async () => {
    throw new Error('inner secret')
  }
  await api.call('POST', PATH)
  await api.time.advance(10)
  assert.doesNotMatch((await api.call('GET', PATH)).json().error, /secret/)
})

test('a worker runs two at a time; unknown connectors and bodies are refused', async () => {
  await using api = await opened('b', 'c')
  api.verifying = () => new Promise(() => {})
  for (const name of ['a', 'b'])
    assert.equal((await api.call('POST', `/api/v1/connectors/${name}/verify`)).statusCode, 202)
  assert.equal((await api.call('POST', '/api/v1/connectors/c/verify')).statusCode, 429)
  assert.equal((await api.call('POST', '/api/v1/connectors/d/verify')).statusCode, 404)
  assert.equal((await api.call('POST', PATH, { from: 1 })).statusCode, 400)
})
