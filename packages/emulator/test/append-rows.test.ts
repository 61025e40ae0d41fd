// The Write API over the wire. Numbers in names are those of the conformance cases in reference/write-api.md §6.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Harness, startHarness, until } from './harness.ts'
import { encode, type Failure, type Message, type RawAppend, rowsOf, storageError, writer } from './raw-client.ts'

const NOTES = [
  { name: 'id', type: 'INT64', mode: 'REQUIRED' },
  { name: 'note', type: 'STRING' },
]
const note = writer('optional int64 id = 1; optional string note = 2;')
const rows = (ids: number[], withSchema = false): Message =>
  rowsOf(
    note,
    ids.map(id => ({ id, note: `row ${id}` })),
    withSchema,
  )
const at = (offset: number): Message => ({ offset: { value: String(offset) } })
const offsetOf = (response: Message): string => {
  const result = response.appendResult as { offset?: { value?: string } } | undefined
  assert.ok(result, JSON.stringify(response))
  return result.offset?.value ?? '0'
}
const errorOf = (response: Message): { code: number; message: string } => {
  assert.ok(response.error, JSON.stringify(response))
  return response.error as { code: number; message: string }
}

describe('Write API', () => {
  let harness: Harness
  let tables = 0
  before(async () => {
    harness = await startHarness({ requestLimitBytes: 2_000_000 })
  })
  after(() => harness.close())

  const newTable = async (): Promise<{ id: string; name: string }> => {
    const id = `t${++tables}`
    return { id, name: await harness.rest.createTable(id, NOTES) }
  }
  /** A fresh table with a committed stream. */
  const newStream = async () => {
    const table = await newTable()
    return { ...table, stream: await harness.client.createStream(table.name) }
  }
  /** An open call whose first request, appending `ids` at 0, was accepted. */
  const opened = async (stream: string, ids: number[]): Promise<RawAppend> => {
    const call = harness.client.append()
    assert.equal(offsetOf(await call.ask({ writeStream: stream, ...at(0), protoRows: rows(ids, true) })), '0')
    return call
  }
  const refusal = async (promise: Promise<unknown>): Promise<Failure> =>
    promise.then(
      () => assert.fail('was accepted'),
      (failure: Failure) => failure,
    )

  it('case 1: creates a committed stream named under its table, with the full schema', async () => {
    const { name } = await newTable()
    const stream = await harness.client.unary('CreateWriteStream', { parent: name, writeStream: { type: 'COMMITTED' } })
    assert.match(String(stream.name), new RegExp(`^${name}/streams/[\\w-]+$`))
    assert.equal(stream.type, 'COMMITTED')
    assert.deepEqual(
      (stream.tableSchema as { fields: Message[] }).fields.map(field => [field.name, field.type, field.mode]),
      [
        ['id', 'INT64', 'REQUIRED'],
        ['note', 'STRING', 'NULLABLE'],
      ],
    )
    assert.ok(stream.createTime)
  })

  it('cases 2 and 5: shows the schema in the FULL view only, the location in both', async () => {
    const { stream } = await newStream()
    const basic = await harness.client.unary('GetWriteStream', { name: stream })
    const full = await harness.client.unary('GetWriteStream', { name: stream, view: 'FULL' })
    assert.equal(basic.tableSchema, undefined)
    assert.equal((full.tableSchema as { fields: unknown[] }).fields.length, 2)
    assert.deepEqual([basic.location, full.location], ['us', 'us'])
  })

  it('case 3: shows the default stream as committed and without times', async () => {
    const { name } = await newTable()
    const stream = await harness.client.unary('GetWriteStream', { name: `${name}/_default` })
    assert.deepEqual(stream, {
      name: `${name}/streams/_default`,
      type: 'COMMITTED',
      writeMode: 'INSERT',
      location: 'us',
    })
  })

  it('case 6: refuses a stream without a type', async () => {
    const { name } = await newTable()
    assert.equal((await refusal(harness.client.unary('CreateWriteStream', { parent: name, writeStream: {} }))).code, 3)
  })

  it('cases 7 and 8: does not tell a missing table from a forbidden one', async () => {
    const missing = 'projects/p/datasets/d/tables/missing'
    const created = await refusal(harness.client.createStream(missing))
    assert.equal(created.code, 7)
    assert.match(created.message, /\(or it may not exist\)/)
    const call = harness.client.append()
    call.send({ writeStream: `${missing}/_default`, protoRows: rows([1], true) })
    const ended = await call.ended
    assert.equal(ended?.code, 7)
    assert.match(ended?.message ?? '', /\(or it may not exist\)/)
  })

  it('case 9: takes both spellings of the default stream', async () => {
    const { id, name } = await newTable()
    for (const spelling of [`${name}/_default`, `${name}/streams/_default`]) {
      const call = harness.client.append()
      const response = await call.ask({ writeStream: spelling, protoRows: rows([1], true) })
      assert.equal(response.writeStream, `${name}/streams/_default`)
      call.call.end()
    }
    assert.equal(await harness.rest.count(id), 2)
  })

  for (const withOffsets of [true, false])
    it(`case ${withOffsets ? 10 : 11}: answers pipelined appends ${withOffsets ? 'with' : 'without'} offsets by the first row of each, in order`, async () => {
      const { id, stream } = await newStream()
      const call = harness.client.append()
      for (const [first, ids] of [
        [0, [1]],
        [1, [2, 3]],
        [3, [4]],
      ] as const)
        call.send({ writeStream: stream, ...(withOffsets && at(first)), protoRows: rows([...ids], first === 0) })
      assert.deepEqual(
        [offsetOf(await call.next()), offsetOf(await call.next()), offsetOf(await call.next())],
        ['0', '1', '3'],
      )
      assert.deepEqual(await harness.rest.query(`SELECT id FROM p.d.${id} ORDER BY id`), [['1'], ['2'], ['3'], ['4']])
    })

  it('case 12: refuses an offset beyond the end in a response, and the call goes on', async () => {
    const { id, stream } = await newStream()
    const call = await opened(stream, [1])
    const response = await call.ask({ ...at(100), protoRows: rows([2]) })
    assert.equal(errorOf(response).code, 11)
    assert.match(errorOf(response).message, /^The offset is beyond stream, expected offset 1, received 100 Entity/)
    const detail = storageError(response)
    assert.deepEqual([detail.code, detail.entity], ['OFFSET_OUT_OF_RANGE', stream])
    assert.equal(offsetOf(await call.ask({ ...at(1), protoRows: rows([2]) })), '1')
    assert.equal(await harness.rest.count(id), 2)
  })

  it('case 13: answers a repeated offset with ALREADY_EXISTS and writes nothing', async () => {
    const { id, stream } = await newStream()
    const call = await opened(stream, [1])
    const response = await call.ask({ ...at(0), protoRows: rows([1]) })
    assert.equal(errorOf(response).code, 6)
    assert.match(errorOf(response).message, /^The offset is within stream, expected offset 1, received 0$/)
    assert.equal(storageError(response).code, 'OFFSET_ALREADY_EXISTS')
    assert.equal(await harness.rest.count(id), 1)
  })

  it('case 14: refuses a batch that overlaps the end, whole', async () => {
    const { id, stream } = await newStream()
    const call = await opened(stream, [1, 2, 3])
    assert.equal(errorOf(await call.ask({ ...at(2), protoRows: rows([3, 4, 5]) })).code, 6)
    assert.equal(await harness.rest.count(id), 3)
  })

  it('cases 15 and 16: answers the default stream without offsets and takes none', async () => {
    const { name } = await newTable()
    const call = harness.client.append()
    for (const withSchema of [true, false]) {
      const response = await call.ask({ writeStream: `${name}/_default`, protoRows: rows([1], withSchema) })
      assert.deepEqual(response, { appendResult: {}, writeStream: `${name}/streams/_default` })
    }
    assert.equal(errorOf(await call.ask({ ...at(2), protoRows: rows([1]) })).code, 3)
  })

  it('case 17: keeps 50 pipelined appends of 1,200 rows in order', async () => {
    const { id, stream } = await newStream()
    const call = harness.client.append()
    for (let k = 0; k < 50; k++)
      call.send({
        writeStream: stream,
        ...at(k * 1200),
        protoRows: rows(
          Array.from({ length: 1200 }, (_, i) => k * 1200 + i),
          k === 0,
        ),
      })
    for (let k = 0; k < 50; k++) assert.equal(offsetOf(await call.next()), String(k * 1200))
    assert.deepEqual(await harness.rest.query(`SELECT COUNT(*), COUNT(DISTINCT id), MAX(id) FROM p.d.${id}`), [
      ['60000', '60000', '59999'],
    ])
  })

  it('case 18: goes on with a stream on a new call', async () => {
    const { stream } = await newStream()
    const first = await opened(stream, [1, 2])
    first.call.end()
    assert.equal(await first.ended, undefined)
    const second = harness.client.append()
    assert.equal(offsetOf(await second.ask({ writeStream: stream, ...at(2), protoRows: rows([3], true) })), '2')
    assert.equal(errorOf(await second.ask({ ...at(0), protoRows: rows([1]) })).code, 6)
  })

  it('lets two calls share an exclusive stream: the offset decides', async () => {
    const { id, stream } = await newStream()
    const first = await opened(stream, [1])
    const second = harness.client.append()
    assert.equal(offsetOf(await second.ask({ writeStream: stream, ...at(1), protoRows: rows([2], true) })), '1')
    assert.equal(errorOf(await first.ask({ ...at(1), protoRows: rows([2]) })).code, 6)
    assert.equal(await harness.rest.count(id), 2)
  })

  it('case 22: ends a call whose first request lacks the stream or the schema', async () => {
    const { stream } = await newStream()
    for (const request of [{ protoRows: rows([1], true) }, { writeStream: stream, protoRows: rows([1]) }]) {
      const call = harness.client.append()
      call.send(request)
      assert.equal((await call.ended)?.code, 3)
    }
  })

  it('case 23: takes later requests without stream and schema, or with the same again', async () => {
    const { id, stream } = await newStream()
    const call = await opened(stream, [1])
    assert.equal(offsetOf(await call.ask({ protoRows: rows([2]) })), '1')
    assert.equal(offsetOf(await call.ask({ writeStream: stream, protoRows: rows([3], true) })), '2')
    assert.equal(await harness.rest.count(id), 3)
  })

  it('case 24: lets default streams of two tables alternate on one call', async () => {
    const [one, two] = [await newTable(), await newTable()]
    const call = harness.client.append()
    for (const { name } of [one, two, one]) {
      const response = await call.ask({ writeStream: `${name}/_default`, protoRows: rows([1], true) })
      assert.equal(response.writeStream, `${name}/streams/_default`)
    }
    assert.deepEqual([await harness.rest.count(one.id), await harness.rest.count(two.id)], [2, 1])
  })

  it('case 25: refuses a request without rows, and the call goes on', async () => {
    const { stream } = await newStream()
    const call = await opened(stream, [1])
    assert.match(errorOf(await call.ask({ ...at(1), protoRows: { rows: {} } })).message, /^Rows must be specified/)
    assert.equal(offsetOf(await call.ask({ ...at(1), protoRows: rows([2]) })), '1')
  })

  it('case 26: refuses a request over the limit by its size, and the call goes on', async () => {
    const { stream } = await newStream()
    const call = await opened(stream, [1])
    const large = encode('AppendRowsRequest', {
      ...at(1),
      protoRows: rowsOf(note, [{ id: 2, note: 'x'.repeat(2_000_000) }], false),
    })
    call.sendRaw(large)
    assert.equal(errorOf(await call.next()).message, `AppendRows request too large: ${large.length} limit 2000000`)
    assert.equal(offsetOf(await call.ask({ ...at(1), protoRows: rows([2]) })), '1')
  })

  it('case 28: ends a call that closes without a request', async () => {
    const call = harness.client.append()
    call.call.end()
    assert.equal((await call.ended)?.code, 3)
  })

  it('case 29: names all bad rows in the words of the service and stores none', async () => {
    const name = await harness.rest.createTable('bad_rows', [
      { name: 'foo', type: 'STRING', maxLength: '10' },
      { name: 'bar', type: 'TIMESTAMP' },
    ])
    const stream = await harness.client.createStream(name)
    const schema = writer('optional string foo = 1; optional int64 bar = 2;')
    const call = harness.client.append()
    const bad = [{ foo: 'aaaaaaaaaaaa' }, { bar: '-9223372036854775808' }, { foo: 'ok' }, { foo: 'bbbbbbbbbbbbbbb' }]
    const response = await call.ask({ writeStream: stream, ...at(0), protoRows: rowsOf(schema, bad, true) })
    assert.equal(errorOf(response).code, 3)
    assert.match(
      errorOf(response).message,
      /^Errors found while processing rows\. Please refer to the row_errors field for details\. /,
    )
    assert.deepEqual(response.rowErrors, [
      {
        code: 'FIELDS_ERROR',
        message: 'Field foo: STRING(10) has maximum length 10 but got a value with length 12 on field foo.',
      },
      {
        index: '1',
        code: 'FIELDS_ERROR',
        message: 'Timestamp field value is out of range: -9223372036854775808 on field bar.',
      },
      {
        index: '3',
        code: 'FIELDS_ERROR',
        message: 'Field foo: STRING(10) has maximum length 10 but got a value with length 15 on field foo.',
      },
    ])
    assert.equal(await harness.rest.count('bad_rows'), 0)
    const good = [{ foo: 'ääääääääää' }, { bar: '0' }, {}]
    assert.equal(offsetOf(await call.ask({ ...at(0), protoRows: rowsOf(schema, good, false) })), '0')
    assert.deepEqual(await harness.rest.query('SELECT foo, bar FROM p.d.bad_rows'), [
      ['ääääääääää', null],
      [null, '0'],
      [null, null],
    ])
  })

  it('cases 30 and 31: refuses a batch for one row without its REQUIRED field, and the stream does not move', async () => {
    const { id, stream } = await newStream()
    const call = await opened(stream, [1])
    const response = await call.ask({
      ...at(1),
      protoRows: rowsOf(note, [{ id: 2 }, { note: 'a note that is long but has no id' }, { id: 3 }], false),
    })
    assert.deepEqual(
      (response.rowErrors as Message[]).map(error => error.index),
      ['1'],
    )
    assert.equal(errorOf(await call.ask({ ...at(4), protoRows: rows([5]) })).code, 11)
    assert.equal(offsetOf(await call.ask({ ...at(1), protoRows: rows([2, 3]) })), '1')
    assert.equal(await harness.rest.count(id), 3)
  })

  it('case 32: ends the call when the first writer schema has a column the table lacks', async () => {
    const { stream } = await newStream()
    const extra = writer('optional int64 id = 1; optional string note = 2; optional string surplus = 3;')
    const call = harness.client.append()
    call.send({ writeStream: stream, ...at(0), protoRows: rowsOf(extra, [{ id: 1 }], true) })
    const ended = await call.ended
    assert.equal(ended?.code, 3)
    assert.match(ended?.message ?? '', /^Schema mismatch due to extra fields in user schema/)
    assert.equal(ended?.storage?.code, 'SCHEMA_MISMATCH_EXTRA_FIELDS')
    assert.equal((ended!.details!.details as unknown[]).length, 1)
  })

  it('cases 44 and 45: finalizes as often as asked, with the same count, and takes no rows after', async () => {
    const { stream } = await newStream()
    const call = await opened(stream, [1, 2])
    for (let again = 0; again < 3; again++)
      assert.deepEqual(await harness.client.unary('FinalizeWriteStream', { name: stream }), { rowCount: '2' })
    const response = await call.ask({ ...at(2), protoRows: rows([3]) })
    assert.equal(errorOf(response).code, 3)
    assert.match(errorOf(response).message, /Stream has been finalized/)
    assert.equal(storageError(response).code, 'STREAM_FINALIZED')
    const empty = (await newStream()).stream
    assert.deepEqual(await harness.client.unary('FinalizeWriteStream', { name: empty }), {})
  })

  it('case 50: does not finalize the default stream', async () => {
    const { name } = await newTable()
    assert.equal((await refusal(harness.client.unary('FinalizeWriteStream', { name: `${name}/_default` }))).code, 3)
  })

  it('does not know streams it did not make', async () => {
    const { name } = await newTable()
    const unknown = `${name}/streams/nobody`
    const call = harness.client.append()
    call.send({ writeStream: unknown, ...at(0), protoRows: rows([1], true) })
    for (const failure of [
      await call.ended,
      await refusal(harness.client.unary('GetWriteStream', { name: unknown })),
      await refusal(harness.client.unary('FinalizeWriteStream', { name: unknown })),
    ]) {
      assert.equal(failure?.code, 5)
      assert.match(failure?.message ?? '', /^Requested entity was not found\./)
      assert.deepEqual([failure?.storage?.code, failure?.storage?.entity], ['STREAM_NOT_FOUND', unknown])
    }
  })

  it('case 55: takes a wider schema on an open call once the table has it', async () => {
    const { id, stream } = await newStream()
    const call = await opened(stream, [1])
    const wide = writer('optional int64 id = 1; optional string note = 2; optional string added = 3;')
    assert.equal(errorOf(await call.ask({ ...at(1), protoRows: rowsOf(wide, [{ id: 2 }], true) })).code, 3)
    const patched = await harness.rest.api('PATCH', `/datasets/d/tables/${id}`, {
      schema: { fields: [{ name: 'id', type: 'INT64' }, NOTES[1], { name: 'added', type: 'STRING' }] },
    })
    assert.equal(patched.status, 200)
    assert.equal(offsetOf(await call.ask({ ...at(1), protoRows: rows([2], true) })), '1')
    assert.equal(
      offsetOf(await call.ask({ ...at(2), protoRows: rowsOf(wide, [{ added: 'a value of more than twelve' }], true) })),
      '2',
    )
    assert.deepEqual(await harness.rest.query(`SELECT id, added FROM p.d.${id} ORDER BY id`), [
      [null, 'a value of more than twelve'],
      ['1', null],
      ['2', null],
    ])
  })

  it('case 56: keeps streams to the incarnation of their table', async () => {
    const { id, name, stream } = await newStream()
    const call = await opened(stream, [1])
    assert.equal((await harness.rest.api('DELETE', `/datasets/d/tables/${id}`)).status, 204)
    call.send({ ...at(1), protoRows: rows([2]) })
    assert.equal((await call.ended)?.code, 5)
    await harness.rest.createTable(id, NOTES)
    assert.equal(
      (await refusal(harness.client.unary('GetWriteStream', { name: stream }))).storage?.code,
      'STREAM_NOT_FOUND',
    )
    assert.equal(await harness.rest.count(id), 0)
    await opened(await harness.client.createStream(name), [7])
    assert.equal(await harness.rest.count(id), 1)
  })

  describe('with faults', () => {
    const setFault = async (fault: Message): Promise<void> =>
      assert.equal((await harness.rest.call('POST', '/emulator/faults', fault)).status, 200)
    const clear = () => harness.rest.call('DELETE', '/emulator/faults')

    it('case 19: loses an acknowledgement after applying: the repeat is ALREADY_EXISTS and there is one copy', async () => {
      const { id, stream } = await newStream()
      await setFault({ stream, offset: 0, effect: 'closeAfterApply' })
      const lost = harness.client.append()
      lost.send({ writeStream: stream, ...at(0), protoRows: rows([1, 2], true) })
      assert.equal((await lost.ended)?.code, 14)
      const again = harness.client.append()
      assert.equal(errorOf(await again.ask({ writeStream: stream, ...at(0), protoRows: rows([1, 2], true) })).code, 6)
      assert.equal(await harness.rest.count(id), 2)
      await clear()
    })

    it('case 20: drops a call before applying: the repeat is accepted', async () => {
      const { id, stream } = await newStream()
      await setFault({ stream, nth: 2, effect: 'close', code: 'ABORTED', message: 'server is restarted' })
      const call = harness.client.append()
      call.send({ writeStream: stream, ...at(0), protoRows: rows([1], true) })
      call.send({ ...at(1), protoRows: rows([2]) })
      call.send({ ...at(2), protoRows: rows([3]) })
      assert.equal(offsetOf(await call.next()), '0')
      assert.deepEqual([(await call.ended)?.code, (await call.ended)?.message], [10, 'server is restarted'])
      assert.equal(await harness.rest.count(id), 1)
      const again = harness.client.append()
      assert.equal(offsetOf(await again.ask({ writeStream: stream, ...at(1), protoRows: rows([2], true) })), '1')
      await clear()
    })

    it('looks at nothing that follows a swallowed request on its call', async () => {
      const { id, name } = await newTable()
      await setFault({ stream: name, nth: 2, effect: 'blackhole' })
      const call = harness.client.append()
      for (const k of [0, 1, 2]) call.send({ writeStream: `${name}/_default`, protoRows: rows([k], k === 0) })
      await call.next()
      // On the same connection, so what was sent before it has been seen.
      await harness.client.unary('GetWriteStream', { name: `${name}/_default` })
      assert.deepEqual(await harness.rest.query(`SELECT id FROM p.d.${id}`), [['0']])
      call.cancel()
      await clear()
    })

    it('case 21: refuses the successors of a refused offset append', async () => {
      const { id, stream } = await newStream()
      await setFault({ stream, offset: 1, effect: 'inBand', code: 'INTERNAL' })
      const call = harness.client.append()
      for (const k of [0, 1, 2, 3]) call.send({ writeStream: stream, ...at(k), protoRows: rows([k], k === 0) })
      assert.equal(offsetOf(await call.next()), '0')
      assert.deepEqual(
        [errorOf(await call.next()).code, errorOf(await call.next()).code, errorOf(await call.next()).code],
        [13, 11, 11],
      )
      assert.equal(await harness.rest.count(id), 1)
      await clear()
    })

    it('case 66: swallows a request, with or without applying it', async () => {
      for (const [effect, applied] of [
        ['blackhole', 0],
        ['blackholeAfterApply', 1],
      ] as const) {
        const { id, stream } = await newStream()
        await setFault({ stream, nth: 1, effect })
        const call = harness.client.append()
        call.send({ writeStream: stream, ...at(0), protoRows: rows([1], true) })
        const again = harness.client.append()
        const response = await until(
          async () => (await harness.rest.count(id)) === applied,
          'the rows that were to be applied',
        ).then(() => again.ask({ writeStream: stream, ...at(0), protoRows: rows([1], true) }))
        assert.equal(response.error ? errorOf(response).code : 0, applied === 1 ? 6 : 0)
        assert.equal(call.responses.length, 0)
        assert.equal(await harness.rest.count(id), 1)
        call.cancel()
        await clear()
      }
    })

    it('applies a held append after its caller has gone: the zombie write', async () => {
      const { id, stream } = await newStream()
      await setFault({ stream, nth: 1, effect: 'delayApply', delayMs: 300 })
      const zombie = harness.client.append()
      zombie.send({ writeStream: stream, ...at(0), protoRows: rows([1], true) })
      await until(
        async () => ((await harness.rest.call('GET', '/emulator/faults')).body.faults as Message[])[0]!.fired === 1,
        'the fault to fire',
      )
      zombie.cancel()
      assert.equal(await harness.rest.count(id), 0)
      await until(async () => (await harness.rest.count(id)) === 1, 'the late write')
      await clear()
    })

    it('delays a reply without changing the order', async () => {
      const { stream } = await newStream()
      await setFault({ stream, nth: 1, effect: 'delayReply', delayMs: 100 })
      const call = harness.client.append()
      for (const k of [0, 1]) call.send({ writeStream: stream, ...at(k), protoRows: rows([k], k === 0) })
      assert.deepEqual([offsetOf(await call.next()), offsetOf(await call.next())], ['0', '1'])
      await clear()
    })

    it('fails unary calls: before they take effect, and after', async () => {
      const { name, stream } = await newStream()
      await setFault({ method: 'CreateWriteStream', stream: name, code: 'RESOURCE_EXHAUSTED', nth: 1 })
      assert.equal((await refusal(harness.client.createStream(name))).code, 8)
      assert.ok(await harness.client.createStream(name))
      await setFault({ method: 'FinalizeWriteStream', effect: 'closeAfterApply', nth: 1 })
      assert.equal((await refusal(harness.client.unary('FinalizeWriteStream', { name: stream }))).code, 14)
      const state = await harness.rest.call('GET', '/emulator/state')
      assert.equal((state.body.streams as Message[]).find(view => view.name === stream)?.finalized, true)
      await clear()
    })

    it('draws the same faults from the same seed', async () => {
      const outcomes: string[] = []
      for (let round = 0; round < 2; round++) {
        const { stream } = await newStream()
        await setFault({ stream, probability: 0.5, seed: 7, effect: 'inBand' })
        const call = harness.client.append()
        let drawn = ''
        for (let k = 0; k < 20; k++)
          drawn += (await call.ask({ writeStream: stream, protoRows: rows([k], true) })).error ? 'x' : '.'
        outcomes.push(drawn)
        await clear()
      }
      assert.equal(outcomes[0], outcomes[1])
      assert.match(outcomes[0]!, /x/)
      assert.match(outcomes[0]!, /\./)
    })

    it('says what is wrong with a fault', async () => {
      const { status, body } = await harness.rest.call('POST', '/emulator/faults', { effect: 'explode' })
      assert.equal(status, 400)
      assert.match(JSON.stringify(body), /effect must be one of close/)
    })
  })

  it('answers bytes that are no request by ending the call', async () => {
    const call = harness.client.append()
    call.sendRaw(Buffer.from([0x0a, 0xff, 0xff, 0xff, 0x7f, 1]))
    assert.equal((await call.ended)?.code, 3)
  })
})
