// The column types that have a form of their own: GEOGRAPHY, INTERVAL, RANGE, TIMESTAMP(12). Stored values as DuckDB shows them.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { UnusableDescriptor } from '../src/rows/field-match.ts'
import { type Message, writer } from './raw-client.ts'
import { RowStore, type TableField } from './rows-table.ts'

const DURATION = 'message google_protobuf_Duration { optional int64 seconds = 1; optional int32 nanos = 2; }'
const TIMESTAMP = 'message google_protobuf_Timestamp { optional int64 seconds = 1; optional int32 nanos = 2; }'
const PICOS = 'message Picos { optional int64 seconds = 1; optional int64 picoseconds = 2; }'
const range = (type: string): string => `message R { optional ${type} start = 1; optional ${type} end = 2; }`

describe('types of their own form', () => {
  let store: RowStore
  before(async () => {
    store = await RowStore.open()
  })
  after(() => store.close())

  const column = (type: string, more: Partial<TableField> = {}): TableField => ({ name: 'v', type, ...more })
  const rangeOf = (type: string): TableField => column('RANGE', { rangeElementType: { type } })
  const picos = column('TIMESTAMP', { timestampPrecision: '12' })

  const kept: [what: string, field: TableField, schema: string, written: unknown[], stored: (string | null)[]][] = [
    [
      'GEOGRAPHY from WKT',
      column('GEOGRAPHY'),
      'optional string v = 1;',
      [
        'POINT(-122.35 47.62)',
        ' point ( 1.50   -2e0 ) ',
        'LINESTRING(1 1,2 1, 3 1)',
        'POLYGON((0 0, 1 0, 1 1, 0 0), (0.1 0.1, 0.2 0.1, 0.2 0.2, 0.1 0.1))',
        'MULTIPOINT(1 2, 3 4)',
        'MULTIPOINT((1 2), (3 4))',
        'MULTILINESTRING((1 1, 2 2), (3 3, 4 4))',
        'MULTIPOLYGON(((0 0, 1 0, 1 1, 0 0)))',
        'GEOMETRYCOLLECTION(POINT(1 2), LINESTRING(1 2, 3 4))',
        'GEOMETRYCOLLECTION EMPTY',
      ],
      [
        'POINT(-122.35 47.62)',
        'POINT(1.5 -2)',
        'LINESTRING(1 1, 2 1, 3 1)',
        'POLYGON((0 0, 1 0, 1 1, 0 0), (0.1 0.1, 0.2 0.1, 0.2 0.2, 0.1 0.1))',
        'MULTIPOINT(1 2, 3 4)',
        'MULTIPOINT(1 2, 3 4)',
        'MULTILINESTRING((1 1, 2 2), (3 3, 4 4))',
        'MULTIPOLYGON(((0 0, 1 0, 1 1, 0 0)))',
        'GEOMETRYCOLLECTION(POINT(1 2), LINESTRING(1 2, 3 4))',
        'GEOMETRYCOLLECTION EMPTY',
      ],
    ],
    [
      'GEOGRAPHY from GeoJSON',
      column('GEOGRAPHY'),
      'optional string v = 1;',
      [
        { type: 'Point', coordinates: [1, 2, 99] },
        {
          type: 'LineString',
          coordinates: [
            [1, 2],
            [3, 4],
          ],
        },
        {
          type: 'Polygon',
          coordinates: [
            [
              [0, 0],
              [1, 0],
              [1, 1],
              [0, 0],
            ],
          ],
        },
        {
          type: 'MultiPoint',
          coordinates: [
            [1, 2],
            [3, 4],
          ],
        },
        {
          type: 'MultiLineString',
          coordinates: [
            [
              [1, 2],
              [3, 4],
            ],
          ],
        },
        {
          type: 'MultiPolygon',
          coordinates: [
            [
              [
                [0, 0],
                [1, 0],
                [1, 1],
                [0, 0],
              ],
            ],
          ],
        },
        { type: 'GeometryCollection', geometries: [{ type: 'Point', coordinates: [1, 2] }] },
        { type: 'Polygon', coordinates: [] },
      ].map(value => JSON.stringify(value)),
      [
        'POINT(1 2)',
        'LINESTRING(1 2, 3 4)',
        'POLYGON((0 0, 1 0, 1 1, 0 0))',
        'MULTIPOINT(1 2, 3 4)',
        'MULTILINESTRING((1 2, 3 4))',
        'MULTIPOLYGON(((0 0, 1 0, 1 1, 0 0)))',
        'GEOMETRYCOLLECTION(POINT(1 2))',
        'POLYGON EMPTY',
      ],
    ],
    [
      'INTERVAL from string',
      column('INTERVAL'),
      'optional string v = 1;',
      [
        '1-2 3 4:5:6.7',
        '-1-2 -3 -4:5:6.000007',
        '0-0 0 0:0:0',
        '10000-0 3660000 87840000:0:0',
        'P1Y2M3DT4H5M6.5S',
        '-P2W',
        '0-0 0 -0:0:0.5',
      ],
      [
        '1 year 2 months 3 days 04:05:06.7',
        '-1 year -2 months -3 days -04:05:06.000007',
        '00:00:00',
        '10000 years 3660000 days 87840000:00:00',
        '1 year 2 months 3 days 04:05:06.5',
        '-14 days',
        '-00:00:00.5',
      ],
    ],
    [
      'INTERVAL from google.protobuf.Duration',
      column('INTERVAL'),
      `optional google_protobuf_Duration v = 1; ${DURATION}`,
      [{ seconds: 90, nanos: 1_500 }, { seconds: -1, nanos: -500_000_000 }, {}, { seconds: '315576000000' }],
      ['00:01:30.000001', '-00:00:01.5', '00:00:00', '87660000:00:00'],
    ],
    [
      'RANGE<DATE>',
      rangeOf('DATE'),
      `optional R v = 1; ${range('int32')}`,
      [{ start: 0, end: 1 }, { start: 5 }, { end: 5 }, {}],
      [
        "{'start': 1970-01-01, 'end': 1970-01-02}",
        "{'start': 1970-01-06, 'end': NULL}",
        "{'start': NULL, 'end': 1970-01-06}",
        "{'start': NULL, 'end': NULL}",
      ],
    ],
    [
      'RANGE<DATETIME>',
      rangeOf('DATETIME'),
      `optional R v = 1; ${range('string')}`,
      [{ start: '2020-01-01T00:00:00', end: '2020-01-01 00:00:00.000001' }],
      ["{'start': '2020-01-01 00:00:00', 'end': '2020-01-01 00:00:00.000001'}"],
    ],
    [
      'RANGE<TIMESTAMP>',
      rangeOf('TIMESTAMP'),
      `optional R v = 1; ${range('int64')}`,
      [{ start: '-5000000', end: '-1' }],
      ["{'start': '1969-12-31 23:59:55+00', 'end': '1969-12-31 23:59:59.999999+00'}"],
    ],
    [
      'TIMESTAMP(12) from string',
      picos,
      'optional string v = 1;',
      [
        '2026-01-31 12:00:00.123456789012',
        '2026-01-31T12:00:00Z',
        '2026-01-31 12:00:00.1234567+02:00',
        '0001-01-01',
        '1969-12-31 23:59:59.9999999 UTC',
      ],
      [
        '2026-01-31T12:00:00.123456789012Z',
        '2026-01-31T12:00:00.000000000000Z',
        '2026-01-31T10:00:00.123456700000Z',
        '0001-01-01T00:00:00.000000000000Z',
        '1969-12-31T23:59:59.999999900000Z',
      ],
    ],
    [
      'TIMESTAMP(12) from {seconds, picoseconds}',
      picos,
      `optional Picos v = 1; ${PICOS}`,
      [{ seconds: 1, picoseconds: 1 }, { seconds: -1, picoseconds: '999999999999' }, {}],
      ['1970-01-01T00:00:01.000000000001Z', '1969-12-31T23:59:59.999999999999Z', '1970-01-01T00:00:00.000000000000Z'],
    ],
    [
      'TIMESTAMP(12) from int64 and from google.protobuf.Timestamp',
      picos,
      `optional google_protobuf_Timestamp v = 1; ${TIMESTAMP}`,
      [{ seconds: 5, nanos: 123_456_789 }],
      ['1970-01-01T00:00:05.123456789000Z'],
    ],
    ['TIMESTAMP(12) from int64', picos, 'optional int64 v = 1;', ['-1'], ['1969-12-31T23:59:59.999999000000Z']],
  ]
  for (const [what, field, schema, written, stored] of kept)
    it(`keeps ${what}`, async () => {
      const { descriptor, row } = writer(schema)
      const table = await store.table([field])
      const rows = [{}, ...written.map(v => ({ v }))].map(row)
      assert.deepEqual(
        (await table.roundTrip(descriptor, rows)).map(([v]) => v),
        [null, ...stored],
      )
    })

  it('keeps them in lists and records too', async () => {
    const table = await store.table([
      { name: 'g', type: 'GEOGRAPHY', mode: 'REPEATED' },
      { name: 'i', type: 'INTERVAL', mode: 'REPEATED' },
      { name: 'r', type: 'RANGE', mode: 'REPEATED', rangeElementType: { type: 'DATE' } },
      { name: 's', type: 'RECORD', fields: [rangeOf('DATE'), { ...picos, name: 'p' }] },
    ])
    const { descriptor, row } = writer(
      `repeated string g = 1; repeated string i = 2; repeated R r = 3; optional S s = 4; ${range('string')} message S { optional R v = 1; optional string p = 2; }`,
    )
    const values = [
      {
        g: ['POINT(1 2)', 'POINT(3 4)'],
        i: ['0-0 1 0:0:0', '0-1 0 0:0:0'],
        r: [{ start: '2020-01-01' }, {}],
        s: { v: { end: '2020-01-01' }, p: '2020-01-01 00:00:00.000000000001' },
      },
      {},
    ].map(row)
    assert.deepEqual(await table.roundTrip(descriptor, values), [
      [
        "['POINT(1 2)', 'POINT(3 4)']",
        '[1 day, 1 month]',
        "[{'start': 2020-01-01, 'end': NULL}, {'start': NULL, 'end': NULL}]",
        "{'v': {'start': NULL, 'end': 2020-01-01}, 'p': '2020-01-01T00:00:00.000000000001Z'}",
      ],
      ['[]', '[]', '[]', null],
    ])
  })

  const deepCollection = `${'GEOMETRYCOLLECTION('.repeat(5000)}POINT(1 2)${')'.repeat(5000)}`
  const refused: [field: TableField, schema: string, value: unknown, message: string | RegExp][] = [
    [
      column('GEOGRAPHY'),
      'optional string v = 1;',
      'POINT(1)',
      /^Invalid geography: 'POINT\(1\)' on field v: a number expected, not \)\.$/,
    ],
    [column('GEOGRAPHY'), 'optional string v = 1;', 'POINT(181 0)', /longitude 181 is not in \[-180, 180\]/],
    [column('GEOGRAPHY'), 'optional string v = 1;', 'POINT(0 -90.5)', /latitude -90.5 is not in \[-90, 90\]/],
    [column('GEOGRAPHY'), 'optional string v = 1;', 'LINESTRING(1 1)', /a LINESTRING needs two positions/],
    [column('GEOGRAPHY'), 'optional string v = 1;', 'POLYGON((0 0, 1 0, 1 1, 2 2))', /does not end where it starts/],
    [column('GEOGRAPHY'), 'optional string v = 1;', 'CIRCLE(0 0)', /unknown geometry CIRCLE/],
    [column('GEOGRAPHY'), 'optional string v = 1;', 'POINT(1 2) POINT(1 2)', /unexpected POINT/],
    [column('GEOGRAPHY'), 'optional string v = 1;', 'POINT(1 2', /\) expected, not the end/],
    [column('GEOGRAPHY'), 'optional string v = 1;', '', /unknown geometry/],
    [column('GEOGRAPHY'), 'optional string v = 1;', 'toString EMPTY', /unknown geometry/],
    [column('GEOGRAPHY'), 'optional string v = 1;', deepCollection, /more than 16 collections within each other/],
    [column('GEOGRAPHY'), 'optional string v = 1;', '{"type":"Point"}', /a GeoJSON list is missing/],
    [column('GEOGRAPHY'), 'optional string v = 1;', '{"type":"constructor","coordinates":[]}', /unknown GeoJSON type/],
    [column('GEOGRAPHY'), 'optional string v = 1;', '{"type":"Point","coordinates":["1",2]}', /position must be/],
    [column('GEOGRAPHY'), 'optional string v = 1;', '{', /it is no valid JSON/],
    [column('INTERVAL'), 'optional string v = 1;', '5 days', "Invalid interval: '5 days' on field v."],
    [column('INTERVAL'), 'optional string v = 1;', '10000-1 0 0:0:0', /Invalid interval/],
    [column('INTERVAL'), 'optional string v = 1;', '0-0 3660001 0:0:0', /Invalid interval/],
    [column('INTERVAL'), 'optional string v = 1;', 'P', /Invalid interval/],
    [
      column('INTERVAL'),
      `optional google_protobuf_Duration v = 1; ${DURATION}`,
      { seconds: '316224000001' },
      /Interval field value is out of range: 0 months 0 days 316224000001000000 microseconds on field v\./,
    ],
    [
      rangeOf('DATE'),
      `optional R v = 1; ${range('int32')}`,
      { start: 1, end: 1 },
      'Range start element must be less than range end element on field v.',
    ],
    [
      rangeOf('TIMESTAMP'),
      `optional R v = 1; ${range('int64')}`,
      { start: 1, end: -1 },
      /Range start element must be less/,
    ],
    [
      rangeOf('DATE'),
      `optional R v = 1; ${range('int32')}`,
      { start: 2932897 },
      'Date field value is out of range: 2932897 on field v.start.',
    ],
    [
      picos,
      `optional Picos v = 1; ${PICOS}`,
      { seconds: 0, picoseconds: '1000000000000' },
      /out of range: 1000000000000 picoseconds on field v/,
    ],
    [picos, 'optional string v = 1;', '2026-01-31 12:00:00.1234567890123', /Invalid timestamp/],
    [column('TIMESTAMP'), 'optional string v = 1;', '2026-01-31 12:00:00.1234567', /Invalid timestamp/],
    [
      column('TIMESTAMP'),
      `optional google_protobuf_Timestamp v = 1; ${TIMESTAMP}`,
      { seconds: '253402300800' },
      'Timestamp field value is out of range: 253402300800000000 on field v.',
    ],
    [column('NUMERIC'), 'optional double v = 1;', Number.NaN, 'Invalid NUMERIC value: NaN on field v.'],
    [
      column('NUMERIC'),
      'optional float v = 1;',
      Number.POSITIVE_INFINITY,
      'Invalid NUMERIC value: Infinity on field v.',
    ],
    [
      column('DATE'),
      'optional int64 v = 1;',
      '9223372036854775807',
      'Date field value is out of range: 9223372036854775807 on field v.',
    ],
  ]
  for (const [field, schema, value, message] of refused)
    it(`refuses ${JSON.stringify(value).slice(0, 60)} as ${field.type}`, async () => {
      const { descriptor, row } = writer(schema)
      const table = await store.table([field])
      const [refusal, ...others] = table.refusals(descriptor, [row({ v: value })])
      assert.ok(typeof message === 'string' ? refusal === message : message.test(refusal!), refusal)
      assert.ok(refusal!.length < 300)
      assert.deepEqual(others, [])
    })

  const mismatched: [TableField, string][] = [
    [column('GEOGRAPHY'), 'optional bytes v = 1;'],
    [column('GEOGRAPHY'), 'optional int64 v = 1;'],
    [column('INTERVAL'), 'optional int64 v = 1;'],
    [column('INTERVAL'), `optional google_protobuf_Timestamp v = 1; ${TIMESTAMP}`],
    [column('TIMESTAMP'), `optional google_protobuf_Duration v = 1; ${DURATION}`],
    [column('TIMESTAMP'), `optional Picos v = 1; ${PICOS}`],
    [column('TIMESTAMP'), 'optional bool v = 1;'],
    [column('JSON'), 'optional bytes v = 1;'],
    [column('STRING'), 'optional bytes v = 1;'],
    [column('STRING'), 'optional int64 v = 1;'],
    [column('BOOL'), 'optional string v = 1;'],
    [column('FLOAT64'), 'optional int64 v = 1;'],
    [column('INT64'), 'optional bool v = 1;'],
    [column('INT64'), 'optional fixed64 v = 1;'],
    [column('INT64'), 'optional UInt64Value v = 1; message UInt64Value { optional uint64 value = 1; }'],
    [column('DATE'), 'optional uint32 v = 1;'],
    [column('TIME'), 'optional int32 v = 1;'],
    [column('DATETIME'), 'optional Int64Value v = 1; message Int64Value { optional int64 value = 1; }'],
    [column('NUMERIC'), 'optional StringValue v = 1; message StringValue { optional string value = 1; }'],
    [rangeOf('DATE'), 'optional string v = 1;'],
    [rangeOf('DATE'), `optional R v = 1; ${range('bool')}`],
    [column('RECORD', { fields: [{ name: 'x', type: 'INT64' }] }), 'optional string v = 1;'],
  ]
  for (const [field, schema] of mismatched)
    it(`does not take ${schema.slice(0, 40)} for ${field.type}`, async () => {
      const table = await store.table([field])
      assert.throws(() => table.protoWriter(writer(schema).descriptor as Message), UnusableDescriptor)
    })
})
