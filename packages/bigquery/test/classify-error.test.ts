import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Metadata } from '@grpc/grpc-js'
import { classifyError, type Place, refusalOf } from '../src/classify-error.ts'
import { GRPC, STORAGE_ERROR, statusOfCall } from '../src/grpc-status.ts'
import { encode, official, statusWithStorageError, storageErrorCodes } from './support/official-protos.ts'

const says = (grpcCode: number, storageCode: number | null, place: Place, message = 'words'): string => {
  const verdict = classifyError({ grpcCode, storageCode, message }, place)
  return `${verdict.kind} ${verdict.code} ${verdict.disposition}`
}

/** Every gRPC code at every place: [answer, close, call]. */
const BY_GRPC_CODE: Record<keyof typeof GRPC, readonly [string, string, string]> = {
  OK: [
    'other ACK_UNEXPECTED failPartition',
    'other BIGQUERY_UNREACHABLE reconnect',
    'other ACK_UNEXPECTED failPartition',
  ],
  CANCELLED: transient(),
  UNKNOWN: [
    'other ACK_UNEXPECTED failPartition',
    'other BIGQUERY_UNREACHABLE reconnect',
    'other BIGQUERY_UNREACHABLE retry',
  ],
  INVALID_ARGUMENT: everywhere('other BIGQUERY_REQUEST_INVALID failPartition'),
  DEADLINE_EXCEEDED: transient(),
  NOT_FOUND: everywhere('streamNotFound STREAM_GONE reopenStream'),
  ALREADY_EXISTS: offset('alreadyExists ACK_UNEXPECTED alreadyDone'),
  PERMISSION_DENIED: everywhere('other BIGQUERY_PERMISSION_DENIED failPartition'),
  RESOURCE_EXHAUSTED: ['other BIGQUERY_QUOTA retry', 'other BIGQUERY_QUOTA reconnect', 'other BIGQUERY_QUOTA retry'],
  FAILED_PRECONDITION: everywhere('other BIGQUERY_REQUEST_INVALID failPartition'),
  ABORTED: transient(),
  OUT_OF_RANGE: offset('outOfRange ACK_UNEXPECTED failPartition'),
  UNIMPLEMENTED: everywhere('other BIGQUERY_REQUEST_INVALID failPartition'),
  INTERNAL: transient(),
  UNAVAILABLE: transient(),
  DATA_LOSS: everywhere('other ACK_UNEXPECTED failPartition'),
  UNAUTHENTICATED: everywhere('other BIGQUERY_AUTH_FAILED failPartition'),
}

/** Every code of BigQuery in an answer; each decides whatever gRPC code it comes with. */
const BY_STORAGE_CODE: Record<keyof typeof STORAGE_ERROR, string> = {
  UNSPECIFIED: 'other BIGQUERY_REQUEST_INVALID failPartition',
  TABLE_NOT_FOUND: 'other TABLE_MISSING failPartition',
  STREAM_ALREADY_COMMITTED: 'other ACK_UNEXPECTED failPartition',
  STREAM_NOT_FOUND: 'streamNotFound STREAM_GONE reopenStream',
  INVALID_STREAM_TYPE: 'other ACK_UNEXPECTED failPartition',
  INVALID_STREAM_STATE: 'other ACK_UNEXPECTED failPartition',
  STREAM_FINALIZED: 'streamFinalized FENCED fenced',
  SCHEMA_MISMATCH_EXTRA_FIELDS: 'other SCHEMA_MISMATCH failPartition',
  OFFSET_ALREADY_EXISTS: 'alreadyExists ACK_UNEXPECTED alreadyDone',
  OFFSET_OUT_OF_RANGE: 'outOfRange ACK_UNEXPECTED failPartition',
  CMEK_NOT_PROVIDED: 'other BIGQUERY_CMEK failPartition',
  INVALID_CMEK_PROVIDED: 'other BIGQUERY_CMEK failPartition',
  CMEK_ENCRYPTION_ERROR: 'other BIGQUERY_CMEK failPartition',
  KMS_SERVICE_ERROR: 'other BIGQUERY_CMEK retry',
  KMS_PERMISSION_DENIED: 'other BIGQUERY_CMEK failPartition',
}

test('every gRPC code has its rule at every place', () => {
  for (const [name, [answer, close, call]] of Object.entries(BY_GRPC_CODE)) {
    const code = GRPC[name as keyof typeof GRPC]
    assert.equal(says(code, null, 'answer'), answer, `${name} answer`)
    assert.equal(says(code, null, 'close'), close, `${name} close`)
    assert.equal(says(code, null, 'call'), call, `${name} call`)
  }
})

test('every code of BigQuery has its rule, and ours are all the codes there are', () => {
  const ours = Object.fromEntries(Object.entries(STORAGE_ERROR))
  const theirs = Object.fromEntries(
    Object.entries(storageErrorCodes).map(([name, code]) => [
      name === 'STORAGE_ERROR_CODE_UNSPECIFIED' ? 'UNSPECIFIED' : name,
      code,
    ]),
  )
  assert.deepEqual(ours, theirs)
  for (const [name, expected] of Object.entries(BY_STORAGE_CODE)) {
    assert.equal(
      says(GRPC.INVALID_ARGUMENT, STORAGE_ERROR[name as keyof typeof STORAGE_ERROR], 'answer'),
      expected,
      name,
    )
  }
})

