// https://cloud.google.com/bigquery/docs/reference/rest/v2/tables and …/tabledata/list
import type { FastifyInstance } from 'fastify'
import { tableEtag } from '../catalog/catalog.ts'
import type { Table } from '../catalog/resources.ts'
import { type Column, schemaFromRest, schemaToRest, type TableSchema } from '../catalog/table-schema.ts'
import type { EmulatorCore } from '../emulator-core.ts'
import { quoteTable } from '../sql/translate.ts'
import { pickEchoed } from './datasets.ts'
import { type PageQuery, page, pageBounds } from './paging.ts'
import { RestError } from './rest-error.ts'
import { restRows } from './rows.ts'

type Params = { project: string; dataset: string; table: string }
type Body = Record<string, unknown> | null

/** Stored and echoed; partitioning and clustering change nothing about how the emulator keeps rows. */
const ECHOED = [
  'friendlyName',
  'description',
  'labels',
  'expirationTime',
  'timePartitioning',
  'rangePartitioning',
  'clustering',
  'requirePartitionFilter',
  'tableConstraints',
  'maxStaleness',
]
/** Rows of one tabledata.list page. */
const LIST_ROWS_MAX = 100_000

function resource(table: Table): Record<string, unknown> {
  return {
    kind: 'bigquery#table',
    etag: tableEtag(table),
    id: `${table.project}:${table.dataset}.${table.table}`,
    tableReference: { projectId: table.project, datasetId: table.dataset, tableId: table.table },
    schema: schemaToRest(table.schema),
    creationTime: String(table.createdMs),
    lastModifiedTime: String(table.modifiedMs),
    type: 'TABLE',
    location: table.location,
    ...table.rest,
  }
}

/** Default expressions need the Write API's missing-value rules, which are not there yet: refused rather than ignored. */
function refuseDefaults(columns: readonly Column[]): void {
  for (const column of columns) {
    if (column.defaultExpression !== undefined)
      throw new RestError(
        501,
        'notImplemented',
        `Field ${column.name}: defaultValueExpression is not supported by this emulator yet`,
      )
    refuseDefaults(column.fields)
  }
}

function readSchema(body: Record<string, unknown>): TableSchema | undefined {
  if (body.schema === undefined) return undefined
  const schema = schemaFromRest(body.schema)
  refuseDefaults(schema.columns)
  return schema
}

export function tableRoutes(app: FastifyInstance, core: EmulatorCore): void {
  const { catalog, storage, streams } = core
  const tables = '/projects/:project/datasets/:dataset/tables'

  app.post<{ Params: Omit<Params, 'table'>; Body: Body }>(tables, async request => {
    const body = request.body ?? {}
    const reference = body.tableReference as { tableId?: unknown } | undefined
    if (typeof reference?.tableId !== 'string')
      throw new RestError(400, 'required', 'Required parameter is missing: tableReference')
    for (const key of ['view', 'materializedView', 'externalDataConfiguration'])
      if (body[key] !== undefined)
        throw new RestError(501, 'notImplemented', `${key} is not supported by this emulator`)
    const schema = readSchema(body) ?? { columns: [] }
    return resource(
      await catalog.createTable({ ...request.params, table: reference.tableId }, schema, pickEchoed(body, ECHOED)),
    )
  })
  app.get<{ Params: Omit<Params, 'table'>; Querystring: PageQuery }>(tables, async request => {
    catalog.dataset(request.params)
    const all = catalog.tablesOf(request.params)
    const { items, nextPageToken } = page(all, request.query)
    return {
      kind: 'bigquery#tableList',
      totalItems: all.length,
      ...(items.length > 0 && { tables: items.map(table => ({ ...resource(table), schema: undefined })) }),
      ...(nextPageToken && { nextPageToken }),
    }
  })
  app.get<{ Params: Params }>(`${tables}/:table`, async request => {
    const table = catalog.table(request.params)
    return { ...resource(table), numRows: String(await storage.rowCount(table)) }
  })
  const patch = async (
    params: Params,
    body: Record<string, unknown>,
    ifMatch: string | undefined,
  ): Promise<Record<string, unknown>> => {
    const schema = readSchema(body)
    const rest = pickEchoed(body, ECHOED)
    return resource(
      await catalog.alterTable(params, { rest, ...(schema && { schema }), ...(ifMatch !== undefined && { ifMatch }) }),
    )
  }
  for (const method of ['PATCH', 'PUT'] as const)
    app.route<{ Params: Params; Body: Body }>({
      method,
      url: `${tables}/:table`,
      handler: async request => patch(request.params, request.body ?? {}, request.headers['if-match']),
    })
  app.delete<{ Params: Params }>(`${tables}/:table`, async (request, reply) => {
    await catalog.dropTable(request.params)
    streams.forgetDead()
    return reply.code(204).send()
  })
  app.get<{ Params: Params; Querystring: PageQuery & { 'formatOptions.useInt64Timestamp'?: string } }>(
    `${tables}/:table/data`,
    async request => {
      const table = catalog.table(request.params)
      const { start, count } = pageBounds(request.query, LIST_ROWS_MAX)
      const limit = Math.min(count, LIST_ROWS_MAX)
      const total = await storage.rowCount(table)
      const result = await storage.query(`SELECT * FROM ${quoteTable(table)} LIMIT ${limit} OFFSET ${start}`, limit)
      const next = start + result.rows.length
      return {
        kind: 'bigquery#tableDataList',
        etag: tableEtag(table),
        totalRows: String(total),
        rows: restRows(result.columns, result.rows, {
          isInt64Timestamp: request.query['formatOptions.useInt64Timestamp'] === 'true',
        }),
        ...(next < total && result.rows.length > 0 && { pageToken: String(next) }),
      }
    },
  )
}
