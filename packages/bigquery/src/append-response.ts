// AppendRowsResponse → one of: acknowledged, refused, or something the protocol has no rule for.
// Fields: append_result=1 {offset=1 Int64Value}, error=2 Status, updated_schema=3, row_errors=4, write_stream=5.
import { type RowError, type StreamOffset, streamOffset } from '@millrace/core'
import { decodeStatus, type VendorStatus } from './grpc-status.ts'
import { ProtoReader, WireError } from './wire.ts'

export type AppendResponse =
  | {
      readonly kind: 'acknowledged'
      readonly offset: StreamOffset | null
      readonly stream: string
      readonly hasNewSchema: boolean
    }
  | {
      readonly kind: 'refused'
      readonly status: VendorStatus
      readonly rows: readonly RowError[]
      readonly stream: string
    }
  | { readonly kind: 'senseless'; readonly reason: string }

/** Decodes and checks one response to a request of `rowCount` rows. Never throws. */
export function decodeAppendResponse(bytes: Buffer, rowCount: number): AppendResponse {
  try {
    return decode(bytes, rowCount)
  } catch (error) {
    if (error instanceof WireError) return senseless(`is not a valid message (${error.message})`)
    throw error
  }
}

const senseless = (reason: string): AppendResponse => ({ kind: 'senseless', reason })

function decode(bytes: Buffer, rowCount: number): AppendResponse {
  let result: Buffer | null = null
  let status: VendorStatus | null = null
  let hasNewSchema = false
  let stream = ''
  const rowErrors: RowError[] = []
  const reader = new ProtoReader(bytes)
  while (reader.next()) {
    if (reader.field === 1) result = reader.bytes()
    else if (reader.field === 2) status = decodeStatus(reader.bytes())
    else if (reader.field === 3) {
      hasNewSchema = true
      reader.skip()
    } else if (reader.field === 4) rowErrors.push(decodeRowError(reader.bytes()))
    else if (reader.field === 5) stream = reader.string()
    else reader.skip()
  }

  if (result !== null && status !== null) return senseless('carries both a result and an error')
  if (status !== null) {
    if (status.grpcCode === 0) return senseless(`carries an error of code OK (${status.message})`)
    const rows = distinctRows(rowErrors, rowCount)
    return rows === null
      ? senseless('names a row the request does not have')
      : { kind: 'refused', status, rows, stream }
  }
  if (rowErrors.length > 0) return senseless('carries row errors without an error')
  if (result === null) return senseless('carries neither a result nor an error')
  return { kind: 'acknowledged', offset: decodeAppendResult(result), stream, hasNewSchema }
}

/** null when the service gave no offset, as on `_default`. */
function decodeAppendResult(bytes: Buffer): StreamOffset | null {
  let offset: StreamOffset | null = null
  const reader = new ProtoReader(bytes)
  while (reader.next()) {
    if (reader.field === 1) offset = streamOffset(decodeInt64Value(reader.bytes()))
    else reader.skip()
  }
  return offset
}

function decodeInt64Value(bytes: Buffer): bigint {
  let value = 0n
  const reader = new ProtoReader(bytes)
  while (reader.next()) {
    if (reader.field === 1) value = reader.int64()
    else reader.skip()
  }
  return value
}

/** RowError {index=1, code=2, message=3}. */
function decodeRowError(bytes: Buffer): RowError {
  let index = 0n
  let message = ''
  const reader = new ProtoReader(bytes)
  while (reader.next()) {
    if (reader.field === 1) index = reader.int64()
    else if (reader.field === 3) message = reader.string()
    else reader.skip()
  }
  return { index: Number(index), message }
}

/** One error per row, in row order; null when an index lies outside the request: nothing it says can then be trusted. */
function distinctRows(errors: readonly RowError[], rowCount: number): readonly RowError[] | null {
  const byIndex = new Map<number, RowError>()
  for (const error of errors) {
    if (error.index < 0 || error.index >= rowCount) return null
    if (!byIndex.has(error.index)) byIndex.set(error.index, error)
  }
  return [...byIndex.values()].sort((a, b) => a.index - b.index)
}
