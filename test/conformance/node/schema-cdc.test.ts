// write-api.md §6, "Schema, table, CDC", through Google's Node clients.
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { adapt, managedwriter } from '@google-cloud/bigquery-storage'
import { status } from '@grpc/grpc-js'
import { DATASET, type Field } from '../support/emulator.ts'
import {
  accepted,
  createStream,
  descriptorFor,
  FIELDS,
  failure,
  type Google,
  type GoogleError,
  inTime,
  offsetOf,
  openWriter,
  parsedErrors,
  refused,
  row,
  rows,
  StorageErrorCode,
  startGoogle,
  type Table,
} from './google.ts'

let google: Google
before(async () => {
  google = await startGoogle()
})
after(() => google.stop())
afterEach(() => google.emulator.reset())

const WIDER: readonly Field[] = [...FIELDS, { name: 'customer_email', type: 'STRING' }]
const widen = (table: Table): Promise<unknown> =>
  google.bigquery
    .dataset(DATASET)
    .table(table.id)
    .setMetadata({ schema: { fields: [...WIDER] } as object })

describe('case 55: a table is widened while a connection is open', () => {
  test('old appends go on, one of them brings the new schema, the writer takes it up by itself', async () => {
    const table = await google.createTable(FIELDS)
    const streamId = await createStream(google.client, table)
    const { connection, writer } = await openWriter(google.client, streamId, table.descriptor)
    let updates = 0
    const updated = new Promise<readonly string[]>(resolve => {
      connection.onSchemaUpdated(schema => {
        updates++
        resolve((schema.fields ?? []).map((field: { name?: string | null }) => field.name ?? ''))
      })
    })
    assert.equal(await offsetOf(writer.appendRows([row(0)], 0)), 0)
    await widen(table)
    let offset = 1
    for (const deadline = Date.now() + 10_000; updates === 0; offset++) {
      assert.ok(Date.now() < deadline, 'no answer brought the new schema')
      assert.equal(await offsetOf(writer.appendRows([row(offset)], offset)), offset)
    }
    assert.deepEqual(await updated, ['customer_name', 'row_num', 'customer_email'])
    // JSONWriter has made itself a new descriptor and reconnected.
    assert.equal(
      await offsetOf(writer.appendRows([{ ...row(offset), customer_email: 'ada@example.com' }], offset)),
      offset,
    )
    const [seen] = await google.query(`SELECT COUNT(*) AS c, COUNT(customer_email) AS e FROM ${table.sql}`)
    assert.deepEqual(seen, { c: offset + 1, e: 1 })
    writer.close()
  })

  test('until the change has reached the stream, the wide descriptor is one with extra fields', async () => {
    const table = await google.createTable(FIELDS)
    const streamId = await createStream(google.client, table)
    await google.emulator.behave({ schemaPropagationMs: 60_000 })
    await widen(table)
    const { connection, writer } = await openWriter(google.client, streamId, descriptorFor(WIDER))
    connection.onConnectionError(() => {})
    const error = await failure(writer.appendRows([{ ...row(0), customer_email: 'early' }], 0).getResult())
    assert.equal(error.code, status.INVALID_ARGUMENT)
    assert.equal(parsedErrors(error)[0]?.code, StorageErrorCode.SCHEMA_MISMATCH_EXTRA_FIELDS)
    await google.emulator.behave({ schemaPropagationMs: 0 })
    assert.equal(await offsetOf(writer.appendRows([{ ...row(0), customer_email: 'in time' }], 0)), 0)
    writer.close()
  })

  test('the old descriptor goes on being taken', async () => {
    const table = await google.createTable(FIELDS)
    const streamId = await createStream(google.client, table)
    const connection = await google.client.createStreamConnection({ streamId })
    const writer = new managedwriter.Writer({ connection, protoDescriptor: table.descriptor })
    const serializedRows = [Buffer.from([0x0a, 1, 0x61, 0x10, 7])]
    assert.equal(await offsetOf(writer.appendRows({ serializedRows }, 0)), 0)
    await widen(table)
    for (let k = 1; k < 5; k++) assert.equal(await offsetOf(writer.appendRows({ serializedRows }, k)), k)
    assert.equal(await google.count(table), 5)
    writer.close()
  })
})

test('case 56: streams die with their table; a new one of the same name has none of its rows', async () => {
  const table = await google.createTable(FIELDS)
  const streamId = await createStream(google.client, table)
  const { connection, writer } = await openWriter(google.client, streamId, table.descriptor)
  connection.onConnectionError(() => {})
  assert.equal(await offsetOf(writer.appendRows(rows(0, 2), 0)), 0)
  const reference = google.bigquery.dataset(DATASET).table(table.id)
  await reference.delete()
  await google.bigquery.dataset(DATASET).createTable(table.id, { schema: { fields: [...FIELDS] } as object })
  const code = await refused(writer.appendRows([row(2)], 2)).then(
    error => error.code,
    (error: GoogleError) => error.code,
  )
  assert.equal(code, status.NOT_FOUND)
  writer.close()
  const fresh = await createStream(google.client, table)
  const second = await openWriter(google.client, fresh, table.descriptor)
  assert.equal(await offsetOf(second.writer.appendRows([row(9)], 0)), 0)
  assert.deepEqual(await google.query(`SELECT row_num FROM ${table.sql}`), [{ row_num: 9 }])
  second.writer.close()
})

