// Cases 33 to 35 and their kin as clients see them: over gRPC and REST.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Int64, Utf8 } from 'apache-arrow'
import { messagesOf, tableOf } from './arrow-batches.ts'
import { type Field, type Harness, startHarness } from './harness.ts'
import { type Message, rowsOf, writer } from './raw-client.ts'

type DefaultedField = Field & { defaultValueExpression?: string; rangeElementType?: { type: string } }
const UUID = /^[0-9a-f-]{36}$/

describe('columns left out, over gRPC', () => {
  let harness: Harness
  let tables = 0
  before(async () => {
    harness = await startHarness()
  })
  after(() => harness.close())

  async function createTable(fields: DefaultedField[], more: Message = {}): Promise<{ id: string; stream: string }> {
    const id = `t${++tables}`
    const { status, body } = await harness.rest.api('POST', '/datasets/d/tables', {
      tableReference: { tableId: id },
      schema: { fields },
      ...more,
    })
    assert.equal(status, 200, JSON.stringify(body))
    return { id, stream: `projects/p/datasets/d/tables/${id}/streams/_default` }
  }

  it('case 33: a column the descriptor omits gets its default, or NULL', async () => {
    const { id, stream } = await createTable([
      { name: 'id', type: 'INT64' },
      { name: 'withdef', type: 'STRING', defaultValueExpression: "'a default'" },
      { name: 'without', type: 'STRING' },
    ])
    const call = harness.client.append()
    const schema = writer('optional int64 id = 1;')
    assert.ok((await call.ask({ writeStream: stream, protoRows: rowsOf(schema, [{ id: 1 }], true) })).appendResult)
    call.call.end()
    assert.deepEqual(await harness.rest.query(`SELECT * FROM p.d.${id}`), [['1', 'a default', null]])
  })

  it('case 34: the map holds for its request, the default interpretation until it is changed', async () => {
    const { id, stream } = await createTable([
      { name: 'id', type: 'INT64' },
      { name: 'a', type: 'STRING', defaultValueExpression: "'A'" },
      { name: 'b', type: 'INT64', defaultValueExpression: '7' },
    ])
    const call = harness.client.append()
    const schema = writer('optional int64 id = 1; optional string a = 2; optional int64 b = 3;')
    const requests: Message[] = [
      {},
      { defaultMissingValueInterpretation: 'DEFAULT_VALUE' },
      { missingValueInterpretations: { b: 'NULL_VALUE' } },
      {},
      { defaultMissingValueInterpretation: 'NULL_VALUE', missingValueInterpretations: { a: 'DEFAULT_VALUE' } },
      {},
    ]
    for (const [index, more] of requests.entries()) {
      const response = await call.ask({
        writeStream: stream,
        protoRows: rowsOf(schema, [{ id: index }], index === 0),
        ...more,
      })
      assert.ok(response.appendResult, JSON.stringify(response))
    }
    call.call.end()
    assert.deepEqual(await harness.rest.query(`SELECT id, a, b FROM p.d.${id} ORDER BY id`), [
      ['0', null, null],
      ['1', 'A', '7'],
      ['2', 'A', null],
      ['3', 'A', '7'],
      ['4', 'A', null],
      ['5', null, null],
    ])
  })

  it('case 35: REQUIRED id DEFAULT GENERATE_UUID() is filled under DEFAULT_VALUE', async () => {
    const { id, stream } = await createTable([
      { name: 'id', type: 'STRING', mode: 'REQUIRED', defaultValueExpression: 'GENERATE_UUID()' },
      { name: 'n', type: 'INT64' },
    ])
    const call = harness.client.append()
    const schema = writer('optional string id = 1; optional int64 n = 2;')
    const refused = await call.ask({ writeStream: stream, protoRows: rowsOf(schema, [{ n: 1 }], true) })
    assert.match(JSON.stringify(refused.rowErrors), /Required field id is missing/)
    const more = { defaultMissingValueInterpretation: 'DEFAULT_VALUE' }
    assert.ok((await call.ask({ protoRows: rowsOf(schema, [{ n: 1 }, { n: 2 }], false), ...more })).appendResult)
    call.call.end()
    const ids = (await harness.rest.query(`SELECT id FROM p.d.${id}`)).map(([value]) => String(value))
    assert.equal(new Set(ids).size, 2)
    for (const value of ids) assert.match(value, UUID)
  })

  it('refuses a default it cannot take when the table is made, naming the column', async () => {
    const { status, body } = await harness.rest.api('POST', '/datasets/d/tables', {
      tableReference: { tableId: 'never' },
      schema: { fields: [{ name: 'total', type: 'INT64', defaultValueExpression: '1 + 1' }] },
    })
    assert.equal(status, 400)
    assert.match(JSON.stringify(body), /Invalid default value expression for column total/)
  })

  it('takes Arrow rows beside protobuf ones', async () => {
    const { id, stream } = await createTable([
      { name: 'id', type: 'INT64' },
      { name: 's', type: 'STRING', maxLength: '10' },
    ])
    const messages = messagesOf(tableOf({ id: [new Int64(), [1n, 2n]], s: [new Utf8(), ['one', null]] }))
    const arrowRows = {
      writerSchema: { serializedSchema: messages.schema },
      rows: { serializedRecordBatch: messages.batch },
    }
    const call = harness.client.append()
    const answer = await call.ask({ writeStream: stream, arrowRows })
    assert.ok(answer.appendResult, JSON.stringify(answer))
    const bad = messagesOf(tableOf({ id: [new Int64(), [3n]], s: [new Utf8(), ['more than ten']] }))
    const refused = await call.ask({ arrowRows: { rows: { serializedRecordBatch: bad.batch } } })
    assert.match(
      JSON.stringify(refused.rowErrors),
      /STRING\(10\) has maximum length 10 but got a value with length 13 on field s\./,
    )
    call.call.end()
    assert.deepEqual(await harness.rest.query(`SELECT * FROM p.d.${id} ORDER BY id`), [
      ['1', 'one'],
      ['2', null],
    ])
  })

  it('tells a writer’s schema of ranges and picoseconds', async () => {
    const { id } = await createTable([
      { name: 'r', type: 'RANGE', rangeElementType: { type: 'DATE' } },
      { name: 't', type: 'TIMESTAMP', timestampPrecision: '12' } as DefaultedField,
    ])
    const stream = await harness.client.unary('CreateWriteStream', {
      parent: `projects/p/datasets/d/tables/${id}`,
      writeStream: { type: 'COMMITTED' },
    })
    const { fields } = stream.tableSchema as { fields: Message[] }
    assert.deepEqual(fields[0]!.rangeElementType, { type: 'DATE' })
    assert.deepEqual(fields[1]!.timestampPrecision, { value: '12' })
    const { body } = await harness.rest.api('GET', `/datasets/d/tables/${id}`)
    const [range, timestamp] = (body.schema as { fields: Message[] }).fields
    assert.deepEqual(range!.rangeElementType, { type: 'DATE' })
    assert.equal(timestamp!.timestampPrecision, '12')
  })

  it('tells of types that do not go together in the service’s own words', async () => {
    const { id, stream } = await createTable([{ name: 'datevalue', type: 'DATE' }])
    const call = harness.client.append()
    call.send({
      writeStream: stream,
      protoRows: rowsOf(writer('optional uint32 datevalue = 1;'), [{ datevalue: 1 }], true),
    })
    assert.equal(
      (await call.ended)?.message,
      `The proto field mismatched with BigQuery field at Row.datevalue, the proto field type uint32, BigQuery field type DATE Entity: projects/p/datasets/d/tables/${id}/streams/_default`,
    )
  })

  it('goes by the partition decorator of a default stream', async () => {
    const { id } = await createTable([{ name: 'd', type: 'DATE' }], { timePartitioning: { type: 'DAY', field: 'd' } })
    const today = new Date().toISOString().slice(0, 10)
    const name = (decorator: string): string => `projects/p/datasets/d/tables/${id}$${decorator}/streams/_default`
    const schema = writer('optional string d = 1;')
    const here = await harness.client
      .append()
      .ask({ writeStream: name(today.replaceAll('-', '')), protoRows: rowsOf(schema, [{ d: today }], true) })
    assert.ok(here.appendResult, JSON.stringify(here))
    const elsewhere = await harness.client
      .append()
      .ask({ writeStream: name(today.replaceAll('-', '')), protoRows: rowsOf(schema, [{ d: '2020-01-01' }], true) })
    assert.match(JSON.stringify(elsewhere.rowErrors), /does not belong to the destination partition/)
    const far = await harness.client
      .append()
      .ask({ writeStream: name('20200101'), protoRows: rowsOf(schema, [{ d: '2020-01-01' }], true) })
    assert.equal((far.error as Message).code, 3)
    assert.match(
      String((far.error as Message).message),
      /^The destination table's partition .* is outside the allowed bounds/,
    )
    assert.deepEqual(await harness.rest.query(`SELECT CAST(d AS STRING) FROM p.d.${id}`), [[today]])
  })
})
