// What every column of rows in memory has: room for rows, and which of them have a value.
import { Growth } from './growth.ts'

/** Rows there is room for from the start. Few: a table may have 10,000 columns. */
export const START_CAPACITY = 64

/** Shared by all columns: which rows have a value. One byte a row, 1 = present. */
export abstract class ColumnBase {
  valid: Uint8Array = new Uint8Array(START_CAPACITY)
  protected capacity: number = START_CAPACITY
  protected readonly growth: Growth
  /** Bytes per row, the flag included. */
  protected readonly rowBytes: number

  constructor(rowBytes: number, growth: Growth = new Growth()) {
    this.rowBytes = rowBytes
    this.growth = growth
  }

  /** Makes row `row` writable. Called before a row is written. */
  ensure(row: number): void {
    if (row < this.capacity) return
    let capacity = this.capacity
    while (capacity <= row) capacity *= 2
    this.growth.add((capacity - this.capacity) * this.rowBytes)
    this.valid = grow(this.valid, capacity)
    this.growTo(capacity)
    this.capacity = capacity
  }

  /** Gives memory back. Only when there are no rows. */
  shrink(): void {
    this.capacity = START_CAPACITY
    this.valid = new Uint8Array(START_CAPACITY)
    this.growTo(START_CAPACITY)
  }

  /** Forgets rows `[from, to)`, the last ones. */
  truncate(from: number, to: number): void {
    this.valid.fill(0, from, to)
  }

  protected abstract growTo(capacity: number): void
  /** Remembers this point. Texts come from source number `source` from here on. */
  abstract mark(source: number, bytes: Buffer): void
  /** Returns to the marked point, but for what truncate() does. */
  abstract rollback(): void
}

/** A copy with more room, or less. */
export function grow(old: Uint8Array, length: number): Uint8Array {
  const larger = new Uint8Array(length)
  larger.set(old.subarray(0, length))
  return larger
}
