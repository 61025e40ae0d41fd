// Rows as Arrow record batches, written by apache-arrow and read back by SQL of the storage.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import * as arrow from 'apache-arrow'
import { ExtraFields, UnusableDescriptor } from '../src/rows/field-match.ts'
import { NullStorage } from '../src/storage/null-storage.ts'
import type { Written } from '../src/storage/storage.ts'
import { readAppendRequest } from '../src/wire/append-request.ts'
import { type Messages, messagesOf, tableOf } from './arrow-batches.ts'
import { encode } from './raw-client.ts'
import { NOTHING_SAID, RowStore, type RowTable, type TableField } from './rows-table.ts'

const append = (table: RowTable, { schema, batch }: Messages): Written => {
  const request = encode('AppendRowsRequest', { arrowRows: { rows: { serializedRecordBatch: batch } } })
  return table.writer({ kind: 'arrow', bytes: schema }).write(readAppendRequest(request), NOTHING_SAID)
}

const nullable = (type: arrow.DataType, name = 'item'): arrow.Field => new arrow.Field(name, type, true)
const listOf = (type: arrow.DataType): arrow.List => new arrow.List(nullable(type))
const micros = (timezone?: string): arrow.Timestamp => new arrow.Timestamp(arrow.TimeUnit.MICROSECOND, timezone)

