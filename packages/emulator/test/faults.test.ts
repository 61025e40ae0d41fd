// Failures on demand, over the wire. Numbers in names are those of the conformance cases in reference/write-api.md §6.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it, type TestContext } from 'node:test'
import { status } from '@grpc/grpc-js'
import { DEFAULT_BEHAVIOR } from '../src/behavior.ts'
import { FAULT_PRESETS } from '../src/faults/fault-presets.ts'
import { FAULT_EFFECTS, FAULT_METHODS } from '../src/faults/faults.ts'
import { UsageError } from '../src/index.ts'
import { parseOptions } from '../src/options.ts'
import { DEFAULT_QUOTAS, QUOTA_PRESETS } from '../src/quotas/quota-settings.ts'
import { at, errorOf, newStream, newTable, offsetOf, opened, ownHarness, refusal, rows } from './append-table.ts'
import { type Harness, startHarness, until } from './harness.ts'
import { ManualClock } from './manual-clock.ts'
import { type Message, RawClient, storageError } from './raw-client.ts'

describe('a fault', () => {
  let harness: Harness
  before(async () => {
    harness = await startHarness()
  })
  after(() => harness.close())
  afterEach(() => harness.rest.call('DELETE', '/emulator/faults'))

  const setFault = async (fault: unknown): Promise<number[]> => {
    const { status, body } = await harness.rest.call('POST', '/emulator/faults', fault)
    assert.equal(status, 200, JSON.stringify(body))
    return body.ids as number[]
  }
  const faults = async (): Promise<Message[]> =>
    (await harness.rest.call('GET', '/emulator/faults')).body.faults as Message[]

  it('answers an applied append with an error', async () => {
    const { id, stream } = await newStream(harness)
    const call = await opened(harness.client, stream, [1])
    await setFault({
      stream,
      offset: 1,
      effect: 'inBandAfterApply',
      code: 'INTERNAL',
      storageCode: 'KMS_SERVICE_ERROR',
    })
    const response = await call.ask({ ...at(1), protoRows: rows([2]) })
    assert.equal(errorOf(response).code, status.INTERNAL)
    assert.deepEqual(storageError(response), {
      code: 'KMS_SERVICE_ERROR',
      entity: stream,
      errorMessage: 'Injected INTERNAL',
    })
    assert.equal(errorOf(await call.ask({ ...at(1), protoRows: rows([2]) })).code, status.ALREADY_EXISTS)
    assert.equal(await harness.rest.count(id), 2)
  })

  it('carries its StorageError in both trailers when it ends the call', async () => {
    const { stream } = await newStream(harness)
    await setFault({
      stream,
      effect: 'close',
      code: 'ABORTED',
      storageCode: 'STREAM_FINALIZED',
      message: 'not {stream}',
    })
    const call = harness.client.append()
    call.send({ writeStream: stream, protoRows: rows([1], true) })
    const failure = await call.ended
    assert.deepEqual([failure?.code, failure?.message], [status.ABORTED, `not ${stream}`])
    const stated = { code: 'STREAM_FINALIZED', entity: stream, errorMessage: `not ${stream}` }
    assert.deepEqual(failure?.storage, stated)
    const details = failure?.details as { code: number; message: string; details: { type_url: string }[] }
    assert.deepEqual([details.code, details.message], [status.ABORTED, `not ${stream}`])
    assert.deepEqual(
      details.details.map(detail => detail.type_url),
      ['type.googleapis.com/google.cloud.bigquery.storage.v1.StorageError'],
    )
  })

  it('hits the table it names and no other, however the table is spelled', async () => {
    const [one, two] = [await newStream(harness), await newStream(harness)]
    for (const table of [one.id, `d.${one.id}`, `p.d.${one.id}`, one.name]) {
      await setFault({ table, effect: 'inBand', code: 'PERMISSION_DENIED' })
      const response = await harness.client.append().ask({ writeStream: one.stream, protoRows: rows([1], true) })
      assert.equal(
        errorOf(response).message,
        `Permission 'TABLES_UPDATE_DATA' denied on resource '${one.name}' (or it may not exist).`,
      )
      offsetOf(await harness.client.append().ask({ writeStream: two.stream, protoRows: rows([1], true) }))
      await harness.rest.call('DELETE', '/emulator/faults')
    }
    await setFault({ table: one.id.slice(0, -1), effect: 'inBand' })
    offsetOf(await harness.client.append().ask({ writeStream: one.stream, protoRows: rows([1], true) }))
  })

  it('hits any of the six methods', async () => {
    const { name, stream } = await newStream(harness, 'BUFFERED')
    const calls: Record<string, Message> = {
      CreateWriteStream: { parent: name, writeStream: { type: 'COMMITTED' } },
      GetWriteStream: { name: stream },
      FlushRows: { writeStream: stream, offset: { value: '0' } },
      BatchCommitWriteStreams: { parent: name, writeStreams: [stream] },
      FinalizeWriteStream: { name: stream },
    }
    await opened(harness.client, stream, [1])
    for (const [method, request] of Object.entries(calls)) {
      await setFault({ method, times: 1, code: 'DATA_LOSS' })
      assert.equal((await refusal(harness.client.unary(method, request))).code, status.DATA_LOSS, method)
      await harness.client.unary(method, request)
    }
    await setFault({ method: '*', code: 'DATA_LOSS' })
    for (const [method, request] of Object.entries(calls))
      assert.equal((await refusal(harness.client.unary(method, request))).code, status.DATA_LOSS, method)
    const call = harness.client.append()
    call.send({ writeStream: stream, protoRows: rows([2], true) })
    assert.equal((await call.ended)?.code, status.DATA_LOSS)
  })

  it('flushes and loses the answer: the repeat finds it done', async () => {
    const { id, stream } = await newStream(harness, 'BUFFERED')
    await opened(harness.client, stream, [1])
    await setFault({ method: 'FlushRows', offset: 0, effect: 'closeAfterApply' })
    const flush = () => harness.client.unary('FlushRows', { writeStream: stream, offset: { value: '0' } })
    assert.equal((await refusal(flush())).code, status.UNAVAILABLE)
    assert.equal((await refusal(flush())).code, status.ALREADY_EXISTS)
    assert.equal(await harness.rest.count(id), 1)
  })

  it('turns a call away as it is opened, by the stream its routing header names', async () => {
    const { stream } = await newStream(harness)
    await setFault({ stream, effect: 'refuseOpen', code: 'RESOURCE_EXHAUSTED', times: 1 })
    const client = new RawClient(harness.emulator.grpcAddress, {
      headers: { 'x-goog-request-params': `write_stream=${encodeURIComponent(stream)}` },
    })
    offsetOf(await harness.client.append().ask({ writeStream: stream, protoRows: rows([1], true) }))
    assert.equal((await client.append().ended)?.code, status.RESOURCE_EXHAUSTED)
    await opened(client, stream, [2], 1)
    client.close()
  })

  it('is dropped by its id, and shows how often it was met and fired', async () => {
    const { stream } = await newStream(harness)
    const [first, second] = await setFault([
      { stream, every: 2, effect: 'inBand' },
      { stream, offset: 7 },
    ])
    const call = await opened(harness.client, stream, [1])
    await call.ask({ protoRows: rows([2]) })
    assert.deepEqual(
      (await faults()).map(({ id, seen, fired }) => [id, seen, fired]),
      [
        [first, 2, 1],
        [second, 0, 0],
      ],
    )
    assert.equal((await harness.rest.call('DELETE', `/emulator/faults/${first}`)).status, 204)
    assert.deepEqual(
      (await faults()).map(({ id }) => id),
      [second],
    )
    assert.equal((await harness.rest.call('DELETE', `/emulator/faults/${first}`)).status, 400)
  })

  for (const [fault, message] of [
    [{ effekt: 'close' }, /^Unknown key effekt; known: preset, method/],
    [{ method: 'Append' }, /^method must be one of AppendRows/],
    [{ code: 'OK' }, /^code must be one of CANCELLED/],
    [{ storageCode: 'NONE' }, /^storageCode must be one of/],
    [{ preset: 'none' }, /^preset must be one of java-quota-retry/],
    [{ effect: 'refuseOpen', method: 'FlushRows' }, /^refuseOpen is for AppendRows only/],
    [{ probability: 'often' }, /^probability must be a number/],
    [{ table: 7 }, /^table must be text/],
    ['close', /^A fault is a JSON object/],
  ] as const)
    it(`cannot be ${JSON.stringify(fault)}`, async () => {
      const { status, body } = await harness.rest.call('POST', '/emulator/faults', fault)
      assert.equal(status, 400)
      assert.match((body.error as Message).message as string, message)
    })

  describe('preset of Google', () => {
    for (const [preset, code] of [
      ['java-quota-retry', status.RESOURCE_EXHAUSTED],
      ['java-retry-test', status.INTERNAL],
    ] as const)
      it(`${preset}: refuses every tenth append; resent by offset, each row is there once`, async () => {
        const { id, stream } = await newStream(harness)
        const call = await opened(harness.client, stream, [0])
        await setFault({ preset, stream })
        let refused = 0
        for (let n = 1; n < 50; ) {
          const response = await call.ask({ ...at(n), protoRows: rows([n]) })
          if (response.error) {
            refused++
            assert.equal(errorOf(response).code, code)
          } else n++
        }
        assert.equal(refused, 5)
        assert.equal(await harness.rest.count(id), 50)
      })

    it('case 20: reconnect-on-close: drops every tenth request before it is applied; the repeat is taken', async () => {
      const { id, stream } = await newStream(harness)
      await setFault({ preset: 'reconnect-on-close', stream })
      let calls = 0
      for (let n = 0; n < 30; ) {
        const call = harness.client.append()
        calls++
        for (let isFirst = true; n < 30; n++, isFirst = false) {
          call.send({ ...(isFirst && { writeStream: stream }), ...at(n), protoRows: rows([n], isFirst) })
          const answer = await call.next().catch(() => undefined)
          if (!answer) break
          offsetOf(answer)
        }
        call.cancel()
      }
      assert.equal(calls, 4)
      assert.equal(await harness.rest.count(id), 30)
    })

    it('initial-connect-failure: turns calls away at times', async () => {
      await setFault({ preset: 'initial-connect-failure', seed: 3 })
      const { name } = await newTable(harness)
      let refused = 0
      for (let n = 0; n < 20; n++) {
        const call = harness.client.append()
        call.send({ writeStream: `${name}/_default`, protoRows: rows([1], true) })
        const isAnswered = await call.next().then(
          () => true,
          () => false,
        )
        if (isAnswered) call.cancel()
        else {
          refused++
          assert.equal((await call.ended)?.code, status.UNAVAILABLE)
        }
      }
      assert.ok(refused > 2 && refused < 18, `${refused} of 20`)
    })
  })
})

