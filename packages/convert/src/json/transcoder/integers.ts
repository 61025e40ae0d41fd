// Whole numbers, exact in 64 bits: eight digits are a small integer, fifteen a double, up to nineteen come in two parts.
import type { Slot } from '../transcoder-plan.ts'
import { cursor, UNUSUAL } from './cursor.ts'
import { readEightDigits, SMALL_POWERS_OF_TEN } from './digits.ts'
import { POWERS_OF_TEN } from './powers-of-ten.ts'
import { isDigit, isNumberTail } from './tokens.ts'
import { putLarge, putNegative, putSmall, putVarint64 } from './wire.ts'

const here = cursor

/** INT64 of an integer token, without a source schema also in quotes. */
export function putInt64(slot: Slot, start: number, op: number): number {
  const { from } = here
  if (from.getUint8(start) !== 0x22) return putIntegerToken(slot, start, op)
  if (!slot.schemaless) return UNUSUAL
  const after = putIntegerToken(slot, start + 1, op)
  return after < 0 || from.getUint8(here.at++) !== 0x22 ? UNUSUAL : after
}

/** An integer token as a varint; UNUSUAL when it is anything else, or beyond the source's type or 63 bits. */
function putIntegerToken(slot: Slot, start: number, op: number): number {
  const { from } = here
  const negative = from.getUint8(start) === 0x2d
  const first = negative ? start + 1 : start
  const head = readEightDigits(from, first)
  const p = here.at
  const count = p - first
  const next = from.getUint8(p)
  if (count === 8 && isDigit(next)) return putManyDigits(slot, first, negative, head, op)
  if (count === 0 || (count > 1 && from.getUint8(first) === 0x30) || isNumberTail(next)) return UNUSUAL
  if (slot.narrow && (negative ? -head < slot.min : head > slot.max)) return UNUSUAL
  return negative && head !== 0 ? putNegative(op, -head) : putSmall(op, head)
}

/** More than eight digits, of which `head` holds the first eight. */
function putManyDigits(slot: Slot, first: number, negative: boolean, head: number, op: number): number {
  const { from } = here
  if (from.getUint8(first) === 0x30) return UNUSUAL
  const more = readEightDigits(from, first + 8)
  const p = here.at
  const count = p - first - 8
  if (count === 8) {
    // Narrower integers than int64 never have so many digits.
    if (slot.narrow) return UNUSUAL
    return putLongInteger(first, negative, head * 1e7 + Math.floor(more / 10), op)
  }
  if (isNumberTail(from.getUint8(p))) return UNUSUAL
  const value = head * SMALL_POWERS_OF_TEN[count]! + more
  if (slot.narrow && (negative ? -value < slot.min : value > slot.max)) return UNUSUAL
  if (negative) return putVarint64(op, Math.floor(-value / 4294967296), -value >>> 0)
  const rest = Math.floor(value / 0x1000_0000) | 0
  return putLarge(op, (value - rest * 0x1000_0000) | 0, rest)
}

/** Sixteen to nineteen digits, of which `head` holds fifteen. */
function putLongInteger(first: number, negative: boolean, head: number, op: number): number {
  const { from } = here
  const tail = readEightDigits(from, first + 15)
  const p = here.at
  if (p - first > 19 || isNumberTail(from.getUint8(p))) return UNUSUAL
  const scale = POWERS_OF_TEN[p - first - 15]!
  const low = (head >>> 0) * scale + tail
  const high = Math.floor(head / 4294967296) * scale + Math.floor(low / 4294967296)
  // -2^63 itself also goes the general way.
  if (high >= 0x8000_0000) return UNUSUAL
  if (!negative) return putVarint64(op, high, low >>> 0)
  const negatedLow = -(low >>> 0) >>> 0
  return putVarint64(op, negatedLow === 0 ? -high : ~high, negatedLow)
}

/** An integer token of at most fifteen digits; NaN for anything else. */
export function readSafeInteger(start: number): number {
  const { from } = here
  const negative = from.getUint8(start) === 0x2d
  const first = negative ? start + 1 : start
  let value = readEightDigits(from, first)
  if (here.at - first === 8) {
    const more = readEightDigits(from, first + 8)
    value = value * SMALL_POWERS_OF_TEN[here.at - first - 8]! + more
  }
  const digits = here.at - first
  const next = from.getUint8(here.at)
  if (digits === 0 || digits > 15 || (digits > 1 && from.getUint8(first) === 0x30) || isNumberTail(next))
    return Number.NaN
  return negative ? -value : value
}
