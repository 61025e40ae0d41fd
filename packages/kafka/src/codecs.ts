// Decompression of record batches, each with a limit on its output that holds before the memory is taken.
// The limit: 64 times the compressed size, but at least 16 MiB (small batches of alike records compress 100-fold and
// more) and at most 128 MiB. A batch beyond it is a bomb: BATCH_TOO_LARGE.
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { decompressFrameSync } from 'lz4-napi'
import { uncompressedSnappyLength, uncompressSnappyBlock } from './snappy-block.ts'

export const CODEC = { NONE: 0, GZIP: 1, SNAPPY: 2, LZ4: 3, ZSTD: 4 } as const

const MIB = 1024 * 1024
const OUTPUT_FLOOR_BYTES = 16 * MIB
const OUTPUT_MAX_BYTES = 128 * MIB
const RATIO_MAX = 64

/** Most bytes a batch of this compressed size may inflate to. */
export const outputLimitBytes = (compressedBytes: number): number =>
  Math.min(OUTPUT_MAX_BYTES, Math.max(OUTPUT_FLOOR_BYTES, RATIO_MAX * compressedBytes))

/** Thrown by `inflate`; the batch decoder turns it into BATCH_TOO_LARGE or SOURCE_CORRUPT naming the offset. */
export class InflateError extends Error {
  override readonly name = 'InflateError'
  readonly isTooLarge: boolean
  constructor(message: string, isTooLarge: boolean, cause?: unknown) {
    super(message, { cause })
    this.isTooLarge = isTooLarge
  }
}

/** Inflates `input` (the records section of one batch) by Kafka's codec number 1–4. Throws InflateError. */
export function inflate(codec: number, input: Buffer, limit: number = outputLimitBytes(input.length)): Buffer {
  switch (codec) {
    case CODEC.GZIP:
      return viaZlib('gzip', limit, () => gunzipSync(input, zlibOptions(input.length, limit)))
    case CODEC.ZSTD:
      return viaZlib('zstd', limit, () => zstdDecompressSync(input, zlibOptions(input.length, limit)))
    case CODEC.SNAPPY:
      return inflateSnappy(input, limit)
    case CODEC.LZ4:
      return inflateLz4(input, limit)
    default:
      throw new InflateError(`unknown codec ${codec}`, false)
  }
}

const zlibOptions = (length: number, limit: number): { maxOutputLength: number; chunkSize: number } => ({
  maxOutputLength: limit,
  chunkSize: Math.min(limit, Math.max(64 * 1024, 4 * length)),
})

function viaZlib(codec: string, limit: number, run: () => Buffer): Buffer {
  try {
    return run()
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    if (code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limit, cause)
    // A frame that asks for a larger window than 128 MiB asks for more memory than any batch may use.
    if (code === 'ZSTD_error_frameParameter_windowTooLarge') throw tooLarge(limit, cause)
    throw new InflateError(`damaged ${codec} data (${code})`, false, cause)
  }
}

const tooLarge = (limit: number, cause?: unknown): InflateError =>
  new InflateError(`inflates beyond ${limit} bytes`, true, cause)

// --- snappy: raw block, or xerial's framing as the Java clients write it (magic, version, compatible, then blocks).

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const XERIAL_HEADER_BYTES = 16

function inflateSnappy(input: Buffer, limit: number): Buffer {
  const isXerial = input.length >= XERIAL_HEADER_BYTES && input.subarray(0, 8).equals(XERIAL_MAGIC)
  const blocks = isXerial ? xerialBlocks(input) : [input]
  let total = 0
  for (const block of blocks) {
    const length = uncompressedSnappyLength(block)
    if (length === -1) throw new InflateError('damaged snappy length', false)
    total += length
    if (total > limit) throw tooLarge(limit)
  }
  const out = Buffer.allocUnsafe(total)
  let at = 0
  for (const block of blocks) {
    const written = uncompressSnappyBlock(block, out, at)
    if (written === -1) throw new InflateError('damaged snappy block', false)
    at += written
  }
  return out
}

function xerialBlocks(input: Buffer): Buffer[] {
  const blocks: Buffer[] = []
  let at = XERIAL_HEADER_BYTES
  while (at < input.length) {
    if (at + 4 > input.length) throw new InflateError('cut xerial block length', false)
    const length = input.readInt32BE(at)
    at += 4
    if (length <= 0 || at + length > input.length) throw new InflateError(`xerial block of ${length} bytes`, false)
    blocks.push(input.subarray(at, at + length))
    at += length
  }
  return blocks
}

// --- lz4: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md. lz4-napi has no output limit, so the frame's
// block headers are walked first: no block may inflate beyond the block maximum its frame declares.

const LZ4_MAGIC = 0x184d2204
const LZ4_BLOCK_MAX: Readonly<Record<number, number>> = { 4: 64 * 1024, 5: 256 * 1024, 6: MIB, 7: 4 * MIB }
const LZ4_UNCOMPRESSED_BIT = 0x8000_0000
/** A match length byte of 255 stands for 255 output bytes: nothing inflates further than that. */
const LZ4_RATIO_MAX = 255

function inflateLz4(input: Buffer, limit: number): Buffer {
  if (lz4OutputBound(input) > limit) throw tooLarge(limit)
  try {
    return decompressFrameSync(input)
  } catch (cause) {
    throw new InflateError('damaged lz4 frame', false, cause)
  }
}

function lz4OutputBound(input: Buffer): number {
  if (input.length < 7 || input.readUInt32LE(0) !== LZ4_MAGIC) throw new InflateError('no lz4 frame', false)
  const flags = input[4]!
  const blockMax = LZ4_BLOCK_MAX[(input[5]! >> 4) & 7]
  if (flags >> 6 !== 1 || blockMax === undefined) throw new InflateError('unknown lz4 frame header', false)
  const hasBlockChecksum = (flags & 0x10) !== 0
  const hasContentChecksum = (flags & 0x04) !== 0
  let at = 6 + (flags & 0x08 ? 8 : 0) + (flags & 0x01 ? 4 : 0) + 1
  let bound = 0
  for (;;) {
    if (at + 4 > input.length) throw new InflateError('cut lz4 frame', false)
    const header = input.readUInt32LE(at)
    at += 4
    if (header === 0) break
    const length = header & ~LZ4_UNCOMPRESSED_BIT
    if (length > input.length - at) throw new InflateError(`lz4 block of ${length} bytes`, false)
    bound += header >= LZ4_UNCOMPRESSED_BIT ? length : Math.min(blockMax, length * LZ4_RATIO_MAX)
    at += length + (hasBlockChecksum ? 4 : 0)
  }
  if (at + (hasContentChecksum ? 4 : 0) !== input.length) throw new InflateError('bytes after the lz4 frame', false)
  return bound
}
