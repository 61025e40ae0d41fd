// Proof that a Kafka offset still holds the same record: CRC-32 over key and value, each with its length, so that moving a
// byte between them, or null for empty, changes it.
import { crc32 } from 'node:zlib'
import type { RecordSlice } from '@millrace/core'

export function crcFingerprint(slice: RecordSlice, i: number): number {
  const key = partOf(slice.bytes, slice.keyStart[i]!, slice.keyEnd[i]!)
  const value = partOf(slice.bytes, slice.valueStart[i]!, slice.valueEnd[i]!)
  const lengths = Buffer.allocUnsafe(8)
  lengths.writeInt32BE(key?.length ?? -1, 0)
  lengths.writeInt32BE(value?.length ?? -1, 4)
  let crc = crc32(lengths)
  if (key !== null) crc = crc32(key, crc)
  if (value !== null) crc = crc32(value, crc)
  return crc
}

const partOf = (bytes: Buffer, start: number, end: number): Buffer | null =>
  start < 0 ? null : bytes.subarray(start, end)
