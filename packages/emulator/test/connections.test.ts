// How AppendRows calls live and end. Numbers in names are those of the conformance cases in reference/write-api.md §6.
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { status } from '@grpc/grpc-js'
import { at, errorOf, NOTES, newStream, newTable, offsetOf, opened, ownHarness, refusal, rows } from './append-table.ts'
import { type Harness, startHarness, until } from './harness.ts'
import { ManualClock } from './manual-clock.ts'
import { type Message, RawClient } from './raw-client.ts'

const RESTARTED =
  'Closing the stream because server is restarted. This is expected and client is advised to reconnect. Entity: '

describe('connections', () => {
  const clock = new ManualClock()
  let harness: Harness
  before(async () => {
    harness = await startHarness({ clock })
  })
  after(() => harness.close())
  afterEach(() => harness.rest.call('DELETE', '/emulator/behavior'))

  const set = async (behavior: Message): Promise<void> => {
    const { status, body } = await harness.rest.call('PATCH', '/emulator/behavior', behavior)
    assert.equal(status, 200, JSON.stringify(body))
  }
  const connections = async (): Promise<Message[]> =>
    (await harness.rest.call('GET', '/emulator/state')).body.connections as Message[]

  it('case 60: end after 600 seconds without traffic, and the stream goes on in a new call', async () => {
    const { id, stream } = await newStream(harness)
    const call = await opened(harness.client, stream, [1])
    clock.advance(599_000)
    assert.equal(offsetOf(await call.ask({ protoRows: rows([2]) })), '1')
    clock.advance(599_000)
    assert.equal(offsetOf(await call.ask({ protoRows: rows([3]) })), '2')
    clock.advance(610_000)
    assert.deepEqual(await call.ended, {
      code: status.ABORTED,
      message: `Closing the stream because it has been inactive for 600 seconds. Entity: ${stream}`,
      storage: undefined,
      details: undefined,
    })
    await opened(harness.client, stream, [4], 3)
    assert.equal(await harness.rest.count(id), 4)
  })

  it('end sooner or never when the knob says so, also while they are open', async () => {
    const { stream } = await newStream(harness)
    const call = await opened(harness.client, stream, [1])
    await set({ idleMs: 0 })
    clock.advance(10_000_000)
    assert.equal(offsetOf(await call.ask({ protoRows: rows([2]) })), '1')
    await set({ idleMs: 1000 })
    clock.advance(1100)
    assert.equal((await call.ended)?.code, status.ABORTED)
  })

  it('case 61: end when the server restarts; what was accepted before is answered', async () => {
    const { id, stream } = await newStream(harness)
    const [call, other] = [
      await opened(harness.client, stream, [1]),
      await opened(harness.client, (await newStream(harness)).stream, [1]),
    ]
    const { body } = await harness.rest.call('POST', '/emulator/connections/restart', { stream })
    assert.deepEqual(body, { closed: 1 })
    assert.deepEqual([(await call.ended)?.code, (await call.ended)?.message], [status.ABORTED, RESTARTED + stream])
    assert.equal(offsetOf(await other.ask({ protoRows: rows([2]) })), '1')
    await opened(harness.client, stream, [2], 1)
    assert.equal(await harness.rest.count(id), 2)
  })

  it('end with the code they are told to, by table', async () => {
    const { id, stream } = await newStream(harness)
    const call = await opened(harness.client, stream, [1])
    const close = (body: Message) => harness.rest.call('POST', '/emulator/connections/close', body)
    assert.deepEqual((await close({ table: 'd.elsewhere' })).body, { closed: 0 })
    assert.deepEqual((await close({ table: `d.${id}`, code: 'INTERNAL', message: 'gone' })).body, { closed: 1 })
    assert.deepEqual([(await call.ended)?.code, (await call.ended)?.message], [status.INTERNAL, 'gone'])
    assert.equal((await close({ stram: 'x' })).status, 400)
  })

  it('that are drained go on, and new ones come on a new connection', async () => {
    const { stream } = await newStream(harness)
    const client = new RawClient(harness.emulator.grpcAddress)
    const call = await opened(client, stream, [1])
    assert.equal((await harness.rest.call('POST', '/emulator/connections/drain', { graceMs: 60_000 })).status, 200)
    assert.equal(offsetOf(await call.ask({ protoRows: rows([2]) })), '1')
    const next = await opened(client, stream, [3], 2)
    assert.equal((await harness.rest.call('POST', '/emulator/connections/drain', { graceMs: 0 })).status, 200)
    assert.ok(await next.ended, 'ended by the end of the grace time')
    assert.equal(offsetOf(await call.ask({ protoRows: rows([4]) })), '3', 'on a connection with more time')
    call.cancel()
    client.close()
  })

  it('on one stream are shared, or the older or the newer one is refused', async () => {
    const { stream } = await newStream(harness)
    const first = await opened(harness.client, stream, [1])
    const second = await opened(harness.client, stream, [2], 1)
    assert.equal(offsetOf(await first.ask({ ...at(2), protoRows: rows([3]) })), '2')
    await set({ secondConnection: 'reject' })
    const third = harness.client.append()
    third.send({ writeStream: stream, ...at(3), protoRows: rows([4], true) })
    assert.equal((await third.ended)?.code, status.ABORTED)
    assert.equal(offsetOf(await second.ask({ ...at(3), protoRows: rows([4]) })), '3')
    await set({ secondConnection: 'preempt' })
    const fourth = await opened(harness.client, stream, [5], 4)
    for (const call of [first, second]) assert.match((await call.ended)?.message ?? '', /another connection was opened/)
    await set({ secondConnection: 'reject' })
    fourth.call.end()
    await fourth.ended
    await opened(harness.client, stream, [6], 5)
  })

  it('on a default stream are as many as there are, whatever the knob says', async () => {
    await set({ secondConnection: 'reject' })
    const { name } = await newTable(harness)
    for (let n = 0; n < 3; n++)
      offsetOf(await harness.client.append().ask({ writeStream: `${name}/_default`, protoRows: rows([n], true) }))
  })

  it('that reopen a stream may see where it ended before: the right offset is out of range for a while', async () => {
    await set({ staleEndMs: 5000 })
    const { id, stream } = await newStream(harness)
    const first = await opened(harness.client, stream, [1, 2])
    first.call.end()
    await first.ended
    await until(async () => (await connections()).every(one => one.stream !== stream), 'the call is gone')
    const call = harness.client.append()
    const early = await call.ask({ writeStream: stream, ...at(2), protoRows: rows([3], true) })
    assert.deepEqual(
      [errorOf(early).code, errorOf(early).message.includes('expected offset 0, received 2')],
      [11, true],
    )
    assert.equal(errorOf(await call.ask({ ...at(0), protoRows: rows([1, 2]) })).code, status.ALREADY_EXISTS)
    clock.advance(5000)
    assert.equal(offsetOf(await call.ask({ ...at(2), protoRows: rows([3]) })), '2')
    assert.equal(await harness.rest.count(id), 3)
  })

  it('case 67: without a routing header, or with one for another table, are denied in strict mode', async () => {
    const { id, name, stream } = await newStream(harness)
    const send = (headers: Record<string, string>, writeStream = stream) => {
      const client = new RawClient(harness.emulator.grpcAddress, { headers })
      const call = client.append()
      call.send({ writeStream, protoRows: rows([1], true) })
      return call
    }
    offsetOf(await send({}).next())
    await set({ routingHeader: 'strict' })
    for (const headers of [
      {},
      { 'x-goog-request-params': `write_stream=${encodeURIComponent(stream.replace(id, 'other'))}` },
    ])
      assert.deepEqual(await send(headers as Record<string, string>).ended, {
        code: status.PERMISSION_DENIED,
        message: `Permission 'TABLES_UPDATE_DATA' denied on resource '${name}' (or it may not exist).`,
        storage: undefined,
        details: undefined,
      })
    offsetOf(await send({ 'x-goog-request-params': `write_stream=${encodeURIComponent(stream)}` }).next())
    offsetOf(
      await send({ 'x-goog-request-params': 'write_location=projects/p/locations/us' }, `${name}/_default`).next(),
    )
    assert.equal(
      (await refusal(harness.client.unary('GetWriteStream', { name: stream }))).code,
      status.PERMISSION_DENIED,
    )
  })

  it('show what they did and what they wait for', async () => {
    const { stream } = await newStream(harness)
    await harness.rest.call('POST', '/emulator/faults', { stream, nth: 2, effect: 'blackhole' })
    const call = harness.client.append()
    await call.ask({ writeStream: stream, traceId: 'tester', protoRows: rows([1, 2], true) })
    call.send({ protoRows: rows([3]) })
    let view: Message | undefined
    await until(async () => {
      view = (await connections()).find(one => one.stream === stream)
      return view?.inFlight === 1
    }, 'the second request is in flight')
    assert.deepEqual(
      { ...view, id: 0 },
      {
        id: 0,
        openedMs: clock.nowMs(),
        lastTrafficMs: clock.nowMs(),
        stream,
        destinations: 1,
        requests: 2,
        rows: 2,
        refused: 0,
        inFlight: 1,
        traceId: 'tester',
      },
    )
    call.cancel()
    await until(async () => (await connections()).every(one => one.stream !== stream), 'the call is gone')
  })
})

