// Decimal text to BigQuery's exact numerics, never through a double: an unscaled integer at a fixed scale, sent as
// little-endian two's complement of minimal length (write-api: NUMERIC scale 9, BIGNUMERIC scale 38).

export type ScaledOutcome =
  | { readonly kind: 'exact'; readonly unscaled: bigint }
  /** Digits beyond the scale were dropped; `unscaled` is rounded half away from zero, as BigQuery's CAST does. */
  | { readonly kind: 'rounded'; readonly unscaled: bigint }
  | { readonly kind: 'outOfRange' | 'malformed' }

export type DecimalRange = { readonly scale: number; readonly min: bigint; readonly max: bigint }

export const INT64_RANGE: DecimalRange = { scale: 0, min: -(2n ** 63n), max: 2n ** 63n - 1n }
export const NUMERIC_RANGE: DecimalRange = { scale: 9, min: 1n - 10n ** 38n, max: 10n ** 38n - 1n }
export const BIGNUMERIC_RANGE: DecimalRange = { scale: 38, min: -(2n ** 255n), max: 2n ** 255n - 1n }

/** Without two neighbours that could share digits: such a pattern would take quadratic time on long text. */
const DECIMAL = /^([+-]?)(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))(?:[eE]([+-]?[0-9]+))?$/

/** More integer digits than any of our types has: refused before a BigInt of their size is built. */
const MAX_INTEGER_DIGITS = 80

/** The value of decimal text (JSON number grammar, and what BigDecimal reads) at the scale of `range`. */
export function scaleDecimal(text: string, range: DecimalRange): ScaledOutcome {
  const match = DECIMAL.exec(text)
  if (match === null) return { kind: 'malformed' }
  const [, sign, integer = '', fractionAfterInteger = '', bareFraction = '', exponent = '0'] = match
  const all = integer + fractionAfterInteger + bareFraction
  const digits = all.replace(/^0+/, '')
  if (digits === '') return { kind: 'exact', unscaled: 0n }
  const pointAt = integer.length - (all.length - digits.length) + Number(exponent)
  if (pointAt > MAX_INTEGER_DIGITS) return { kind: 'outOfRange' }
  const kept = pointAt + range.scale
  const magnitude = keepDigits(digits, kept)
  const unscaled = sign === '-' ? -magnitude : magnitude
  if (unscaled < range.min || unscaled > range.max) return { kind: 'outOfRange' }
  const exact = kept >= digits.length || /^0*$/.test(digits.slice(Math.max(kept, 0)))
  return { kind: exact ? 'exact' : 'rounded', unscaled }
}

/** The first `kept` of these digits, rounded by the next one; zeros where there are none. */
function keepDigits(digits: string, kept: number): bigint {
  if (kept < 0) return 0n
  if (kept >= digits.length) return BigInt(digits) * 10n ** BigInt(kept - digits.length)
  const truncated = kept === 0 ? 0n : BigInt(digits.slice(0, kept))
  return digits.charAt(kept) >= '5' ? truncated + 1n : truncated
}

/** An unscaled integer of scale `from` at the scale of `range`. */
export function rescale(unscaled: bigint, from: number, range: DecimalRange): ScaledOutcome {
  return scaleDecimal(`${unscaled}e${-from}`, range)
}

/** Minimal little-endian two's complement. */
export function twosComplementLittleEndian(value: bigint): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (;;) {
    const byte = Number(rest & 0xffn)
    bytes.push(byte)
    rest >>= 8n
    if ((rest === 0n && byte < 0x80) || (rest === -1n && byte >= 0x80)) return Uint8Array.from(bytes)
  }
}

/** Big-endian two's complement, as Connect's Decimal carries its unscaled value. Empty means zero. */
export function fromTwosComplementBigEndian(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${Buffer.from(bytes).toString('hex')}`))
}

/** `unscaled × 10^-scale` in plain notation. */
export function formatDecimal(unscaled: bigint, scale: number): string {
  if (scale <= 0) return (unscaled * 10n ** BigInt(-scale)).toString()
  const sign = unscaled < 0n ? '-' : ''
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0')
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}
