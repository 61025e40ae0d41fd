// One value that is neither null nor a message, with its tag: read at once in its usual spelling, else by the general path.
import { writeVarint32 } from '../../row-buffer.ts'
import type { Slot } from '../transcoder-plan.ts'
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
import { putTag } from './wire.ts'

const here = cursor

/**
 * `start` is the position of the value's first byte. The cases are numbers, because V8 makes a jump table of literals only;
 * transcoder-plan.ts names them.
 */
export function putValue(slot: Slot, start: number, op: number): number {
  const at = putTag(op, slot.tag)
  let after: number
  switch (slot.kind) {
    case 1: // BOOL
      after = putBool(start, at)
      break
    case 2: // INT64
      after = putInt64(slot, start, at)
      break
    case 3: // FLOAT64
      after = putFloat64(start, at)
      break
    case 4: // NUMERIC
      after = putNumeric(slot, start, at)
      break
    case 5: // STRING
      after = putString(start, at)
      break
    case 6: // BYTES
      after = putBase64(start, at)
      break
    case 7: // DATE
      after = putDate(start, at)
      break
    case 8: // TIME
      after = putTime(start, at)
      break
    case 9: // DATETIME
      after = putDatetime(start, at)
      break
    case 10: // TIMESTAMP
      after =
        slot.schemaless && here.from.getUint8(start) !== 0x22 ? putEpochMicros(start, at) : putTimestamp(start, at)
      break
    case 11: // JSON
      after = putJson(start, at, slot.depth)
      break
    case 13: // EPOCH_MILLIS
      after = putEpochMillis(start, at)
      break
    case 14: // EPOCH_MICROS
      after = putEpochMicros(start, at)
      break
    case 15: // EPOCH_DAYS
      after = putEpochDays(start, at)
      break
    case 16: // DECIMAL_NUMERIC
      after = putDecimalAsNumeric(start, at, slot.scale)
      break
    case 17: // DECIMAL_FLOAT64
      after = putDecimalAsFloat64(start, at, slot.scale)
      break
    default: // SLOW, and MESSAGE, which object.ts reads
      after = UNUSUAL
  }
  return after === UNUSUAL ? putGeneralValue(slot, start, op) : after
}

/** `true`, `fals` as words. */
const TRUE = 0x6575_7274
const FALS = 0x736c_6166

/** BOOL of `true` and `false`. */
export function putBool(start: number, op: number): number {
  const { from, to } = here
  const word = from.getInt32(start, true)
  if (word === TRUE) {
    to.setUint8(op, 1)
    here.at = start + 4
    return op + 1
  }
  if (word !== FALS || from.getUint8(start + 4) !== 0x65) return UNUSUAL
  to.setUint8(op, 0)
  here.at = start + 5
  return op + 1
}

/** JSON columns keep the text of a value byte by byte; a string holds a document of its own. */
function putJson(start: number, op: number, depth: number): number {
  const { src, end, dst, limit } = here
  if (src[start] === 0x22) return UNUSUAL
  const p = skipValue(src, start, depth)
  if (p < 0 || p > end) return BAIL
  const length = p - start
  if (op + length + 8 > limit) return FULL
  const content = writeVarint32(dst, op, length)
  src.copy(dst, content, start, p)
  here.at = p
  return content + length
}
