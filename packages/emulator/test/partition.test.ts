// Partitioned tables: which rows are taken, with and without a decorator, by a clock of the test's own.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { DateDay } from 'apache-arrow'
import { UnusableDescriptor } from '../src/rows/field-match.ts'
import { readAppendRequest } from '../src/wire/append-request.ts'
import { messagesOf, tableOf } from './arrow-batches.ts'
import { encode, writer } from './raw-client.ts'
import { NOTHING_SAID, RowStore, type RowTable } from './rows-table.ts'

const NOW_MS = Date.UTC(2026, 0, 31, 23, 59, 59)
const day = (text: string): number => Date.parse(`${text}T00:00:00Z`) / 86_400_000
const micros = (text: string): string => String(Date.parse(text) * 1000)

describe('partitioned tables', () => {
  let store: RowStore
  let nowMs = NOW_MS
  before(async () => {
    store = await RowStore.open(() => nowMs)
  })
  after(() => store.close())

  const partitioned = (type: string, columnType: string): Promise<RowTable> =>
    store.table([{ name: 'When', type: columnType }], { timePartitioning: { type, field: 'when' } })
  const schemaOf = (columnType: string) =>
    writer(`optional ${columnType === 'DATE' ? 'int32' : columnType === 'DATETIME' ? 'string' : 'int64'} when = 1;`)

  it('takes times from 3650 days past to 366 days ahead of the current date, and NULL', async () => {
    const bounds: [type: string, columnType: string, good: unknown[], bad: [unknown, string][]][] = [
      [
        'DAY',
        'DATE',
        [day('2016-02-03'), day('2027-02-01'), undefined],
        [
          [day('2016-02-02'), micros('2016-02-02T00:00:00Z')],
          [day('2027-02-02'), micros('2027-02-02T00:00:00Z')],
        ],
      ],
      [
        'HOUR',
        'TIMESTAMP',
        [micros('2016-02-03T00:00:00Z'), micros('2027-02-01T23:59:59Z'), undefined],
        [
          [micros('2016-02-02T23:59:59Z'), micros('2016-02-02T23:59:59Z')],
          [micros('2027-02-02T00:00:00Z'), micros('2027-02-02T00:00:00Z')],
        ],
      ],
      [
        'MONTH',
        'DATETIME',
        ['2026-01-01T00:00:00', undefined],
        [['2010-01-01T00:00:00', micros('2010-01-01T00:00:00Z')]],
      ],
    ]
    for (const [type, columnType, good, bad] of bounds) {
      const table = await partitioned(type, columnType)
      const { descriptor, row } = schemaOf(columnType)
      const rows = (values: unknown[]): Buffer[] => values.map(when => row(when === undefined ? {} : { when }))
      assert.deepEqual(table.refusals(descriptor, rows(good)), [])
      assert.deepEqual(
        table.refusals(descriptor, rows(bad.map(([value]) => value))),
        bad.map(
          ([, shown]) =>
            `Value ${shown} for partition column When of the destination table p:d.${table.id} is outside the allowed bounds. ` +
            'You can only stream to partitions of date range within 3650 days in the past and 366 days in the future relative to the current date.',
        ),
      )
      assert.equal((await table.all()).length, good.length)
    }
  })

  it('goes by the date of each request', async () => {
    const table = await partitioned('DAY', 'DATE')
    const { descriptor, row } = schemaOf('DATE')
    const rows = [row({ when: day('2027-02-02') })]
    assert.equal(table.refusals(descriptor, rows).length, 1)
    nowMs = NOW_MS + 1000
    try {
      assert.deepEqual(table.refusals(descriptor, rows), [])
    } finally {
      nowMs = NOW_MS
    }
  })

  it('takes every value into a table partitioned by integer ranges', async () => {
    const range = { start: '0', end: '100', interval: '10' }
    const table = await store.table([{ name: 'n', type: 'INT64' }], { rangePartitioning: { field: 'n', range } })
    const { descriptor, row } = writer('optional int64 n = 1;')
    const rows = [{ n: 5 }, { n: -1 }, { n: 100 }, {}].map(row)
    assert.deepEqual(await table.roundTrip(descriptor, rows), [['5'], ['-1'], ['100'], [null]])
  })

  const decorators: [type: string, good: string[], outside: string[], malformed: string[]][] = [
    [
      'DAY',
      ['20251231', '20260131', '20260216'],
      ['20251230', '20260217'],
      ['2026', '202601', '2026013100', '20260230', 'soon', ''],
    ],
    ['HOUR', ['2025123100', '2026013123', '2026021623'], ['2025123023', '2026021700'], ['20260131', '2026013124']],
    ['MONTH', ['202512', '202601', '202602'], ['202511', '202603'], ['20260131', '202613']],
    ['YEAR', ['2025', '2026'], ['2024', '2027'], ['20260131']],
  ]
  for (const [type, good, outside, malformed] of decorators)
    it(`takes decorators of ${type} partitions from 31 days past to 16 days ahead`, async () => {
      // Ingestion time: there is no column to check.
      const table = await store.table([{ name: 'n', type: 'INT64' }], { timePartitioning: { type } })
      const { descriptor, row } = writer('optional int64 n = 1;')
      const append = (decorator: string): unknown =>
        table.append(descriptor, [row({ n: 1 })], NOTHING_SAID, decorator).errors
      for (const decorator of good) assert.deepEqual(append(decorator), [], decorator)
      const refusal = (pattern: RegExp) => (error: Error) =>
        error instanceof UnusableDescriptor && pattern.test(error.message)
      for (const decorator of outside)
        assert.throws(
          () => append(decorator),
          refusal(
            /^The destination table's partition t\d+\$\d+ is outside the allowed bounds\. You can only stream to partitions within 31 days in the past and 16 days in the future relative to the current date\.$/,
          ),
        )
      for (const decorator of malformed)
        assert.throws(
          () => append(decorator),
          refusal(/Invalid partition decorator of t\d+\$.*: a table partitioned by \w+ takes Y+/),
          decorator,
        )
      assert.throws(() => append('__UNPARTITIONED__'), refusal(/metadata partition/))
      assert.equal((await table.all()).length, good.length)
    })

  it('refuses decorators of tables that are not partitioned by time', async () => {
    const { descriptor } = writer('optional int64 n = 1;')
    const plain = await store.table([{ name: 'n', type: 'INT64' }])
    assert.throws(() => plain.protoWriter(descriptor, '20260131'), /the table is not partitioned by time\.$/)
    const rangePartitioning = { field: 'n', range: { start: '0', end: '9', interval: '1' } }
    const ranges = await store.table([{ name: 'n', type: 'INT64' }], { rangePartitioning })
    assert.throws(() => ranges.protoWriter(descriptor, '5'), /integer ranges cannot be named in this emulator/)
  })

  it('refuses rows that do not belong to the partition of the decorator', async () => {
    const table = await partitioned('DAY', 'TIMESTAMP')
    const { descriptor, row } = schemaOf('TIMESTAMP')
    const values = [
      '2026-01-31T00:00:00Z',
      '2026-01-31T23:59:59.999Z',
      '2026-02-01T00:00:00Z',
      '2026-01-30T23:59:59.999Z',
    ]
    const rows = [...values.map(value => row({ when: micros(value) })), row({})]
    const { errors } = table.append(descriptor, rows, NOTHING_SAID, '20260131')
    assert.deepEqual(
      errors.map(({ index, message }) => [index, message]),
      [micros(values[2]!), micros(values[3]!), 'NULL'].map((value, at) => [
        at + 2,
        `Value ${value} for partition column When does not belong to the destination partition p:d.${table.id}$20260131.`,
      ]),
    )
    assert.deepEqual(table.append(descriptor, rows.slice(0, 2), NOTHING_SAID, '20260131').errors, [])
  })

  it('checks Arrow rows the same', async () => {
    const table = await partitioned('DAY', 'DATE')
    const { schema, batch } = messagesOf(
      tableOf({ when: [new DateDay(), [new Date('2026-01-31'), new Date('2010-01-01')]] }),
    )
    const request = readAppendRequest(
      encode('AppendRowsRequest', { arrowRows: { rows: { serializedRecordBatch: batch } } }),
    )
    const written = table.writer({ kind: 'arrow', bytes: schema }).write(request, NOTHING_SAID)
    assert.deepEqual(
      written.errors.map(error => error.index),
      [1],
    )
  })
})
