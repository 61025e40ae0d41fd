// Every conversion of the README's table: the JSON token, the column, the value BigQuery would read, or the refusal.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Column, ColumnType, TableSchema } from '@millrace/core'
import fc from 'fast-check'
import {
  BAD_RECORD,
  compileJsonEncoder,
  type Refusal,
  RowBuffer,
  type RowEncoder,
  type RowOptions,
  rowsOf,
  TOMBSTONE,
  writerSchemaFor,
} from '../src/index.ts'
import { type Decoded, type DecodedValue, decodeRow, littleEndian } from './support/proto-reader.ts'

const strict: RowOptions = { ignoreUnknownFields: false, sanitizeFieldNames: false }
const column = (type: ColumnType, more: Partial<Column> = {}): Column => ({
  name: 'v',
  type,
  mode: 'NULLABLE',
  ...more,
})

function encoderFor(table: TableSchema, options: RowOptions): RowEncoder {
  return compileJsonEncoder({ tableSchema: table, writerSchema: writerSchemaFor(table), options })
}

function rowOf(columns: readonly Column[], json: string | Buffer, options = strict): Decoded {
  const encoder = encoderFor({ columns }, options)
  const out = new RowBuffer(4096)
  const record = Buffer.from(json)
  const length = encoder.encode(record, 0, record.length, out)
  assert.ok(length >= 0, `refused: ${JSON.stringify(encoder.lastError)}`)
  const [row] = [...rowsOf(out.freeze())]
  assert.equal(row!.length, length)
  return decodeRow(row!, writerSchemaFor({ columns }))
}

function refusalOf(columns: readonly Column[], json: string | Buffer, options = strict): Refusal {
  const encoder = encoderFor({ columns }, options)
  const out = new RowBuffer(4096)
  const record = Buffer.from(json)
  assert.equal(encoder.encode(record, 0, record.length, out), BAD_RECORD, `accepted: ${json.slice(0, 80)}`)
  assert.equal(out.byteLength, 0)
  assert.equal(out.rowCount, 0)
  return encoder.lastError
}

/** What the table's only column holds after this JSON value; undefined = NULL. */
const storedValue = (type: ColumnType, token: string): DecodedValue | DecodedValue[] | undefined =>
  rowOf([column(type)], `{"v":${token}}`).v

function refuses(type: ColumnType, ...tokens: string[]): void {
  for (const token of tokens) {
    const refusal = refusalOf([column(type)], `{"v":${token}}`)
    assert.equal(refusal.stage, 'TASK_PUT', token.slice(0, 80))
    assert.match(refusal.message, new RegExp(`^Column v \\(${type}\\): `))
    assert.equal(refusal.column, 'v')
  }
}

test('BOOL takes true, false and their spellings in a string', () => {
  for (const token of ['true', '"true"', '"TRUE"']) assert.equal(storedValue('BOOL', token), true)
  for (const token of ['false', '"False"']) assert.equal(storedValue('BOOL', token), false)
  refuses('BOOL', '1', '0', '"yes"', '[]', '{}')
})

test('INT64 takes whole numbers exactly, far beyond 2^53', () => {
  const exact = [
    '0',
    '-0',
    '1',
    '-1',
    '127',
    '128',
    '9007199254740993',
    '-9007199254740993',
    '4294967296',
    '-4294967296',
    '1000000000000000000',
    '9223372036854775807',
    '-9223372036854775808',
    '-9223372036854775807',
    '123456789012345678',
  ]
  for (const token of exact) {
    assert.equal(storedValue('INT64', token), BigInt(token), token)
    assert.equal(storedValue('INT64', `"${token}"`), BigInt(token), token)
  }
  assert.equal(storedValue('INT64', '1.0'), 1n)
  assert.equal(storedValue('INT64', '12e2'), 1200n)
  assert.equal(storedValue('INT64', '9223372036854775807.000'), 9223372036854775807n)
  refuses(
    'INT64',
    '9223372036854775808',
    '-9223372036854775809',
    '1.5',
    '1e-1',
    '1e30',
    '"1.0"',
    '"x"',
    '""',
    'true',
    '[1]',
  )
})

test('INT64 is exact for every 64-bit value', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      value => storedValue('INT64', String(value)) === value,
    ),
    { numRuns: 300 },
  )
})

