// WriterSchema → DescriptorProto bytes, as AppendRows wants them: one self-contained message, every nested type inside it,
// read as proto2 by the service whatever the source. https://cloud.google.com/bigquery/docs/write-api#overview
import { assert, PROTO_TYPE, type WriterField, type WriterSchema } from '@millrace/core'
import { ProtoWriter } from './wire.ts'

/** google.protobuf.DescriptorProto */
const MESSAGE = { name: 1, field: 2, nestedType: 3 } as const
/** google.protobuf.FieldDescriptorProto */
const FIELD = { name: 1, number: 3, label: 4, type: 5, typeName: 6, options: 8 } as const
const LABEL = { optional: 1, repeated: 3 } as const
/** google.cloud.bigquery.storage.v1.column_name, an extension of google.protobuf.FieldOptions. */
const COLUMN_NAME_OPTION = 454943157
/** BigQuery allows 15 levels of STRUCT; deeper is a loop in the schema. https://cloud.google.com/bigquery/docs/nested-repeated */
const NESTING_MAX = 32

/** The descriptor of rows encoded under this schema. Same schema, same bytes. */
export function encodeDescriptor(schema: WriterSchema): Buffer {
  return encodeMessage('Row', schema.fields, 0)
}

function encodeMessage(name: string, fields: readonly WriterField[], depth: number): Buffer {
  assert(depth < NESTING_MAX, `The writer schema nests deeper than ${NESTING_MAX} levels.`)
  const message = new ProtoWriter().string(MESSAGE.name, name)
  const taken = new Set(fields.map(field => field.name))
  fields.forEach((field, index) => {
    const typeName = nestedTypeName(`${name}_${index}`, taken)
    message.bytes(MESSAGE.field, encodeField(field, typeName))
    if (field.type === PROTO_TYPE.MESSAGE) {
      message.bytes(MESSAGE.nestedType, encodeMessage(typeName, field.fields ?? [], depth + 1))
    }
  })
  return message.finish()
}

/** Unique in the whole descriptor, so that a relative reference can mean one type only; a type must not be called like a field beside it. */
function nestedTypeName(proposal: string, taken: ReadonlySet<string>): string {
  return taken.has(proposal) ? nestedTypeName(`${proposal}_`, taken) : proposal
}

/** Types are referenced relatively, as all of Google's clients do: the service may place the message in any package. */
function encodeField(field: WriterField, typeName: string): Buffer {
  const proto = new ProtoWriter()
    .string(FIELD.name, field.name)
    .varint(FIELD.number, field.number)
    .varint(FIELD.label, LABEL[field.label])
    .varint(FIELD.type, field.type)
  if (field.type === PROTO_TYPE.MESSAGE) proto.string(FIELD.typeName, typeName)
  if (field.columnName !== undefined) {
    proto.bytes(FIELD.options, new ProtoWriter().string(COLUMN_NAME_OPTION, field.columnName).finish())
  }
  return proto.finish()
}
