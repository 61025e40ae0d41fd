// The HTTP server: Kafka Connect's REST API and /api/v1 behind its guard.
import type { IncomingMessage, RequestListener } from 'node:http'
import type { SecureContextOptions } from 'node:tls'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Listener } from '@millrace/config'
import type { RequestMark } from '@millrace/core'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import { ApiError, describeFailure, errorBody } from './api-error.ts'
import { auditChanges, auditedStore } from './audit.ts'
import { Context } from './context.ts'
import type { ApiDeps } from './deps.ts'
import { CarriedOutBefore, carriedOutMeanwhile, replay, takeKeys } from './idempotency.ts'
import { parseJsonBody } from './json-body.ts'
import { KnownRoutes } from './known-routes.ts'
import {
  assertLoopback,
  CONNECTION_LIMITS,
  type ConnectionLimits,
  type OpenListener,
  openListener,
} from './listener.ts'
import { enterScopes } from './request-scope.ts'
import { bulkRoutes } from './routes/bulk.ts'
import { connectorRoutes } from './routes/connectors.ts'
import { eventRoutes } from './routes/events.ts'
import { healthRoutes } from './routes/health.ts'
import { historyRoutes } from './routes/history.ts'
import { lifecycleRoutes } from './routes/lifecycle.ts'
import { loggerRoutes } from './routes/loggers.ts'
import { millraceRoutes } from './routes/millrace.ts'
import { offsetRoutes } from './routes/offsets.ts'
import { openApiRoutes } from './routes/openapi.ts'
import { pluginRoutes } from './routes/plugins.ts'
import { rootRoutes } from './routes/root.ts'
import { summaryRoutes } from './routes/summary.ts'
import { topicRoutes } from './routes/topics.ts'
import { verifyRoutes } from './routes/verify.ts'
import { type ApiSecurity, OPEN } from './security/api-security.ts'
import { guardRequests } from './security/guard.ts'
import { assertHasRole } from './security/route-roles.ts'

export const BODY_BYTES_MAX: number = 1024 * 1024
/** Connections that are still busy after this are cut. */
const CLOSE_TIMEOUT_MS = 5_000
/** A 1,024-character name, every character as three percent-encoded bytes, and some air. */
const PATH_PARAM_CHARS_MAX = 12 * 1024
/** Smaller answers do not become faster by compression. */
const COMPRESS_BYTES_MIN = 2048

export type RunningApi = {
  /** Of the first listener. */
  readonly url: string
  readonly urls: readonly string[]
  /** The certificate of new connections to https listeners. */
  setTls(options: SecureContextOptions): void
  close(): Promise<void>
}

export type ListenOptions = {
  readonly listeners: readonly Listener[]
  /** For /admin alone, which is then not on `listeners`; absent: it is. */
  readonly adminListeners?: readonly Listener[] | null
  readonly limits?: ConnectionLimits
  /** Needed by https listeners. */
  readonly tls?: SecureContextOptions | null
  readonly security?: ApiSecurity
}

/**
 * Starts listening. Rejects CONFIG_INVALID naming `listeners` when one is not loopback and nobody has to log in, PORT_IN_USE when
 * a port is taken. `close` ends waiting requests with 503 and resolves within CLOSE_TIMEOUT_MS.
 */
export async function startApi(deps: ApiDeps, options: ListenOptions): Promise<RunningApi> {
  const { listeners, adminListeners = null, limits = CONNECTION_LIMITS, tls = null, security = OPEN } = options
  if (security.authenticator === null) assertLoopback([...listeners, ...(adminListeners ?? [])])
  const closing = new AbortController()
  const viaAdmin = new WeakSet<IncomingMessage>()
  const isServed = (request: FastifyRequest): boolean =>
    adminListeners === null || viaAdmin.has(request.raw) === isAdminRoute(request)
  const app = buildApi(deps, closing.signal, security, isServed)
  await app.ready()
  const route: RequestListener = (request, response) => app.routing(request, response)
  const routeAdmin: RequestListener = (request, response) => {
    viaAdmin.add(request)
    app.routing(request, response)
  }
  const open: OpenListener[] = []
  const closeAll = async (): Promise<void> => {
    await Promise.all([app.close(), ...open.map(listener => listener.close())])
  }
  try {
    for (const listener of listeners) open.push(await openListener(listener, limits, tls, route))
    for (const listener of adminListeners ?? []) open.push(await openListener(listener, limits, tls, routeAdmin))
  } catch (error) {
    await closeAll()
    throw error
  }
  const urls = open.map(({ url }) => url)
  return {
    url: urls[0] ?? '',
    urls,
    setTls: context => {
      for (const listener of open) listener.setTls(context)
    },
    close: async () => {
      closing.abort(new ApiError(503, 'The worker is shutting down.'))
      const done = new AbortController()
      const cut = deps.timers.sleep(CLOSE_TIMEOUT_MS, { signal: done.signal }).then(
        () => {
          for (const listener of open) listener.cutConnections()
        },
        () => {},
      )
      await closeAll()
      done.abort()
      await cut
    },
  }
}