test('FLOAT64 is the nearest double of the text', () => {
  const texts = [
    '0',
    '-0',
    '1',
    '0.1',
    '123456.789',
    '1e308',
    '5e-324',
    '1e-400',
    '0.30000000000000004',
    '9007199254740993',
    '1234567890.12345',
    '179769313486231570000000000000000000000',
    '-2.5E-3',
  ]
  for (const token of texts) assert.ok(Object.is(storedValue('FLOAT64', token), Number(token)), token)
  assert.equal(storedValue('FLOAT64', '"1.5"'), 1.5)
  assert.ok(Number.isNaN(storedValue('FLOAT64', '"NaN"')))
  assert.equal(storedValue('FLOAT64', '"-Infinity"'), Number.NEGATIVE_INFINITY)
  assert.equal(storedValue('FLOAT64', '"inf"'), Number.POSITIVE_INFINITY)
  refuses('FLOAT64', '1e400', '"abc"', '""', '"0x10"', 'true')
})

test('FLOAT64 is the nearest double for random decimal text', () => {
  const text = fc.tuple(fc.integer(), fc.stringMatching(/^[0-9]{1,18}$/)).map(([a, b]) => `${a}.${b}`)
  fc.assert(
    fc.property(
      fc.oneof(
        text,
        fc.double({ noNaN: true, noDefaultInfinity: true }).map(value => JSON.stringify(value)),
      ),
      token => Object.is(storedValue('FLOAT64', token), Number(token)),
    ),
    { numRuns: 300 },
  )
})

test('NUMERIC and BIGNUMERIC are exact, as minimal little-endian two’s complement', () => {
  const unscaled = (type: ColumnType, token: string): bigint => littleEndian(storedValue(type, token) as Buffer)
  const big = '99999999999999999999999999999.999999999'
  for (const [token, expected] of [
    ['0', 0n],
    ['-0', 0n],
    ['1', 10n ** 9n],
    ['-1', -(10n ** 9n)],
    ['0.000000001', 1n],
    ['-0.000000001', -1n],
    ['0.000000255', 255n],
    ['123.45', 123_450_000_000n],
    ['1e3', 10n ** 12n],
    [big, 10n ** 38n - 1n],
    [`-${big}`, 1n - 10n ** 38n],
    ['123456789012345', 123456789012345n * 10n ** 9n],
  ] as const) {
    assert.equal(unscaled('NUMERIC', token), expected, token)
    assert.equal(unscaled('NUMERIC', `"${token}"`), expected, token)
  }
  // A number prints a double and is rounded half away from zero; a string is meant to the digit.
  assert.equal(unscaled('NUMERIC', '0.0000000005'), 1n)
  assert.equal(unscaled('NUMERIC', '-0.0000000005'), -1n)
  assert.equal(unscaled('NUMERIC', '0.00000000049'), 0n)
  assert.equal(unscaled('NUMERIC', '"1.0000000000"'), 10n ** 9n)
  refuses('NUMERIC', '"0.0000000001"', '1e29', '-1e29', '"1,5"', '"NaN"', 'true', '1e999999999999')
  assert.deepEqual(storedValue('NUMERIC', '0.000000127'), Buffer.from([0x7f]))
  assert.deepEqual(storedValue('NUMERIC', '0.000000128'), Buffer.from([0x80, 0]))
  assert.deepEqual(storedValue('NUMERIC', '-0.000000128'), Buffer.from([0x80]))
  assert.deepEqual(storedValue('NUMERIC', '-0.000000256'), Buffer.from([0, 0xff]))
  assert.equal(unscaled('BIGNUMERIC', '0.00000000000000000000000000000000000001'), 1n)
  assert.equal(
    unscaled('BIGNUMERIC', '578960446186580977117854925043439539266'),
    578960446186580977117854925043439539266n * 10n ** 38n,
  )
  refuses('BIGNUMERIC', '578960446186580977117854925043439539267', '"1e-39"')
})

test('NUMERIC is exact for random decimals', () => {
  const parts = fc.tuple(
    fc.constantFrom('', '-'),
    fc.bigInt({ min: 0n, max: 10n ** 29n - 1n }),
    fc.stringMatching(/^[0-9]{9}$/),
  )
  const small = fc.tuple(
    fc.constantFrom('', '-'),
    fc.bigInt({ min: 0n, max: 10n ** 6n }),
    fc.stringMatching(/^[0-9]{9}$/),
  )
  fc.assert(
    fc.property(fc.oneof(parts, small), ([sign, whole, fraction]) => {
      const bytes = storedValue('NUMERIC', `${sign}${whole}.${fraction}`) as Buffer
      const value = BigInt(`${whole}${fraction}`)
      assert.equal(littleEndian(bytes), sign === '-' ? -value : value)
      assert.ok(bytes.length === 1 || littleEndian(bytes.subarray(0, -1)) !== littleEndian(bytes), 'not minimal')
    }),
    { numRuns: 300 },
  )
})

