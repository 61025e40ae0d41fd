// Who sees the secrets of configs: who may run connectors, as they were written; who may only look, never; and a masked copy
// that is written back overwrites nothing.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { masked } from '../src/secret-keys.ts'
import type { Role } from '../src/security/principal.ts'
import { CONFIG, TestApi } from './support/test-api.ts'

const PLACEHOLDER = ['$', '{env:TOKEN}'].join('')
const SECRETS = {
  'sneaky.password': 'canary1',
  'some.registry.url': 'http://me:canary2@127.0.0.1:8081',
  'some.auth.user.info': 'me:canary3',
}
const LITERAL = /canary/

async function open(role: Role, more: Readonly<Record<string, string>> = {}): Promise<TestApi> {
  const api = await TestApi.open()
  api.app.addHook('onRequest', async request => {
    request.principal = { name: role, role }
  })
  for (const tasksMax of ['1', '2']) {
    const config = {
      ...CONFIG,
      ...SECRETS,
      ...more,
      name: 'a',
      'tasks.max': tasksMax,
      'sneaky.password': `canary${tasksMax}`,
    }
    const { signal } = api.closing
    if (tasksMax === '1') await api.write('a')
    await api.store.write({ kind: 'configure', name: 'a', config }, { signal })
  }
  return api
}

const CONFIG_PATHS = ['/connectors/a', '/connectors/a/config', '/connectors/a/tasks', '/connectors?expand=info']
const MASKED_PATHS = [
  ...['/api/v1/connectors', '/api/v1/connectors/a', '/api/v1/connectors/a/health'],
  ...['/api/v1/connectors/a/history', '/api/v1/connectors/a/history/3', '/api/v1/connectors/a/diff'],
  ...['/connectors?expand=status', '/connectors/a/status', '/api/v1/connectors/a/partitions'],
]

describe('secrets in configs', () => {
  test('are shown as written to who may run connectors, so that reading, changing and writing back loses nothing', async () => {
    for (const role of ['operator', 'admin'] as const) {
      await using api = await open(role)
      for (const path of CONFIG_PATHS) assert.match((await api.call('GET', path)).body, LITERAL, `${role} ${path}`)
      const config = (await api.call('GET', '/connectors/a/config')).json()
      assert.deepEqual(config, api.store.read().connectors.get('a')?.config)
      if (role !== 'admin') continue
      const written = await api.call('PUT', '/connectors/a/config', { ...config, 'tasks.max': '3' })
      assert.equal(written.statusCode, 200, written.body)
      assert.equal(written.json().config['sneaky.password'], 'canary2')
    }
  })

  test('are shown as written where nobody logs in', async () => {
    await using api = await TestApi.open()
    await api.create('a', SECRETS)
    for (const path of CONFIG_PATHS) assert.match((await api.call('GET', path)).body, LITERAL, path)
  })

  test('are not shown to who may only look; where they are kept is', async () => {
    await using api = await open('viewer', { 'other.token': PLACEHOLDER })
    for (const path of [...CONFIG_PATHS, ...MASKED_PATHS]) {
      const { body, statusCode } = await api.call('GET', path)
      assert.equal(statusCode, 200, path)
      assert.doesNotMatch(body, LITERAL, path)
    }
    const config = (await api.call('GET', '/connectors/a/config')).json()
    assert.deepEqual(
      [...Object.keys(SECRETS), 'other.token'].map(key => config[key]),
      ['[hidden]', '[hidden]', '[hidden]', PLACEHOLDER],
    )
    assert.deepEqual([config.topics, config['tasks.max']], ['flights', '2'])
  })

  test('are masked under /api/v1 whoever asks, and never in the audit or the log', async () => {
    await using api = await open('admin')
    for (const path of MASKED_PATHS) assert.doesNotMatch((await api.call('GET', path)).body, LITERAL, path)
    const config = (await api.call('GET', '/connectors/a/config')).json()
    await api.call('PUT', '/connectors/a/config', { ...config, 'sneaky.password': 'canary9' })
    await api.call('PUT', '/connectors/a/config', { ...config, 'sneaky.password': 'canary9', 'tasks.max': 'many' })
    const rolled = await api.call('POST', '/api/v1/connectors/a/rollback', { version: 2 })
    assert.equal(rolled.statusCode, 200, rolled.body)
    assert.doesNotMatch(rolled.body + JSON.stringify(api.audited) + api.logged.join(), LITERAL)
  })

  test('of every key that is typed as a password are masked, whatever its name', async () => {
    await using api = await TestApi.open()
    const { configs } = api.deps
    const keys = (configs.pluginConfig('BigQuerySink') ?? []).filter(({ type }) => type === 'PASSWORD')
    assert.ok(keys.length > 0)
    const config = { ...CONFIG, ...Object.fromEntries(keys.map(({ name }) => [name, 'canary'])) }
    assert.doesNotMatch(JSON.stringify(masked(configs, config)), LITERAL)
  })

  test('are never overwritten by a masked copy: each of its keys is named, nothing is stored', async () => {
    await using api = await open('admin')
    const stored = api.store.read().connectors.get('a')?.config ?? {}
    const copy = { ...stored, 'sneaky.password': '[hidden]', keyfile: ' [hidden] ' }
    for (const [method, url, body] of [
      ['PUT', '/connectors/a/config', copy],
      ['PUT', '/connectors/b/config', { ...copy, name: 'b' }],
      ['POST', '/connectors', { name: 'c', config: { ...copy, name: 'c' } }],
      ['PATCH', '/connectors/a/config', { 'sneaky.password': '[hidden]', keyfile: '[hidden]' }],
    ] as const) {
      const { statusCode, body: answer } = await api.call(method, url, body)
      assert.equal(statusCode, 400, `${method} ${url}`)
      assert.match(answer, /Invalid value \[hidden\] for configuration sneaky\.password/)
      assert.match(answer, /Invalid value \[hidden\] for configuration keyfile/)
    }
    assert.deepEqual([...api.store.read().connectors.keys()], ['a'])
    assert.equal(api.store.read().connectors.get('a')?.config, stored)
    const infos = (await api.call('PUT', '/connector-plugins/BigQuerySink/config/validate', copy)).json()
    const named = infos.configs.filter(({ value }: { value: { errors: string[] } }) => value.errors.length > 0)
    assert.deepEqual(named.map(({ value }: { value: { name: string } }) => value.name).sort(), [
      'keyfile',
      'sneaky.password',
    ])
    assert.equal(infos.error_count, 2)
  })
})
