// What belongs to the request that is being answered, for code far below its route: who asks, and what it changed.
import { AsyncLocalStorage } from 'node:async_hooks'
import type { RequestKey } from '@millrace/core'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { AuditedChange } from './audit.ts'

export type RequestScope = {
  readonly request: FastifyRequest
  /** At most as many as a bulk request has items. */
  readonly changes: AuditedChange[]
  /** Of its Idempotency-Key. */
  requestKey?: RequestKey
  /** Set once nobody is there to be answered. */
  onChange?: (change: AuditedChange) => void
}

const current = new AsyncLocalStorage<RequestScope>()
const scopes = new WeakMap<FastifyRequest, RequestScope>()

export const requestScope = (): RequestScope | undefined => current.getStore()
export const scopeOf = (request: FastifyRequest): RequestScope | undefined => scopes.get(request)

/** Entered once the body is read: the events of its stream would not carry the scope further. */
export function enterScopes(app: FastifyInstance): void {
  app.addHook('preHandler', (request, _reply, done) => {
    const scope: RequestScope = { request, changes: [] }
    scopes.set(request, scope)
    current.run(scope, done)
  })
}
