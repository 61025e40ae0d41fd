// The keys of one message's objects, as records spell them. Records repeat each other: the key that followed last time is
// compared first, and only a surprise is hashed.
import { isUtf8 } from 'node:buffer'
import type { MessagePlan } from '../../row-plan.ts'
import type { Slot } from '../transcoder-plan.ts'

/** What a key of the record leads to. */
export const ACTION = { COLUMN: 0, IGNORED: 1, UNKNOWN: 2 } as const

/** One spelling of a key that records used. */
export type KeyEntry = {
  /** The key's bytes and its closing quote. */
  readonly bytes: Uint8Array
  readonly action: number
  readonly slot: Slot | null
  /** The entry that followed this one last time: the prediction. */
  next: KeyEntry | null
}

/** Spellings remembered per message; beyond it (random keys) records go the general way. About 100 bytes each. */
export const MAX_KEYS_PER_MESSAGE = 4_096

export class KeyTable {
  /** Where predictions begin. */
  readonly head: KeyEntry
  readonly #plan: MessagePlan
  readonly #slots: readonly Slot[]
  readonly #buckets: KeyEntry[][]
  readonly #mask: number
  #keyCount = 0

  constructor(plan: MessagePlan, slots: readonly Slot[]) {
    this.head = { bytes: new Uint8Array(0), action: ACTION.IGNORED, slot: null, next: null }
    this.#plan = plan
    this.#slots = slots
    const size = 2 ** Math.max(4, Math.ceil(Math.log2(slots.length * 4 + 1)))
    this.#buckets = Array.from({ length: size }, () => [])
    this.#mask = size - 1
  }

  /**
   * The entry of the key at `p`, after its opening quote; from now on the prediction after `previous`. null: a key only the
   * general path reads (escapes, control characters, invalid UTF-8), or too many keys.
   */
  entryAfter(previous: KeyEntry, src: Buffer, p: number, end: number): KeyEntry | null {
    const predicted = previous.next
    if (predicted !== null) {
      const key = predicted.bytes
      const length = key.length
      let matched = 0
      while (matched < length && src[p + matched] === key[matched]) matched++
      if (matched === length) return predicted
    }
    const entry = this.#find(src, p, end)
    if (entry !== null) previous.next = entry
    return entry
  }

  #find(bytes: Buffer, start: number, end: number): KeyEntry | null {
    let hash = 0
    let at = start
    for (;;) {
      const byte = bytes[at]! | 0
      if (byte === 0x22) break
      if (byte < 0x20 || byte === 0x5c || at >= end) return null
      hash = (Math.imul(hash, 31) + byte) | 0
      at++
    }
    const bucket = this.#buckets[(hash ^ (hash >>> 15)) & this.#mask]!
    for (const entry of bucket) if (matches(entry.bytes, bytes, start, at + 1)) return entry
    return this.#remember(bucket, bytes, start, at)
  }

  #remember(bucket: KeyEntry[], bytes: Buffer, start: number, end: number): KeyEntry | null {
    const key = bytes.subarray(start, end)
    if (this.#keyCount >= MAX_KEYS_PER_MESSAGE || !isUtf8(key)) return null
    this.#keyCount++
    const target = this.#plan.target(key.toString('utf8'))
    const entry: KeyEntry = {
      bytes: Uint8Array.from(bytes.subarray(start, end + 1)),
      action: target === 'ignored' ? ACTION.IGNORED : target === 'unknown' ? ACTION.UNKNOWN : ACTION.COLUMN,
      slot: typeof target === 'string' ? null : this.#slots[target.index]!,
      next: null,
    }
    bucket.push(entry)
    return entry
  }
}

function matches(key: Uint8Array, bytes: Buffer, start: number, end: number): boolean {
  if (key.length !== end - start) return false
  for (let i = 0; i < key.length; i++) if (key[i] !== bytes[start + i]) return false
  return true
}
