// A query as a job: from a jobs.query request or a job's configuration to its resource.
import { DEFAULT_LOCATION } from '../catalog/catalog.ts'
import type { EmulatorCore } from '../emulator-core.ts'
import { writeDestination } from './destination-table.ts'
import type { Job, NewJob } from './job-store.ts'
import { readQueryParameters } from './query-parameters.ts'
import { errorProto, notImplemented, required } from './rest-error.ts'
import { resultTableReference, tableReference } from './result-tables.ts'
import { runStatement, type StatementRequest, type StatementResult } from './statements.ts'
import type { Json } from './wire-shape.ts'

const WAIT_DEFAULT_MS = 10_000
/** https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/query: "less than 200 seconds" */
const WAIT_MAX_MS = 200_000

/** Resolves when the job has ended, or after `timeoutMs`. */
export async function ended(job: Job, timeoutMs: unknown): Promise<void> {
  const stated = timeoutMs === undefined || timeoutMs === null ? WAIT_DEFAULT_MS : Number(timeoutMs)
  if (job.outcome.kind !== 'running') return
  const { promise: timeout, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, Math.min(Math.max(Number.isNaN(stated) ? WAIT_DEFAULT_MS : stated, 0), WAIT_MAX_MS))
  await Promise.race([job.finished, timeout])
  clearTimeout(timer)
}

/** The statement a query configuration asks for. Throws RestError 400 or 501. */
function statementOf(query: Json, project: string, isDryRun: boolean): StatementRequest {
  const sql = query.query
  if (typeof sql !== 'string' || sql.trim() === '') throw required('query')
  if (query.useLegacySql === true || /^\s*#legacySQL/i.test(sql))
    throw notImplemented('Legacy SQL (set useLegacySql to false)')
  if (query.createSession === true) throw notImplemented('createSession')
  if (query.continuous === true) throw notImplemented('A continuous query')
  const defaults = (query.defaultDataset ?? {}) as { datasetId?: string; projectId?: string }
  return {
    sql,
    project: defaults.projectId ?? project,
    dataset: defaults.datasetId,
    parameters: readQueryParameters(query),
    isDryRun,
  }
}

/** A job that runs the query of a configuration. Throws RestError 400 or 501 for what can be told before it runs. */
export function queryJob(
  core: EmulatorCore,
  given: { project: string; id?: string | undefined; location: unknown; configuration: Json; requestId?: string },
): NewJob {
  const query = (given.configuration.query ?? {}) as Json
  const statement = statementOf(query, given.project, given.configuration.dryRun === true)
  for (const key of ['tableDefinitions', 'userDefinedFunctionResources'])
    if (query[key] !== undefined && query[key] !== null) throw notImplemented(`configuration.query.${key}`)
  const home =
    statement.dataset === undefined
      ? undefined
      : core.catalog.findDataset({ project: statement.project, dataset: statement.dataset })
  return {
    project: given.project,
    id: given.id,
    location:
      typeof given.location === 'string' && given.location !== ''
        ? given.location
        : (home?.location ?? DEFAULT_LOCATION),
    configuration: { jobType: 'QUERY', ...given.configuration },
    requestId: given.requestId,
    run: async signal => {
      const result = await runStatement(core, statement, { signal })
      signal.throwIfAborted()
      if (query.destinationTable && !statement.isDryRun) await writeDestination(core, query, result)
      return result
    },
  }
}

export const jobReference = ({ project, id, location }: Job): Json => ({ projectId: project, jobId: id, location })

export function jobResource(job: Job): Json {
  const { configuration, outcome } = job
  return {
    kind: 'bigquery#job',
    etag: `${job.id}.${outcome.kind}`,
    id: `${job.project}:${job.location}.${job.id}`,
    user_email: `emulator@${job.project}.iam.gserviceaccount.com`,
    jobReference: jobReference(job),
    configuration: withDestination(job),
    statistics: {
      creationTime: String(job.createdMs),
      startTime: String(job.createdMs),
      ...(outcome.kind !== 'running' && { endTime: String(outcome.endedMs) }),
      totalBytesProcessed: '0',
      query: outcome.kind === 'done' ? queryStatistics(outcome.result, configuration.dryRun === true) : {},
    },
    status: {
      state: outcome.kind === 'running' ? 'RUNNING' : 'DONE',
      ...(outcome.kind === 'failed' && {
        errorResult: errorProto(outcome.error),
        errors: [errorProto(outcome.error)],
      }),
    },
  }
}

/** A query that names no destination has its result in an anonymous table. */
function withDestination(job: Job): Json {
  const query = (job.configuration.query ?? {}) as Json
  const hasResult = job.outcome.kind !== 'done' || job.outcome.result.columns !== undefined
  return {
    ...job.configuration,
    query: {
      createDisposition: 'CREATE_IF_NEEDED',
      writeDisposition: query.destinationTable ? 'WRITE_EMPTY' : 'WRITE_TRUNCATE',
      priority: 'INTERACTIVE',
      useLegacySql: false,
      ...query,
      ...(!query.destinationTable && hasResult && { destinationTable: resultTableReference(job) }),
    },
  }
}

function queryStatistics(result: StatementResult, isDryRun: boolean): Json {
  return {
    statementType: result.statementType,
    totalBytesProcessed: '0',
    totalBytesBilled: '0',
    totalSlotMs: '0',
    billingTier: 0,
    cacheHit: false,
    ...(result.referencedTables.length > 0 && { referencedTables: result.referencedTables.map(tableReference) }),
    ...(isDryRun && result.columns && { schema: { fields: result.columns } }),
    ...dmlNumbers(result),
    ...(result.ddl && {
      ddlOperationPerformed: result.ddl.operation,
      ddlTargetTable: tableReference(result.ddl.target),
    }),
  }
}

/** As jobs.query, getQueryResults and a job's statistics tell them. */
export function dmlNumbers({ dml }: StatementResult): Json {
  if (!dml) return {}
  return {
    numDmlAffectedRows: String(dml.inserted + dml.updated + dml.deleted),
    dmlStats: {
      insertedRowCount: String(dml.inserted),
      updatedRowCount: String(dml.updated),
      deletedRowCount: String(dml.deleted),
    },
  }
}
