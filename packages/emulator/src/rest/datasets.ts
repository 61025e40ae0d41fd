// https://cloud.google.com/bigquery/docs/reference/rest/v2/datasets
import type { FastifyInstance } from 'fastify'
import { DEFAULT_LOCATION, datasetEtag } from '../catalog/catalog.ts'
import type { Dataset } from '../catalog/resources.ts'
import type { EmulatorCore } from '../emulator-core.ts'
import { type PageQuery, page } from './paging.ts'
import { RestError } from './rest-error.ts'

type Params = { project: string; dataset: string }
/** Stored and echoed. */
const ECHOED = ['friendlyName', 'description', 'labels', 'defaultTableExpirationMs', 'access']

export function pickEchoed(body: Record<string, unknown>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(keys.filter(key => body[key] !== undefined).map(key => [key, body[key]]))
}

function resource(dataset: Dataset): Record<string, unknown> {
  return {
    kind: 'bigquery#dataset',
    etag: datasetEtag(dataset),
    id: `${dataset.project}:${dataset.dataset}`,
    datasetReference: { projectId: dataset.project, datasetId: dataset.dataset },
    location: dataset.location,
    creationTime: String(dataset.createdMs),
    lastModifiedTime: String(dataset.modifiedMs),
    type: 'DEFAULT',
    ...dataset.rest,
  }
}

export function datasetRoutes(app: FastifyInstance, { catalog }: EmulatorCore): void {
  app.post<{ Params: { project: string }; Body: Record<string, unknown> | null }>(
    '/projects/:project/datasets',
    async request => {
      const body = request.body ?? {}
      const reference = body.datasetReference as { datasetId?: unknown } | undefined
      if (typeof reference?.datasetId !== 'string')
        throw new RestError(400, 'required', 'Required parameter is missing: datasetReference')
      const location = typeof body.location === 'string' ? body.location : DEFAULT_LOCATION
      const ref = { project: request.params.project, dataset: reference.datasetId }
      return resource(await catalog.createDataset(ref, location, pickEchoed(body, ECHOED)))
    },
  )
  app.get<{ Params: { project: string }; Querystring: PageQuery }>('/projects/:project/datasets', async request => {
    const { items, nextPageToken } = page(catalog.datasetsOf(request.params.project), request.query)
    return {
      kind: 'bigquery#datasetList',
      ...(items.length > 0 && { datasets: items.map(resource) }),
      ...(nextPageToken && { nextPageToken }),
    }
  })
  app.get<{ Params: Params }>('/projects/:project/datasets/:dataset', async request =>
    resource(catalog.dataset(request.params)),
  )
  app.delete<{ Params: Params; Querystring: { deleteContents?: string } }>(
    '/projects/:project/datasets/:dataset',
    async (request, reply) => {
      await catalog.dropDataset(request.params, { deleteContents: request.query.deleteContents === 'true' })
      return reply.code(204).send()
    },
  )
}
