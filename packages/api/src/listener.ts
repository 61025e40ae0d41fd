// Sockets of the API: http and https listeners, before a request reaches the router. What is refused here is told in JSON too.
import { createServer, METHODS, type RequestListener, type Server, type ServerOptions } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { SecureContextOptions, Server as TlsServer } from 'node:tls'
import { type Listener, listenerText, openToOthers } from '@millrace/config'
import { MillraceError } from '@millrace/core'
import { errorBody } from './api-error.ts'
import { addressKey } from './security/token-buckets.ts'

/** A request must have arrived whole by then (slowloris). */
const REQUEST_ARRIVAL_TIMEOUT_MS = 30_000
const HEADERS_ARRIVAL_TIMEOUT_MS = 10_000
const KEEP_ALIVE_TIMEOUT_MS = 72_000
const TLS_HANDSHAKE_TIMEOUT_MS = 10_000
/** Nothing sent and nothing taken, in the middle of a request or its answer: longer than any request lasts or any stream is silent. */
const STUCK_TIMEOUT_MS = 120_000
/** How often Node looks for requests that are late. */
const LATE_CHECK_MS = 5_000
const HEADER_BYTES_MAX = 16 * 1024

const TLS_VERSIONS = { minVersion: 'TLSv1.2' } as const

export type ConnectionLimits = {
  readonly connectionsMax: number
  readonly connectionsMaxPerAddress: number
  readonly arrival?: ArrivalLimits
}
/** How long a request may take to come in, and its answer may lie there untaken. */
export type ArrivalLimits = {
  readonly headersMs: number
  readonly requestMs: number
  readonly checkEveryMs: number
  readonly stuckMs: number
}
const ARRIVAL_LIMITS: ArrivalLimits = {
  headersMs: HEADERS_ARRIVAL_TIMEOUT_MS,
  requestMs: REQUEST_ARRIVAL_TIMEOUT_MS,
  checkEveryMs: LATE_CHECK_MS,
  stuckMs: STUCK_TIMEOUT_MS,
}

/** The fewest settings a listener can have: http, and limits that suit a laptop. */
export const CONNECTION_LIMITS: ConnectionLimits = { connectionsMax: 256, connectionsMaxPerAddress: 100 }

export type OpenListener = {
  readonly url: string
  /** New connections get this certificate; open ones go on with theirs. Nothing for http. */
  setTls(options: SecureContextOptions): void
  /** Takes no more connections and ends the idle ones; resolves when all are gone. */
  close(): Promise<void>
  cutConnections(): void
}

