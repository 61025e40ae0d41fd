// If-Match as RFC 9110 §13.1.1 has it, and what one worker answers about what another has just written.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CompactedTopicTwin } from '@millrace/testkit'
import { CONFIG, TestApi } from './support/test-api.ts'

type Method = 'PUT' | 'PATCH' | 'DELETE' | 'POST'
const send = async (api: TestApi, method: Method, url: string, ifMatch: string, body?: object) =>
  await api.app.inject({
    method,
    url,
    headers: { 'if-match': ifMatch, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
  })
const put = async (api: TestApi, ifMatch: string, tasksMax = '3', name = 'a'): Promise<number> =>
  (await send(api, 'PUT', `/connectors/${name}/config`, ifMatch, { ...CONFIG, 'tasks.max': tasksMax })).statusCode

describe('If-Match', () => {
  test('compares strongly: a weak tag, even of the current version, matches nothing', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    assert.equal(await put(api, 'W/"1"'), 412)
    assert.equal(await put(api, 'W/"1", W/"2"'), 412)
    assert.equal(await put(api, 'W/"1", "1"'), 200)
  })

  test('may list several tags: one of them must be current', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    assert.equal(await put(api, '"7", "8"'), 412)
    assert.equal(await put(api, '"7" ,"1","x,y"'), 200)
    assert.equal((await send(api, 'PATCH', '/connectors/a/config', '"1", "3"', { x: 'y' })).statusCode, 412)
    assert.equal((await send(api, 'PATCH', '/connectors/a/config', '"1", "2"', { x: 'y' })).statusCode, 200)
    assert.equal((await send(api, 'POST', '/api/v1/connectors/a/rollback', '"1", "2"', { version: 1 })).statusCode, 412)
    assert.equal((await send(api, 'DELETE', '/connectors/a', '"1", "2"')).statusCode, 412)
    assert.equal((await send(api, 'DELETE', '/connectors/a', '"3", "2"')).statusCode, 204)
  })

  test('with * needs a connector, whichever version it has; a tag needs that one, and neither creates', async () => {
    await using api = await TestApi.open()
    assert.equal(await put(api, '*'), 412)
    assert.equal(await put(api, '"1"'), 412)
    assert.equal(api.store.read().connectors.size, 0)
    assert.equal(api.begun.length, 0, 'nothing is left in the journal')
    await api.create('a')
    assert.equal(await put(api, ' * '), 200)
    assert.equal((await send(api, 'DELETE', '/connectors/a', '*')).statusCode, 204)
    for (const ifMatch of ['*', '"2"', '"2", "3"'])
      assert.equal((await send(api, 'DELETE', '/connectors/a', ifMatch)).statusCode, 404, 'it is gone, not changed')
    assert.equal((await send(api, 'PATCH', '/connectors/a/config', '"2"', { x: 'y' })).statusCode, 404)
  })

  test('that is no list of tags is 400; tags of others match nothing', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    for (const header of ['', ' ', '1', 'yesterday', '"1', '1"', 'w/"1"', '"1" "2"', '"1";"2"', '*, "1"', '"a b"'])
      assert.equal(await put(api, header), 400, header)
    for (const header of ['"x"', '""', '"01x"', '"9999999999999999"', '"-1"']) assert.equal(await put(api, header), 412)
    assert.equal(await put(api, '"1",'), 200)
  })

  test('every answer to a change names the version to go on from', async () => {
    await using api = await TestApi.open()
    const tags: unknown[] = []
    tags.push((await api.create('a')).headers.etag)
    tags.push((await api.call('PUT', '/connectors/a/config', { ...CONFIG, 'tasks.max': '3' })).headers.etag)
    tags.push((await api.call('PATCH', '/connectors/a/config', { x: 'y' })).headers.etag)
    tags.push((await api.call('POST', '/api/v1/connectors/a/rollback', { version: 1 })).headers.etag)
    assert.deepEqual(tags, ['"1"', '"2"', '"3"', '"4"'])
    for (const path of ['/connectors/a', '/connectors/a/config', '/api/v1/connectors/a'])
      assert.equal((await api.call('GET', path)).headers.etag, '"4"')
  })

  test('of many writers with one tag one wins, on whatever workers and by whatever method', async () => {
    const topic = new CompactedTopicTwin()
    await using one = await TestApi.open(topic)
    await using two = await TestApi.open(topic)
    await one.create('a')
    const answers = await Promise.all(
      [one, two, one, two].map((api, i) =>
        i < 2
          ? send(api, 'PUT', '/connectors/a/config', '"1"', { ...CONFIG, 'tasks.max': String(i + 3) })
          : send(api, 'PATCH', '/connectors/a/config', '"1"', { 'tasks.max': String(i + 3) }),
      ),
    )
    assert.deepEqual(answers.map(({ statusCode }) => statusCode).sort(), [200, 412, 412, 412])
  })
})

