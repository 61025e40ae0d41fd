// Values nobody wants, or wants byte by byte: checked to be valid JSON, and passed over.
import { MAX_JSON_DEPTH } from '../json-tree.ts'
import { BAIL } from './cursor.ts'
import { skipString } from './strings.ts'
import { isDigit, isFalseAt, isNullAt, isTrueAt, skipSpace } from './tokens.ts'

/** The position after the valid JSON value at `start`, or BAIL. */
export function skipValue(src: Buffer, start: number, depth: number): number {
  if (depth > MAX_JSON_DEPTH) return BAIL
  switch (src[start]! | 0) {
    case 0x22:
      return skipString(src, start + 1)
    case 0x7b:
      return skipObject(src, start + 1, depth)
    case 0x5b:
      return skipArray(src, start + 1, depth)
    case 0x74:
      return isTrueAt(src, start) ? start + 4 : BAIL
    case 0x66:
      return isFalseAt(src, start) ? start + 5 : BAIL
    case 0x6e:
      return isNullAt(src, start) ? start + 4 : BAIL
    default:
      return skipNumber(src, start)
  }
}

function skipObject(src: Buffer, start: number, depth: number): number {
  let p = skipSpace(src, start)
  if (src[p] === 0x7d) return p + 1
  for (;;) {
    if (src[p] !== 0x22) return BAIL
    p = skipString(src, p + 1)
    if (p < 0) return BAIL
    p = skipSpace(src, p)
    if (src[p] !== 0x3a) return BAIL
    p = skipValue(src, skipSpace(src, p + 1), depth + 1)
    if (p < 0) return BAIL
    p = skipSpace(src, p)
    if (src[p] === 0x7d) return p + 1
    if (src[p] !== 0x2c) return BAIL
    p = skipSpace(src, p + 1)
  }
}

function skipArray(src: Buffer, start: number, depth: number): number {
  let p = skipSpace(src, start)
  if (src[p] === 0x5d) return p + 1
  for (;;) {
    p = skipValue(src, p, depth + 1)
    if (p < 0) return BAIL
    p = skipSpace(src, p)
    if (src[p] === 0x5d) return p + 1
    if (src[p] !== 0x2c) return BAIL
    p = skipSpace(src, p + 1)
  }
}

function skipNumber(src: Buffer, start: number): number {
  let p = start
  if (src[p] === 0x2d) p++
  const first = p
  while (isDigit(src[p]! | 0)) p++
  if (p === first || (src[first] === 0x30 && p > first + 1)) return BAIL
  if (src[p] === 0x2e) {
    const point = ++p
    while (isDigit(src[p]! | 0)) p++
    if (p === point) return BAIL
  }
  if (src[p] === 0x65 || src[p] === 0x45) {
    p++
    if (src[p] === 0x2b || src[p] === 0x2d) p++
    const exponent = p
    while (isDigit(src[p]! | 0)) p++
    if (p === exponent) return BAIL
  }
  return p
}
