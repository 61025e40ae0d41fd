// JSON over HTTPS to the BigQuery REST API v2: one request, its own deadline, no redirects followed, TLS always verified.
import * as http from 'node:http'
import * as https from 'node:https'
import { MillraceError, type Timers } from '@millrace/core'
import type { Endpoint } from './endpoint.ts'
import type { TokenSource } from './token-source.ts'
import { trustedRoots } from './trust.ts'
import { DeadlineExceeded, withDeadline } from './with-deadline.ts'

const REST_DEADLINE_MS = 30_000
/** A table of 10,000 columns with descriptions stays below this. */
const RESPONSE_MAX_BYTES = 32 << 20
const SOCKETS_MAX = 8

export type RestRequest = { readonly method: 'GET' | 'POST'; readonly path: string; readonly body?: object }
/** `body` is undefined when the answer was not JSON. */
export type RestResponse = { readonly status: number; readonly body: unknown }

export class RestClient {
  readonly #endpoint: Endpoint
  readonly #tokens: TokenSource | null
  readonly #timers: Timers
  readonly #agent: http.Agent

  constructor(endpoint: Endpoint, tokens: TokenSource | null, timers: Timers, ca: string | undefined) {
    this.#endpoint = endpoint
    this.#tokens = tokens
    this.#timers = timers
    const pool = { keepAlive: true, maxSockets: SOCKETS_MAX }
    this.#agent = endpoint.isPlaintext
      ? new http.Agent(pool)
      : new https.Agent({
          ...pool,
          rejectUnauthorized: true,
          ca: [...trustedRoots(ca)],
        })
  }

  /** Answers whatever the service said; rejects only when it said nothing. A token it refuses is replaced once, inside. */
  async request(request: RestRequest, { signal }: { signal: AbortSignal }): Promise<RestResponse> {
    const token = this.#tokens === null ? null : await this.#tokens.token({ signal })
    const response = await this.#perform(request, token, signal)
    if (response.status !== 401 || token === null) return response
    if (this.#tokens?.refused(token) === 'failPartition') return response
    return await this.request(request, { signal })
  }

  close(): void {
    this.#agent.destroy()
  }

  async #perform(request: RestRequest, token: string | null, signal: AbortSignal): Promise<RestResponse> {
    try {
      return await withDeadline(this.#timers, REST_DEADLINE_MS, signal, inner => this.#exchange(request, token, inner))
    } catch (error) {
      signal.throwIfAborted()
      const reason = error instanceof DeadlineExceeded ? error.message : reasonOf(error)
      throw new MillraceError(
        'BIGQUERY_UNREACHABLE',
        'retry',
        `BigQuery on ${request.method} ${request.path}: ${reason}`,
      )
    }
  }

  #exchange(request: RestRequest, token: string | null, signal: AbortSignal): Promise<RestResponse> {
    const { promise, resolve, reject } = Promise.withResolvers<RestResponse>()
    const { host, port, isPlaintext } = this.#endpoint
    const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body))
    const headers: http.OutgoingHttpHeaders = { accept: 'application/json', 'user-agent': 'millrace/0.1.0' }
    if (token !== null) headers.authorization = `Bearer ${token}`
    if (body !== undefined) {
      headers['content-type'] = 'application/json'
      headers['content-length'] = body.length
    }
    const send = isPlaintext ? http.request : https.request
    // URL keeps the brackets of an IPv6 address, a socket does not want them.
    const hostname = host.replace(/^\[|\]$/g, '')
    const outgoing = send({
      host: hostname,
      port,
      path: request.path,
      method: request.method,
      headers,
      agent: this.#agent,
      signal,
    })
    outgoing.on('error', reject)
    outgoing.on('response', incoming => readJson(incoming).then(resolve, reject))
    outgoing.end(body)
    return promise
  }
}

async function readJson(incoming: http.IncomingMessage): Promise<RestResponse> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > RESPONSE_MAX_BYTES) throw new Error(`The answer is larger than ${RESPONSE_MAX_BYTES} bytes.`)
    chunks.push(chunk)
  }
  return { status: incoming.statusCode ?? 0, body: parseOrUndefined(Buffer.concat(chunks).toString('utf8')) }
}

function parseOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  return 'code' in error ? `${String(error.code)} ${error.message}` : error.message
}
