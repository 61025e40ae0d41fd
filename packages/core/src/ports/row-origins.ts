// What a table says about which records its rows came from (`kafkaDataFieldName`), summed up where it is: for comparing a table with
// its topics without fetching its rows. Reads only.
import type { KafkaOffset, TableName, TopicPartition } from '../ids.ts'

/** Offsets of one bucket: [bucket × this, (bucket + 1) × this). Small enough that a sum of cubes fits a double exactly. */
export const ORIGIN_BUCKET_OFFSETS = 8_192

export type OriginRange = { readonly tp: TopicPartition; readonly from: KafkaOffset; readonly to: KafkaOffset }

/**
 * Of the rows of one bucket. With r = offset − bucket × ORIGIN_BUCKET_OFFSETS: the sums of r, r² and r³ over its rows. Two sets that
 * agree in number and all three sums differ by an exchange of at least four offsets against four others, or not at all.
 */
export type OriginSums = {
  readonly tp: TopicPartition
  readonly bucket: number
  readonly rows: number
  readonly distinct: number
  readonly sum: number
  readonly squares: number
  readonly cubes: number
}
export type OriginCount = { readonly tp: TopicPartition; readonly kafkaOffset: KafkaOffset; readonly rows: number }

export interface RowOrigins {
  /** Buckets without rows are absent. One pass over the column. Rejects disposition retry or failPartition. */
  sums(
    table: TableName,
    column: string,
    ranges: readonly OriginRange[],
    options: { signal: AbortSignal },
  ): Promise<readonly OriginSums[]>
  /** How often each offset of the ranges is there; those that are not are absent. */
  counts(
    table: TableName,
    column: string,
    ranges: readonly OriginRange[],
    options: { signal: AbortSignal },
  ): Promise<readonly OriginCount[]>
  /** All rows of the table. */
  rowCount(table: TableName, options: { signal: AbortSignal }): Promise<number>
}
