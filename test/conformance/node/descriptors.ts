// Descriptors Google's adapter would not make: one line per field, as in a .proto file.
import assert from 'node:assert/strict'
import { protos } from '@google-cloud/bigquery-storage'
import type { Descriptor } from './google.ts'

const { FieldDescriptorProto } = protos.google.protobuf
const { Type, Label } = FieldDescriptorProto

/**
 * `message('root', ['required int64 id = 1', 'repeated Line lines = 2', 'optional enum Color c = 3 default RED'], [nested], enums)`.
 * Any other type than a scalar's is the name of a nested message.
 */
export function message(
  name: string,
  lines: readonly string[],
  nestedType: readonly Descriptor[] = [],
  enums: Readonly<Record<string, readonly string[]>> = {},
): Descriptor {
  return {
    name,
    field: lines.map(field),
    nestedType: [...nestedType],
    enumType: Object.entries(enums).map(([enumName, values]) => ({
      name: enumName,
      value: values.map((value, number) => ({ name: value, number })),
    })),
  }
}

const LINE = /^(optional|required|repeated) (enum )?(\w+) (\w+) = (\d+)(?: default (.*))?$/

function field(line: string): protos.google.protobuf.IFieldDescriptorProto {
  const [, label = '', isEnum, type = '', name = '', number, defaultValue] = LINE.exec(line) ?? []
  assert.ok(name, `not a field: ${line}`)
  const scalar = Type[`TYPE_${type.toUpperCase()}` as keyof typeof Type]
  return {
    name,
    number: Number(number),
    label: Label[`LABEL_${label.toUpperCase()}` as keyof typeof Label],
    type: isEnum ? Type.TYPE_ENUM : (scalar ?? Type.TYPE_MESSAGE),
    ...(scalar === undefined && { typeName: type }),
    ...(defaultValue !== undefined && { defaultValue }),
  }
}
