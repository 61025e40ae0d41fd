// Cases 33 to 35: what columns get that a writer schema or a row leaves out.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { MissingValues } from '../src/storage/storage.ts'
import type { MissingValue } from '../src/wire/append-request.ts'
import { writer } from './raw-client.ts'
import { appendTo, RowStore, type TableField } from './rows-table.ts'

const NOW_MS = Date.UTC(2026, 0, 31, 12, 30, 15, 250)
const saying = (otherwise: MissingValue, byColumn: Record<string, MissingValue> = {}): MissingValues => ({
  otherwise,
  byColumn: new Map(Object.entries(byColumn)),
})
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe('missing values', () => {
  let store: RowStore
  let nowMs = NOW_MS
  before(async () => {
    store = await RowStore.open(() => nowMs)
  })
  after(() => store.close())

  const defaulted = (
    name: string,
    type: string,
    defaultValueExpression: string,
    more: Partial<TableField> = {},
  ): TableField => ({
    name,
    type,
    defaultValueExpression,
    ...more,
  })

  it('case 33: a column that is not in the writer schema gets its default whatever is said of missing values, or NULL', async () => {
    for (const missing of [saying('null'), saying('default'), saying('null', { withDefault: 'null' })]) {
      const table = await store.table([
        { name: 'id', type: 'INT64' },
        defaulted('withDefault', 'STRING', "'filled'"),
        { name: 'without', type: 'STRING' },
        { name: 'list', type: 'STRING', mode: 'REPEATED' },
      ])
      const { descriptor, row } = writer('optional int64 id = 1;')
      assert.deepEqual(await table.roundTrip(descriptor, [row({ id: 1 }), row({})], missing), [
        ['1', 'filled', null, '[]'],
        [null, 'filled', null, '[]'],
      ])
    }
  })

  it('case 34: a column of the writer schema that a row leaves out is NULL, its default under DEFAULT_VALUE; the map beats that', async () => {
    const table = await store.table([
      { name: 'id', type: 'INT64' },
      defaulted('A', 'STRING', "'a by default'"),
      defaulted('b', 'INT64', '7'),
      { name: 'c', type: 'INT64' },
    ])
    const { descriptor, row } = writer(
      'optional int64 id = 1; optional string a = 2; optional int64 b = 3; optional int64 c = 4;',
    )
    const open = table.protoWriter(descriptor)
    const requests: [MissingValues, number][] = [
      [saying('null'), 1],
      [saying('unspecified'), 2],
      [saying('default'), 3],
      [saying('default', { b: 'null' }), 4],
      [saying('null', { a: 'default' }), 5],
      [saying('default', { a: 'unspecified' }), 6],
      [saying('default', { nowhere: 'null' }), 7],
    ]
    for (const [missing, id] of requests) assert.deepEqual(appendTo(open, [row({ id })], missing).errors, [])
    assert.deepEqual(appendTo(open, [row({ id: 8, a: '', b: 0 })], saying('default')).errors, [])
    assert.deepEqual(await table.all(), [
      ['1', null, null, null],
      ['2', null, null, null],
      ['3', 'a by default', '7', null],
      ['4', 'a by default', null, null],
      ['5', 'a by default', null, null],
      ['6', 'a by default', '7', null],
      ['7', 'a by default', '7', null],
      ['8', '', '0', null],
    ])
  })

  it('case 35: REQUIRED id DEFAULT GENERATE_UUID() is filled, another for each row, and missed without DEFAULT_VALUE', async () => {
    const table = await store.table([
      defaulted('id', 'STRING', 'GENERATE_UUID()', { mode: 'REQUIRED' }),
      { name: 'n', type: 'INT64' },
    ])
    const { descriptor, row } = writer('optional string id = 1; optional int64 n = 2;')
    const rows = [row({ n: 1 }), row({ n: 2 }), row({ id: 'given', n: 3 })]
    assert.deepEqual(table.refusals(descriptor, rows), [
      'Required field id is missing.',
      'Required field id is missing.',
    ])
    const stored = await table.roundTrip(descriptor, rows, saying('default'))
    assert.match(String(stored[0]![0]), UUID)
    assert.match(String(stored[1]![0]), UUID)
    assert.notEqual(stored[0]![0], stored[1]![0])
    assert.deepEqual(stored[2], ['given', '3'])
    // Not in the writer schema: filled all the same.
    const bare = writer('optional int64 n = 1;')
    assert.deepEqual(table.refusals(bare.descriptor, [bare.row({ n: 4 })]), [])
  })

  it('evaluates every kind of default expression, CURRENT_* by the emulator’s clock at the request', async () => {
    const columns: [TableField, string | RegExp | null][] = [
      [defaulted('s', 'STRING', String.raw`"tab\t and \u00e9"`), 'tab\t and é'],
      [defaulted('raw', 'STRING', String.raw`r'\n'`), String.raw`\n`],
      [defaulted('by', 'BYTES', String.raw`b'\x00\377'`), String.raw`\x00\xFF`],
      [defaulted('i', 'INT64', '-0x10'), '-16'],
      [defaulted('f', 'FLOAT64', '1.5e3'), '1500.0'],
      [defaulted('nan', 'FLOAT64', "CAST('nan' AS FLOAT64)"), 'nan'],
      [defaulted('bo', 'BOOL', 'FALSE'), 'false'],
      [defaulted('nu', 'NUMERIC', "NUMERIC '1.5'"), '1.500000000'],
      [defaulted('bn', 'BIGNUMERIC', '1.25'), '1.25'],
      [defaulted('d', 'DATE', "DATE '2020-02-29'"), '2020-02-29'],
      [defaulted('dt', 'DATETIME', "'2020-02-29 01:02:03'"), '2020-02-29 01:02:03'],
      [defaulted('ti', 'TIME', "TIME '01:02:03.5'"), '01:02:03.5'],
      [defaulted('ts', 'TIMESTAMP', "TIMESTAMP '2020-01-01 00:00:00+01:00'"), '2019-12-31 23:00:00+00'],
      [defaulted('j', 'JSON', `JSON '{"a":1}'`), '{"a":1}'],
      [defaulted('iv', 'INTERVAL', 'INTERVAL -90 MINUTE'), '-01:30:00'],
      [defaulted('im', 'INTERVAL', "INTERVAL '1-2' YEAR TO MONTH"), '1 year 2 months'],
      [defaulted('g', 'GEOGRAPHY', 'ST_GEOGPOINT(190, 10.5)'), 'POINT(-170 10.5)'],
      [
        defaulted('ra', 'RANGE', "RANGE<DATE> '[2020-01-01, UNBOUNDED)'", { rangeElementType: { type: 'DATE' } }),
        "{'start': 2020-01-01, 'end': NULL}",
      ],
      [defaulted('l', 'INT64', '[1, 2]', { mode: 'REPEATED' }), '[1, 2]'],
      [
        defaulted('st', 'RECORD', "STRUCT(1 AS a, ['x'] AS b)", {
          fields: [
            { name: 'a', type: 'INT64' },
            { name: 'b', type: 'STRING', mode: 'REPEATED' },
          ],
        }),
        "{'a': 1, 'b': [x]}",
      ],
      [defaulted('nothing', 'INT64', 'NULL'), null],
      [defaulted('cd', 'DATE', 'CURRENT_DATE()'), '2026-01-31'],
      [defaulted('cdt', 'DATETIME', 'CURRENT_DATETIME'), '2026-01-31 12:30:15.25'],
      [defaulted('cti', 'TIME', 'CURRENT_TIME()'), '12:30:15.25'],
      [defaulted('cts', 'TIMESTAMP', 'CURRENT_TIMESTAMP()'), '2026-01-31 12:30:15.25+00'],
      [
        defaulted('ctp', 'TIMESTAMP', 'CURRENT_TIMESTAMP()', { timestampPrecision: '12' }),
        '2026-01-31T12:30:15.250000000000Z',
      ],
      [defaulted('u', 'STRING', 'GENERATE_UUID()'), UUID],
      [defaulted('r', 'FLOAT64', 'RAND()'), /^(0\.\d+|\d\.\d+e-\d+)$/],
      [defaulted('su', 'STRING', 'SESSION_USER()'), /@/],
    ]
    const table = await store.table([{ name: 'id', type: 'INT64' }, ...columns.map(([field]) => field)])
    const { descriptor, row } = writer('optional int64 id = 1;')
    const [stored] = await table.roundTrip(descriptor, [row({ id: 1 })])
    for (const [index, [field, expected]] of columns.entries()) {
      const value = stored![index + 1]
      if (expected instanceof RegExp) assert.match(String(value), expected, field.name)
      else assert.equal(value, expected, field.name)
    }
    nowMs = Date.UTC(2027, 0, 1)
    try {
      assert.deepEqual(table.append(descriptor, [row({ id: 2 })]).errors, [])
      assert.deepEqual(await table.all('cd::VARCHAR'), [['2026-01-31'], ['2027-01-01']])
    } finally {
      nowMs = NOW_MS
    }
  })

  it('takes back defaults of a refused request, lists and texts included', async () => {
    const table = await store.table([
      { name: 'd', type: 'DATE' },
      defaulted('l', 'STRING', "['a text of more than twelve', 'b']", { mode: 'REPEATED' }),
      defaulted('s', 'STRING', "'another of more than twelve bytes'"),
    ])
    const { descriptor, row } = writer('optional string d = 1;')
    const open = table.protoWriter(descriptor)
    for (const d of ['2020-01-01', 'never', '2020-01-02']) appendTo(open, [row({ d: '2020-01-03' }), row({ d })])
    const filled = ['[a text of more than twelve, b]', 'another of more than twelve bytes']
    assert.deepEqual(await table.all(), [
      ['2020-01-03', ...filled],
      ['2020-01-01', ...filled],
      ['2020-01-03', ...filled],
      ['2020-01-02', ...filled],
    ])
  })

  it('fills an absent list by its default only under DEFAULT_VALUE', async () => {
    const table = await store.table([
      { name: 'id', type: 'INT64' },
      defaulted('l', 'INT64', '[7]', { mode: 'REPEATED' }),
    ])
    const { descriptor, row } = writer('optional int64 id = 1; repeated int64 l = 2;')
    table.append(descriptor, [row({ id: 1 })], saying('null'))
    table.append(descriptor, [row({ id: 2 }), row({ id: 3, l: [1] })], saying('default'))
    assert.deepEqual(await table.all(), [
      ['1', '[]'],
      ['2', '[7]'],
      ['3', '[1]'],
    ])
  })
})
