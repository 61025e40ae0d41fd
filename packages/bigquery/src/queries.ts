// SELECT over the REST API v2: started once, waited for, all its pages. Only ever reads, so it may be asked again.
// https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/query
import { backoffMs, isMillraceError, MillraceError, type Random, type Timers } from '@millrace/core'
import { toRestError } from './classify-rest-error.ts'
import type { RestClient, RestResponse } from './rest-client.ts'

export type QueryParameter = { readonly name: string; readonly value: string }
/** Cells as they are sent: text or null. */
export type QueryRow = readonly (string | null)[]

const ATTEMPTS_MAX = 5
const BACKOFF = { baseMs: 1_000, maxMs: 16_000 } as const
/** How long one request waits for the job; below the deadline of a request. */
const WAIT_MS = 20_000
/** About 20 MB as objects; what asks for more is to ask for less at once. */
export const QUERY_ROWS_MAX = 250_000
const PAGE_ROWS = 50_000

export class RestQueries {
  readonly #rest: RestClient
  readonly #timers: Timers
  readonly #random: Random

  constructor(rest: RestClient, timers: Timers, random: Random) {
    this.#rest = rest
    this.#timers = timers
    this.#random = random
  }

  /** @param project that runs the job and pays for it. Rejects BIGQUERY_REQUEST_INVALID beyond QUERY_ROWS_MAX rows. */
  async select(
    project: string,
    sql: string,
    parameters: readonly QueryParameter[],
    { signal }: { signal: AbortSignal },
  ): Promise<readonly QueryRow[]> {
    const base = `/bigquery/v2/projects/${encodeURIComponent(project)}/queries`
    const body = {
      query: sql,
      useLegacySql: false,
      timeoutMs: WAIT_MS,
      maxResults: PAGE_ROWS,
      // The same id again within 15 minutes is the same job.
      requestId: this.#random.nextId(),
      parameterMode: 'NAMED',
      queryParameters: parameters.map(({ name, value }) => ({
        name,
        parameterType: { type: 'STRING' },
        parameterValue: { value },
      })),
    }
    const rows: QueryRow[] = []
    let page = pageOf(await this.#ask({ method: 'POST', path: base, body }, signal))
    for (;;) {
      rows.push(...page.rows)
      if (page.isComplete && page.pageToken === null) return rows
      if (rows.length > QUERY_ROWS_MAX) throw tooMany()
      const query = new URLSearchParams({ timeoutMs: String(WAIT_MS), maxResults: String(PAGE_ROWS) })
      if (page.location !== null) query.set('location', page.location)
      if (page.pageToken !== null) query.set('pageToken', page.pageToken)
      const { jobId, location } = page
      const next = await this.#ask({ method: 'GET', path: `${base}/${encodeURIComponent(jobId)}?${query}` }, signal)
      page = { ...pageOf(next), jobId, location }
    }
  }

  async #ask(
    request: { method: 'GET' | 'POST'; path: string; body?: object },
    signal: AbortSignal,
  ): Promise<RestResponse> {
    for (let attempt = 0; ; attempt++) {
      try {
        const response = await this.#rest.request(request, { signal })
        if (response.status === 200) return response
        throw toRestError(response, 'a query')
      } catch (error) {
        if (attempt + 1 >= ATTEMPTS_MAX || !isMillraceError(error) || error.disposition !== 'retry') throw error
      }
      await this.#timers.sleep(backoffMs(attempt, BACKOFF, this.#random), { signal })
    }
  }
}

type Page = {
  readonly jobId: string
  readonly location: string | null
  readonly isComplete: boolean
  readonly pageToken: string | null
  readonly rows: readonly QueryRow[]
}

function pageOf({ body }: RestResponse): Page {
  const { jobReference, jobComplete, pageToken, rows } = recordOf(body)
  const { jobId, location } = recordOf(jobReference)
  return {
    jobId: typeof jobId === 'string' ? jobId : '',
    location: typeof location === 'string' ? location : null,
    isComplete: jobComplete === true,
    pageToken: typeof pageToken === 'string' && pageToken !== '' ? pageToken : null,
    rows: Array.isArray(rows) ? rows.map(rowOf) : [],
  }
}

function rowOf(row: unknown): QueryRow {
  const { f } = recordOf(row)
  return Array.isArray(f) ? f.map(cell => cellOf(recordOf(cell)['v'])) : []
}
const cellOf = (value: unknown): string | null => (typeof value === 'string' ? value : null)

const recordOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}

const tooMany = (): MillraceError =>
  new MillraceError(
    'BIGQUERY_REQUEST_INVALID',
    'failPartition',
    `A query answered more than ${QUERY_ROWS_MAX} rows: ask for fewer topics or partitions at once.`,
  )
