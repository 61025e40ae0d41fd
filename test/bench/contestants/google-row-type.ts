// The protobufjs type of a row, made from the descriptor Google's adapter makes of the table: what JSONWriter does inside.
import { adapt, protos } from '@google-cloud/bigquery-storage'
import protobuf from 'protobufjs'
import 'protobufjs/ext/descriptor.js'

type Descriptor = ReturnType<typeof adapt.convertStorageSchemaToProto2Descriptor>

export function rowTypeOf(descriptor: Descriptor): protobuf.Type {
  const normalized = adapt.normalizeDescriptor(new protos.google.protobuf.DescriptorProto(descriptor))
  const fromDescriptor = (protobuf.Type as unknown as { fromDescriptor(descriptor: unknown): protobuf.Type })
    .fromDescriptor
  return fromDescriptor(normalized)
}
