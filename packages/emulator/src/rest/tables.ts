// https://cloud.google.com/bigquery/docs/reference/rest/v2/tables
import type { FastifyInstance } from 'fastify'
import { tableEtag } from '../catalog/catalog.ts'
import type { Table } from '../catalog/resources.ts'
import { schemaFromRest, schemaToRest, type TableSchema } from '../catalog/table-schema.ts'
import type { EmulatorCore } from '../emulator-core.ts'
import { checkDefault } from '../rows/defaults.ts'
import { pickEchoed } from './datasets.ts'
import type { JobStore } from './job-store.ts'
import { type PageQuery, page } from './paging.ts'
import { TABLE, TABLE_ECHOED } from './resource-shapes.ts'
import { notImplemented, required } from './rest-error.ts'
import { resultTableResource } from './result-tables.ts'
import { type Json, readBody } from './wire-shape.ts'

type DatasetParams = { project: string; dataset: string }
type Params = DatasetParams & { table: string }

const NOT_EMULATED = [
  'view',
  'materializedView',
  'externalDataConfiguration',
  'snapshotDefinition',
  'cloneDefinition',
  'biglakeConfiguration',
]

const head = (table: Table): Json => ({
  kind: 'bigquery#table',
  id: `${table.project}:${table.dataset}.${table.table}`,
  tableReference: { projectId: table.project, datasetId: table.dataset, tableId: table.table },
  creationTime: String(table.createdMs),
  type: 'TABLE',
})

const resource = (table: Table): Json => ({
  ...head(table),
  etag: tableEtag(table),
  ...(table.schema.columns.length > 0 && { schema: schemaToRest(table.schema) }),
  lastModifiedTime: String(table.modifiedMs),
  location: table.location,
  numBytes: '0',
  numLongTermBytes: '0',
  ...table.rest,
})

const LISTED = [
  'friendlyName',
  'labels',
  'expirationTime',
  'timePartitioning',
  'rangePartitioning',
  'clustering',
  'requirePartitionFilter',
]
const listed = (table: Table): Json => ({
  ...head(table),
  ...Object.fromEntries(LISTED.filter(key => table.rest[key] !== undefined).map(key => [key, table.rest[key]])),
})

function readTable(given: unknown): { body: Json; schema: TableSchema | undefined; rest: Record<string, unknown> } {
  const body = readBody(given, TABLE)
  for (const key of NOT_EMULATED) if (body[key] !== undefined && body[key] !== null) throw notImplemented(key)
  const schema = body.schema ? schemaFromRest(body.schema) : undefined
  for (const column of schema?.columns ?? []) checkDefault(column)
  return { body, schema, rest: pickEchoed(body, TABLE_ECHOED) }
}

export function tableRoutes(app: FastifyInstance, { catalog, storage, streams }: EmulatorCore, jobs: JobStore): void {
  const tables = '/projects/:project/datasets/:dataset/tables'
  const counted = async (table: Table): Promise<Json> => ({
    ...resource(table),
    numRows: String(await storage.rowCount(table)),
  })

  app.post<{ Params: DatasetParams }>(tables, async request => {
    const { body, schema, rest } = readTable(request.body)
    const { tableId } = (body.tableReference ?? {}) as { tableId?: string }
    if (!tableId) throw required('tableReference.tableId')
    const ref = { ...request.params, table: tableId }
    return { ...resource(await catalog.createTable(ref, schema ?? { columns: [] }, rest)), numRows: '0' }
  })

  app.get<{ Params: DatasetParams; Querystring: PageQuery }>(tables, async request => {
    catalog.dataset(request.params)
    const all = catalog.tablesOf(request.params)
    const { items, nextPageToken } = page(all, request.query)
    return {
      kind: 'bigquery#tableList',
      totalItems: all.length,
      ...(items.length > 0 && { tables: items.map(listed) }),
      ...(nextPageToken && { nextPageToken }),
    }
  })

  app.get<{ Params: Params }>(`${tables}/:table`, async request => {
    const result = jobs.findResultTable(request.params)
    return result ? resultTableResource(result) : counted(catalog.table(request.params))
  })

  for (const method of ['PATCH', 'PUT'] as const)
    app.route<{ Params: Params }>({
      method,
      url: `${tables}/:table`,
      handler: async request => {
        const { schema, rest } = readTable(request.body)
        const ifMatch = request.headers['if-match']
        const table = await catalog.alterTable(request.params, {
          rest,
          isReplacement: method === 'PUT',
          // A PUT without columns leaves them: the service has no way to drop them here.
          ...(schema && { schema }),
          ...(ifMatch !== undefined && { ifMatch }),
        })
        return counted(table)
      },
    })

  app.delete<{ Params: Params }>(`${tables}/:table`, async (request, reply) => {
    await catalog.dropTable(request.params)
    streams.forgetDead()
    return reply.code(204).send()
  })
}
