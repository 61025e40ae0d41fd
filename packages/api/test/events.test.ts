// Server-sent events: what happens is told, once, in order; a client that comes back misses nothing, or is told that it did.
import assert from 'node:assert/strict'
import { get, type IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { EventFeed, type NumberedEvent } from '../src/events/event-feed.ts'
import { TestApi } from './support/test-api.ts'

const EMPTY = { workers: new Map(), connectors: new Map() }

function feedOf(api: TestApi, keptMax?: number): { feed: EventFeed; stop: AbortController } {
  const { clock, timers, random, logger } = api.deps
  const stop = new AbortController()
  const feed = new EventFeed(
    { configStore: api.store, clock, timers, random, logger, snapshot: async () => EMPTY },
    keptMax,
  )
  void feed.run({ signal: stop.signal })
  return { feed, stop }
}
const listen = (feed: EventFeed, lastId: string | null = null) => {
  const events: NumberedEvent[] = []
  const isWhole = feed.subscribe({ send: event => void events.push(event) }, lastId)
  return { events, isWhole }
}

test('config changes come in order; who comes back gets what it missed, and no more', async () => {
  await using api = await TestApi.open()
  const { feed, stop } = feedOf(api)
  await api.time.settle()
  const first = listen(feed)
  await api.create('a')
  await api.call('PUT', '/connectors/a/pause')
  await api.time.settle()
  await api.call('POST', '/connectors/a/restart')
  await api.time.settle()
  await api.call('DELETE', '/connectors/a')
  await api.time.settle()
  assert.deepEqual(
    first.events.map(({ type, connector }) => [type, connector]),
    [
      ['connector.created', 'a'],
      ['connector.target_state', 'a'],
      ['connector.restart', 'a'],
      ['connector.deleted', 'a'],
    ],
  )
  const again = listen(feed, first.events[1]?.id)
  assert.deepEqual(
    [again.isWhole, again.events.map(({ type }) => type)],
    [true, ['connector.restart', 'connector.deleted']],
  )
  for (const id of ['other-1', `${first.events[0]?.id}9`, 'x', '-1'])
    assert.equal(listen(feed, id).isWhole, false, 'an id this worker never gave')
  stop.abort()
})

test('what fell out of the ring is a gap', async () => {
  await using api = await TestApi.open()
  const { feed, stop } = feedOf(api, 3)
  await api.time.settle()
  const first = listen(feed)
  await api.write('a')
  for (const targetState of ['PAUSED', 'STARTED', 'STOPPED', 'STARTED'] as const) {
    await api.store.write({ kind: 'setTargetState', name: 'a', targetState }, { signal: stop.signal })
    await api.time.settle()
  }
  assert.equal(first.events.length, 5)
  assert.equal(listen(feed, first.events[1]?.id).isWhole, true, 'the three after it are here')
  assert.equal(listen(feed, first.events[0]?.id).isWhole, false)
  assert.equal(listen(feed, first.events.at(-1)?.id).isWhole, true)
  stop.abort()
})

/** Reads events until there are so many. */
function read(
  url: string,
  lastId?: string,
): Promise<{ response: IncomingMessage; until(pattern: RegExp): Promise<string> }> {
  return new Promise((resolve, reject) => {
    const headers = lastId === undefined ? {} : { 'last-event-id': lastId }
    const request = get(`${url}/api/v1/events`, { headers }, response => {
      let text = ''
      let wake = (): void => {}
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString()
        wake()
      })
      response.on('error', () => {})
      resolve({
        response,
        until: async pattern => {
          while (!pattern.test(text))
            await new Promise<void>(done => {
              wake = done
            })
          return text
        },
      })
    })
    request.on('error', reject)
  })
}

test('over HTTP: states, health and takeovers too, with ids, and the end when the server closes', {
  timeout: 20_000,
}, async () => {
  await using api = await TestApi.open()
  await api.create('a')
  api.report('w2', 'a', [{ takeovers: 0 }])
  const url = await api.app.listen({ host: '127.0.0.1', port: 0 })
  const client = await read(url)
  assert.equal(client.response.headers['content-type'], 'text/event-stream; charset=utf-8')
  assert.ok(client.response.headers['x-request-id'] !== undefined)
  await client.until(/event: hello/)
  await api.time.advance(1_000)
  await api.time.settle()
  api.report('w2', 'a', [{ takeovers: 1, state: 'IN_DOUBT', trace: 'IN_DOUBT: s.' }])
  api.report('w3', 'a', [])
  await api.time.advance(1_000)
  const text = await client.until(/worker\.joined[\s\S]*partition\.takeover/)
  assert.match(
    text,
    /id: \w+-\d+\nevent: connector\.health\ndata: \{"connector":"a",.*"from":"OK","to":"STALLED","reason":"IN_DOUBT"\}/,
  )
  assert.match(text, /event: task\.state\n.*"from":"RUNNING","to":"FAILED"/)
  await api.time.advance(15_000)
  await client.until(/: still here/)
  const ended = new Promise(resolve => client.response.once('close', resolve))
  api.closing.abort()
  await ended
})
