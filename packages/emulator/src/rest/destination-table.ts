// A query's result put into the table its configuration names.
// https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationQuery
import type { TableRef } from '../catalog/names.ts'
import type { Table } from '../catalog/resources.ts'
import { schemaFromRest } from '../catalog/table-schema.ts'
import type { EmulatorCore } from '../emulator-core.ts'
import type { ResultColumn } from '../storage/storage.ts'
import { appendJson } from './append-json.ts'
import { notImplemented, RestError, required } from './rest-error.ts'
import { isoText } from './rows.ts'
import type { StatementResult } from './statements.ts'
import type { Json } from './wire-shape.ts'

/** Rows appended at a time: some MB of JSON. */
const BATCH_ROWS = 5000

type Disposition = 'WRITE_EMPTY' | 'WRITE_APPEND' | 'WRITE_TRUNCATE'
const DISPOSITIONS: readonly unknown[] = ['WRITE_EMPTY', 'WRITE_APPEND', 'WRITE_TRUNCATE']

/** `query` is the configuration, with a destinationTable. Throws RestError. */
export async function writeDestination(core: EmulatorCore, query: Json, result: StatementResult): Promise<void> {
  const { columns, rows } = result
  if (!columns)
    throw new RestError(400, 'invalid', `Cannot set destination table in jobs with ${result.statementType} statements`)
  if (((query.schemaUpdateOptions ?? []) as unknown[]).length > 0) throw notImplemented('schemaUpdateOptions')
  const table = await emptyOrOpen(core, query, columns)
  for (let start = 0; start < rows.length; start += BATCH_ROWS) {
    const batch = rows.slice(start, start + BATCH_ROWS).map(row => plainRow(row, columns))
    const [bad] = await appendJson(core, table, batch, { ignoresUnknown: false })
    if (bad)
      throw new RestError(400, 'invalid', `Row ${start + bad.index} does not fit the destination: ${bad.message}`)
  }
}

async function emptyOrOpen(core: EmulatorCore, query: Json, columns: readonly ResultColumn[]): Promise<Table> {
  const { catalog, storage, streams } = core
  const ref = destinationOf(query)
  const disposition = (query.writeDisposition ?? 'WRITE_EMPTY') as Disposition
  if (!DISPOSITIONS.includes(disposition))
    throw new RestError(400, 'invalid', `Invalid writeDisposition ${String(disposition)}`)
  catalog.dataset(ref)
  const existing = catalog.findTable(ref)
  if (!existing) {
    if (query.createDisposition === 'CREATE_NEVER') return catalog.table(ref)
    return catalog.createTable(ref, schemaFromRest({ fields: columns }), layoutOf(query))
  }
  if (disposition === 'WRITE_APPEND') return existing
  if (disposition === 'WRITE_EMPTY') {
    if ((await storage.rowCount(existing)) > 0n)
      throw new RestError(409, 'duplicate', `Already Exists: Table ${ref.project}:${ref.dataset}.${ref.table}`)
    return existing
  }
  // The service keeps the table and replaces columns and rows; streams of the old rows end here.
  const rest = { ...existing.rest, ...layoutOf(query) }
  const table = await catalog.createTable(ref, schemaFromRest({ fields: columns }), rest, { isReplacing: true })
  streams.forgetDead()
  return table
}

function destinationOf(query: Json): TableRef {
  const { projectId, datasetId, tableId } = query.destinationTable as Record<string, string | null | undefined>
  if (!projectId || !datasetId || !tableId) throw required('destinationTable: projectId, datasetId and tableId')
  return { project: projectId, dataset: datasetId, table: tableId }
}

const LAYOUT = ['timePartitioning', 'rangePartitioning', 'clustering'] as const
const layoutOf = (query: Json): Record<string, unknown> =>
  Object.fromEntries(LAYOUT.filter(key => query[key]).map(key => [key, query[key]]))

const plainRow = (row: readonly unknown[], columns: readonly ResultColumn[]): Json =>
  Object.fromEntries(columns.map((column, index) => [column.name, plainValue(row[index], column)]))

/** A result value in the JSON form of insertAll. */
function plainValue(value: unknown, column: ResultColumn): unknown {
  if (value === null || value === undefined) return null
  if (column.mode === 'REPEATED')
    return (value as { v: unknown }[]).map(item => plainValue(item.v, { ...column, mode: 'NULLABLE' }))
  if (column.type === 'RECORD')
    return plainRow(
      (value as { f: { v: unknown }[] }).f.map(entry => entry.v),
      column.fields!,
    )
  return column.type === 'TIMESTAMP' && /^-?\d+$/.test(String(value)) ? isoText(BigInt(String(value))) : value
}
