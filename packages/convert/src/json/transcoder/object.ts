// Objects and arrays: members go to their columns, in the order and spelling that the previous record predicts.
import { varintWidth, writeVarint32 } from '../../row-buffer.ts'
import { KIND, type Slot, type TranscoderPlan } from '../transcoder-plan.ts'
import { BAIL, cursor, FULL, UNUSUAL } from './cursor.ts'
import { putFloat64 } from './floats.ts'
import { putGeneralField } from './general-value.ts'
import { putInt64 } from './integers.ts'
import { ACTION, COLUMNS_IN_BITS, isKeyAt, type KeyEntry, type KeyTable, OPENING } from './keys.ts'
import { putNumeric } from './numeric.ts'
import { skipValue } from './skip.ts'
import { putString } from './strings.ts'
import { putTimestamp } from './time-values.ts'
import { isNullAt, skipSpace } from './tokens.ts'
import { putBool, putValue } from './value.ts'
import { putTag } from './wire.ts'

const here = cursor
const isKey = isKeyAt
const [bool, int64, float64] = [putBool, putInt64, putFloat64]
const [numeric, string, timestamp] = [putNumeric, putString, putTimestamp]

/** Members of the object at `open`: the fields of a message, without its length. */
export function putMembers(plan: TranscoderPlan, open: number, out: number): number {
  const { from, to, end, limit } = here
  let entry = plan.keys.head
  let opening = OPENING
  let seen = 0
  let mandatory = 0
  let op = out
  let p = open
  if (plan.stamps.length > 0) plan.nextStamp()
  for (;;) {
    if (op > limit) return FULL
    const next = entry.next
    if (isKey(next, from, p, opening)) {
      entry = next
      p += next.length
    } else {
      if (from.getUint8(p) === 0x7d) return putEnd(plan, seen, mandatory, p, op)
      const other = keyAfter(plan.keys, entry, p)
      if (other === null) {
        p = here.at
        return p < 0 || here.src[p] !== 0x7d ? BAIL : putEnd(plan, seen, mandatory, p, op)
      }
      entry = other
      p = here.at
    }
    opening = 0
    const { bit } = entry
    if (bit === 0 ? isRepeated(plan, entry) : (seen & bit) !== 0) return BAIL
    seen |= bit
    mandatory += entry.mandatory
    to.setInt32(op, entry.tagBytes, true)
    const content = op + entry.tagWidth
    let after: number
    // Numbers, because V8 makes a jump table of literals only; transcoder-plan.ts names them.
    switch (entry.reader) {
      case 1:
        after = bool(p, content)
        break
      case 2:
        after = int64(entry.slot, p, content)
        break
      case 3:
        after = float64(p, content)
        break
      case 4:
        after = numeric(entry.slot, p, content)
        break
      case 5:
        after = string(p, content)
        break
      case 10:
        after = timestamp(p, content)
        break
      default:
        after = UNUSUAL
    }
    if (after === UNUSUAL) after = putOther(plan, entry, p, op)
    if (after < 0) return after
    op = after
    p = here.at
    // At least a `}` follows, and words are read no further than MARGIN behind the record.
    if (p >= end) return BAIL
  }
}

/** Whether a column beyond those with a bit came before. */
function isRepeated(plan: TranscoderPlan, entry: KeyEntry): boolean {
  if (entry.action !== ACTION.COLUMN) return false
  const { index } = entry.slot
  if (plan.stamps[index] === plan.stamp) return true
  plan.stamps[index] = plan.stamp
  return false
}

/**
 * The entry of a key that was not predicted, or stands among spaces; `p` is at the `{` or `,` before it, or at space before that.
 * The cursor stays behind the colon, where null at what is no key.
 */
