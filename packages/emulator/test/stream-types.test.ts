// Pending, buffered and committed streams over the wire. Case numbers are those of reference/write-api.md §6.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Harness, startHarness } from './harness.ts'
import { ManualClock } from './manual-clock.ts'
import { type Failure, type Message, type RawAppend, rowsOf, storageError, writer } from './raw-client.ts'

const FIELDS = [
  { name: 'id', type: 'INT64', mode: 'REQUIRED' },
  { name: 'note', type: 'STRING' },
]
const note = writer('optional int64 id = 1; optional string note = 2;')
const rows = (ids: readonly number[], withSchema = false): Message =>
  rowsOf(
    note,
    ids.map(id => ({ id, note: `a note longer than twelve ${id}` })),
    withSchema,
  )
const at = (offset: number): Message => ({ offset: { value: String(offset) } })
const offsetOf = (response: Message): string => {
  assert.ok(response.appendResult, JSON.stringify(response))
  return (response.appendResult as { offset?: { value?: string } }).offset?.value ?? '0'
}
const errorOf = (response: Message): { code: number; message: string } => {
  assert.ok(response.error, JSON.stringify(response))
  return response.error as { code: number; message: string }
}
const refusal = (promise: Promise<unknown>): Promise<Failure> =>
  promise.then(
    answer => assert.fail(`was accepted: ${JSON.stringify(answer)}`),
    (failure: Failure) => failure,
  )
const DAY = 24 * 3600 * 1000

