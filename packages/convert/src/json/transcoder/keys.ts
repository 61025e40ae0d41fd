// The keys of one message's objects, as records spell them. Records repeat each other: the key that followed last time is
// compared first, four bytes at once, and only a surprise is hashed.
import { isUtf8 } from 'node:buffer'
import type { MessagePlan } from '../../row-plan.ts'
import type { Slot } from '../transcoder-plan.ts'

/** What a key of the record leads to. */
export const ACTION = { COLUMN: 0, IGNORED: 1, UNKNOWN: 2 } as const

/** One spelling of a key that records used. */
export type KeyEntry = {
  /** Of `"key":`. */
  readonly length: number
  /** The first three words of `"key":`, as far as they reach. */
  readonly first: number
  readonly second: number
  readonly third: number
  /** Its last four bytes. */
  readonly last: number
  /** The words between the first three and the last. */
  readonly rest: Int32Array
  readonly action: number
  readonly slot: Slot | null
  /** The entry that followed this one last time: the prediction. */
  next: KeyEntry
}

/** Spellings remembered per message; beyond it (random keys) records go the general way. About 250 bytes each. */
export const MAX_KEYS_PER_MESSAGE = 4_096

/** Where nothing is predicted: longer than any record. */
const NONE = {
  length: 0x3fff_ffff,
  first: 0,
  second: 0,
  third: 0,
  last: 0,
  rest: new Int32Array(0),
  action: ACTION.IGNORED,
  slot: null,
} as unknown as { -readonly [field in keyof KeyEntry]: KeyEntry[field] }
NONE.next = NONE

/** Whether the key at `p` is this one, right before its colon. Words are read up to `end` only. */
export function isKeyAt(entry: KeyEntry, from: DataView, p: number, end: number): boolean {
  const { length } = entry
  const last = p + length - 4
  if (last + 4 > end || from.getInt32(last, true) !== entry.last) return false
  if (length <= 4) return true
  if (from.getInt32(p, true) !== entry.first) return false
  if (length <= 8) return true
  if (from.getInt32(p + 4, true) !== entry.second) return false
  if (length <= 12) return true
  if (from.getInt32(p + 8, true) !== entry.third) return false
  return length <= 16 || isRestAt(entry.rest, from, p + 12)
}

function isRestAt(rest: Int32Array, from: DataView, p: number): boolean {
  for (let i = 0; i < rest.length; i++) if (from.getInt32(p + 4 * i, true) !== rest[i]) return false
  return true
}

function entryOf(key: Buffer, action: number, slot: Slot | null): KeyEntry {
  const quoted = Buffer.concat([Buffer.of(0x22), key, Buffer.of(0x22, 0x3a)])
  const { length } = quoted
  const word = (at: number): number => (at >= 0 && at + 4 <= length ? quoted.readInt32LE(at) : 0)
  return {
    length,
    first: word(0),
    second: word(4),
    third: word(8),
    last: word(length - 4),
    rest: Int32Array.from({ length: Math.max(0, Math.floor(length / 4) - 3) }, (_, i) => word(12 + 4 * i)),
    action,
    slot,
    next: NONE,
  }
}

export class KeyTable {
  /** Where predictions begin. */
  readonly head: KeyEntry
  readonly #plan: MessagePlan
  readonly #slots: readonly Slot[]
  readonly #buckets: { readonly key: Buffer; readonly entry: KeyEntry }[][]
  readonly #mask: number
  #keyCount = 0

  constructor(plan: MessagePlan, slots: readonly Slot[]) {
    this.head = entryOf(Buffer.alloc(0), ACTION.IGNORED, null)
    this.#plan = plan
    this.#slots = slots
    const size = 2 ** Math.max(4, Math.ceil(Math.log2(slots.length * 4 + 1)))
    this.#buckets = Array.from({ length: size }, () => [])
    this.#mask = size - 1
  }

  /**
   * The entry of the key whose opening quote is at `open`; from now on the prediction after `previous`. null: a key only the
   * general path reads (escapes, control characters, invalid UTF-8), or too many keys.
   */
  entryAfter(previous: KeyEntry, src: Buffer, open: number, end: number): KeyEntry | null {
    const entry = this.#find(src, open + 1, end)
    // The key "" is shorter than a word, and never predicted.
    if (entry !== null && entry.length >= 4) previous.next = entry
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
    for (const { key, entry } of bucket) if (isSame(key, bytes, start, at)) return entry
    return this.#remember(bucket, bytes.subarray(start, at))
  }

  #remember(bucket: { readonly key: Buffer; readonly entry: KeyEntry }[], spelling: Buffer): KeyEntry | null {
    if (this.#keyCount >= MAX_KEYS_PER_MESSAGE || !isUtf8(spelling)) return null
    this.#keyCount++
    const key = Buffer.from(spelling)
    const target = this.#plan.target(key.toString('utf8'))
    const action = target === 'ignored' ? ACTION.IGNORED : target === 'unknown' ? ACTION.UNKNOWN : ACTION.COLUMN
    const entry = entryOf(key, action, typeof target === 'string' ? null : this.#slots[target.index]!)
    bucket.push({ key, entry })
    return entry
  }
}

function isSame(key: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (key.length !== end - start) return false
  for (let i = 0; i < key.length; i++) if (key[i] !== bytes[start + i]) return false
  return true
}
