// https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/query and …/getQueryResults
import type { FastifyInstance } from 'fastify'
import type { EmulatorCore } from '../emulator-core.ts'
import type { Job, JobStore } from './job-store.ts'
import { type PageQuery, pageBounds } from './paging.ts'
import { dmlNumbers, ended, jobReference, queryJob } from './query-job.ts'
import { QUERY_REQUEST } from './resource-shapes.ts'
import { RestError } from './rest-error.ts'
import { type FormatQuery, formatOfQuery, restRows, type TimestampFormat, timestampFormat } from './rows.ts'
import { QUERY_ROWS_MAX } from './statements.ts'
import { type Json, readBody } from './wire-shape.ts'

const JOB_CREATION_MODES: readonly unknown[] = [
  undefined,
  null,
  '',
  'JOB_CREATION_MODE_UNSPECIFIED',
  'JOB_CREATION_REQUIRED',
  'JOB_CREATION_OPTIONAL',
]

/** Members of a jobs.query request that are no part of the query's configuration. */
const NOT_CONFIGURED: ReadonlySet<string> = new Set([
  'kind',
  'maxResults',
  'timeoutMs',
  'jobTimeoutMs',
  'dryRun',
  'preserveNulls',
  'location',
  'formatOptions',
  'labels',
  'requestId',
  'jobCreationMode',
  'reservation',
])

const configurationOf = (body: Json): Json => ({
  query: Object.fromEntries(Object.entries(body).filter(([name]) => !NOT_CONFIGURED.has(name))),
  ...(body.dryRun === true && { dryRun: true }),
  ...(body.labels ? { labels: body.labels } : {}),
})

/** What both calls answer of a job: the page asked for, or that it is still running. Throws what it failed with. */
function page(job: Job, query: PageQuery, format: TimestampFormat): Json {
  const { outcome } = job
  if (outcome.kind === 'failed') throw outcome.error
  if (outcome.kind === 'running') return { jobComplete: false }
  const { columns, rows } = outcome.result
  const { start, count } = pageBounds(query, QUERY_ROWS_MAX)
  const end = Math.min(start + count, rows.length)
  return {
    jobComplete: true,
    totalBytesProcessed: '0',
    cacheHit: false,
    ...dmlNumbers(outcome.result),
    ...(columns && {
      schema: { fields: columns },
      totalRows: String(rows.length),
      rows: restRows(columns, rows.slice(start, end), format),
      ...(end < rows.length && { pageToken: String(end) }),
    }),
  }
}

export function queryRoutes(app: FastifyInstance, core: EmulatorCore, jobs: JobStore): void {
  app.post<{ Params: { project: string } }>('/projects/:project/queries', async request => {
    const body = readBody(request.body, QUERY_REQUEST)
    const { project } = request.params
    if (!JOB_CREATION_MODES.includes(body.jobCreationMode))
      throw new RestError(400, 'invalid', `Invalid jobCreationMode ${String(body.jobCreationMode)}`)
    const formatOptions = (body.formatOptions ?? {}) as Json
    const format = timestampFormat(formatOptions.useInt64Timestamp, formatOptions.timestampOutputFormat)
    const pageQuery = body.maxResults ? { maxResults: body.maxResults as string } : {}
    pageBounds(pageQuery)

    const requestId = (body.requestId as string | null | undefined) || undefined
    const repeated = requestId === undefined ? undefined : jobs.findByRequestId(project, requestId)
    const job =
      repeated ??
      jobs.start(
        queryJob(core, {
          project,
          location: body.location,
          configuration: configurationOf(body),
          ...(requestId !== undefined && { requestId }),
        }),
      )
    const isDryRun = body.dryRun === true
    await ended(job, isDryRun ? undefined : body.timeoutMs)
    if (isDryRun) jobs.remove(job)
    const answer = page(job, pageQuery, format)
    // Without a job there is nowhere to fetch more from: only an answer that has it all may go without.
    const isWhole = answer.jobComplete === true && answer.pageToken === undefined
    const isJobless = body.jobCreationMode === 'JOB_CREATION_OPTIONAL' && isWhole
    return {
      kind: 'bigquery#queryResponse',
      ...(isJobless ? { queryId: job.id } : { jobReference: jobReference(job), queryId: job.id }),
      ...(!isJobless && {
        jobCreationReason: {
          code:
            body.jobCreationMode !== 'JOB_CREATION_OPTIONAL'
              ? 'REQUESTED'
              : answer.jobComplete
                ? 'LARGE_RESULTS'
                : 'LONG_RUNNING',
        },
      }),
      location: job.location,
      creationTime: String(job.createdMs),
      startTime: String(job.createdMs),
      ...(job.outcome.kind !== 'running' && { endTime: String(job.outcome.endedMs) }),
      ...answer,
    }
  })

  app.get<{
    Params: { project: string; job: string }
    Querystring: PageQuery & FormatQuery & { timeoutMs?: string; location?: string }
  }>('/projects/:project/queries/:job', async request => {
    const { params, query } = request
    const job = jobs.find(params.project, params.job, query.location)
    const format = formatOfQuery(query)
    pageBounds(query)
    await ended(job, query.timeoutMs)
    return {
      kind: 'bigquery#getQueryResultsResponse',
      etag: `${job.id}.${job.outcome.kind}`,
      jobReference: jobReference(job),
      ...page(job, query, format),
    }
  })
}
