// The smallest pieces of JSON text. Reading past the record is harmless, see transcoder.ts.

export function skipSpace(src: Buffer, start: number): number {
  let p = start
  for (;;) {
    const c = src[p]
    if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return p
    p++
  }
}

export const isDigit = (c: number): boolean => c >= 48 && c <= 57

/** `.`, `e`, `E` after digits: not an integer token. */
export const isNumberTail = (c: number): boolean => c === 0x2e || c === 0x65 || c === 0x45

export const isNullAt = (src: Buffer, p: number): boolean =>
  src[p] === 0x6e && src[p + 1] === 0x75 && src[p + 2] === 0x6c && src[p + 3] === 0x6c

export const isTrueAt = (src: Buffer, p: number): boolean =>
  src[p] === 0x74 && src[p + 1] === 0x72 && src[p + 2] === 0x75 && src[p + 3] === 0x65

export const isFalseAt = (src: Buffer, p: number): boolean =>
  src[p] === 0x66 && src[p + 1] === 0x61 && src[p + 2] === 0x6c && src[p + 3] === 0x73 && src[p + 4] === 0x65
