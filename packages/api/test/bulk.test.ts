// One action on many connectors: who is selected, what each one's result is, and what nobody may ask for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { GLOB_CHARS_MAX, matchesGlob } from '../src/glob.ts'
import { TestApi } from './support/test-api.ts'

type Result = { readonly connector: string; readonly outcome: string; readonly status: number }
const bulk = async (api: TestApi, body: object) => (await api.call('POST', '/api/v1/bulk', body)).json()
const outcomes = (answer: { results: readonly Result[] }) =>
  answer.results.map(({ connector, outcome, status }) => [connector, outcome, status])

test('connectors are chosen by pattern, and each has its own result', async () => {
  await using api = await TestApi.open()
  for (const name of ['orders-eu', 'orders-us', 'other']) await api.write(name)
  const dry = await bulk(api, { action: 'pause', pattern: 'orders-*', dry_run: true })
  assert.deepEqual([dry.matched, dry.failed, dry.dry_run], [2, 0, true])
  assert.ok(
    [...api.store.read().connectors.values()].every(entry => entry.targetState === 'STARTED'),
    'nothing done',
  )
  const paused = await bulk(api, { action: 'pause', pattern: 'orders-*' })
  assert.deepEqual(outcomes(paused), [
    ['orders-eu', 'done', 202],
    ['orders-us', 'done', 202],
  ])
  assert.equal(api.store.read().connectors.get('other')?.targetState, 'STARTED')
  const named = await bulk(api, { action: 'stop', names: ['other', 'nope', 'other'] })
  assert.deepEqual(outcomes(named), [
    ['other', 'done', 202],
    ['nope', 'failed', 404],
  ])
  assert.equal(named.failed, 1)
  assert.deepEqual(outcomes(await bulk(api, { action: 'stop', names: ['other'] })), [['other', 'unchanged', 202]])
  assert.deepEqual(outcomes(await bulk(api, { action: 'resume', state: 'STOPPED' })), [['other', 'done', 202]])
  assert.deepEqual(outcomes(await bulk(api, { action: 'delete', pattern: '*' })).length, 3)
  assert.equal(api.store.read().connectors.size, 0)
  assert.equal(api.audited.at(-1)?.changes.length, 3, 'each is in the audit')
})

test('restart takes the tasks with it, or only what failed; health selects too', async () => {
  await using api = await TestApi.open()
  await api.write('a')
  await api.write('b')
  api.report('w2', 'a', [{ taskId: 0, state: 'IN_DOUBT', trace: 'x' }, { taskId: 1 }])
  const stalled = await bulk(api, { action: 'restart', health: 'STALLED', only_failed: true })
  assert.deepEqual(outcomes(stalled), [['a', 'done', 202]])
  assert.deepEqual(api.store.read().connectors.get('a')?.restarts, { connector: 0, allTasks: 0, tasks: { '0': 1 } })
  await bulk(api, { action: 'restart', state: 'FAILED' })
  assert.deepEqual(api.store.read().connectors.get('a')?.restarts, { connector: 1, allTasks: 1, tasks: {} })
  assert.equal(api.store.read().connectors.get('b')?.version, 1)
})

test('while Kafka is away each item says that it failed, and the rest that it was not tried', async () => {
  await using api = await TestApi.open()
  await api.write('a')
  await api.write('b')
  api.topic.setDown(true)
  const answer = api.call('POST', '/api/v1/bulk', { action: 'pause', pattern: '*' })
  await api.time.advance(40_000)
  const body = (await answer).json()
  assert.deepEqual(outcomes(body), [
    ['a', 'failed', 500],
    ['b', 'not_tried', 503],
  ])
  assert.equal(body.failed, 2)
})

test('what selects nothing, or is no request, is 400; deleting needs an admin', async () => {
  await using api = await TestApi.open()
  for (const body of [
    null,
    [],
    {},
    { action: 'pause' },
    { action: 'explode', pattern: '*' },
    { action: 'pause', pattern: '' },
    { action: 'pause', pattern: 'x'.repeat(GLOB_CHARS_MAX + 1) },
    { action: 'pause', pattern: 7 },
    { action: 'pause', names: 'a' },
    { action: 'pause', names: [1] },
    { action: 'pause', names: Array.from({ length: 1_001 }, (_, i) => `c${i}`) },
    { action: 'pause', state: 'SLEEPY' },
    { action: 'pause', health: 'ok' },
    { action: 'pause', pattern: '*', dry_run: 'yes' },
    { action: 'pause', pattern: '*', force: true },
  ])
    assert.equal((await api.call('POST', '/api/v1/bulk', body)).statusCode, 400, JSON.stringify(body)?.slice(0, 80))
  await using shy = await TestApi.open()
  shy.app.addHook('onRequest', async request => {
    request.principal = { name: 'op', role: 'operator' }
  })
  assert.equal((await shy.call('POST', '/api/v1/bulk', { action: 'delete', pattern: '*' })).statusCode, 403)
  assert.equal((await shy.call('POST', '/api/v1/bulk', { action: 'pause', pattern: '*' })).statusCode, 200)
})

test('the glob means what a regular expression would, and takes no time with any pattern', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 })
  fc.assert(
    fc.property(letters, fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 }), (pattern, name) => {
      const expected = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`).test(name)
      assert.equal(matchesGlob(pattern, name), expected, `${pattern} ${name}`)
    }),
    { numRuns: 2_000 },
  )
  let steps = 0
  const counted = new Proxy(Object('a'.repeat(1_024)) as object, {
    get: (target: object, key) => {
      steps++
      const value: unknown = Reflect.get(target, key)
      return value
    },
  }) as unknown as string
  assert.equal(matchesGlob(`${'*a'.repeat(GLOB_CHARS_MAX / 2 - 1)}*b`, counted), false)
  assert.ok(steps < 4 * 1_024 * GLOB_CHARS_MAX, `${steps}`)
})