function keyAfter(keys: KeyTable, previous: KeyEntry, start: number): KeyEntry | null {
  const { src, end } = here
  const before = skipSpace(src, start)
  here.at = before
  const isFirst = previous === keys.head
  if (src[before] !== (isFirst ? 0x7b : 0x2c)) return null
  const key = skipSpace(src, before + 1)
  here.at = key
  if (src[key] !== 0x22) {
    // `{}` ends here, `,}` nowhere.
    if (!isFirst) here.at = BAIL
    return null
  }
  here.at = BAIL
  const entry = keys.entryAfter(previous, src, key, end)
  if (entry === null) return null
  const colon = skipSpace(src, key + entry.length - 2)
  if (src[colon] !== 0x3a || colon >= end) return null
  here.at = colon + 1
  return entry
}

/** A member whose value is not simply there: behind space, null, an array, a message, of no column, or of a rarer type. */
function putOther(plan: TranscoderPlan, entry: KeyEntry, start: number, op: number): number {
  const { src, end } = here
  const { slot } = entry
  const p = skipSpace(src, start)
  if (p > end || entry.action === ACTION.NONE) return BAIL
  if (entry.action !== ACTION.COLUMN) {
    if (entry.action === ACTION.UNKNOWN && src[p] !== 0x6e) return BAIL
    here.at = skipValue(src, p, plan.memberDepth)
    return here.at < 0 ? BAIL : op
  }
  if (src[p] === 0x6e) {
    if (slot.mandatory === 1 || !isNullAt(src, p)) return BAIL
    here.at = p + 4
    return putDefault(slot, op)
  }
  if (slot.repeated) return putArray(slot, p, op)
  return slot.message === null ? putValue(slot, p, op) : putMessage(slot, slot.message, p, op)
}

/** At the `}` at `close`: mandatory columns are there, defaults for what was absent. */
function putEnd(plan: TranscoderPlan, seen: number, mandatory: number, close: number, out: number): number {
  if (mandatory !== plan.mandatoryCount) return BAIL
  let op = out
  for (const slot of plan.withDefault) {
    const { index } = slot
    if (index < COLUMNS_IN_BITS ? (seen & (1 << index)) !== 0 : plan.stamps[index] === plan.stamp) continue
    op = putDefault(slot, op)
    if (op < 0) return op
  }
  here.at = close + 1
  return op > here.limit ? FULL : op
}

/** What stands in a column for null and for absence. */
function putDefault(slot: Slot, op: number): number {
  const { dst, limit } = here
  const bytes = slot.field.defaultBytes
  if (bytes === null) return op
  if (op + bytes.length > limit) return FULL
  dst.set(bytes, op)
  return op + bytes.length
}

function putArray(slot: Slot, start: number, out: number): number {
  const { src, end, limit } = here
  if (slot.kind === KIND.SLOW) return putGeneralField(slot, start, out)
  if (src[start] !== 0x5b) return BAIL
  let op = out
  let p = skipSpace(src, start + 1)
  if (src[p] === 0x5d) {
    here.at = p + 1
    return op
  }
  for (;;) {
    if (op > limit) return FULL
    if (src[p] === 0x6e || p > end) return BAIL
    op = slot.message === null ? putValue(slot, p, op) : putMessage(slot, slot.message, p, op)
    if (op < 0) return op
    p = skipSpace(src, here.at)
    if (src[p] === 0x5d) break
    if (src[p] !== 0x2c) return BAIL
    p = skipSpace(src, p + 1)
  }
  here.at = p + 1
  return op
}

/** A message with tag and length. Its length's width is that of the last one, until it turns out otherwise. */
function putMessage(slot: Slot, plan: TranscoderPlan, open: number, out: number): number {
  const { src, dst } = here
  if (src[open] !== 0x7b) return BAIL
  const op = putTag(out, slot.tag)
  const predicted = plan.lengthWidth
  const start = op + predicted
  const messageEnd = putMembers(plan, open, start)
  if (messageEnd < 0) return messageEnd
  const length = messageEnd - start
  const width = varintWidth(length)
  if (width !== predicted) {
    dst.copyWithin(op + width, start, messageEnd)
    plan.lengthWidth = width
  }
  writeVarint32(dst, op, length)
  return messageEnd + width - predicted
}
