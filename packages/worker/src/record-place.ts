// Where a record of a slice stands in its partition, and what proves that it is still the same record.
import { crcFingerprint } from '@millrace/convert'
import { type Fingerprint, type KafkaOffset, kafkaOffset, type RecordSlice } from '@millrace/core'

export const offsetOf = (slice: RecordSlice, i: number): KafkaOffset =>
  kafkaOffset(slice.startKafkaOffset + BigInt(slice.offsetDelta[i] ?? 0))

export const fingerprintOf = (slice: RecordSlice, i: number): Fingerprint => ({
  kafkaOffset: offsetOf(slice, i),
  timestampMs: slice.timestampMs[i] ?? 0,
  crc: crcFingerprint(slice, i),
})
