// Rows in memory, by column, in the layout DuckDB's vectors have, so that storing them is a copy.
// A column holds what rows since the last clear() were given; a row not written is NULL. mark() and rollback() undo a refused request.
import { ColumnBase, grow, START_CAPACITY } from './column-base.ts'
import type { Growth } from './growth.ts'
import type { TextColumn } from './text-column.ts'

/** Values of 1, 4, 8 or 16 bytes. */
export class FixedColumn extends ColumnBase {
  readonly kind = 'fixed'
  readonly width: 1 | 4 | 8 | 16
  bytes: Uint8Array
  int32: Int32Array = new Int32Array(0)
  uint32: Uint32Array = new Uint32Array(0)
  float64: Float64Array = new Float64Array(0)

  constructor(width: 1 | 4 | 8 | 16, growth?: Growth) {
    super(width + 1, growth)
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

  /** seconds × 10^6 + micros, without passing through a bigint. */
  setMicros(row: number, seconds: number, micros: number): void {
    // The product passes 2^53: taken apart at 2^20, every part stays below.
    const high = Math.floor(seconds / 1048576)
    const low = (seconds - high * 1048576) * 1_000_000 + micros
    const carried = high * 1_000_000 + Math.floor(low / 1048576)
    const rest = low % 1048576
    const hi = Math.floor(carried / 4096)
    this.setHalves(row, (carried - hi * 4096) * 1048576 + rest, hi)
  }

  setInt64(row: number, value: bigint): void {
    this.setHalves(row, Number(value & 0xffffffffn), Number((value >> 32n) & 0xffffffffn))
  }

  setInt128(row: number, value: bigint): void {
    this.valid[row] = 1
    for (let word = 0; word < 4; word++)
      this.uint32[row * 4 + word] = Number((value >> BigInt(32 * word)) & 0xffffffffn)
  }

  /** A value of 4 or 8 bytes, signed: for comparing two. */
  signedAt(row: number): bigint {
    if (this.width === 4) return BigInt(this.int32[row]!)
    return (BigInt(this.int32[row * 2 + 1]!) << 32n) | BigInt(this.uint32[row * 2]!)
  }

  /** DuckDB's interval: 32 bits of months, 32 of days, 64 of microseconds. */
  setInterval(row: number, months: number, days: number, micros: bigint): void {
    this.valid[row] = 1
    this.int32[row * 4] = months
    this.int32[row * 4 + 1] = days
    this.uint32[row * 4 + 2] = Number(micros & 0xffffffffn)
    this.uint32[row * 4 + 3] = Number((micros >> 32n) & 0xffffffffn)
  }

  override mark(): void {}
  override rollback(): void {}
}

/** REPEATED: every row has a run of the child's rows, empty unless given. */
export class ListColumn extends ColumnBase {
  readonly kind = 'list'
  readonly child: ColumnBuilder
  starts: Uint32Array = new Uint32Array(START_CAPACITY)
  lengths: Uint32Array = new Uint32Array(START_CAPACITY)
  childCount = 0
  private childMark = 0

  constructor(child: ColumnBuilder, growth?: Growth) {
    super(9, growth)
    this.child = child
  }

  override shrink(): void {
    super.shrink()
    this.child.shrink()
  }

  protected override growTo(capacity: number): void {
    const starts = new Uint32Array(capacity)
    starts.set(this.starts.subarray(0, capacity))
    this.starts = starts
    const lengths = new Uint32Array(capacity)
    lengths.set(this.lengths.subarray(0, capacity))
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

  override mark(source: number, bytes: Buffer): void {
    this.childMark = this.childCount
    this.child.mark(source, bytes)
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

  constructor(children: readonly ColumnBuilder[], growth?: Growth) {
    super(1, growth)
    this.children = children
  }

  override ensure(row: number): void {
    super.ensure(row)
    for (const child of this.children) child.ensure(row)
  }

  override shrink(): void {
    super.shrink()
    for (const child of this.children) child.shrink()
  }

  protected override growTo(): void {}

  override truncate(from: number, to: number): void {
    super.truncate(from, to)
    for (const child of this.children) child.truncate(from, to)
  }

  override mark(source: number, bytes: Buffer): void {
    for (const child of this.children) child.mark(source, bytes)
  }

  override rollback(): void {
    for (const child of this.children) child.rollback()
  }
}

export type ColumnBuilder = FixedColumn | TextColumn | ListColumn | StructColumn
