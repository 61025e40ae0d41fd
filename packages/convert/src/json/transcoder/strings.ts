// JSON strings: escapes undone, UTF-8 checked, half surrogates left to the general path to refuse.
import { BAIL, cursor, FULL, UNUSUAL } from './cursor.ts'
import { putCodePoint, utf8Length } from './utf8.ts'
import { prefixLength } from './wire.ts'

/** 1 for bytes a JSON string may hold as they are, and that need no check: printable ASCII but `"` and `\`. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, c) => (c >= 0x20 && c < 0x80 && c !== 0x22 && c !== 0x5c ? 1 : 0))

/** What `\x` stands for; 0 for no escape. */
const ESCAPED = new Uint8Array(256)
for (const [letter, plain] of Object.entries({
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
})) {
  ESCAPED[letter.charCodeAt(0)] = plain.charCodeAt(0)
}

/** Content with its length, of the token at `open`. */
export function putString(src: Buffer, open: number, end: number, dst: Buffer, op: number, limit: number): number {
  if (src[open] !== 0x22) return UNUSUAL
  const start = open + 1
  let p = start
  let q = op + 1
  let c = src[p]! | 0
  while (PLAIN[c] === 1) {
    dst[q++] = c
    c = src[++p]! | 0
  }
  if (c !== 0x22) return putUnusualString(src, start, end, dst, op, limit)
  if (q > limit) return p > end ? BAIL : FULL
  cursor.at = p + 1
  const length = q - op - 1
  if (length < 0x80) {
    dst[op] = length
    return q
  }
  return prefixLength(dst, op, length)
}

/** A string with escapes or beyond ASCII: undone, and checked to be UTF-8. */
function putUnusualString(src: Buffer, start: number, end: number, dst: Buffer, op: number, limit: number): number {
  let p = start
  let q = op + 1
  for (;;) {
    if (q > limit) return p > end ? BAIL : FULL
    const c = src[p]! | 0
    if (PLAIN[c] === 1) {
      dst[q++] = c
      p++
      continue
    }
    if (c === 0x22) break
    if (c === 0x5c) {
      const escaped = src[p + 1]! | 0
      if (escaped === 0x75) {
        let code = hex4(src, p + 2)
        if (code < 0) return BAIL
        p += 6
        if (code >= 0xd800 && code <= 0xdfff) {
          const low = code <= 0xdbff && src[p] === 0x5c && src[p + 1] === 0x75 ? hex4(src, p + 2) : -1
          if (low < 0xdc00 || low > 0xdfff) return BAIL
          code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00)
          p += 6
        }
        q = putCodePoint(dst, q, code)
        continue
      }
      const plain = ESCAPED[escaped]! | 0
      if (plain === 0) return BAIL
      dst[q++] = plain
      p += 2
      continue
    }
    const length = utf8Length(src, p)
    if (length === 0) return BAIL
    for (let i = 0; i < length; i++) dst[q++] = src[p++]!
  }
  cursor.at = p + 1
  return prefixLength(dst, op, q - op - 1)
}

/** From behind the opening quote to behind the closing one, or BAIL. */
export function skipString(src: Buffer, start: number): number {
  let p = start
  for (;;) {
    const c = src[p]! | 0
    if (PLAIN[c] === 1) p++
    else if (c === 0x22) return p + 1
    else if (c === 0x5c) {
      const escaped = src[p + 1]! | 0
      if (escaped === 0x75) {
        if (hex4(src, p + 2) < 0) return BAIL
        p += 6
      } else if (ESCAPED[escaped] === 0) return BAIL
      else p += 2
    } else {
      const length = utf8Length(src, p)
      if (length === 0) return BAIL
      p += length
    }
  }
}

/** The value of four hexadecimal digits, or -1. */
function hex4(src: Buffer, start: number): number {
  let value = 0
  for (let p = start; p < start + 4; p++) {
    const c = src[p]! | 0
    const digit = c >= 48 && c <= 57 ? c - 48 : (c | 32) >= 97 && (c | 32) <= 102 ? (c | 32) - 87 : -1
    if (digit < 0) return -1
    value = value * 16 + digit
  }
  return value
}
