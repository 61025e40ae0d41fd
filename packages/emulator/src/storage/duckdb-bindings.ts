// The few calls of DuckDB's C API that filling a data chunk in bulk needs and @duckdb/node-api does not offer.
// They come from the very bindings node-api was built on, so both speak of the same native objects.
import { createRequire } from 'node:module'
import type { DuckDBAppender, DuckDBType } from '@duckdb/node-api'

export type NativeVector = { readonly __duckdb_type: 'duckdb_vector' }
export type NativeChunk = { readonly __duckdb_type: 'duckdb_data_chunk' }
export type NativeType = { readonly __duckdb_type: 'duckdb_logical_type' }
type NativeAppender = { readonly __duckdb_type: 'duckdb_appender' }

type Bindings = {
  create_data_chunk(types: readonly NativeType[]): NativeChunk
  data_chunk_reset(chunk: NativeChunk): void
  data_chunk_set_size(chunk: NativeChunk, size: number): void
  data_chunk_get_vector(chunk: NativeChunk, column: number): NativeVector
  appender_column_type(appender: NativeAppender, column: number): NativeType
  appender_flush_sync(appender: NativeAppender): void
  append_data_chunk(appender: NativeAppender, chunk: NativeChunk): void
  copy_data_to_vector(
    vector: NativeVector,
    toByte: number,
    source: ArrayBufferLike,
    fromByte: number,
    bytes: number,
  ): void
  copy_data_to_vector_validity(
    vector: NativeVector,
    toByte: number,
    source: ArrayBufferLike,
    fromByte: number,
    bytes: number,
  ): void
  vector_get_data(vector: NativeVector, bytes: number): Uint8Array
  vector_ensure_validity_writable(vector: NativeVector): void
  vector_assign_string_element_len(vector: NativeVector, index: number, data: Uint8Array): void
  list_vector_get_child(vector: NativeVector): NativeVector
  list_vector_reserve(vector: NativeVector, capacity: number): void
  list_vector_set_size(vector: NativeVector, size: number): void
  struct_vector_get_child(vector: NativeVector, index: number): NativeVector
}

const fromHere = createRequire(import.meta.url)
export const duckdb: Bindings = createRequire(fromHere.resolve('@duckdb/node-api'))('@duckdb/node-bindings') as Bindings

/** The native type of one of node-api's. */
export function nativeType(type: DuckDBType): NativeType {
  return (type.toLogicalType() as unknown as { readonly logical_type: NativeType }).logical_type
}

/** The native appender inside node-api's. */
export function nativeAppender(appender: DuckDBAppender): NativeAppender {
  return (appender as unknown as { readonly appender: NativeAppender }).appender
}

/** Rows of a data chunk: DuckDB's STANDARD_VECTOR_SIZE. */
export const CHUNK_ROWS = 2048
