// Four bytes at once, as a little-endian 32-bit word, and what there is to know about them. In each word of flags the lowest flag
// is exact; a carry may raise false ones above it, never below. Who uses these in a loop gives them a name of its own module
// first: V8 (13) looks an imported binding up at every use, and folds a constant of the module itself.

/** Flags the bytes that do not stand for themselves in a JSON string: `"`, `\`, control characters, all beyond ASCII. */
export const specialsOf = (word: number): number =>
  (~(((word ^ 0x2222_2222) + 0x7f7f_7f7f) & ((word ^ 0x5c5c_5c5c) + 0x7f7f_7f7f) & (word + 0x6060_6060)) | word) &
  0x8080_8080

/** Flags the bytes that are not digits, of a word from which `0` (0x30) was taken by exclusive or. */
export const nonDigitsOf = (digits: number): number => ((digits + 0x7676_7676) | digits) & 0x8080_8080

/** How many bytes lie below the lowest flag. */
export const bytesBelow = (flags: number): number => (32 - Math.clz32(~flags & (flags - 1))) >> 3

/** The number that four digits (0–9 each, the first one lowest) spell. */
export const fourDigits = (digits: number): number =>
  Math.imul((digits * 10 + (digits >>> 8)) & 0xff_00ff, 100 * 0x1_0000 + 1) >>> 16
