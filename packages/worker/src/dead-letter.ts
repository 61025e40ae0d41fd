// A record on its way to the dead letter queue: the original bytes, copied out of the fetch buffer, and why.

import { decodeHeaders } from '@millrace/convert'
import type { DeadLetter, MillraceError, RecordHeader, RecordSlice, TopicPartition } from '@millrace/core'
import { offsetOf } from './record-place.ts'

/** @param stage Kafka Connect's stage name, e.g. VALUE_CONVERTER or TASK_PUT */
export function deadLetterOf(
  tp: TopicPartition,
  slice: RecordSlice,
  i: number,
  stage: string,
  error: MillraceError,
): DeadLetter {
  return {
    tp,
    kafkaOffset: offsetOf(slice, i),
    record: originalRecord(slice, i),
    error: { stage, exceptionClass: error.code, message: error.message },
  }
}

export function originalRecord(slice: RecordSlice, i: number): NonNullable<DeadLetter['record']> {
  return {
    key: copyOf(slice.bytes, slice.keyStart[i] ?? -1, slice.keyEnd[i] ?? -1),
    value: copyOf(slice.bytes, slice.valueStart[i] ?? -1, slice.valueEnd[i] ?? -1),
    headers: decodeHeaders(slice, i).map(
      ({ key, value }): RecordHeader => ({ key, value: value && Buffer.from(value) }),
    ),
    timestampMs: slice.timestampMs[i] ?? 0,
  }
}

const copyOf = (bytes: Buffer, start: number, end: number): Buffer | null =>
  start < 0 ? null : Buffer.from(bytes.subarray(start, end))
