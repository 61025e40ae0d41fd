// Where a record of a slice stands in its partition, and what proves that it is still the same record.
import { crcFingerprint } from '@millrace/convert'
import { type Fingerprint, type KafkaOffset, kafkaOffset, type RecordSlice } from '@millrace/core'

export const offsetOf = (slice: RecordSlice, i: number): KafkaOffset =>
  kafkaOffset(slice.startKafkaOffset + BigInt(slice.offsetDelta[i] ?? 0))

/** The record at this offset. By halving: a batch may have tens of thousands of refused rows. */
export function indexOf(slice: RecordSlice, offset: KafkaOffset): number {
  const wanted = Number(offset - slice.startKafkaOffset)
  let [low, high] = [0, slice.count - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((slice.offsetDelta[middle] ?? 0) < wanted) low = middle + 1
    else high = middle
  }
  return low
}

export const fingerprintOf = (slice: RecordSlice, i: number): Fingerprint => ({
  kafkaOffset: offsetOf(slice, i),
  timestampMs: slice.timestampMs[i] ?? 0,
  crc: crcFingerprint(slice, i),
})
