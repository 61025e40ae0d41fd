// The answer to Fetch version 11, read in place: nothing is copied, record batches stay where the socket put them.
import { MillraceError } from '@millrace/core'
import type { AbortedTransaction } from './record-batch.ts'

export type FetchedPartition = {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  readonly highWatermark: bigint
  readonly lastStableOffset: bigint
  readonly logStartOffset: bigint
  readonly aborted: readonly AbortedTransaction[]
  /** Record batches, the last one perhaps cut: `payload[recordsStart, recordsEnd)`. */
  readonly recordsStart: number
  readonly recordsEnd: number
}
export type FetchAnswer = {
  readonly payload: Buffer
  readonly throttleMs: number
  readonly errorCode: number
  readonly partitions: readonly FetchedPartition[]
}

/** Throws KAFKA_REQUEST_FAILED (retry) when lengths contradict: such an answer is dropped whole. */
export function decodeFetchAnswer(payload: Buffer): FetchAnswer {
  try {
    return decode(payload)
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new MillraceError('KAFKA_REQUEST_FAILED', 'retry', 'A fetch answer has lengths that do not fit.', { cause })
  }
}

function decode(payload: Buffer): FetchAnswer {
  const throttleMs = payload.readInt32BE(0)
  const errorCode = payload.readInt16BE(4)
  const topicCount = payload.readInt32BE(10)
  let at = 14
  const partitions: FetchedPartition[] = []
  for (let t = 0; t < topicCount; t++) {
    const nameLength = payload.readInt16BE(at)
    const topic = payload.toString('utf8', at + 2, at + 2 + nameLength)
    at += 2 + nameLength
    const partitionCount = payload.readInt32BE(at)
    at += 4
    for (let p = 0; p < partitionCount; p++) {
      const abortedCount = payload.readInt32BE(at + 30)
      const aborted: AbortedTransaction[] = []
      let cursor = at + 34
      for (let a = 0; a < abortedCount; a++) {
        aborted.push({ producerId: payload.readBigInt64BE(cursor), firstOffset: payload.readBigInt64BE(cursor + 8) })
        cursor += 16
      }
      const recordsLength = Math.max(0, payload.readInt32BE(cursor + 4)) // after preferred_read_replica; -1 = none
      const recordsStart = cursor + 8
      if (recordsStart + recordsLength > payload.length) throw new RangeError('records')
      partitions.push({
        topic,
        partition: payload.readInt32BE(at),
        errorCode: payload.readInt16BE(at + 4),
        highWatermark: payload.readBigInt64BE(at + 6),
        lastStableOffset: payload.readBigInt64BE(at + 14),
        logStartOffset: payload.readBigInt64BE(at + 22),
        aborted,
        recordsStart,
        recordsEnd: recordsStart + recordsLength,
      })
      at = recordsStart + recordsLength
    }
  }
  return { payload, throttleMs, errorCode, partitions }
}
