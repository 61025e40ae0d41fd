// Kafka record batches (format v2) written straight from lines of JSON: https://kafka.apache.org/documentation/#recordbatch
// KafkaJS's producer manages some 30,000 records a second; three million would take longer than all the rest of the demo.
import { compress } from './codec.ts'
import { crc32c } from './crc32c.ts'

const HEADER_BYTES = 61
/** Length, attributes, timestamp delta, offset delta, key, value length, headers: never more around one value. */
const RECORD_OVERHEAD_MAX = 24
const CRC_AT = 17
const ATTRIBUTES_AT = 21
const TRANSACTIONAL = 0x10
const NEW_LINE = 0x0a

export type BatchOwner = { readonly producerId: bigint; readonly producerEpoch: number; readonly baseSequence: number }

/** One batch of the values `lines[start, end)`, one per line, each ending in a newline. `owner`: of a transaction, or null. */
export function encodeBatch(
  lines: Buffer,
  start: number,
  end: number,
  codec: number,
  timestampMs: number,
  owner: BatchOwner | null,
): Buffer {
  const values = encodeRecords(lines, start, end)
  const body = compress(codec, values.records)
  const batch = Buffer.allocUnsafe(HEADER_BYTES + body.length)
  batch.writeBigInt64BE(0n, 0)
  batch.writeInt32BE(batch.length - 12, 8)
  batch.writeInt32BE(-1, 12)
  batch.writeInt8(2, 16)
  batch.writeInt16BE(codec | (owner === null ? 0 : TRANSACTIONAL), ATTRIBUTES_AT)
  batch.writeInt32BE(values.count - 1, 23)
  batch.writeBigInt64BE(BigInt(timestampMs), 27)
  batch.writeBigInt64BE(BigInt(timestampMs), 35)
  batch.writeBigInt64BE(owner?.producerId ?? -1n, 43)
  batch.writeInt16BE(owner?.producerEpoch ?? -1, 51)
  batch.writeInt32BE(owner?.baseSequence ?? -1, 53)
  batch.writeInt32BE(values.count, 57)
  body.copy(batch, HEADER_BYTES)
  batch.writeUInt32BE(crc32c(batch, ATTRIBUTES_AT), CRC_AT)
  return batch
}

function encodeRecords(lines: Buffer, start: number, end: number): { records: Buffer; count: number } {
  const lineCountMax = countLines(lines, start, end)
  const out = Buffer.allocUnsafe(end - start + lineCountMax * RECORD_OVERHEAD_MAX)
  let to = 0
  let count = 0
  for (let from = start; from < end; ) {
    const newLine = lines.indexOf(NEW_LINE, from)
    const length = newLine - from
    // attributes, timestamp delta 0, offset delta, no key (-1), value length, value, no headers
    const size = 2 + varintBytes(count) + 1 + varintBytes(length) + length + 1
    to = writeVarint(out, to, size)
    out[to++] = 0
    out[to++] = 0
    to = writeVarint(out, to, count)
    out[to++] = 1
    to = writeVarint(out, to, length)
    to += lines.copy(out, to, from, newLine)
    out[to++] = 0
    count++
    from = newLine + 1
  }
  return { records: out.subarray(0, to), count }
}

function countLines(lines: Buffer, start: number, end: number): number {
  let count = 0
  for (let at = lines.indexOf(NEW_LINE, start); at !== -1 && at < end; at = lines.indexOf(NEW_LINE, at + 1)) count++
  return count
}

/** Zigzag varints of numbers that are never negative here. */
function writeVarint(out: Buffer, at: number, value: number): number {
  let rest = value * 2
  while (rest >= 0x80) {
    out[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  out[at++] = rest
  return at
}
function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = value * 2; rest >= 0x80; rest >>>= 7) bytes++
  return bytes
}