test('STRING takes strings with every escape, and scalars as they are written', () => {
  assert.equal(storedValue('STRING', '"a\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\ud83d\\ude00é😀"'), 'a"\\/\b\f\n\r\tA😀é😀')
  assert.equal(storedValue('STRING', '""'), '')
  assert.equal(storedValue('STRING', '1.50'), '1.50')
  assert.equal(storedValue('STRING', 'true'), 'true')
  for (const length of [126, 127, 128, 129, 16_383, 16_384, 100_000])
    assert.equal(storedValue('STRING', JSON.stringify('x'.repeat(length))), 'x'.repeat(length))
  for (const length of [126, 127, 128, 200])
    assert.equal(storedValue('STRING', JSON.stringify('é'.repeat(length))), 'é'.repeat(length))
  refuses('STRING', '{}', '[]', '"\\ud83d"', '"\\ude00"', '"\\ud83dx"')
})

test('invalid UTF-8 in a string is refused, not replaced', () => {
  for (const bytes of [[0x80], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0xff]]) {
    const record = Buffer.concat([Buffer.from('{"v":"'), Buffer.from(bytes), Buffer.from('"}')])
    assert.match(refusalOf([column('STRING')], record).message, /not valid UTF-8/)
  }
})

test('every ill-formed UTF-8 sequence is refused, in strings that are kept, copied whole or dropped', () => {
  const illFormed = [
    [0xc1, 0xbf],
    [0xe0, 0x9f, 0xbf],
    [0xe0, 0x80, 0x80],
    [0xed, 0xbf, 0xbf],
    [0xf0, 0x8f, 0xbf, 0xbf],
    [0xf5, 0x80, 0x80, 0x80],
    [0xe1, 0x80, 0x41],
    [0xf1, 0x80, 0x80, 0x41],
    [0xc3, 0x28],
    [0xf4, 0x90, 0x80, 0x80],
  ]
  const wellFormed = [
    [0xc2, 0x80],
    [0xe0, 0xa0, 0x80],
    [0xed, 0x9f, 0xbf],
    [0xee, 0x80, 0x80],
    [0xf0, 0x90, 0x80, 0x80],
    [0xf4, 0x8f, 0xbf, 0xbf],
  ]
  const columns: Column[] = [column('STRING'), { name: 'j', type: 'JSON', mode: 'NULLABLE' }]
  const record = (place: string, bytes: number[]): Buffer => {
    const [before, after] = place.split('*') as [string, string]
    return Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)])
  }
  for (const place of ['{"v":"a*"}', '{"j":["*"]}', '{"x":"*"}', '{"*":null}']) {
    const ignoring = { ...strict, ignoreUnknownFields: true }
    for (const bytes of illFormed)
      assert.match(refusalOf(columns, record(place, bytes), ignoring).message, /not valid UTF-8/)
    for (const bytes of wellFormed) rowOf(columns, record(place, bytes), ignoring)
  }
})

test('broken JSON is refused also where its value is copied whole or dropped', () => {
  const columns: Column[] = [{ name: 'j', type: 'JSON', mode: 'NULLABLE' }]
  const ignoring = { ...strict, ignoreUnknownFields: true }
  for (const value of [
    '01',
    '-',
    '1.',
    '.5',
    '1e',
    '1e+',
    '+1',
    '[1,]',
    '[1 2]',
    '{"a":}',
    '{"a" 1}',
    '{a:1}',
    '"\\x"',
    '"\\u12g4"',
    'tru',
    'nul',
    'falsy',
    '[',
    '{',
  ]) {
    for (const json of [`{"j":${value}}`, `{"x":${value}}`, `{"j":[${value}]}`]) {
      assert.equal(refusalOf(columns, json, ignoring).stage, 'VALUE_CONVERTER', json)
    }
  }
})

