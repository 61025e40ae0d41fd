// https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/query and …/getQueryResults. Queries run to their end at once.
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { DEFAULT_LOCATION } from '../catalog/catalog.ts'
import type { EmulatorCore } from '../emulator-core.ts'
import { translateSql } from '../sql/translate.ts'
import type { QueryResult } from '../storage/storage.ts'
import { type PageQuery, pageBounds } from './paging.ts'
import { RestError } from './rest-error.ts'
import { restRows } from './rows.ts'

/** Rows a query may have; beyond it is refused, since the whole result is kept in memory. */
const QUERY_ROWS_MAX = 200_000
/** Results kept for getQueryResults. */
const JOBS_MAX = 100
/** Rows of the results kept, all together. */
const KEPT_ROWS_MAX = 1_000_000

type Job = { readonly project: string; readonly id: string; readonly location: string; readonly result: QueryResult }

export function queryRoutes(app: FastifyInstance, { catalog, storage }: EmulatorCore): void {
  const jobs = new Map<string, Job>()
  let keptRows = 0

  const keep = (job: Job): void => {
    jobs.set(`${job.project}/${job.id}`, job)
    keptRows += job.result.rows.length
    for (const [key, old] of jobs) {
      if ((jobs.size <= JOBS_MAX && keptRows <= KEPT_ROWS_MAX) || old === job) break
      jobs.delete(key)
      keptRows -= old.result.rows.length
    }
  }

  const answer = (kind: string, job: Job, query: PageQuery, isInt64Timestamp: boolean): Record<string, unknown> => {
    const { columns, rows } = job.result
    const { start, count } = pageBounds(query, QUERY_ROWS_MAX)
    const end = Math.min(start + count, rows.length)
    return {
      kind,
      schema: { fields: columns },
      jobReference: { projectId: job.project, jobId: job.id, location: job.location },
      totalRows: String(rows.length),
      rows: restRows(columns, rows.slice(start, end), { isInt64Timestamp }),
      totalBytesProcessed: '0',
      jobComplete: true,
      cacheHit: false,
      ...(end < rows.length && { pageToken: String(end) }),
    }
  }

  app.post<{ Params: { project: string }; Body: Record<string, unknown> | null }>(
    '/projects/:project/queries',
    async request => {
      const body = request.body ?? {}
      const { project } = request.params
      if (typeof body.query !== 'string') throw new RestError(400, 'required', 'Required parameter is missing: query')
      if (body.useLegacySql === true)
        throw new RestError(400, 'invalid', 'Legacy SQL is not supported by this emulator: set useLegacySql to false')
      if (Array.isArray(body.queryParameters) && body.queryParameters.length > 0)
        throw new RestError(501, 'notImplemented', 'Query parameters are not supported by this emulator yet')
      const defaults = body.defaultDataset as { datasetId?: string; projectId?: string } | undefined
      const sql = translateSql(body.query, {
        project: defaults?.projectId ?? project,
        dataset: defaults?.datasetId,
        findTable: ref => catalog.findTable(ref),
      })
      const result: QueryResult =
        body.dryRun === true ? { columns: [], rows: [] } : await storage.query(sql, QUERY_ROWS_MAX)
      const location = typeof body.location === 'string' ? body.location : DEFAULT_LOCATION
      const job: Job = { project, id: randomUUID(), location, result }
      keep(job)
      const format = body.formatOptions as { useInt64Timestamp?: unknown } | undefined
      const maxResults = body.maxResults === undefined ? {} : { maxResults: String(body.maxResults) }
      return answer('bigquery#queryResponse', job, maxResults, format?.useInt64Timestamp === true)
    },
  )

  app.get<{
    Params: { project: string; job: string }
    Querystring: PageQuery & { 'formatOptions.useInt64Timestamp'?: string }
  }>('/projects/:project/queries/:job', async request => {
    const { project, job: id } = request.params
    const job = jobs.get(`${project}/${id}`)
    if (!job) throw new RestError(404, 'notFound', `Not found: Job ${project}:${id}`)
    return answer(
      'bigquery#getQueryResultsResponse',
      job,
      request.query,
      request.query['formatOptions.useInt64Timestamp'] === 'true',
    )
  })
}
