// Rows in memory, by column, in the layout DuckDB's vectors have, so that storing them is a copy.
// A column holds what rows since the last clear() were given; a row not written is NULL. mark() and rollback() undo a refused request.

const START_CAPACITY = 2048

/** Shared by all columns: which rows have a value. One byte a row, 1 = present. */
abstract class ColumnBase {
  valid: Uint8Array = new Uint8Array(START_CAPACITY)
  protected capacity: number = START_CAPACITY

  /** Makes row `row` writable. Called before a row is written. */
  ensure(row: number): void {
    if (row < this.capacity) return
    let capacity = this.capacity
    while (capacity <= row) capacity *= 2
    this.valid = grow(this.valid, capacity)
    this.growTo(capacity)
    this.capacity = capacity
  }

  /** Forgets rows `[from, to)`, the last ones. */
  truncate(from: number, to: number): void {
    this.valid.fill(0, from, to)
  }

  protected abstract growTo(capacity: number): void
  abstract mark(): void
  abstract rollback(): void
}

function grow(old: Uint8Array, length: number): Uint8Array {
  const larger = new Uint8Array(length)
  larger.set(old)
  return larger
}

/** Values of 1, 4, 8 or 16 bytes. */
export class FixedColumn extends ColumnBase {
  readonly kind = 'fixed'
  readonly width: 1 | 4 | 8 | 16
  bytes: Uint8Array
  int32: Int32Array = new Int32Array(0)
  uint32: Uint32Array = new Uint32Array(0)
  float64: Float64Array = new Float64Array(0)

  constructor(width: 1 | 4 | 8 | 16) {
    super()
    this.width = width
    this.bytes = new Uint8Array(START_CAPACITY * width)
    this.view()
  }

  private view(): void {
    const buffer = this.bytes.buffer
    if (this.width >= 4) {
      this.int32 = new Int32Array(buffer)
      this.uint32 = new Uint32Array(buffer)
    }
    if (this.width === 8) this.float64 = new Float64Array(buffer)
  }

  protected override growTo(capacity: number): void {
    this.bytes = grow(this.bytes, capacity * this.width)
    this.view()
  }

  setByte(row: number, value: number): void {
    this.valid[row] = 1
    this.bytes[row] = value
  }

  setInt32(row: number, value: number): void {
    this.valid[row] = 1
    this.int32[row] = value
  }

  setDouble(row: number, value: number): void {
    this.valid[row] = 1
    this.float64[row] = value
  }

  setHalves(row: number, lo: number, hi: number): void {
    this.valid[row] = 1
    this.uint32[row * 2] = lo
    this.uint32[row * 2 + 1] = hi
  }

  setInt64(row: number, value: bigint): void {
    this.setHalves(row, Number(value & 0xffffffffn), Number((value >> 32n) & 0xffffffffn))
  }

  setInt128(row: number, value: bigint): void {
    this.valid[row] = 1
    for (let word = 0; word < 4; word++)
      this.uint32[row * 4 + word] = Number((value >> BigInt(32 * word)) & 0xffffffffn)
  }

  override mark(): void {}
  override rollback(): void {}
}

/** DuckDB's string_t is 16 bytes: a length, then either up to 12 bytes of text or a prefix and a pointer. */
export const INLINE_TEXT_MAX = 12

/** Bytes of any length. Short ones lie in `slots` as DuckDB wants them; of long ones the slot holds length and place in `arena`. */
export class TextColumn extends ColumnBase {
  readonly kind = 'text'
  slots: Uint8Array = new Uint8Array(START_CAPACITY * 16)
  words: Uint32Array = new Uint32Array(this.slots.buffer)
  arena: Buffer = Buffer.allocUnsafeSlow(16 * 1024)
  arenaUsed = 0
  private arenaMark = 0

  protected override growTo(capacity: number): void {
    this.slots = grow(this.slots, capacity * 16)
    this.words = new Uint32Array(this.slots.buffer)
  }

  set(row: number, source: Uint8Array, start: number, end: number): void {
    const length = end - start
    this.valid[row] = 1
    const word = row * 4
    this.words[word] = length
    if (length <= INLINE_TEXT_MAX) {
      // DuckDB compares inlined strings as whole words: the rest must be zero.
      this.words[word + 1] = 0
      this.words[word + 2] = 0
      this.words[word + 3] = 0
      for (let from = start, to = row * 16 + 4; from < end; ) this.slots[to++] = source[from++]!
      return
    }
    if (this.arenaUsed + length > this.arena.length) this.growArena(this.arenaUsed + length)
    this.arena.set(source.subarray(start, end), this.arenaUsed)
    this.words[word + 1] = this.arenaUsed
    this.arenaUsed += length
  }

  setText(row: number, text: string): void {
    const bytes = Buffer.from(text)
    this.set(row, bytes, 0, bytes.length)
  }

  private growArena(needed: number): void {
    let size = this.arena.length
    while (size < needed) size *= 2
    const larger = Buffer.allocUnsafeSlow(size)
    larger.set(this.arena.subarray(0, this.arenaUsed))
    this.arena = larger
  }

  override truncate(from: number, to: number): void {
    super.truncate(from, to)
    this.slots.fill(0, from * 16, to * 16)
    if (from === 0) this.arenaUsed = 0
  }

  override mark(): void {
    this.arenaMark = this.arenaUsed
  }

  override rollback(): void {
    this.arenaUsed = this.arenaMark
  }
}

/** REPEATED: every row has a run of the child's rows, empty unless given. */
export class ListColumn extends ColumnBase {
  readonly kind = 'list'
  readonly child: ColumnBuilder
  starts: Uint32Array = new Uint32Array(START_CAPACITY)
  lengths: Uint32Array = new Uint32Array(START_CAPACITY)
  childCount = 0
  private childMark = 0

  constructor(child: ColumnBuilder) {
    super()
    this.child = child
  }

  protected override growTo(capacity: number): void {
    const starts = new Uint32Array(capacity)
    starts.set(this.starts)
    this.starts = starts
    const lengths = new Uint32Array(capacity)
    lengths.set(this.lengths)
    this.lengths = lengths
  }

  /** The child row for one more element of `row`. A row's elements come one after the other. */
  push(row: number): number {
    if (this.lengths[row] === 0) this.starts[row] = this.childCount
    this.lengths[row]!++
    this.child.ensure(this.childCount)
    return this.childCount++
  }

  override truncate(from: number, to: number): void {
    super.truncate(from, to)
    this.lengths.fill(0, from, to)
    if (from === 0) {
      this.child.truncate(0, this.childCount)
      this.childCount = 0
    }
  }

  override mark(): void {
    this.childMark = this.childCount
    this.child.mark()
  }

  override rollback(): void {
    this.child.rollback()
    this.child.truncate(this.childMark, this.childCount)
    this.childCount = this.childMark
  }
}

export class StructColumn extends ColumnBase {
  readonly kind = 'struct'
  readonly children: readonly ColumnBuilder[]

  constructor(children: readonly ColumnBuilder[]) {
    super()
    this.children = children
  }

  override ensure(row: number): void {
    super.ensure(row)
    for (const child of this.children) child.ensure(row)
  }

  protected override growTo(): void {}

  override truncate(from: number, to: number): void {
    super.truncate(from, to)
    for (const child of this.children) child.truncate(from, to)
  }

  override mark(): void {
    for (const child of this.children) child.mark()
  }

  override rollback(): void {
    for (const child of this.children) child.rollback()
  }
}

export type ColumnBuilder = FixedColumn | TextColumn | ListColumn | StructColumn
