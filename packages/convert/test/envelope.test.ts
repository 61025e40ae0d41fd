// JSON with schema: what each Connect type means, the envelope's rules, and the transcoder against the general path.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Column, TableSchema } from '@millrace/core'
import fc from 'fast-check'
import { compileGeneralEnvelopeEncoder } from '../src/connect/envelope-encoder.ts'
import {
  BAD_RECORD,
  compileEnvelopeEncoder,
  type DeriveOptions,
  deriveTableSchema,
  type Refusal,
  RowBuffer,
  type RowEncoder,
  type RowOptions,
  rowsOf,
  TOMBSTONE,
  writerSchemaFor,
} from '../src/index.ts'
import { type Decoded, decodeRow, littleEndian } from './support/proto-reader.ts'

const strict: RowOptions = { ignoreUnknownFields: false, sanitizeFieldNames: false }
const derive: DeriveOptions = {
  decimalHandlingMode: 'NUMERIC',
  variableScaleDecimalHandlingMode: 'NUMERIC',
  allBQFieldsNullable: false,
  sanitizeFieldNames: false,
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
const struct = (fields: Json[], more: { [key: string]: Json } = {}): Json => ({
  type: 'struct',
  fields,
  optional: false,
  ...more,
})
const envelope = (schema: Json, payload: Json): Buffer => Buffer.from(JSON.stringify({ schema, payload }))

function encoderFor(table: TableSchema, options = strict): RowEncoder {
  return compileEnvelopeEncoder({ tableSchema: table, writerSchema: writerSchemaFor(table), options })
}

/** Encodes the record twice, first by the general path, then by the transcoder, and decodes what both must agree on. */
function rowOf(table: TableSchema, record: Buffer, options = strict): Decoded {
  const encoder = encoderFor(table, options)
  const out = new RowBuffer(4096)
  for (let i = 0; i < 2; i++) {
    const length = encoder.encode(record, 0, record.length, out)
    assert.ok(length >= 0, `refused: ${JSON.stringify(encoder.lastError)}`)
  }
  const [first, second] = [...rowsOf(out.freeze())].map(row => decodeRow(row, writerSchemaFor(table)))
  assert.deepEqual(first, second)
  return first!
}

function refusalOf(table: TableSchema, record: Buffer, options = strict): Refusal {
  const encoder = encoderFor(table, options)
  const out = new RowBuffer(4096)
  assert.equal(encoder.encode(record, 0, record.length, out), BAD_RECORD)
  assert.equal(out.byteLength, 0)
  return encoder.lastError
}

const nullable = (name: string, type: Column['type']): Column => ({ name, type, mode: 'NULLABLE' })

test('every Connect type becomes the column of its own derived table', () => {
  const decimal = { type: 'bytes', name: 'org.apache.kafka.connect.data.Decimal', parameters: { scale: '2' } }
  const schema = struct([
    { field: 'b', type: 'boolean' },
    { field: 'i8', type: 'int8' },
    { field: 'i64', type: 'int64' },
    { field: 'f', type: 'float' },
    { field: 's', type: 'string', optional: true, doc: 'a string' },
    { field: 'raw', type: 'bytes' },
    { field: 'price', ...decimal },
    { field: 'day', type: 'int32', name: 'org.apache.kafka.connect.data.Date' },
    { field: 'time', type: 'int32', name: 'org.apache.kafka.connect.data.Time' },
    { field: 'at', type: 'int64', name: 'org.apache.kafka.connect.data.Timestamp' },
    { field: 'micro', type: 'int64', name: 'io.debezium.time.MicroTimestamp' },
    { field: 'zoned', type: 'string', name: 'io.debezium.time.ZonedTimestamp' },
    { field: 'tags', type: 'array', items: { type: 'string' } },
    { field: 'labels', type: 'map', keys: { type: 'string' }, values: { type: 'int32', optional: true } },
    { field: 'counts', type: 'map', keys: { type: 'int32' }, values: { type: 'string' } },
    { field: 'inner', ...(struct([{ field: 'x', type: 'int16' }]) as object) },
    {
      field: 'wide',
      ...(struct([
        { field: 'scale', type: 'int32' },
        { field: 'value', type: 'bytes' },
      ]) as object),
      name: 'io.debezium.data.VariableScaleDecimal',
    },
  ])
  const record = envelope(schema, {
    b: true,
    i8: -128,
    i64: 7,
    f: 1.5,
    s: null,
    raw: 'AQI=',
    price: Buffer.from([0xff, 0x38]).toString('base64'), // -200 unscaled
    day: 10_957,
    time: 3_723_004,
    at: -1,
    micro: 1_700_000_000_123_456,
    zoned: '2024-05-06T07:08:09.1+02:00',
    tags: ['a', 'é'],
    labels: { one: 1, none: null },
    counts: [[1, 'x']],
    inner: { x: 5 },
    wide: { scale: 1, value: 'Ag==' },
  })
  const table = deriveTableSchema(record, derive)!
  assert.deepEqual(
    table.columns.map(column => `${column.name} ${column.type} ${column.mode}`),
    [
      'b BOOL REQUIRED',
      'i8 INT64 REQUIRED',
      'i64 INT64 REQUIRED',
      'f FLOAT64 REQUIRED',
      's STRING NULLABLE',
      'raw BYTES REQUIRED',
      'price NUMERIC REQUIRED',
      'day DATE REQUIRED',
      'time TIME REQUIRED',
      'at TIMESTAMP REQUIRED',
      'micro TIMESTAMP REQUIRED',
      'zoned TIMESTAMP REQUIRED',
      'tags STRING REPEATED',
      'labels STRUCT REPEATED',
      'counts STRUCT REPEATED',
      'inner STRUCT REQUIRED',
      'wide NUMERIC REQUIRED',
    ],
  )
  assert.equal(table.columns[4]!.description, 'a string')
  const row = rowOf(table, record)
  assert.equal(littleEndian(row.price as Buffer), -2_000_000_000n)
  assert.equal(littleEndian(row.wide as Buffer), 200_000_000n)
  delete row.price
  delete row.wide
  assert.deepEqual(row, {
    b: true,
    i8: -128n,
    i64: 7n,
    f: 1.5,
    raw: Buffer.from([1, 2]),
    day: 10_957n,
    time: (1n << 32n) | (2n << 26n) | (3n << 20n) | 4_000n,
    at: -1_000n,
    micro: 1_700_000_000_123_456n,
    zoned: BigInt(Date.UTC(2024, 4, 6, 5, 8, 9, 100)) * 1_000n,
    tags: ['a', 'é'],
    labels: [{ key: 'one', value: 1n }, { key: 'none' }],
    counts: [{ key: 1n, value: 'x' }],
    inner: { x: 5n },
  })
})

test('a default of the schema fills what is absent or null', () => {
  const schema = struct([
    { field: 'a', type: 'int32', default: 7 },
    { field: 'b', type: 'string', optional: true, default: 'x' },
    { field: 'c', type: 'int32', optional: true },
  ])
  const table = {
    columns: [
      nullable('c', 'INT64'),
      nullable('b', 'STRING'),
      { ...nullable('a', 'INT64'), mode: 'REQUIRED' as const },
    ],
  }
  assert.deepEqual(rowOf(table, envelope(schema, { c: 1 })), { a: 7n, b: 'x', c: 1n })
  assert.deepEqual(rowOf(table, envelope(schema, { a: null, b: null })), { a: 7n, b: 'x' })
  assert.deepEqual(rowOf(table, envelope(schema, { a: 1, b: 'y' })), { a: 1n, b: 'y' })
})

test("a field the record's schema does not name does not exist", () => {
  const schema = struct([{ field: 'a', type: 'int32' }])
  assert.deepEqual(
    rowOf({ columns: [nullable('a', 'INT64'), nullable('b', 'STRING')] }, envelope(schema, { a: 1, b: 'x', z: {} })),
    { a: 1n },
  )
})

test("a value that is not of the schema's type is refused by the converter", () => {
  const table = { columns: [nullable('a', 'INT64')] }
  const schema = struct([{ field: 'a', type: 'int16', optional: true }])
  for (const value of ['5', true, 1.5, 32_768, [1], {}] as Json[]) {
    assert.equal(refusalOf(table, envelope(schema, { a: value })).column, 'a')
  }
  assert.match(refusalOf(table, envelope(schema, { a: 32_768 })).message, /Field a: a number beyond int16/)
})

test('a required field that is null or absent is refused with Connect’s words', () => {
  const table = { columns: [nullable('a', 'INT64')] }
  const schema = struct([{ field: 'a', type: 'int64' }])
  for (const payload of [{}, { a: null }]) {
    const refusal = refusalOf(table, envelope(schema, payload))
    assert.equal(refusal.stage, 'VALUE_CONVERTER')
    assert.match(refusal.message, /invalid null value for required INT64 field/)
  }
})

test('a record without the envelope is refused with the message people search for', () => {
  const table = { columns: [nullable('a', 'INT64')] }
  const schema = struct([{ field: 'a', type: 'int64' }])
  const others = [{ a: 1 }, { schema }, { schema, payload: { a: 1 }, more: 1 }, [1], 5]
  for (const other of others) {
    const refusal = refusalOf(table, Buffer.from(JSON.stringify(other)))
    assert.equal(refusal.stage, 'VALUE_CONVERTER')
    assert.match(refusal.message, /JsonConverter with schemas\.enable requires "schema" and "payload" fields/)
  }
})

test('more members after the payload are refused also when the prefix is known', () => {
  const table = { columns: [nullable('a', 'INT64')] }
  const text = JSON.stringify({ schema: struct([{ field: 'a', type: 'int64' }]), payload: { a: 1 } })
  const encoder = encoderFor(table)
  const out = new RowBuffer(4096)
  for (const [record, ok] of [
    [text, true],
    [text, true],
    [`${text.slice(0, -1)},"x":1}`, false],
    [`${text} x`, false],
    [text, true],
  ] as const) {
    const bytes = Buffer.from(record)
    assert.equal(encoder.encode(bytes, 0, bytes.length, out) >= 0, ok, record)
  }
})

test('a payload before its schema is read, and teaches nothing about records without one', () => {
  const table = { columns: [nullable('a', 'INT64')] }
  const encoder = encoderFor(table)
  const out = new RowBuffer(4096)
  const encode = (text: string): number => encoder.encode(Buffer.from(text), 0, Buffer.byteLength(text), out)
  const schema = JSON.stringify(struct([{ field: 'a', type: 'int64' }]))
  assert.ok(encode(`{"payload":{"a":1},"schema":${schema}}`) > 0)
  assert.equal(encode('{"payload":{"a":1}}'), BAD_RECORD)
  assert.ok(encode(`{"payload":{"a":2},"schema":${schema}}`) > 0)
})

test('a null payload is a tombstone where the schema allows null', () => {
  const table = { columns: [nullable('a', 'INT64')] }
  const encoder = encoderFor(table)
  const out = new RowBuffer(4096)
  const encode = (schema: Json): number => {
    const record = envelope(schema, null)
    return encoder.encode(record, 0, record.length, out)
  }
  assert.equal(encode(null), TOMBSTONE)
  assert.equal(encode(struct([], { optional: true })), TOMBSTONE)
  assert.equal(encode(struct([])), BAD_RECORD)
  assert.equal(out.byteLength, 0)
})

test('a null schema means a schemaless payload', () => {
  assert.deepEqual(rowOf({ columns: [nullable('a', 'INT64')] }, envelope(null, { A: '5' })), { a: 5n })
})

test('a record schema that cannot be used refuses its records and no others', () => {
  const table = { columns: [nullable('a', 'INT64')] }
  const good = envelope(struct([{ field: 'a', type: 'int64' }]), { a: 1 })
  const encoder = encoderFor(table)
  const out = new RowBuffer(4096)
  for (const schema of [
    5,
    {},
    { type: 'int32' },
    { type: 'struct' },
    { type: 'decimal' },
    { type: 'struct', fields: [{ type: 'int8' }] },
  ] as Json[]) {
    const bad = envelope(schema, { a: 1 })
    assert.equal(encoder.encode(bad, 0, bad.length, out), BAD_RECORD)
    assert.ok(encoder.encode(good, 0, good.length, out) >= 0)
  }
})

test('a Decimal is read from base64 of any length, from numbers, and refused when it is neither', () => {
  const schema = struct([
    { field: 'a', type: 'bytes', name: 'org.apache.kafka.connect.data.Decimal', parameters: { scale: '2' } },
  ])
  const numeric = { columns: [nullable('a', 'NUMERIC')] }
  const unscaled = (value: Json): bigint => littleEndian(rowOf(numeric, envelope(schema, { a: value })).a as Buffer)
  for (const text of [
    '00',
    '7f',
    'ff',
    '80',
    '0100',
    'ff00',
    '7fffffffffff',
    '800000000000',
    '00ffffffffffffff',
    '8000000000000000',
  ]) {
    const expected = BigInt.asIntN(text.length * 4, BigInt(`0x${text}`))
    assert.equal(unscaled(Buffer.from(text, 'hex').toString('base64')), expected * 10n ** 7n, text)
    assert.equal(unscaled(Buffer.from(text, 'hex').toString('base64').replaceAll('=', '')), expected * 10n ** 7n, text)
    const float = rowOf(
      { columns: [nullable('a', 'FLOAT64')] },
      envelope(schema, { a: Buffer.from(text, 'hex').toString('base64') }),
    )
    assert.equal(float.a, Number(`${expected}e-2`), text)
  }
  assert.equal(unscaled(12.34), 12_340_000_000n)
  for (const value of ['AAAAA', 'A', 'AA=', 'AAA==', '!', true, Buffer.alloc(1000, 1).toString('base64')] as Json[]) {
    assert.equal(refusalOf(numeric, envelope(schema, { a: value })).column, 'a')
  }
})

test('a source type with no way into its column is refused by both names', () => {
  const schema = struct([{ field: 'a', type: 'bytes', optional: true }])
  const table = { columns: [nullable('a', 'INT64')] }
  assert.match(refusalOf(table, envelope(schema, { a: 'AA==' })).message, /Column a \(INT64\): a bytes cannot go there/)
  assert.deepEqual(rowOf(table, envelope(schema, { a: null })), {})
})

test('a table can be derived with nullable columns, sanitized names and each handling of decimals', () => {
  const decimal = { type: 'bytes', name: 'org.apache.kafka.connect.data.Decimal', parameters: { scale: '2' } }
  const record = envelope(
    struct([
      { field: 'a-b', ...decimal },
      { field: '1st', ...(struct([]) as object) },
    ]),
    {},
  )
  const column = (options: Partial<DeriveOptions>): Column =>
    deriveTableSchema(record, { ...derive, ...options })!.columns[0]!
  assert.deepEqual(column({ sanitizeFieldNames: true }), { name: 'a_b', type: 'NUMERIC', mode: 'REQUIRED' })
  assert.deepEqual(column({ allBQFieldsNullable: true }), { name: 'a-b', type: 'NUMERIC', mode: 'NULLABLE' })
  assert.equal(column({ decimalHandlingMode: 'FLOAT' }).type, 'FLOAT64')
  assert.equal(column({ decimalHandlingMode: 'BIGNUMERIC' }).type, 'BIGNUMERIC')
  assert.equal(deriveTableSchema(record, derive)!.columns.length, 1)
  assert.equal(deriveTableSchema(envelope(null, {}), derive), null)
})

// ── Random schemas ──────────────────────────────────────────────────────────────────────────────────────────────────

const BASE = ['int8', 'int16', 'int32', 'int64', 'float', 'double', 'boolean', 'string', 'bytes'] as const
const LOGICAL: readonly { type: string; name: string; parameters?: { scale: string } }[] = [
  { type: 'bytes', name: 'org.apache.kafka.connect.data.Decimal', parameters: { scale: '3' } },
  { type: 'int32', name: 'org.apache.kafka.connect.data.Date' },
  { type: 'int32', name: 'org.apache.kafka.connect.data.Time' },
  { type: 'int64', name: 'org.apache.kafka.connect.data.Timestamp' },
  { type: 'int64', name: 'io.debezium.time.MicroTime' },
  { type: 'int64', name: 'io.debezium.time.MicroTimestamp' },
  { type: 'int64', name: 'io.debezium.time.NanoTimestamp' },
  { type: 'string', name: 'io.debezium.time.ZonedTimestamp' },
]
const COLUMN_TYPES: readonly Column['type'][] = [
  'BOOL',
  'INT64',
  'FLOAT64',
  'NUMERIC',
  'BIGNUMERIC',
  'STRING',
  'BYTES',
  'DATE',
  'TIME',
  'DATETIME',
  'TIMESTAMP',
  'JSON',
]
const leaf: fc.Arbitrary<{ [key: string]: Json }> = fc.oneof(
  fc.constantFrom(...BASE).map(type => ({ type })),
  fc.constantFrom(...LOGICAL).map(logical => ({ ...logical })),
)
const member = fc.oneof(
  { weight: 6, arbitrary: leaf },
  leaf.map(items => ({ type: 'array', items })),
  leaf.map(values => ({ type: 'map', keys: { type: 'string' }, values })),
  fc
    .array(leaf, { minLength: 1, maxLength: 3 })
    .map(fields => ({ type: 'struct', fields: fields.map((field, i) => ({ ...field, field: `n${i}` })) })),
) as fc.Arbitrary<{ [key: string]: Json }>

const scalar: fc.Arbitrary<Json> = fc.oneof(
  fc.integer(),
  fc.integer({ min: -200, max: 200 }),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.string({ maxLength: 12 }),
  fc.uint8Array({ maxLength: 9 }).map(bytes => Buffer.from(bytes).toString('base64')),
  fc.constantFrom<Json>(null, 'NaN', '2024-01-01T00:00:00Z', 86_399_999, 9_000_000_000_001, 1e15),
)

function payloadFor(schema: { [key: string]: Json }): fc.Arbitrary<Json> {
  switch (schema.type) {
    case 'array':
      return fc.array(payloadFor(schema.items as { [key: string]: Json }), { maxLength: 3 })
    case 'map':
      return fc.dictionary(fc.string({ maxLength: 3 }), payloadFor(schema.values as { [key: string]: Json }), {
        maxKeys: 3,
      })
    case 'struct':
      return fc.record(
        Object.fromEntries(
          (schema.fields as { [key: string]: Json }[]).map(field => [field.field as string, payloadFor(field)]),
        ),
      ) as fc.Arbitrary<Json>
    case 'boolean':
      return fc.oneof({ weight: 9, arbitrary: fc.boolean() }, scalar)
    case 'string':
      return fc.oneof(
        { weight: 9, arbitrary: fc.string({ maxLength: 12 }) },
        fc.constant('2024-01-01T00:00:00Z'),
        scalar,
      )
    case 'bytes':
      return fc.oneof(
        { weight: 9, arbitrary: fc.uint8Array({ maxLength: 9 }).map(bytes => Buffer.from(bytes).toString('base64')) },
        scalar,
      )
    case 'float':
    case 'double':
      return fc.oneof({ weight: 9, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }) }, scalar)
    default:
      return fc.oneof({ weight: 9, arbitrary: fc.integer({ min: -128, max: 127 }) }, fc.maxSafeInteger(), scalar)
  }
}

