// The one table from what BigQuery says to what the runtime does. Pure; a test walks every vendor code.
// BigQuery's own code (StorageError) decides where there is one, then the gRPC code, and text only where both are too coarse.
// What has no rule here fails the partition, loudly: a wrong guess could lose rows or write them twice.
import { type AppendRefusal, type Disposition, type ErrorCode, MillraceError, type RowError } from '@millrace/core'
import { GRPC, STORAGE_ERROR, type VendorStatus } from './grpc-status.ts'

/**
 * Where the status was read. `answer`: in-band, definitive for one append, which did not land · `close`: the end of an
 * append connection, every unanswered append ambiguous · `call`: the result of a unary call.
 */
export type Place = 'answer' | 'close' | 'call'

export type Verdict = {
  readonly kind: 'alreadyExists' | 'outOfRange' | 'streamFinalized' | 'streamNotFound' | 'other'
  readonly code: ErrorCode
  readonly disposition: Disposition
}

const other = (code: ErrorCode, disposition: Disposition): Verdict => ({ kind: 'other', code, disposition })

const ALREADY_EXISTS: Verdict = { kind: 'alreadyExists', code: 'ACK_UNEXPECTED', disposition: 'alreadyDone' }
const OUT_OF_RANGE: Verdict = { kind: 'outOfRange', code: 'ACK_UNEXPECTED', disposition: 'failPartition' }
const STREAM_FINALIZED: Verdict = { kind: 'streamFinalized', code: 'FENCED', disposition: 'fenced' }
const STREAM_NOT_FOUND: Verdict = { kind: 'streamNotFound', code: 'STREAM_GONE', disposition: 'reopenStream' }
const NO_RULE = other('ACK_UNEXPECTED', 'failPartition')
const INVALID = other('BIGQUERY_REQUEST_INVALID', 'failPartition')
const DENIED = other('BIGQUERY_PERMISSION_DENIED', 'failPartition')
const TRANSIENT = other('BIGQUERY_UNREACHABLE', 'retry')
const QUOTA = other('BIGQUERY_QUOTA', 'retry')

/** https://cloud.google.com/bigquery/docs/reference/storage/rpc/google.cloud.bigquery.storage.v1#storageerrorcode */
const BY_STORAGE_CODE: ReadonlyMap<number, Verdict> = new Map([
  [STORAGE_ERROR.TABLE_NOT_FOUND, other('TABLE_MISSING', 'failPartition')],
  [STORAGE_ERROR.STREAM_ALREADY_COMMITTED, NO_RULE],
  [STORAGE_ERROR.STREAM_NOT_FOUND, STREAM_NOT_FOUND],
  [STORAGE_ERROR.INVALID_STREAM_TYPE, NO_RULE],
  [STORAGE_ERROR.INVALID_STREAM_STATE, NO_RULE],
  [STORAGE_ERROR.STREAM_FINALIZED, STREAM_FINALIZED],
  [STORAGE_ERROR.SCHEMA_MISMATCH_EXTRA_FIELDS, other('SCHEMA_MISMATCH', 'failPartition')],
  [STORAGE_ERROR.OFFSET_ALREADY_EXISTS, ALREADY_EXISTS],
  [STORAGE_ERROR.OFFSET_OUT_OF_RANGE, OUT_OF_RANGE],
  [STORAGE_ERROR.CMEK_NOT_PROVIDED, other('BIGQUERY_CMEK', 'failPartition')],
  [STORAGE_ERROR.INVALID_CMEK_PROVIDED, other('BIGQUERY_CMEK', 'failPartition')],
  [STORAGE_ERROR.CMEK_ENCRYPTION_ERROR, other('BIGQUERY_CMEK', 'failPartition')],
  [STORAGE_ERROR.KMS_SERVICE_ERROR, other('BIGQUERY_CMEK', 'retry')],
  [STORAGE_ERROR.KMS_PERMISSION_DENIED, other('BIGQUERY_CMEK', 'failPartition')],
])