test('BYTES takes base64', () => {
  assert.deepEqual(storedValue('BYTES', '"AQID"'), Buffer.from([1, 2, 3]))
  assert.deepEqual(storedValue('BYTES', '"AQ=="'), Buffer.from([1]))
  assert.deepEqual(storedValue('BYTES', '"AQI"'), Buffer.from([1, 2]))
  assert.deepEqual(storedValue('BYTES', '"\\/\\/8="'), Buffer.from([255, 255]))
  assert.deepEqual(storedValue('BYTES', '""'), Buffer.alloc(0))
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes =>
      assert.deepEqual(storedValue('BYTES', JSON.stringify(Buffer.from(bytes).toString('base64'))), Buffer.from(bytes)),
    ),
    { numRuns: 100 },
  )
  refuses('BYTES', '"A"', '"AQ="', '"A_-A"', '"AQ==AQ=="', '5', '[1,2]')
})

test('DATE takes days that exist, and days since the epoch', () => {
  for (const text of ['0001-01-01', '1969-12-31', '1970-01-01', '2000-02-29', '2024-02-29', '9999-12-31']) {
    assert.equal(storedValue('DATE', `"${text}"`), BigInt(Date.parse(`${text}T00:00:00Z`) / 86_400_000), text)
  }
  assert.equal(storedValue('DATE', '"2024-1-5"'), storedValue('DATE', '"2024-01-05"'))
  assert.equal(storedValue('DATE', '-719162'), -719_162n)
  refuses(
    'DATE',
    '"0000-01-01"',
    '"2023-02-29"',
    '"1900-02-29"',
    '"2024-13-01"',
    '"2024-04-31"',
    '"20240101"',
    '"2024-01-01T00:00:00"',
    '2932897',
    '1.5',
    'true',
  )
})

const packed = (h: number, m: number, s: number, us: number): bigint =>
  (BigInt(h) << 32n) | (BigInt(m) << 26n) | (BigInt(s) << 20n) | BigInt(us)
const packedDate = (y: number, m: number, d: number): bigint =>
  (BigInt(y) << 46n) | (BigInt(m) << 42n) | (BigInt(d) << 37n)

test('TIME is packed civil time', () => {
  assert.equal(storedValue('TIME', '"12:34:56"'), packed(12, 34, 56, 0))
  assert.equal(storedValue('TIME', '"23:59:59.999999"'), packed(23, 59, 59, 999_999))
  assert.equal(storedValue('TIME', '"00:00:00.5"'), packed(0, 0, 0, 500_000))
  assert.equal(storedValue('TIME', '"01:02"'), packed(1, 2, 0, 0))
  refuses('TIME', '"24:00:00"', '"12:60:00"', '"12:00:60"', '"12:00:00Z"', '"noon"', '5')
})

test('DATETIME is packed civil time with T or a space', () => {
  assert.equal(storedValue('DATETIME', '"2001-01-01T00:05:00"'), packedDate(2001, 1, 1) | packed(0, 5, 0, 0))
  assert.equal(
    storedValue('DATETIME', '"9999-12-31 23:59:59.999999"'),
    packedDate(9999, 12, 31) | packed(23, 59, 59, 999_999),
  )
  assert.equal(storedValue('DATETIME', '"2024-02-29"'), packedDate(2024, 2, 29))
  assert.equal(
    storedValue('DATETIME', '"2024-02-29t01:02:03.1234567"'),
    packedDate(2024, 2, 29) | packed(1, 2, 3, 123_456),
  )
  refuses('DATETIME', '"2024-02-30T00:00:00"', '"2024-01-01T00:00:00Z"', '"2024-01-01T25:00:00"', '5', '{}')
})

test('TIMESTAMP is microseconds since the epoch', () => {
  const at = (text: string): bigint => BigInt(Date.parse(text)) * 1_000n
  assert.equal(storedValue('TIMESTAMP', '"2024-05-06T07:08:09.123Z"'), at('2024-05-06T07:08:09.123Z'))
  assert.equal(storedValue('TIMESTAMP', '"2024-05-06T07:08:09.123456789Z"'), at('2024-05-06T07:08:09.123Z') + 456n)
  assert.equal(storedValue('TIMESTAMP', '"2024-05-06 07:08:09"'), at('2024-05-06T07:08:09Z'))
  assert.equal(storedValue('TIMESTAMP', '"2024-05-06 07:08:09 UTC"'), at('2024-05-06T07:08:09Z'))
  assert.equal(storedValue('TIMESTAMP', '"2024-05-06T07:08:09+05:30"'), at('2024-05-06T07:08:09+05:30'))
  assert.equal(storedValue('TIMESTAMP', '"2024-05-06T07:08:09-0800"'), at('2024-05-06T07:08:09-08:00'))
  assert.equal(storedValue('TIMESTAMP', '"0001-01-01T00:00:00Z"'), -62_135_596_800_000_000n)
  assert.equal(storedValue('TIMESTAMP', '"9999-12-31T23:59:59.999999Z"'), 253_402_300_799_999_999n)
  assert.equal(storedValue('TIMESTAMP', '1700000000123456'), 1_700_000_000_123_456n)
  refuses(
    'TIMESTAMP',
    '"0001-01-01T00:00:00+01:00"',
    '"9999-12-31T23:59:59-01:00"',
    '"2024-02-30T00:00:00Z"',
    '"1700000000"',
    '253402300800000000',
    '1.5',
    '"2024-01-01T00:00:00+24:00"',
  )
})

