// The history of configs over HTTP: list, look, compare, go back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CONFIG, TestApi } from './support/test-api.ts'

const path = (rest: string): string => `/api/v1/connectors/a/${rest}`
const change = (api: TestApi, config: object) => api.call('PUT', '/connectors/a/config', { ...CONFIG, ...config })

test('every config is listed once, newest first, and can be looked at and compared', async () => {
  await using api = await TestApi.open()
  await api.create('a', { 'tasks.max': '1', 'errors.retry.timeout': '5' })
  await api.call('PUT', '/connectors/a/pause')
  await change(api, { 'tasks.max': '3', 'append.linger.ms': '7' })
  const { versions } = (await api.call('GET', path('history'))).json()
  assert.deepEqual(
    versions.map((v: Record<string, unknown>) => [v.version, v.config_generation, v.current, v.changed_by]),
    [
      [3, 2, true, null],
      [1, 1, false, null],
    ],
  )
  const first = (await api.call('GET', path('history/1'))).json()
  assert.deepEqual([first.config['tasks.max'], first.current], ['1', false])
  const { from, to, added, removed, changed } = (await api.call('GET', path('diff'))).json()
  assert.deepEqual([from.version, to.version], [1, 3])
  assert.deepEqual(added, [{ key: 'append.linger.ms', value: '7' }])
  assert.deepEqual(removed, [{ key: 'errors.retry.timeout', value: '5' }])
  assert.deepEqual(changed, [{ key: 'tasks.max', from: '1', to: '3' }])
  const back = (await api.call('GET', path('diff?from=3&to=1'))).json()
  assert.deepEqual(back.changed, [{ key: 'tasks.max', from: '3', to: '1' }])
})

test('a rollback is a new version with the old config, under If-Match, validated', async () => {
  await using api = await TestApi.open()
  await api.create('a', { 'tasks.max': '1' })
  await change(api, { 'tasks.max': '3' })
  const roll = (body: unknown, headers: Record<string, string> = {}) =>
    api.app.inject({
      method: 'POST',
      url: path('rollback'),
      headers: { 'content-type': 'application/json', ...headers },
      payload: JSON.stringify(body),
    })
  assert.equal((await roll({ version: 1 }, { 'if-match': '"1"' })).statusCode, 412)
  const done = await roll({ version: 1 }, { 'if-match': '"2"' })
  assert.deepEqual(
    [done.statusCode, done.json().version, done.json().changed, done.headers.etag],
    [200, 3, true, '"3"'],
  )
  assert.equal((await api.call('GET', '/connectors/a/config')).json()['tasks.max'], '1')
  assert.equal((await roll({ version: 1 })).json().changed, false, 'it is so already')
  const { versions } = (await api.call('GET', path('history'))).json()
  assert.deepEqual(
    versions.map((v: { version: number }) => v.version),
    [3, 2, 1],
  )
  for (const [body, status] of [
    [{ version: 99 }, 404],
    [{ version: '1' }, 400],
    [{ version: 1, force: true }, 400],
    [{}, 400],
    [null, 400],
    [{ version: -1 }, 404],
  ] as const)
    assert.equal((await roll(body)).statusCode, status, JSON.stringify(body))
  await api.call('DELETE', '/connectors/a')
  assert.equal((await roll({ version: 1 })).statusCode, 404)
  assert.equal((await api.call('GET', path('history'))).statusCode, 404)
})

test('no secret of any version is shown, though a changed one is named; where a secret is kept may be seen', async () => {
  await using api = await TestApi.open()
  const placeholder = (name: string): string => ['$', '{env:', name, '}'].join('')
  const { signal } = api.closing
  await api.write('a')
  for (const config of [
    { ...CONFIG, 'sneaky.password': 'canary1', keyfile: 'canary2', 'other.token': placeholder('ONE') },
    { ...CONFIG, 'sneaky.password': 'canary3', keyfile: 'canary2', 'other.token': placeholder('TWO') },
  ])
    await api.store.write({ kind: 'configure', name: 'a', config: { ...config, name: 'a' } }, { signal })
  for (const rest of ['history', 'history/2', 'history/3', 'diff', 'diff?from=3&to=2']) {
    const { body, statusCode } = await api.call('GET', path(rest))
    assert.equal(statusCode, 200, rest)
    assert.doesNotMatch(body, /canary/, rest)
  }
  const { changed } = (await api.call('GET', path('diff'))).json()
  assert.deepEqual(changed, [
    { key: 'other.token', from: placeholder('ONE'), to: placeholder('TWO') },
    { key: 'sneaky.password', from: '[hidden]', to: '[hidden]' },
  ])
})

test('a rollback brings secrets back without showing them', async () => {
  await using api = await TestApi.open()
  await api.create('a', { 'sneaky.password': 'canary1' })
  await change(api, { 'sneaky.password': 'canary2' })
  const rolled = await api.call('POST', path('rollback'), { version: 1 })
  assert.equal(rolled.statusCode, 200, rolled.body)
  assert.doesNotMatch(rolled.body, /canary/)
  assert.equal((await api.call('GET', '/connectors/a/config')).json()['sneaky.password'], 'canary1')
})

test('a diff of a connector that has one config only, or of versions that are none, is 404', async () => {
  await using api = await TestApi.open()
  await api.create('a')
  for (const rest of ['diff', 'diff?from=1&to=9', 'diff?from=x', 'history/0', 'history/x'])
    assert.equal((await api.call('GET', path(rest))).statusCode, 404, rest)
})