describe('a delay', () => {
  it('keeps back replies, applications and errors for as long as it says', async t => {
    const clock = new ManualClock()
    const harness = await ownHarness(t, { clock })
    const { id, stream } = await newStream(harness)
    const call = await opened(harness.client, stream, [1])
    await harness.rest.call('POST', '/emulator/faults', [
      { stream, offset: 1, effect: 'delayReply', delayMs: 5000 },
      { stream, offset: 2, effect: 'close', code: 'ABORTED', delayMs: 7000 },
    ])
    call.send({ ...at(1), protoRows: rows([2]) })
    call.send({ ...at(2), protoRows: rows([3]) })
    call.send({ ...at(2), protoRows: rows([3]) })
    await until(async () => (await harness.rest.count(id)) === 2, 'the delayed one is applied')
    assert.equal(call.responses.length, 1)
    clock.advance(5000)
    assert.equal(offsetOf(await call.next()), '1')
    clock.advance(2000)
    assert.equal((await call.ended)?.code, status.ABORTED)
    assert.equal(await harness.rest.count(id), 2, 'nothing behind the doomed request was looked at')
  })
})

describe('the settings file', () => {
  const start = async (t: TestContext, name: string, text: string): Promise<Harness> => {
    const folder = await mkdtemp(join(tmpdir(), 'emulator-faults-'))
    try {
      await writeFile(join(folder, name), text)
      return await ownHarness(t, { storage: 'null', faultsFile: join(folder, name) })
    } finally {
      await rm(folder, { recursive: true })
    }
  }

  it('holds faults, behavior and quotas in YAML', async t => {
    const text = [
      'faults:',
      '  - preset: java-retry-test   # of Google',
      '  - { method: FlushRows, code: ABORTED, offset: 5 }',
      'behavior:',
      '  idleMs: 5000',
      '  ttlMs: { buffered: 60000 }',
      'quotas:',
      '  preset: region',
      '  connections: 7',
    ].join('\n')
    const harness = await start(t, 'settings.yaml', text)
    const { body } = await harness.rest.call('GET', '/emulator/state')
    assert.deepEqual(
      (body.faults as Message[]).map(({ method, code, offset, every }) => [method, code, offset, every]),
      [
        ['AppendRows', 'INTERNAL', undefined, 10],
        ['FlushRows', 'ABORTED', '5', undefined],
      ],
    )
    const behavior = body.behavior as { idleMs: number; ttlMs: Message }
    assert.deepEqual([behavior.idleMs, behavior.ttlMs.buffered, behavior.ttlMs.committed], [5000, 60_000, 259_200_000])
    const { settings } = body.quotas as { settings: Message }
    assert.deepEqual([settings.connections, settings.appendBytesPerSecond], [7, 300_000_000])
    await harness.close()
  })

  it('may be a list of faults in JSON, or empty', async t => {
    const harness = await start(t, 'faults.json', '[\n\t{"code": "ABORTED"}\n]')
    assert.equal(((await harness.rest.call('GET', '/emulator/faults')).body.faults as Message[])[0]!.code, 'ABORTED')
    await start(t, 'empty.yaml', '# nothing yet\n')
  })

  for (const [text, message] of [
    ['{"faults": [], "behaviour": {}}', /Unknown key behaviour; known: faults, behavior, quotas/],
    ['behavior: { idle: 3 }', /Unknown key idle of behavior; known: missingTable/],
    [
      'behavior: { ttlMs: { bufered: 3 } }',
      /Unknown key ttlMs.bufered of behavior; known: committed, buffered, pending/,
    ],
    ['behavior: { secondConnection: maybe }', /secondConnection must be one of share, preempt, reject, not "maybe"/],
    ['behavior: { idleMs: -1 }', /idleMs must be a whole number of 0 or more, not -1/],
    ['behavior: { tablePropagation: { flush: 2 } }', /tablePropagation.flush must be a number from 0 to 1, not 2/],
    ['quotas: { connections: many }', /connections must be a whole number of 0 or more, not "many"/],
    ['quotas: { preset: none-such }', /preset must be one of multiRegion, region, none, not "none-such"/],
    ['faults: [{ effect: explode }]', /effect must be one of close/],
    ['faults: [', /--faults/],
  ] as const)
    it(`is refused when it says ${text}`, async t => {
      await assert.rejects(start(t, 'settings.yaml', text), (error: Error) => {
        assert.ok(error instanceof UsageError, error.stack)
        assert.match(error.message, message)
        return true
      })
    })
})

