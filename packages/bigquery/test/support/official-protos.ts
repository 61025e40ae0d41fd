// Google's own descriptors, as shipped with @google-cloud/bigquery-storage: what our hand-written bytes are checked against.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import protobuf from 'protobufjs'

const path = createRequire(import.meta.url).resolve('@google-cloud/bigquery-storage/build/protos/protos.json')
const root = protobuf.Root.fromJSON(JSON.parse(readFileSync(path, 'utf8')))

const STORAGE = 'google.cloud.bigquery.storage.v1'
const type = (name: string): protobuf.Type => root.lookupType(name)

type OfficialName =
  | 'AppendRowsRequest'
  | 'AppendRowsResponse'
  | 'CreateWriteStreamRequest'
  | 'GetWriteStreamRequest'
  | 'FinalizeWriteStreamRequest'
  | 'FinalizeWriteStreamResponse'
  | 'WriteStream'
  | 'StorageError'
  | 'Status'
  | 'DescriptorProto'

export const official: Readonly<Record<OfficialName, protobuf.Type>> = {
  AppendRowsRequest: type(`${STORAGE}.AppendRowsRequest`),
  AppendRowsResponse: type(`${STORAGE}.AppendRowsResponse`),
  CreateWriteStreamRequest: type(`${STORAGE}.CreateWriteStreamRequest`),
  GetWriteStreamRequest: type(`${STORAGE}.GetWriteStreamRequest`),
  FinalizeWriteStreamRequest: type(`${STORAGE}.FinalizeWriteStreamRequest`),
  FinalizeWriteStreamResponse: type(`${STORAGE}.FinalizeWriteStreamResponse`),
  WriteStream: type(`${STORAGE}.WriteStream`),
  StorageError: type(`${STORAGE}.StorageError`),
  Status: type('google.rpc.Status'),
  DescriptorProto: type('google.protobuf.DescriptorProto'),
}

export const storageErrorCodes: Readonly<Record<string, number>> =
  official.StorageError.lookupEnum('StorageErrorCode').values

export const encode = (message: protobuf.Type, value: object): Buffer =>
  Buffer.from(message.encode(message.fromObject(value)).finish())

/** As plain JSON: int64 as strings, bytes as base64, enums as numbers. */
export const decode = (message: protobuf.Type, bytes: Uint8Array): Record<string, unknown> =>
  message.toObject(message.decode(bytes), { longs: String, bytes: String })

/** A google.rpc.Status with a StorageError in its details, as BigQuery builds it. */
export function statusWithStorageError(code: number, message: string, storageCode: number): object {
  const error = encode(official.StorageError, { code: storageCode, entity: 'projects/p/…', errorMessage: message })
  return {
    code,
    message,
    details: [{ type_url: `type.googleapis.com/${STORAGE}.StorageError`, value: error }],
  }
}
