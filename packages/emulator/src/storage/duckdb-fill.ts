// Copies accepted rows into DuckDB's vectors: whole columns at a time, one call per value only for texts over 12 bytes.
import {
  type ColumnBuilder,
  type FixedColumn,
  INLINE_TEXT_MAX,
  type ListColumn,
  type StructColumn,
  type TextColumn,
} from '../rows/columns.ts'
import { duckdb, type NativeVector } from './duckdb-bindings.ts'

/** Rows `[start, start + count)` of `column` become the first `count` entries of `vector`. */
export function fillVector(vector: NativeVector, column: ColumnBuilder, start: number, count: number): void {
  switch (column.kind) {
    case 'fixed':
      fillValidity(vector, column, start, count)
      return fillFixed(vector, column, start, count)
    case 'text':
      fillValidity(vector, column, start, count)
      return fillText(vector, column, start, count)
    case 'struct':
      fillValidity(vector, column, start, count)
      return fillStruct(vector, column, start, count)
    case 'list':
      return fillList(vector, column, start, count)
  }
}

function fillFixed(vector: NativeVector, column: FixedColumn, start: number, count: number): void {
  duckdb.copy_data_to_vector(vector, 0, column.bytes.buffer, start * column.width, count * column.width)
}

function fillText(vector: NativeVector, column: TextColumn, start: number, count: number): void {
  duckdb.copy_data_to_vector(vector, 0, column.slots.buffer, start * 16, count * 16)
  const { words, arena } = column
  for (let i = 0, word = start * 4; i < count; i++, word += 4) {
    const length = words[word]!
    if (length <= INLINE_TEXT_MAX) continue
    const at = words[word + 1]!
    duckdb.vector_assign_string_element_len(vector, i, arena.subarray(at, at + length))
  }
}

function fillStruct(vector: NativeVector, column: StructColumn, start: number, count: number): void {
  for (const [index, child] of column.children.entries())
    fillVector(duckdb.struct_vector_get_child(vector, index), child, start, count)
}

function fillList(vector: NativeVector, column: ListColumn, start: number, count: number): void {
  const entries = new BigUint64Array(count * 2)
  let first = -1
  let total = 0
  for (let i = 0; i < count; i++) {
    const length = column.lengths[start + i]!
    if (length > 0 && first < 0) first = column.starts[start + i]!
    entries[i * 2] = BigInt(total)
    entries[i * 2 + 1] = BigInt(length)
    total += length
  }
  duckdb.copy_data_to_vector(vector, 0, entries.buffer, 0, count * 16)
  duckdb.list_vector_reserve(vector, total)
  duckdb.list_vector_set_size(vector, total)
  if (total > 0) fillVector(duckdb.list_vector_get_child(vector), column.child, first, total)
}

let bits = new Uint8Array(256)

function fillValidity(vector: NativeVector, column: ColumnBuilder, start: number, count: number): void {
  const { valid } = column
  const end = start + count
  let at = start
  while (at < end && valid[at] === 1) at++
  if (at === end) return
  const bytes = Math.ceil(count / 64) * 8
  if (bytes > bits.length) bits = new Uint8Array(bytes * 2)
  bits.fill(0, 0, bytes)
  for (let i = 0; i < count; i++) if (valid[start + i] === 1) bits[i >> 3]! |= 1 << (i & 7)
  duckdb.vector_ensure_validity_writable(vector)
  duckdb.copy_data_to_vector_validity(vector, 0, bits.buffer, 0, bytes)
}
