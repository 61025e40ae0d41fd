// Projects and what datasets never have here. https://cloud.google.com/bigquery/docs/reference/rest/v2/projects
import { createHash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { EmulatorCore } from '../emulator-core.ts'
import { type PageQuery, page } from './paging.ts'

/** Clients want one (Python): 40 bits of the name, always the same. */
const numericId = (projectId: string): string =>
  String(Number.parseInt(createHash('sha256').update(projectId).digest('hex').slice(0, 10), 16))

export function projectRoutes(app: FastifyInstance, { catalog }: EmulatorCore): void {
  app.get<{ Querystring: PageQuery }>('/projects', async request => {
    const all = catalog.projects()
    const { items, nextPageToken } = page(all, request.query)
    return {
      kind: 'bigquery#projectList',
      totalItems: all.length,
      projects: items.map(projectId => ({
        kind: 'bigquery#project',
        id: projectId,
        numericId: numericId(projectId),
        friendlyName: projectId,
        projectReference: { projectId },
      })),
      ...(nextPageToken && { nextPageToken }),
    }
  })
  app.get<{ Params: { project: string } }>('/projects/:project/serviceAccount', async request => ({
    kind: 'bigquery#getServiceAccountResponse',
    email: `bq-${request.params.project}@bigquery-encryption.iam.gserviceaccount.com`,
  }))
  // Clients list these before they delete a dataset: there are none.
  for (const nothing of ['models', 'routines'])
    app.get<{ Params: { project: string; dataset: string } }>(
      `/projects/:project/datasets/:dataset/${nothing}`,
      async request => {
        catalog.dataset(request.params)
        return { [nothing]: [] }
      },
    )
}
