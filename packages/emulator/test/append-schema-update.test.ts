// How a changed table reaches open calls. Numbers are those of the conformance cases in reference/write-api.md §6.
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { status } from '@grpc/grpc-js'
import {
  at,
  errorOf,
  NOTES,
  newStream,
  newTable,
  note,
  offsetOf,
  opened,
  ownHarness,
  refusal,
  rows,
  updatedColumns,
  widen,
  wideRows,
} from './append-table.ts'
import { type Harness, startHarness } from './harness.ts'
import { ManualClock } from './manual-clock.ts'
import { type Message, rowsOf, storageError } from './raw-client.ts'

const WIDE = ['id', 'note', 'added']

describe('a widened table', () => {
  const clock = new ManualClock()
  let harness: Harness
  before(async () => {
    harness = await startHarness({ clock, behavior: { schemaPropagationMs: 60_000 } })
  })
  after(() => harness.close())
  afterEach(() => clock.advance(60_000))

  it('case 55: takes old rows all the time, tells of itself once it has arrived, and takes new ones from then on', async () => {
    const { id, stream } = await newStream(harness)
    const call = await opened(harness.client, stream, [1])
    await widen(harness, id)
    const { tableSchema } = await harness.client.unary('GetWriteStream', { name: stream, view: 'FULL' })
    assert.deepEqual(
      (tableSchema as { fields: Message[] }).fields.map(field => field.name),
      WIDE,
    )

    clock.advance(59_999)
    assert.equal(updatedColumns(await call.ask({ ...at(1), protoRows: rows([2]) })), undefined)
    const early = await call.ask({ ...at(2), protoRows: wideRows([3], true) })
    assert.equal(storageError(early).code, 'SCHEMA_MISMATCH_EXTRA_FIELDS')

    clock.advance(1)
    assert.equal(
      updatedColumns(await call.ask({ ...at(1), protoRows: rows([2], true) })),
      undefined,
      'not on a duplicate',
    )
    assert.deepEqual(updatedColumns(await call.ask({ ...at(2), protoRows: rows([3], true) })), WIDE)
    assert.equal(updatedColumns(await call.ask({ ...at(3), protoRows: rows([4]) })), undefined, 'once')
    assert.equal(offsetOf(await call.ask({ ...at(4), protoRows: wideRows([5], true) })), '4')
    assert.deepEqual(await harness.rest.query(`SELECT id, added FROM p.d.${id} WHERE id > 3 ORDER BY id`), [
      ['4', null],
      ['5', 'row 5'],
    ])
  })

  it('ends a new call that comes too early with the new column', async () => {
    const { id, stream } = await newStream(harness)
    await widen(harness, id)
    const call = harness.client.append()
    call.send({ writeStream: stream, protoRows: wideRows([1], true) })
    const failure = await call.ended
    assert.deepEqual([failure?.code, failure?.storage?.code], [status.INVALID_ARGUMENT, 'SCHEMA_MISMATCH_EXTRA_FIELDS'])
    clock.advance(60_000)
    const later = harness.client.append()
    const response = await later.ask({ writeStream: stream, protoRows: wideRows([1], true) })
    assert.deepEqual([offsetOf(response), updatedColumns(response)], ['0', undefined])
  })

  it('tells each call and each destination of a multiplexed call', async () => {
    const [one, two] = [await newTable(harness), await newTable(harness)]
    const call = harness.client.append()
    const other = harness.client.append()
    const ask = (through: typeof call, name: string) =>
      through.ask({ writeStream: `${name}/_default`, protoRows: rows([1], true) })
    for (const { name } of [one, two]) await ask(call, name)
    await ask(other, one.name)
    await widen(harness, one.id)
    await widen(harness, two.id)
    clock.advance(60_000)
    assert.deepEqual(updatedColumns(await ask(call, one.name)), WIDE)
    assert.deepEqual(updatedColumns(await ask(call, two.name)), WIDE)
    assert.deepEqual(updatedColumns(await ask(other, one.name)), WIDE)
    for (const { name } of [one, two]) assert.equal(updatedColumns(await ask(call, name)), undefined)
  })

  it('is told of by a success only, and not for a change of its labels', async () => {
    const { id, stream } = await newStream(harness)
    const call = await opened(harness.client, stream, [1])
    assert.equal((await harness.rest.api('PATCH', `/datasets/d/tables/${id}`, { labels: { a: 'b' } })).status, 200)
    const same = await harness.rest.api('PATCH', `/datasets/d/tables/${id}`, { schema: { fields: NOTES } })
    assert.equal(same.status, 200, JSON.stringify(same.body))
    clock.advance(60_000)
    assert.equal(updatedColumns(await call.ask({ protoRows: rows([2]) })), undefined)
    await widen(harness, id)
    clock.advance(60_000)
    const refused = await call.ask({ ...at(9), protoRows: rows([3]) })
    assert.deepEqual([errorOf(refused).code, updatedColumns(refused)], [status.OUT_OF_RANGE, undefined])
    assert.deepEqual(updatedColumns(await call.ask({ protoRows: rows([3]) })), WIDE)
  })
})

