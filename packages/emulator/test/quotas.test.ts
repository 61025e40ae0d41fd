// Quotas and what clients see of them. Numbers in names are those of the conformance cases in reference/write-api.md §6.
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { status } from '@grpc/grpc-js'
import fc from 'fast-check'
import { TokenBucket } from '../src/quotas/token-bucket.ts'
import { errorOf, newStream, newTable, offsetOf, opened, refusal, rows } from './append-table.ts'
import { type Harness, startHarness, until } from './harness.ts'
import { ManualClock } from './manual-clock.ts'
import { type Message, RawClient } from './raw-client.ts'

describe('quotas', () => {
  const clock = new ManualClock()
  let harness: Harness
  before(async () => {
    harness = await startHarness({ clock, storage: 'null' })
  })
  after(() => harness.close())
  afterEach(() => harness.rest.call('DELETE', '/emulator/quotas'))

  const set = async (quotas: Message): Promise<void> => {
    const { status, body } = await harness.rest.call('PATCH', '/emulator/quotas', quotas)
    assert.equal(status, 200, JSON.stringify(body))
  }

  it('refuse appends beyond the throughput, all of them until it is refilled, in the words clients look for', async () => {
    const { stream } = await newStream(harness)
    const call = await opened(harness.client, stream, [1])
    await set({ appendBytesPerSecond: 100, appendRefillMs: 10_000 })
    offsetOf(await call.ask({ protoRows: rows([2]) }))
    const large = await call.ask({ protoRows: rows(Array.from({ length: 20 }, (_, n) => n)) })
    assert.equal(errorOf(large).code, status.RESOURCE_EXHAUSTED)
    assert.match(
      errorOf(large).message,
      /^Exceeds 'AppendRows throughput' quota, user_id: project[0-9a-f]{16}_us \(status: INSUFFICIENT_TOKENS\), you can issue a raise quota request through Google Cloud Console\. Be sure to include this full error message in the request description\. Entity: projects\/p\//,
    )
    clock.advance(9_999)
    assert.equal(errorOf(await call.ask({ protoRows: rows([3]) })).code, status.RESOURCE_EXHAUSTED)
    clock.advance(1)
    assert.equal(offsetOf(await call.ask({ protoRows: rows([3]) })), '2')
  })

  it('end the call instead when they are set to', async () => {
    const { stream } = await newStream(harness)
    const call = await opened(harness.client, stream, [1])
    await set({ appendBytesPerSecond: 1, appendExceeded: 'close' })
    offsetOf(await call.ask({ protoRows: rows([2]) }))
    call.send({ protoRows: rows([3]) })
    assert.equal((await call.ended)?.code, status.RESOURCE_EXHAUSTED)
  })

  it('case 62: refuse the creation of streams beyond those of an hour', async () => {
    const { name } = await newTable(harness)
    const other = await newTable(harness)
    await set({ createStreamsPerHour: 3 })
    for (let n = 0; n < 3; n++) await harness.client.createStream(name)
    const failure = await refusal(harness.client.createStream(other.name))
    assert.equal(failure.code, status.RESOURCE_EXHAUSTED)
    assert.match(
      failure.message,
      /^Exceeds 'CreateWriteStream requests' quota, user_id: project[0-9a-f]{16}_us \(status: INSUFFICIENT_TOKENS\)/,
    )
    assert.ok(failure.message.includes(`#limit_the_rate_of_stream_creation. Entity: ${other.name}`), failure.message)
    clock.advance(20 * 60_000)
    await harness.client.createStream(name)
    assert.equal((await refusal(harness.client.createStream(name))).code, status.RESOURCE_EXHAUSTED)
  })

  it('make the creation of streams slow beyond those of a second', async () => {
    const { name } = await newTable(harness)
    await set({ createStreamsPerSecond: 2, createStreamsSlowMs: 25_000 })
    for (let n = 0; n < 2; n++) await harness.client.createStream(name)
    let isAnswered = false
    const slow = harness.client.createStream(name).then(() => {
      isAnswered = true
    })
    const streams = async (): Promise<unknown> =>
      ((await harness.rest.call('GET', `/emulator/state?table=${name}`)).body.counts as Message).streams
    await until(async () => (await streams()) === 3, 'the third stream is there')
    clock.advance(24_999)
    for (let n = 0; n < 3; n++) await harness.client.unary('GetWriteStream', { name: `${name}/_default` })
    assert.equal(isAnswered, false)
    clock.advance(1)
    await slow
    await harness.client.createStream(name)
  })

  it('case 63: refuse calls beyond those that may be open; the open ones stay, and one that ends makes room', async () => {
    const { name } = await newTable(harness)
    const client = new RawClient(harness.emulator.grpcAddress, { headers: { 'x-goog-user-project': 'metered' } })
    await set({ connections: 2 })
    const open = () => {
      const call = client.append()
      call.send({ writeStream: `${name}/_default`, protoRows: rows([1], true) })
      return call
    }
    const calls = [open(), open()]
    for (const call of calls) offsetOf(await call.next())
    const refused = await open().ended
    assert.equal(refused?.code, status.RESOURCE_EXHAUSTED)
    assert.match(refused?.message ?? '', /^Exceeds 'Concurrent connections' quota/)
    for (const call of calls) offsetOf(await call.ask({ protoRows: rows([2]) }))
    offsetOf(await harness.client.append().ask({ writeStream: `${name}/_default`, protoRows: rows([1], true) }))
    calls[0]!.call.end()
    await calls[0]!.ended
    offsetOf(await open().next())
    client.close()
  })

  it('bound the bytes of pending streams until they are committed', async () => {
    const { name, stream } = await newStream(harness, 'PENDING')
    const { stream: committed } = await newStream(harness)
    await set({ pendingBytes: 250 })
    const call = await opened(harness.client, stream, [1])
    let response: Message = {}
    while (!response.error) response = await call.ask({ protoRows: rows([2]) })
    assert.match(errorOf(response).message, /^Exceeds 'Pending stream bytes' quota/)
    await opened(harness.client, committed, [1])
    await harness.client.unary('FinalizeWriteStream', { name: stream })
    const { commitTime } = await harness.client.unary('BatchCommitWriteStreams', {
      parent: name,
      writeStreams: [stream],
    })
    assert.ok(commitTime)
    await opened(harness.client, await harness.client.createStream(name, 'PENDING'), [1])
  })

  it('show what is left', async () => {
    const { stream } = await newStream(harness)
    await set({ appendBytesPerSecond: 1000, preset: 'none' })
    await opened(harness.client, stream, [1])
    const { meters, settings } = (await harness.rest.call('GET', '/emulator/quotas')).body as {
      meters: { key: string; appendBytes: { available: number } }[]
      settings: Message
    }
    assert.equal(settings.connections, 0)
    assert.deepEqual(
      meters.map(({ key }) => key),
      ['p/us'],
    )
    assert.ok(meters[0]!.appendBytes.available < 1000)
  })

  it('cannot be set to what they do not know', async () => {
    const { status, body } = await harness.rest.call('PATCH', '/emulator/quotas', { conections: 1 })
    assert.equal(status, 400)
    assert.match(
      (body.error as Message).message as string,
      /^Unknown key conections of quotas; known: appendBytesPerSecond/,
    )
  })
})

