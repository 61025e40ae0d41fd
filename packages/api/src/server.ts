// The HTTP server: Kafka Connect's REST API and /api/v1 on one loopback listener.
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import { ApiError, describeFailure, errorBody } from './api-error.ts'
import { Context } from './context.ts'
import type { ApiDeps } from './deps.ts'
import { parseJsonBody } from './json-body.ts'
import { KnownRoutes } from './known-routes.ts'
import { assertLoopback, type Listener, listenFailure } from './listener.ts'
import { connectorRoutes } from './routes/connectors.ts'
import { healthRoutes } from './routes/health.ts'
import { lifecycleRoutes } from './routes/lifecycle.ts'
import { loggerRoutes } from './routes/loggers.ts'
import { millraceRoutes } from './routes/millrace.ts'
import { offsetRoutes } from './routes/offsets.ts'
import { pluginRoutes } from './routes/plugins.ts'
import { rootRoutes } from './routes/root.ts'
import { summaryRoutes } from './routes/summary.ts'
import { topicRoutes } from './routes/topics.ts'
import { type ApiSecurity, OPEN } from './security/api-security.ts'
import { guardRequests } from './security/guard.ts'
import { assertHasRole } from './security/route-roles.ts'

export const BODY_BYTES_MAX: number = 1024 * 1024
/** 256 connections × 1 MiB of body = 256 MiB at the very worst. */
export const CONNECTIONS_MAX = 256
/** A request must have arrived whole by then (slowloris). */
const REQUEST_ARRIVAL_TIMEOUT_MS = 30_000
const HEADERS_ARRIVAL_TIMEOUT_MS = 10_000
const KEEP_ALIVE_TIMEOUT_MS = 72_000
/** Connections that are still busy after this are cut. */
const CLOSE_TIMEOUT_MS = 5_000
/** A 1,024-character name, every character as three percent-encoded bytes, and some air. */
const PATH_PARAM_CHARS_MAX = 12 * 1024
/** Smaller answers do not become faster by compression. */
const COMPRESS_BYTES_MIN = 2048

export type RunningApi = {
  readonly url: string
  close(): Promise<void>
}

/**
 * Starts listening. Rejects CONFIG_INVALID naming `listeners` when the host is not loopback, PORT_IN_USE when the port is taken.
 * `close` ends waiting requests with 503 and resolves within CLOSE_TIMEOUT_MS.
 */
export async function startApi(deps: ApiDeps, listener: Listener): Promise<RunningApi> {
  assertLoopback(listener)
  const closing = new AbortController()
  const app = buildApi(deps, closing.signal)
  app.server.maxConnections = CONNECTIONS_MAX
  app.server.headersTimeout = HEADERS_ARRIVAL_TIMEOUT_MS
  let url: string
  try {
    url = await app.listen({ host: listener.host.replace(/^\[(.*)\]$/, '$1'), port: listener.port })
  } catch (error) {
    await app.close()
    throw listenFailure(listener, error)
  }
  return {
    url,
    close: async () => {
      closing.abort(new ApiError(503, 'The worker is shutting down.'))
      const done = new AbortController()
      const cut = deps.timers.sleep(CLOSE_TIMEOUT_MS, { signal: done.signal }).then(
        () => app.server.closeAllConnections(),
        () => {},
      )
      await app.close()
      done.abort()
      await cut
    },
  }
}

/** The server without a listener: what tests inject requests into. */
export function buildApi(deps: ApiDeps, closing: AbortSignal, security: ApiSecurity = OPEN): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_ARRIVAL_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    genReqId: () => deps.random.nextId(),
    frameworkErrors: (error, request, reply) =>
      sendFailure(deps, error, request as FastifyRequest, reply as FastifyReply),
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, maxParamLength: PATH_PARAM_CHARS_MAX },
  })
  const routes = new KnownRoutes()
  app.addHook('onRoute', route => {
    assertHasRole(route.method, route.url)
    routes.add(route.url, route.method)
  })
  acceptJsonOnly(app)
  shapeAnswers(app)
  guardRequests(app, security, { advertised: () => deps.worker.advertised, closing })
  app.setErrorHandler((error, request, reply) => sendFailure(deps, error, request, reply))
  app.setNotFoundHandler((request, reply) => answerUnrouted(routes, request, reply))

  const context = new Context(deps, closing)
  rootRoutes(app, context)
  connectorRoutes(app, context)
  lifecycleRoutes(app, context)
  topicRoutes(app, context)
  offsetRoutes(app, context)
  pluginRoutes(app, context)
  loggerRoutes(app, context)
  millraceRoutes(app, context)
  healthRoutes(app, context)
  summaryRoutes(app, context)
  return app
}

function acceptJsonOnly(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseJsonBody(body as Buffer))
    } catch (error) {
      done(error as Error)
    }
  })
}

const compress = promisify(gzip)

/** X-Request-Id on everything, `?pretty` for people, gzip for the big lists of UIs. */
function shapeAnswers(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
    const isPretty = typeof request.query === 'object' && request.query !== null && 'pretty' in request.query
    if (isPretty) reply.serializer((payload: unknown) => `${JSON.stringify(payload, null, 2)}\n`)
  })
  app.addHook('onSend', async (request, reply, payload) => {
    if (typeof payload !== 'string' || payload.length < COMPRESS_BYTES_MIN) return payload
    reply.header('vary', 'accept-encoding')
    if (!/\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/.test(String(request.headers['accept-encoding'] ?? '')))
      return payload
    reply.header('content-encoding', 'gzip').removeHeader('content-length')
    return await compress(payload)
  })
}

function answerUnrouted(routes: KnownRoutes, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const allowed = routes.methodsOf(request.url.split('?')[0] ?? '')
  if (allowed.length === 0) return reply.code(404).send(errorBody(404, 'HTTP 404 Not Found'))
  reply.header('allow', [...allowed, 'OPTIONS'].join(', '))
  if (request.method === 'OPTIONS') return reply.code(204).send()
  return reply.code(405).send(errorBody(405, 'HTTP 405 Method Not Allowed'))
}

/** Something this version does not do; nothing an operator has to look after. */
const NOT_IMPLEMENTED = 501

function sendFailure(deps: ApiDeps, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, message } = describeFailure(error)
  if (status >= 500 && status !== NOT_IMPLEMENTED) {
    const { id: requestId, method, url } = request
    deps.logger.error({ requestId, method, url, err: error }, 'A request failed.')
  }
  return reply.code(status).type('application/json; charset=utf-8').send(errorBody(status, message))
}
