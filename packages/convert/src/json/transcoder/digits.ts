// Runs of digits, up to eight at once. What they spell is a small integer: V8 passes a larger number between functions as an object.
import { cursor } from './cursor.ts'
import { bytesBelow, fourDigits, nonDigitsOf } from './words.ts'

const here = cursor
const [below, four, nonDigits] = [bytesBelow, fourDigits, nonDigitsOf]

/** 10^0 … 10^8. */
export const SMALL_POWERS_OF_TEN: Int32Array = Int32Array.from({ length: 9 }, (_, i) => 10 ** i)
const POWERS = SMALL_POWERS_OF_TEN

/** What the digits at `p` spell, eight of them at most; the cursor stays behind them. */
export function readEightDigits(from: DataView, p: number): number {
  const first = from.getInt32(p, true) ^ 0x3030_3030
  const afterFirst = nonDigits(first)
  if (afterFirst !== 0) {
    const count = below(afterFirst)
    here.at = p + count
    return four((first << (24 - 8 * count)) << 8)
  }
  const second = from.getInt32(p + 4, true) ^ 0x3030_3030
  const afterSecond = nonDigits(second)
  if (afterSecond === 0) {
    here.at = p + 8
    return four(first) * 10_000 + four(second)
  }
  const count = below(afterSecond)
  here.at = p + 4 + count
  return four(first) * POWERS[count]! + four((second << (24 - 8 * count)) << 8)
}