const isAdminRoute = (request: FastifyRequest): boolean => /^\/admin(\/|$)/.test(request.routeOptions.url ?? '')

/** The server without a listener: what tests inject requests into. */
export function buildApi(
  deps: ApiDeps,
  closing: AbortSignal,
  security: ApiSecurity = OPEN,
  isServed: (request: FastifyRequest) => boolean = () => true,
): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    genReqId: () => deps.random.nextId(),
    // No hook runs here; with a serializer of its own, fastify adds no charset to the type.
    frameworkErrors: (error, request, reply) =>
      sendFailure(
        deps,
        error,
        request as FastifyRequest,
        (reply as FastifyReply).serializer((body: unknown) => JSON.stringify(body)),
      ),
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, maxParamLength: PATH_PARAM_CHARS_MAX },
  })
  const routes = new KnownRoutes()
  app.addHook('onRoute', route => {
    assertHasRole(route.method, route.url)
    routes.add(route.url, route.method)
  })
  acceptJsonOnly(app)
  shapeAnswers(app, closing)
  guardRequests(app, security, {
    advertised: () => deps.worker.advertised,
    clock: deps.clock,
    timers: deps.timers,
    closing,
    isServed,
  })
  app.setNotFoundHandler((request, reply) => answerUnrouted(routes, request, reply))

  enterScopes(app)
  auditChanges(app, deps)
  // Over `deps`, not a copy: what they answer may change while the server runs.
  const store = { value: auditedStore(deps), enumerable: true }
  const context = new Context(Object.create(deps, { configStore: store }) as ApiDeps, closing)
  takeKeys(app, context)
  app.setErrorHandler(async (error, request, reply) => await answerFailure(context, error, request, reply))
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
  historyRoutes(app, context)
  openApiRoutes(app, context)
  bulkRoutes(app, context)
  eventRoutes(app, context, closing)
  verifyRoutes(app, context, closing)
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
const JSON_TYPE = 'application/json'

/** X-Request-Id on everything, `?pretty` for people, gzip for the big lists of UIs. */
function shapeAnswers(app: FastifyInstance, closing: AbortSignal): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
    const isPretty = typeof request.query === 'object' && request.query !== null && 'pretty' in request.query
    if (isPretty) reply.serializer((payload: unknown) => `${JSON.stringify(payload, null, 2)}\n`)
  })
  app.addHook('onSend', async (request, reply, payload) => {
    // JSON has no charset (RFC 8259 §11), and clients compare with what Connect sends.
    if (String(reply.getHeader('content-type')).startsWith(`${JSON_TYPE};`)) reply.header('content-type', JSON_TYPE)
    if (closing.aborted) reply.header('connection', 'close') // nothing more comes of it, and nobody waits for it
    if (typeof payload !== 'string' || payload.length < COMPRESS_BYTES_MIN) return payload
    reply.header('vary', [reply.getHeader('vary'), 'accept-encoding'].filter(Boolean).join(', '))
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
  // As JAX-RS answers it: 200, and a type for a body that is empty.
  if (request.method === 'OPTIONS') return reply.type(JSON_TYPE).send('')
  return reply.code(405).send(errorBody(405, 'HTTP 405 Method Not Allowed'))
}

async function answerFailure(
  context: Context,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  try {
    const mark = error instanceof CarriedOutBefore ? error.mark : await twinOfRefused(context, error, request)
    return mark === null ? sendFailure(context.deps, error, request, reply) : await replay(mark, request, reply)
  } catch (failure) {
    return sendFailure(context.deps, failure, request, reply)
  }
}

async function twinOfRefused(context: Context, error: unknown, request: FastifyRequest): Promise<RequestMark | null> {
  const isRefused = describeFailure(error).status < 500
  return isRefused ? await carriedOutMeanwhile(context, request).catch(() => null) : null
}

/** Something this version does not do; nothing an operator has to look after. */
const NOT_IMPLEMENTED = 501

function sendFailure(deps: ApiDeps, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, message } = describeFailure(error)
  if (status >= 500 && status !== NOT_IMPLEMENTED) {
    const { id: requestId, method, url } = request
    const [path] = url.split('?') // whatever somebody put into the query
    deps.logger.error({ requestId, method, path, err: error }, 'A request failed.')
  }
  return reply.code(status).type(JSON_TYPE).send(errorBody(status, message))
}
