// What every request passes before its route, cheapest check first. After it `request.principal` is who asks.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ApiError } from '../api-error.ts'
import { isHostAllowed, isLoopback } from '../listener.ts'
import type { ApiSecurity } from './api-security.ts'
import type { Authenticator } from './authenticator.ts'
import { isForeignOrigin } from './origin.ts'
import { ANONYMOUS, hasRole, NOBODY } from './principal.ts'
import { HEALTH_ROUTE, neededRole } from './route-roles.ts'

export type GuardOptions = { readonly advertised: () => string; readonly closing: AbortSignal }

export function guardRequests(
  app: FastifyInstance,
  security: ApiSecurity,
  { advertised, closing }: GuardOptions,
): void {
  app.decorateRequest('principal')
  app.addHook('onRequest', async (request, reply) => {
    request.principal = NOBODY
    const { host, origin } = request.headers
    if (!isHostAllowed(host, [advertised(), ...security.allowedHosts])) {
      throw new ApiError(403, `The Host header names ${host}, which is not this worker.`)
    }
    if (isForeignOrigin(request.method, origin, host)) {
      throw new ApiError(403, 'A page of another origin may not change anything here.')
    }
    const encoding = request.headers['content-encoding']
    if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
      throw new ApiError(415, `Content-Encoding ${encoding} is not supported: send the body as it is.`)
    }
    if (security.authenticator === null) request.principal = ANONYMOUS
    else if (!isOpenProbe(request)) await logIn(security.authenticator, request, reply, closing)
  })
}

/** Probes run on the worker's own host and have no password to show. */
const isOpenProbe = (request: FastifyRequest): boolean =>
  request.routeOptions.url === HEALTH_ROUTE && request.headers.authorization === undefined && isLoopback(request.ip)

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