describe('a worker that has not heard yet of what another wrote', () => {
  /** `one` writes; `two` hears nothing by itself. */
  async function behind(): Promise<{ one: TestApi; two: TestApi; stack: AsyncDisposableStack }> {
    const stack = new AsyncDisposableStack()
    const topic = new CompactedTopicTwin()
    const one = stack.use(await TestApi.open(topic))
    const two = stack.use(await TestApi.open(topic))
    await one.create('a', { 'tasks.max': '1' })
    await two.call('GET', '/connectors/a')
    topic.setQuiet(true)
    return { one, two, stack }
  }

  test('takes the tag that one answered for a change made there', async () => {
    const { one, two, stack } = await behind()
    await using _ = stack
    for (const [method, url, body, status] of [
      ['PATCH', '/connectors/a/config', { x: 'y' }, 200],
      ['PUT', '/connectors/a/config', { ...CONFIG, 'tasks.max': '9' }, 200],
      ['POST', '/api/v1/connectors/a/rollback', { version: 1 }, 200],
      ['DELETE', '/connectors/a', undefined, 204],
    ] as const) {
      const { headers } = await one.call('PATCH', '/connectors/a/config', { z: method })
      const answer = await send(two, method, url, String(headers.etag), body)
      assert.equal(answer.statusCode, status, `${method} ${answer.body}`)
    }
  })

  test('judges a PATCH by the config as it is, not as it was', async () => {
    const { one, two, stack } = await behind()
    await using _ = stack
    const { topics: _topics, ...rest } = CONFIG
    await one.call('PUT', '/connectors/a/config', { ...rest, 'topics.regex': 't.*' })
    const patched = await two.call('PATCH', '/connectors/a/config', { 'topics.regex': 'u.*' })
    assert.equal(patched.statusCode, 200, patched.body)
    assert.deepEqual([patched.json().config['topics.regex'], patched.json().config['tasks.max']], ['u.*', '2'])
  })

  test('finds a version of the history it was just told of, and compares with it', async () => {
    const { one, two, stack } = await behind()
    await using _ = stack
    await one.call('PATCH', '/connectors/a/config', { 'tasks.max': '5' })
    assert.equal((await two.call('GET', '/api/v1/connectors/a/history/2')).statusCode, 200)
    await one.call('PATCH', '/connectors/a/config', { 'tasks.max': '6' })
    assert.equal((await two.call('GET', '/api/v1/connectors/a/diff?from=1&to=3')).statusCode, 200)
    await one.call('PATCH', '/connectors/a/config', { 'tasks.max': '7' })
    assert.equal((await two.call('POST', '/api/v1/connectors/a/rollback', { version: 4 })).json().changed, false)
  })

  test('does not bring back the config of a deleted connector to another one of its name', async () => {
    const { one, two, stack } = await behind()
    await using _ = stack
    await one.call('DELETE', '/connectors/a')
    await one.create('a', { 'tasks.max': '7' })
    assert.equal((await two.call('POST', '/api/v1/connectors/a/rollback', { version: 1 })).statusCode, 404)
    assert.equal((await one.call('GET', '/connectors/a/config')).json()['tasks.max'], '7')
  })

  test('changes in bulk what was created a moment ago', async () => {
    const { one, two, stack } = await behind()
    await using _ = stack
    await one.create('b')
    const { results } = (await two.call('POST', '/api/v1/bulk', { action: 'pause', names: ['a', 'b'] })).json()
    assert.deepEqual(
      results.map(({ status }: { status: number }) => status),
      [202, 202],
    )
    await one.create('c')
    assert.equal((await two.call('POST', '/api/v1/bulk', { action: 'pause', pattern: '*' })).json().matched, 3)
  })
})
