// https://cloud.google.com/bigquery/docs/reference/rest/v2/datasets
import type { FastifyInstance } from 'fastify'
import { DEFAULT_LOCATION, datasetEtag } from '../catalog/catalog.ts'
import type { Dataset } from '../catalog/resources.ts'
import type { EmulatorCore } from '../emulator-core.ts'
import { type PageQuery, page } from './paging.ts'
import { DATASET, DATASET_ECHOED } from './resource-shapes.ts'
import { RestError, required } from './rest-error.ts'
import { type Json, readBody } from './wire-shape.ts'

type Project = { project: string }
type Params = Project & { dataset: string }

/** The members of `body` that are stored as they are. */
export const pickEchoed = (body: Json, echoed: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(body).filter(([name]) => Object.hasOwn(echoed, name)))

/** Who may do what in a dataset nobody gave an access list; the emulator asks nobody. */
const DEFAULT_ACCESS: readonly Json[] = [
  { role: 'WRITER', specialGroup: 'projectWriters' },
  { role: 'OWNER', specialGroup: 'projectOwners' },
  { role: 'READER', specialGroup: 'projectReaders' },
]

const head = (dataset: Dataset): Json => ({
  kind: 'bigquery#dataset',
  id: `${dataset.project}:${dataset.dataset}`,
  datasetReference: { projectId: dataset.project, datasetId: dataset.dataset },
  location: dataset.location,
})

const resource = (dataset: Dataset): Json => ({
  ...head(dataset),
  etag: datasetEtag(dataset),
  creationTime: String(dataset.createdMs),
  lastModifiedTime: String(dataset.modifiedMs),
  type: 'DEFAULT',
  access: DEFAULT_ACCESS,
  ...dataset.rest,
})

const listed = (dataset: Dataset): Json => ({
  ...head(dataset),
  ...(dataset.rest.friendlyName !== undefined && { friendlyName: dataset.rest.friendlyName }),
  ...(dataset.rest.labels !== undefined && { labels: dataset.rest.labels }),
})

/** `labels.key:value labels.other`, all of which must hold. */
function labelFilter(filter: string | undefined): (dataset: Dataset) => boolean {
  const wanted = (filter ?? '')
    .split(/\s+/)
    .filter(term => term !== '')
    .map(term => /^labels\.([^:]+)(?::(.*))?$/.exec(term) ?? raise(term))
  return ({ rest }) => {
    const labels = (rest.labels ?? {}) as Json
    return wanted.every(
      ([, key, value]) => Object.hasOwn(labels, key!) && (value === undefined || labels[key!] === value),
    )
  }
}

function raise(term: string): never {
  throw new RestError(400, 'invalid', `Invalid filter "${term}": labels.KEY or labels.KEY:VALUE is expected`)
}

export function datasetRoutes(app: FastifyInstance, { catalog, streams }: EmulatorCore): void {
  const datasets = '/projects/:project/datasets'

  app.post<{ Params: Project }>(datasets, async request => {
    const body = readBody(request.body, DATASET)
    const reference = body.datasetReference as { datasetId?: string; projectId?: string } | undefined
    if (!reference?.datasetId) throw required('datasetReference.datasetId')
    const ref = { project: reference.projectId ?? request.params.project, dataset: reference.datasetId }
    const location = (body.location as string | undefined) || DEFAULT_LOCATION
    return resource(await catalog.createDataset(ref, location, pickEchoed(body, DATASET_ECHOED)))
  })

  app.get<{ Params: Project; Querystring: PageQuery & { all?: string; filter?: string } }>(datasets, async request => {
    const { all, filter } = request.query
    const matches = labelFilter(filter)
    // A name that starts with an underscore is a hidden dataset.
    const shown = catalog
      .datasetsOf(request.params.project)
      .filter(dataset => (all === 'true' || !dataset.dataset.startsWith('_')) && matches(dataset))
    const { items, nextPageToken } = page(shown, request.query)
    return {
      kind: 'bigquery#datasetList',
      ...(items.length > 0 && { datasets: items.map(listed) }),
      ...(nextPageToken && { nextPageToken }),
    }
  })

  app.get<{ Params: Params }>(`${datasets}/:dataset`, async request => resource(catalog.dataset(request.params)))

  for (const method of ['PATCH', 'PUT'] as const)
    app.route<{ Params: Params }>({
      method,
      url: `${datasets}/:dataset`,
      handler: async request => {
        const ifMatch = request.headers['if-match']
        return resource(
          await catalog.alterDataset(request.params, {
            rest: pickEchoed(readBody(request.body, DATASET), DATASET_ECHOED),
            isReplacement: method === 'PUT',
            ...(ifMatch !== undefined && { ifMatch }),
          }),
        )
      },
    })

  app.delete<{ Params: Params; Querystring: { deleteContents?: string } }>(
    `${datasets}/:dataset`,
    async (request, reply) => {
      await catalog.dropDataset(request.params, { deleteContents: request.query.deleteContents === 'true' })
      streams.forgetDead()
      return reply.code(204).send()
    },
  )
}
