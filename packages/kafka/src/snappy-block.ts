// The snappy block format, decoded into a buffer of the right size: https://github.com/google/snappy/blob/main/format_description.txt
// Own code because snappyjs loops for ever on a negative literal length and does not check the output's length.

/** The uncompressed length a block declares, or -1 when its preamble is damaged. */
export function uncompressedSnappyLength(block: Uint8Array): number {
  let length = 0
  for (let i = 0; i < 5 && i < block.length; i++) {
    length += (block[i]! & 0x7f) * 2 ** (7 * i)
    if (block[i]! < 0x80) return length <= 0xffff_ffff ? length : -1
  }
  return -1
}

/** Writes the block's content at `out[at…]`; answers its length, or -1 when the block is damaged. `out` must have room for it. */
export function uncompressSnappyBlock(block: Uint8Array, out: Uint8Array, at: number): number {
  const length = uncompressedSnappyLength(block)
  if (length === -1 || at + length > out.length) return -1
  const end = block.length
  const outEnd = at + length
  let pos = 0
  while (block[pos]! >= 0x80) pos++
  pos++
  let to = at
  while (pos < end) {
    const tag = block[pos++]!
    const kind = tag & 3
    if (kind === 0) {
      let size = tag >>> 2
      if (size >= 60) {
        const extra = size - 59
        if (pos + extra > end) return -1
        size = 0
        for (let i = 0; i < extra; i++) size += block[pos + i]! * 2 ** (8 * i)
        pos += extra
      }
      size++
      if (size > end - pos || size > outEnd - to) return -1
      if (size > 32) out.set(block.subarray(pos, pos + size), to)
      else for (let i = 0; i < size; i++) out[to + i] = block[pos + i]!
      pos += size
      to += size
      continue
    }
    let size: number
    let distance: number
    if (kind === 1) {
      if (pos + 1 > end) return -1
      size = ((tag >>> 2) & 7) + 4
      distance = ((tag >>> 5) << 8) | block[pos]!
      pos += 1
    } else if (kind === 2) {
      if (pos + 2 > end) return -1
      size = (tag >>> 2) + 1
      distance = block[pos]! | (block[pos + 1]! << 8)
      pos += 2
    } else {
      if (pos + 4 > end) return -1
      size = (tag >>> 2) + 1
      distance = (block[pos]! | (block[pos + 1]! << 8) | (block[pos + 2]! << 16) | (block[pos + 3]! << 24)) >>> 0
      pos += 4
    }
    if (distance === 0 || distance > to - at || size > outEnd - to) return -1
    const from = to - distance
    for (let i = 0; i < size; i++) out[to + i] = out[from + i]!
    to += size
  }
  return to === outEnd ? length : -1
}
