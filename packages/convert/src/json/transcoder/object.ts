// Objects and arrays: members go to their columns, in the order and spelling that the previous record predicts.
import { varintWidth, writeVarint32 } from '../../row-buffer.ts'
import { KIND, type Slot, type TranscoderPlan } from '../transcoder-plan.ts'
import { BAIL, cursor, FULL } from './cursor.ts'
import { putGeneralField } from './general-value.ts'
import { ACTION } from './keys.ts'
import { skipValue } from './skip.ts'
import { isNullAt, skipSpace } from './tokens.ts'
import { putValue } from './value.ts'
import { putTag } from './wire.ts'

/** Members of an object, from behind its `{`: the fields of a message, without its length. */
export function putMembers(
  plan: TranscoderPlan,
  src: Buffer,
  start: number,
  end: number,
  dst: Buffer,
  out: number,
  limit: number,
): number {
  const stamp = plan.nextStamp()
  const keys = plan.keys
  let previous = keys.head
  let mandatory = 0
  let op = out
  let p = start
  if (src[p] !== 0x22) {
    p = skipSpace(src, p)
    if (src[p] === 0x7d) return putEnd(plan, 0, p, dst, op, limit)
  }
  for (;;) {
    if (op > limit) return FULL
    if (src[p] !== 0x22) {
      p = skipSpace(src, p)
      if (src[p] !== 0x22) return BAIL
    }
    p++
    const entry = keys.entryAfter(previous, src, p, end)
    if (entry === null) return BAIL
    previous = entry
    p = behindColon(src, p + entry.bytes.length)
    if (p < 0) return BAIL
    const slot = entry.slot
    if (slot === null) {
      if (entry.action === ACTION.UNKNOWN && src[p] !== 0x6e) return BAIL
      p = skipValue(src, p, plan.memberDepth)
      if (p < 0) return BAIL
    } else {
      if (plan.seen[slot.index] === stamp) return BAIL
      plan.seen[slot.index] = stamp
      if (src[p] === 0x6e) {
        if (!isNullAt(src, p)) return BAIL
        p += 4
        op = putDefault(slot, dst, op, limit)
        if (op < 0) return op
      } else {
        mandatory += slot.mandatory
        op = slot.repeated
          ? putArray(slot, src, p, end, dst, op, limit)
          : slot.message === null
            ? putValue(slot, src, p, end, dst, op, limit)
            : putMessage(slot, slot.message, src, p, end, dst, op, limit)
        if (op < 0) return op
        p = cursor.at
      }
    }
    if (src[p] !== 0x2c) {
      p = skipSpace(src, p)
      if (src[p] === 0x7d) return putEnd(plan, mandatory, p, dst, op, limit)
      if (src[p] !== 0x2c) return BAIL
    }
    p++
  }
}

/** Where the value begins behind a colon, or BAIL. */
function behindColon(src: Buffer, start: number): number {
  let p = start
  if (src[p] !== 0x3a) {
    p = skipSpace(src, p)
    if (src[p] !== 0x3a) return BAIL
  }
  p++
  return (src[p]! | 0) <= 0x20 ? skipSpace(src, p) : p
}

/** At the `}` at `close`: mandatory columns are there, defaults for what was absent. */
function putEnd(
  plan: TranscoderPlan,
  mandatory: number,
  close: number,
  dst: Buffer,
  out: number,
  limit: number,
): number {
  if (mandatory !== plan.mandatoryCount) return BAIL
  let op = out
  for (const slot of plan.withDefault) {
    if (plan.seen[slot.index] === plan.stamp) continue
    op = putDefault(slot, dst, op, limit)
    if (op < 0) return op
  }
  cursor.at = close + 1
  return op > limit ? FULL : op
}

/** What stands in a column for null and for absence. */
function putDefault(slot: Slot, dst: Buffer, op: number, limit: number): number {
  const bytes = slot.field.defaultBytes
  if (bytes === null) return op
  if (op + bytes.length > limit) return FULL
  dst.set(bytes, op)
  return op + bytes.length
}

function putArray(
  slot: Slot,
  src: Buffer,
  start: number,
  end: number,
  dst: Buffer,
  out: number,
  limit: number,
): number {
  if (slot.kind === KIND.SLOW) return putGeneralField(slot, src, start, end, dst, out, limit)
  if (src[start] !== 0x5b) return BAIL
  let op = out
  let p = skipSpace(src, start + 1)
  if (src[p] === 0x5d) {
    cursor.at = p + 1
    return op
  }
  for (;;) {
    if (op > limit) return FULL
    if (src[p] === 0x6e) return BAIL
    op =
      slot.message === null
        ? putValue(slot, src, p, end, dst, op, limit)
        : putMessage(slot, slot.message, src, p, end, dst, op, limit)
    if (op < 0) return op
    p = skipSpace(src, cursor.at)
    if (src[p] === 0x5d) break
    if (src[p] !== 0x2c) return BAIL
    p = skipSpace(src, p + 1)
  }
  cursor.at = p + 1
  return op
}

/** A message with tag and length. Its length's width is that of the last one, until it turns out otherwise. */
function putMessage(
  slot: Slot,
  plan: TranscoderPlan,
  src: Buffer,
  open: number,
  end: number,
  dst: Buffer,
  out: number,
  limit: number,
): number {
  if (src[open] !== 0x7b) return BAIL
  const op = putTag(dst, out, slot.tag)
  const predicted = plan.lengthWidth
  const start = op + predicted
  const messageEnd = putMembers(plan, src, open + 1, end, dst, start, limit)
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
