// Sums over the offsets that should be rows, by bucket: the same that RowOrigins answers for the rows that are there.
import { type KafkaOffset, ORIGIN_BUCKET_OFFSETS, type OriginSums } from '@millrace/core'

type Sums = { rows: number; sum: number; squares: number; cubes: number }
const BUCKET = BigInt(ORIGIN_BUCKET_OFFSETS)

/** One partition. Memory: a bucket of 8,192 offsets takes about 100 bytes. */
export class BucketSums {
  readonly #buckets = new Map<number, Sums>()
  #last: readonly [bucket: number, start: bigint, sums: Sums] | null = null

  add(kafkaOffset: KafkaOffset): void {
    const sums = this.#of(kafkaOffset)
    const r = Number(kafkaOffset - (this.#last?.[1] ?? 0n))
    sums.rows += 1
    sums.sum += r
    sums.squares += r * r
    sums.cubes += r * r * r
  }

  #of(kafkaOffset: KafkaOffset): Sums {
    const last = this.#last
    if (last !== null && kafkaOffset >= last[1] && kafkaOffset < last[1] + BUCKET) return last[2]
    const bucket = Number(kafkaOffset / BUCKET)
    const sums = this.#buckets.get(bucket) ?? { rows: 0, sum: 0, squares: 0, cubes: 0 }
    this.#buckets.set(bucket, sums)
    this.#last = [bucket, BigInt(bucket) * BUCKET, sums]
    return sums
  }

  /** Buckets that differ from what the table has, lowest first. */
  differingFrom(found: readonly OriginSums[]): readonly number[] {
    const differing = new Set(this.#buckets.keys())
    for (const there of found) {
      const expected = this.#buckets.get(there.bucket)
      const isEqual =
        expected !== undefined &&
        there.rows === there.distinct &&
        there.rows === expected.rows &&
        there.sum === expected.sum &&
        there.squares === expected.squares &&
        there.cubes === expected.cubes
      if (isEqual) differing.delete(there.bucket)
      else differing.add(there.bucket)
    }
    return [...differing].sort((a, b) => a - b)
  }
}

/** The part of [from, to) that lies in the bucket. */
export function bucketRange(
  bucket: number,
  from: KafkaOffset,
  to: KafkaOffset,
): { readonly from: KafkaOffset; readonly to: KafkaOffset } {
  const start = BigInt(bucket) * BUCKET
  const end = start + BUCKET
  return { from: (start < from ? from : start) as KafkaOffset, to: (end > to ? to : end) as KafkaOffset }
}
