// The audit: every change that is asked for, by whom and with what result; never a config value.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { configDigest, STATUS_CLIENT_GONE } from '../src/audit.ts'
import { startApi } from '../src/index.ts'
import { CONFIG, TestApi, WORKER_ID } from './support/test-api.ts'

test('a change is told with who, from where, what it found and what it left', async () => {
  await using api = await TestApi.open()
  await api.create('a', { 'x.password': 'canary' })
  await api.call('PUT', '/connectors/a/config', { ...CONFIG, 'tasks.max': '5', 'x.password': 'canary' })
  await api.call('PUT', '/connectors/a/pause?canary=1')
  await api.call('DELETE', '/connectors/a')
  assert.deepEqual(
    api.audited.map(({ method, path, status, connector, changes }) => [
      method,
      path,
      status,
      connector,
      changes.map(({ change, outcome, versionBefore, versionAfter }) => [change, outcome, versionBefore, versionAfter]),
    ]),
    [
      ['POST', '/connectors', 201, 'a', [['create', 'written', null, 1]]],
      ['PUT', '/connectors/a/config', 200, 'a', [['configure', 'written', 1, 2]]],
      ['PUT', '/connectors/a/pause', 202, 'a', [['setTargetState', 'written', 2, 3]]],
      ['DELETE', '/connectors/a', 204, 'a', [['delete', 'deleted', 3, null]]],
    ],
  )
  const [created, configured, , deleted] = api.audited.map(record => record.changes[0])
  const digest = configDigest(api.deps.configs, { ...CONFIG, name: 'a', 'x.password': 'another' })
  assert.match(digest, /^[0-9a-f]{64}$/)
  assert.deepEqual(
    [created?.configBefore, created?.configAfter, created?.secretsChanged],
    [null, digest, ['x.password']],
  )
  assert.equal(configured?.configBefore, digest)
  assert.notEqual(configured?.configAfter, digest)
  assert.deepEqual([deleted?.configBefore, deleted?.configAfter], [configured?.configAfter, null])
  const [first] = api.audited
  assert.deepEqual([first?.principal, first?.role, first?.remoteAddress], ['anonymous', 'admin', '127.0.0.1'])
  assert.ok(first !== undefined && first.requestId !== '' && first.atMs === api.time.nowMs())
  assert.doesNotMatch(JSON.stringify(api.audited), /canary/)
})

test('what is refused is told too; what only asks is not', async () => {
  await using api = await TestApi.open()
  await api.call('GET', '/connectors')
  await api.call('PUT', '/connector-plugins/BigQuerySink/config/validate', CONFIG)
  await api.call('POST', '/nowhere', {})
  assert.equal(api.audited.length, 0)
  await api.call('PUT', '/connectors/none/pause')
  await api.call('POST', '/connectors', '{')
  assert.deepEqual(
    api.audited.map(({ status, connector, changes }) => [status, connector, changes[0]?.outcome]),
    [
      [404, 'none', 'notFound'],
      [400, null, undefined],
    ],
  )
})

test('the name of who is logged in is kept with the config', async () => {
  await using api = await TestApi.open()
  api.app.addHook('onRequest', async request => {
    request.principal = { name: 'ada', role: 'admin' }
  })
  await api.create('a')
  const url = '/api/v1/connectors/a/history'
  const { versions } = (await api.app.inject({ method: 'GET', url, headers: { host: WORKER_ID } })).json()
  assert.equal(versions[0].changed_by, 'ada')
  assert.equal(api.audited[0]?.principal, 'ada')
})

test('another secret is told by its key; nothing that is told depends on what it is', async () => {
  const told = async (secrets: readonly string[]): Promise<readonly unknown[]> => {
    await using api = await TestApi.open()
    await api.create('a', { 'x.password': secrets[0] })
    await api.call('PATCH', '/connectors/a/config', { 'x.password': secrets[1] })
    await api.call('POST', '/api/v1/connectors/a/rollback', { version: 1 })
    await api.call('PUT', '/connectors/a/pause')
    return api.audited.map(({ changes }) => changes)
  }
  const changes = await told(['1234', '5678'])
  assert.deepEqual(changes, await told(['4321', '8765']))
  assert.deepEqual(
    changes.flat().map(change => (change as { secretsChanged: unknown }).secretsChanged),
    [['x.password'], ['x.password'], ['x.password'], []],
  )
})

test('a change is told also when who asked hangs up before the answer, or before the change', {
  timeout: 30_000,
}, async () => {
  await using api = await TestApi.open()
  await api.write('a')
  const [reached, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const write = api.store.write.bind(api.store)
  api.store.write = async (...given) => {
    reached.resolve()
    await goOn.promise
    return await write(...given)
  }
  const running = await startApi(api.deps, { listeners: [{ scheme: 'http', host: '127.0.0.1', port: 0 }] })
  try {
    const { port } = new URL(running.url)
    const socket = connect(Number(port), '127.0.0.1')
    socket.write(`PUT /connectors/a/pause HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: 0\r\n\r\n`)
    await reached.promise
    socket.destroy()
    await until(() => api.audited.length === 1)
    goOn.resolve()
    await until(() => api.audited.length === 2)
    assert.deepEqual(
      api.audited.map(({ status, path, connector, changes }) => [
        status,
        path,
        connector,
        changes.map(change => change.outcome),
      ]),
      [
        [STATUS_CLIENT_GONE, '/connectors/a/pause', 'a', []],
        [STATUS_CLIENT_GONE, '/connectors/a/pause', 'a', ['written']],
      ],
    )
    assert.equal(new Set(api.audited.map(({ requestId }) => requestId)).size, 1)
  } finally {
    goOn.resolve()
    await running.close()
  }
})

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(resolve => setImmediate(resolve))
}
