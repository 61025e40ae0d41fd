// The anonymous table a query's result is in: clients read configuration.query.destinationTable and list its data (Java does).
import type { TableRef } from '../catalog/names.ts'
import type { Job } from './job-store.ts'
import type { Json } from './wire-shape.ts'

/** No dataset of the catalog: its tables are the results of jobs. */
export const RESULTS_DATASET = '_emulator_results'

export const resultTableName = (jobId: string): string => `anon${jobId.replaceAll('-', '_')}`

const resultTable = ({ project, id }: Job): TableRef => ({
  project,
  dataset: RESULTS_DATASET,
  table: resultTableName(id),
})

export const tableReference = ({ project, dataset, table }: TableRef): Json => ({
  projectId: project,
  datasetId: dataset,
  tableId: table,
})

export const resultTableReference = (job: Job): Json => tableReference(resultTable(job))

export function resultTableResource(job: Job): Json {
  const { project, dataset, table } = resultTable(job)
  const result = job.outcome.kind === 'done' ? job.outcome.result : undefined
  return {
    kind: 'bigquery#table',
    etag: job.id,
    id: `${project}:${dataset}.${table}`,
    tableReference: resultTableReference(job),
    schema: { fields: result?.columns ?? [] },
    numRows: String(result?.rows.length ?? 0),
    numBytes: '0',
    creationTime: String(job.createdMs),
    lastModifiedTime: String(job.createdMs),
    type: 'TABLE',
    location: job.location,
  }
}
