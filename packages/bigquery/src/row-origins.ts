// Where the rows of a table came from, by SQL on its `kafkaDataFieldName` column. Names stand in the text as quoted identifiers,
// topics as parameters, offsets as the numbers they are.
import {
  type KafkaOffset,
  ORIGIN_BUCKET_OFFSETS,
  type OriginCount,
  type OriginRange,
  type OriginSums,
  parseTableName,
  type RowOrigins,
  type TableName,
} from '@millrace/core'
import type { QueryParameter, QueryRow, RestQueries } from './queries.ts'

export class SqlRowOrigins implements RowOrigins {
  readonly #queries: RestQueries
  readonly #project: string

  /** @param project that runs the jobs. */
  constructor(queries: RestQueries, project: string) {
    this.#queries = queries
    this.#project = project
  }

  async sums(
    table: TableName,
    column: string,
    ranges: readonly OriginRange[],
    options: { signal: AbortSignal },
  ): Promise<readonly OriginSums[]> {
    const { source, parameters } = rowsIn(table, column, ranges)
    const sql = [
      'SELECT t, p, b, COUNT(*), COUNT(DISTINCT r), SUM(r), SUM(r * r), SUM(r * r * r)',
      `FROM (SELECT t, p, DIV(o, ${ORIGIN_BUCKET_OFFSETS}) AS b, MOD(o, ${ORIGIN_BUCKET_OFFSETS}) AS r FROM (${source}) AS places) AS buckets`,
      'GROUP BY t, p, b',
    ].join(' ')
    const rows = await this.#select(sql, parameters, ranges, options)
    return rows.map(([topic, partition, bucket, count, distinct, sum, squares, cubes]) => ({
      tp: { topic: topic ?? '', partition: Number(partition) },
      bucket: Number(bucket),
      rows: Number(count),
      distinct: Number(distinct),
      sum: Number(sum),
      squares: Number(squares),
      cubes: Number(cubes),
    }))
  }

  async counts(
    table: TableName,
    column: string,
    ranges: readonly OriginRange[],
    options: { signal: AbortSignal },
  ): Promise<readonly OriginCount[]> {
    const { source, parameters } = rowsIn(table, column, ranges)
    const sql = `SELECT t, p, o, COUNT(*) FROM (${source}) AS places GROUP BY t, p, o`
    const rows = await this.#select(sql, parameters, ranges, options)
    return rows.map(([topic, partition, offset, count]) => ({
      tp: { topic: topic ?? '', partition: Number(partition) },
      kafkaOffset: BigInt(offset ?? '-1') as KafkaOffset,
      rows: Number(count),
    }))
  }

  async rowCount(table: TableName, options: { signal: AbortSignal }): Promise<number> {
    const [row] = await this.#queries.select(this.#project, `SELECT COUNT(*) FROM ${quotedTable(table)}`, [], options)
    return Number(row?.[0])
  }

  async #select(
    sql: string,
    parameters: readonly QueryParameter[],
    ranges: readonly OriginRange[],
    options: { signal: AbortSignal },
  ): Promise<readonly QueryRow[]> {
    return ranges.length === 0 ? [] : await this.#queries.select(this.#project, sql, parameters, options)
  }
}

function rowsIn(
  table: TableName,
  column: string,
  ranges: readonly OriginRange[],
): { readonly source: string; readonly parameters: readonly QueryParameter[] } {
  const topics = [...new Set(ranges.map(({ tp }) => tp.topic))]
  const field = (name: string): string => `${quoted(column)}.${quoted(name)}`
  const within = ranges.map(
    ({ tp, from, to }) =>
      `(${field('topic')} = @t${topics.indexOf(tp.topic)} AND ${field('partition')} = ${tp.partition} AND ${field('offset')} >= ${from} AND ${field('offset')} < ${to})`,
  )
  return {
    source: `SELECT ${field('topic')} AS t, ${field('partition')} AS p, ${field('offset')} AS o FROM ${quotedTable(table)} WHERE ${within.join(' OR ')}`,
    parameters: topics.map((value, i) => ({ name: `t${i}`, value })),
  }
}

function quotedTable(table: TableName): string {
  const { project, dataset, table: name } = parseTableName(table)
  return quoted(`${project}.${dataset}.${name}`)
}
/** https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical#quoted_identifiers */
const quoted = (name: string): string => `\`${name.replaceAll(/[\\`]/g, '\\$&')}\``
