// Compression of the demo's record batches, by Kafka's codec numbers.
import { constants, gzipSync, zstdCompressSync } from 'node:zlib'
import { compressFrameSync } from 'lz4-napi'
import { compress as compressSnappy } from 'snappyjs'

/** What the Java clients write before snappy blocks: magic, version 1, compatible with 1. github.com/xerial/snappy-java */
const XERIAL_HEADER = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])
const XERIAL_BLOCK_BYTES = 32 * 1024

export function compress(codec: number, records: Buffer): Buffer {
  switch (codec) {
    case 0:
      return records
    case 1:
      return gzipSync(records, { level: 1 })
    case 2:
      return xerial(records)
    case 3:
      return compressFrameSync(records)
    case 4:
      return zstdCompressSync(records, { params: { [constants.ZSTD_c_compressionLevel]: 1 } })
    default:
      throw new RangeError(`Kafka has no codec ${codec}.`)
  }
}

function xerial(records: Buffer): Buffer {
  const parts: Buffer[] = [XERIAL_HEADER]
  for (let at = 0; at < records.length; at += XERIAL_BLOCK_BYTES) {
    const block = Buffer.from(compressSnappy(records.subarray(at, at + XERIAL_BLOCK_BYTES)))
    const length = Buffer.alloc(4)
    length.writeInt32BE(block.length)
    parts.push(length, block)
  }
  return Buffer.concat(parts)
}
