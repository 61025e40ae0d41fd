// Which role each route needs. The server does not start with a route that is missing here.
import { assert } from '@millrace/core'
import { ROLES, type Role } from './principal.ts'

/** HEAD and OPTIONS go with GET. */
const ROUTES_OF_ROLE: Readonly<Record<Role, readonly string[]>> = {
  viewer: [
    'GET /',
    'GET /health',
    'GET /connectors',
    'GET /connectors/:name',
    'GET /connectors/:name/config',
    'GET /connectors/:name/offsets',
    'GET /connectors/:name/status',
    'GET /connectors/:name/tasks',
    'GET /connectors/:name/tasks/:task/status',
    'GET /connectors/:name/topics',
    'GET /connector-plugins',
    'GET /connector-plugins/:plugin/config',
    'GET /admin/loggers',
    'GET /admin/loggers/:logger',
    'GET /api/v1/worker',
    'GET /api/v1/workers',
    'GET /api/v1/connectors/:name/partitions',
    'GET /api/v1/connectors/:name/health',
    'GET /api/v1/health',
    'GET /api/v1/connectors',
    'GET /api/v1/connectors/:name',
    'GET /api/v1/connectors/:name/tables',
    'GET /api/v1/events',
    'GET /api/v1/openapi.json',
    'GET /api/v1/connector-plugins/:plugin/schema',
    'GET /api/v1/connectors/:name/history',
    'GET /api/v1/connectors/:name/history/:version',
    'GET /api/v1/connectors/:name/diff',
    'GET /api/v1/connectors/:name/verify',
  ],
  operator: [
    'PUT /connectors/:name/pause',
    'PUT /connectors/:name/resume',
    'PUT /connectors/:name/stop',
    'POST /connectors/:name/restart',
    // Deleting needs admin there as well: the route asks.
    'POST /api/v1/bulk',
    'POST /connectors/:name/tasks/:task/restart',
    'PATCH /connectors/:name/offsets',
    'DELETE /connectors/:name/offsets',
    'PUT /connectors/:name/topics/reset',
    'PUT /admin/loggers/:logger',
    'PUT /api/v1/connectors/:name/partitions/:topic/:partition/verdict',
    // Change nothing, but a topic is read through and queries are paid for.
    'POST /api/v1/connectors/:name/verify',
    'DELETE /api/v1/connectors/:name/verify',
  ],
  admin: [
    'POST /connectors',
    'POST /api/v1/connectors/:name/rollback',
    'PUT /connectors/:name/config',
    'PATCH /connectors/:name/config',
    'DELETE /connectors/:name',
    // Changes nothing, but resolves placeholders on this worker, and whether a config is valid tells about a secret: a pattern
    // that must not match it gives it away letter by letter. Who may not write connectors may not try them out.
    'PUT /connector-plugins/:plugin/config/validate',
  ],
}

export const ROLE_OF_ROUTE: ReadonlyMap<string, Role> = new Map(
  ROLES.flatMap(role => ROUTES_OF_ROLE[role].map(route => [route, role] as const)),
)

/** Open to everybody on loopback, and to no one elsewhere: probes run on the same host. */
export const HEALTH_ROUTE = '/health'
/** Answered without end. */
export const EVENTS_ROUTE = '/api/v1/events'

/** Called for every route that is registered: nobody can forget one. */
export function assertHasRole(methods: string | readonly string[], pattern: string): void {
  for (const method of [methods].flat()) {
    if (method === 'HEAD') continue
    assert(ROLE_OF_ROUTE.has(`${method} ${pattern}`), `Route ${method} ${pattern} has no role in route-roles.ts.`)
  }
}

/** @param pattern the route as registered; undefined for a path that is none, which anybody known may learn. */
export function neededRole(method: string, pattern: string | undefined): Role {
  if (pattern === undefined) return 'viewer'
  const asked = method === 'HEAD' || method === 'OPTIONS' ? 'GET' : method
  return ROLE_OF_ROUTE.get(`${asked} ${pattern}`) ?? 'admin'
}
