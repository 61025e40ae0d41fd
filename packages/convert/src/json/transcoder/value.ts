// One value that is neither null nor a message, with its tag: read at once in its usual spelling, else by the general path.
import { writeVarint32 } from '../../row-buffer.ts'
import { KIND, type Slot } from '../transcoder-plan.ts'
import { putBase64 } from './base64.ts'
import { BAIL, cursor, FULL, UNUSUAL } from './cursor.ts'
import { putDecimalAsFloat64, putFloat64 } from './floats.ts'
import { putGeneralValue } from './general-value.ts'
import { putInt64 } from './integers.ts'
import { putDecimalAsNumeric, putNumeric } from './numeric.ts'
import { skipValue } from './skip.ts'
import { putString } from './strings.ts'
import {
  putDate,
  putDatetime,
  putEpochDays,
  putEpochMicros,
  putEpochMillis,
  putTime,
  putTimestamp,
} from './time-values.ts'
import { isFalseAt, isTrueAt } from './tokens.ts'
import { putTag } from './wire.ts'

/** `src[start]` is the value's first byte. */
export function putValue(
  slot: Slot,
  src: Buffer,
  start: number,
  end: number,
  dst: Buffer,
  op: number,
  limit: number,
): number {
  const after = putUsual(slot, src, start, end, dst, putTag(dst, op, slot.tag), limit)
  return after === UNUSUAL ? putGeneralValue(slot, src, start, end, dst, op, limit) : after
}

function putUsual(slot: Slot, src: Buffer, start: number, end: number, dst: Buffer, op: number, limit: number): number {
  switch (slot.kind) {
    case KIND.INT64:
      return putInt64(src, start, dst, op, slot)
    case KIND.STRING:
      return putString(src, start, end, dst, op, limit)
    case KIND.FLOAT64:
      return putFloat64(src, start, dst, op)
    case KIND.BOOL:
      return putBool(src, start, dst, op)
    case KIND.DATETIME:
      return putDatetime(src, start, dst, op)
    case KIND.TIMESTAMP:
      if (slot.schemaless && src[start] !== 0x22) return putEpochMicros(src, start, dst, op)
      return putTimestamp(src, start, dst, op)
    case KIND.DATE:
      return putDate(src, start, dst, op)
    case KIND.TIME:
      return putTime(src, start, dst, op)
    case KIND.NUMERIC:
      return putNumeric(src, start, dst, op, slot)
    case KIND.BYTES:
      return putBase64(src, start, dst, op, limit)
    case KIND.JSON:
      return putJson(src, start, end, dst, op, limit, slot.depth)
    case KIND.EPOCH_MILLIS:
      return putEpochMillis(src, start, dst, op)
    case KIND.EPOCH_MICROS:
      return putEpochMicros(src, start, dst, op)
    case KIND.EPOCH_DAYS:
      return putEpochDays(src, start, dst, op)
    case KIND.DECIMAL_NUMERIC:
      return putDecimalAsNumeric(src, start, dst, op, slot.scale)
    case KIND.DECIMAL_FLOAT64:
      return putDecimalAsFloat64(src, start, dst, op, slot.scale)
    case KIND.MESSAGE: // object.ts reads those.
    case KIND.SLOW:
      return UNUSUAL
  }
}

function putBool(src: Buffer, start: number, dst: Buffer, op: number): number {
  const isTrue = isTrueAt(src, start)
  if (!isTrue && !isFalseAt(src, start)) return UNUSUAL
  dst[op] = isTrue ? 1 : 0
  cursor.at = start + (isTrue ? 4 : 5)
  return op + 1
}

/** JSON columns keep the text of a value byte by byte; a string holds a document of its own. */
function putJson(
  src: Buffer,
  start: number,
  end: number,
  dst: Buffer,
  op: number,
  limit: number,
  depth: number,
): number {
  if (src[start] === 0x22) return UNUSUAL
  const p = skipValue(src, start, depth)
  if (p < 0 || p > end) return BAIL
  const length = p - start
  if (op + length + 8 > limit) return FULL
  const content = writeVarint32(dst, op, length)
  src.copy(dst, content, start, p)
  cursor.at = p
  return content + length
}
