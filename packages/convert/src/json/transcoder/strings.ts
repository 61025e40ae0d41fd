// JSON strings: escapes undone, UTF-8 checked, half surrogates left to the general path to refuse.
import { BAIL, cursor, FULL, UNUSUAL } from './cursor.ts'
import { putCodePoint, utf8Length } from './utf8.ts'
import { prefixLength } from './wire.ts'
import { bytesBelow, specialsOf } from './words.ts'

const here = cursor
const [below, specials] = [bytesBelow, specialsOf]

/** Written between two looks at the limit; less than SLACK. */
const SPECIALS_MAX = 32

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
export function putString(open: number, op: number): number {
  const { from, to, end, limit } = here
  if (from.getUint8(open) !== 0x22) return UNUSUAL
  let p = open + 1
  let q = op + 1
  for (;;) {
    if (p > end) return BAIL
    if (q > limit) return FULL
    // Four words at a round: V8 checks both views anew at every round.
    let plain = 0
    let flags = copyWord(from, p, to, q)
    if (flags === 0) {
      plain = 4
      flags = copyWord(from, p + 4, to, q + 4)
      if (flags === 0) {
        plain = 8
        flags = copyWord(from, p + 8, to, q + 8)
        if (flags === 0) {
          plain = 12
          flags = copyWord(from, p + 12, to, q + 12)
          if (flags === 0) {
            p += 16
            q += 16
            continue
          }
        }
      }
    }
    plain += below(flags)
    p += plain
    q += plain
    if (from.getUint8(p) === 0x22) break
    q = putSpecials(p, q)
    if (q < 0) return BAIL
    p = here.at
  }
  here.at = p + 1
  const length = q - op - 1
  if (length < 0x80) {
    to.setUint8(op, length)
    return q
  }
  return prefixLength(op, length)
}

/** Answers the flags of its special bytes. */
function copyWord(from: DataView, p: number, to: DataView, q: number): number {
  const word = from.getInt32(p, true)
  to.setInt32(q, word, true)
  return specials(word)
}

/** An escape, or some letters beyond ASCII, at most SPECIALS_MAX bytes. */
function putSpecials(start: number, op: number): number {
  const { src, dst } = here
  if (src[start] === 0x5c) return putEscape(start, op)
  let p = start
  let q = op
  const stop = q + SPECIALS_MAX - 4
  while (q < stop && src[p]! >= 0x80) {
    const length = utf8Length(src, p)
    if (length === 0) return BAIL
    for (let i = 0; i < length; i++) dst[q++] = src[p++]!
  }
  here.at = p
  return p === start ? BAIL : q
}

function putEscape(start: number, op: number): number {
  const { src, dst } = here
  const escaped = src[start + 1]! | 0
  if (escaped !== 0x75) {
    here.at = start + 2
    dst[op] = ESCAPED[escaped]!
    return ESCAPED[escaped] === 0 ? BAIL : op + 1
  }
  let code = hex4(src, start + 2)
  if (code < 0) return BAIL
  here.at = start + 6
  if (code >= 0xd800 && code <= 0xdfff) {
    const low = code <= 0xdbff && src[start + 6] === 0x5c && src[start + 7] === 0x75 ? hex4(src, start + 8) : -1
    if (low < 0xdc00 || low > 0xdfff) return BAIL
    code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00)
    here.at = start + 12
  }
  return putCodePoint(dst, op, code)
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
