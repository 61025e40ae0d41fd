// Pages of other origins. A browser lets any page send a POST without a body to 127.0.0.1, and adds the password it remembers:
// it names the page in `Origin`, which no script can forge. Configured origins are let in by the CORS protocol
// (https://fetch.spec.whatwg.org/#http-cors-protocol), without cookies or remembered passwords.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ApiSecurity } from './api-security.ts'

type Cors = NonNullable<ApiSecurity['cors']>

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
const REQUEST_HEADERS = 'accept, authorization, content-type, if-match, idempotency-key, x-requested-with'
const ANSWER_HEADERS = 'etag, location, retry-after, x-request-id'
/** How long a browser may remember a preflight: short, as the configuration may change. */
const PREFLIGHT_SEC = 600

export type CrossOriginVerdict = 'go on' | 'refuse' | 'answer preflight'

/** Sets the headers that let the page read the answer. A preflight carries no password and is answered before one is asked for. */
export function judgeOrigin(request: FastifyRequest, reply: FastifyReply, cors: Cors | null): CrossOriginVerdict {
  const { origin, host } = request.headers
  if (origin === undefined || isOwnOrigin(origin, host)) return 'go on'
  if (cors === null || !isListed(cors, origin)) return SAFE_METHODS.has(request.method) ? 'go on' : 'refuse'
  reply.header('access-control-allow-origin', cors.origins.includes('*') ? '*' : origin)
  reply.header('vary', 'origin')
  if (request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined) {
    reply.header('access-control-allow-methods', cors.methods.join(', '))
    reply.header('access-control-allow-headers', REQUEST_HEADERS)
    reply.header('access-control-max-age', String(PREFLIGHT_SEC))
    return 'answer preflight'
  }
  reply.header('access-control-expose-headers', ANSWER_HEADERS)
  return SAFE_METHODS.has(request.method) || cors.methods.includes(request.method) ? 'go on' : 'refuse'
}

const isListed = ({ origins }: Cors, origin: string): boolean =>
  origins.some(listed => listed === '*' || listed.toLowerCase() === origin.toLowerCase())

/** The scheme does not count: whoever ends TLS before us changes it. */
function isOwnOrigin(origin: string, host: string | undefined): boolean {
  const page = /^[a-z][a-z0-9+.-]*:\/\/([^/]+)$/i.exec(origin)?.[1]
  return page !== undefined && page.toLowerCase() === (host ?? '').toLowerCase()
}