const cases = fc
  .uniqueArray(
    fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), member, fc.boolean(), fc.option(fc.constantFrom(...COLUMN_TYPES))),
    {
      minLength: 1,
      maxLength: 4,
      selector: ([name]) => name,
    },
  )
  .chain(fields => {
    const schema = struct(fields.map(([field, type, optional]) => ({ ...type, field, optional })))
    const payload = payloadFor(schema as { [key: string]: Json })
    return fc.record({
      fields: fc.constant(fields),
      schema: fc.constant(schema),
      payloads: fc.array(payload, { minLength: 1, maxLength: 5 }),
    })
  })

test('with a schema, too, the transcoder and the general path give the same bytes and the same verdicts', () => {
  fc.assert(
    fc.property(cases, ({ fields, schema, payloads }) => {
      const derived = deriveTableSchema(envelope(schema, {}), derive)!
      const columns = derived.columns.map((column, i) => {
        const other = fields[i]?.[3]
        return other == null ? column : { ...column, type: other, mode: 'NULLABLE' as const }
      })
      const setup = { tableSchema: { columns }, writerSchema: writerSchemaFor({ columns }), options: strict }
      const records = [...payloads, ...payloads].map(payload => envelope(schema, payload))
      assert.deepEqual(
        outcomes(compileEnvelopeEncoder(setup), records),
        outcomes(compileGeneralEnvelopeEncoder(setup), records),
      )
    }),
    { numRuns: Number(process.env.MILLRACE_TEST_RUNS ?? 700) },
  )
})

function outcomes(encoder: RowEncoder, records: readonly Buffer[]): string[] {
  const out = new RowBuffer(2048)
  return records.map(record => {
    const before = out.end
    const length = encoder.encode(record, 0, record.length, out)
    return `${length} ${out.bytes.toString('hex', before, out.end)}`
  })
}
