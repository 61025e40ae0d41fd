// Every column type, from every proto type it takes, read back by SQL.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Field, type Harness, startHarness } from './harness.ts'
import { type Message, rowsOf, writer } from './raw-client.ts'

const packTime = (h: number, m: number, s: number, micros: number): bigint =>
  (BigInt((h << 12) | (m << 6) | s) << 20n) | BigInt(micros)
const packDatetime = (y: number, mo: number, d: number, h: number, m: number, s: number, micros: number): bigint =>
  (BigInt((y << 9) | (mo << 5) | d) << 37n) | packTime(h, m, s, micros)
/** Two's complement, least significant byte first, minimal length. */
function littleEndian(value: bigint): Buffer {
  let bytes = 1
  while (BigInt.asIntN(bytes * 8, value) !== value) bytes++
  const hex = BigInt.asUintN(bytes * 8, value)
    .toString(16)
    .padStart(bytes * 2, '0')
  return Buffer.from(hex, 'hex').reverse()
}

describe('column types', () => {
  let harness: Harness
  let tables = 0
  before(async () => {
    harness = await startHarness()
  })
  after(() => harness.close())

  /** Writes rows to a fresh table and reads all of it back in order. */
  async function roundTrip(fields: Field[], schema: string, values: Message[], select = '*'): Promise<unknown[][]> {
    const id = `t${++tables}`
    const name = await harness.rest.createTable(id, fields)
    const response = await appendTo(name, schema, values)
    assert.ok(response.appendResult, JSON.stringify(response))
    return harness.rest.query(`SELECT ${select} FROM p.d.${id}`)
  }
  async function appendTo(name: string, schema: string, values: Message[]): Promise<Message> {
    const call = harness.client.append()
    const response = await call.ask({
      writeStream: `${name}/_default`,
      protoRows: rowsOf(writer(schema), values, true),
    })
    call.call.end()
    return response
  }
  /** The message of the only row error. */
  async function rowError(field: Omit<Field, 'name'>, proto: string, value: unknown): Promise<string> {
    const name = await harness.rest.createTable(`t${++tables}`, [{ name: 'v', ...field }])
    const response = await appendTo(name, `optional ${proto} v = 1;`, [{ v: value }])
    assert.equal((response.rowErrors as unknown[] | undefined)?.length, 1, JSON.stringify(response))
    return String((response.rowErrors as Message[])[0]!.message)
  }

  const cases: [type: string, proto: string, written: unknown[], read: unknown[]][] = [
    ['BOOL', 'bool', [true, false], ['true', 'false']],
    ['BOOL', 'int64', ['4294967296', 0], ['true', 'false']],
    ['BOOL', 'uint32', [7, 0], ['true', 'false']],
    [
      'INT64',
      'int64',
      ['9223372036854775807', '-9223372036854775808', '9007199254740993', -1, 0],
      ['9223372036854775807', '-9223372036854775808', '9007199254740993', '-1', '0'],
    ],
    ['INT64', 'int32', [2147483647, -2147483648], ['2147483647', '-2147483648']],
    ['INT64', 'uint32', [4294967295], ['4294967295']],
    ['INT64', 'sint32', [-2147483648, 5], ['-2147483648', '5']],
    [
      'INT64',
      'sint64',
      ['-9223372036854775808', '9223372036854775807'],
      ['-9223372036854775808', '9223372036854775807'],
    ],
    ['INT64', 'fixed32', [4294967295], ['4294967295']],
    ['INT64', 'sfixed32', [-7], ['-7']],
    ['INT64', 'sfixed64', ['-9007199254740995'], ['-9007199254740995']],
    [
      'FLOAT64',
      'double',
      [0.1, -1e308, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN],
      ['0.1', '-1.0E308', 'Infinity', '-Infinity', 'NaN'],
    ],
    ['FLOAT64', 'float', [1.5], ['1.5']],
    [
      'STRING',
      'string',
      ['', 'short', 'exactly12byt', 'thirteenbytes', 'żółć and 漢字 🎉 over twelve', 'a\u0000b'],
      ['', 'short', 'exactly12byt', 'thirteenbytes', 'żółć and 漢字 🎉 over twelve', 'a\u0000b'],
    ],
    [
      'BYTES',
      'bytes',
      [Buffer.alloc(0), Buffer.from([0, 255, 128]), Buffer.alloc(40, 200)],
      ['', 'AP+A', Buffer.alloc(40, 200).toString('base64')],
    ],
    ['BYTES', 'string', ['text'], ['dGV4dA==']],
    ['DATE', 'int32', [0, 18536, -719162, 2932896], ['1970-01-01', '2020-10-01', '0001-01-01', '9999-12-31']],
    ['DATE', 'int64', [-1], ['1969-12-31']],
    ['DATE', 'string', ['2020-02-29', '1582-10-15'], ['2020-02-29', '1582-10-15']],
    [
      'TIME',
      'int64',
      [String(packTime(23, 59, 59, 999_999)), '0', String(packTime(1, 2, 3, 4))],
      ['23:59:59.999999', '00:00:00', '01:02:03.000004'],
    ],
    ['TIME', 'string', ['12:34:56', '00:00:00.5'], ['12:34:56', '00:00:00.500000']],
    [
      'DATETIME',
      'int64',
      [
        packDatetime(2020, 10, 1, 12, 0, 0, 0),
        packDatetime(1, 1, 1, 0, 0, 0, 0),
        packDatetime(9999, 12, 31, 23, 59, 59, 999_999),
        packDatetime(1969, 12, 31, 23, 59, 59, 1),
      ].map(String),
      ['2020-10-01T12:00:00', '0001-01-01T00:00:00', '9999-12-31T23:59:59.999999', '1969-12-31T23:59:59.000001'],
    ],
    [
      'DATETIME',
      'string',
      ['2001-01-14 21:55:00', '2020-10-01T12:00:00.25', '2020-10-01'],
      ['2001-01-14T21:55:00', '2020-10-01T12:00:00.250000', '2020-10-01T00:00:00'],
    ],
    [
      'TIMESTAMP',
      'int64',
      ['1600000000123456', '-62135596800000000', '253402300799999999', -1],
      ['1600000000123456', '-62135596800000000', '253402300799999999', '-1'],
    ],
    [
      'TIMESTAMP',
      'string',
      [
        '2022-02-02 01:02:03',
        '2022-02-02T01:02:03.5Z',
        '2022-02-02 01:02:03+02:00',
        '2022-02-02',
        '2022-02-02 01:02:03 UTC',
      ],
      ['1643763723000000', '1643763723500000', '1643756523000000', '1643760000000000', '1643763723000000'],
    ],
    [
      'NUMERIC',
      'bytes',
      [
        littleEndian(123_400_000_000n),
        littleEndian(-9_000_000n * 10n ** 9n),
        littleEndian(10n ** 38n - 1n),
        littleEndian(1n - 10n ** 38n),
        Buffer.alloc(0),
      ],
      ['123.4', '-9000000', '99999999999999999999999999999.999999999', '-99999999999999999999999999999.999999999', '0'],
    ],
    [
      'NUMERIC',
      'string',
      ['123.456789012', '-0.000000001', '1e3', '0.0000000005'],
      ['123.456789012', '-0.000000001', '1000', '0.000000001'],
    ],
    ['NUMERIC', 'int64', ['9223372036854775807'], ['9223372036854775807']],
    ['NUMERIC', 'uint64', ['18446744073709551615'], ['18446744073709551615']],
    ['NUMERIC', 'double', [0.5, -3], ['0.5', '-3']],
    [
      'BIGNUMERIC',
      'bytes',
      [littleEndian(2n ** 255n - 1n), littleEndian(-(2n ** 255n)), littleEndian(15n * 10n ** 37n)],
      [
        '578960446186580977117854925043439539266.34992332820282019728792003956564819967',
        '-578960446186580977117854925043439539266.34992332820282019728792003956564819968',
        '1.5',
      ],
    ],
    [
      'BIGNUMERIC',
      'string',
      ['0.00000000000000000000000000000000000001', '-12345678901234567890123456789012345678.5'],
      ['0.00000000000000000000000000000000000001', '-12345678901234567890123456789012345678.5'],
    ],
    [
      'JSON',
      'string',
      ['{"a": [1, 2.50, "x"], "long": "more than twelve bytes"}', 'null'],
      ['{"a": [1, 2.50, "x"], "long": "more than twelve bytes"}', 'null'],
    ],
  ]
  for (const [type, proto, written, read] of cases)
    it(`${type} from ${proto}`, async () => {
      const result = await roundTrip([{ name: 'v', type }], `optional ${proto} v = 1;`, [
        {},
        ...written.map(v => ({ v })),
        {},
      ])
      assert.deepEqual(
        result.map(row => row[0]),
        [null, ...read, null],
      )
    })

  it('shows JSON columns as JSON, and BIGNUMERIC as BIGNUMERIC', async () => {
    const name = await harness.rest.createTable('typed', [
      { name: 'b', type: 'BIGNUMERIC' },
      { name: 'j', type: 'JSON' },
    ])
    await appendTo(name, 'optional string b = 1; optional string j = 2;', [{ b: '1', j: '{}' }])
    const { body } = await harness.rest.api('POST', '/queries', { query: 'SELECT b, j FROM p.d.typed' })
    assert.deepEqual(
      (body.schema as { fields: Message[] }).fields.map(field => field.type),
      ['BIGNUMERIC', 'JSON'],
    )
  })

  const refused: [type: Omit<Field, 'name'>, proto: string, value: unknown, message: RegExp][] = [
    [{ type: 'DATE' }, 'int32', 2932897, /^Date field value is out of range: 2932897 on field v\.$/],
    [{ type: 'DATE' }, 'string', '2021-02-29', /Invalid date: '2021-02-29'/],
    [{ type: 'TIME' }, 'int64', String(packTime(24, 0, 0, 0)), /Invalid time value/],
    [{ type: 'DATETIME' }, 'int64', String(packDatetime(2021, 2, 29, 0, 0, 0, 0)), /Invalid datetime value/],
    [
      { type: 'TIMESTAMP' },
      'int64',
      '253402300800000000',
      /Timestamp field value is out of range: 253402300800000000 on field v\./,
    ],
    [{ type: 'TIMESTAMP' }, 'string', 'yesterday', /Invalid timestamp/],
    [{ type: 'NUMERIC' }, 'bytes', littleEndian(10n ** 38n), /Invalid NUMERIC value/],
    [{ type: 'NUMERIC', precision: '5', scale: '2' }, 'string', '1000', /Invalid NUMERIC value: 1000 is out of range/],
    [{ type: 'NUMERIC' }, 'string', 'twelve', /Invalid NUMERIC value: twelve/],
    [{ type: 'NUMERIC' }, 'string', '1e9999', /Invalid NUMERIC value/],
    [{ type: 'BIGNUMERIC' }, 'bytes', Buffer.alloc(33, 1), /Invalid BIGNUMERIC value: 33 bytes/],
    [
      { type: 'BYTES', maxLength: '2' },
      'bytes',
      Buffer.from([1, 2, 3]),
      /BYTES\(2\) has maximum length 2 but got a value with length 3/,
    ],
    [{ type: 'JSON' }, 'string', '{"a"', /Invalid JSON value on field v/],
    [{ type: 'STRING' }, 'string', undefined, /Invalid UTF-8/],
  ]
  for (const [field, proto, value, message] of refused)
    it(`refuses ${value === undefined ? 'invalid UTF-8' : String(value).slice(0, 40)} as ${field.type} from ${proto}`, async () => {
      if (value !== undefined) return assert.match(await rowError(field, proto, value), message)
      const name = await harness.rest.createTable(`t${++tables}`, [{ name: 'v', ...field }])
      const schema = writer('optional string v = 1;')
      const call = harness.client.append()
      const serializedRows = [Buffer.from([0x0a, 2, 0xc3, 0x28])]
      const response = await call.ask({
        writeStream: `${name}/_default`,
        protoRows: { writerSchema: { protoDescriptor: schema.descriptor }, rows: { serializedRows } },
      })
      assert.match(JSON.stringify(response.rowErrors), message)
    })

  it('keeps NUMERIC(P,S) to its scale', async () => {
    const result = await roundTrip(
      [{ name: 'v', type: 'NUMERIC', precision: '5', scale: '2' }],
      'optional string v = 1;',
      [{ v: '-1.005' }, { v: '999.99' }],
    )
    assert.deepEqual(result, [['-1.01'], ['999.99']])
  })

  it('does not take uint64 for INT64, nor a message for a scalar', async () => {
    const name = await harness.rest.createTable('mismatch', [{ name: 'v', type: 'INT64' }])
    for (const schema of [
      'optional uint64 v = 1;',
      'optional M v = 1; message M { optional int64 x = 1; }',
      'repeated int64 v = 1;',
    ]) {
      const call = harness.client.append()
      call.send({ writeStream: `${name}/_default`, protoRows: rowsOf(writer(schema), [{}], true) })
      assert.equal((await call.ended)?.code, 3)
    }
  })

  it('#33 #34 stores NULL for columns the descriptor or the row leaves out, and empty lists', async () => {
    const fields = [
      { name: 'a', type: 'INT64' },
      { name: 'b', type: 'STRING' },
      { name: 'c', type: 'STRING', mode: 'REPEATED' },
    ]
    assert.deepEqual(await roundTrip(fields, 'optional string b = 9;', [{ b: 'x' }, {}]), [
      [null, 'x', []],
      [null, null, []],
    ])
  })

  it('#36 stores an enum by number in INT64 and by name in STRING', async () => {
    const fields = [
      { name: 'n', type: 'INT64' },
      { name: 's', type: 'STRING' },
    ]
    const schema = 'optional E n = 1; optional E s = 2; enum E { NONE = 0; A_NAME_OF_MORE_THAN_TWELVE = 3; }'
    assert.deepEqual(
      await roundTrip(fields, schema, [
        { n: 3, s: 3 },
        { n: 0, s: 0 },
      ]),
      [
        ['3', 'A_NAME_OF_MORE_THAN_TWELVE'],
        ['0', 'NONE'],
      ],
    )
  })

  it('#38 takes google.protobuf.Timestamp under its flattened name', async () => {
    const schema =
      'optional google_protobuf_Timestamp v = 1; message google_protobuf_Timestamp { optional int64 seconds = 1; optional int32 nanos = 2; }'
    const values = [{ v: { seconds: '1600000000', nanos: 123_456_789 } }, { v: { seconds: '-1' } }]
    assert.deepEqual(await roundTrip([{ name: 'v', type: 'TIMESTAMP' }], schema, values), [
      ['1600000000123456'],
      ['-1000000'],
    ])
  })

  it('#40 matches columns whatever their case, and column_name before the field name', async () => {
    const name = await harness.rest.createTable('cased', [
      { name: 'MixedCase', type: 'INT64' },
      { name: 'spalte-mit strich', type: 'STRING' },
    ])
    const schema = writer('optional int64 mixedcase = 1; optional string col_x = 2;')
    const field = (schema.descriptor.field as Message[])[1]!
    field.options = { '.google.cloud.bigquery.storage.v1.columnName': 'spalte-mit strich' }
    const call = harness.client.append()
    const response = await call.ask({
      writeStream: `${name}/_default`,
      protoRows: rowsOf(schema, [{ mixedcase: 4, col_x: 'through the annotation' }], true),
    })
    assert.ok(response.appendResult, JSON.stringify(response))
    assert.deepEqual(await harness.rest.query('SELECT mixedcase, `spalte-mit strich` FROM p.d.cased'), [
      ['4', 'through the annotation'],
    ])
  })

  it('#41 unwraps wrapper messages, an empty one as zero', async () => {
    const fields = [
      { name: 'i', type: 'INT64' },
      { name: 's', type: 'STRING', mode: 'REPEATED' },
      { name: 'b', type: 'BOOL' },
    ]
    const schema = `optional google_protobuf_Int64Value i = 1; repeated google_protobuf_StringValue s = 2; optional google_protobuf_BoolValue b = 3;
      message google_protobuf_Int64Value { optional int64 value = 1; } message google_protobuf_StringValue { optional string value = 1; }
      message google_protobuf_BoolValue { optional bool value = 1; }`
    const values = [
      {
        i: { value: '9007199254740993' },
        s: [{ value: 'one' }, {}, { value: 'a third one, longer than twelve' }],
        b: {},
      },
      {},
    ]
    assert.deepEqual(await roundTrip(fields, schema, values), [
      ['9007199254740993', [{ v: 'one' }, { v: '' }, { v: 'a third one, longer than twelve' }], 'false'],
      [null, [], null],
    ])
  })

  it('#37 reads repeated NUMERIC, packed and unpacked integers', async () => {
    const fields = [
      { name: 'n', type: 'NUMERIC', mode: 'REPEATED' },
      { name: 'i', type: 'INT64', mode: 'REPEATED' },
      { name: 'd', type: 'DATETIME', mode: 'REPEATED' },
    ]
    const schema = 'repeated bytes n = 1; repeated int64 i = 2 [packed=true]; repeated int64 d = 3 [packed=false];'
    const when = String(packDatetime(2020, 10, 1, 12, 0, 0, 0))
    const values = [
      {
        n: [littleEndian(123_400_000_000n), littleEndian(-9_000_000n * 10n ** 9n)],
        i: [1, -1, '9007199254740993'],
        d: [when, when],
      },
      { i: [5] },
    ]
    assert.deepEqual(await roundTrip(fields, schema, values), [
      [
        [{ v: '123.4' }, { v: '-9000000' }],
        [{ v: '1' }, { v: '-1' }, { v: '9007199254740993' }],
        [{ v: '2020-10-01T12:00:00' }, { v: '2020-10-01T12:00:00' }],
      ],
      [[], [{ v: '5' }], []],
    ])
  })

  it('keeps nested and repeated records, with lists in lists of records', async () => {
    const inner: Field = {
      name: 'items',
      type: 'RECORD',
      mode: 'REPEATED',
      fields: [
        { name: 'name', type: 'STRING', mode: 'REQUIRED' },
        { name: 'tags', type: 'STRING', mode: 'REPEATED' },
      ],
    }
    const fields: Field[] = [
      { name: 'id', type: 'INT64' },
      { name: 'order', type: 'RECORD', fields: [{ name: 'total', type: 'NUMERIC' }, inner] },
    ]
    const schema = `optional int64 id = 1; optional Order order = 2;
      message Order { optional string total = 1; repeated Item items = 2; message Item { optional string name = 1; repeated string tags = 2; } }`
    const values = [
      {
        id: 1,
        order: {
          total: '1.5',
          items: [{ name: 'first item, a long name', tags: ['x', 'a tag longer than twelve bytes'] }, { name: 'b' }],
        },
      },
      { id: 2 },
      { id: 3, order: { items: [{ name: 'third', tags: ['y'] }] } },
    ]
    const item = (name: string, tags: string[]) => ({ v: { f: [{ v: name }, { v: tags.map(v => ({ v })) }] } })
    assert.deepEqual(await roundTrip(fields, schema, values), [
      [
        '1',
        {
          f: [
            { v: '1.5' },
            { v: [item('first item, a long name', ['x', 'a tag longer than twelve bytes']), item('b', [])] },
          ],
        },
      ],
      ['2', null],
      ['3', { f: [{ v: null }, { v: [item('third', ['y'])] }] }],
    ])
  })

  it('takes back what a refused batch left in nested columns', async () => {
    const name = await harness.rest.createTable('undone', [
      { name: 'tags', type: 'STRING', mode: 'REPEATED' },
      { name: 'r', type: 'RECORD', mode: 'REPEATED', fields: [{ name: 'x', type: 'STRING', mode: 'REQUIRED' }] },
    ])
    const schema = 'repeated string tags = 1; repeated R r = 2; message R { optional string x = 1; }'
    const good = { tags: ['kept, and longer than twelve'], r: [{ x: 'kept too, longer than twelve' }] }
    const bad = { tags: ['lost, and longer than twelve'], r: [{ x: 'lost' }, {}] }
    // In one group with the good ones around it, so that the bad batch is undone between them.
    const call = harness.client.append()
    call.send({ writeStream: `${name}/_default`, protoRows: rowsOf(writer(schema), [good], true) })
    call.send({ protoRows: rowsOf(writer(schema), [good, bad], false) })
    call.send({ protoRows: rowsOf(writer(schema), [good], false) })
    const answers = [await call.next(), await call.next(), await call.next()]
    assert.deepEqual(
      answers.map(answer => answer.error !== undefined),
      [false, true, false],
    )
    assert.match(JSON.stringify(answers[1]!.rowErrors), /Required field r\.x is missing/)
    const row = [[{ v: 'kept, and longer than twelve' }], [{ v: { f: [{ v: 'kept too, longer than twelve' }] } }]]
    assert.deepEqual(await harness.rest.query('SELECT * FROM p.d.undone'), [row, row])
  })

  it('applies proto2 defaults and required labels of the descriptor', async () => {
    const fields = [
      { name: 'i', type: 'INT64' },
      { name: 's', type: 'STRING' },
      { name: 'f', type: 'FLOAT64' },
    ]
    const schema =
      'optional int64 i = 1 [default = -7]; optional string s = 2 [default = "a default of more than twelve"]; optional double f = 3 [default = 2.5];'
    assert.deepEqual(await roundTrip(fields, schema, [{}, { i: 1, s: 'given', f: 0 }]), [
      ['-7', 'a default of more than twelve', '2.5'],
      ['1', 'given', '0.0'],
    ])
  })

  it('keeps rows apart when tens of thousands come in one request', async () => {
    const count = 30_000
    const fields = [
      { name: 'id', type: 'INT64' },
      { name: 'text', type: 'STRING' },
      { name: 'tags', type: 'STRING', mode: 'REPEATED' },
    ]
    const text = (i: number): string | undefined => (i % 7 === 0 ? undefined : `text ${'x'.repeat(i % 40)} ${i}`)
    const values = Array.from({ length: count }, (_, i) => ({
      id: i,
      text: text(i),
      tags: Array.from({ length: i % 4 }, (_u, k) => `tag ${k} of the row ${i}`),
    }))
    const id = `t${tables + 1}`
    await roundTrip(fields, 'optional int64 id = 1; optional string text = 2; repeated string tags = 3;', values, 'id')
    const checks = `SELECT COUNT(*), COUNT(text), COUNTIF(text NOT LIKE CONCAT('% ', CAST(id AS STRING))), SUM(ARRAY_LENGTH(tags)), COUNTIF(tags[SAFE_OFFSET(0)] <> CONCAT('tag 0 of the row ', CAST(id AS STRING))) FROM p.d.${id}`
    const withText = values.filter(value => value.text !== undefined).length
    const tags = values.reduce((sum, value) => sum + value.tags.length, 0)
    assert.deepEqual(await harness.rest.query(checks), [[String(count), String(withText), '0', String(tags), '0']])
  })
})
