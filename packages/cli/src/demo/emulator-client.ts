// BigQuery's REST v2 as the demo uses it: a dataset, a table, SQL. https://cloud.google.com/bigquery/docs/reference/rest
import { requestJson } from './http-json.ts'

export const PROJECT = 'millrace-demo'
export const DATASET = 'demo'
export const TABLE = 'flights'

const QUERY_TIMEOUT_MS = 120_000

const SCHEMA = {
  fields: [
    { name: 'id', type: 'INTEGER', mode: 'REQUIRED' },
    // The file's times have no zone.
    { name: 'date', type: 'DATETIME' },
    { name: 'delay', type: 'INTEGER' },
    { name: 'distance', type: 'INTEGER' },
    { name: 'origin', type: 'STRING' },
    { name: 'destination', type: 'STRING' },
  ],
}

export type SqlRow = readonly (string | null)[]
type QueryAnswer = {
  readonly jobComplete?: boolean
  readonly jobReference?: { readonly jobId?: string }
  readonly rows?: readonly { readonly f: readonly { readonly v: string | null }[] }[]
  readonly pageToken?: string
}

export class EmulatorClient {
  readonly #base: string
  constructor(rest: string) {
    this.#base = `${rest}/bigquery/v2/projects/${PROJECT}`
  }

  async createTable(options: { signal: AbortSignal }): Promise<void> {
    const dataset = { datasetReference: { projectId: PROJECT, datasetId: DATASET } }
    await requestJson('POST', `${this.#base}/datasets`, dataset, options)
    const table = { tableReference: { projectId: PROJECT, datasetId: DATASET, tableId: TABLE }, schema: SCHEMA }
    await requestJson('POST', `${this.#base}/datasets/${DATASET}/tables`, table, options)
  }

  /** All rows of a query, values as BigQuery's JSON has them: text. */
  async query(sql: string, options: { signal: AbortSignal }): Promise<SqlRow[]> {
    const bounded = { ...options, timeoutMs: QUERY_TIMEOUT_MS }
    const body = { query: sql, useLegacySql: false, timeoutMs: QUERY_TIMEOUT_MS, maxResults: 100_000 }
    let answer = (await requestJson('POST', `${this.#base}/queries`, body, bounded)) as QueryAnswer
    const rows: SqlRow[] = []
    for (;;) {
      if (answer.jobComplete === false)
        throw new Error(`The emulator did not finish within ${QUERY_TIMEOUT_MS} ms: ${sql}`)
      for (const row of answer.rows ?? []) rows.push(row.f.map(cell => cell.v))
      if (answer.pageToken === undefined) return rows
      const page = `${this.#base}/queries/${answer.jobReference?.jobId}?pageToken=${encodeURIComponent(answer.pageToken)}`
      answer = (await requestJson('GET', page, null, bounded)) as QueryAnswer
    }
  }

  async countRows(options: { signal: AbortSignal }): Promise<number> {
    const [row] = await this.query(`SELECT COUNT(*) FROM ${TABLE_SQL}`, options)
    return Number(row?.[0] ?? 0)
  }
}

export const TABLE_SQL: string = `\`${PROJECT}.${DATASET}.${TABLE}\``
