// google.rpc.Status and the StorageError inside it, as BigQuery sends them: in a response, in `grpc-status-details-bin`,
// or alone in the trailer `google.cloud.bigquery.storage.v1.storageerror-bin`.
import type { Metadata } from '@grpc/grpc-js'
import { ProtoReader, WireError } from './wire.ts'

/** StorageError.StorageErrorCode of google.cloud.bigquery.storage.v1. */
export const STORAGE_ERROR = {
  UNSPECIFIED: 0,
  TABLE_NOT_FOUND: 1,
  STREAM_ALREADY_COMMITTED: 2,
  STREAM_NOT_FOUND: 3,
  INVALID_STREAM_TYPE: 4,
  INVALID_STREAM_STATE: 5,
  STREAM_FINALIZED: 6,
  SCHEMA_MISMATCH_EXTRA_FIELDS: 7,
  OFFSET_ALREADY_EXISTS: 8,
  OFFSET_OUT_OF_RANGE: 9,
  CMEK_NOT_PROVIDED: 10,
  INVALID_CMEK_PROVIDED: 11,
  CMEK_ENCRYPTION_ERROR: 12,
  KMS_SERVICE_ERROR: 13,
  KMS_PERMISSION_DENIED: 14,
} as const

/** google.rpc.Code. https://grpc.io/docs/guides/status-codes/ */
export const GRPC = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const

/** What the service said: a gRPC code, a text, and its own code where it gave one (null when it did not). */
export type VendorStatus = { readonly grpcCode: number; readonly message: string; readonly storageCode: number | null }

const STORAGE_ERROR_TYPE = '/google.cloud.bigquery.storage.v1.StorageError'
const STORAGE_ERROR_TRAILER = 'google.cloud.bigquery.storage.v1.storageerror-bin'
const STATUS_DETAILS_TRAILER = 'grpc-status-details-bin'
/** Longest vendor text we carry on: enough for every known one, short enough for a log line. */
const MESSAGE_MAX_CHARS = 2000

/** google.rpc.Status {code=1, message=2, details=3 Any}. */
export function decodeStatus(bytes: Buffer): VendorStatus {
  let grpcCode = 0
  let message = ''
  let storageCode: number | null = null
  const reader = new ProtoReader(bytes)
  while (reader.next()) {
    if (reader.field === 1) grpcCode = reader.int32()
    else if (reader.field === 2) message = reader.string()
    else if (reader.field === 3) storageCode ??= storageCodeOfAny(reader.bytes())
    else reader.skip()
  }
  return { grpcCode, message: message.slice(0, MESSAGE_MAX_CHARS), storageCode }
}

/** The status an RPC ended with, enriched from its trailers. Trailers that do not parse are ignored: the code still counts. */
export function statusOfCall(grpcCode: number, message: string, trailers: Metadata | undefined): VendorStatus {
  const alone = trailers?.get(STORAGE_ERROR_TRAILER)[0]
  const details = trailers?.get(STATUS_DETAILS_TRAILER)[0]
  const storageCode =
    tolerant(() => (Buffer.isBuffer(alone) ? decodeStorageCode(alone) : null)) ??
    tolerant(() => (Buffer.isBuffer(details) ? decodeStatus(details).storageCode : null))
  return { grpcCode, message: message.slice(0, MESSAGE_MAX_CHARS), storageCode }
}

/** google.protobuf.Any {type_url=1, value=2}; details that are not a StorageError, or are damaged, say nothing. */
function storageCodeOfAny(bytes: Buffer): number | null {
  return tolerant(() => {
    let typeUrl = ''
    let value: Buffer | null = null
    const reader = new ProtoReader(bytes)
    while (reader.next()) {
      if (reader.field === 1) typeUrl = reader.string()
      else if (reader.field === 2) value = reader.bytes()
      else reader.skip()
    }
    return value !== null && typeUrl.endsWith(STORAGE_ERROR_TYPE) ? decodeStorageCode(value) : null
  })
}

/** StorageError {code=1, entity=2, error_message=3}. */
function decodeStorageCode(bytes: Buffer): number {
  let code = 0
  const reader = new ProtoReader(bytes)
  while (reader.next()) {
    if (reader.field === 1) code = reader.int32()
    else reader.skip()
  }
  return code
}

function tolerant<T>(decode: () => T): T | null {
  try {
    return decode()
  } catch (error) {
    if (error instanceof WireError) return null
    throw error
  }
}