describe('a token bucket', () => {
  it('never gives more than it held and what came since', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ wait: fc.nat(3000), count: fc.integer({ min: 1, max: 100 }) }), { maxLength: 200 }),
        takes => {
          const bucket = new TokenBucket(100, 1000, 0, 0)
          let nowMs = 0
          let given = 0
          for (const { wait, count } of takes) {
            nowMs += wait
            if (bucket.take(count, nowMs)) given += count
          }
          assert.ok(given <= 100 + nowMs / 10 + 1e-6, `${given} by ${nowMs}`)
        },
      ),
    )
  })

  it('never holds more than a bucket full, however long it waits', () => {
    const bucket = new TokenBucket(100, 1000, 0, 0)
    assert.equal(bucket.take(10, 0), true)
    assert.equal(bucket.take(100, 60_000), true)
    assert.equal(bucket.take(1, 60_000), false)
  })

  it('gives nothing for a while after it ran dry, and is full afterwards', () => {
    const bucket = new TokenBucket(100, 1000, 10_000, 0)
    assert.equal(bucket.take(90, 0), true)
    assert.equal(bucket.take(20, 0), false)
    assert.equal(bucket.take(1, 9_999), false)
    assert.deepEqual(bucket.view(5_000), { available: 0, blockedMs: 5_000 })
    assert.equal(bucket.take(100, 10_000), true)
  })

  it('gives what is larger than itself when it is full, once', () => {
    const bucket = new TokenBucket(100, 1000, 0, 0)
    assert.equal(bucket.take(500, 0), true)
    assert.equal(bucket.take(1, 0), false)
    assert.equal(bucket.take(1, 4_000), false)
    assert.equal(bucket.take(1, 4_200), true)
  })
})