describe('flags', () => {
  it('set knobs and quotas, over those of the file', () => {
    const args = ['--behavior', 'idleMs=5000', '--behavior', 'ttlMs.buffered=1', '--behavior', 'missingTable=notFound']
    const options = parseOptions([...args, '--quota', 'preset=region', '--quota', 'connections=3', '--token-ttl', '60'])
    assert.ok(options !== 'help')
    assert.deepEqual(options.behavior, { idleMs: 5000, ttlMs: { buffered: 1 }, missingTable: 'notFound' })
    assert.deepEqual(options.quotas, { preset: 'region', connections: 3 })
    assert.equal(options.tokenTtlMs, 60_000)
  })

  it('that say nothing known are refused by their names', () => {
    assert.throws(() => parseOptions(['--behavior', 'idle']), /^UsageError|Error: --behavior: idle is no key=value/)
    assert.throws(() => parseOptions(['--behavior', 'idle=1']), /--behavior: Unknown key idle/)
    assert.throws(() => parseOptions(['--quota', 'connections=few']), /--quota: connections must be a whole number/)
  })
})

describe('names too long for trailers', () => {
  it('are cut, and the codes arrive', async t => {
    const harness = await ownHarness(t, { storage: 'null' })
    const table = await harness.rest.createTable('ä'.repeat(1000), [{ name: 'id', type: 'INT64' }])
    const stream = `${table}/streams/none`
    const failure = await refusal(harness.client.unary('GetWriteStream', { name: stream }))
    assert.deepEqual([failure.code, failure.storage?.code], [status.NOT_FOUND, 'STREAM_NOT_FOUND'])
    assert.match(failure.message, /^Requested entity was not found/)
    // gRPC clients of other languages take 8 KB of trailers, and base64 adds a third.
    assert.ok(String(failure.storage?.entity).length <= 501, 'the entity is cut')
    assert.equal((failure.details as Message).code, status.NOT_FOUND)
  })
})

