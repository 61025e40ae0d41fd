// One call that hangs, in whatever it hangs, slows no other: the API answers everything else meanwhile, and in the end this one too.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CONFIG, TestApi } from './support/test-api.ts'

const never = <T>(): Promise<T> => new Promise(() => {})

/** What operators and tools do all day, on a connector that is well. */
async function othersAreServed(api: TestApi, name: string): Promise<void> {
  const calls = [
    await api.create(name),
    await api.call('GET', '/connectors?expand=status&expand=info'),
    await api.call('GET', `/connectors/${name}/status`),
    await api.call('GET', '/api/v1/health'),
    await api.call('PUT', '/connector-plugins/BigQuerySinkConnector/config/validate', { ...CONFIG, name }),
    await api.call('PUT', `/connectors/${name}/config`, { ...CONFIG, 'tasks.max': '3' }),
    await api.call('PUT', `/connectors/${name}/pause`),
    await api.call('DELETE', `/connectors/${name}`),
  ]
  assert.deepEqual(
    calls.map(({ statusCode }) => statusCode),
    [201, 200, 200, 200, 200, 200, 202, 204],
  )
}

/** In virtual time nothing but an answer of its own ends it. */
async function endsBySaying(
  api: TestApi,
  call: Promise<{ statusCode: number; body: string }>,
  what: RegExp,
): Promise<void> {
  await api.time.advance(31_000)
  const { statusCode, body } = await call
  assert.equal(statusCode, 500)
  assert.match(body, what)
}

test('a create whose Genesis is not written', { timeout: 20_000 }, async () => {
  await using api = await TestApi.open()
  const { beginIncarnation } = api.deps
  api.deps.beginIncarnation = (config, incarnation, options) =>
    config['name'] === 'stuck' ? never() : beginIncarnation(config, incarnation, options)
  const stuck = api.create('stuck')
  await api.time.settle()
  await othersAreServed(api, 'a')
  await endsBySaying(api, stuck, /Request timed out. The worker is currently writing to the journal topic/)
  assert.equal((await api.call('GET', '/connectors/stuck')).statusCode, 404)
})

test('offsets that a broker does not tell, and an alteration that does not end', { timeout: 20_000 }, async () => {
  await using api = await TestApi.open()
  await api.create('stuck', {}, { initial_state: 'STOPPED' })
  api.deps.offsets.get = never
  api.deps.offsets.alter = never
  const offsets = [{ partition: { kafka_topic: 'flights', kafka_partition: 0 }, offset: { kafka_offset: 1 } }]
  const get = api.call('GET', '/connectors/stuck/offsets')
  const patch = api.call('PATCH', '/connectors/stuck/offsets', { offsets })
  await api.time.settle()
  await othersAreServed(api, 'a')
  await endsBySaying(api, get, /Request timed out/)
  await endsBySaying(api, patch, /Request timed out/)
})

test('a status board that does not answer costs a look two seconds, once for all who ask', {
  timeout: 20_000,
}, async () => {
  await using api = await TestApi.open()
  await api.create('a')
  let asked = 0
  api.deps.cluster.reports = () => {
    asked++
    return never()
  }
  api.time.jump(1_000)
  const calls = Array.from({ length: 50 }, () => api.call('GET', '/connectors/a/status'))
  await api.time.advance(2_000)
  for (const { statusCode } of await Promise.all(calls)) assert.equal(statusCode, 200)
  assert.equal(asked, 1)
})

test('a worker that does not say how it is does not keep others from asking', { timeout: 20_000 }, async () => {
  await using api = await TestApi.open()
  api.deps.health = never
  const health = api.call('GET', '/health')
  await api.time.settle()
  await othersAreServed(api, 'a')
  await api.time.advance(31_000)
  const { statusCode } = await health
  assert.equal(statusCode, 500)
})
