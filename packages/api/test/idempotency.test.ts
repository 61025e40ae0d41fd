// Idempotency-Key: what is sent again is not done again, whichever worker it comes to and whatever happened in between.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MARK_AGE_MAX_MS, MARKS_MAX } from '@millrace/core'
import { CompactedTopicTwin } from '@millrace/testkit'
import type { LightMyRequestResponse } from 'fastify'
import { KEY_CHARS_MAX, parseKey } from '../src/idempotency.ts'
import { CONFIG, TestApi } from './support/test-api.ts'

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
const send = async (
  api: TestApi,
  key: string,
  method: Method,
  url: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<LightMyRequestResponse> =>
  await api.app.inject({
    method,
    url,
    headers: { 'idempotency-key': key, 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
  })
const isReplayed = (answer: LightMyRequestResponse): boolean => answer.headers['idempotency-replayed'] === 'true'
/** States are of now. */
const shown = ({ body }: LightMyRequestResponse): string => body.replaceAll(/RESTARTING|UNASSIGNED/g, 'STATE')
const versionOf = (api: TestApi): number | undefined => api.store.read().connectors.get('a')?.version
const CREATE = { name: 'a', config: CONFIG }

describe('a request with an Idempotency-Key', () => {
  test('sent again, gets the first answer again on every worker, and nothing is done', async () => {
    const topic = new CompactedTopicTwin()
    await using one = await TestApi.open(topic)
    await using two = await TestApi.open(topic)
    const changed = { ...CONFIG, 'tasks.max': '1' }
    const steps: readonly (readonly [Method, string, unknown, number])[] = [
      ['POST', '/connectors', CREATE, 201],
      ['PUT', '/connectors/a/config', changed, 200],
      ['PATCH', '/connectors/a/config', { 'errors.retry.timeout': '5' }, 200],
      ['PUT', '/connectors/a/pause', undefined, 202],
      ['PUT', '/connectors/a/resume', undefined, 202],
      ['POST', '/connectors/a/restart', undefined, 204],
      ['POST', '/connectors/a/restart?includeTasks=true', undefined, 202],
      ['POST', '/connectors/a/tasks/0/restart', undefined, 204],
      ['PUT', '/connectors/a/topics/reset', undefined, 202],
      ['POST', '/api/v1/connectors/a/rollback', { version: 1 }, 200],
      ['PUT', '/connectors/a/stop', undefined, 204],
      ['DELETE', '/connectors/a', undefined, 204],
      ['PUT', '/connectors/b/config', CONFIG, 201],
    ]
    for (const [i, [method, url, body, status]] of steps.entries()) {
      const first = await send(one, `k${i}`, method, url, body)
      assert.equal(first.statusCode, status, `${method} ${url} ${first.body}`)
      assert.equal(isReplayed(first), false)
      const { length } = topic.records
      for (const worker of [one, two]) {
        const again = await send(worker, `k${i}`, method, url, body)
        assert.ok(isReplayed(again), `${method} ${url}`)
        assert.deepEqual(
          [again.statusCode, shown(again), again.headers.location, again.headers.etag],
          [first.statusCode, shown(first), first.headers.location, first.headers.etag],
          `${method} ${url}`,
        )
      }
      assert.equal(topic.records.length, length, `${method} ${url} was written again`)
    }
  })

  test('is known after a restart of every worker and any compaction, and after others changed the connector', async () => {
    const topic = new CompactedTopicTwin()
    {
      await using api = await TestApi.open(topic)
      await send(api, 'create', 'POST', '/connectors', CREATE)
      for (let i = 0; i < 5; i++) await api.call('POST', '/connectors/a/restart')
    }
    topic.compact({ dropTombstones: true })
    await using api = await TestApi.open(topic)
    const again = await send(api, 'create', 'POST', '/connectors', CREATE)
    assert.deepEqual([again.statusCode, isReplayed(again), versionOf(api)], [201, true, 6])
  })

  test('stays carried out when the connector was deleted since: nothing rises again', async () => {
    await using api = await TestApi.open()
    await send(api, 'create', 'POST', '/connectors', CREATE)
    await send(api, 'pause', 'PUT', '/connectors/a/pause')
    await api.call('DELETE', '/connectors/a')
    const again = await send(api, 'create', 'POST', '/connectors', CREATE)
    assert.deepEqual([again.statusCode, again.json().error_code], [410, 410])
    assert.match(again.json().message, /carried out before.*deleted since/)
    assert.equal((await send(api, 'pause', 'PUT', '/connectors/a/pause')).statusCode, 202)
    assert.equal(api.store.read().connectors.size, 0)
  })

  test('does nothing later either where it changed nothing the first time', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    assert.equal((await send(api, 'k', 'PUT', '/connectors/a/resume')).statusCode, 202)
    await api.call('PUT', '/connectors/a/pause')
    const again = await send(api, 'k', 'PUT', '/connectors/a/resume')
    assert.deepEqual([again.statusCode, isReplayed(again)], [202, true])
    assert.equal(api.store.read().connectors.get('a')?.targetState, 'PAUSED')
    const { versions } = (await api.call('GET', '/api/v1/connectors/a/history')).json()
    assert.equal(versions.length, 1)
  })

  test('that was refused left nothing and is judged anew', async () => {
    await using api = await TestApi.open()
    assert.equal((await send(api, 'k', 'PUT', '/connectors/a/pause')).statusCode, 404)
    assert.equal((await send(api, 'l', 'POST', '/connectors', { name: 'a', config: {} })).statusCode, 400)
    await api.create('a')
    const now = await send(api, 'k', 'PUT', '/connectors/a/pause')
    assert.deepEqual([now.statusCode, isReplayed(now)], [202, false])
  })

  test('whose answer was lost with the connection to Kafka is done once', async () => {
    const topic = new CompactedTopicTwin()
    await using one = await TestApi.open(topic)
    await using two = await TestApi.open(topic)
    await one.create('a')
    for (const fault of ['landed', 'lost', 'late'] as const) {
      const before = (await two.store.refresh({ signal: two.closing.signal })).connectors.get('a')?.restarts.connector
      topic.failNextAppend(fault)
      const lost = send(one, fault, 'POST', '/connectors/a/restart')
      await one.time.settle()
      if (fault !== 'landed') topic.setDown(true)
      await one.time.advance(40_000)
      topic.setDown(false)
      assert.equal((await lost).statusCode, fault === 'landed' ? 204 : 500)
      assert.equal((await send(two, fault, 'POST', '/connectors/a/restart')).statusCode, 204)
      topic.landLate()
      assert.equal((await send(two, fault, 'POST', '/connectors/a/restart')).statusCode, 204)
      const { connectors } = await two.store.refresh({ signal: two.closing.signal })
      assert.equal(connectors.get('a')?.restarts.connector, (before ?? 0) + 1, fault)
    }
  })

  test('twice at once gets one answer twice, on one worker and on two, never 409 or 412', async () => {
    const topic = new CompactedTopicTwin()
    await using one = await TestApi.open(topic)
    await using two = await TestApi.open(topic)
    const [reallyOne, reallyTwo] = [one, two].map(api => api.store.refresh.bind(api.store))
    /** None of the four goes on before all have seen that there is no mark. */
    const twice = async (...[key, ...rest]: Parameters<typeof send> extends [TestApi, ...infer R] ? R : never) => {
      const { promise: allLooked, resolve } = Promise.withResolvers<void>()
      let looked = 0
      for (const [api, refresh] of [
        [one, reallyOne!],
        [two, reallyTwo!],
      ] as const)
        api.store.refresh = async options => {
          const state = await refresh(options)
          if (++looked === 4) resolve()
          await allLooked
          return state
        }
      return await Promise.all([one, one, two, two].map(api => send(api, key, ...rest)))
    }
    const created = await twice('c', 'POST', '/connectors', CREATE)
    assert.deepEqual(
      created.map(({ statusCode }) => statusCode),
      [201, 201, 201, 201],
    )
    assert.equal(created.filter(isReplayed).length, 3)
    const put = await twice('p', 'PUT', '/connectors/a/config', { ...CONFIG, 'tasks.max': '7' }, { 'if-match': '"1"' })
    assert.deepEqual(
      put.map(({ statusCode }) => statusCode),
      [200, 200, 200, 200],
    )
    const patch = await twice('q', 'PATCH', '/connectors/a/config', { 'tasks.max': '8' }, { 'if-match': '"2"' })
    assert.deepEqual(
      patch.map(({ statusCode }) => statusCode),
      [200, 200, 200, 200],
    )
    await twice('r', 'POST', '/connectors/a/restart')
    assert.equal((await one.store.refresh({ signal: one.closing.signal })).connectors.get('a')?.restarts.connector, 1)
    const gone = await twice('d', 'DELETE', '/connectors/a')
    assert.deepEqual(
      gone.map(({ statusCode }) => statusCode),
      [204, 204, 204, 204],
    )
    assert.equal(one.store.read().deleted.get('a')?.version, 5, 'each was done once')
  })

  test('that came to its route while its twin was carried out gets that one’s answer, not a refusal', async () => {
    await using api = await TestApi.open()
    let arrive = async (): Promise<void> => {}
    api.app.addHook('preHandler', async () => await arrive())
    for (const [method, url, body, headers, status] of [
      ['POST', '/connectors', CREATE, {}, 201],
      ['PATCH', '/connectors/a/config', { 'tasks.max': '8' }, { 'if-match': '"1"' }, 200],
      ['DELETE', '/connectors/a', undefined, { 'if-match': '"2"' }, 204],
    ] as const) {
      const { promise: bothLooked, resolve: look } = Promise.withResolvers<void>()
      const { promise: firstIsDone, resolve } = Promise.withResolvers<void>()
      let looked = 0
      arrive = async () => {
        if (++looked === 2) look()
        await (looked === 1 ? bothLooked : firstIsDone)
      }
      const first = send(api, method, method, url, body, headers)
      const second = send(api, method, method, url, body, headers)
      assert.equal((await first).statusCode, status)
      resolve()
      const { statusCode, headers: answered, body: text } = await second
      assert.deepEqual([statusCode, answered['idempotency-replayed']], [status, 'true'], text)
    }
  })

  test('is another one with another body, query, path or method: 422 naming the header', async () => {
    await using api = await TestApi.open()
    await send(api, 'k', 'POST', '/connectors', CREATE)
    for (const [method, url, body] of [
      ['POST', '/connectors', { ...CREATE, config: { ...CONFIG, 'tasks.max': '9' } }],
      ['POST', '/connectors', { ...CREATE, name: 'b' }],
      ['POST', '/connectors?x=1', CREATE],
      ['PUT', '/connectors/a/pause', undefined],
      ['DELETE', '/connectors/a', undefined],
      ['POST', '/api/v1/bulk', { action: 'pause', pattern: '*' }],
    ] as const) {
      const answer = await send(api, 'k', method, url, body)
      assert.equal(answer.statusCode, 422, `${method} ${url}`)
      assert.equal(answer.json().error_code, 422)
      assert.match(answer.json().message, /Idempotency-Key/)
    }
    assert.deepEqual([versionOf(api), api.store.read().connectors.size], [1, 1])
    const { name, config } = CREATE
    const reordered = { config: Object.fromEntries(Object.entries(config).reverse()), name }
    assert.ok(isReplayed(await send(api, 'k', 'POST', '/connectors/', reordered)), 'the order of keys says nothing')
  })

  test('is another one when somebody else sends it', async () => {
    await using api = await TestApi.open()
    let name = 'ada'
    api.app.addHook('onRequest', async request => {
      request.principal = { name, role: 'admin' }
    })
    await api.write('a')
    await send(api, 'k', 'POST', '/connectors/a/restart')
    name = 'bob'
    assert.equal(isReplayed(await send(api, 'k', 'POST', '/connectors/a/restart')), false)
    assert.equal(api.store.read().connectors.get('a')?.restarts.connector, 2)
  })

  test('is forgotten after a day, and the oldest of many on one connector sooner', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    await send(api, 'old', 'POST', '/connectors/a/restart')
    api.time.jump(MARK_AGE_MAX_MS - 1)
    assert.ok(isReplayed(await send(api, 'old', 'POST', '/connectors/a/restart')))
    api.time.jump(1)
    assert.equal(isReplayed(await send(api, 'old', 'POST', '/connectors/a/restart')), false)
    for (let i = 0; i < MARKS_MAX; i++) await send(api, `k${i}`, 'POST', '/connectors/a/restart')
    assert.ok(isReplayed(await send(api, 'k0', 'POST', '/connectors/a/restart')))
    assert.equal(isReplayed(await send(api, 'old', 'POST', '/connectors/a/restart')), false)
    assert.equal(isReplayed(await send(api, 'k0', 'POST', '/connectors/a/restart')), false, 'the oldest went')
    const { value } = api.topic.records.findLast(record => record.value !== null) ?? {}
    assert.ok((value ?? '').length < 8_000, 'the record stays small')
  })

  test('in bulk changes each connector once: sent again it finishes what was cut off', async () => {
    const topic = new CompactedTopicTwin()
    await using one = await TestApi.open(topic)
    await using two = await TestApi.open(topic)
    for (const name of ['x1', 'x2', 'x3']) await one.write(name)
    const restart = { action: 'restart', pattern: 'x*' }
    const only = one.store.write.bind(one.store)
    one.store.write = async (change, options) => {
      if (change.name === 'x2') topic.setDown(true)
      return await only(change, options)
    }
    const cut = send(one, 'k', 'POST', '/api/v1/bulk', restart)
    await one.time.advance(40_000)
    assert.equal((await cut).json().failed, 2)
    topic.setDown(false)
    for (let i = 0; i < 2; i++) {
      const body = (await send(two, 'k', 'POST', '/api/v1/bulk', restart)).json()
      assert.deepEqual([body.matched, body.failed], [3, 0])
    }
    for (const { restarts } of two.store.read().connectors.values()) assert.equal(restarts.connector, 1)
    await two.call('DELETE', '/connectors/x3')
    const { results } = (await send(two, 'k', 'POST', '/api/v1/bulk', restart)).json()
    assert.equal(results.length, 3, 'what it did then is told still')
    assert.equal((await send(two, 'k', 'POST', '/api/v1/bulk', { ...restart, pattern: '*' })).statusCode, 422)
    const remove = { action: 'delete', names: ['x1', 'x2'] }
    for (let i = 0; i < 2; i++) {
      const deleted = (await send(two, 'd', 'POST', '/api/v1/bulk', remove)).json()
      assert.deepEqual(deleted.results, [
        { connector: 'x1', status: 204, outcome: 'done' },
        { connector: 'x2', status: 204, outcome: 'done' },
      ])
    }
  })

  test('is refused where a repetition could not be told from a new request, and ignored where nothing changes', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    for (const [method, url, body] of [
      ['PATCH', '/connectors/a/offsets', { offsets: [] }],
      ['DELETE', '/connectors/a/offsets', undefined],
      ['PUT', '/admin/loggers/root', { level: 'DEBUG' }],
      ['PUT', '/api/v1/connectors/a/partitions/t/0/verdict', {}],
    ] as const) {
      const answer = await send(api, 'k', method, url, body)
      assert.equal(answer.statusCode, 400, url)
      assert.match(answer.json().message, /Idempotency-Key/)
    }
    assert.equal(api.altered, null)
    assert.equal((await send(api, 'k', 'GET', '/connectors')).statusCode, 200)
    assert.equal((await send(api, '', 'GET', '/connectors')).statusCode, 200)
    const validate = '/connector-plugins/BigQuerySink/config/validate'
    assert.equal((await send(api, 'k', 'PUT', validate, CONFIG)).statusCode, 200)
  })

  test('must be one key of bounded length', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    for (const key of ['', ' ', '""', '"a', 'a"', 'a b', 'a, b', '"a", "b"', 'ä', 'x'.repeat(KEY_CHARS_MAX + 1)]) {
      const answer = await send(api, key, 'PUT', '/connectors/a/pause')
      assert.equal(answer.statusCode, 400, key)
      assert.match(answer.json().message, /Idempotency-Key/)
    }
    assert.equal(versionOf(api), 1)
    assert.equal(parseKey('"8e03978e-40d5"'), '8e03978e-40d5')
    assert.equal(parseKey(' 8e03978e-40d5 '), '8e03978e-40d5', 'quoted or not, it is one key')
    assert.equal(parseKey(String.raw`"a \"b\" \\, c"`), String.raw`a "b" \, c`)
    assert.equal(parseKey('x'.repeat(KEY_CHARS_MAX)).length, KEY_CHARS_MAX)
  })

  test('and what it asked for stand in the log as digests that nobody can try secrets against', async () => {
    await using api = await TestApi.open()
    const body = { name: 'a', config: { ...CONFIG, 'sneaky.password': 'canary' } }
    await send(api, 'secret-key', 'POST', '/connectors', body)
    await api.call('DELETE', '/connectors/a')
    api.topic.compact({ dropTombstones: true })
    assert.doesNotMatch(api.topic.records.map(({ value }) => value).join(), /secret-key|canary/)
    await using other = await TestApi.open()
    await send(other, 'other-key', 'POST', '/connectors', body)
    const digest = (from: TestApi): unknown =>
      JSON.parse(from.topic.records.findLast(({ value }) => value !== null)?.value ?? '{}').marks[0].request
    assert.notEqual(digest(api), digest(other), 'the same request under another key is another digest')
  })
})
