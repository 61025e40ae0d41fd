// Writes one record batch (format v2, uncompressed) with the producer's own id, epoch and sequence.
// The bytes are made once and sent again as they are: an identical batch is what makes a retry idempotent.
import type { RecordHeader } from '@millrace/core'
import { crc32c } from './crc32c.ts'

export type OutgoingRecord = {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
  readonly timestampMs: number
}
export type ProducerIdentity = { readonly producerId: bigint; readonly producerEpoch: number }

const HEADER_BYTES = 61
const NO_LEADER_EPOCH = -1

/** @param sequence of the first record; the others follow it. */
export function encodeRecordBatch(
  records: readonly OutgoingRecord[],
  producer: ProducerIdentity,
  sequence: number,
): Buffer {
  const baseTimestamp = records[0]!.timestampMs
  const sizes = records.map((record, i) => bodySize(record, record.timestampMs - baseTimestamp, i))
  const total = sizes.reduce((sum, size) => sum + varintSize(size) + size, HEADER_BYTES)
  const out = Buffer.allocUnsafe(total)
  let at = HEADER_BYTES
  records.forEach((record, i) => {
    at = writeVarint(out, at, sizes[i]!)
    at = writeBody(out, at, record, record.timestampMs - baseTimestamp, i)
  })
  out.writeBigInt64BE(0n, 0)
  out.writeInt32BE(total - 12, 8)
  out.writeInt32BE(NO_LEADER_EPOCH, 12)
  out.writeInt8(2, 16)
  out.writeInt16BE(0, 21)
  out.writeInt32BE(records.length - 1, 23)
  out.writeBigInt64BE(BigInt(baseTimestamp), 27)
  out.writeBigInt64BE(BigInt(records.reduce((max, r) => Math.max(max, r.timestampMs), baseTimestamp)), 35)
  out.writeBigInt64BE(producer.producerId, 43)
  out.writeInt16BE(producer.producerEpoch, 51)
  out.writeInt32BE(sequence, 53)
  out.writeInt32BE(records.length, 57)
  out.writeUInt32BE(crc32c(out, 21, total), 17)
  return out
}

/** Bytes a record takes in a batch, at most: what a writer counts before it encodes. */
export const recordSizeMax = (record: OutgoingRecord): number =>
  bodySize(record, Number.MAX_SAFE_INTEGER, 0x7fffffff) + 5

function bodySize(record: OutgoingRecord, timestampDelta: number, offsetDelta: number): number {
  let size = 1 + varintSize(timestampDelta) + varintSize(offsetDelta)
  size += bytesSize(record.key) + bytesSize(record.value) + varintSize(record.headers.length)
  for (const { key, value } of record.headers) {
    const length = Buffer.byteLength(key)
    size += varintSize(length) + length + bytesSize(value)
  }
  return size
}

const bytesSize = (bytes: Buffer | null): number => (bytes === null ? 1 : varintSize(bytes.length) + bytes.length)

function writeBody(
  out: Buffer,
  start: number,
  record: OutgoingRecord,
  timestampDelta: number,
  offsetDelta: number,
): number {
  let at = start
  out[at++] = 0
  at = writeVarint(out, at, timestampDelta)
  at = writeVarint(out, at, offsetDelta)
  at = writeBytes(out, at, record.key)
  at = writeBytes(out, at, record.value)
  at = writeVarint(out, at, record.headers.length)
  for (const { key, value } of record.headers) {
    at = writeVarint(out, at, Buffer.byteLength(key))
    at += out.write(key, at, 'utf8')
    at = writeBytes(out, at, value)
  }
  return at
}

function writeBytes(out: Buffer, at: number, bytes: Buffer | null): number {
  if (bytes === null) return writeVarint(out, at, -1)
  const begin = writeVarint(out, at, bytes.length)
  bytes.copy(out, begin)
  return begin + bytes.length
}

/** Zigzag varint; plain arithmetic above 31 bits, so timestamps of any distance are exact. */
function writeVarint(out: Buffer, at: number, value: number): number {
  let rest = value >= 0 ? value * 2 : -value * 2 - 1
  while (rest >= 0x80) {
    out[at++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  out[at++] = rest
  return at
}

function varintSize(value: number): number {
  let rest = value >= 0 ? value * 2 : -value * 2 - 1
  let size = 1
  while (rest >= 0x80) {
    rest = Math.floor(rest / 0x80)
    size++
  }
  return size
}
