// What a writer schema may say and how rows are read by it: proto2, whatever the source.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ExtraFields, UnusableDescriptor } from '../src/rows/field-match.ts'
import { MalformedProto } from '../src/wire/cursor.ts'
import { encode, type Message, writer } from './raw-client.ts'
import { appendTo, chunk, int, RowStore, tagged, text, varint } from './rows-table.ts'

const TYPES = { double: 1, int64: 3, int32: 5, string: 9, group: 10, message: 11, bytes: 12, enum: 14 } as const
/** A descriptor's field, as plain as it can be. */
const field = (name: string, number: number, type: keyof typeof TYPES, more: Message = {}): Message => ({
  name,
  number,
  label: 1,
  type: TYPES[type],
  ...more,
})

describe('writer schemas', () => {
  let store: RowStore
  before(async () => {
    store = await RowStore.open()
  })
  after(() => store.close())

  it('reads the last value of a scalar that comes twice, and merges a message that does', async () => {
    const table = await store.table([
      { name: 'i', type: 'INT64' },
      {
        name: 'r',
        type: 'RECORD',
        fields: [
          { name: 'a', type: 'INT64', mode: 'REQUIRED' },
          { name: 'b', type: 'STRING', mode: 'REQUIRED' },
          { name: 'l', type: 'INT64', mode: 'REPEATED' },
        ],
      },
      { name: 'w', type: 'INT64' },
      { name: 't', type: 'TIMESTAMP' },
    ])
    const { descriptor } =
      writer(`optional int64 i = 1; optional R r = 2; optional Int64Value w = 3; optional Timestamp t = 4;
      message R { optional int64 a = 1; optional string b = 2; repeated int64 l = 3; } message Int64Value { optional int64 value = 1; }
      message Timestamp { optional int64 seconds = 1; optional int32 nanos = 2; }`)
    const row = Buffer.concat([
      int(1, 1),
      chunk(2, int(1, 7), int(3, 1)),
      chunk(3, int(1, 5)),
      chunk(4, int(1, 60)),
      int(1, 2),
      chunk(2, text(2, 'from the second part'), int(3, 2)),
      chunk(3),
      chunk(4, int(2, 5000)),
    ])
    assert.deepEqual(await table.roundTrip(descriptor, [row]), [
      ['2', "{'a': 7, 'b': from the second part, 'l': [1, 2]}", '5', '1970-01-01 00:01:00.000005+00'],
    ])
    const half = chunk(2, int(1, 7))
    assert.deepEqual(table.refusals(descriptor, [half, chunk(2, text(2, 'x'))]), [
      'Required field r.b is missing.',
      'Required field r.a is missing.',
    ])
  })

  it('finds nested types by relative, flattened and absolute names, the innermost first', async () => {
    const record = { name: 'r', type: 'RECORD', fields: [{ name: 'x', type: 'STRING' }] }
    const inner = (name: string, type: 'int64' | 'string'): Message => ({ name, field: [field('x', 1, type)] })
    const spelled = ['Inner', '.Inner', 'Row.Inner', '.Row.Inner', '.some.package.Row.Inner', 'some.package.Row.Inner']
    for (const typeName of spelled) {
      const table = await store.table([record])
      const descriptor = {
        name: 'Row',
        field: [field('r', 1, 'message', { typeName })],
        nestedType: [inner('Inner', 'string'), inner('Other', 'int64')],
      }
      assert.deepEqual(await table.roundTrip(descriptor, [chunk(1, text(1, typeName))]), [[`{'x': ${typeName}}`]])
    }
    // Two of the name T: the one inside A is meant inside A, although the outer one would not fit.
    const table = await store.table([{ name: 'a', type: 'RECORD', fields: [record] }])
    const descriptor = {
      name: 'Row',
      field: [field('a', 1, 'message', { typeName: 'A' })],
      nestedType: [
        { name: 'A', field: [field('r', 1, 'message', { typeName: 'T' })], nestedType: [inner('T', 'string')] },
        inner('T', 'int64'),
      ],
    }
    assert.deepEqual(await table.roundTrip(descriptor, [chunk(1, chunk(1, text(1, 'inner')))]), [
      ["{'r': {'x': inner}}"],
    ])
  })

  it('knows enums wrapped in <full_name>_E, and their first name of a number', async () => {
    const table = await store.table([
      { name: 'n', type: 'INT64' },
      { name: 's', type: 'STRING' },
      { name: 'l', type: 'STRING', mode: 'REPEATED' },
    ])
    const value = [
      { name: 'ZERO', number: 0 },
      { name: 'FIRST', number: 1 },
      { name: 'ALIAS', number: 1 },
      { name: 'NEGATIVE', number: -5 },
    ]
    const typeName = 'com_shop_Kind_E.Kind'
    const descriptor = {
      name: 'Row',
      field: [
        field('n', 1, 'enum', { typeName, defaultValue: 'NEGATIVE' }),
        field('s', 2, 'enum', { typeName, defaultValue: 'ALIAS' }),
        field('l', 3, 'enum', { typeName, label: 3 }),
      ],
      nestedType: [{ name: 'com_shop_Kind_E', enumType: [{ name: 'Kind', value }] }],
    }
    const rows = [
      Buffer.concat([int(1, 77), int(2, -5), chunk(3, varint(0), varint(1))]),
      Buffer.concat([int(3, 1), int(3, -5)]),
    ]
    assert.deepEqual(await table.roundTrip(descriptor, rows), [
      ['77', 'NEGATIVE', '[ZERO, FIRST]'],
      ['-5', 'FIRST', '[FIRST, NEGATIVE]'],
    ])
    assert.deepEqual(table.refusals(descriptor, [int(2, 9)]), ['Enum value 9 is not known on field s.'])
  })

  it('stores the defaults of a descriptor in absent fields: every type, in the spelling of descriptors', async () => {
    const defaults: [type: string, protoType: number, spelled: string, stored: string][] = [
      ['INT64', 3, '-9223372036854775808', '-9223372036854775808'],
      ['INT64', 17, '-3', '-3'],
      ['INT64', 15, '-4', '-4'],
      ['INT64', 7, '4294967295', '4294967295'],
      ['NUMERIC', 6, '18446744073709551615', '18446744073709551615.000000000'],
      ['BOOL', 8, 'true', 'true'],
      ['FLOAT64', 1, 'inf', 'inf'],
      ['FLOAT64', 1, '-inf', '-inf'],
      ['FLOAT64', 2, 'nan', 'nan'],
      ['FLOAT64', 2, '1.5', '1.5'],
      ['STRING', 9, 'as it \\n stands', 'as it \\n stands'],
      ['BYTES', 12, String.raw`\000\377\x01\n\"'\\a`, String.raw`\x00\xFF\x01\x0A\x22\x27\x5Ca`],
    ]
    const table = await store.table(defaults.map(([type], index) => ({ name: `c${index}`, type })))
    const fields = defaults.map(([, type, defaultValue], index) => ({
      name: `c${index}`,
      number: index + 1,
      label: 1,
      type,
      defaultValue,
    }))
    assert.deepEqual(await table.roundTrip({ name: 'Row', field: fields }, [Buffer.alloc(0)]), [
      defaults.map(([, , , stored]) => stored),
    ])
    const wrong: [number, string][] = [
      [5, '2147483648'],
      [13, '-1'],
      [8, '1'],
      [1, 'much'],
      [3, '1.5'],
    ]
    const one = await store.table([
      { name: 'v', type: 'NUMERIC' },
      { name: 'b', type: 'BOOL' },
    ])
    for (const [type, defaultValue] of wrong)
      assert.throws(
        () =>
          one.protoWriter({
            name: 'Row',
            field: [{ name: type === 8 ? 'b' : 'v', number: 1, label: 1, type, defaultValue }],
          }),
        (error: Error) =>
          error instanceof UnusableDescriptor && error.message.includes(`default value ${defaultValue} cannot be read`),
      )
  })

  it('lets column_name decide at every level, and matches names whatever their case', async () => {
    const table = await store.table([
      { name: 'Größe', type: 'INT64' },
      { name: 'rec ord', type: 'RECORD', fields: [{ name: 'in-ner', type: 'STRING' }] },
    ])
    const named = (columnName: string): Message => ({
      options: { '.google.cloud.bigquery.storage.v1.columnName': columnName },
    })
    const descriptor = {
      name: 'Row',
      field: [
        field('a', 1, 'int64', named('GRÖSSE'.replace('SS', 'ß'))),
        field('b', 2, 'message', { typeName: 'R', ...named('rec ord') }),
      ],
      nestedType: [{ name: 'R', field: [field('c', 1, 'string', named('IN-NER'))] }],
    }
    assert.deepEqual(await table.roundTrip(descriptor, [Buffer.concat([int(1, 5), chunk(2, text(1, 'x'))])]), [
      ['5', "{'in-ner': x}"],
    ])
  })

  it('takes a map as REPEATED STRUCT(key, value), and members of a oneof as plain fields', async () => {
    const table = await store.table([
      {
        name: 'm',
        type: 'RECORD',
        mode: 'REPEATED',
        fields: [
          { name: 'key', type: 'STRING' },
          { name: 'value', type: 'INT64' },
        ],
      },
      { name: 'x', type: 'INT64' },
      { name: 'y', type: 'INT64' },
    ])
    const entry = {
      name: 'MEntry',
      field: [field('key', 1, 'string'), field('value', 2, 'int64')],
      options: { mapEntry: true },
    }
    const descriptor = {
      name: 'Row',
      field: [
        field('m', 1, 'message', { label: 3, typeName: '.pkg.Row.MEntry' }),
        field('x', 2, 'int64', { oneofIndex: 0 }),
        field('y', 3, 'int64', { oneofIndex: 0, proto3Optional: true }),
      ],
      nestedType: [entry],
      oneofDecl: [{ name: 'choice' }],
    }
    const row = Buffer.concat([chunk(1, text(1, 'a'), int(2, 1)), chunk(1, text(1, 'b'), int(2, 2)), int(3, 9)])
    assert.deepEqual(await table.roundTrip(descriptor, [row]), [
      ["[{'key': a, 'value': 1}, {'key': b, 'value': 2}]", null, '9'],
    ])
  })

  const scalars: [name: string, type: number, column: string, wire: number, body: (n: number) => Buffer][] = [
    ['double', 1, 'FLOAT64', 1, n => Buffer.from(new Float64Array([n]).buffer)],
    ['float', 2, 'FLOAT64', 5, n => Buffer.from(new Float32Array([n]).buffer)],
    ['int64', 3, 'INT64', 0, varint],
    ['uint64', 4, 'NUMERIC', 0, varint],
    ['int32', 5, 'INT64', 0, varint],
    ['fixed64', 6, 'NUMERIC', 1, n => Buffer.from(new BigInt64Array([BigInt(n)]).buffer)],
    ['fixed32', 7, 'INT64', 5, n => Buffer.from(new Int32Array([n]).buffer)],
    ['bool', 8, 'BOOL', 0, varint],
    ['uint32', 13, 'INT64', 0, varint],
    ['sfixed32', 15, 'INT64', 5, n => Buffer.from(new Int32Array([n]).buffer)],
    ['sfixed64', 16, 'INT64', 1, n => Buffer.from(new BigInt64Array([BigInt(n)]).buffer)],
    ['sint32', 17, 'INT64', 0, n => varint(n * 2)],
    ['sint64', 18, 'INT64', 0, n => varint(n * 2)],
  ]
  for (const [name, type, column, wire, body] of scalars)
    it(`reads repeated ${name} packed, not packed, and both in one row`, async () => {
      const table = await store.table([{ name: 'v', type: column, mode: 'REPEATED' }])
      const packed = (...numbers: number[]): Buffer => chunk(1, ...numbers.map(body))
      const rows = [packed(1, 1, 1), Buffer.concat([tagged(1, wire, body(1)), packed(1, 1)]), packed()]
      const shown = { FLOAT64: '1.0', NUMERIC: '1.000000000', BOOL: 'true', INT64: '1' }[column]
      const three = `[${shown}, ${shown}, ${shown}]`
      const descriptor = { name: 'Row', field: [{ name: 'v', number: 1, label: 3, type }] }
      assert.deepEqual(await table.roundTrip(descriptor, rows), [[three], [three], ['[]']])
    })

  const refused: [what: string, columns: Parameters<RowStore['table']>[0], descriptor: Message, message: RegExp][] = [
    [
      'a group',
      [{ name: 'g', type: 'RECORD', fields: [{ name: 'x', type: 'INT64' }] }],
      {
        name: 'Row',
        field: [field('g', 1, 'group', { typeName: 'G' })],
        nestedType: [{ name: 'G', field: [field('x', 1, 'int64')] }],
      },
      /Field g: groups are not supported/,
    ],
    [
      'a message that contains itself',
      [{ name: 'r', type: 'RECORD', fields: [{ name: 'r', type: 'RECORD', fields: [{ name: 'x', type: 'INT64' }] }] }],
      {
        name: 'Row',
        field: [field('r', 1, 'message', { typeName: 'R' })],
        nestedType: [{ name: 'R', field: [field('r', 1, 'message', { typeName: 'R' })] }],
      },
      /Field r\.r: message type R contains itself/,
    ],
    [
      'a row message within itself',
      [{ name: 'r', type: 'RECORD', fields: [{ name: 'x', type: 'INT64' }] }],
      { name: 'Row', field: [field('r', 1, 'message', { typeName: '.p.Row' })] },
      /Field r: message type Row contains itself/,
    ],
    [
      'messages that contain each other',
      [
        {
          name: 'a',
          type: 'RECORD',
          fields: [
            {
              name: 'b',
              type: 'RECORD',
              fields: [{ name: 'a', type: 'RECORD', fields: [{ name: 'x', type: 'INT64' }] }],
            },
          ],
        },
      ],
      {
        name: 'Row',
        field: [field('a', 1, 'message', { typeName: 'A' })],
        nestedType: [
          { name: 'A', field: [field('b', 1, 'message', { typeName: 'B' })] },
          { name: 'B', field: [field('a', 1, 'message', { typeName: 'A' })] },
        ],
      },
      /Field a\.b\.a: message type A contains itself/,
    ],
    [
      'a type that is not there',
      [{ name: 'r', type: 'INT64' }],
      { name: 'Row', field: [field('r', 1, 'enum', { typeName: 'google.type.Other' })] },
      /enum type google\.type\.Other is not nested in the descriptor/,
    ],
    [
      'two fields for a column',
      [{ name: 'r', type: 'INT64' }],
      { name: 'Row', field: [field('r', 1, 'int64'), field('R', 2, 'int64')] },
      /Column R is written by more than one field/,
    ],
    [
      'a repeated number',
      [
        { name: 'r', type: 'INT64' },
        { name: 's', type: 'INT64' },
      ],
      { name: 'Row', field: [field('r', 1, 'int64'), field('s', 1, 'int64')] },
      /invalid or repeated number 1/,
    ],
    [
      'a scalar for a list',
      [{ name: 'r', type: 'INT64', mode: 'REPEATED' }],
      { name: 'Row', field: [field('r', 1, 'int64')] },
      /proto label optional does not fit the REPEATED column r/,
    ],
    [
      'uint64 for INT64',
      [{ name: 'r', type: 'INT64' }],
      { name: 'Row', field: [{ name: 'r', number: 1, label: 1, type: 4 }] },
      /^The proto field mismatched with BigQuery field at Row\.r, the proto field type uint64, BigQuery field type INT64$/,
    ],
    [
      'a type that is none',
      [{ name: 'r', type: 'INT64' }],
      { name: 'Row', field: [{ name: 'r', number: 1, label: 1 }] },
      /the proto field type type 0, BigQuery field type INT64/,
    ],
  ]
  for (const [what, columns, descriptor, message] of refused)
    it(`refuses ${what}`, async () => {
      const table = await store.table(columns)
      assert.throws(
        () => table.protoWriter(descriptor),
        (error: Error) => error instanceof UnusableDescriptor && message.test(error.message),
      )
    })

  it('names the path of a field the table lacks', async () => {
    const table = await store.table([{ name: 'r', type: 'RECORD', fields: [{ name: 'x', type: 'INT64' }] }])
    const { descriptor } = writer('optional R r = 1; message R { optional int64 x = 1; optional int64 more = 2; }')
    assert.throws(
      () => table.protoWriter(descriptor),
      (error: Error) => error instanceof ExtraFields && error.message === 'r.more',
    )
  })

  it('refuses hostile descriptors at once and with little memory', async () => {
    const table = await store.table([{ name: 'v', type: 'INT64' }])
    let deep: Buffer = Buffer.alloc(0)
    for (let depth = 0; depth < 2000; depth++) deep = chunk(3, deep)
    const hostile: [string, Buffer][] = [
      ['nested too deeply', deep],
      ['too many types', Buffer.alloc(4_000_000, Buffer.from([0x1a, 0]))],
      ['too many types', Buffer.alloc(4_000_000, Buffer.from([0x22, 0]))],
      ['too many types', chunk(4, Buffer.alloc(4_000_000, Buffer.from([0x12, 0])))],
      ['too many fields', Buffer.alloc(4_000_000, Buffer.from([0x12, 0]))],
    ]
    for (const [message, bytes] of hostile)
      assert.throws(
        () => table.writer({ kind: 'proto', bytes }),
        (error: Error) => error instanceof MalformedProto && error.message.includes(message),
      )
    const longName = { name: 'Row', field: [field('v', 1, 'message', { typeName: '.a'.repeat(1_000_000) })] }
    assert.throws(() => table.protoWriter(longName), UnusableDescriptor)
  })

  it('reports every bad row with its index, up to a thousand, and repeats no endless value', async () => {
    const table = await store.table([
      { name: 'd', type: 'DATE' },
      { name: 'n', type: 'INT64', mode: 'REQUIRED' },
    ])
    const schema = writer('optional string d = 1; optional int64 n = 2;')
    const rows = [{ d: '2020-01-01', n: 1 }, { d: 'x'.repeat(100_000), n: 1 }, { d: '2020-01-01' }, { n: 2 }].map(
      schema.row,
    )
    const { errors } = table.append(schema.descriptor, rows)
    assert.deepEqual(
      errors.map(({ index, message }) => [index, message]),
      [
        [1, `Invalid date: '${'x'.repeat(100)}…' on field d.`],
        [2, 'Required field n is missing.'],
      ],
    )
    const many = Array.from({ length: 3000 }, () => schema.row({}))
    assert.equal(table.append(schema.descriptor, many).errors.length, 1000)
    assert.deepEqual(await table.all(), [])
  })

  it('answers row errors when the descriptor leaves a REQUIRED column out', async () => {
    const table = await store.table([
      { name: 'a', type: 'INT64', mode: 'REQUIRED' },
      { name: 'b', type: 'INT64' },
    ])
    const schema = writer('optional int64 b = 1;')
    assert.deepEqual(table.refusals(schema.descriptor, [schema.row({ b: 1 }), schema.row({})]), [
      'Required field a is missing.',
      'Required field a is missing.',
    ])
  })

  it('reads a descriptor encoded by others the same: unknown options and extensions aside', async () => {
    const table = await store.table([{ name: 'v', type: 'INT64' }])
    const bytes = Buffer.concat([
      encode('google.protobuf.DescriptorProto', {
        name: 'Row',
        field: [field('v', 1, 'int64', { jsonName: 'v', options: { packed: true, deprecated: true } })],
        reservedRange: [{ start: 5, end: 6 }],
      }),
      text(99, 'unknown'),
    ])
    const { errors } = appendTo(table.writer({ kind: 'proto', bytes }), [int(1, 3)])
    assert.deepEqual(errors, [])
    assert.deepEqual(await table.all(), [['3']])
  })
})
