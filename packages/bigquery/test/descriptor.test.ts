import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PROTO_TYPE, type WriterField, type WriterSchema } from '@millrace/core'
import fc from 'fast-check'
import protobuf from 'protobufjs'
import { encodeDescriptor } from '../src/descriptor.ts'
import { decode, official } from './support/official-protos.ts'

const describe = (schema: WriterSchema): Record<string, unknown> =>
  decode(official.DescriptorProto, encodeDescriptor(schema))

test('every scalar type, label and number is described as it is', () => {
  const types = [
    PROTO_TYPE.DOUBLE,
    PROTO_TYPE.INT64,
    PROTO_TYPE.INT32,
    PROTO_TYPE.BOOL,
    PROTO_TYPE.STRING,
    PROTO_TYPE.BYTES,
  ]
  const fields = types.flatMap((type, index): WriterField[] => [
    { name: `o${index}`, number: index + 1, type, label: 'optional' },
    { name: `r${index}`, number: index + 20_000, type, label: 'repeated' },
  ])
  const field = describe({ fields }).field as { name: string; number: number; type: number; label: number }[]
  assert.deepEqual(
    field.map(f => [f.name, f.number, f.type, f.label]),
    fields.map(f => [f.name, f.number, f.type, f.label === 'optional' ? 1 : 3]),
  )
})

test('a nested message lies inside its parent, is referenced relatively, and has a name of its own', () => {
  const leaf: WriterField = { name: 'leaf', number: 1, type: PROTO_TYPE.INT64, label: 'optional' }
  const inner: WriterField = { name: 'inner', number: 1, type: PROTO_TYPE.MESSAGE, label: 'repeated', fields: [leaf] }
  const outer: WriterField = { name: 'Row_0', number: 1, type: PROTO_TYPE.MESSAGE, label: 'optional', fields: [inner] }
  const row = describe({ fields: [outer] }) as unknown as Message
  const outerType = row.nestedType[0]
  const innerType = outerType?.nestedType[0]
  assert.equal(row.field[0]?.typeName, outerType?.name)
  assert.equal(outerType?.field[0]?.typeName, innerType?.name)
  assert.notEqual(outerType?.name, 'Row_0', 'a type must not be called like the field beside it')
  assert.notEqual(outerType?.name, innerType?.name)
  assert.equal(innerType?.field[0]?.name, 'leaf')
})

test('a column whose name is no proto identifier travels as the column_name option, byte for byte', () => {
  const columnName = 'größe in €'
  const bytes = encodeDescriptor({
    fields: [{ name: 'col_1', number: 1, type: PROTO_TYPE.STRING, label: 'optional', columnName }],
  })
  // protobufjs drops extensions it does not know, so the option is looked up in the bytes: field 454943157, wire type 2.
  const text = Buffer.from(columnName)
  const tag = protobuf.Writer.create()
    .uint32((454943157 << 3) | 2)
    .finish()
  const option = Buffer.concat([tag, Buffer.from([text.length]), text])
  assert.ok(bytes.includes(Buffer.concat([Buffer.from([8 * 8 + 2, option.length]), option])))
  const field = (decode(official.DescriptorProto, bytes) as unknown as Message).field[0]
  assert.equal(field?.name, 'col_1')
})

test('the same schema gives the same bytes', () => {
  const fields: WriterField[] = [{ name: 'a', number: 1, type: PROTO_TYPE.BOOL, label: 'optional' }]
  assert.deepEqual(encodeDescriptor({ fields }), encodeDescriptor({ fields: [...fields] }))
})

test('any schema decodes to what it says', () => {
  const scalar = fc.constantFrom(PROTO_TYPE.DOUBLE, PROTO_TYPE.INT64, PROTO_TYPE.STRING, PROTO_TYPE.BYTES)
  const label = fc.constantFrom('optional' as const, 'repeated' as const)
  const { fields } = fc.letrec<{ fields: WriterField[] }>(tie => ({
    fields: fc
      .array(
        fc.oneof(
          { depthSize: 'small' },
          fc.record({ type: scalar, label }),
          fc.record({ type: fc.constant(PROTO_TYPE.MESSAGE), label, fields: tie('fields') }),
        ),
        { maxLength: 6 },
      )
      .map(list => list.map((field, index) => ({ name: `f${index}`, number: index + 1, ...field }) as WriterField)),
  }))
  fc.assert(
    fc.property(fields, all => {
      sameShape(describe({ fields: all }) as unknown as Message, all)
    }),
    { numRuns: 100 },
  )
})

type Message = {
  readonly name: string
  readonly field: readonly { name: string; number: number; type: number; label: number; typeName?: string }[]
  readonly nestedType: readonly Message[]
}

function sameShape(message: Message, fields: readonly WriterField[]): void {
  const described = message.field ?? []
  assert.equal(described.length, fields.length)
  described.forEach((field, index) => {
    const expected = fields[index]
    assert.equal(field.name, expected?.name)
    assert.equal(field.type, expected?.type)
    if (expected?.type !== PROTO_TYPE.MESSAGE) return
    const nested = message.nestedType.filter(type => type.name === field.typeName)
    assert.equal(nested.length, 1)
    sameShape(nested[0]!, expected.fields ?? [])
  })
}
