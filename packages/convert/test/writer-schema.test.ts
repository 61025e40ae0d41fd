// The proto message a table's rows are encoded as.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Column, type ColumnType, isMillraceError, PROTO_TYPE } from '@millrace/core'
import { writerSchemaFor } from '../src/index.ts'

const column = (name: string, type: ColumnType, more: Partial<Column> = {}): Column => ({
  name,
  type,
  mode: 'NULLABLE',
  ...more,
})

test('each type travels as the reference says', () => {
  const types: [ColumnType, number][] = [
    ['BOOL', PROTO_TYPE.BOOL],
    ['INT64', PROTO_TYPE.INT64],
    ['FLOAT64', PROTO_TYPE.DOUBLE],
    ['NUMERIC', PROTO_TYPE.BYTES],
    ['BIGNUMERIC', PROTO_TYPE.BYTES],
    ['STRING', PROTO_TYPE.STRING],
    ['BYTES', PROTO_TYPE.BYTES],
    ['DATE', PROTO_TYPE.INT32],
    ['TIME', PROTO_TYPE.INT64],
    ['DATETIME', PROTO_TYPE.INT64],
    ['TIMESTAMP', PROTO_TYPE.INT64],
    ['JSON', PROTO_TYPE.STRING],
  ]
  const { fields } = writerSchemaFor({ columns: types.map(([type]) => column(`c_${type}`, type)) })
  assert.deepEqual(
    fields,
    types.map(([type, proto], i) => ({ name: `c_${type}`, number: i + 1, type: proto, label: 'optional' })),
  )
})

test('structs nest, repeated columns are repeated, REQUIRED is optional on the wire', () => {
  const inner = column('a', 'INT64', { mode: 'REQUIRED' })
  const { fields } = writerSchemaFor({ columns: [column('s', 'STRUCT', { mode: 'REPEATED', fields: [inner] })] })
  assert.deepEqual(fields, [
    {
      name: 's',
      number: 1,
      type: PROTO_TYPE.MESSAGE,
      label: 'repeated',
      fields: [{ name: 'a', number: 1, type: PROTO_TYPE.INT64, label: 'optional' }],
    },
  ])
})

test('names that are no proto identifiers get a placeholder that no column has', () => {
  const { fields } = writerSchemaFor({
    columns: [column('a-b', 'INT64'), column('COL_1', 'INT64'), column('größe', 'INT64')],
  })
  assert.deepEqual(
    fields.map(field => [field.name, field.columnName]),
    [
      ['col_1_', 'a-b'],
      ['COL_1', undefined],
      ['col_3', 'größe'],
    ],
  )
})

test('field numbers leave out what protobuf reserves', () => {
  const { fields } = writerSchemaFor({ columns: Array.from({ length: 19_010 }, (_, i) => column(`c${i}`, 'INT64')) })
  assert.equal(fields[18_998]!.number, 18_999)
  assert.equal(fields[18_999]!.number, 20_000)
})

test('an unsupported type is left out, and refused by name where rows cannot do without it', () => {
  const place = column('place', 'GEOGRAPHY')
  assert.deepEqual(
    writerSchemaFor({ columns: [place, column('a', 'INT64')] }).fields.map(field => field.name),
    ['a'],
  )
  assert.deepEqual(writerSchemaFor({ columns: [{ ...place, mode: 'REQUIRED', defaultExpression: 'x' }] }).fields, [])
  for (const columns of [
    [{ ...place, mode: 'REQUIRED' as const }],
    [column('s', 'STRUCT', { fields: [{ ...place, mode: 'REQUIRED' }] })],
  ]) {
    assert.throws(
      () => writerSchemaFor({ columns }),
      error =>
        isMillraceError(error) &&
        error.code === 'TABLE_SCHEMA_UNSUPPORTED' &&
        /place has type GEOGRAPHY/.test(error.message),
    )
  }
})
