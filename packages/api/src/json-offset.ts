// Offsets in JSON: numbers, as Connect writes them; beyond 2^53 − 1, where a JSON reader would round, decimal strings.
import type { KafkaOffset } from '@millrace/core'

export function jsonOffset(offset: KafkaOffset): number | string {
  return offset <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(offset) : offset.toString()
}

export const jsonOffsetOrNull = (offset: KafkaOffset | null): number | string | null =>
  offset === null ? null : jsonOffset(offset)
