// Twin of RowOrigins: the same sums over whatever rows its owner says a table holds.
import {
  type KafkaOffset,
  ORIGIN_BUCKET_OFFSETS,
  type OriginCount,
  type OriginRange,
  type OriginSums,
  type RowOrigins,
  type TableName,
} from '@millrace/core'
import type { ProtoRow } from './proto-rows.ts'

export class RowOriginsTwin implements RowOrigins {
  readonly #rows: (table: TableName) => readonly ProtoRow[]

  /** @param rows of a table, as `BigQueryTwin.rows` answers them. */
  constructor(rows: (table: TableName) => readonly ProtoRow[]) {
    this.#rows = rows
  }

  async counts(table: TableName, column: string, ranges: readonly OriginRange[]): Promise<readonly OriginCount[]> {
    const counts = new Map<string, OriginCount>()
    for (const row of this.#rows(table)) {
      const { topic, partition, offset } = Object(row[column])
      const isAsked = ranges.some(
        ({ tp, from, to }) => tp.topic === topic && BigInt(tp.partition) === partition && offset >= from && offset < to,
      )
      if (!isAsked) continue
      const key = `${topic}/${partition}/${offset}`
      const tp = { topic, partition: Number(partition) }
      counts.set(key, { tp, kafkaOffset: offset as KafkaOffset, rows: (counts.get(key)?.rows ?? 0) + 1 })
    }
    return [...counts.values()]
  }

  async sums(table: TableName, column: string, ranges: readonly OriginRange[]): Promise<readonly OriginSums[]> {
    const sums = new Map<string, OriginSums>()
    for (const { tp, kafkaOffset, rows } of await this.counts(table, column, ranges)) {
      const bucket = Number(kafkaOffset / BigInt(ORIGIN_BUCKET_OFFSETS))
      const r = Number(kafkaOffset % BigInt(ORIGIN_BUCKET_OFFSETS))
      const key = `${tp.topic}/${tp.partition}/${bucket}`
      const before = sums.get(key) ?? { tp, bucket, rows: 0, distinct: 0, sum: 0, squares: 0, cubes: 0 }
      sums.set(key, {
        tp,
        bucket,
        rows: before.rows + rows,
        distinct: before.distinct + 1,
        sum: before.sum + rows * r,
        squares: before.squares + rows * r ** 2,
        cubes: before.cubes + rows * r ** 3,
      })
    }
    return [...sums.values()]
  }

  async rowCount(table: TableName): Promise<number> {
    return this.#rows(table).length
  }
}