test('TIMESTAMP agrees with Date for random instants and offsets', () => {
  const instant = fc.date({
    min: new Date('0001-01-02T00:00:00Z'),
    max: new Date('9999-12-30T00:00:00Z'),
    noInvalidDate: true,
  })
  fc.assert(
    fc.property(instant, date => storedValue('TIMESTAMP', JSON.stringify(date)) === BigInt(date.getTime()) * 1_000n),
    { numRuns: 300 },
  )
})

test('JSON keeps objects, arrays and scalars byte by byte; a string must be a document', () => {
  for (const token of ['{"a" : [1, 2.50, "\\u0041"]}', '[]', '1.0', 'true', '[1e400]'])
    assert.equal(storedValue('JSON', token), token)
  assert.equal(storedValue('JSON', '"{\\"a\\":1}"'), '{"a":1}')
  assert.equal(storedValue('JSON', 'null'), undefined)
  refuses('JSON', '"hello"', '"{"', '""')
})

test('nested and repeated columns', () => {
  const columns: Column[] = [
    { name: 'tags', type: 'STRING', mode: 'REPEATED' },
    {
      name: 'at',
      type: 'STRUCT',
      mode: 'NULLABLE',
      fields: [
        { name: 'x', type: 'INT64', mode: 'REQUIRED' },
        { name: 'ys', type: 'FLOAT64', mode: 'REPEATED' },
      ],
    },
    {
      name: 'lines',
      type: 'STRUCT',
      mode: 'REPEATED',
      fields: [
        { name: 'n', type: 'NUMERIC', mode: 'NULLABLE' },
        { name: 's', type: 'STRING', mode: 'NULLABLE' },
      ],
    },
  ]
  const long = 'z'.repeat(300)
  const row = rowOf(
    columns,
    `{ "tags" : [ "a" , "" ] , "at":{"x":1,"ys":[0.5, -1]},"lines":[{"n":1},{},{"s":"${long}"}, {"s":"b"}]}`,
  )
  assert.deepEqual(row, {
    tags: ['a', ''],
    at: { x: 1n, ys: [0.5, -1] },
    lines: [{ n: Buffer.from([0, 0xca, 0x9a, 0x3b]) }, {}, { s: long }, { s: 'b' }],
  })
  assert.deepEqual(rowOf(columns, '{"tags":[],"at":null,"lines":null}'), {})
  assert.match(refusalOf(columns, '{"tags":["a",null]}').message, /Column tags \(STRING\): null in an array/)
  assert.match(refusalOf(columns, '{"tags":"a"}').message, /a string where an array is needed/)
  assert.match(
    refusalOf(columns, '{"at":{}}').message,
    /Column at\.x \(INT64\): missing or null, and the column is REQUIRED/,
  )
  assert.match(refusalOf(columns, '{"at":{"x":1,"q":1}}').message, /no column for field at\.q/)
  assert.match(refusalOf(columns, '{"lines":[[]]}').message, /an array where an object is needed/)
})

test('column names match without regard to case, and the last of duplicates counts', () => {
  assert.deepEqual(rowOf([column('INT64')], '{"V":1,"v":2}'), { v: 2n })
  assert.deepEqual(rowOf([column('INT64')], '{"v":1,"v":null}'), {})
  assert.deepEqual(rowOf([column('INT64')], '{"\\u0076":5}'), { v: 5n })
})

test('an unknown field refuses the record unless it is null or unknown fields are ignored', () => {
  const columns = [column('INT64')]
  const refusal = refusalOf(columns, '{"v":1,"x":{"a":[1]}}')
  assert.equal(refusal.column, 'x')
  assert.match(refusal.message, /The table has no column for field x/)
  assert.deepEqual(rowOf(columns, '{"x":null,"v":1}'), { v: 1n })
  assert.deepEqual(rowOf(columns, '{"x":{"a":[1,"\\u0041",true]},"v":1}', { ...strict, ignoreUnknownFields: true }), {
    v: 1n,
  })
})

