// `Idempotency-Key`: a request that is sent again is not carried out again, whichever worker it comes to and whatever happened in
// between: what it did stands in the config topic, in the record of its change (docs/decisions/0008-idempotency-keys.md).
//
// Replayed are the status and the headers; the body shows what is now. What was refused left nothing and is judged anew.
import { createHash, createHmac } from 'node:crypto'
import type { ConnectorEntry, RequestKey, RequestMark } from '@millrace/core'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ApiError, badRequest } from './api-error.ts'
import { type Context, REQUEST_TIMEOUT_MS } from './context.ts'
import { scopeOf } from './request-scope.ts'
import type { Principal } from './security/principal.ts'

export const KEY_CHARS_MAX = 255
const HEADER = 'Idempotency-Key'
const ROUTES_WITHOUT_EFFECT: ReadonlySet<string> = new Set(['/connector-plugins/:plugin/config/validate'])
const ASKING: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Answers a request whose change was made before. */
export type Replay = (mark: RequestMark, request: FastifyRequest, reply: FastifyReply) => unknown

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Of routes that take an Idempotency-Key; 'items': each item of the request looks for its own mark. */
    replay?: Replay | 'items'
  }
}

/** Thrown where it turns out that the change was made before, whatever the request was about to do or to be refused for. */
export class CarriedOutBefore extends Error {
  readonly mark: RequestMark
  constructor(mark: RequestMark) {
    super('The request was carried out before.')
    this.mark = mark
  }
}

/** What a replay shows is what is there now. */
export async function asItIsNow(context: Context, name: string): Promise<ConnectorEntry> {
  const entry = await context.lookUp(name)
  if (entry !== undefined) return entry
  throw new ApiError(
    410,
    `The request was carried out before (${HEADER}), and connector ${name} has been deleted since.`,
  )
}

export const keyTaken = (): ApiError =>
  new ApiError(422, `${HEADER}: another request was made under this key. A key is for one request and its repetitions.`)

/** Sees to it that a request with a key that was carried out does not reach its route. After `enterScopes`. */
export function takeKeys(app: FastifyInstance, context: Context): void {
  app.addHook('preHandler', async request => {
    const key = keyOf(request)
    const scope = scopeOf(request)
    if (key === null || scope === undefined) return
    scope.requestKey = key
    // The local replica may be behind: the request may have been carried out on another worker a moment ago.
    await context.within(REQUEST_TIMEOUT_MS, 'reading the config topic', signal =>
      context.deps.configStore.refresh({ signal }),
    )
    throwIfCarriedOut(context, request, key)
  })
}

/** A request that is refused may be the twin of one that was carried out while it waited: then it gets that one's answer. */
export async function carriedOutMeanwhile(context: Context, request: FastifyRequest): Promise<RequestMark | null> {
  const key = scopeOf(request)?.requestKey
  if (key === undefined || request.routeOptions.config.replay === 'items') return null
  await context.within(REQUEST_TIMEOUT_MS, 'reading the config topic', signal =>
    context.deps.configStore.refresh({ signal }),
  )
  const marks = [...context.deps.configStore.marks(key.key).values()]
  return marks.find(mark => mark.request === key.request) ?? null
}

export async function replay(mark: RequestMark, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const answer = request.routeOptions.config.replay
  if (typeof answer !== 'function') throw keyTaken()
  reply.header('idempotency-replayed', 'true')
  return await answer(mark, request, reply)
}

function throwIfCarriedOut({ deps }: Context, request: FastifyRequest, { key, request: asked }: RequestKey): void {
  for (const mark of deps.configStore.marks(key).values()) {
    if (mark.request !== asked) throw keyTaken()
    if (request.routeOptions.config.replay !== 'items') throw new CarriedOutBefore(mark)
  }
}

/** null where there is no key, or nothing to carry out. Throws 400 for what is no key, and where the route takes none. */
function keyOf(request: FastifyRequest): RequestKey | null {
  const header = request.headers['idempotency-key']
  const { url, config } = request.routeOptions
  if (header === undefined || ASKING.has(request.method) || ROUTES_WITHOUT_EFFECT.has(url ?? '')) return null
  if (config.replay === undefined)
    throw badRequest(
      `${HEADER}: ${request.method} ${url} cannot tell a repeated request from a new one. Send it without the header.`,
    )
  const key = parseKey([header].flat().join(', '))
  return { key: digestOfKey(request.principal, key), request: digestOfRequest(request, key) }
}

/** Bare, as most clients send it, or as the quoted string of https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/ */
export function parseKey(header: string): string {
  const text = header.trim()
  const quoted = /^"((?:[ !#-[\]-~]|\\["\\])*)"$/.exec(text)?.[1]?.replaceAll(/\\(.)/g, '$1')
  const key = quoted ?? (/^[!#-+\--~]+$/.test(text) ? text : '')
  if (key === '' || key.length > KEY_CHARS_MAX)
    throw badRequest(
      `${HEADER} must be one key of 1 to ${KEY_CHARS_MAX} visible ASCII characters, without commas or in quotes.`,
    )
  return key
}

const DIGEST_BYTES = 16
const shortened = (digest: Buffer): string => digest.subarray(0, DIGEST_BYTES).toString('base64url')

/** Keys of different people never meet. */
const digestOfKey = ({ name }: Principal, key: string): string =>
  shortened(
    createHash('sha256')
      .update(JSON.stringify([name, key]))
      .digest(),
  )

/** Under the key, which is nowhere stored: who reads the topic cannot try out what the body, with its secrets, may have been. */
function digestOfRequest(request: FastifyRequest, key: string): string {
  const { method, routeOptions, params, query, body } = request
  const asked = [method, routeOptions.url, sorted(params), sorted(query), sorted(body ?? null)]
  return shortened(createHmac('sha256', key).update(JSON.stringify(asked)).digest())
}

/** The same whatever the order of keys. */
const sorted = (value: unknown): string =>
  JSON.stringify(value, (_key, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  )
