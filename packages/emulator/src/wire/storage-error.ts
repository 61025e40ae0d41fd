// How a failure of the Write API travels: a google.rpc.Status with a StorageError detail, in a response or as RPC status.
// Node's client reads only the storageerror-bin trailer, Java and Go only the status details: both are sent.
import { Metadata, status } from '@grpc/grpc-js'
import { codec } from './messages.ts'

export const STORAGE_ERROR_CODES = [
  'STORAGE_ERROR_CODE_UNSPECIFIED',
  'TABLE_NOT_FOUND',
  'STREAM_ALREADY_COMMITTED',
  'STREAM_NOT_FOUND',
  'INVALID_STREAM_TYPE',
  'INVALID_STREAM_STATE',
  'STREAM_FINALIZED',
  'SCHEMA_MISMATCH_EXTRA_FIELDS',
  'OFFSET_ALREADY_EXISTS',
  'OFFSET_OUT_OF_RANGE',
  // The emulator knows no keys: these only come by faults.
  'CMEK_NOT_PROVIDED',
  'INVALID_CMEK_PROVIDED',
  'CMEK_ENCRYPTION_ERROR',
  'KMS_SERVICE_ERROR',
  'KMS_PERMISSION_DENIED',
] as const
export type StorageErrorCode = (typeof STORAGE_ERROR_CODES)[number]

export type GrpcCodeName = keyof typeof status

/** A refusal in the service's words. `storage` is absent for plain gRPC errors. */
export type Refusal = {
  readonly code: GrpcCodeName
  readonly message: string
  readonly storage?: {
    readonly code: StorageErrorCode
    readonly entity: string
    /** What the StorageError itself says, where that differs from the message of the status. */
    readonly message?: string
  }
}

export const invalid = (message: string): Refusal => ({ code: 'INVALID_ARGUMENT', message })

/** What a caller without the permission is told, and one who names a table that is not there. */
export const denied = (resource: string, permission = 'TABLES_UPDATE_DATA'): Refusal => ({
  code: 'PERMISSION_DENIED',
  message: `Permission '${permission}' denied on resource '${resource}' (or it may not exist).`,
})

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

/**
 * Bytes of the two trailers, in base64 and beside the message itself: gRPC clients take 8 KB of metadata unless told otherwise
 * and fail the whole call over more, which would hide the error.
 */
const TRAILERS_BYTES_MAX = 6000
/** What is left of a message and a name that make the trailers too long, in characters: the first that fits. */
const CUT_LENGTHS = [500, 100]

/** The refusal as what grpc-js ends an RPC with. Names and texts too long for the trailers are cut; the codes always arrive. */
export function grpcError(refusal: Refusal): { code: status; details: string; metadata: Metadata } {
  let error = trailers(refusal)
  for (const length of CUT_LENGTHS) {
    if (trailersLength(error) <= TRAILERS_BYTES_MAX) break
    error = trailers(shortened(refusal, length))
  }
  return error
}

function trailers(refusal: Refusal): { code: status; details: string; metadata: Metadata } {
  const metadata = new Metadata()
  if (refusal.storage) {
    metadata.set(`${STORAGE_ERROR.toLowerCase()}-bin`, storageBytes(refusal))
    metadata.set('grpc-status-details-bin', rpcStatus.encode(statusMessage(refusal)))
  }
  return { code: status[refusal.code], details: refusal.message, metadata }
}

function trailersLength({ details, metadata }: { details: string; metadata: Metadata }): number {
  const binary = Object.values(metadata.getMap()).reduce((sum, value) => sum + value.length, 0)
  // The message travels percent-encoded.
  return encodeURI(details.toWellFormed()).length + (binary * 4) / 3
}

function shortened({ code, message, storage }: Refusal, length: number): Refusal {
  return {
    code,
    message: cut(message, length),
    ...(storage && {
      storage: {
        code: storage.code,
        entity: cut(storage.entity, length),
        ...(storage.message !== undefined && { message: cut(storage.message, length) }),
      },
    }),
  }
}

const cut = (text: string, length: number): string =>
  text.length <= length ? text : `${text.slice(0, length)}…`.toWellFormed()

function storageBytes(refusal: Refusal): Buffer {
  const { message = refusal.message, ...storage } = refusal.storage ?? {}
  return storageError.encode({ ...storage, errorMessage: message })
}