describe('tokens', () => {
  it('run out so long after they were first seen, and open calls stay unless the knob says otherwise', async t => {
    const clock = new ManualClock()
    const harness = await ownHarness(t, { clock, storage: 'null', tokenTtlMs: 60_000 })
    const { stream } = await newStream(harness)
    const client = new RawClient(harness.emulator.grpcAddress, { token: 'one' })
    const fresh = new RawClient(harness.emulator.grpcAddress, { token: 'two' })
    const call = await opened(client, stream, [1])
    clock.advance(60_000)
    assert.equal((await refusal(client.unary('GetWriteStream', { name: stream }))).code, status.UNAUTHENTICATED)
    assert.equal((await client.append().ended)?.code, status.UNAUTHENTICATED)
    offsetOf(await call.ask({ protoRows: rows([2]) }))
    await fresh.unary('GetWriteStream', { name: stream })
    await harness.rest.call('PATCH', '/emulator/behavior', { tokenExpiry: 'closes' })
    const other = await opened(fresh, stream, [3], 2)
    const { body } = await harness.rest.call('POST', '/emulator/tokens/expire', { token: 'two' })
    assert.deepEqual(body, { closed: 2 })
    for (const one of [call, other]) assert.equal((await one.ended)?.code, status.UNAUTHENTICATED)
    const third = new RawClient(harness.emulator.grpcAddress, { token: 'three' })
    const last = await opened(third, stream, [4], 3)
    clock.advance(60_000)
    assert.equal((await last.ended)?.code, status.UNAUTHENTICATED)
    third.close()
    client.close()
    fresh.close()
  })
})

