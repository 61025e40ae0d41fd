// What every request passes before its route, cheapest check first. After it `request.principal` is who asks.
import type { ResponseHeader } from '@millrace/config'
import { isLoopbackHost } from '@millrace/config'
import type { Clock, Timers } from '@millrace/core'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ApiError, badRequest, notFound } from '../api-error.ts'
import { isHostAllowed } from '../listener.ts'
import type { ApiSecurity } from './api-security.ts'
import type { Authenticator } from './authenticator.ts'
import { judgeOrigin } from './cross-origin.ts'
import { ANONYMOUS, hasRole, NOBODY } from './principal.ts'
import { RateLimit } from './request-rates.ts'
import { EVENTS_ROUTE, HEALTH_ROUTE, neededRole } from './route-roles.ts'

/** How long a stream outlives the right to it. */
const LOOK_AGAIN_MS = 15_000

export type GuardOptions = {
  readonly advertised: () => string
  readonly clock: Clock
  readonly timers: Timers
  readonly closing: AbortSignal
  /** Whether the listener this came by serves that route. */
  readonly isServed: (request: FastifyRequest) => boolean
}

export function guardRequests(app: FastifyInstance, security: ApiSecurity, options: GuardOptions): void {
  const { advertised, clock, closing, isServed } = options
  const { authenticator } = security
  const rates = new RateLimit(security.rates, clock)
  app.decorateRequest('principal')
  app.addHook('onRequest', async (request, reply) => {
    request.principal = NOBODY
    addHeaders(reply, security.headers, clock)
    const waitSec = rates.take(request.ip)
    if (waitSec > 0) {
      reply.header('retry-after', String(waitSec))
      throw new ApiError(429, 'Too many requests; the limits are rest.requests.per.sec and …per.address.')
    }
    const { host } = request.headers
    if (host === undefined && request.raw.httpVersion === '1.1') throw badRequest('The request has no Host header.')
    if (hasSeveralHosts(request)) throw badRequest('The request has more than one Host header.')
    if (!isHostAllowed(host, [advertised(), ...security.allowedHosts])) {
      throw new ApiError(403, `The Host header names ${host}, which is not this worker (rest.allowed.hosts).`)
    }
    const verdict = judgeOrigin(request, reply, security.cors)
    if (verdict === 'refuse') throw new ApiError(403, 'A page of another origin may not do this here.')
    if (verdict === 'answer preflight') return reply.code(204).send()
    const encoding = request.headers['content-encoding']
    if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
      throw new ApiError(415, `Content-Encoding ${encoding} is not supported: send the body as it is.`)
    }
    if (authenticator === null) request.principal = ANONYMOUS
    else if (!isOpenProbe(request)) {
      await logIn(authenticator, request, reply, closing)
      if (request.routeOptions.url === EVENTS_ROUTE) void watchLogIn(authenticator, request, reply, options)
    }
    if (!isServed(request)) throw notFound('HTTP 404 Not Found')
    return undefined
  })
}

/** Node keeps the first, and whoever stands before us may have judged another. */
const hasSeveralHosts = ({ raw }: FastifyRequest): boolean =>
  raw.rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === 'host').length > 1

/** Before anything can fail, so that refusals carry them too. */
function addHeaders(reply: FastifyReply, headers: readonly ResponseHeader[], clock: Clock): void {
  reply.header('x-content-type-options', 'nosniff')
  for (const { action, name, value } of headers) {
    const text = action.endsWith('Date') ? new Date(clock.nowMs() + Number(value)).toUTCString() : value
    const before = action.startsWith('add') ? reply.getHeader(name) : undefined
    reply.header(name, before === undefined ? text : `${before}, ${text}`)
  }
}

/** Probes run on the worker's own host and have no password to show. */
const isOpenProbe = (request: FastifyRequest): boolean =>
  request.routeOptions.url === HEALTH_ROUTE && request.headers.authorization === undefined && isLoopbackHost(request.ip)

/** A stream of events lasts for days: who is not known any more, or has another password now, does not go on listening. */
async function watchLogIn(
  authenticator: Authenticator,
  request: FastifyRequest,
  reply: FastifyReply,
  { timers, closing }: GuardOptions,
): Promise<void> {
  const over = new AbortController()
  const signal = AbortSignal.any([closing, over.signal])
  reply.raw.once('close', () => over.abort())
  const { authorization } = request.headers
  try {
    for (;;) {
      await timers.sleep(LOOK_AGAIN_MS, { signal })
      const outcome = await authenticator.authenticate({ authorization, address: request.ip }, { signal })
      if (outcome.kind === 'unknown') reply.raw.destroy()
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

async function logIn(
  authenticator: Authenticator,
  request: FastifyRequest,
  reply: FastifyReply,
  signal: AbortSignal,
): Promise<void> {
  const { authorization } = request.headers
  const outcome = await authenticator.authenticate({ authorization, address: request.ip }, { signal })
  switch (outcome.kind) {
    case 'known':
      request.principal = outcome.principal
      break
    case 'unknown':
      reply.header('www-authenticate', outcome.challenge)
      throw new ApiError(401, 'User cannot access the resource.')
    case 'tooMany':
      reply.header('retry-after', String(outcome.retryAfterSec))
      throw new ApiError(429, 'Too many wrong log-ins from your address; wait before the next.')
    case 'busy':
      reply.header('retry-after', String(outcome.retryAfterSec))
      throw new ApiError(503, 'Too many log-ins are being checked at the moment.')
  }
  const needed = neededRole(request.method, request.routeOptions.url)
  if (!hasRole(request.principal, needed)) {
    throw new ApiError(
      403,
      `This needs the role ${needed}, and ${request.principal.name} is ${request.principal.role}.`,
    )
  }
}