test('sanitizeFieldNames rewrites names as Kafka Connect does', () => {
  const columns: Column[] = [
    { name: 'a_b', type: 'INT64', mode: 'NULLABLE' },
    { name: '_1st', type: 'INT64', mode: 'NULLABLE' },
  ]
  assert.deepEqual(rowOf(columns, '{"a.b":1,"1st":2}', { ...strict, sanitizeFieldNames: true }), { a_b: 1n, _1st: 2n })
  assert.match(refusalOf(columns, '{"a.b":1}').message, /no column for field a\.b/)
})

test('a REQUIRED column must be there unless BigQuery has a default for it', () => {
  const required = column('INT64', { mode: 'REQUIRED' })
  for (const json of ['{}', '{"v":null}'])
    assert.match(refusalOf([required], json).message, /Column v \(INT64\): missing or null/)
  assert.deepEqual(rowOf([{ ...required, defaultExpression: '7' }], '{}'), {})
})

test('a column of an unsupported type refuses records that fill it, by name, and no others', () => {
  const columns: Column[] = [column('INT64'), { name: 'place', type: 'GEOGRAPHY', mode: 'NULLABLE' }]
  assert.deepEqual(rowOf(columns, '{"v":1,"place":null}'), { v: 1n })
  assert.match(
    refusalOf(columns, '{"v":1,"place":"POINT(1 2)"}').message,
    /Column place \(GEOGRAPHY\): this version cannot write/,
  )
})

test('what is not one JSON object is refused with its place, and null is a tombstone', () => {
  for (const json of [
    '',
    '  ',
    '{',
    '{"v":1',
    '{"v":1}}',
    '{"v":1} x',
    '{"v":01}',
    '{"v":1,}',
    "{'v':1}",
    '{"v":"a\nb"}',
    '{"v":tru}',
    'nul',
    '{"v":-}',
    '{"v":"\\x"}',
  ]) {
    assert.equal(refusalOf([column('STRING')], json).stage, 'VALUE_CONVERTER', json)
  }
  for (const json of ['[]', '5', '"x"', 'true'])
    assert.match(refusalOf([column('STRING')], json).message, /not a JSON object/)
  assert.match(refusalOf([column('INT64')], '{"v":1,}').message, /byte 7/)
  const encoder = encoderFor({ columns: [column('INT64')] }, strict)
  assert.equal(encoder.encode(Buffer.from(' null '), 0, 6, new RowBuffer(1024)), TOMBSTONE)
})

test('a record that ends too early does not borrow bytes from the one behind it', () => {
  const encoder = encoderFor({ columns: [column('INT64')] }, strict)
  const bytes = Buffer.from('{"v":1{"v":2}')
  assert.equal(encoder.encode(bytes, 0, 6, new RowBuffer(1024)), BAD_RECORD)
  assert.equal(encoder.encode(Buffer.from('{"v":12}'), 0, 6, new RowBuffer(1024)), BAD_RECORD)
})

test('nesting is bounded', () => {
  const nested = (depth: number): string => `{"v":${'['.repeat(depth)}${']'.repeat(depth)}}`
  assert.equal(rowOf([column('JSON')], nested(500)).v, nested(500).slice(5, -1))
  assert.match(refusalOf([column('JSON')], nested(501)).message, /nested deeper than 500/)
  assert.match(refusalOf([column('JSON')], nested(100_000)).message, /nested deeper than 500/)
})

test('no message repeats a value of the record', () => {
  for (const type of [
    'BOOL',
    'INT64',
    'FLOAT64',
    'NUMERIC',
    'BYTES',
    'DATE',
    'TIME',
    'DATETIME',
    'TIMESTAMP',
    'JSON',
  ] as const) {
    assert.doesNotMatch(refusalOf([column(type)], '{"v":"s3cret value"}').message, /s3cret/)
  }
})

test('a megabyte of digits is decided in linear time', () => {
  const digits = '7'.repeat(1_000_000)
  const started = performance.now()
  for (const type of ['INT64', 'FLOAT64', 'NUMERIC', 'BIGNUMERIC', 'DATE', 'TIME', 'TIMESTAMP'] as const) {
    for (const token of [`"${digits}x"`, `"0.${digits}x"`, `"1e${digits}x"`]) refuses(type, token)
    if (type !== 'TIME' && type !== 'FLOAT64') refuses(type, digits)
  }
  // Quadratic time would be minutes.
  assert.ok(performance.now() - started < 20_000)
})
