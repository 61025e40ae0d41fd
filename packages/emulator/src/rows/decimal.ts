// NUMERIC and BIGNUMERIC as scaled integers. Ranges: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#decimal_types

export const NUMERIC_SCALE = 9
export const BIGNUMERIC_SCALE = 38
const NUMERIC_LIMIT = 10n ** 38n - 1n
const BIGNUMERIC_LIMIT = 2n ** 255n

export const fitsNumeric = (scaled: bigint): boolean => scaled >= -NUMERIC_LIMIT && scaled <= NUMERIC_LIMIT
export const fitsBignumeric = (scaled: bigint): boolean => scaled >= -BIGNUMERIC_LIMIT && scaled < BIGNUMERIC_LIMIT

/** Two's complement, least significant byte first: how the Write API carries decimals in bytes. */
export function fromLittleEndian(bytes: Buffer): bigint {
  if (bytes.length === 0) return 0n
  const value = BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)
  return BigInt.asIntN(bytes.length * 8, value)
}

/** A decimal literal as an integer scaled by 10^scale, excess digits rounded half away from zero; undefined when it is none. */
export function parseDecimal(text: string, scale: number): bigint | undefined {
  const match = /^\s*([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?\s*$/.exec(text)
  if (!match || (match[2] === '' && (match[3] ?? '') === '')) return undefined
  const fraction = match[3] ?? ''
  const shift = Number(match[4] ?? 0) + scale - fraction.length
  const digits = BigInt(match[2] + fraction)
  // 10^1000 is beyond every range either way; the cap keeps a hostile exponent from costing memory.
  if (shift > 400) return digits === 0n ? 0n : undefined
  let scaled: bigint
  if (shift >= 0) scaled = digits * 10n ** BigInt(shift)
  else if (-shift > match[2]!.length + fraction.length + 1) scaled = 0n
  else {
    const divisor = 10n ** BigInt(-shift)
    scaled = (digits + divisor / 2n) / divisor
  }
  return match[1] === '-' ? -scaled : scaled
}

/** The shortest exact spelling: no trailing zeros, no exponent. */
export function formatDecimal(scaled: bigint, scale: number): string {
  const digits = (scaled < 0n ? -scaled : scaled).toString().padStart(scale + 1, '0')
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, '')
  return `${scaled < 0n ? '-' : ''}${digits.slice(0, digits.length - scale)}${fraction && `.${fraction}`}`
}
