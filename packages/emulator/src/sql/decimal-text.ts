// BIGNUMERIC as its exact text: no sign on zero, no zeros that say nothing. Equal numbers have equal text.
import { BIGNUMERIC_SCALE, fitsBignumeric, formatDecimal, parseDecimal } from '../rows/decimal.ts'
import { SqlRefused } from './refused.ts'

/** Reading a literal costs more than its length; no number in range needs so many characters. */
const LITERAL_CHARS_MAX = 1000

/** Throws SqlRefused for what is no BIGNUMERIC. */
export function canonicalDecimal(text: string): string {
  const scaled = text.length > LITERAL_CHARS_MAX ? undefined : parseDecimal(text, BIGNUMERIC_SCALE)
  if (scaled === undefined || !fitsBignumeric(scaled))
    throw new SqlRefused(`Invalid BIGNUMERIC value: ${text.slice(0, 100)}`)
  return formatDecimal(scaled, BIGNUMERIC_SCALE)
}
