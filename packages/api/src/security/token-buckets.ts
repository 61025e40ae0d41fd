// So many at once, then so many per second, for each of a bounded number of keys.

/** 10,000 keys of some 150 bytes. The key that was used least recently goes: its bucket was most likely full again. */
export const BUCKETS_MAX = 10_000

export type BucketRate = { readonly perSec: number; readonly burst: number }

type Bucket = { tokens: number; atMs: number }

export class TokenBuckets {
  readonly #rate: BucketRate
  /** In the order of last use. */
  readonly #buckets = new Map<string, Bucket>()

  constructor(rate: BucketRate) {
    this.#rate = rate
  }

  /** 0 when there was a token, which is now taken; else the milliseconds until there is one. */
  take(key: string, nowMs: number): number {
    const bucket = this.#bucket(key, nowMs)
    if (bucket.tokens < 1) return Math.ceil(((1 - bucket.tokens) / this.#rate.perSec) * 1000)
    bucket.tokens -= 1
    return 0
  }

  /** What was taken was not used. */
  giveBack(key: string, nowMs: number): void {
    const bucket = this.#bucket(key, nowMs)
    bucket.tokens = Math.min(this.#rate.burst, bucket.tokens + 1)
  }

  get size(): number {
    return this.#buckets.size
  }

  #bucket(key: string, nowMs: number): Bucket {
    const known = this.#buckets.get(key)
    const { perSec, burst } = this.#rate
    const tokens =
      known === undefined ? burst : Math.min(burst, known.tokens + (Math.max(0, nowMs - known.atMs) / 1000) * perSec)
    const bucket = { tokens, atMs: nowMs }
    this.#buckets.delete(key)
    if (this.#buckets.size >= BUCKETS_MAX) {
      const oldest = this.#buckets.keys().next()
      if (!oldest.done) this.#buckets.delete(oldest.value)
    }
    this.#buckets.set(key, bucket)
    return bucket
  }
}

/** Whoever has an IPv6 network has all its addresses: a /64 counts as one. */
export function addressKey(address: string): string {
  const v4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (v4 !== undefined) return v4
  if (!address.includes(':')) return address
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length)
  return [...before, ...Array.from({ length: zeros }, () => '0'), ...after].slice(0, 4).join(':')
}