test('case 57: a table just made is denied for a moment, and a client that tries again gets through', async () => {
  const table = await google.createTable(FIELDS)
  await google.emulator.behave({ tablePropagation: { windowMs: 60_000, createStream: 1, inARowMax: 2 } })
  let denials = 0
  let streamId: string | undefined
  while (streamId === undefined) {
    try {
      streamId = await createStream(google.client, table)
    } catch (error) {
      assert.equal((error as GoogleError).code, status.PERMISSION_DENIED)
      assert.match((error as GoogleError).message, /\(or it may not exist\)/)
      denials++
    }
  }
  assert.equal(denials, 2)
  const { writer } = await openWriter(google.client, streamId, table.descriptor)
  assert.equal(await offsetOf(writer.appendRows([row(0)], 0)), 0)
  writer.close()
})

const PEOPLE: readonly Field[] = [
  { name: 'id', type: 'INTEGER', mode: 'REQUIRED' },
  { name: 'username', type: 'STRING', mode: 'REQUIRED' },
]
const peopleTable = (): Promise<Table> =>
  google.createTable(PEOPLE, {
    clustering: { fields: ['id'] },
    tableConstraints: { primaryKey: { columns: ['id'] } },
  })

describe('change data capture', () => {
  test('case 58: inserts, upserts and deletes on the default stream are merged by the primary key', async () => {
    const table = await peopleTable()
    const descriptor = descriptorFor(PEOPLE, adapt.withChangeType())
    const people = () => google.query(`SELECT * FROM ${table.sql} ORDER BY id`)
    const streamId = `${table.parent}/streams/_default`
    const { writer } = await openWriter(google.client, streamId, descriptor)
    const alice = { id: 1, username: 'Alice' }
    const bob = { id: 2, username: 'Bob' }
    await accepted(
      writer.appendRows([
        { ...alice, _CHANGE_TYPE: 'INSERT' },
        { ...bob, _CHANGE_TYPE: 'INSERT' },
      ]),
    )
    assert.deepEqual(await people(), [alice, bob])
    const updater = (await openWriter(google.client, streamId, descriptor)).writer
    const alicia = { id: 1, username: 'Alice in Wonderlands' }
    const charles = { id: 3, username: 'Charles' }
    await accepted(
      updater.appendRows([
        { ...alicia, _CHANGE_TYPE: 'UPSERT' },
        { ...charles, _CHANGE_TYPE: 'UPSERT' },
      ]),
    )
    assert.equal((await people()).length, 3)
    await accepted(updater.appendRows([{ ...bob, _CHANGE_TYPE: 'DELETE' }]))
    assert.deepEqual(await people(), [alicia, charles])
    writer.close()
    updater.close()
  })

  test('case 58: a change with a lower sequence number comes too late', async () => {
    const table = await peopleTable()
    const descriptor = descriptorFor(PEOPLE, adapt.withChangeType(), adapt.withChangeSequenceNumber())
    const { writer } = await openWriter(google.client, `${table.parent}/streams/_default`, descriptor)
    const change = (username: string, sequence: string, type = 'UPSERT') =>
      accepted(writer.appendRows([{ id: 1, username, _CHANGE_TYPE: type, _CHANGE_SEQUENCE_NUMBER: sequence }] as never))
    const name = async () => (await google.query(`SELECT username FROM ${table.sql}`))[0]?.['username']
    await change('seventy-seven', '77')
    await change('seven B', '7B')
    assert.equal(await name(), 'seven B')
    await change('late', '7A')
    assert.equal(await name(), 'seven B')
    await change('FFF/ABC', 'FFF/ABC')
    await change('FFF/B', 'FFF/B')
    assert.equal(await name(), 'FFF/ABC')
    await change('', 'FFF/ABD', 'DELETE')
    await change('late after the delete', 'FFF/ABC')
    assert.equal(await name(), undefined)
    writer.close()
  })

  test('case 59: a COMMITTED stream takes inserts and no upserts', async () => {
    const table = await peopleTable()
    const streamId = await createStream(google.client, table)
    const { connection, writer } = await openWriter(
      google.client,
      streamId,
      descriptorFor(PEOPLE, adapt.withChangeType()),
    )
    connection.onConnectionError(() => {})
    await accepted(writer.appendRows([{ id: 1, username: 'Alice', _CHANGE_TYPE: 'INSERT' }], 0))
    const response = await writer
      .appendRows([{ id: 1, username: 'Alice', _CHANGE_TYPE: 'UPSERT' }], 1)
      .getResult()
      .catch((error: GoogleError) => ({ error, rowErrors: [] }))
    assert.equal(response.error?.code, status.INVALID_ARGUMENT)
    const words = [response.error?.message, ...(response.rowErrors ?? []).map(error => error.message)].join('\n')
    assert.match(words, /The given value is not a valid CHANGE_TYPE in insert mode: UPSERT/)
    assert.equal(await google.count(table), 1)
    writer.close()
  })
})

test('a relaxed column takes NULL at once, and cannot be tightened again', async () => {
  const table = await google.createTable(FIELDS)
  const reference = google.bigquery.dataset(DATASET).table(table.id)
  const relaxed = [{ ...FIELDS[0]!, mode: 'NULLABLE' as const }, FIELDS[1]!]
  await reference.setMetadata({ schema: { fields: relaxed } as object })
  const { writer } = await openWriter(google.client, `${table.parent}/streams/_default`, descriptorFor(relaxed))
  await accepted(writer.appendRows([{ row_num: 1 }]))
  assert.deepEqual(await google.query(`SELECT * FROM ${table.sql}`), [{ customer_name: null, row_num: 1 }])
  const tightened = failure(reference.setMetadata({ schema: { fields: [...FIELDS] } as object }) as Promise<unknown>)
  assert.equal((await inTime(tightened, 'a refusal')).code, 400)
  writer.close()
})