/** Rejects CONFIG_INVALID or PORT_IN_USE naming `listeners`; also when the certificate does not fit its key. */
export async function openListener(
  listener: Listener,
  limits: ConnectionLimits,
  tls: SecureContextOptions | null,
  onRequest: RequestListener,
): Promise<OpenListener> {
  const host = listener.host.replace(/^\[(.*)\]$/, '$1')
  const server = serverFor(listener, tls, limits.arrival ?? ARRIVAL_LIMITS, onRequest)
  server.maxConnections = limits.connectionsMax
  server.timeout = (limits.arrival ?? ARRIVAL_LIMITS).stuckMs // without a listener Node ends them
  limitPerAddress(server, limits.connectionsMaxPerAddress)
  server.on('clientError', answerClientError)
  server.on('checkExpectation', (_request, response) => {
    response.writeHead(417, { 'content-type': 'application/json' })
    response.end(JSON.stringify(errorBody(417, 'Expect is not supported but for 100-continue.')))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', error => reject(listenFailure(listener, error)))
    server.listen({ host, port: listener.port }, resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `${listener.scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`,
    setTls: options => {
      if (listener.scheme === 'https')
        (server as unknown as TlsServer).setSecureContext({ ...options, ...TLS_VERSIONS })
    },
    close: () => new Promise(resolve => server.close(() => resolve())),
    cutConnections: () => server.closeAllConnections(),
  }
}

function serverFor(
  listener: Listener,
  tls: SecureContextOptions | null,
  arrival: ArrivalLimits,
  onRequest: RequestListener,
): Server {
  const options: ServerOptions = {
    requestTimeout: arrival.requestMs,
    headersTimeout: arrival.headersMs,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    connectionsCheckingInterval: arrival.checkEveryMs,
    maxHeaderSize: HEADER_BYTES_MAX,
    requireHostHeader: false, // the guard says so in JSON
  }
  if (listener.scheme === 'http') return createServer(options, onRequest)
  if (tls === null) throw refused(`${listenerText(listener)} has no certificate`)
  try {
    const secure = { ...TLS_VERSIONS, handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS }
    return createTlsServer({ ...options, ...tls, ...secure }, onRequest)
  } catch (cause) {
    throw refused(`${listenerText(listener)} cannot use its certificate (${systemCode(cause)})`, cause)
  }
}

/** One map entry per address that is connected: at most as many as there are connections. */
function limitPerAddress(server: Server, max: number): void {
  const counts = new Map<string, number>()
  server.on('connection', (socket: Socket) => {
    const key = addressKey(socket.remoteAddress ?? '')
    const count = (counts.get(key) ?? 0) + 1
    counts.set(key, count)
    socket.once('close', () => {
      const left = (counts.get(key) ?? 1) - 1
      if (left === 0) counts.delete(key)
      else counts.set(key, left)
    })
    if (count > max) socket.destroy()
  })
}

const CLIENT_ERRORS: Readonly<Record<string, readonly [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout'],
}

/** Not HTTP, or too slow, or headers without end: nothing the router ever sees. */
function answerClientError(error: Error & { code?: string; rawPacket?: Buffer }, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, reason] = clientErrorOf(error)
  const body = JSON.stringify(errorBody(status, `HTTP ${status} ${reason}`))
  const head = ['content-type: application/json', `content-length: ${body.length}`, 'connection: close']
  socket.end(`HTTP/1.1 ${status} ${reason}\r\n${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}

function clientErrorOf({ code, rawPacket }: { code?: string; rawPacket?: Buffer }): readonly [number, string] {
  // Node's parser knows a list of methods; what it does not know may be a method all the same, or no HTTP at all.
  const method = REQUEST_LINE.exec(rawPacket?.toString('latin1', 0, REQUEST_LINE_BYTES_MAX) ?? '')?.[1]
  const isUnknownMethod = code === 'HPE_INVALID_METHOD' && method !== undefined && !METHODS.includes(method)
  return isUnknownMethod ? [405, 'Method Not Allowed'] : (CLIENT_ERRORS[code ?? ''] ?? [400, 'Bad Request'])
}

const REQUEST_LINE_BYTES_MAX = 8192
const REQUEST_LINE = /^([A-Z]{1,32}) \/\S* HTTP\/1\.[01]\r\n/

/** CONFIG_INVALID unless only this machine can reach the listeners: an open control plane is an open door. */
export function assertLoopback(listeners: readonly Listener[]): void {
  const open = openToOthers(listeners)
  if (open !== null) throw refused(open)
}

/**
 * A page in a browser may point a name of its own at 127.0.0.1 (DNS rebinding). Its requests then carry that name; honest ones
 * carry an address, localhost, or a name that is known.
 */
export function isHostAllowed(hostHeader: string | undefined, ownNames: readonly string[]): boolean {
  if (hostHeader === undefined || hostHeader === '') return true
  const host = withoutPort(hostHeader)
  if (isIP(host) !== 0 || host === 'localhost' || host.endsWith('.localhost')) return true
  return ownNames.some(name => name === '*' || host === withoutPort(name))
}

const withoutPort = (hostAndPort: string): string =>
  hostAndPort
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase()

/** What the operating system said about the port, in the operator's words. */
function listenFailure(listener: Listener, error: unknown): MillraceError {
  const where = `${listener.host}:${listener.port}`
  if (systemCode(error) === 'EADDRINUSE') {
    return new MillraceError('PORT_IN_USE', 'failPartition', `listeners: port ${where} is taken.`, { cause: error })
  }
  return refused(`cannot listen on ${where} (${systemCode(error)})`, error)
}

const systemCode = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : String(error)

const refused = (what: string, cause?: unknown): MillraceError =>
  new MillraceError('CONFIG_INVALID', 'failPartition', `listeners: ${what}.`, cause === undefined ? {} : { cause })
