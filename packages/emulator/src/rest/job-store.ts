// Query jobs, running and done, with their results. Jobs live in memory: a restart forgets them, as a month does on the service.
import { randomUUID } from 'node:crypto'
import type { TableRef } from '../catalog/names.ts'
import { asRestError, RestError } from './rest-error.ts'
import { RESULTS_DATASET, resultTableName } from './result-tables.ts'
import type { StatementResult } from './statements.ts'
import type { Json } from './wire-shape.ts'

/** Jobs kept; the oldest that is done makes room. */
const JOBS_MAX = 1000
/** Rows of the results kept, all together. */
const KEPT_ROWS_MAX = 1_000_000
/** Jobs running at once: each has a DuckDB connection. */
const RUNNING_MAX = 100
const CLOSE_WAIT_MS = 1000

export type Job = {
  readonly project: string
  readonly id: string
  readonly location: string
  readonly configuration: Json
  readonly createdMs: number
  /** Of jobs.query, to answer a repeated request with. */
  readonly requestId: string | undefined
  readonly finished: Promise<void>
  readonly outcome: Outcome
}
export type Outcome =
  | { readonly kind: 'running' }
  | { readonly kind: 'done'; readonly result: StatementResult; readonly endedMs: number }
  | { readonly kind: 'failed'; readonly error: RestError; readonly endedMs: number }

export type NewJob = {
  readonly project: string
  readonly id?: string | undefined
  readonly location: string
  readonly configuration: Json
  readonly requestId?: string | undefined
  /** Ends early when the signal says so; what comes of it then is not looked at. */
  readonly run: (signal: AbortSignal) => Promise<StatementResult>
}

/** A job as the store keeps it: only the store changes its outcome. */
type Entry = Omit<Job, 'outcome' | 'finished'> & {
  outcome: Outcome
  finished: Promise<void>
  readonly cancelled: AbortController
}

export class JobStore {
  private readonly nowMs: () => number
  private readonly jobs = new Map<string, Entry>()
  private running = 0
  private keptRows = 0

  constructor(nowMs: () => number) {
    this.nowMs = nowMs
  }

  /** Starts a job; its failure shows in its outcome. Throws RestError 409 for an id that is taken, 403 for too many at once. */
  start({ run, id = randomUUID(), ...given }: NewJob): Job {
    const key = `${given.project}/${id}`
    if (this.jobs.has(key))
      throw new RestError(409, 'duplicate', `Already Exists: Job ${given.project}:${given.location}.${id}`)
    if (this.running >= RUNNING_MAX)
      throw new RestError(
        403,
        'rateLimitExceeded',
        'Exceeded rate limits: too many concurrent queries for this project',
      )
    const job: Entry = {
      project: given.project,
      id,
      location: given.location,
      configuration: given.configuration,
      requestId: given.requestId,
      createdMs: this.nowMs(),
      outcome: { kind: 'running' },
      finished: Promise.resolve(),
      cancelled: new AbortController(),
    }
    this.jobs.set(key, job)
    this.running++
    job.finished = this.settle(job, run)
    return job
  }

  private async settle(job: Entry, run: NewJob['run']): Promise<void> {
    const outcome = await run(job.cancelled.signal).then(
      (result): Outcome => ({ kind: 'done', result, endedMs: this.nowMs() }),
      (error: unknown): Outcome => ({ kind: 'failed', error: asRestError(error), endedMs: this.nowMs() }),
    )
    this.running--
    // A job cancelled meanwhile stays so.
    if (job.outcome.kind === 'running') job.outcome = outcome
    if (!this.jobs.has(`${job.project}/${job.id}`)) return
    this.keptRows += rowsOf(job)
    this.makeRoom(job)
  }

  private makeRoom(newest: Entry): void {
    for (const job of this.jobs.values()) {
      if (this.jobs.size <= JOBS_MAX && this.keptRows <= KEPT_ROWS_MAX) return
      if (job !== newest && job.outcome.kind !== 'running') this.remove(job)
    }
  }

  /** Throws RestError 404; a job is found only where it ran. */
  find(project: string, id: string, location?: string | undefined): Job {
    const job = this.jobs.get(`${project}/${id}`)
    if (!job || (location && location.toLowerCase() !== job.location.toLowerCase()))
      throw new RestError(404, 'notFound', `Not found: Job ${project}:${location ? `${location}.` : ''}${id}`)
    return job
  }

  findByRequestId(project: string, requestId: string): Job | undefined {
    return [...this.jobs.values()].find(job => job.project === project && job.requestId === requestId)
  }

  /** Newest first. */
  ofProject(project: string): readonly Job[] {
    return [...this.jobs.values()].filter(job => job.project === project).reverse()
  }

  /** The job whose anonymous result table this is. */
  findResultTable(ref: TableRef): Job | undefined {
    if (ref.dataset !== RESULTS_DATASET) return undefined
    return this.ofProject(ref.project).find(job => resultTableName(job.id) === ref.table)
  }

  /** What has ended stays as it is; what runs has failed from now on. */
  cancel(job: Job): void {
    const entry = this.jobs.get(`${job.project}/${job.id}`)
    if (entry?.outcome.kind !== 'running') return
    const error = new RestError(499, 'stopped', 'Job execution was cancelled: User requested cancellation')
    entry.outcome = { kind: 'failed', error, endedMs: this.nowMs() }
    entry.cancelled.abort()
  }

  /** Cancels all that runs, and gives it a moment to end: DuckDB does not let itself be interrupted everywhere. */
  async close(): Promise<void> {
    const running = [...this.jobs.values()]
    for (const job of running) this.cancel(job)
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, CLOSE_WAIT_MS)
    await Promise.race([Promise.all(running.map(job => job.finished)), late])
    clearTimeout(timer)
  }

  remove(job: Job): void {
    if (this.jobs.delete(`${job.project}/${job.id}`)) this.keptRows -= rowsOf(job)
  }
}

const rowsOf = ({ outcome }: Job): number => (outcome.kind === 'done' ? outcome.result.rows.length : 0)