/** Clients of Google retry the same set; UNKNOWN only when it ends a connection (408 of an idle front end). */
const BY_GRPC_CODE: ReadonlyMap<number, Verdict> = new Map([
  [GRPC.CANCELLED, TRANSIENT],
  [GRPC.INVALID_ARGUMENT, INVALID],
  [GRPC.DEADLINE_EXCEEDED, TRANSIENT],
  [GRPC.NOT_FOUND, STREAM_NOT_FOUND],
  [GRPC.ALREADY_EXISTS, ALREADY_EXISTS],
  [GRPC.PERMISSION_DENIED, DENIED],
  [GRPC.RESOURCE_EXHAUSTED, QUOTA],
  [GRPC.FAILED_PRECONDITION, INVALID],
  [GRPC.ABORTED, TRANSIENT],
  [GRPC.OUT_OF_RANGE, OUT_OF_RANGE],
  [GRPC.UNIMPLEMENTED, INVALID],
  [GRPC.INTERNAL, TRANSIENT],
  [GRPC.UNAVAILABLE, TRANSIENT],
  [GRPC.DATA_LOSS, NO_RULE],
  // Final as such; where a token was sent, the token source may know a way on.
  [GRPC.UNAUTHENTICATED, other('BIGQUERY_AUTH_FAILED', 'failPartition')],
])

/** Only for statuses that came without BigQuery's own code. */
const BY_TEXT: readonly { readonly grpcCode: number; readonly text: string; readonly verdict: Verdict }[] = [
  { grpcCode: GRPC.INVALID_ARGUMENT, text: 'Stream has been finalized', verdict: STREAM_FINALIZED },
  { grpcCode: GRPC.INVALID_ARGUMENT, text: 'Schema mismatch', verdict: other('SCHEMA_MISMATCH', 'failPartition') },
  {
    grpcCode: GRPC.INVALID_ARGUMENT,
    text: 'Input schema has more fields',
    verdict: other('SCHEMA_MISMATCH', 'failPartition'),
  },
  // Said by gRPC itself, on either side: the same bytes would be too large again.
  { grpcCode: GRPC.RESOURCE_EXHAUSTED, text: 'message larger than max', verdict: INVALID },
  { grpcCode: GRPC.RESOURCE_EXHAUSTED, text: 'message with a size larger than', verdict: INVALID },
]

/** What a status means at the place it was read. */
export function classifyError(status: VendorStatus, place: Place): Verdict {
  const verdict = classifyAnywhere(status, place)
  if (place === 'answer') return verdict
  // An offset error answers one append; elsewhere it would not say which.
  if (verdict.kind === 'alreadyExists' || verdict.kind === 'outOfRange') return NO_RULE
  return place === 'close' && verdict.disposition === 'retry' ? { ...verdict, disposition: 'reconnect' } : verdict
}

function classifyAnywhere(status: VendorStatus, place: Place): Verdict {
  const storageCode = status.storageCode ?? STORAGE_ERROR.UNSPECIFIED
  if (storageCode !== STORAGE_ERROR.UNSPECIFIED) return BY_STORAGE_CODE.get(storageCode) ?? NO_RULE
  const byText = BY_TEXT.find(rule => rule.grpcCode === status.grpcCode && status.message.includes(rule.text))
  if (byText !== undefined) return byText.verdict
  if (status.grpcCode === GRPC.UNKNOWN) return place === 'answer' ? NO_RULE : TRANSIENT
  // A server that ends a connection without an error has closed it in good order; the runtime opens another.
  if (status.grpcCode === GRPC.OK && place === 'close') return TRANSIENT
  return BY_GRPC_CODE.get(status.grpcCode) ?? NO_RULE
}

/** The in-band refusal of one append. */
export function refusalOf(status: VendorStatus, rows: readonly RowError[], stream: string): AppendRefusal {
  const verdict = classifyError(status, 'answer')
  if (verdict.kind !== 'other') return { kind: verdict.kind, message: status.message }
  if (rows.length > 0) return { kind: 'rowErrors', message: status.message, rows }
  return { kind: 'other', error: toMillraceError(verdict, status, `append to ${stream}`) }
}

/** An error for people: what was asked, and BigQuery's own words. */
export function toMillraceError(verdict: Verdict, status: VendorStatus, what: string): MillraceError {
  return new MillraceError(verdict.code, verdict.disposition, `BigQuery on ${what}: ${describe(status)}`, {
    details: { grpcCode: status.grpcCode, storageCode: status.storageCode },
  })
}

function describe(status: VendorStatus): string {
  const name = nameOf(STORAGE_ERROR, status.storageCode) ?? nameOf(GRPC, status.grpcCode) ?? `code ${status.grpcCode}`
  return status.message === '' ? name : `${name}: ${status.message}`
}

const nameOf = (codes: Readonly<Record<string, number>>, code: number | null): string | undefined =>
  Object.keys(codes).find(name => codes[name] === code && name !== 'UNSPECIFIED')