describe('docs/faults.md', () => {
  const text = readFileSync(new URL('../docs/faults.md', import.meta.url), 'utf8')
  const knobs = Object.entries(DEFAULT_BEHAVIOR).flatMap(([key, value]) =>
    typeof value === 'object' ? [`${key}.${Object.keys(value)[0]}`, ...Object.keys(value)] : [key],
  )
  for (const [what, keys] of Object.entries({
    'every knob': knobs,
    'every quota': [...Object.keys(DEFAULT_QUOTAS), ...Object.keys(QUOTA_PRESETS)],
    'every effect': FAULT_EFFECTS,
    'every preset': Object.keys(FAULT_PRESETS),
    'every method': FAULT_METHODS,
  }))
    it(`tells of ${what}`, () => {
      for (const key of keys) assert.ok(text.includes(key), `${key} is missing`)
    })
})

describe('the state', () => {
  it('comes in pages and by table, and shows what a stream is', async t => {
    const harness = await ownHarness(t, { storage: 'null' })
    const { id, stream } = await newStream(harness, 'BUFFERED')
    await newStream(harness)
    await opened(harness.client, stream, [1, 2])
    await harness.client.unary('FlushRows', { writeStream: stream, offset: { value: '0' } })
    const state = async (query: string): Promise<Record<string, Message[]>> =>
      (await harness.rest.call('GET', `/emulator/state${query}`)).body as Record<string, Message[]>
    const { tables, streams, connections, counts } = await state(`?table=d.${id}`)
    assert.deepEqual(counts, { tables: 1, streams: 1, connections: 1 })
    assert.deepEqual([tables?.[0]?.table, tables?.[0]?.rows, connections?.[0]?.stream], [`p.d.${id}`, '1', stream])
    const { createdMs, lastTrafficMs, ...shown } = streams?.[0] ?? {}
    assert.deepEqual(shown, {
      name: stream,
      type: 'BUFFERED',
      table: `p.d.${id}`,
      rows: '2',
      flushed: '1',
      finalized: false,
    })
    assert.ok(Number(createdMs) <= Number(lastTrafficMs))
    assert.deepEqual(
      (await state('?limit=1&page=0')).streams?.map(one => one.name),
      [stream],
    )
    assert.notEqual((await state('?limit=1&page=1')).streams?.[0]?.name, stream)
    assert.deepEqual((await state('?limit=1&page=2')).streams, [])
    assert.equal((await harness.rest.call('GET', '/emulator/state?limit=some')).status, 400)
  })
})
