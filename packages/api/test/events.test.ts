// Server-sent events: what happens is told, once, in order; a client that comes back misses nothing, or is told that it did.
import assert from 'node:assert/strict'
import { get, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import { controlEvents, type Snapshot } from '../src/events/changes.ts'
import { EventFeed, type NumberedEvent } from '../src/events/event-feed.ts'
import { startApi } from '../src/index.ts'
import { TestApi } from './support/test-api.ts'

const EMPTY: Snapshot = { workers: new Map(), connectors: new Map() }

function feedOf(
  api: TestApi,
  keptMax?: number,
  snapshot: () => Snapshot = () => EMPTY,
): { feed: EventFeed; stop: AbortController } {
  const { clock, timers, random, logger } = api.deps
  const stop = new AbortController()
  const feed = new EventFeed(
    { configStore: api.store, clock, timers, random, logger, snapshot: async () => snapshot() },
    keptMax,
  )
  void feed.run({ signal: stop.signal })
  return { feed, stop }
}
/** A client that takes every event at once, until it is told to be slow. */
const listen = (feed: EventFeed, lastId: string | null = null) => {
  const events: (NumberedEvent | 'lost')[] = []
  const client = { isSlow: false, takeAll, close: () => subscription.close() }
  const subscription = feed.subscribe(() => void (client.isSlow || takeAll()), lastId)
  function takeAll(): void {
    for (let event = subscription.take(); event !== null; event = subscription.take()) events.push(event)
  }
  takeAll()
  const { isWhole } = subscription
  const ids = () => events.flatMap(event => (event === 'lost' ? [] : event.id))
  const types = () => events.map(event => (event === 'lost' ? event : event.type))
  return Object.assign(client, { events, isWhole, ids, types })
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
  const types = ['connector.created', 'connector.target_state', 'connector.restart', 'connector.deleted']
  assert.deepEqual(first.types(), types)
  assert.ok(first.events.every(event => event !== 'lost' && event.connector === 'a'))
  const again = listen(feed, first.ids()[1])
  assert.deepEqual([again.isWhole, again.types()], [true, ['connector.restart', 'connector.deleted']])
  for (const id of ['other-1', `${first.ids()[0]}9`, 'x', '-1'])
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
  assert.equal(listen(feed, first.ids()[1]).isWhole, true, 'the three after it are here')
  assert.equal(listen(feed, first.ids()[0]).isWhole, false)
  assert.equal(listen(feed, first.ids().at(-1)).isWhole, true)
  stop.abort()
})

const inState = (state: string): Snapshot => ({
  ...EMPTY,
  connectors: new Map([
    ['a', { state, health: 'OK', reason: null, tasks: new Map(), takeovers: new Map(), lostOffsets: new Map() }],
  ]),
})

test('what happened while nobody listened is a gap for whoever comes back, also before the first new look', async () => {
  await using api = await TestApi.open()
  let state = 'RUNNING'
  const { feed, stop } = feedOf(api, undefined, () => inState(state))
  const first = listen(feed)
  await api.time.advance(3_000)
  state = 'FAILED'
  await api.time.advance(2_000)
  assert.deepEqual(first.types(), ['connector.state'])
  first.close()
  await api.time.advance(50_000)
  state = 'RUNNING'
  await api.time.advance(2_000)
  const soon = listen(feed, first.ids().at(-1))
  assert.deepEqual([soon.isWhole, soon.types()], [true, ['connector.state']], 'a minute of absence is covered')
  soon.close()
  await api.time.advance(62_000)
  state = 'UNASSIGNED'
  await api.time.advance(10_000)
  for (const id of [first.ids().at(-1), soon.ids().at(-1)]) assert.equal(listen(feed, id).isWhole, false)
  const late = listen(feed)
  await api.time.settle()
  state = 'FAILED'
  await api.time.advance(1_000)
  assert.deepEqual(late.types(), ['connector.state'], 'it is looked at from the moment somebody listens')
  stop.abort()
})

test('a client slower than the ring goes on behind a gap; nothing is kept for it, and the others do not wait', async () => {
  await using api = await TestApi.open()
  const { feed, stop } = feedOf(api, 3)
  await api.time.settle()
  const [slow, quick] = [listen(feed), listen(feed)]
  slow.isSlow = true
  await api.write('a')
  for (let i = 0; i < 5; i++) {
    const targetState = i % 2 === 0 ? 'PAUSED' : 'STARTED'
    await api.store.write({ kind: 'setTargetState', name: 'a', targetState }, { signal: stop.signal })
    await api.time.settle()
  }
  assert.equal(quick.events.length, 6)
  slow.takeAll()
  assert.deepEqual(slow.events, ['lost'])
  slow.isSlow = false
  await api.call('DELETE', '/connectors/a')
  await api.time.settle()
  assert.deepEqual(slow.types(), ['lost', 'connector.deleted'])
  stop.abort()
})

