// One HTTP exchange as it goes over the wire: the path is sent as it is written, and nothing is added that was not asked for.
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'

const TIMEOUT_MS = 30_000
/** Both servers answer one caller; more connections than requests at a time are never open. */
const agent = new Agent({ keepAlive: true, maxSockets: 32 })

export type Request = {
  readonly method: string
  readonly path: string
  /** A string is sent as it is, anything else as JSON. With a body, the content type is JSON unless `headers` says otherwise. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export type Answer = {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** The server may close a kept connection just when it is used again: then nothing was heard, and it is asked once more. */
export async function send(base: string, request: Request): Promise<Answer> {
  try {
    return await exchange(base, request)
  } catch (error) {
    if (error instanceof ConnectionReused) return await exchange(base, request)
    throw error
  }
}

class ConnectionReused extends Error {}

function exchange(base: string, { method, path, body, headers }: Request): Promise<Answer> {
  const payload = bodyText(body)
  const { hostname, port } = new URL(base)
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({
      agent,
      hostname,
      port,
      method,
      path,
      timeout: TIMEOUT_MS,
      headers: {
        accept: 'application/json',
        ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
        'content-length': String(Buffer.byteLength(payload ?? '')),
        ...headers,
      },
    })
    outgoing.once('timeout', () => outgoing.destroy(new Error(`${method} ${path}: no answer in ${TIMEOUT_MS} ms`)))
    outgoing.once('error', error => {
      const isStale = outgoing.reusedSocket && 'code' in error && error.code === 'ECONNRESET'
      reject(isStale ? new ConnectionReused('The connection was closed.', { cause: error }) : error)
    })
    outgoing.once('response', response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', chunk => (text += chunk))
      response.once('error', reject)
      response.once('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
    })
    outgoing.end(payload)
  })
}

export function bodyText(body: unknown): string | undefined {
  if (body === undefined) return undefined
  return typeof body === 'string' ? body : JSON.stringify(body)
}
