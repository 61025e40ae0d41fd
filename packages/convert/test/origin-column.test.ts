// `kafkaDataFieldName`: which record a row came from stands in the row, whatever the encoder wrote before it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Column, TableSchema } from '@millrace/core'
import { decodeRow } from '@millrace/testkit'
import { compileValueConverter, originColumn, RowBuffer, rowsOf, type ValueConverter } from '../src/index.ts'

const SETTINGS = {
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter.schemas.enable': 'false',
  kafkaDataFieldName: 'kafka',
}
const ID: Column = { name: 'id', type: 'INT64', mode: 'NULLABLE' }
const TEXT: Column = { name: 'text', type: 'STRING', mode: 'NULLABLE' }
const schemaWith = (...columns: readonly Column[]): TableSchema => ({ columns: [ID, TEXT, ...columns] })

const NOW_MS = 1_700_000_000_123
function converted(
  values: readonly string[],
  place: (i: number) => readonly [partition: number, offset: bigint],
  converter: ValueConverter = compileValueConverter(SETTINGS, schemaWith(originColumn('kafka')), 'orders'),
) {
  const rows = new RowBuffer(1_024)
  const lengths = values.map((text, i) => {
    const bytes = Buffer.from(text)
    const length = converter.encode(bytes, 0, bytes.length, rows)
    assert.ok(length >= 0 && converter.origin !== null, text)
    return converter.origin.append(rows, length, ...place(i), NOW_MS)
  })
  const frozen = [...rowsOf(rows.freeze())]
  assert.deepEqual(
    lengths,
    frozen.map(row => row.length),
  )
  return frozen.map(row => decodeRow(row, converter.writerSchema))
}

test('topic, partition, offset and insert time stand behind the row’s own columns', () => {
  const kafka = (partition: bigint, offset: bigint) => ({
    topic: 'orders',
    partition,
    offset,
    insertTime: BigInt(NOW_MS) * 1_000n,
  })
  const places = [
    [0, 0n],
    [127, 128n],
    [128, 2n ** 53n],
    [70_000, 2n ** 63n - 1n],
  ] as const
  const rows = converted(['{"id":1}', '{}', '{"text":"x"}', '{"id":2,"text":null}'], i => places[i] ?? [0, 0n])
  assert.deepEqual(rows, [
    { id: 1n, kafka: kafka(0n, 0n) },
    { kafka: kafka(127n, 128n) },
    { text: 'x', kafka: kafka(128n, 2n ** 53n) },
    { id: 2n, kafka: kafka(70_000n, 2n ** 63n - 1n) },
  ])
})

test('rows of every length grow by it, also where the length of the length changes', () => {
  const lengths = [0, 60, 70, 80, 90, 100, 120, 127, 128, 16_200, 16_300, 16_383, 16_384, 70_000]
  const rows = converted(
    lengths.map(length => JSON.stringify({ text: 'x'.repeat(length) })),
    i => [3, BigInt(i)],
  )
  rows.forEach((row, i) => {
    assert.equal(String(row['text'] ?? '').length, lengths[i])
    assert.equal((row['kafka'] as { offset: bigint }).offset, BigInt(i))
  })
})

test('what the record holds under that name is not for the column', () => {
  const converter = compileValueConverter(SETTINGS, schemaWith(originColumn('kafka')), 'orders')
  const bytes = Buffer.from('{"id":1,"Kafka":{"offset":9}}')
  assert.ok(converter.encode(bytes, 0, bytes.length, new RowBuffer(1_024)) < 0)
  assert.match(converter.lastError.message, /no column for field Kafka/)
  const lenient = { ...SETTINGS, ignoreUnknownFields: 'true' }
  const [row] = converted(
    ['{"id":1,"Kafka":{"offset":9}}'],
    () => [0, 5n],
    compileValueConverter(lenient, schemaWith(originColumn('kafka')), 'orders'),
  )
  assert.equal(Object(row?.['kafka']).offset, 5n)
})

test('a table made elsewhere may leave out the insert time, spell names otherwise and have columns of its own', () => {
  const column: Column = {
    name: 'KAFKA',
    type: 'STRUCT',
    mode: 'NULLABLE',
    fields: [
      { name: 'note', type: 'STRING', mode: 'NULLABLE' },
      { name: 'Offset', type: 'INT64', mode: 'REQUIRED' },
      { name: 'topic', type: 'STRING', mode: 'REQUIRED' },
      { name: 'partition', type: 'INT64', mode: 'REQUIRED' },
    ],
  }
  const converter = compileValueConverter(SETTINGS, schemaWith(column), 'orders')
  assert.deepEqual(
    converted(['{"id":1}'], () => [2, 7n], converter),
    [{ id: 1n, KAFKA: { topic: 'orders', partition: 2n, Offset: 7n } }],
  )
})

test('a table whose column cannot take it is refused by name before the first record', () => {
  const fields = originColumn('kafka').fields ?? []
  const columns: readonly Column[][] = [
    [],
    [{ name: 'kafka', type: 'STRING', mode: 'NULLABLE' }],
    [{ ...originColumn('kafka'), mode: 'REPEATED' }],
    [{ ...originColumn('kafka'), fields: fields.filter(({ name }) => name !== 'offset') }],
    [{ ...originColumn('kafka'), fields: fields.map(each => ({ ...each, type: 'STRING' as const })) }],
    [{ ...originColumn('kafka'), fields: [...fields, { name: 'more', type: 'STRING', mode: 'REQUIRED' }] }],
  ]
  for (const each of columns)
    assert.throws(() => compileValueConverter(SETTINGS, schemaWith(...each), 'orders'), {
      code: 'TABLE_SCHEMA_UNSUPPORTED',
      message: /kafkaDataFieldName kafka: .*STRUCT<topic STRING/,
    })
})

test('without the key no row says where it came from', () => {
  const { kafkaDataFieldName: _, ...settings } = SETTINGS
  assert.equal(compileValueConverter(settings, schemaWith(), 'orders').origin, null)
})
