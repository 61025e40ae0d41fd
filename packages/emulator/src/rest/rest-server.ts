// The REST listener: BigQuery v2 under /bigquery/v2, the emulator's own endpoints under /emulator.
import { fastify } from 'fastify'
import { FORBIDDEN_TEXT, UNAUTHENTICATED_TEXT } from '../access.ts'
import type { EmulatorCore } from '../emulator-core.ts'
import type { Tls } from '../grpc/grpc-server.ts'
import { controlRoutes } from './control.ts'
import { datasetRoutes } from './datasets.ts'
import { queryRoutes } from './queries.ts'
import { asRestError, errorBody, RestError } from './rest-error.ts'
import { tableRoutes } from './tables.ts'

const BODY_BYTES_MAX = 16 * 1024 * 1024

export type RestListener = { readonly port: number; close(): Promise<void> }

export async function listenRest(
  core: EmulatorCore,
  at: { host: string; port: number; tls?: Tls | undefined },
): Promise<RestListener> {
  const app = fastify({
    bodyLimit: BODY_BYTES_MAX,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 1500 },
    ...(at.tls && { https: { cert: at.tls.cert, key: at.tls.key } }),
  })
  // Clients send JSON under other names too, and DELETE with a JSON content type and no body.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
    if (body === '') return done(null, null)
    try {
      done(null, JSON.parse(body as string))
    } catch {
      done(new RestError(400, 'parseError', 'Parse Error: the request body is no JSON'))
    }
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
      datasetRoutes(api, core)
      tableRoutes(api, core)
      queryRoutes(api, core)
    },
    { prefix: '/bigquery/v2' },
  )
  controlRoutes(app as never, core)
  await app.listen({ host: at.host, port: at.port })
  const address = app.server.address()
  return { port: typeof address === 'object' && address ? address.port : at.port, close: () => app.close() }
}
