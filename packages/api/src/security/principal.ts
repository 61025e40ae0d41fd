// Who asks, and what they may do. Every request has one from the first hook on: routes and the audit read `request.principal`.

/** Each may do what those before it may: look; run and rest what is there; change what there is. */
export const ROLES = ['viewer', 'operator', 'admin'] as const
export type Role = (typeof ROLES)[number]

export type Principal = { readonly name: string; readonly role: Role }

/** Where nobody logs in, which only loopback allows, everybody is this one. */
export const ANONYMOUS: Principal = { name: 'anonymous', role: 'admin' }
/** Until authentication has spoken: may do nothing. */
export const NOBODY: Principal = { name: 'nobody', role: 'viewer' }

export const isRole = (text: string): text is Role => (ROLES as readonly string[]).includes(text)
export const hasRole = (principal: Principal, needed: Role): boolean =>
  ROLES.indexOf(principal.role) >= ROLES.indexOf(needed)

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal
  }
}
