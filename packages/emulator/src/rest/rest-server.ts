// The REST listener: BigQuery v2 under /bigquery/v2 and, for clients that take an endpoint as a base path (Go, Node by
// BIGQUERY_EMULATOR_HOST), without it; discovery; the emulator's own endpoints under /emulator.
import type { IncomingMessage } from 'node:http'
import { type FastifyRequest, fastify } from 'fastify'
import { FORBIDDEN_TEXT, UNAUTHENTICATED_TEXT } from '../access.ts'
import type { EmulatorCore } from '../emulator-core.ts'
import type { Tls } from '../grpc/grpc-server.ts'
import { controlRoutes } from './control.ts'
import { datasetRoutes } from './datasets.ts'
import { discoveryRoutes } from './discovery.ts'
import { JobStore } from './job-store.ts'
import { jobRoutes } from './jobs.ts'
import { projectRoutes } from './projects.ts'
import { queryRoutes } from './queries.ts'
import { BODY_BYTES_MAX, parseBody } from './request-body.ts'
import { asRestError, errorBody, notImplemented, RestError } from './rest-error.ts'
import { tableDataRoutes } from './table-data.ts'
import { tableRoutes } from './tables.ts'

const PREFIX = '/bigquery/v2'

type RestListener = { readonly port: number; close(): Promise<void> }

/** One path per resource, and the method that is meant: Java sends PATCH as POST with X-HTTP-Method-Override. */
function canonicalUrl(request: IncomingMessage): string {
  const override = request.headers['x-http-method-override']
  if (request.method === 'POST' && typeof override === 'string') request.method = override.toUpperCase()
  const url = (request.url ?? '/').replace(/^\/{2,}/, '/')
  return /^\/projects(?:[/?]|$)/.test(url) ? PREFIX + url : url
}

/** Before the body is read, which is no JSON. */
async function refuseUpload(): Promise<never> {
  throw notImplemented('Upload (a load job)')
}

export async function listenRest(
  core: EmulatorCore,
  at: { host: string; port: number; tls?: Tls | undefined },
): Promise<RestListener> {
  const jobs = new JobStore(core.nowMs)
  const app = fastify({
    bodyLimit: BODY_BYTES_MAX,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 1500 },
    rewriteUrl: canonicalUrl,
    ...(at.tls && { https: { cert: at.tls.cert, key: at.tls.key } }),
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request: FastifyRequest, body: Buffer) =>
    parseBody(body, request.headers['content-encoding']),
  )
  // Of a query parameter given more than once, the last counts.
  app.addHook('preValidation', async request => {
    const query = request.query as Record<string, unknown>
    for (const [name, value] of Object.entries(query)) if (Array.isArray(value)) query[name] = value.at(-1)
  })
  app.setErrorHandler((error, _request, reply) => {
    const restError = asRestError(error)
    return reply.code(restError.httpStatus).send(errorBody(restError))
  })
  app.setNotFoundHandler((request, reply) =>
    reply
      .code(404)
      .send(
        errorBody(new RestError(404, 'notFound', `${request.method} ${request.url} is not served by this emulator`)),
      ),
  )
  app.register(
    async api => {
      api.addHook('onRequest', async request => {
        const verdict = core.access.judge(request.headers.authorization)
        if (verdict === 'unauthenticated') throw new RestError(401, 'authError', UNAUTHENTICATED_TEXT)
        if (verdict === 'forbidden') throw new RestError(403, 'accessDenied', FORBIDDEN_TEXT)
      })
      projectRoutes(api, core)
      datasetRoutes(api, core)
      tableRoutes(api, core, jobs)
      tableDataRoutes(api, core, jobs)
      jobRoutes(api, core, jobs)
      queryRoutes(api, core, jobs)
    },
    { prefix: PREFIX },
  )
  for (const upload of ['/upload/bigquery/v2/*', '/resumable/upload/bigquery/v2/*'])
    app.post(upload, { onRequest: refuseUpload }, refuseUpload)
  discoveryRoutes(app as never, PREFIX)
  controlRoutes(app as never, core)
  await app.listen({ host: at.host, port: at.port })
  const address = app.server.address()
  return {
    port: typeof address === 'object' && address ? address.port : at.port,
    async close() {
      await app.close()
      await jobs.close()
    },
  }
}
