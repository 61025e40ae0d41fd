// https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs, for query jobs. Load, extract and copy are refused by name.
import type { FastifyInstance } from 'fastify'
import type { EmulatorCore } from '../emulator-core.ts'
import type { Job, JobStore } from './job-store.ts'
import { type PageQuery, page } from './paging.ts'
import { ended, jobResource, queryJob } from './query-job.ts'
import { JOB } from './resource-shapes.ts'
import { asRestError, notImplemented, RestError, required } from './rest-error.ts'
import { type Json, readBody } from './wire-shape.ts'

type Project = { project: string }
type Params = Project & { job: string }

/** jobs.insert answers DONE when the query takes no longer; nothing is said by the service about how soon it answers. */
const INSERT_WAIT_MS = 200
/** https://cloud.google.com/bigquery/docs/running-jobs#generate-jobid */
const JOB_ID = /^[\w-]{1,1024}$/

export function jobRoutes(app: FastifyInstance, core: EmulatorCore, jobs: JobStore): void {
  const path = '/projects/:project/jobs'

  app.post<{ Params: Project }>(path, async request => {
    const { configuration, jobReference } = readBody(request.body, JOB) as { configuration?: Json; jobReference?: Json }
    if (!configuration) throw required('configuration')
    for (const kind of ['load', 'extract', 'copy'])
      if (configuration[kind]) throw notImplemented(`A ${kind} job (jobs.insert with configuration.${kind})`)
    if (!configuration.query) throw required('configuration.query')
    const id = (jobReference?.jobId ?? undefined) as string | undefined
    if (id !== undefined && !JOB_ID.test(id))
      throw new RestError(400, 'invalid', `Invalid job ID "${id.slice(0, 100)}".`)
    const { project } = request.params
    const job = jobs.start(queryJob(core, { project, id, location: jobReference?.location, configuration }))
    if (configuration.dryRun !== true) {
      await ended(job, INSERT_WAIT_MS)
      return jobResource(job)
    }
    // A dry run leaves no job, and says at once what is wrong.
    await job.finished
    jobs.remove(job)
    if (job.outcome.kind === 'failed') throw asRestError(job.outcome.error)
    return jobResource(job)
  })

  app.get<{ Params: Project; Querystring: JobsQuery }>(path, async request => {
    const matching = jobs.ofProject(request.params.project).filter(jobFilter(request.query))
    const { items, nextPageToken } = page(matching, request.query)
    return {
      kind: 'bigquery#jobList',
      ...(items.length > 0 && { jobs: items.map(listed) }),
      ...(nextPageToken && { nextPageToken }),
    }
  })

  const found = (request: { params: Params; query: { location?: string } }): Job =>
    jobs.find(request.params.project, request.params.job, request.query.location)

  app.get<{ Params: Params; Querystring: { location?: string } }>(`${path}/:job`, async request =>
    jobResource(found(request)),
  )
  app.post<{ Params: Params; Querystring: { location?: string } }>(`${path}/:job/cancel`, async request => {
    const job = found(request)
    jobs.cancel(job)
    return { kind: 'bigquery#jobCancelResponse', job: jobResource(job) }
  })
  app.delete<{ Params: Params; Querystring: { location?: string } }>(`${path}/:job/delete`, async (request, reply) => {
    const job = found(request)
    if (job.outcome.kind === 'running') throw new RestError(400, 'invalid', 'Cannot delete a job that is running')
    jobs.remove(job)
    return reply.code(204).send()
  })
}

type JobsQuery = PageQuery & {
  stateFilter?: string
  minCreationTime?: string
  maxCreationTime?: string
  parentJobId?: string
}

function jobFilter(query: JobsQuery): (job: Job) => boolean {
  const states = query.stateFilter?.toLowerCase().split(',')
  const bound = (name: 'minCreationTime' | 'maxCreationTime', otherwise: number): number => {
    const number = Number(query[name] ?? otherwise)
    if (Number.isNaN(number)) throw new RestError(400, 'invalid', `Invalid value for ${name}: ${query[name]}`)
    return number
  }
  const [from, to] = [bound('minCreationTime', 0), bound('maxCreationTime', Infinity)]
  return job =>
    (!states || states.includes(job.outcome.kind === 'running' ? 'running' : 'done')) &&
    job.createdMs >= from &&
    job.createdMs <= to &&
    query.parentJobId === undefined
}

function listed(job: Job): Json {
  const { etag: _etag, ...resource } = jobResource(job)
  const { state, errorResult } = resource.status as Json
  return { ...resource, state, ...(errorResult !== undefined && { errorResult }) }
}