test('a connector that is deleted and created between two looks is both', async () => {
  await using api = await TestApi.open()
  await api.write('a')
  const before = api.store.read()
  await api.call('DELETE', '/connectors/a')
  await api.create('a')
  assert.deepEqual(
    controlEvents(before, api.store.read()).map(({ type }) => type),
    ['connector.deleted', 'connector.created'],
  )
})

/** Reads events until there are so many. */
function read(
  url: string,
  lastId?: string,
): Promise<{ response: IncomingMessage; until(pattern: RegExp): Promise<string> }> {
  return new Promise((resolve, reject) => {
    const headers = lastId === undefined ? {} : { 'last-event-id': lastId }
    const sent = get(`${url}/api/v1/events`, { headers }, response => {
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
    sent.on('error', reject)
  })
}

test('the listeners of a worker tell them as well', { timeout: 20_000 }, async () => {
  await using api = await TestApi.open()
  const running = await startApi(api.deps, { listeners: [{ scheme: 'http', host: '127.0.0.1', port: 0 }] })
  const client = await read(running.url)
  await client.until(/event: hello/)
  await api.write('a')
  await api.time.settle()
  await client.until(/event: connector\.created/)
  client.response.destroy()
  await running.close()
})

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
  api.report('w2', 'a', [{ takeovers: 1, lostOffsets: 5, state: 'IN_DOUBT', trace: 'IN_DOUBT: s.' }])
  api.report('w3', 'a', [])
  await api.time.advance(1_000)
  const text = await client.until(
    /worker\.joined[\s\S]*partition\.takeover[\s\S]*partition\.offsets_lost\ndata: .*\n\n/,
  )
  assert.match(
    text,
    /id: \w+-\d+\nevent: connector\.health\ndata: \{"connector":"a",.*"from":"OK","to":"STALLED","reason":"IN_DOUBT"\}/,
  )
  assert.match(text, /event: task\.state\n.*"from":"RUNNING","to":"FAILED"/)
  assert.match(text, /event: partition\.offsets_lost\n.*"partition":"\w+-0","count":5/)
  await api.time.advance(15_000)
  await client.until(/: still here/)
  const ended = new Promise(resolve => client.response.once('close', resolve))
  api.closing.abort()
  await ended
})

/** Nine hundred events of some 400 bytes in one look. */
async function manyEvents(api: TestApi, takeovers: number): Promise<void> {
  const topic = 'x'.repeat(240)
  const partitions = Array.from({ length: 900 }, (_, partition) => ({ topic, partition, taskId: 0, takeovers }))
  api.report('w2', 'a', partitions)
  await api.time.advance(1_000)
}

test('who comes back finds all of the ring, however much that is', { timeout: 30_000 }, async () => {
  await using api = await TestApi.open()
  await api.write('a')
  const url = await api.app.listen({ host: '127.0.0.1', port: 0 })
  const first = await read(url)
  const [, id] = /id: (\S+)/.exec(await first.until(/event: hello\n.*\n\n/)) ?? []
  first.response.destroy()
  await manyEvents(api, 0)
  await manyEvents(api, 1)
  await manyEvents(api, 2)
  const again = await read(url, id)
  const text = await again.until(/-899"[\s\S]*-899"/)
  assert.equal(text.match(/^event: partition.takeover/gm)?.length, 1_800)
  assert.doesNotMatch(text, /event: gap/)
  again.response.destroy()
  api.closing.abort()
})

test('a client that reads nothing is cut after some heartbeats, and holds no events meanwhile', {
  timeout: 30_000,
}, async () => {
  await using api = await TestApi.open()
  await api.write('a')
  const url = new URL(await api.app.listen({ host: '127.0.0.1', port: 0 }))
  const socket = connect(Number(url.port), url.hostname)
  socket.on('error', () => {})
  socket.write(`GET /api/v1/events HTTP/1.1\r\nhost: ${url.host}\r\n\r\n`)
  await new Promise(resolve => socket.once('data', resolve))
  socket.pause()
  for (let i = 0; i < 20; i++) await manyEvents(api, i)
  const connections = (): Promise<number> =>
    new Promise(resolve => api.app.server.getConnections((_error, count) => resolve(count)))
  assert.equal(await connections(), 1)
  for (let beat = 0; beat < 6 && (await connections()) > 0; beat++) {
    await api.time.advance(15_000)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  assert.equal(await connections(), 0)
  socket.destroy()
  api.closing.abort()
})

test('HEAD does not become a client that never leaves', { timeout: 20_000 }, async () => {
  await using api = await TestApi.open()
  const url = await api.app.listen({ host: '127.0.0.1', port: 0 })
  const status = await new Promise((resolve, reject) => {
    const sent = request(`${url}/api/v1/events`, { method: 'HEAD' }, response => {
      response.resume()
      response.once('end', () => resolve(response.statusCode))
    })
    sent.once('error', reject)
    sent.end()
  })
  assert.equal(status, 405)
  api.closing.abort()
})
