// Copies accepted rows into DuckDB's vectors: whole columns at a time, one call per value only for texts over 12 bytes.
import type { ColumnBuilder, FixedColumn, ListColumn, StructColumn } from '../rows/columns.ts'
import { ARENA, INLINE_TEXT_MAX, type TextColumn } from '../rows/text-column.ts'
import { duckdb, type NativeChunk, type NativeType, type NativeVector } from './duckdb-bindings.ts'

/**
 * Where texts over 12 bytes lie while rows move into DuckDB, which wants a pointer for each. Instead of a call per text, a whole
 * request becomes one BLOB value: the pointer DuckDB writes for it is where the request's texts start, and its memory lives until
 * the next reset. (A BLOB, since the bytes between the texts are no UTF-8.)
 * Layout: duckdb_string_t in https://github.com/duckdb/duckdb/blob/main/src/include/duckdb.h
 */
export class TextHeap {
  private readonly chunk: NativeChunk
  private vector: NativeVector
  private sources: readonly Buffer[] = []
  private addresses: number[] = []
  private arenas = new Map<TextColumn, number>()

  constructor(blob: NativeType) {
    this.chunk = duckdb.create_data_chunk([blob])
    this.vector = duckdb.data_chunk_get_vector(this.chunk, 0)
  }

  /** Forgets the texts of the last drain and takes the sources of the next. */
  reset(sources: readonly Buffer[]): void {
    duckdb.data_chunk_reset(this.chunk)
    this.vector = duckdb.data_chunk_get_vector(this.chunk, 0)
    this.sources = sources
    this.addresses = []
    this.arenas.clear()
  }

  /** The address of a source's first byte. Addresses have 48 bits: exact as numbers. */
  addressOf(column: TextColumn, source: number): number {
    const known = source === ARENA ? this.arenas.get(column) : this.addresses[source]
    if (known !== undefined) return known
    const address = this.place(source === ARENA ? column.arena.subarray(0, column.arenaUsed) : this.sources[source]!)
    if (source === ARENA) this.arenas.set(column, address)
    else this.addresses[source] = address
    return address
  }

  private place(bytes: Buffer): number {
    duckdb.vector_assign_string_element_len(this.vector, 0, bytes)
    const slot = Uint8Array.from(duckdb.vector_get_data(this.vector, 16))
    return Number(new DataView(slot.buffer).getBigUint64(8, true))
  }
}

/** Rows `[start, start + count)` of `column` become the first `count` entries of `vector`. */
export function fillVector(
  vector: NativeVector,
  column: ColumnBuilder,
  start: number,
  count: number,
  heap: TextHeap,
): void {
  switch (column.kind) {
    case 'fixed':
      fillValidity(vector, column, start, count)
      return fillFixed(vector, column, start, count)
    case 'text':
      fillValidity(vector, column, start, count)
      return fillText(vector, column, start, count, heap)
    case 'struct':
      fillValidity(vector, column, start, count)
      return fillStruct(vector, column, start, count, heap)
    case 'list':
      return fillList(vector, column, start, count, heap)
  }
}

function fillFixed(vector: NativeVector, column: FixedColumn, start: number, count: number): void {
  duckdb.copy_data_to_vector(vector, 0, column.bytes.buffer, start * column.width, count * column.width)
}

/** Copies long texts' pointers into the slots, then the slots into the vector. */
function fillText(vector: NativeVector, column: TextColumn, start: number, count: number, heap: TextHeap): void {
  const { words, slots } = column
  for (let word = start * 4, end = (start + count) * 4; word < end; word += 4) {
    if (words[word]! <= INLINE_TEXT_MAX) continue
    const address = heap.addressOf(column, words[word + 3]!) + words[word + 2]!
    words[word + 2] = address % 4294967296
    words[word + 3] = address / 4294967296
  }
  duckdb.copy_data_to_vector(vector, 0, slots.buffer, start * 16, count * 16)
}

function fillStruct(vector: NativeVector, column: StructColumn, start: number, count: number, heap: TextHeap): void {
  for (const [index, child] of column.children.entries())
    fillVector(duckdb.struct_vector_get_child(vector, index), child, start, count, heap)
}

function fillList(vector: NativeVector, column: ListColumn, start: number, count: number, heap: TextHeap): void {
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
  if (total > 0) fillVector(duckdb.list_vector_get_child(vector), column.child, first, total, heap)
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
