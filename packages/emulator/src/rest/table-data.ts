// https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata
import type { FastifyInstance } from 'fastify'
import { tableEtag } from '../catalog/catalog.ts'
import type { Table } from '../catalog/resources.ts'
import { type Column, restTypeName } from '../catalog/table-schema.ts'
import type { EmulatorCore } from '../emulator-core.ts'
import { physicalName, quoteName } from '../storage/duckdb-names.ts'
import type { ResultColumn } from '../storage/storage.ts'
import { appendJson, type BadRow } from './append-json.ts'
import { InsertIds } from './insert-ids.ts'
import type { Job, JobStore } from './job-store.ts'
import { type PageQuery, pageBounds } from './paging.ts'
import { INSERT_ALL } from './resource-shapes.ts'
import { notImplemented, RestError } from './rest-error.ts'
import { type FormatQuery, formatOfQuery, restRows } from './rows.ts'
import { type Json, readBody } from './wire-shape.ts'

type Params = { project: string; dataset: string; table: string }
type DataQuery = PageQuery & FormatQuery & { selectedFields?: string }

/** Rows of one tabledata.list page. */
const LIST_ROWS_MAX = 100_000
/** https://cloud.google.com/bigquery/quotas#streaming_inserts */
const INSERT_ROWS_MAX = 50_000

/** What one page is cut from. */
type Source = {
  readonly etag: string
  readonly total: number
  readonly columns: readonly ResultColumn[]
  /** Rows of the columns at these positions. */
  readonly rows: (columns: readonly number[], start: number, limit: number) => Promise<readonly (readonly unknown[])[]>
}

export function tableDataRoutes(app: FastifyInstance, core: EmulatorCore, jobs: JobStore): void {
  const { catalog, storage } = core
  const table = '/projects/:project/datasets/:dataset/tables/:table'
  const insertIds = new InsertIds(core.nowMs)

  const tableSource = async (found: Table): Promise<Source> => {
    // As the table has them: DuckDB does not know a RANGE from a STRUCT.
    const columns = found.schema.columns.map(resultColumn)
    return {
      etag: tableEtag(found),
      total: Number(await storage.rowCount(found)),
      columns,
      rows: async (positions, start, limit) => {
        const kept = positions.map(position => columns[position]!)
        const names = kept.map(({ name }) => quoteName(name)).join(', ')
        const sql = `SELECT ${names} FROM ${physicalName(found)} LIMIT ${limit} OFFSET ${start}`
        return (await storage.query(sql, limit, kept)).rows
      },
    }
  }

  app.get<{ Params: Params; Querystring: DataQuery }>(`${table}/data`, async request => {
    const job = jobs.findResultTable(request.params)
    const source = job ? resultSource(job) : await tableSource(catalog.table(request.params))
    const { start, count } = pageBounds(request.query, LIST_ROWS_MAX)
    const limit = Math.min(count, LIST_ROWS_MAX)
    const positions = selectedPositions(source.columns, request.query.selectedFields)
    const columns = positions.map(position => source.columns[position]!)
    const rows = source.total === 0 ? [] : await source.rows(positions, start, limit)
    const next = start + rows.length
    return {
      kind: 'bigquery#tableDataList',
      etag: source.etag,
      totalRows: String(source.total),
      rows: restRows(columns, rows, formatOfQuery(request.query)),
      ...(next < source.total && rows.length > 0 && { pageToken: String(next) }),
    }
  })

  app.post<{ Params: Params }>(`${table}/insertAll`, async request => {
    const body = readBody(request.body, INSERT_ALL)
    if (body.templateSuffix) throw notImplemented('templateSuffix')
    const found = catalog.table(request.params)
    const given = (body.rows ?? []) as readonly { insertId?: string | null; json?: unknown }[]
    if (given.length === 0) throw new RestError(400, 'invalid', 'No rows present in the request.')
    if (given.length > INSERT_ROWS_MAX)
      throw new RestError(400, 'invalid', `Too many rows present in the request, limit: ${INSERT_ROWS_MAX}.`)
    if (found.schema.columns.length === 0) throw new RestError(400, 'invalid', `The destination table has no schema.`)

    const fresh = given.map((row, index) => ({ ...row, index })).filter(row => !insertIds.has(found, row.insertId))
    const rows = fresh.map(({ json, index }) => {
      if (typeof json !== 'object' || json === null || Array.isArray(json))
        throw new RestError(400, 'invalid', `Invalid value at 'rows[${index}].json' (object)`)
      return json as Json
    })
    const options = { ignoresUnknown: body.ignoreUnknownValues === true }
    const isPartial = body.skipInvalidRows === true
    const bad = new Map<number, BadRow>()
    let left = rows.map((_row, index) => index)
    // A row's JSON and its values are judged one after the other: bad rows may come twice.
    for (let more = true; more; more = more && isPartial) {
      const tried = left
      const errors = await appendJson(
        core,
        found,
        tried.map(index => rows[index]!),
        options,
      )
      for (const error of errors) bad.set(tried[error.index]!, { ...error, index: tried[error.index]! })
      left = tried.filter(index => !bad.has(index))
      more = errors.length > 0
    }
    const stored = bad.size === 0 || isPartial ? left.map(index => fresh[index]!) : []
    for (const row of stored) insertIds.add(found, row.insertId)
    const stopped = bad.size === 0 || isPartial ? [] : left
    const insertErrors = [...[...bad.values()].map(badRow), ...stopped.map(stoppedRow)]
    return {
      kind: 'bigquery#tableDataInsertAllResponse',
      ...(insertErrors.length > 0 && {
        insertErrors: insertErrors.map(error => ({ ...error, index: fresh[error.index]!.index })),
      }),
    }
  })
}

const resultColumn = (column: Column): ResultColumn => ({
  name: column.name,
  type: restTypeName(column.type),
  mode: column.mode === 'REPEATED' ? 'REPEATED' : 'NULLABLE',
  ...(column.type === 'STRUCT' && { fields: column.fields.map(resultColumn) }),
  ...(column.rangeElementType && { rangeElementType: { type: column.rangeElementType } }),
})

function resultSource(job: Job): Source {
  const result = job.outcome.kind === 'done' ? job.outcome.result : undefined
  const rows = result?.rows ?? []
  return {
    etag: job.id,
    total: rows.length,
    columns: result?.columns ?? [],
    rows: async (positions, start, limit) =>
      rows.slice(start, start + limit).map(row => positions.map(position => row[position])),
  }
}

const errorEntry = (index: number, reason: string, location: string, message: string) => ({
  index,
  errors: [{ reason, location, debugInfo: '', message }],
})
const badRow = ({ index, location, message }: BadRow) => errorEntry(index, 'invalid', location, message)
/** A good row of a request that was refused for another. */
const stoppedRow = (index: number) => errorEntry(index, 'stopped', '', '')

/** Where the columns asked for are, in the table's order; all when none are named. Throws RestError. */
function selectedPositions(columns: readonly ResultColumn[], fields: string | undefined): readonly number[] {
  const all = columns.map((_column, index) => index)
  if (!fields) return all
  const wanted = new Set(fields.split(',').map(name => name.trim().toLowerCase()))
  for (const name of wanted) {
    if (name.includes('.')) throw notImplemented(`selectedFields of a nested column (${name})`)
    if (!columns.some(column => column.name.toLowerCase() === name))
      throw new RestError(400, 'invalid', `Invalid selectedFields: no such column: ${name}`)
  }
  return all.filter(index => wanted.has(columns[index]!.name.toLowerCase()))
}
