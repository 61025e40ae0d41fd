// Kafka's murmur2 and the partition the Java client would choose: org.apache.kafka.common.utils.Utils.murmur2, toPositive.

const SEED = 0x9747b28c
const M = 0x5bd1e995

/** 32-bit hash of the bytes, as a signed int like Java's. */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.length
  let h = SEED ^ length
  let at = 0
  for (; at + 4 <= length; at += 4) {
    let k = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    k = Math.imul(k, M)
    k ^= k >>> 24
    k = Math.imul(k, M)
    h = Math.imul(h, M) ^ k
  }
  const rest = length - at
  if (rest === 3) h ^= bytes[at + 2]! << 16
  if (rest >= 2) h ^= bytes[at + 1]! << 8
  if (rest >= 1) h = Math.imul(h ^ bytes[at]!, M)
  h ^= h >>> 13
  h = Math.imul(h, M)
  return h ^ (h >>> 15)
}

/** Partition of a key among `count`, as Kafka's default partitioner chooses it. */
export const partitionOfKey = (key: string | Uint8Array, count: number): number =>
  (murmur2(typeof key === 'string' ? Buffer.from(key) : key) & 0x7fffffff) % count