describe('stream types', () => {
  const clock = new ManualClock()
  let harness: Harness
  let tables = 0
  before(async () => {
    harness = await startHarness({ clock })
  })
  after(() => harness.close())

  const newTable = async (): Promise<{ id: string; name: string }> => {
    const id = `t${++tables}`
    return { id, name: await harness.rest.createTable(id, FIELDS) }
  }
  const newStream = async (type: string) => {
    const table = await newTable()
    return { ...table, stream: await harness.client.createStream(table.name, type) }
  }
  const opened = async (stream: string, ids: readonly number[]): Promise<RawAppend> => {
    const call = harness.client.append()
    assert.equal(offsetOf(await call.ask({ writeStream: stream, ...at(0), protoRows: rows(ids, true) })), '0')
    return call
  }
  const finalize = (name: string): Promise<Message> => harness.client.unary('FinalizeWriteStream', { name })
  const flush = (writeStream: string, offset: number): Promise<Message> =>
    harness.client.unary('FlushRows', { writeStream, ...at(offset) })
  const commit = (parent: string, ...writeStreams: string[]): Promise<Message> =>
    harness.client.unary('BatchCommitWriteStreams', { parent, writeStreams })
  const ids = async (table: string): Promise<number[]> =>
    (await harness.rest.query(`SELECT id FROM p.d.${table} ORDER BY id`)).map(([id]) => Number(id))
  /** A finalized pending stream with these rows. */
  const pending = async (table: string, rowIds: readonly number[]): Promise<string> => {
    const stream = await harness.client.createStream(table, 'PENDING')
    ;(await opened(stream, rowIds)).call.end()
    assert.deepEqual(await finalize(stream), { rowCount: String(rowIds.length) })
    return stream
  }
  const errorsOf = (answer: Message): Message[] => {
    assert.equal(answer.commitTime, undefined)
    return (answer.streamErrors as Message[]).map(({ code, entity }) => ({ code, entity }))
  }

  for (const type of ['COMMITTED', 'PENDING', 'BUFFERED'])
    it(`case 1: a ${type} stream is named under its table, with its type and the full schema`, async () => {
      const { name } = await newTable()
      const stream = await harness.client.unary('CreateWriteStream', { parent: name, writeStream: { type } })
      assert.match(String(stream.name), new RegExp(`^${name}/streams/[\\w-]+$`))
      assert.equal(stream.type, type)
      assert.deepEqual(
        (stream.tableSchema as { fields: Message[] }).fields.map(field => [field.name, field.type, field.mode]),
        [
          ['id', 'INT64', 'REQUIRED'],
          ['note', 'STRING', 'NULLABLE'],
        ],
      )
    })

  it('case 2, case 4: GetWriteStream states type and creation, the commit only once it is, the schema only when asked', async () => {
    const { name, stream } = await newStream('PENDING')
    const nowSeconds = String(Math.floor(clock.nowMs() / 1000))
    const before = await harness.client.unary('GetWriteStream', { name: stream })
    assert.deepEqual(
      [before.type, (before.createTime as Message).seconds, before.commitTime, before.tableSchema],
      ['PENDING', nowSeconds, undefined, undefined],
    )
    const full = await harness.client.unary('GetWriteStream', { name: stream, view: 'FULL' })
    assert.equal((full.tableSchema as { fields: unknown[] }).fields.length, 2)
    await finalize(stream)
    clock.advance(5000)
    const { commitTime } = await commit(name, stream)
    assert.equal((commitTime as Message).seconds, String(Number(nowSeconds) + 5))
    assert.deepEqual((await harness.client.unary('GetWriteStream', { name: stream })).commitTime, commitTime)
  })

  it('case 3: GetWriteStream states no times for the default stream, and for a committed one that it is committed', async () => {
    const { name, stream } = await newStream('COMMITTED')
    const byDefault = await harness.client.unary('GetWriteStream', { name: `${name}/_default` })
    assert.deepEqual(byDefault, {
      name: `${name}/streams/_default`,
      type: 'COMMITTED',
      writeMode: 'INSERT',
      location: 'us',
    })
    const committed = await harness.client.unary('GetWriteStream', { name: stream })
    assert.deepEqual(committed.commitTime, committed.createTime)
    const buffered = await harness.client.createStream(name, 'BUFFERED')
    assert.equal((await harness.client.unary('GetWriteStream', { name: buffered })).commitTime, undefined)
  })

  it('case 5: streams are where their dataset is', async () => {
    const dataset = { datasetReference: { datasetId: 'east' }, location: 'us-east1' }
    assert.equal((await harness.rest.api('POST', '/datasets', dataset)).status, 200)
    const table = { tableReference: { tableId: 't' }, schema: { fields: FIELDS } }
    assert.equal((await harness.rest.api('POST', '/datasets/east/tables', table)).status, 200)
    const parent = 'projects/p/datasets/east/tables/t'
    const stream = await harness.client.unary('CreateWriteStream', { parent, writeStream: { type: 'BUFFERED' } })
    assert.equal(stream.location, 'us-east1')
    assert.equal((await harness.client.unary('GetWriteStream', { name: stream.name })).location, 'us-east1')
  })

  it('case 6: a stream needs a type, and application streams take no partition decorator', async () => {
    const { name } = await newTable()
    assert.equal((await refusal(harness.client.unary('CreateWriteStream', { parent: name }))).code, 3)
    assert.equal((await refusal(harness.client.createStream(`${name}$20260101`, 'PENDING'))).code, 3)
    const stream = await harness.client.createStream(name)
    const decorated = stream.replace('/streams/', '$20260101/streams/')
    assert.equal((await refusal(harness.client.unary('GetWriteStream', { name: decorated }))).code, 3)
  })

  it('case 7: a missing table is not told from a forbidden one, whatever is asked of it', async () => {
    const missing = 'projects/p/datasets/d/tables/missing'
    for (const denied of [
      harness.client.createStream(missing, 'PENDING'),
      commit(missing, `${missing}/streams/x`),
      harness.client.unary('GetWriteStream', { name: `${missing}/_default` }),
    ]) {
      const { code, message } = await refusal(denied)
      assert.equal(code, 7)
      assert.match(message, /^Permission 'TABLES_\w+' denied on resource '.*missing' \(or it may not exist\)\.$/)
    }
  })

  for (const type of ['COMMITTED', 'PENDING', 'BUFFERED'])
    it(`case 10, 11, 12, 13, 14: a ${type} stream takes rows at its end only`, async () => {
      const { stream } = await newStream(type)
      const call = await opened(stream, [1])
      assert.equal(offsetOf(await call.ask({ ...at(1), protoRows: rows([2, 3]) })), '1')
      assert.equal(offsetOf(await call.ask({ protoRows: rows([4]) })), '3')
      const beyond = await call.ask({ ...at(100), protoRows: rows([5]) })
      assert.deepEqual([errorOf(beyond).code, storageError(beyond).code], [11, 'OFFSET_OUT_OF_RANGE'])
      assert.match(errorOf(beyond).message, /expected offset 4, received 100 Entity/)
      for (const offset of [0, 3]) {
        const within = await call.ask({ ...at(offset), protoRows: rows([5, 6]) })
        assert.deepEqual([errorOf(within).code, storageError(within).code], [6, 'OFFSET_ALREADY_EXISTS'])
      }
      call.call.end()
      assert.deepEqual(await finalize(stream), { rowCount: '4' })
    })

  it('case 43: rows of a pending stream do not show before the commit', async () => {
    const { id, name, stream } = await newStream('PENDING')
    await opened(stream, [1, 2])
    assert.deepEqual(await ids(id), [])
    await finalize(stream)
    assert.deepEqual(await ids(id), [])
    assert.equal((await harness.rest.api('GET', `/datasets/d/tables/${id}`)).body.numRows, '0')
    await commit(name, stream)
    assert.deepEqual(await ids(id), [1, 2])
  })

  for (const type of ['COMMITTED', 'PENDING', 'BUFFERED'])
    it(`case 44, case 45: a finalized ${type} stream says its rows, again and again, and takes no more on an open call`, async () => {
      const { stream } = await newStream(type)
      const call = await opened(stream, [1, 2])
      assert.deepEqual(await finalize(stream), { rowCount: '2' })
      assert.deepEqual(await finalize(stream), { rowCount: '2' })
      const response = await call.ask({ ...at(2), protoRows: rows([3]) })
      assert.equal(errorOf(response).code, 3)
      assert.match(errorOf(response).message, /Stream has been finalized/)
      assert.deepEqual([storageError(response).code, storageError(response).entity], ['STREAM_FINALIZED', stream])
    })

  it('case 46: a commit shows the rows of all its streams, in the order within each', async () => {
    const { id, name } = await newTable()
    const streams = [await pending(name, [1, 2, 3]), await pending(name, [10, 11]), await pending(name, [20])]
    const empty = await harness.client.createStream(name, 'PENDING')
    await finalize(empty)
    const answer = await commit(name, ...streams, empty, streams[0]!)
    assert.ok(answer.commitTime)
    assert.equal(answer.streamErrors, undefined)
    assert.deepEqual(
      await harness.rest.query(`SELECT id FROM p.d.${id}`),
      [1, 2, 3, 10, 11, 20].map(n => [String(n)]),
    )
  })

  it('case 47: a second commit says so for each stream and repeats nothing', async () => {
    const { id, name } = await newTable()
    const [one, two] = [await pending(name, [1]), await pending(name, [2])]
    assert.ok((await commit(name, one, two)).commitTime)
    assert.deepEqual(errorsOf(await commit(name, one, two)), [
      { code: 'STREAM_ALREADY_COMMITTED', entity: one },
      { code: 'STREAM_ALREADY_COMMITTED', entity: two },
    ])
    assert.deepEqual(await ids(id), [1, 2])
    assert.deepEqual(await finalize(one), { rowCount: '1' })
    assert.match(
      (await harness.client.append().ask({ writeStream: one, protoRows: rows([3], true) })).error!.toString(),
      /./,
    )
  })

  it('case 48: one bad stream keeps all from being committed, and only the bad ones are named', async () => {
    const { id, name } = await newTable()
    const good = await pending(name, [1])
    const open = await harness.client.createStream(name, 'PENDING')
    ;(await opened(open, [2])).call.end()
    const unknown = `${name}/streams/unknown`
    const errors = errorsOf(await commit(name, good, open, unknown, open))
    assert.deepEqual(errors, [
      { code: 'INVALID_STREAM_STATE', entity: open },
      { code: 'STREAM_NOT_FOUND', entity: unknown },
    ])
    assert.deepEqual(await ids(id), [])
    await finalize(open)
    assert.ok((await commit(name, good, open)).commitTime)
    assert.deepEqual(await ids(id), [1, 2])
  })

  it('case 49: only pending streams can be committed', async () => {
    const { name, stream } = await newStream('COMMITTED')
    const buffered = await harness.client.createStream(name, 'BUFFERED')
    await finalize(stream)
    const { streamErrors } = await commit(name, stream, buffered, `${name}/_default`)
    assert.deepEqual(
      (streamErrors as Message[]).map(({ code, errorMessage }) => [code, errorMessage]),
      ['WRITE_OPTIMIZED', 'BUFFERED', 'WRITE_OPTIMIZED'].map(actual => [
        'INVALID_STREAM_TYPE',
        `Stream must be created in pending mode, actual: ${actual}`,
      ]),
    )
  })

  it('a commit names streams of its own table, some but not too many', async () => {
    const [one, other] = [await newStream('PENDING'), await newTable()]
    await finalize(one.stream)
    for (const asked of [
      commit(other.name, one.stream),
      commit(one.name),
      commit(one.name, 'nonsense'),
      commit(one.name, ...Array.from({ length: 10_001 }, (_, i) => `${one.name}/streams/${i}`)),
    ])
      assert.equal((await refusal(asked)).code, 3)
    assert.ok((await commit(one.name, one.stream)).commitTime)
  })

  it('case 50: the default stream is neither finalized nor flushed, and other types are not flushed', async () => {
    const { name, stream } = await newStream('COMMITTED')
    const pendingStream = await harness.client.createStream(name, 'PENDING')
    assert.equal((await refusal(finalize(`${name}/_default`))).code, 3)
    assert.equal((await refusal(flush(`${name}/_default`, 0))).code, 3)
    for (const other of [stream, pendingStream]) {
      const { code, storage } = await refusal(flush(other, 0))
      assert.deepEqual([code, storage?.code, storage?.entity], [3, 'INVALID_STREAM_TYPE', other])
    }
  })

  it('case 51: rows of a buffered stream show up to and with the flushed one', async () => {
    const { id, stream } = await newStream('BUFFERED')
    const call = await opened(stream, [0])
    for (let i = 0; i < 5; i++) {
      if (i > 0) assert.equal(offsetOf(await call.ask({ ...at(i), protoRows: rows([i]) })), String(i))
      assert.equal((await ids(id)).length, i)
      assert.deepEqual(await flush(stream, i), i === 0 ? {} : { offset: String(i) })
      assert.equal((await ids(id)).length, i + 1)
    }
    await call.ask({ ...at(5), protoRows: rows([5, 6, 7, 8, 9, 10]) })
    for (const upTo of [6, 7, 10]) {
      await flush(stream, upTo)
      assert.deepEqual(
        await ids(id),
        Array.from({ length: upTo + 1 }, (_, i) => i),
      )
    }
  })

  it('case 52: a flush beyond the end is refused in the words of the service', async () => {
    const { id, stream } = await newStream('BUFFERED')
    await opened(stream, [0, 1])
    for (const offset of [4, 2]) {
      const { code, message } = await refusal(flush(stream, offset))
      assert.equal(code, 11)
      assert.equal(message, `Offset ${offset} is beyond the end of the stream Entity: ${stream}`)
    }
    assert.equal((await refusal(flush(stream, -1))).code, 3)
    assert.equal((await refusal(harness.client.unary('FlushRows', { writeStream: stream }))).code, 3)
    assert.deepEqual(await ids(id), [])
  })

  it('case 53: a flush of what shows already says so, and shows nothing twice', async () => {
    const { id, stream } = await newStream('BUFFERED')
    await opened(stream, [0, 1, 2, 3, 4])
    await flush(stream, 3)
    for (const offset of [3, 1]) assert.equal((await refusal(flush(stream, offset))).code, 6)
    assert.deepEqual(await ids(id), [0, 1, 2, 3])
    await flush(stream, 4)
    assert.deepEqual(await ids(id), [0, 1, 2, 3, 4])
  })

  it('case 54: after finalize the rest of a buffered stream never shows', async () => {
    const { id, stream } = await newStream('BUFFERED')
    await opened(stream, [0, 1, 2])
    await flush(stream, 0)
    assert.deepEqual(await finalize(stream), { rowCount: '3' })
    const { code, storage } = await refusal(flush(stream, 2))
    assert.deepEqual([code, storage?.code], [3, 'STREAM_FINALIZED'])
    assert.deepEqual(await ids(id), [0])
  })

  it('case 56: streams of a dropped table are dead, and their rows do not come back with a table of the same name', async () => {
    const { id, name } = await newTable()
    const streams = await Promise.all(
      ['COMMITTED', 'PENDING', 'BUFFERED'].map(type => harness.client.createStream(name, type)),
    )
    for (const stream of streams) (await opened(stream, [1, 2])).call.end()
    assert.equal((await harness.rest.api('DELETE', `/datasets/d/tables/${id}`)).status, 204)
    await harness.rest.createTable(id, FIELDS)
    for (const stream of streams) {
      const call = harness.client.append()
      call.send({ writeStream: stream, ...at(2), protoRows: rows([3], true) })
      const ended = await call.ended
      assert.deepEqual([ended?.code, ended?.storage?.code], [5, 'STREAM_NOT_FOUND'])
      for (const gone of [finalize(stream), flush(stream, 1)]) assert.equal((await refusal(gone)).code, 5)
    }
    assert.deepEqual(errorsOf(await commit(name, streams[1]!)), [{ code: 'STREAM_NOT_FOUND', entity: streams[1] }])
    assert.deepEqual(await ids(id), [])
    const call = await opened(await harness.client.createStream(name, 'BUFFERED'), [7])
    call.call.end()
    assert.deepEqual(await ids(id), [])
  })

  it('hidden rows follow their table to a wider schema, in the middle of appends', async () => {
    const { id, name } = await newTable()
    const [waiting, buffered] = [
      await harness.client.createStream(name, 'PENDING'),
      await harness.client.createStream(name, 'BUFFERED'),
    ]
    const calls = [await opened(waiting, [1]), await opened(buffered, [11])]
    const wider = { schema: { fields: [...FIELDS, { name: 'added', type: 'STRING' }] } }
    assert.equal((await harness.rest.api('PATCH', `/datasets/d/tables/${id}`, wider)).status, 200)
    for (const [index, call] of calls.entries()) {
      assert.equal(offsetOf(await call.ask({ ...at(1), protoRows: rows([index * 10 + 2]) })), '1')
      call.call.end()
    }
    const wide = writer('optional int64 id = 1; optional string added = 2;')
    for (const [index, stream] of [waiting, buffered].entries()) {
      const call = harness.client.append()
      const protoRows = rowsOf(wide, [{ id: index * 10 + 3, added: 'x' }], true)
      assert.equal(offsetOf(await call.ask({ writeStream: stream, ...at(2), protoRows })), '2')
      call.call.end()
    }
    await finalize(waiting)
    await flush(buffered, 2)
    assert.ok((await commit(name, waiting)).commitTime)
    assert.deepEqual(
      await harness.rest.query(`SELECT id, added FROM p.d.${id} ORDER BY id`),
      [1, 2, 3, 11, 12, 13].map(n => [String(n), n % 10 === 3 ? 'x' : null]),
    )
  })

  it('case 65: streams without traffic for their time are gone, their unflushed rows too', async () => {
    const { id, name } = await newTable()
    const [committed, buffered, waiting] = await Promise.all(
      ['COMMITTED', 'BUFFERED', 'PENDING'].map(type => harness.client.createStream(name, type)),
    )
    for (const stream of [committed!, buffered!, waiting!]) (await opened(stream, [1, 2])).call.end()
    await flush(buffered!, 0)
    const appended = async (stream: string, offset: number): Promise<Failure | undefined> => {
      const call = harness.client.append()
      call.send({ writeStream: stream, ...at(offset), protoRows: rows([3], true) })
      call.call.end()
      return call.ended
    }
    clock.advance(3 * DAY)
    assert.equal(await appended(committed!, 2), undefined)
    clock.advance(3 * DAY)
    assert.equal(await appended(committed!, 3), undefined)
    clock.advance(3 * DAY + 1)
    for (const stream of [committed!, buffered!]) {
      const ended = await appended(stream, 2)
      assert.deepEqual([ended?.code, ended?.storage?.code], [5, 'STREAM_NOT_FOUND'])
    }
    assert.deepEqual((await refusal(flush(buffered!, 1))).storage?.code, 'STREAM_NOT_FOUND')
    assert.deepEqual(errorsOf(await commit(name, waiting!)), [{ code: 'STREAM_NOT_FOUND', entity: waiting }])
    assert.deepEqual(await ids(id), [1, 1, 2, 3, 3])
  })

  it('forgets expired streams that nobody asks for, a few with every stream created', async () => {
    const { name } = await newTable()
    for (let i = 0; i < 20; i++) await harness.client.createStream(name, 'PENDING')
    clock.advance(8 * DAY)
    for (let i = 0; i < 20; i++) await harness.client.createStream(name, 'COMMITTED')
    const { body } = await harness.rest.call('GET', '/emulator/state')
    const types = (body.streams as { name: string; type: string }[]).map(stream => stream.type)
    assert.deepEqual(new Set(types), new Set(['COMMITTED']))
  })
})

