// One unary call with its own deadline, cancellable, its failure classified. Retrying is the caller's.
import { Metadata, type ServiceError } from '@grpc/grpc-js'
import { MillraceError, type Timers } from '@millrace/core'
import type { ChannelPool } from './channel-pool.ts'
import { classifyError, toMillraceError } from './classify-error.ts'
import { GRPC, statusOfCall } from './grpc-status.ts'
import type { TokenSource } from './token-source.ts'
import { WireError } from './wire.ts'
import { DeadlineExceeded, withDeadline } from './with-deadline.ts'

const SERVICE = '/google.cloud.bigquery.storage.v1.BigQueryWrite/'
const passThrough = (bytes: Buffer): Buffer => bytes

export type UnaryDeps = { readonly channels: ChannelPool; readonly tokens: TokenSource | null; readonly timers: Timers }

export type UnaryRequest<T> = {
  readonly method: 'CreateWriteStream' | 'GetWriteStream' | 'FinalizeWriteStream'
  /** Where the service routes it: `parent=…` or `name=…`. https://google.aip.dev/client-libraries/4222 */
  readonly route: { readonly field: 'parent' | 'name'; readonly value: string }
  readonly request: Buffer
  readonly decode: (response: Buffer) => T
  readonly deadlineMs: number
}

/** Rejects with a MillraceError, or with the signal's reason. A token the service refuses is replaced once, inside. */
export async function callUnary<T>(deps: UnaryDeps, call: UnaryRequest<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const token = deps.tokens === null ? null : await deps.tokens.token({ signal })
  try {
    return decodeAnswer(call, await perform(deps, call, token, signal))
  } catch (error) {
    signal.throwIfAborted()
    if (!isServiceError(error)) throw error
    const status = statusOfCall(error.code, error.details, error.metadata)
    const what = `${call.method} of ${call.route.value}`
    const verdict = classifyError(status, 'call')
    if (status.grpcCode !== GRPC.UNAUTHENTICATED || token === null) throw toMillraceError(verdict, status, what)
    const disposition = deps.tokens?.refused(token) ?? 'failPartition'
    if (disposition === 'failPartition') throw toMillraceError({ ...verdict, disposition }, status, what)
    return callUnary(deps, call, signal)
  }
}

/** The deadline is ours, by injected timers: gRPC's own would read the wall clock. */
async function perform<T>(
  deps: UnaryDeps,
  call: UnaryRequest<T>,
  token: string | null,
  signal: AbortSignal,
): Promise<Buffer> {
  try {
    return await withDeadline(deps.timers, call.deadlineMs, signal, inner =>
      exchange(deps.channels, call, token, inner),
    )
  } catch (error) {
    if (!(error instanceof DeadlineExceeded)) throw error
    const message = `${call.method} of ${call.route.value}: ${error.message}`
    throw new MillraceError('BIGQUERY_UNREACHABLE', 'retry', message)
  }
}

function exchange<T>(
  channels: ChannelPool,
  call: UnaryRequest<T>,
  token: string | null,
  signal: AbortSignal,
): Promise<Buffer> {
  const metadata = new Metadata()
  metadata.set('x-goog-request-params', `${call.route.field}=${encodeURIComponent(call.route.value)}`)
  if (token !== null) metadata.set('authorization', `Bearer ${token}`)
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const ongoing = channels.unary.makeUnaryRequest<Buffer, Buffer>(
    `${SERVICE}${call.method}`,
    passThrough,
    passThrough,
    call.request,
    metadata,
    (error, response) => (error === null ? resolve(response ?? Buffer.alloc(0)) : reject(error)),
  )
  const cancel = (): void => ongoing.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  return promise.finally(() => signal.removeEventListener('abort', cancel))
}

function decodeAnswer<T>(call: UnaryRequest<T>, response: Buffer): T {
  try {
    return call.decode(response)
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    throw new MillraceError(
      'ACK_UNEXPECTED',
      'failPartition',
      `The answer to ${call.method} of ${call.route.value} is damaged.`,
    )
  }
}

const isServiceError = (error: unknown): error is ServiceError =>
  error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error
