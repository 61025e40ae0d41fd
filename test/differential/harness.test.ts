// The judge is judged: what it must notice, what it must let pass, and how it makes a failure short.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { disagreements } from './support/compare.ts'
import { explanation } from './support/differences.ts'
import type { Answer } from './support/exchange.ts'
import { Model } from './support/model.ts'
import { randomNumbers, randomRequest } from './support/random-requests.ts'
import { shrink } from './support/shrink.ts'
import { sinkConfig } from './support/sink-config.ts'

const answer = (status: number, body: unknown, headers: Answer['headers'] = {}): Answer => ({
  status,
  headers,
  text: body === undefined ? '' : JSON.stringify(body),
})
const aspects = (connect: Answer, millrace: Answer): readonly string[] =>
  disagreements({ connect, millrace }).map(({ aspect }) => aspect)

describe('the comparison', () => {
  test('notices another code, message, value, key or header', () => {
    const error = { error_code: 404, message: 'a' }
    assert.deepEqual(aspects(answer(200, undefined), answer(204, undefined)), ['answer'])
    assert.deepEqual(aspects(answer(404, error), answer(404, { ...error, message: 'b' })), ['answer'])
    assert.deepEqual(aspects(answer(404, error), answer(404, { ...error, error_code: 400 })), ['answer'])
    assert.deepEqual(aspects(answer(404, error), answer(404, { ...error, more: 1 })), ['answer'])
    assert.deepEqual(aspects(answer(200, { a: { b: [1, '2'] } }), answer(200, { a: { b: [1, 2] } })), ['body $.a.b[1]'])
    assert.deepEqual(aspects(answer(200, { a: 1 }), answer(200, { a: 1, b: 2 })), ['body $.b'])
    assert.deepEqual(aspects(answer(200, {}, { location: '/a' }), answer(200, {})), ['header location'])
  })

  test('lets pass what must differ, if it looks as it must, and the names each has for its own', () => {
    const status = (worker: string): Answer => answer(200, { connector: { worker_id: worker } })
    assert.deepEqual(aspects(status('127.0.0.1:1'), status('127.0.0.1:2')), [])
    assert.deepEqual(aspects(status('127.0.0.1:1'), status('somewhere')), ['body $.connector.worker_id'])
    const plugin = (name: string): Answer => answer(200, { config: { 'connector.class': name } })
    const names = [
      'org.apache.kafka.connect.file.FileStreamSinkConnector',
      'io.millrace.bigquery.BigQuerySinkConnector',
    ] as const
    assert.deepEqual(aspects(plugin(names[0]), plugin(names[1])), [])
    assert.deepEqual(aspects(plugin(names[0]), plugin('else')), ['body $.config.connector.class'])
  })

  test('knows no excuse for what is not in the table', () => {
    const request = { method: 'GET', path: '/connectors/a' }
    const found = { aspect: 'answer', connect: '200 {}', millrace: '404 Connector a not found' }
    assert.equal(explanation(request, found), undefined)
    assert.equal(explanation(request, { ...found, connect: '500 Cannot invoke', millrace: '200 {}' }), undefined)
  })
})

test('the model follows what Kafka Connect accepted, and only that', () => {
  const model = new Model()
  const shown = (): string =>
    JSON.stringify([...model.connectors].map(([name, { state, tasks }]) => [name, state, tasks]))
  const body = { name: ' a ', config: sinkConfig({ 'tasks.max': 2 }), initial_state: 'paused' }
  model.apply({ method: 'POST', path: '/connectors', body }, answer(409, {}))
  assert.equal(shown(), '[]')
  model.apply({ method: 'POST', path: '/connectors', body }, answer(201, {}))
  assert.equal(shown(), '[["a","PAUSED",0]]')
  model.apply({ method: 'PUT', path: '/connectors/a/resume' }, answer(202, undefined))
  assert.equal(shown(), '[["a","RUNNING",2]]')
  model.apply(
    { method: 'PATCH', path: '/connectors/a/config', body: {} },
    answer(200, { config: { 'tasks.max': '3' } }),
  )
  assert.equal(shown(), '[["a","RUNNING",3]]')
  model.apply({ method: 'PUT', path: '/connectors/a/stop' }, answer(204, undefined))
  assert.equal(shown(), '[["a","STOPPED",0]]')
  model.apply({ method: 'DELETE', path: '/connectors/a' }, answer(204, undefined))
  assert.equal(shown(), '[]')
})

test('the same seed makes the same requests', () => {
  const requests = (seed: number): readonly unknown[] => {
    const random = randomNumbers(seed)
    return Array.from({ length: 50 }, () => randomRequest(random, new Model()))
  }
  assert.deepEqual(requests(7), requests(7))
  assert.notDeepEqual(requests(7), requests(8))
})

test('of many requests those are left without which it does not fail', async () => {
  const many = Array.from({ length: 100 }, (_, i) => i)
  const few = await shrink(
    many,
    async items => items.includes(17) && items.includes(71),
    () => true,
  )
  assert.deepEqual(few, [17, 71])
})
