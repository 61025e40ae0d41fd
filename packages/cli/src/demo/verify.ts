// The verdict: SQL on the table compared with the same SQL on the file. Sums bind the columns of a row together by its id,
// so that a value in the wrong row shows as well as a missing or doubled one.
import { DuckDBInstance } from '@duckdb/node-api'
import type { SqlRow } from './emulator-client.ts'
import { flightsFile, flightsQuery } from './flights.ts'

/** Keeps sums of products far below 2^63. */
const WEIGHT = 1_009
const DIFFERENCES_SHOWN_MAX = 5
const IDS_SHOWN_MAX = 5
const BUCKET_ROWS = 10_000

export type Verdict = {
  readonly records: number
  readonly rows: number
  readonly missing: number
  readonly duplicates: number
  /** What differs, in sentences; empty when the table equals the file. */
  readonly differences: readonly string[]
}

export type RunSql = (sql: string) => Promise<readonly SqlRow[]>

const MINUTE = 'EXTRACT(HOUR FROM date) * 60 + EXTRACT(MINUTE FROM date)'
const SUMS =
  `COUNT(*), SUM(id), SUM(delay), SUM(distance), SUM(${MINUTE}), ` +
  `SUM(MOD(id, ${WEIGHT}) * delay), SUM(MOD(id, ${WEIGHT}) * distance), SUM(MOD(id, ${WEIGHT}) * (${MINUTE}))`
const SUM_NAMES = [
  'rows',
  'id',
  'delay',
  'distance',
  'minute of day',
  'delay by id',
  'distance by id',
  'minute of day by id',
]

const GROUPS: readonly { readonly name: string; readonly by: string }[] = [
  { name: 'origin', by: 'origin' },
  { name: 'destination', by: 'destination' },
  { name: 'day', by: 'CAST(date AS DATE)' },
]

/** Compares the table with the first `records` flights of the file. `table`: how `runSql` spells it. */
export async function verify(runSql: RunSql, table: string, records: number): Promise<Verdict> {
  const file = await FileSql.open(records)
  try {
    const [counts] = await runSql(
      `SELECT COUNT(*), COUNT(DISTINCT id), COUNT(DISTINCT CASE WHEN id >= 0 AND id < ${records} THEN id END) FROM ${table}`,
    )
    const rows = Number(counts?.[0] ?? 0)
    const distinct = Number(counts?.[1] ?? 0)
    const expected = Number(counts?.[2] ?? 0)
    const differences: string[] = []
    if (expected < records) differences.push(await describeMissing(runSql, table, records))
    if (distinct < rows) differences.push(await describeDuplicates(runSql, table))
    if (distinct > expected) differences.push(await describeForeign(runSql, table, records))
    if (differences.length === 0) {
      differences.push(
        ...compare(
          'all',
          await runSql(`SELECT 'all', ${SUMS} FROM ${table}`),
          await file.run(`SELECT 'all', ${SUMS} FROM flights`),
        ),
      )
      for (const { name, by } of GROUPS) {
        const sql = (from: string): string =>
          `SELECT CAST(${by} AS STRING) AS k, ${SUMS} FROM ${from} GROUP BY k ORDER BY k`
        differences.push(...compare(name, await runSql(sql(table)), await file.run(sql('flights'))))
      }
    }
    return { records, rows, missing: records - expected, duplicates: rows - distinct, differences }
  } finally {
    file.close()
  }
}

/** `verified: …` or `different: …`, in one line. */
export function verdictLine(verdict: Verdict): string {
  const { records, rows, missing, duplicates, differences } = verdict
  if (differences.length === 0)
    return `verified: ${records} records = ${rows} rows, ${missing} missing, ${duplicates} duplicates`
  return `different: ${records} records, ${rows} rows, ${missing} missing, ${duplicates} duplicates; ${differences.join('; ')}`
}

async function describeMissing(runSql: RunSql, table: string, records: number): Promise<string> {
  const counts = await runSql(
    `SELECT CAST(FLOOR(id / ${BUCKET_ROWS}) AS INT64) AS k, COUNT(DISTINCT id) FROM ${table} WHERE id >= 0 AND id < ${records} GROUP BY k ORDER BY k`,
  )
  const byBucket = new Map(counts.map(row => [Number(row[0]), Number(row[1])]))
  for (let bucket = 0; bucket * BUCKET_ROWS < records; bucket++) {
    const from = bucket * BUCKET_ROWS
    const to = Math.min(records, from + BUCKET_ROWS)
    if ((byBucket.get(bucket) ?? 0) === to - from) continue
    const present = await runSql(`SELECT DISTINCT id FROM ${table} WHERE id >= ${from} AND id < ${to}`)
    const there = new Set(present.map(row => Number(row[0])))
    const missing: number[] = []
    for (let id = from; id < to && missing.length < IDS_SHOWN_MAX; id++) if (!there.has(id)) missing.push(id)
    return `missing ids begin with ${missing.join(', ')}`
  }
  return 'missing ids could not be named'
}

async function describeDuplicates(runSql: RunSql, table: string): Promise<string> {
  const rows = await runSql(
    `SELECT id, COUNT(*) AS n FROM ${table} GROUP BY id HAVING COUNT(*) > 1 ORDER BY id LIMIT ${IDS_SHOWN_MAX}`,
  )
  return `ids more than once begin with ${rows.map(row => `${row[0]} (${row[1]} times)`).join(', ')}`
}

async function describeForeign(runSql: RunSql, table: string, records: number): Promise<string> {
  const rows = await runSql(
    `SELECT DISTINCT id FROM ${table} WHERE id < 0 OR id >= ${records} ORDER BY id LIMIT ${IDS_SHOWN_MAX}`,
  )
  return `ids that were never committed begin with ${rows.map(row => row[0]).join(', ')}`
}

function compare(group: string, table: readonly SqlRow[], file: readonly SqlRow[]): string[] {
  const found: string[] = []
  const tableByKey = new Map(table.map(row => [row[0] ?? 'null', row]))
  for (const expected of file) {
    const key = expected[0] ?? 'null'
    const actual = tableByKey.get(key)
    tableByKey.delete(key)
    SUM_NAMES.forEach((name, i) => {
      const [is, shouldBe] = [actual?.[i + 1] ?? null, expected[i + 1] ?? null]
      if (is !== shouldBe) found.push(`${group} ${key}: ${name} is ${is} instead of ${shouldBe}`)
    })
  }
  for (const key of tableByKey.keys()) found.push(`${group} ${key} is not in the file`)
  const more = found.length - DIFFERENCES_SHOWN_MAX
  return more > 0 ? [...found.slice(0, DIFFERENCES_SHOWN_MAX), `${more} more differences by ${group}`] : found
}

/** The file's side of the comparison. */
class FileSql {
  readonly #instance: DuckDBInstance
  readonly #connection: Awaited<ReturnType<DuckDBInstance['connect']>>

  private constructor(instance: DuckDBInstance, connection: Awaited<ReturnType<DuckDBInstance['connect']>>) {
    this.#instance = instance
    this.#connection = connection
  }
  static async open(records: number): Promise<FileSql> {
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    await connection.run(`CREATE VIEW flights AS SELECT * FROM ${flightsQuery(flightsFile(), records)}`)
    return new FileSql(instance, connection)
  }
  async run(sql: string): Promise<SqlRow[]> {
    const result = await this.#connection.runAndReadAll(sql)
    return result.getRows().map(row => row.map(value => (value === null ? null : String(value))))
  }
  close(): void {
    this.#connection.closeSync()
    this.#instance.closeSync()
  }
}
