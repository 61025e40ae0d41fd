// Objects and arrays: members go to their columns, in the order and spelling that the previous record predicts.
import { varintWidth, writeVarint32 } from '../../row-buffer.ts'
import { KIND, type Slot, type TranscoderPlan } from '../transcoder-plan.ts'
import { BAIL, cursor, FULL } from './cursor.ts'
import { putGeneralField } from './general-value.ts'
import { ACTION, isKeyAt, type KeyEntry } from './keys.ts'
import { skipValue } from './skip.ts'
import { isNullAt, skipSpace } from './tokens.ts'
import { putValue } from './value.ts'
import { putTag } from './wire.ts'

const here = cursor

/** Members of an object, from behind its `{`: the fields of a message, without its length. */
export function putMembers(plan: TranscoderPlan, start: number, out: number): number {
  const stamp = plan.nextStamp()
  const { keys, seen } = plan
  const { src, from, end, limit } = here
  let entry = keys.head
  let mandatory = 0
  let op = out
  let p = start
  if (src[p] !== 0x22) {
    p = skipSpace(src, p)
    if (src[p] === 0x7d) return putEnd(plan, 0, p, op)
  }
  for (;;) {
    if (op > limit) return FULL
    let next: KeyEntry | null = entry.next
    if (isKeyAt(next, from, p, end)) p += next.length
    else {
      const key = skipSpace(src, p)
      if (src[key] !== 0x22) return BAIL
      if (key === p || !isKeyAt(next, from, key, end)) next = keys.entryAfter(entry, src, key, end)
      if (next === null) return BAIL
      p = behindColon(src, key + next.length - 1)
      if (p < 0) return BAIL
    }
    entry = next
    if (src[p]! <= 0x20) p = skipSpace(src, p)
    if (p > end) return BAIL
    const slot = entry.slot
    if (slot === null) {
      if (entry.action === ACTION.UNKNOWN && src[p] !== 0x6e) return BAIL
      p = skipValue(src, p, plan.memberDepth)
      if (p < 0) return BAIL
    } else {
      if (seen[slot.index] === stamp) return BAIL
      seen[slot.index] = stamp
      if (src[p] === 0x6e) {
        if (!isNullAt(src, p)) return BAIL
        p += 4
        op = putDefault(slot, op)
        if (op < 0) return op
      } else {
        mandatory += slot.mandatory
        op = slot.repeated
          ? putArray(slot, p, op)
          : slot.message === null
            ? putValue(slot, p, op)
            : putMessage(slot, slot.message, p, op)
        if (op < 0) return op
        p = here.at
      }
    }
    if (src[p] !== 0x2c) {
      p = skipSpace(src, p)
      if (src[p] === 0x7d) return putEnd(plan, mandatory, p, op)
      if (src[p] !== 0x2c) return BAIL
    }
    p++
  }
}

/** The position behind the colon that follows, or BAIL. */
function behindColon(src: Buffer, start: number): number {
  const p = skipSpace(src, start)
  return src[p] === 0x3a ? p + 1 : BAIL
}

/** At the `}` at `close`: mandatory columns are there, defaults for what was absent. */
function putEnd(plan: TranscoderPlan, mandatory: number, close: number, out: number): number {
  if (mandatory !== plan.mandatoryCount) return BAIL
  let op = out
  for (const slot of plan.withDefault) {
    if (plan.seen[slot.index] === plan.stamp) continue
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
  const messageEnd = putMembers(plan, open + 1, start)
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