describe('stream knobs', () => {
  it('missing tables as NOT_FOUND, flush and finalize again, unknown streams of a commit by status', async () => {
    const harness = await startHarness({
      behavior: { missingTable: 'notFound', flushAgain: 'ok', finalizeAgain: 'reject', commitUnknown: 'close' },
    })
    const missing = await refusal(harness.client.createStream('projects/p/datasets/d/tables/missing'))
    assert.deepEqual([missing.code, missing.storage?.code], [5, 'TABLE_NOT_FOUND'])
    const name = await harness.rest.createTable('t', FIELDS)
    const stream = await harness.client.createStream(name, 'BUFFERED')
    const call = harness.client.append()
    await call.ask({ writeStream: stream, protoRows: rows([0, 1, 2], true) })
    for (let i = 0; i < 2; i++)
      assert.deepEqual(await harness.client.unary('FlushRows', { writeStream: stream, ...at(1) }), { offset: '1' })
    assert.equal(await harness.rest.count('t'), 2)
    assert.deepEqual(await harness.client.unary('FinalizeWriteStream', { name: stream }), { rowCount: '3' })
    const again = await refusal(harness.client.unary('FinalizeWriteStream', { name: stream }))
    assert.equal(again.storage?.code, 'STREAM_FINALIZED')
    const unknown = { parent: name, writeStreams: [`${name}/streams/unknown`] }
    const closed = await refusal(harness.client.unary('BatchCommitWriteStreams', unknown))
    assert.deepEqual([closed.code, closed.storage?.code], [5, 'STREAM_NOT_FOUND'])
    await harness.close()
  })

  it('a table just created is denied for a while, never more than so often in a row', async () => {
    const clock = new ManualClock()
    const tablePropagation = { windowMs: 1000, createStream: 1, flush: 1, inARowMax: 2 }
    const harness = await startHarness({ clock, behavior: { tablePropagation } })
    const name = await harness.rest.createTable('t', FIELDS)
    for (let i = 0; i < 2; i++) {
      const denied = await refusal(harness.client.createStream(name, 'BUFFERED'))
      assert.equal(denied.code, 7)
      assert.match(denied.message, /'TABLES_UPDATE_DATA' denied .* \(or it may not exist\)/)
    }
    const stream = await harness.client.createStream(name, 'BUFFERED')
    const call = harness.client.append()
    assert.equal(offsetOf(await call.ask({ writeStream: stream, protoRows: rows([0], true) })), '0')
    const flush = (): Promise<Message> => harness.client.unary('FlushRows', { writeStream: stream, ...at(0) })
    assert.equal((await refusal(flush())).code, 7)
    clock.advance(1000)
    assert.deepEqual(await flush(), {})
    await harness.client.createStream(name)
    await harness.close()
  })
})
