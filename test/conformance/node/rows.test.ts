// write-api.md §6, "Rows", through Google's Node clients: what goes in by AppendRows comes out of the BigQuery client's query.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { managedwriter } from '@google-cloud/bigquery-storage'
import { PreciseDate } from '@google-cloud/precise-date'
import { status } from '@grpc/grpc-js'
import { DATASET, type Field } from '../support/emulator.ts'
import { message } from './descriptors.ts'
import {
  accepted,
  answer,
  createStream,
  type Descriptor,
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

/** Writes the rows to the default stream of a new table with these columns, and reads them back. */
async function roundTrip(fields: readonly Field[], descriptor: Descriptor | undefined, written: readonly object[]) {
  const table = await google.createTable(fields)
  const { writer } = await openWriter(google.client, `${table.parent}/streams/_default`, descriptor ?? table.descriptor)
  await accepted(writer.appendRows(written as never))
  writer.close()
  return google.query(`SELECT * FROM ${table.sql}`)
}

/** A value as the client shows it: dates and times are objects with the text inside. */
function shown(seen: Readonly<Record<string, unknown>> | undefined, key: string): string {
  const value = seen?.[key]
  return typeof value === 'object' && value !== null && 'value' in value ? String(value.value) : String(value)
}

async function openCommitted(fields: readonly Field[], descriptor?: Descriptor, more: object = {}) {
  const table = await google.createTable(fields)
  const streamId = await createStream(google.client, table)
  const { connection, writer } = await openWriter(google.client, streamId, descriptor ?? table.descriptor, more)
  return { table, streamId, connection, writer }
}

test('case 29: all bad rows are named in the service’s words, none is written, and good ones follow', async () => {
  const { table, writer } = await openCommitted([
    { name: 'foo', type: 'STRING', maxLength: '10' },
    { name: 'bar', type: 'TIMESTAMP' },
  ])
  const response = await answer(
    writer.appendRows(
      [{ foo: 'aaabbbcccddd' }, { foo: 'a', bar: '-9223372036854775808' }, { foo: 'aaabbbcccdddeee' }],
      0,
    ),
  )
  assert.equal(response.error?.code, status.INVALID_ARGUMENT)
  assert.match(
    response.error?.message ?? '',
    /^Errors found while processing rows\. Please refer to the row_errors field for details\./,
  )
  assert.deepEqual(
    response.rowErrors?.map(({ index, code, message: text }) => [Number(index), code, text]),
    [
      [0, 'FIELDS_ERROR', 'Field foo: STRING(10) has maximum length 10 but got a value with length 12 on field foo.'],
      [1, 'FIELDS_ERROR', 'Timestamp field value is out of range: -9223372036854775808 on field bar.'],
      [2, 'FIELDS_ERROR', 'Field foo: STRING(10) has maximum length 10 but got a value with length 15 on field foo.'],
    ],
  )
  assert.equal(await google.count(table), 0)
  assert.equal(await offsetOf(writer.appendRows([{ foo: 'aaa' }, { foo: 'bbb' }, { foo: 'ccc' }], 0)), 0)
  assert.equal(await google.count(table), 3)
  writer.close()
})

test('case 30: one bad row refuses its batch, and the good ones fit at the same offset', async () => {
  const { table, writer } = await openCommitted([{ name: 'foo', type: 'STRING', maxLength: '3' }])
  const response = await answer(writer.appendRows([{ foo: 'ok' }, { foo: 'too long' }, { foo: 'ok' }], 0))
  assert.deepEqual(
    response.rowErrors?.map(({ index }) => Number(index)),
    [1],
  )
  assert.equal(await google.count(table), 0)
  assert.equal(await offsetOf(writer.appendRows([{ foo: 'ok' }, { foo: 'ok' }], 0)), 0)
  writer.close()
})

test('case 31: a row without a REQUIRED field is refused in the response', async () => {
  const nameOnly = message('root', ['required string customer_name = 1'])
  const { table, writer } = await openCommitted(FIELDS, nameOnly)
  const error = await refused(writer.appendRows([{ customer_name: 'Test' }], 0))
  assert.equal(error.code, status.INVALID_ARGUMENT)
  assert.equal(error.message?.split('.')[0], 'Errors found while processing rows')
  assert.equal(await google.count(table), 0)
  writer.close()
})

test('case 31: so is a row whose bytes lack the field its descriptor has', async () => {
  const { table, streamId } = await openCommitted(FIELDS)
  const connection = await google.client.createStreamConnection({ streamId })
  const writer = new managedwriter.Writer({ connection, protoDescriptor: table.descriptor })
  // customer_name = "Test", no row_num.
  const serializedRows = [Buffer.from([0x0a, 4, ...Buffer.from('Test')])]
  const error = await refused(writer.appendRows({ serializedRows }, 0))
  assert.equal(error.message?.split('.')[0], 'Errors found while processing rows')
  writer.close()
})

test('case 32: a first descriptor with a column too many ends the call; parseStorageErrors tells why', async () => {
  const table = await google.createTable(FIELDS)
  const streamId = await createStream(google.client, table, 'PENDING')
  const { connection, writer } = await openWriter(google.client, streamId, table.descriptor)
  const heard = Promise.withResolvers<GoogleError>()
  connection.onConnectionError(error => heard.resolve(error as unknown as GoogleError))
  assert.equal(await offsetOf(writer.appendRows(rows(0, 2), 0)), 0)
  // The writer reconnects for the new descriptor: it is the first of its call.
  writer.setProtoDescriptor(
    message('root', ['required string customer_name = 1', 'required int64 row_num = 2', 'optional string email = 3']),
  )
  const error = await failure(writer.appendRows([{ ...row(3), email: 'test@example.com' }], 2).getResult())
  assert.equal(error.code, status.INVALID_ARGUMENT)
  const errors = parsedErrors(await inTime(heard.promise, 'the connection error'))
  assert.equal(errors.length, 1)
  assert.equal(errors[0]?.code, StorageErrorCode.SCHEMA_MISMATCH_EXTRA_FIELDS)
  assert.equal(errors[0]?.errorMessage, 'Schema mismatch due to extra fields in user schema')
  assert.equal(errors[0]?.entity, streamId)
  writer.close()
})

const DEFAULTED: readonly Field[] = [
  { name: 'id', type: 'STRING' },
  { name: 'strcol', type: 'STRING' },
  { name: 'strcol_withdef', type: 'STRING', defaultValueExpression: "'defaultvalue'" },
  { name: 'otherstr', type: 'STRING' },
  { name: 'otherstr_withdef', type: 'STRING', defaultValueExpression: "'otherdefault'" },
]
/** Lacks both otherstr columns. */
const DEFAULTED_WRITER = message('root', [
  'optional string id = 1',
  'optional string strcol = 2',
  'optional string strcol_withdef = 3',
])

test('case 33: a column the descriptor lacks gets its default, or NULL', async () => {
  const [seen] = await roundTrip(DEFAULTED, DEFAULTED_WRITER, [{ id: 'a' }])
  assert.deepEqual(seen, {
    id: 'a',
    strcol: null,
    strcol_withdef: null,
    otherstr: null,
    otherstr_withdef: 'otherdefault',
  })
})

test('case 34: a column the row lacks is NULL, or what the missing-value interpretations say', async () => {
  const { table, writer } = await openCommitted(DEFAULTED, DEFAULTED_WRITER)
  await accepted(writer.appendRows([{ id: '1 nothing said' }]))
  writer.setDefaultMissingValueInterpretation('DEFAULT_VALUE')
  await accepted(writer.appendRows([{ id: '2 default for all' }]))
  writer.setMissingValueInterpretations({ strcol_withdef: 'NULL_VALUE' })
  await accepted(writer.appendRows([{ id: '3 null for one' }]))
  // The map held for its request only; the default stays on the connection though this request does not repeat it.
  writer.setMissingValueInterpretations(undefined as never)
  writer.setDefaultMissingValueInterpretation(undefined as never)
  await accepted(writer.appendRows([{ id: '4 default is sticky' }]))
  writer.setDefaultMissingValueInterpretation('NULL_VALUE')
  writer.setMissingValueInterpretations({ strcol_withdef: 'DEFAULT_VALUE' })
  await accepted(writer.appendRows([{ id: '5 default for one' }]))
  const seen = await google.query(`SELECT id, strcol, strcol_withdef, otherstr_withdef FROM ${table.sql} ORDER BY id`)
  assert.deepEqual(
    seen.map(one => [one['strcol'], one['strcol_withdef'], one['otherstr_withdef']]),
    [
      [null, null, 'otherdefault'],
      [null, 'defaultvalue', 'otherdefault'],
      [null, null, 'otherdefault'],
      [null, 'defaultvalue', 'otherdefault'],
      [null, 'defaultvalue', 'otherdefault'],
    ],
  )
  writer.close()
})

test('case 35: REQUIRED columns, generated ids and times are filled by their defaults', async () => {
  const table = await google.createTable([
    ...FIELDS,
    { name: 'id', type: 'STRING', mode: 'REQUIRED', defaultValueExpression: 'GENERATE_UUID()' },
    { name: 'created_at', type: 'TIMESTAMP', defaultValueExpression: 'CURRENT_TIMESTAMP()' },
    { name: 'updated_at', type: 'TIMESTAMP', defaultValueExpression: 'CURRENT_TIMESTAMP()' },
  ])
  const streamId = await createStream(google.client, table, 'PENDING')
  const { connection, writer } = await openWriter(google.client, streamId, table.descriptor, {
    defaultMissingValueInterpretation: 'DEFAULT_VALUE',
    missingValueInterpretations: { updated_at: 'NULL_VALUE' },
  })
  assert.equal(await offsetOf(writer.appendRows(rows(1, 2), 0)), 0)
  writer.setDefaultMissingValueInterpretation('NULL_VALUE')
  writer.setMissingValueInterpretations({ id: 'DEFAULT_VALUE', updated_at: 'DEFAULT_VALUE' })
  assert.equal(await offsetOf(writer.appendRows(rows(3, 2), 2)), 2)
  assert.equal(Number((await connection.finalize())?.rowCount), 4)
  const { streamErrors } = await google.client.batchCommitWriteStream({
    parent: table.parent,
    writeStreams: [streamId],
  })
  assert.deepEqual(streamErrors, [])
  const seen = await google.query(`SELECT * FROM ${table.sql} ORDER BY row_num`)
  assert.deepEqual(
    seen.map(one => [one['created_at'] !== null, one['updated_at'] !== null]),
    [
      [true, false],
      [true, false],
      [false, true],
      [false, true],
    ],
  )
  const ids = seen.map(one => String(one['id']))
  assert.equal(new Set(ids).size, 4)
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
})

test('case 36: every scalar type of proto is stored exactly', async () => {
  const integers = ['int32', 'int64', 'uint32', 'sint32', 'sint64', 'fixed32', 'sfixed32', 'sfixed64']
  const columns: readonly Field[] = [
    ...integers.map(name => ({ name: `${name}_col`, type: 'INTEGER' })),
    { name: 'enum_col', type: 'INTEGER' },
    { name: 'enum_name_col', type: 'STRING' },
    { name: 'double_col', type: 'FLOAT' },
    { name: 'float_col', type: 'FLOAT' },
    { name: 'inf_col', type: 'FLOAT' },
    { name: 'bool_col', type: 'BOOLEAN' },
    { name: 'bool_from_int_col', type: 'BOOLEAN' },
    { name: 'bytes_col', type: 'BYTES' },
    { name: 'string_col', type: 'STRING' },
    { name: 'packed_col', type: 'INTEGER', mode: 'REPEATED' },
  ]
  const descriptor = message(
    'root',
    [
      ...integers.map((type, i) => `optional ${type} ${type}_col = ${i + 1}`),
      'optional enum Color enum_col = 20',
      'optional enum Color enum_name_col = 21',
      'optional double double_col = 22',
      'optional float float_col = 23',
      'optional double inf_col = 24',
      'optional bool bool_col = 25',
      'optional int32 bool_from_int_col = 26',
      'optional bytes bytes_col = 27',
      'optional string string_col = 28',
      'repeated int64 packed_col = 29',
    ],
    [],
    { Color: ['RED', 'GREEN', 'BLUE'] },
  )
  const values = {
    int32_col: -2_147_483_648,
    int64_col: '-9007199254740991',
    uint32_col: 4_294_967_295,
    sint32_col: -7,
    sint64_col: '-9007199254740990',
    fixed32_col: 4_000_000_000,
    sfixed32_col: -12,
    sfixed64_col: '9007199254740989',
    enum_col: 2,
    enum_name_col: 1,
    double_col: -1.0000000000000002,
    float_col: 0.5,
    inf_col: Number.POSITIVE_INFINITY,
    bool_col: true,
    bool_from_int_col: 5,
    bytes_col: Buffer.from([0, 1, 255]),
    string_col: 'naïve 🦉',
    packed_col: ['1', '-2', '3'],
  }
  const [seen] = await roundTrip(columns, descriptor, [values])
  assert.deepEqual(
    { ...seen, inf_col: Number(seen?.['inf_col']) },
    {
      ...values,
      int64_col: -9007199254740991,
      sint64_col: -9007199254740990,
      sfixed64_col: 9007199254740989,
      enum_name_col: 'GREEN',
      bool_from_int_col: true,
      packed_col: [1, -2, 3],
    },
  )
})

test('case 36: uint64 does not fit INTEGER', async () => {
  const descriptor = message('root', ['optional uint64 n = 1'])
  const { connection, writer } = await openCommitted([{ name: 'n', type: 'INTEGER' }], descriptor)
  connection.onConnectionError(() => {})
  const code = await refused(writer.appendRows([{ n: 1 }], 0)).then(
    error => error.code,
    (error: GoogleError) => error.code,
  )
  assert.equal(code, status.INVALID_ARGUMENT)
  writer.close()
})

/** As the Java and Go clients write it: little-endian two's complement of the unscaled integer, as short as it can be. */
function numericBytes(unscaled: bigint): Buffer {
  const bytes: number[] = []
  let rest = unscaled
  do {
    bytes.push(Number(BigInt.asUintN(8, rest)))
    rest >>= 8n
  } while (!(rest === 0n && bytes.at(-1)! < 128) && !(rest === -1n && bytes.at(-1)! >= 128))
  return Buffer.from(bytes)
}

test('case 37: NUMERIC as bytes and packed DATETIME and TIME are read back exactly', async () => {
  const columns: readonly Field[] = [
    { name: 'numbers', type: 'NUMERIC', mode: 'REPEATED' },
    { name: 'big', type: 'BIGNUMERIC' },
    { name: 'at', type: 'DATETIME' },
    { name: 'clock', type: 'TIME' },
  ]
  const descriptor = message('root', [
    'repeated bytes numbers = 1',
    'optional bytes big = 2',
    'optional int64 at = 3',
    'optional int64 clock = 4',
  ])
  const at = (((2020n << 26n) + (10n << 22n) + (1n << 17n) + (12n << 12n)) << 20n).toString()
  const clock = (((23n << 12n) + (59n << 6n) + 58n) << 20n) + 123_456n
  const written = {
    numbers: [numericBytes(123_400_000_000n), numericBytes(-9_000_000_000_000_000n)],
    big: numericBytes(5n * 10n ** 37n),
    at,
    clock: clock.toString(),
  }
  const [seen] = await roundTrip(columns, descriptor, [written])
  assert.deepEqual((seen?.['numbers'] as readonly unknown[] | undefined)?.map(String), ['123.4', '-9000000'])
  assert.equal(String(seen?.['big']), '0.5')
  assert.equal(shown(seen, 'at'), '2020-10-01T12:00:00')
  assert.equal(shown(seen, 'clock'), '23:59:58.123456')
})

test('what Google’s adapter makes of every type is read back as it was', async () => {
  const columns: readonly Field[] = [
    { name: 's', type: 'STRING' },
    { name: 'by', type: 'BYTES' },
    { name: 'i', type: 'INTEGER' },
    { name: 'f', type: 'FLOAT' },
    { name: 'n', type: 'NUMERIC' },
    { name: 'bn', type: 'BIGNUMERIC' },
    { name: 'b', type: 'BOOLEAN' },
    { name: 'd', type: 'DATE' },
    { name: 't', type: 'TIME' },
    { name: 'dt', type: 'DATETIME' },
    { name: 'ts', type: 'TIMESTAMP' },
    { name: 'j', type: 'JSON' },
    { name: 'g', type: 'GEOGRAPHY' },
    { name: 'span', type: 'RANGE', rangeElementType: { type: 'DATE' } },
    { name: 'r', type: 'RECORD', fields: [{ name: 'x', type: 'INTEGER' }] },
    { name: 'rr', type: 'RECORD', mode: 'REPEATED', fields: [{ name: 'y', type: 'STRING' }] },
  ]
  const [seen] = await roundTrip(columns, undefined, [
    {
      s: 'é',
      by: Buffer.from('bytes'),
      i: 42,
      f: 1.5,
      n: '1234567890.123456789',
      bn: '0.00000000000000000000000000000000000001',
      b: true,
      d: 18_536,
      t: '12:34:56.5',
      dt: new Date('2020-10-01T12:00:00.250Z'),
      ts: new Date('2022-02-02T01:02:03.004Z'),
      j: JSON.stringify({ a: [1, null] }),
      g: 'POINT(1 2)',
      span: { start: 18_536 },
      r: { x: 7 },
      rr: [{ y: 'one' }, { y: 'two' }],
    },
  ])
  assert.deepEqual(
    [seen?.['s'], seen?.['by'], seen?.['i'], seen?.['f'], seen?.['b'], seen?.['r'], seen?.['rr']],
    ['é', Buffer.from('bytes'), 42, 1.5, true, { x: 7 }, [{ y: 'one' }, { y: 'two' }]],
  )
  assert.equal(shown(seen, 'n'), '1234567890.123456789')
  assert.equal(Number(shown(seen, 'bn')), 1e-38)
  assert.equal(shown(seen, 'd'), '2020-10-01')
  assert.match(shown(seen, 't'), /^12:34:56\.50*$/)
  assert.match(shown(seen, 'dt'), /^2020-10-01T12:00:00\.250*$/)
  assert.equal(shown(seen, 'ts'), '2022-02-02T01:02:03.004Z')
  assert.deepEqual(JSON.parse(shown(seen, 'j')), { a: [1, null] })
  assert.match(shown(seen, 'g'), /^POINT ?\(1 2\)$/)
  assert.equal((seen?.['span'] as { apiValue: string } | undefined)?.apiValue, '[2020-10-01, UNBOUNDED)')
})

test('case 38: google.protobuf.Timestamp, flattened, becomes a TIMESTAMP', async () => {
  const descriptor = message(
    'root',
    ['optional google_protobuf_Timestamp at = 1'],
    [message('google_protobuf_Timestamp', ['optional int64 seconds = 1', 'optional int32 nanos = 2'])],
  )
  const [seen] = await roundTrip([{ name: 'at', type: 'TIMESTAMP' }], descriptor, [
    { at: { seconds: '1643763723', nanos: 4_005_000 } },
  ])
  assert.match(shown(seen, 'at'), /^2022-02-02T01:02:03\.004005(000)?Z$/)
})

test('case 39: a string is parsed into TIMESTAMP as UTC', async () => {
  const [seen] = await roundTrip([{ name: 'at', type: 'TIMESTAMP' }], message('root', ['optional string at = 1']), [
    { at: '2022-02-02 01:02:03' },
  ])
  assert.equal(shown(seen, 'at'), '2022-02-02T01:02:03.000Z')
})

test('case 40: a field in lower case finds its column in mixed case', async () => {
  const [seen] = await roundTrip(
    [{ name: 'FooBar', type: 'STRING' }],
    message('root', ['optional string foobar = 1']),
    [{ foobar: 'found' }],
  )
  assert.deepEqual(seen, { FooBar: 'found' })
})

test('case 41: wrappers are the scalars they wrap, repeated ones too', async () => {
  const wrapper = (name: string, type: string) => message(`google_protobuf_${name}`, [`optional ${type} value = 1`])
  const descriptor = message(
    'root',
    ['optional google_protobuf_Int64Value n = 1', 'repeated google_protobuf_StringValue words = 2'],
    [wrapper('Int64Value', 'int64'), wrapper('StringValue', 'string')],
  )
  const columns: readonly Field[] = [
    { name: 'n', type: 'INTEGER' },
    { name: 'words', type: 'STRING', mode: 'REPEATED' },
  ]
  const seen = await roundTrip(columns, descriptor, [
    { n: { value: 7 }, words: [{ value: 'a' }, { value: 'b' }] },
    { words: [] },
  ])
  assert.deepEqual(seen, [
    { n: 7, words: ['a', 'b'] },
    { n: null, words: [] },
  ])
})

test('case 42: a RANGE without an end is unbounded', async () => {
  const columns: readonly Field[] = [{ name: 'span', type: 'RANGE', rangeElementType: { type: 'DATE' } }]
  const table = await google.createTable(columns)
  const { writer } = await openWriter(google.client, `${table.parent}/streams/_default`, table.descriptor)
  await accepted(writer.appendRows([{ span: { start: 18_536 } }, { span: { start: 18_536, end: 18_537 } }] as never))
  const [seen] = await google.query(
    `SELECT COUNTIF(RANGE_END(span) IS NULL) AS open, COUNTIF(RANGE_START(span) = DATE '2020-10-01') AS started FROM ${table.sql}`,
  )
  assert.deepEqual(seen, { open: 1, started: 2 })
  writer.close()
})

test('INTERVAL, which the adapter does not know, is read back from a string and from a Duration', async () => {
  const duration = message('google_protobuf_Duration', ['optional int64 seconds = 1', 'optional int32 nanos = 2'])
  const descriptor = message('root', ['optional string a = 1', 'optional google_protobuf_Duration b = 2'], [duration])
  const columns: readonly Field[] = [
    { name: 'a', type: 'INTERVAL' },
    { name: 'b', type: 'INTERVAL' },
  ]
  const written = { a: '1-2 3 4:5:6.7', b: { seconds: '3661', nanos: 500_000_000 } }
  const [seen] = await roundTrip(columns, descriptor, [written])
  assert.deepEqual([shown(seen, 'a'), shown(seen, 'b')], ['1-2 3 4:5:6.700', '0-0 0 1:1:1.500'])
})

test('TIMESTAMP of twelve digits is read back as it was written', async () => {
  const fields: readonly Field[] = [{ name: 'at', type: 'TIMESTAMP', timestampPrecision: '12' }]
  const table = await google.createTable(fields)
  const { writer } = await openWriter(google.client, `${table.parent}/streams/_default`, table.descriptor)
  const at = '2023-01-01T12:00:00.123456789123Z'
  await accepted(writer.appendRows([{ at }]))
  const read = new Promise<{ rows: readonly { f: readonly { v: unknown }[] }[] }>((resolve, reject) => {
    const options = { uri: '/data', qs: { 'formatOptions.timestampOutputFormat': 'ISO8601_STRING' } }
    google.bigquery
      .dataset(DATASET)
      .table(table.id)
      .request(options, (error, body) => (error ? reject(error) : resolve(body)))
  })
  assert.deepEqual((await inTime(read, 'the rows')).rows[0]?.f[0]?.v, at)
  writer.close()
})

test('Date and PreciseDate are what Google’s encoder makes of them', async () => {
  const columns: readonly Field[] = [
    { name: 'd', type: 'DATE' },
    { name: 'dt', type: 'DATETIME' },
    { name: 'ts', type: 'TIMESTAMP' },
    { name: 'n', type: 'NUMERIC' },
  ]
  const at = new PreciseDate('2022-02-02T01:02:03.004005Z')
  const [seen] = await roundTrip(columns, undefined, [
    { d: new Date('2020-10-01T00:00:00Z'), dt: new Date('2022-02-02T01:02:03.004Z'), ts: at, n: 123n },
  ])
  assert.equal(shown(seen, 'd'), '2020-10-01')
  assert.match(shown(seen, 'dt'), /^2022-02-02T01:02:03\.0040*$/)
  assert.match(shown(seen, 'ts'), /^2022-02-02T01:02:03\.004005/)
  assert.equal(String(seen?.['n']), '123')
})

test('flexible column names travel as annotations', async () => {
  const columns: readonly Field[] = [
    { name: '特別コラム', type: 'INTEGER', mode: 'REQUIRED' },
    { name: 'second', type: 'STRING', mode: 'REQUIRED' },
    { name: 'third-column', type: 'STRING', mode: 'REQUIRED' },
  ]
  const written = [
    { 特別コラム: 1, second: 'second_value', 'third-column': 'another_value' },
    { 特別コラム: 2, second: 'another_one', 'third-column': 'yet_another' },
  ]
  assert.deepEqual(await roundTrip(columns, undefined, written), written)
})

test('a default value in the descriptor stands for what the row lacks', async () => {
  const descriptor = message('root', ['optional int64 n = 1 default 42', 'optional string s = 2 default hello'])
  const columns: readonly Field[] = [
    { name: 'n', type: 'INTEGER' },
    { name: 's', type: 'STRING' },
  ]
  const table: Table = await google.createTable(columns)
  const connection = await google.client.createStreamConnection({ streamId: `${table.parent}/streams/_default` })
  const writer = new managedwriter.Writer({ connection, protoDescriptor: descriptor })
  await accepted(writer.appendRows({ serializedRows: [Buffer.from([0x08, 7]), Buffer.alloc(0)] }))
  assert.deepEqual(await google.query(`SELECT * FROM ${table.sql} ORDER BY n`), [
    { n: 7, s: 'hello' },
    { n: 42, s: 'hello' },
  ])
  writer.close()
})
