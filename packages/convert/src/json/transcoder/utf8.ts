// UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing beyond U+10FFFF.

/** Bytes of the valid multi-byte UTF-8 sequence at `p` or 0. */
export function utf8Length(src: Buffer, p: number): number {
  const c = src[p]! | 0
  const c1 = src[p + 1]! | 0
  if (c < 0xc2 || (c1 & 0xc0) !== 0x80) return 0
  if (c < 0xe0) return 2
  if (((src[p + 2]! | 0) & 0xc0) !== 0x80) return 0
  if (c < 0xf0) return (c === 0xe0 && c1 < 0xa0) || (c === 0xed && c1 > 0x9f) ? 0 : 3
  if (c > 0xf4 || ((src[p + 3]! | 0) & 0xc0) !== 0x80) return 0
  return (c === 0xf0 && c1 < 0x90) || (c === 0xf4 && c1 > 0x8f) ? 0 : 4
}

/** Writes a code point; answers the position after it. */
export function putCodePoint(dst: Buffer, at: number, code: number): number {
  let op = at
  if (code < 0x80) dst[op++] = code
  else if (code < 0x800) {
    dst[op++] = 0xc0 | (code >> 6)
    dst[op++] = 0x80 | (code & 63)
  } else if (code < 0x1_0000) {
    dst[op++] = 0xe0 | (code >> 12)
    dst[op++] = 0x80 | ((code >> 6) & 63)
    dst[op++] = 0x80 | (code & 63)
  } else {
    dst[op++] = 0xf0 | (code >> 18)
    dst[op++] = 0x80 | ((code >> 12) & 63)
    dst[op++] = 0x80 | ((code >> 6) & 63)
    dst[op++] = 0x80 | (code & 63)
  }
  return op
}