test('a connection that ends with an offset error says nothing about which append: no rule', () => {
  assert.equal(
    says(GRPC.ALREADY_EXISTS, STORAGE_ERROR.OFFSET_ALREADY_EXISTS, 'close'),
    'other ACK_UNEXPECTED failPartition',
  )
  assert.equal(
    says(GRPC.OUT_OF_RANGE, STORAGE_ERROR.OFFSET_OUT_OF_RANGE, 'close'),
    'other ACK_UNEXPECTED failPartition',
  )
})

test('a connection that ends because the stream was finalized, or is gone, says so', () => {
  assert.equal(says(GRPC.INVALID_ARGUMENT, STORAGE_ERROR.STREAM_FINALIZED, 'close'), 'streamFinalized FENCED fenced')
  assert.equal(says(GRPC.NOT_FOUND, STORAGE_ERROR.STREAM_NOT_FOUND, 'close'), 'streamNotFound STREAM_GONE reopenStream')
})

test('codes nobody knows fail the partition', () => {
  for (const place of ['answer', 'close', 'call'] as const) {
    assert.equal(says(GRPC.UNAVAILABLE, 99, place), 'other ACK_UNEXPECTED failPartition')
    assert.equal(says(77, null, place), 'other ACK_UNEXPECTED failPartition')
    assert.equal(says(-1, null, place), 'other ACK_UNEXPECTED failPartition')
  }
})

test('the texts of real closes lead to a new connection', () => {
  const closes: readonly (readonly [number, string])[] = [
    [GRPC.ABORTED, 'Closing the stream because it has been inactive for 600 seconds. Entity: s'],
    [
      GRPC.ABORTED,
      'Closing the stream because server is restarted. This is expected and client is advised to reconnect. Entity: s',
    ],
    [
      GRPC.UNAVAILABLE,
      "Request 'AppendRows' from role 'cloud-dataengine-globalrouting' throttled: Task is overloaded (memory-protection)",
    ],
    [GRPC.UNAVAILABLE, 'the connection is draining'],
    [GRPC.UNKNOWN, '408:Request Timeout'],
  ]
  for (const [code, message] of closes)
    assert.equal(says(code, null, 'close', message), 'other BIGQUERY_UNREACHABLE reconnect', message)
})

test('texts decide only where BigQuery gave no code of its own', () => {
  assert.equal(says(3, null, 'answer', 'Stream has been finalized. Entity: s'), 'streamFinalized FENCED fenced')
  assert.equal(
    says(3, null, 'close', 'Schema mismatch due to extra fields in user schema'),
    'other SCHEMA_MISMATCH failPartition',
  )
  assert.equal(
    says(3, STORAGE_ERROR.TABLE_NOT_FOUND, 'answer', 'Stream has been finalized'),
    'other TABLE_MISSING failPartition',
  )
})

test('a request too large for gRPC fails the partition, for it would be too large again', () => {
  const large = 'Received message larger than max (20 vs 10)'
  assert.equal(says(GRPC.RESOURCE_EXHAUSTED, null, 'close', large), 'other BIGQUERY_REQUEST_INVALID failPartition')
})

test('row errors are told apart from other invalid arguments', () => {
  const status = { grpcCode: 3, message: 'Errors found while processing rows.', storageCode: null }
  assert.deepEqual(refusalOf(status, [{ index: 1, message: 'bad' }], 's').kind, 'rowErrors')
  const bare = refusalOf(status, [], 's')
  assert.equal(bare.kind === 'other' && bare.error.code, 'BIGQUERY_REQUEST_INVALID')
  const finalized = refusalOf(
    { ...status, storageCode: STORAGE_ERROR.STREAM_FINALIZED },
    [{ index: 0, message: 'x' }],
    's',
  )
  assert.equal(finalized.kind, 'streamFinalized')
})

test("BigQuery's own code is found in either trailer, and garbage in both is ignored", () => {
  const alone = new Metadata()
  alone.set('google.cloud.bigquery.storage.v1.storageerror-bin', encode(official.StorageError, { code: 7 }))
  assert.equal(statusOfCall(3, 'm', alone).storageCode, 7)
  const details = new Metadata()
  details.set('grpc-status-details-bin', encode(official.Status, statusWithStorageError(3, 'm', 6)))
  assert.equal(statusOfCall(3, 'm', details).storageCode, 6)
  const garbage = new Metadata()
  garbage.set('google.cloud.bigquery.storage.v1.storageerror-bin', Buffer.from([0xff]))
  garbage.set('grpc-status-details-bin', Buffer.from([0x1a, 0x7f]))
  assert.equal(statusOfCall(3, 'm', garbage).storageCode, null)
  assert.equal(statusOfCall(14, 'm', undefined).storageCode, null)
})

function everywhere(verdict: string): readonly [string, string, string] {
  return [verdict, verdict, verdict]
}
function transient(): readonly [string, string, string] {
  return [
    'other BIGQUERY_UNREACHABLE retry',
    'other BIGQUERY_UNREACHABLE reconnect',
    'other BIGQUERY_UNREACHABLE retry',
  ]
}
/** Means something only in the answer to one append. */
function offset(answer: string): readonly [string, string, string] {
  return [answer, 'other ACK_UNEXPECTED failPartition', 'other ACK_UNEXPECTED failPartition']
}
