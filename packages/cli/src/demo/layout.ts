// Which flight goes where: a pure function of its id and the number of records, so that anyone can tell from the table
// alone what of a partition has arrived. Records go in rounds of one batch per partition.

export const TOPIC = 'flights'
export const PARTITIONS = 8
export const FLIGHTS_MAX = 3_000_000
/** Ids from here on exist only in aborted transactions: none may ever be a row. */
export const ABORTED_ID_MIN = 1_000_000_000

const ROWS_PER_BATCH_MAX = 2_000
/** Even a small demo has this many batches, so that there is always one in flight when a fault should hit. */
const BATCHES_MIN = 400

export type Layout = {
  readonly records: number
  readonly rowsPerBatch: number
  readonly rowsPerRound: number
  readonly rounds: number
}

export function layoutOf(records: number): Layout {
  const rowsPerBatch = Math.max(1, Math.min(ROWS_PER_BATCH_MAX, Math.floor(records / BATCHES_MIN)))
  const rowsPerRound = rowsPerBatch * PARTITIONS
  return { records, rowsPerBatch, rowsPerRound, rounds: Math.ceil(records / rowsPerRound) }
}

export const partitionOf = (layout: Layout, id: number): number => Math.floor(id / layout.rowsPerBatch) % PARTITIONS

/** Ids `[from, to)` of one batch; empty in the last round when the records ran out. */
export function batchIds(
  layout: Layout,
  round: number,
  partition: number,
): { readonly from: number; readonly to: number } {
  const from = round * layout.rowsPerRound + partition * layout.rowsPerBatch
  return { from: Math.min(from, layout.records), to: Math.min(from + layout.rowsPerBatch, layout.records) }
}

export type RoundKind = 'plain' | 'committed' | 'aborted beside'

/**
 * Every fifth round is a committed transaction; every fifth is plain, but written into the middle of a transaction of
 * another producer that aborts.
 */
export function roundKind(round: number): RoundKind {
  if (round % 5 === 2) return 'committed'
  return round % 5 === 4 ? 'aborted beside' : 'plain'
}

/** Kafka's codec numbers: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd. Every partition sees all of them. */
export const codecOf = (round: number, partition: number): number => (round + partition) % 5