describe('a caller who does not read its answers', () => {
  it('is not read either, until it does', async t => {
    const harness = await ownHarness(t, { storage: 'null' })
    // Each response repeats it.
    const longName = 'n'.repeat(1000)
    const table = await harness.rest.createTable(longName, NOTES)
    const call = harness.client.append()
    await call.ask({ writeStream: `${table}/_default`, protoRows: rows([0], true) })
    call.call.pause()
    const REQUESTS = 1000
    for (let n = 1; n < REQUESTS; n++) call.send({ protoRows: rows([n]) })
    const looked = async (): Promise<number> => {
      const { connections } = (await harness.rest.call('GET', '/emulator/state')).body as { connections: Message[] }
      return Number(connections[0]?.requests)
    }
    let [before, now] = [0, await looked()]
    while (now > before) [before, now] = [now, await pauseThen(looked)]
    assert.ok(now > 50 && now < REQUESTS, `${now} of ${REQUESTS} were looked at`)
    call.call.resume()
    await until(() => call.responses.length === REQUESTS, `all are answered, beyond the ${now} looked at before`)
  })
})

const pauseThen = async <T>(act: () => Promise<T>): Promise<T> => {
  await new Promise(resolve => setTimeout(resolve, 200))
  return act()
}

describe('a TCP connection', () => {
  it('case 64: carries a hundred calls, and the next waits for one of them to end', async t => {
    const harness = await ownHarness(t, { storage: 'null' })
    const { name } = await newTable(harness)
    const append = () => {
      const call = harness.client.append()
      call.send({ writeStream: `${name}/_default`, protoRows: rows([1], true) })
      return call
    }
    const calls = Array.from({ length: 100 }, append)
    await Promise.all(calls.map(call => call.next()))
    const last = append()
    const { body } = await harness.rest.call('GET', '/emulator/state')
    assert.equal((body.counts as Message).connections, 100)
    assert.equal(last.responses.length, 0)
    calls[0]!.call.end()
    offsetOf(await last.next())
  })
})

describe('a stopping emulator', () => {
  it('answers what it accepted and tells each call to come again', async t => {
    const harness = await ownHarness(t, {})
    const { stream } = await newStream(harness)
    const call = await opened(harness.client, stream, [1])
    call.send({ protoRows: rows([2]) })
    await call.next()
    await harness.emulator.close()
    assert.deepEqual([(await call.ended)?.code, (await call.ended)?.message], [status.ABORTED, RESTARTED + stream])
  })
})
