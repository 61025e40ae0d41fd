// CRC-32C (Castagnoli), eight bytes per step (slicing-by-8): what Kafka's record batches carry. Not in node:zlib.

const POLYNOMIAL = 0x82f63b78
const TABLES = ((): Int32Array => {
  const tables = new Int32Array(8 * 256)
  for (let n = 0; n < 256; n++) {
    let crc = n
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    tables[n] = crc
  }
  for (let n = 0; n < 256; n++)
    for (let k = 1; k < 8; k++) {
      const previous = tables[(k - 1) * 256 + n]!
      tables[k * 256 + n] = tables[previous & 0xff]! ^ (previous >>> 8)
    }
  return tables
})()

/** CRC-32C of `bytes[start, end)` as an unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array, start: number, end: number): number {
  const t = TABLES
  let crc = -1
  let at = start
  const whole = end - 7
  while (at < whole) {
    const low = crc ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24))
    crc =
      t[1792 + (low & 0xff)]! ^
      t[1536 + ((low >>> 8) & 0xff)]! ^
      t[1280 + ((low >>> 16) & 0xff)]! ^
      t[1024 + (low >>> 24)]! ^
      t[768 + bytes[at + 4]!]! ^
      t[512 + bytes[at + 5]!]! ^
      t[256 + bytes[at + 6]!]! ^
      t[bytes[at + 7]!]!
    at += 8
  }
  while (at < end) crc = t[(crc ^ bytes[at++]!) & 0xff]! ^ (crc >>> 8)
  return (crc ^ -1) >>> 0
}
