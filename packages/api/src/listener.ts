// Where the API may listen. Authentication is not built yet, so only loopback: an open control plane is an open door.
import { isIP } from 'node:net'
import { MillraceError } from '@millrace/core'

export type Listener = { readonly host: string; readonly port: number }

/** CONFIG_INVALID unless only this machine can reach the listener. `startApi` asks; earlier is kinder to the operator. */
export function assertLoopback(listener: Listener): void {
  if (isLoopback(listener.host)) return
  throw new MillraceError(
    'CONFIG_INVALID',
    'failPartition',
    `listeners: http://${listener.host}:${listener.port} is not a loopback address, and the REST API has no authentication yet. Use http://127.0.0.1:${listener.port}.`,
  )
}

export function isLoopback(host: string): boolean {
  const bare = bareHost(host)
  const v4 = bare.replace(/^::ffff:/, '')
  return bare === 'localhost' || bare === '::1' || (isIP(v4) === 4 && v4.startsWith('127.'))
}

/**
 * A page in a browser may point a name of its own at 127.0.0.1 (DNS rebinding). Its requests then carry that name; honest ones
 * carry an address, localhost, or the name we advertise.
 */
export function isHostAllowed(hostHeader: string | undefined, ownNames: readonly string[]): boolean {
  if (hostHeader === undefined || hostHeader === '') return true
  const host = withoutPort(hostHeader)
  if (isIP(host) !== 0 || host === 'localhost' || host.endsWith('.localhost')) return true
  return ownNames.some(name => name === '*' || host === withoutPort(name))
}

const bareHost = (host: string): string => host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
const withoutPort = (hostAndPort: string): string => bareHost(hostAndPort.replace(/:\d*$/, ''))

/** What the operating system said about the port, in the operator's words. */
export function listenFailure(listener: Listener, error: unknown): MillraceError {
  const systemCode = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
  const where = `${listener.host}:${listener.port}`
  if (systemCode === 'EADDRINUSE') {
    return new MillraceError('PORT_IN_USE', 'failPartition', `listeners: port ${where} is taken.`, { cause: error })
  }
  return new MillraceError(
    'CONFIG_INVALID',
    'failPartition',
    `listeners: cannot listen on ${where} (${systemCode || error}).`,
    {
      cause: error,
    },
  )
}
