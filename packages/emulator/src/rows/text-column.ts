// Texts and bytes in memory, in the layout of DuckDB's string_t.
import { ColumnBase, grow, START_CAPACITY } from './column-base.ts'
import type { Growth } from './growth.ts'

/** DuckDB's string_t is 16 bytes: a length, then either up to 12 bytes of text or 4 bytes of it and a pointer. */
export const INLINE_TEXT_MAX = 12
/** The source that means the column's own arena. */
export const ARENA = 0

/**
 * Bytes of any length, as string_t in `slots`. Long ones are not copied here: the last two words of their slot say where in which
 * source they lie, a request buffer (RowBatch.sources) or, for texts made here, the arena.
 */
export class TextColumn extends ColumnBase {
  readonly kind = 'text'
  slots: Uint8Array = new Uint8Array(START_CAPACITY * 16)
  words: Uint32Array = new Uint32Array(this.slots.buffer)
  /** The request texts come from, and its index. */
  private sourceBytes: Buffer | undefined
  private source: number = ARENA
  arena: Buffer = Buffer.alloc(0)
  arenaUsed = 0
  private arenaMark = 0

  constructor(growth?: Growth) {
    super(17, growth)
  }

  override shrink(): void {
    super.shrink()
    this.arena = Buffer.alloc(0)
  }

  protected override growTo(capacity: number): void {
    this.slots = grow(this.slots, capacity * 16)
    this.words = new Uint32Array(this.slots.buffer)
  }

  /** Takes `bytes[start, end)`, by place when it is of the current request. True when it is plain ASCII. */
  set(row: number, bytes: Buffer, start: number, end: number): boolean {
    if (bytes === this.sourceBytes) return this.put(row, bytes, start, end, this.source)
    const at = this.reserve(end - start)
    bytes.copy(this.arena, at, start, end)
    return this.put(row, this.arena, at, this.arenaUsed, ARENA)
  }

  setText(row: number, text: string): void {
    const bytes = Buffer.from(text)
    this.set(row, bytes, 0, bytes.length)
  }

  /** Room in the arena. */
  private reserve(length: number): number {
    const at = this.arenaUsed
    if (at + length > this.arena.length) this.growArena(at + length)
    this.arenaUsed = at + length
    return at
  }

  private put(row: number, bytes: Uint8Array, start: number, end: number, source: number): boolean {
    const length = end - start
    const { slots, words } = this
    this.valid[row] = 1
    const word = row * 4
    words[word] = length
    // DuckDB compares inlined texts as whole words: what they leave must be zero.
    words[word + 1] = 0
    words[word + 2] = 0
    words[word + 3] = 0
    const isInline = length <= INLINE_TEXT_MAX
    const shown = isInline ? end : start + 4
    let seen = 0
    let from = start
    for (let to = row * 16 + 4; from < shown; ) {
      const byte = bytes[from++]!
      seen |= byte
      slots[to++] = byte
    }
    if (!isInline) {
      words[word + 2] = start
      words[word + 3] = source
      for (; from + 4 <= end; from += 4) seen |= bytes[from]! | bytes[from + 1]! | bytes[from + 2]! | bytes[from + 3]!
      while (from < end) seen |= bytes[from++]!
    }
    return seen < 0x80
  }

  private growArena(needed: number): void {
    let size = Math.max(4096, this.arena.length)
    while (size < needed) size *= 2
    this.growth.add(size - this.arena.length)
    const larger = Buffer.allocUnsafeSlow(size)
    larger.set(this.arena)
    this.arena = larger
  }

  override truncate(from: number, to: number): void {
    super.truncate(from, to)
    this.slots.fill(0, from * 16, to * 16)
    if (from === 0) this.arenaUsed = 0
  }

  override mark(source: number, bytes: Buffer): void {
    this.source = source
    this.sourceBytes = bytes
    this.arenaMark = this.arenaUsed
  }

  override rollback(): void {
    this.arenaUsed = this.arenaMark
  }
}