describe('Arrow rows', () => {
  let store: RowStore
  before(async () => {
    store = await RowStore.open()
  })
  after(() => store.close())

  const kept: [field: Omit<TableField, 'name'>, type: arrow.DataType, values: unknown[], stored: unknown[]][] = [
    [{ type: 'BOOL' }, new arrow.Bool(), [true, false, null], ['true', 'false', null]],
    [{ type: 'INT64' }, new arrow.Int8(), [-128, 127, null], ['-128', '127', null]],
    [{ type: 'INT64' }, new arrow.Int16(), [-32768, 32767], ['-32768', '32767']],
    [{ type: 'INT64' }, new arrow.Int32(), [-2147483648, 2147483647], ['-2147483648', '2147483647']],
    [
      { type: 'INT64' },
      new arrow.Int64(),
      [-9223372036854775808n, 9007199254740993n, null],
      ['-9223372036854775808', '9007199254740993', null],
    ],
    [{ type: 'FLOAT64' }, new arrow.Float32(), [1.5, Number.NEGATIVE_INFINITY], ['1.5', '-inf']],
    [{ type: 'FLOAT64' }, new arrow.Float64(), [0.1, Number.NaN, null], ['0.1', 'nan', null]],
    [
      { type: 'STRING' },
      new arrow.Utf8(),
      ['', 'short', null, 'żółć and 漢字 🎉 over twelve'],
      ['', 'short', null, 'żółć and 漢字 🎉 over twelve'],
    ],
    [{ type: 'STRING' }, new arrow.LargeUtf8(), ['large', null], ['large', null]],
    [{ type: 'JSON' }, new arrow.Utf8(), ['{"a": 1}'], ['{"a": 1}']],
    [{ type: 'GEOGRAPHY' }, new arrow.Utf8(), ['point(1 2)', null], ['POINT(1 2)', null]],
    [{ type: 'BYTES' }, new arrow.Binary(), [Uint8Array.of(0, 255), null], ['\\x00\\xFF', null]],
    [{ type: 'DATE' }, new arrow.DateDay(), [new Date('2020-02-29'), null], ['2020-02-29', null]],
    [{ type: 'DATE' }, new arrow.Int32(), [-1], ['1969-12-31']],
    [{ type: 'DATE' }, new arrow.Utf8(), ['2020-02-29'], ['2020-02-29']],
    [{ type: 'TIME' }, new arrow.TimeMicrosecond(), [3_723_000_004n, null], ['01:02:03.000004', null]],
    [{ type: 'INTERVAL' }, new arrow.Utf8(), ['1-2 3 4:5:6'], ['1 year 2 months 3 days 04:05:06']],
    [
      { type: 'INT64', mode: 'REPEATED' },
      listOf(new arrow.Int64()),
      [[1n, 2n], null, [], [3n]],
      ['[1, 2]', '[]', '[]', '[3]'],
    ],
    [
      { type: 'STRING', mode: 'REPEATED' },
      listOf(new arrow.Utf8()),
      [['a', 'a text of more than twelve'], ['b']],
      ['[a, a text of more than twelve]', '[b]'],
    ],
    [
      {
        type: 'RECORD',
        fields: [
          { name: 'a', type: 'INT64' },
          { name: 'B', type: 'STRING', mode: 'REPEATED' },
        ],
      },
      new arrow.Struct([nullable(new arrow.Int32(), 'a'), nullable(listOf(new arrow.Utf8()), 'b')]),
      [{ a: 1, b: ['x'] }, null, { a: null, b: null }],
      ["{'a': 1, 'B': [x]}", null, "{'a': NULL, 'B': []}"],
    ],
    [
      { type: 'RECORD', mode: 'REPEATED', fields: [{ name: 'a', type: 'INT64' }] },
      listOf(new arrow.Struct([nullable(new arrow.Int64(), 'a')])),
      [[{ a: 1n }, { a: 2n }], []],
      ["[{'a': 1}, {'a': 2}]", '[]'],
    ],
    [
      { type: 'RANGE', rangeElementType: { type: 'DATE' } },
      new arrow.Struct([nullable(new arrow.Int32(), 'start'), nullable(new arrow.Int32(), 'end')]),
      [{ start: 0, end: 1 }, { start: null, end: 1 }, null],
      ["{'start': 1970-01-01, 'end': 1970-01-02}", "{'start': NULL, 'end': 1970-01-02}", null],
    ],
  ]
  for (const [field, type, values, stored] of kept)
    it(`keeps ${type} as ${field.mode ?? ''} ${field.type}`, async () => {
      const table = await store.table([{ name: 'v', ...field }])
      const written = append(table, messagesOf(tableOf({ V: [type, values] })))
      assert.deepEqual([written.rowCount, written.errors], [values.length, []])
      assert.deepEqual(
        (await table.all()).map(([v]) => v),
        stored,
      )
    })

  /** Columns the library has no builder for, or whose builder loses digits: their bytes are given as they lie. */
  const raw = (type: arrow.DataType, data: ArrayBufferView, length: number): arrow.Table => {
    const fields = [nullable(type, 'v')]
    const child = arrow.makeData({ type, length, nullCount: 0, data } as never) as arrow.Data
    const struct = arrow.makeData({ type: new arrow.Struct(fields), length, nullCount: 0, children: [child] })
    const schema = new arrow.Schema(fields)
    return new arrow.Table(schema, [new arrow.RecordBatch(schema, struct)])
  }
  const wide = (width: 16 | 32, ...values: bigint[]): Uint32Array =>
    Uint32Array.from(
      values.flatMap(value =>
        Array.from({ length: width / 4 }, (_, word) =>
          Number((BigInt.asUintN(width * 8, value) >> BigInt(32 * word)) & 0xffffffffn),
        ),
      ),
    )
  const rawKept: [field: Omit<TableField, 'name'>, type: arrow.DataType, data: ArrayBufferView, stored: string[]][] = [
    [
      { type: 'DATETIME' },
      micros(),
      BigInt64Array.of(-1n, 1_600_000_000_123_456n),
      ['1969-12-31 23:59:59.999999', '2020-09-13 12:26:40.123456'],
    ],
    [{ type: 'TIMESTAMP' }, micros('UTC'), BigInt64Array.of(-1n), ['1969-12-31 23:59:59.999999+00']],
    [{ type: 'TIMESTAMP' }, micros('+00:00'), BigInt64Array.of(0n), ['1970-01-01 00:00:00+00']],
    [
      { type: 'TIMESTAMP', timestampPrecision: '12' },
      new arrow.Timestamp(arrow.TimeUnit.NANOSECOND, 'UTC'),
      BigInt64Array.of(-1n, 1_000_000_001n),
      ['1969-12-31T23:59:59.999999999000Z', '1970-01-01T00:00:01.000000001000Z'],
    ],
    [
      { type: 'NUMERIC' },
      new arrow.Decimal(9, 38),
      wide(16, 10n ** 38n - 1n, -1n),
      ['99999999999999999999999999999.999999999', '-0.000000001'],
    ],
    [{ type: 'NUMERIC' }, new arrow.Decimal(2, 5), wide(16, 12_345n, -5n), ['123.450000000', '-0.050000000']],
    [{ type: 'BIGNUMERIC' }, new arrow.Decimal(2, 5), wide(16, 12_345n), ['123.45']],
    [
      { type: 'BIGNUMERIC' },
      new arrow.Decimal(38, 76, 256),
      wide(32, 2n ** 255n - 1n, -1n),
      [
        '578960446186580977117854925043439539266.34992332820282019728792003956564819967',
        '-0.00000000000000000000000000000000000001',
      ],
    ],
    [{ type: 'INTERVAL' }, new arrow.IntervalYearMonth(), Int32Array.of(14, -1), ['1 year 2 months', '-1 month']],
    [
      { type: 'INTERVAL' },
      new arrow.IntervalMonthDayNano(),
      Int32Array.of(14, 3, 1_500, 0, -1, -2, -1_000, -1),
      ['1 year 2 months 3 days 00:00:00.000001', '-1 month -2 days -00:00:00.000001'],
    ],
    [{ type: 'INTERVAL' }, new arrow.IntervalDayTime(), Int32Array.of(3, 1500), ['3 days 00:00:01.5']],
  ]
  for (const [field, type, data, stored] of rawKept)
    it(`keeps ${type} as ${field.type}${field.timestampPrecision ? '(12)' : ''}`, async () => {
      const table = await store.table([{ name: 'v', ...field }])
      assert.deepEqual(append(table, messagesOf(raw(type, data, stored.length))).errors, [])
      assert.deepEqual(
        (await table.all()).map(([v]) => v),
        stored,
      )
    })

  it('answers row errors for the rows that do not fit, and takes none of the batch', async () => {
    const table = await store.table([
      { name: 's', type: 'STRING', maxLength: '3' },
      { name: 'd', type: 'DATE' },
      { name: 'r', type: 'INT64', mode: 'REQUIRED' },
      { name: 'l', type: 'INT64', mode: 'REPEATED' },
    ])
    const types: Record<string, [arrow.DataType, unknown[]]> = {
      s: [new arrow.Utf8(), ['abc', 'abcd', 'a', 'a', 'a', null]],
      d: [new arrow.Int32(), [0, 0, 2932897, 0, 0, null]],
      r: [new arrow.Int64(), [1n, 1n, 1n, null, 1n, 1n]],
      l: [listOf(new arrow.Int64()), [[], [], [], [], [null], null]],
    }
    const { errors } = append(table, messagesOf(tableOf(types)))
    assert.deepEqual(
      errors.map(({ index, message }) => [index, message]),
      [
        [1, 'Field s: STRING(3) has maximum length 3 but got a value with length 4 on field s.'],
        [2, 'Date field value is out of range: 2932897 on field d.'],
        [3, 'Required field r is missing.'],
        [4, 'Repeated field l cannot hold NULL.'],
      ],
    )
    assert.deepEqual(await table.all(), [])
  })

  it('fills columns the Arrow schema lacks with their defaults; a null is NULL', async () => {
    const table = await store.table([
      { name: 'a', type: 'INT64', defaultValueExpression: '7' },
      { name: 'b', type: 'STRING', defaultValueExpression: "'default'" },
      { name: 'c', type: 'STRING', mode: 'REQUIRED', defaultValueExpression: "'required'" },
    ])
    const messages = messagesOf(tableOf({ a: [new arrow.Int64(), [1n, null]] }))
    const request = encode('AppendRowsRequest', { arrowRows: { rows: { serializedRecordBatch: messages.batch } } })
    const writer = table.writer({ kind: 'arrow', bytes: messages.schema })
    assert.deepEqual(writer.write(readAppendRequest(request), { byColumn: undefined, otherwise: 'default' }).errors, [])
    assert.deepEqual(await table.all(), [
      ['1', 'default', 'required'],
      [null, 'default', 'required'],
    ])
    const bare = await store.table([
      { name: 'a', type: 'INT64' },
      { name: 'b', type: 'STRING', mode: 'REQUIRED' },
    ])
    assert.deepEqual(
      append(bare, messages).errors.map(({ message }) => message),
      Array(2).fill('Required field b is missing.'),
    )
  })

  it('names extra fields, and types that do not fit', async () => {
    const table = await store.table([
      { name: 'i', type: 'INT64' },
      { name: 't', type: 'TIMESTAMP' },
      { name: 'd', type: 'DATETIME' },
      { name: 'n', type: 'NUMERIC' },
      { name: 'l', type: 'INT64', mode: 'REPEATED' },
      { name: 'r', type: 'RECORD', fields: [{ name: 'x', type: 'INT64' }] },
    ])
    const refused: [string, arrow.DataType, unknown, RegExp][] = [
      ['i', new arrow.Utf8(), '1', /field type Utf8, BigQuery field type INT64/],
      ['i', new arrow.Uint64(), 1n, /field type UInt64/],
      ['t', micros(), 1, /field type Timestamp\(microsecond\), BigQuery field type TIMESTAMP/],
      ['t', new arrow.Timestamp(arrow.TimeUnit.NANOSECOND, 'UTC'), 1, /Timestamp\(nanosecond, UTC\)/],
      ['d', micros('UTC'), 1, /Timestamp\(microsecond, UTC\), BigQuery field type DATETIME/],
      ['n', new arrow.Decimal(10, 38), Uint32Array.of(0, 0, 0, 0), /Decimal128\(38, 10\)/],
      ['l', new arrow.Int64(), 1n, /BigQuery field type REPEATED INT64/],
      ['i', listOf(new arrow.Int64()), [1n], /field type List, BigQuery field type INT64/],
      ['r', new arrow.Int64(), 1n, /BigQuery field type STRUCT/],
    ]
    for (const [name, type, value, message] of refused)
      assert.throws(
        () => append(table, messagesOf(tableOf({ [name]: [type, [value]] }))),
        (error: Error) => error instanceof UnusableDescriptor && message.test(error.message),
      )
    assert.throws(
      () => append(table, messagesOf(tableOf({ more: [new arrow.Int64(), [1n]] }))),
      (error: Error) => error instanceof ExtraFields && error.message === 'more',
    )
    assert.throws(
      () =>
        append(table, messagesOf(tableOf({ r: [new arrow.Struct([nullable(new arrow.Int64(), 'y')]), [{ y: 1n }]] }))),
      (error: Error) => error instanceof ExtraFields && error.message === 'r.y',
    )
    const dictionary = new arrow.Dictionary(new arrow.Utf8(), new arrow.Int32())
    assert.throws(
      () => append(table, messagesOf(tableOf({ i: [dictionary, ['a']] }))),
      /Arrow field i: dictionary encoding is not supported/,
    )
  })

  it('counts them with null storage', async () => {
    const storage = new NullStorage()
    const spec = { hiddenIn: undefined, isDefaultStream: true, partition: undefined }
    const table = { ...(await store.table([{ name: 'a', type: 'INT64' }])).resource, incarnation: 'counted' }
    const { schema, batch } = messagesOf(tableOf({ a: [new arrow.Int64(), [1n, 2n, 3n]] }))
    const request = readAppendRequest(
      encode('AppendRowsRequest', { arrowRows: { rows: { serializedRecordBatch: batch } } }),
    )
    const writer = storage.openWriter({ ...spec, table, schema: { kind: 'arrow', bytes: schema } })
    assert.equal(writer.write(request, NOTHING_SAID).rowCount, 3)
    assert.equal(await storage.rowCount(table), 3n)
    const other = messagesOf(tableOf({ b: [new arrow.Int64(), [1n]] }))
    assert.throws(
      () => storage.openWriter({ ...spec, table, schema: { kind: 'arrow', bytes: other.schema } }),
      ExtraFields,
    )
  })

  it('refuses a batch of another schema than was told', async () => {
    const table = await store.table([
      { name: 'a', type: 'INT64' },
      { name: 'b', type: 'STRING' },
    ])
    const one = messagesOf(tableOf({ a: [new arrow.Int64(), [1n]] }))
    const two = messagesOf(tableOf({ a: [new arrow.Int64(), [1n]], b: [new arrow.Utf8(), ['x']] }))
    assert.throws(
      () => append(table, { schema: one.schema, batch: two.batch }),
      /does not have the arrays of its schema/,
    )
    assert.throws(() => append(table, { schema: two.schema, batch: one.batch }), /field b has no values instead of 1/)
    assert.throws(
      () => append(table, { schema: one.batch, batch: one.batch }),
      /a schema was expected, not of a record batch/,
    )
    assert.throws(
      () => append(table, { schema: one.schema, batch: one.schema }),
      /a record batch was expected, not of a schema/,
    )
    assert.throws(() => append(table, { schema: Buffer.alloc(0), batch: one.batch }), UnusableDescriptor)
    assert.deepEqual(await table.all(), [])
  })

  it('meets every mutilation of both messages with a refusal or rows, never anything else, and in little time', async () => {
    const table = await store.table([
      { name: 's', type: 'STRING' },
      { name: 'l', type: 'INT64', mode: 'REPEATED' },
      { name: 'r', type: 'RECORD', fields: [{ name: 'x', type: 'BOOL' }] },
    ])
    const messages = messagesOf(
      tableOf({
        s: [new arrow.Utf8(), ['one', null, 'three of more than twelve']],
        l: [listOf(new arrow.Int64()), [[1n], null, [2n, 3n]]],
        r: [new arrow.Struct([nullable(new arrow.Bool(), 'x')]), [{ x: true }, null, { x: null }]],
      }),
    )
    assert.deepEqual(append(table, messages).errors, [])
    const outcomes = { refused: 0, taken: 0 }
    const meet = (mutilated: Messages): void => {
      try {
        append(table, mutilated)
        outcomes.taken++
      } catch (error) {
        assert.ok(error instanceof UnusableDescriptor || error instanceof ExtraFields, (error as Error).stack)
        outcomes.refused++
      }
    }
    for (const which of ['schema', 'batch'] as const) {
      const whole = messages[which]
      for (let at = 0; at < whole.length; at++) {
        meet({ ...messages, [which]: whole.subarray(0, at) })
        for (const byte of [0x00, 0x7f, 0x80, 0xff]) {
          const changed = Buffer.from(whole)
          changed[at] = byte
          meet({ ...messages, [which]: changed })
        }
        if (at % 4 === 0 && at + 4 <= whole.length)
          for (const word of [0x7fffffff, -1, 0x10000000]) {
            const changed = Buffer.from(whole)
            changed.writeInt32LE(word, at)
            meet({ ...messages, [which]: changed })
          }
      }
    }
    assert.ok(outcomes.refused > 1000 && outcomes.taken > 100, JSON.stringify(outcomes))
  })
})
