// How a failure of the Write API travels: a google.rpc.Status with a StorageError detail, in a response or as RPC status.
// Node's client reads only the storageerror-bin trailer, Java and Go only the status details: both are sent.
import { Metadata, status } from '@grpc/grpc-js'
import { codec } from './messages.ts'

export type StorageErrorCode =
  | 'STORAGE_ERROR_CODE_UNSPECIFIED'
  | 'TABLE_NOT_FOUND'
  | 'STREAM_ALREADY_COMMITTED'
  | 'STREAM_NOT_FOUND'
  | 'INVALID_STREAM_TYPE'
  | 'INVALID_STREAM_STATE'
  | 'STREAM_FINALIZED'
  | 'SCHEMA_MISMATCH_EXTRA_FIELDS'
  | 'OFFSET_ALREADY_EXISTS'
  | 'OFFSET_OUT_OF_RANGE'

export type GrpcCodeName = keyof typeof status

/** A refusal in the service's words. `storage` is absent for plain gRPC errors. */
export type Refusal = {
  readonly code: GrpcCodeName
  readonly message: string
  readonly storage?: { readonly code: StorageErrorCode; readonly entity: string }
}

const storageError = codec('StorageError')
const rpcStatus = codec('google.rpc.Status')
const STORAGE_ERROR = 'google.cloud.bigquery.storage.v1.StorageError'

/** The refusal as google.rpc.Status, to be put into a response. */
export function statusMessage(refusal: Refusal): Record<string, unknown> {
  const details = refusal.storage
    ? [{ type_url: `type.googleapis.com/${STORAGE_ERROR}`, value: storageBytes(refusal) }]
    : []
  return { code: status[refusal.code], message: refusal.message, details }
}

/** The refusal as what grpc-js ends an RPC with. */
export function grpcError(refusal: Refusal): { code: status; details: string; metadata: Metadata } {
  const metadata = new Metadata()
  if (refusal.storage) {
    metadata.set(`${STORAGE_ERROR.toLowerCase()}-bin`, storageBytes(refusal))
    metadata.set('grpc-status-details-bin', rpcStatus.encode(statusMessage(refusal)))
  }
  return { code: status[refusal.code], details: refusal.message, metadata }
}

function storageBytes(refusal: Refusal): Buffer {
  return storageError.encode({ ...refusal.storage, errorMessage: refusal.message })
}
