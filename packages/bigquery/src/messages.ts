// The unary messages of google.cloud.bigquery.storage.v1 we speak, by hand: five messages of one to three fields.
import { ProtoReader, ProtoWriter } from './wire.ts'

/** WriteStream.Type */
export const STREAM_TYPE = { COMMITTED: 1, PENDING: 2, BUFFERED: 3 } as const

type WriteStreamMessage = { readonly name: string; readonly type: number }

/** CreateWriteStreamRequest {parent=1, write_stream=2 WriteStream {type=2}}. */
export const encodeCreateRequest = (parent: string, type: number): Buffer =>
  new ProtoWriter().string(1, parent).bytes(2, new ProtoWriter().varint(2, type).finish()).finish()

/** GetWriteStreamRequest {name=1} and FinalizeWriteStreamRequest {name=1}. */
export const encodeNameRequest = (name: string): Buffer => new ProtoWriter().string(1, name).finish()

/** WriteStream {name=1, type=2, …}. */
export function decodeWriteStream(bytes: Buffer): WriteStreamMessage {
  let name = ''
  let type = 0
  const reader = new ProtoReader(bytes)
  while (reader.next()) {
    if (reader.field === 1) name = reader.string()
    else if (reader.field === 2) type = reader.int32()
    else reader.skip()
  }
  return { name, type }
}

/** FinalizeWriteStreamResponse {row_count=1}. */
export function decodeFinalizeResponse(bytes: Buffer): bigint {
  let rowCount = 0n
  const reader = new ProtoReader(bytes)
  while (reader.next()) {
    if (reader.field === 1) rowCount = reader.int64()
    else reader.skip()
  }
  return rowCount
}