describe('a table widened while rows come', () => {
  for (const type of ['default', 'PENDING', 'BUFFERED'])
    it(`takes each row by the columns it has at that moment: ${type} stream`, async t => {
      const harness = await ownHarness(t, {})
      const { client, rest } = harness
      for (let round = 0; round < 3; round++) {
        const { id, name } = await newTable(harness)
        const stream = type === 'default' ? `${name}/streams/_default` : await client.createStream(name, type)
        const widened = widen(harness, id)
        const call = client.append()
        const requests = 40
        for (let n = 0; n < requests; n++) {
          // Those with the new column are refused until it is there: in the first request, that would end the call.
          const isWide = n % 2 === 1
          call.send({ writeStream: stream, protoRows: isWide ? wideRows([n], true) : rows([n], true) })
          await new Promise(resolve => setTimeout(resolve, n % 3 === round ? 1 : 0))
        }
        for (let n = 0; n < requests; n++) await call.next()
        await widened
        const accepted = call.responses.filter(({ error }) => !error).length
        assert.ok(accepted >= requests / 2)
        if (type === 'BUFFERED')
          await client.unary('FlushRows', { writeStream: stream, offset: { value: String(accepted - 1) } })
        if (type === 'PENDING') {
          await client.unary('FinalizeWriteStream', { name: stream })
          await client.unary('BatchCommitWriteStreams', { parent: name, writeStreams: [stream] })
        }
        assert.equal(await rest.count(id), accepted)
        call.cancel()
      }
    })
})

describe('a writer schema with a column too many', () => {
  for (const [knob, first, later] of [
    ['firstCloses', 'close', 'inBand'],
    ['inBand', 'inBand', 'inBand'],
    ['close', 'close', 'close'],
  ] as const)
    it(`is answered ${first} at first and ${later} later when the knob says ${knob}`, async t => {
      const harness = await ownHarness(t, { storage: 'null', behavior: { extraFields: knob } })
      const { stream } = await newStream(harness)
      const check = async (call: ReturnType<Harness['client']['append']>, how: string): Promise<void> => {
        if (how === 'inBand') assert.equal(storageError(await call.next()).code, 'SCHEMA_MISMATCH_EXTRA_FIELDS')
        else assert.equal((await call.ended)?.storage?.code, 'SCHEMA_MISMATCH_EXTRA_FIELDS')
      }
      const fresh = harness.client.append()
      fresh.send({ writeStream: stream, protoRows: wideRows([1], true) })
      await check(fresh, first)
      const call = await opened(harness.client, stream, [1])
      call.send({ protoRows: wideRows([1], true) })
      await check(call, later)
    })
})

describe('knobs of single refusals', () => {
  it('make an append to a finalized stream and an offset on a default stream end the call', async t => {
    const harness = await ownHarness(t, {
      storage: 'null',
      behavior: { finalizedAppend: 'close', defaultOffset: 'close' },
    })
    const { name, stream } = await newStream(harness)
    const call = await opened(harness.client, stream, [1])
    await harness.client.unary('FinalizeWriteStream', { name: stream })
    call.send({ ...at(1), protoRows: rows([2]) })
    const failure = await call.ended
    assert.deepEqual(
      [failure?.code, failure?.storage],
      [status.INVALID_ARGUMENT, { code: 'STREAM_FINALIZED', entity: stream, errorMessage: failure?.message }],
    )
    const other = harness.client.append()
    other.send({ writeStream: `${name}/_default`, ...at(0), protoRows: rows([2], true) })
    assert.equal((await other.ended)?.code, status.INVALID_ARGUMENT)
  })
})

describe('a table just created', () => {
  it('case 57: is denied as if it were missing for a while, and callers who try again get through', async t => {
    const tablePropagation = { windowMs: 60_000, createStream: 1, append: 1, flush: 1, inARowMax: 2 }
    const harness = await ownHarness(t, { storage: 'null', behavior: { tablePropagation } })
    const { name } = await newTable(harness)
    const denied = { code: status.PERMISSION_DENIED, storage: undefined, details: undefined }
    const message = `Permission 'TABLES_UPDATE_DATA' denied on resource '${name}' (or it may not exist).`
    for (let n = 0; n < 2; n++)
      assert.deepEqual(await refusal(harness.client.createStream(name, 'BUFFERED')), { ...denied, message })
    const stream = await harness.client.createStream(name, 'BUFFERED')
    for (let n = 0; n < 2; n++) {
      const call = harness.client.append()
      call.send({ writeStream: stream, protoRows: rows([1], true) })
      assert.deepEqual(await call.ended, { ...denied, message })
    }
    const call = await opened(harness.client, stream, [1])
    offsetOf(await call.ask({ protoRows: rows([2]) }))
  })
})

describe('a large request', () => {
  it('case 27: of one row of 15 MiB is taken when the limit is 20 MB', async t => {
    const harness = await ownHarness(t, {})
    const { id, stream } = await newStream(harness)
    const large = rowsOf(note, [{ id: 1, note: 'x'.repeat(15 * 1024 * 1024) }], true)
    offsetOf(await harness.client.append().ask({ writeStream: stream, protoRows: large }))
    assert.deepEqual(await harness.rest.query(`SELECT LENGTH(note) FROM p.d.${id}`), [['15728640']])
  })
})
