// BIGNUMERIC as its exact text: no sign on zero, no zeros that say nothing. Equal numbers have equal text.
import { SqlRefused } from './refused.ts'

const DECIMAL = /^\s*([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d{1,3}))?\s*$/
/** Digits behind the point. https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#decimal_types */
const SCALE = 38
const MAX = 2n ** 255n

/** Throws SqlRefused for what is no BIGNUMERIC. */
export function canonicalDecimal(text: string): string {
  const found = DECIMAL.exec(text)
  if (!found || found[2]! + found[3]! === '' || text.length > 1000)
    throw new SqlRefused(`Invalid BIGNUMERIC value: ${text.slice(0, 100)}`)
  const [, sign, whole, fraction, exponent] = found
  const shift = SCALE - fraction!.length + Number(exponent ?? 0)
  const digits = BigInt(whole! + fraction!)
  const unscaled = shift >= 0 ? digits * 10n ** BigInt(shift) : divideRounded(digits, 10n ** BigInt(-shift))
  if (unscaled >= MAX) throw new SqlRefused(`Invalid BIGNUMERIC value: ${text}`)
  return (sign === '-' && unscaled !== 0n ? '-' : '') + decimalText(unscaled)
}

const divideRounded = (value: bigint, by: bigint): bigint => (value + by / 2n) / by

function decimalText(unscaled: bigint): string {
  const digits = String(unscaled).padStart(SCALE + 1, '0')
  const fraction = digits.slice(-SCALE).replace(/0+$/, '')
  const whole = digits.slice(0, -SCALE)
  return fraction === '' ? whole : `${whole}.${fraction}`
}
