// Tables over the REST API v2: look one up, create one. Both are safe to repeat.
import {
  backoffMs,
  isMillraceError,
  MillraceError,
  parseTableName,
  type Random,
  type TableInfo,
  type TableName,
  type TableSpec,
  type Tables,
  type Timers,
} from '@millrace/core'
import { isDatasetMissing, readFailure, toRestError } from './classify-rest-error.ts'
import type { RestClient } from './rest-client.ts'
import { decodeTable, encodeTable } from './table-json.ts'

const ATTEMPTS_MAX = 5
/** Metadata updates are limited to about 5 per 10 s and table: waits of 1–16 s get past that. */
const BACKOFF = { baseMs: 1_000, maxMs: 16_000 } as const

export class RestTables implements Tables {
  readonly #rest: RestClient
  readonly #timers: Timers
  readonly #random: Random

  constructor(rest: RestClient, timers: Timers, random: Random) {
    this.#rest = rest
    this.#timers = timers
    this.#random = random
  }

  get(table: TableName, { signal }: { signal: AbortSignal }): Promise<TableInfo | null> {
    return this.#attempt(signal, () => this.#getOnce(table, signal))
  }

  create(table: TableName, spec: TableSpec, { signal }: { signal: AbortSignal }): Promise<TableInfo> {
    return this.#attempt(signal, () => this.#createOnce(table, spec, signal))
  }

  async #getOnce(table: TableName, signal: AbortSignal): Promise<TableInfo | null> {
    const response = await this.#rest.request({ method: 'GET', path: tablePath(table) }, { signal })
    if (response.status === 200) return decodeTable(response.body, table)
    // Without its dataset no table can be created either, so that is said rather than answered with null.
    if (response.status === 404 && !isDatasetMissing(readFailure(response).message)) return null
    throw toRestError(response, `get of ${table}`)
  }

  async #createOnce(table: TableName, spec: TableSpec, signal: AbortSignal): Promise<TableInfo> {
    const response = await this.#rest.request(
      { method: 'POST', path: tablesPath(table), body: encodeTable(table, spec) },
      { signal },
    )
    if (response.status === 200) return decodeTable(response.body, table)
    if (response.status === 404)
      throw await this.#explainMissing(table, signal, toRestError(response, `create of ${table}`))
    if (response.status !== 409) throw toRestError(response, `create of ${table}`)
    const theirs = await this.#getOnce(table, signal)
    if (theirs !== null) return theirs
    throw new MillraceError('TABLE_MISSING', 'retry', `${table} exists already, and is gone a moment later.`)
  }

  /** A create that finds nothing lacks its dataset; asking for it gives the answer its name. */
  async #explainMissing(table: TableName, signal: AbortSignal, original: MillraceError): Promise<MillraceError> {
    const { project, dataset } = parseTableName(table)
    const response = await this.#rest.request({ method: 'GET', path: datasetPath(table) }, { signal })
    if (response.status !== 404) return original
    return new MillraceError(
      'DATASET_MISSING',
      'failPartition',
      `Dataset ${project}.${dataset} does not exist, so ${table} cannot be created.`,
    )
  }

  async #attempt<T>(signal: AbortSignal, once: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await once()
      } catch (error) {
        if (attempt + 1 >= ATTEMPTS_MAX || !isMillraceError(error) || error.disposition !== 'retry') throw error
      }
      await this.#timers.sleep(backoffMs(attempt, BACKOFF, this.#random), { signal })
    }
  }
}

function datasetPath(table: TableName): string {
  const { project, dataset } = parseTableName(table)
  return `/bigquery/v2/projects/${encodeURIComponent(project)}/datasets/${encodeURIComponent(dataset)}`
}
const tablesPath = (table: TableName): string => `${datasetPath(table)}/tables`
const tablePath = (table: TableName): string =>
  `${tablesPath(table)}/${encodeURIComponent(parseTableName(table).table)}`
