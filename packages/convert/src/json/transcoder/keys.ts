// The keys of one message's objects, as records spell them. Records repeat each other: the key that followed last time is
// compared first, four bytes at once, and only a surprise is hashed.
import { isUtf8 } from 'node:buffer'
import { writeVarint32 } from '../../row-buffer.ts'
import type { MessagePlan } from '../../row-plan.ts'
import type { Slot } from '../transcoder-plan.ts'
import { cursor } from './cursor.ts'

/** What a key of the record leads to. */
export const ACTION = { COLUMN: 0, IGNORED: 1, UNKNOWN: 2, NONE: 3 } as const

/** Of keys without a column. Of the same make as the others, so that V8 knows all of them by one. */
const NO_SLOT = {
  index: 0,
  kind: 0,
  tag: 0,
  repeated: false,
  mandatory: 0,
  narrow: false,
  min: 0,
  max: 0,
  scale: 0,
  schemaless: false,
  message: null,
  field: null,
  depth: 0,
} as unknown as Slot

/**
 * One spelling of a key that records used, with what its column asks for: a member read as expected looks nowhere else.
 * `declare` keeps the fields from being undefined first: V8 would not know them as small integers then.
 */
export class KeyEntry {
  /** Of `,"key":`. */
  declare readonly length: number
  /** The first three words of `,"key":`, and which of their bytes belong to it. */
  declare readonly first: number
  declare readonly second: number
  declare readonly third: number
  declare readonly secondMask: number
  declare readonly thirdMask: number
  /** Its last word, which may repeat some of their bytes. */
  declare readonly last: number
  /** The words between `third` and `last`. */
  declare readonly rest: Int32Array
  declare readonly action: number
  declare readonly slot: Slot
  /** The slot's kind where one value is read at once; 0 where more is to be looked at. */
  declare readonly reader: number
  /** The tag's varint, and how many bytes of it count. */
  declare readonly tagBytes: number
  declare readonly tagWidth: number
  declare readonly mandatory: number
  /** One bit for each of a message's first columns; 0 for the others. */
  declare readonly bit: number
  /** The entry that followed this one last time: the prediction. */
  declare next: KeyEntry

  constructor(key: Buffer, action: number, slot: Slot) {
    const spelled = Buffer.concat([Buffer.from(',"'), key, Buffer.from('":')])
    const { length } = spelled
    const padded = Buffer.concat([spelled, Buffer.alloc(12)])
    this.length = length
    this.first = padded.readInt32LE(0)
    this.second = padded.readInt32LE(4)
    this.third = padded.readInt32LE(8)
    this.secondMask = maskOf(length - 4)
    this.thirdMask = maskOf(length - 8)
    this.last = spelled.readInt32LE(length - 4)
    this.rest = Int32Array.from({ length: Math.max(0, Math.ceil(length / 4) - 4) }, (_, i) =>
      spelled.readInt32LE(12 + 4 * i),
    )
    this.action = action
    this.slot = slot
    const isPlain = action === ACTION.COLUMN && !slot.repeated && slot.message === null && slot.tag < 2 ** 28
    this.reader = isPlain ? slot.kind : 0
    const tag = Buffer.alloc(8)
    this.tagWidth = writeVarint32(tag, 0, slot.tag)
    this.tagBytes = tag.readInt32LE(0)
    this.mandatory = slot.mandatory
    this.next = this
    this.bit = action === ACTION.COLUMN && slot.index < COLUMNS_IN_BITS ? 1 << slot.index : 0
  }
}

/** The lowest `count` bytes of a word. */
const maskOf = (count: number): number => (count >= 4 ? -1 : count <= 0 ? 0 : (1 << (8 * count)) - 1)

/** As many columns as a word has bits. */
export const COLUMNS_IN_BITS = 32

/** Spellings remembered per message; beyond it (random keys) records go the general way. About 250 bytes each. */
export const MAX_KEYS_PER_MESSAGE = 4_096

/** What turns `,` into `{`, in the word that begins with it: before the first key. */
export const OPENING: number = 0x2c ^ 0x7b

/** Whether `,"key":` at `p` is this one; with OPENING, whether `{"key":` is. `p` is not beyond the record's end. */
export function isKeyAt(entry: KeyEntry, from: DataView, p: number, opening: number): boolean {
  const differing =
    (from.getInt32(p, true) ^ opening ^ entry.first) |
    ((from.getInt32(p + 4, true) ^ entry.second) & entry.secondMask) |
    ((from.getInt32(p + 8, true) ^ entry.third) & entry.thirdMask)
  const { length } = entry
  if (differing !== 0 || length <= 12) return differing === 0
  return length <= 16 ? from.getInt32(p + length - 4, true) === entry.last : isLongKeyAt(entry, from, p)
}

/** Whether the bytes behind the first three words are this key's. */
function isLongKeyAt({ length, rest, last }: KeyEntry, from: DataView, p: number): boolean {
  if (p + length > cursor.end) return false
  for (let i = 0; i < rest.length; i++) if (from.getInt32(p + 12 + 4 * i, true) !== rest[i]) return false
  return from.getInt32(p + length - 4, true) === last
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
    // A key that no JSON has: predicted until the first record came.
    this.head = new KeyEntry(Buffer.from('"'), ACTION.NONE, NO_SLOT)
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
    for (const { key, entry } of bucket) if (isSame(key, bytes, start, at)) return entry
    return this.#remember(bucket, bytes.subarray(start, at))
  }

  #remember(bucket: { readonly key: Buffer; readonly entry: KeyEntry }[], spelling: Buffer): KeyEntry | null {
    if (this.#keyCount >= MAX_KEYS_PER_MESSAGE || !isUtf8(spelling)) return null
    this.#keyCount++
    const key = Buffer.from(spelling)
    const target = this.#plan.target(key.toString('utf8'))
    const action = target === 'ignored' ? ACTION.IGNORED : target === 'unknown' ? ACTION.UNKNOWN : ACTION.COLUMN
    const entry = new KeyEntry(key, action, typeof target === 'string' ? NO_SLOT : this.#slots[target.index]!)
    bucket.push({ key, entry })
    return entry
  }
}

function isSame(key: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (key.length !== end - start) return false
  for (let i = 0; i < key.length; i++) if (key[i] !== bytes[start + i]) return false
  return true
}
