// One AppendRows call: requests go out in order, answers are matched in order, and what is left unanswered at the end is
// reported as such. Nothing is retried here: the lane owns the bytes and knows what a second copy may mean.
// Invariant: every request gets exactly one of onAcknowledged, onRefused, or a share in one onBroken; after close() none.
import { type ClientDuplexStream, Metadata, type ServiceError } from '@grpc/grpc-js'
import {
  type AppendConnection,
  type AppendListener,
  type AppendRequest,
  assert,
  type Clock,
  isMillraceError,
  MillraceError,
  type StreamName,
  type Timers,
  type WriterSchema,
} from '@millrace/core'
import { AppendFraming, isDefaultStream } from './append-request.ts'
import { type AppendResponse, decodeAppendResponse } from './append-response.ts'
import type { ChannelLease, ChannelPool } from './channel-pool.ts'
import { classifyError, refusalOf, toMillraceError } from './classify-error.ts'
import { GRPC, statusOfCall, type VendorStatus } from './grpc-status.ts'
import type { TokenSource } from './token-source.ts'

const APPEND_ROWS = '/google.cloud.bigquery.storage.v1.BigQueryWrite/AppendRows'
/** After a half-close the service ends the call at once; one that does not is cut. */
const HALF_CLOSE_MS = 5_000
/** Requests a connection holds at most: a lane's window is far smaller (1,000 × 2 MB would pass every memory budget). */
const UNANSWERED_MAX = 1_000

export type AppendDeps = {
  readonly channels: ChannelPool
  /** null on a plaintext endpoint. */
  readonly tokens: TokenSource | null
  readonly clock: Clock
  readonly timers: Timers
  readonly appendDeadlineMs: number
  readonly traceId: string
}

type Call = ClientDuplexStream<Buffer, Buffer>
const passThrough = (bytes: Buffer): Buffer => bytes

/**
 * `open`: requests are accepted · `closing`: close() was called, answers are awaited silently · `dead`: nothing happens any more.
 */
type Phase = 'open' | 'closing' | 'dead'

export class GrpcAppendConnection implements AppendConnection {
  readonly #deps: AppendDeps
  readonly #stream: StreamName
  readonly #framing: AppendFraming
  readonly #listener: AppendListener
  /** Ends the watchdog and, before the call is open, the wait for a token. */
  readonly #life = new AbortController()

  #phase: Phase = 'open'
  #lease: ChannelLease | null = null
  #call: Call | null = null
  #token: string | null = null
  #hasStarted = false
  #canWrite = false
  #isWatching = false
  #isHalfClosed = false
  #hasWritten = false

  /** Oldest first. The first `#writtenCount` of them were handed to gRPC. */
  readonly #unanswered: AppendRequest[] = []
  #writtenCount = 0
  #inFlightBytes = 0
  /** When the oldest unanswered request became the oldest: its deadline runs from here, so that a slow link that makes progress is not cut. */
  #headSinceMs = 0

  constructor(deps: AppendDeps, stream: StreamName, schema: WriterSchema, listener: AppendListener) {
    this.#deps = deps
    this.#stream = stream
    this.#framing = new AppendFraming(stream, schema, deps.traceId)
    this.#listener = listener
  }

  get inFlightBytes(): number {
    return this.#inFlightBytes
  }

  /** On a connection that broke this does nothing: its onBroken is on the way to the caller, or was there already. */
  send(request: AppendRequest): void {
    if (this.#phase === 'dead') return
    assert(this.#phase === 'open', 'send() after close().')
    assert(this.#unanswered.length < UNANSWERED_MAX, `More than ${UNANSWERED_MAX} appends are unanswered.`)
    if (this.#unanswered.length === 0) this.#headSinceMs = this.#deps.clock.monotonicMs()
    this.#unanswered.push(request)
    this.#inFlightBytes += request.rows.end - request.rows.start
    this.#watch()
    if (this.#hasStarted) this.#writeWaiting()
    else {
      this.#hasStarted = true
      void this.#start()
    }
  }

  close(): void {
    if (this.#phase !== 'open') return
    this.#phase = 'closing'
    if (this.#call === null && this.#unanswered.length === 0) this.#die({ isSuspect: false })
    else this.#halfCloseWhenDone()
  }

  /** Opens the call with the first request waiting. Only a failure to get a token or a channel ends here. */
  async #start(): Promise<void> {
    try {
      const { tokens } = this.#deps
      this.#token = tokens === null ? null : await tokens.token({ signal: this.#life.signal })
      if (this.#phase === 'dead') return
      this.#open()
      this.#writeWaiting()
    } catch (error) {
      if (this.#phase === 'dead') return
      this.#break(asConnectionError(error, this.#stream), { isSuspect: false })
    }
  }

  #open(): void {
    const lease = this.#deps.channels.lease()
    this.#lease = lease
    const metadata = new Metadata()
    metadata.set('x-goog-request-params', `write_stream=${encodeURIComponent(this.#stream)}`)
    if (this.#token !== null) metadata.set('authorization', `Bearer ${this.#token}`)
    const call = lease.client.makeBidiStreamRequest<Buffer, Buffer>(APPEND_ROWS, passThrough, passThrough, metadata, {})
    this.#call = call
    this.#canWrite = true
    call.on('data', (bytes: Buffer) => this.#onAnswer(bytes))
    call.on('drain', () => this.#onDrain())
    // gRPC reports an end as `error` when its code is not OK, and as `status` in any case.
    call.on('error', (error: ServiceError) => this.#onEnd(statusOfCall(error.code, error.details, error.metadata)))
    call.on('status', (status: { code: number; details: string; metadata: Metadata }) =>
      this.#onEnd(statusOfCall(status.code, status.details, status.metadata)),
    )
  }

  #onDrain(): void {
    this.#canWrite = true
    this.#writeWaiting()
  }

  /** Hands requests to gRPC while it takes them: beyond that they wait here, and count as in flight all the same. */
  #writeWaiting(): void {
    const call = this.#call
    while (call !== null && this.#canWrite && this.#phase !== 'dead') {
      const request = this.#unanswered[this.#writtenCount]
      if (request === undefined) return
      const isFirst = !this.#hasWritten
      this.#hasWritten = true
      this.#writtenCount++
      this.#canWrite = call.write(this.#framing.frame(request.rows, request.firstRow, isFirst))
    }
  }

  #onAnswer(bytes: Buffer): void {
    if (this.#phase === 'dead') return
    const request = this.#writtenCount > 0 ? this.#unanswered[0] : undefined
    if (request === undefined) {
      this.#breakSenseless('came without a request')
      return
    }
    const response = decodeAppendResponse(bytes, request.rows.rowCount)
    const flaw = flawOf(response, this.#stream)
    if (response.kind === 'senseless' || flaw !== null) {
      this.#breakSenseless(flaw ?? 'has no meaning')
      return
    }
    this.#unanswered.shift()
    this.#writtenCount--
    this.#inFlightBytes -= request.rows.end - request.rows.start
    this.#headSinceMs = this.#deps.clock.monotonicMs()
    if (this.#phase === 'open') this.#report(request, response)
    this.#halfCloseWhenDone()
  }

  #report(request: AppendRequest, response: Exclude<AppendResponse, { kind: 'senseless' }>): void {
    if (response.kind === 'refused') {
      this.#listener.onRefused(request.id, refusalOf(response.status, response.rows, this.#stream))
      return
    }
    // `_default` has no offsets; what the caller asked for is all there is to say.
    this.#listener.onAcknowledged(request.id, response.offset ?? request.firstRow)
    if (response.hasNewSchema && this.#phase === 'open') this.#listener.onSchemaUpdated()
  }

  #onEnd(status: VendorStatus): void {
    if (this.#phase === 'dead') return
    const verdict = classifyError(status, 'close')
    const disposition =
      status.grpcCode === GRPC.UNAUTHENTICATED && this.#token !== null
        ? (this.#deps.tokens?.refused(this.#token) ?? verdict.disposition)
        : verdict.disposition
    this.#break(toMillraceError({ ...verdict, disposition }, status, this.#stream), { isSuspect: false })
  }

  #breakSenseless(reason: string): void {
    const message = `An answer of BigQuery on ${this.#stream} ${reason}.`
    this.#break(new MillraceError('ACK_UNEXPECTED', 'failPartition', message), { isSuspect: false })
  }

  #break(error: MillraceError, options: { isSuspect: boolean }): void {
    const wasOpen = this.#phase === 'open'
    this.#die(options)
    if (wasOpen) this.#listener.onBroken(error)
  }

  #die({ isSuspect }: { isSuspect: boolean }): void {
    this.#phase = 'dead'
    this.#unanswered.length = 0
    this.#writtenCount = 0
    this.#inFlightBytes = 0
    const call = this.#call
    this.#call = null
    if (call !== null) {
      call.removeAllListeners()
      // A cancelled call still emits its error; without a listener that would end the process.
      call.on('error', () => {})
      call.cancel()
    }
    this.#lease?.release({ isSuspect })
    this.#lease = null
    this.#life.abort()
  }

  #halfCloseWhenDone(): void {
    if (this.#phase !== 'closing' || this.#unanswered.length > 0 || this.#call === null || this.#isHalfClosed) return
    this.#isHalfClosed = true
    this.#call.end()
    void this.#cutAfterHalfClose()
  }

  async #cutAfterHalfClose(): Promise<void> {
    if (await this.#hasSlept(HALF_CLOSE_MS)) this.#die({ isSuspect: false })
  }

  /** One timer per connection, not per request: it wakes when the oldest could be overdue, and sleeps again if it is not. */
  #watch(): void {
    if (this.#isWatching) return
    this.#isWatching = true
    void this.#watchDeadline()
  }

  async #watchDeadline(): Promise<void> {
    const { appendDeadlineMs, clock } = this.#deps
    while (this.#unanswered.length > 0) {
      const restMs = this.#headSinceMs + appendDeadlineMs - clock.monotonicMs()
      if (restMs <= 0) {
        this.#breakOverdue()
        return
      }
      if (!(await this.#hasSlept(restMs))) return
    }
    this.#isWatching = false
  }

  #breakOverdue(): void {
    const message = `No answer to an append on ${this.#stream} within ${this.#deps.appendDeadlineMs} ms.`
    this.#break(new MillraceError('BIGQUERY_UNREACHABLE', 'reconnect', message), { isSuspect: true })
  }

  /** false when the connection died meanwhile. */
  async #hasSlept(ms: number): Promise<boolean> {
    try {
      await this.#deps.timers.sleep(ms, { signal: this.#life.signal })
    } catch {
      return false
    }
    return this.#phase !== 'dead'
  }
}

/** What an answer says that no rule covers; null when it makes sense. */
function flawOf(response: AppendResponse, stream: StreamName): string | null {
  if (response.kind === 'senseless') return response.reason
  if (!namesStream(response.stream, stream)) return `is about ${response.stream}`
  const lacksOffset = response.kind === 'acknowledged' && response.offset === null && !isDefaultStream(stream)
  return lacksOffset ? 'acknowledges rows without their offset' : null
}

/** Whether an answer is about our stream. It may spell the project differently; the stream id is unique by itself. */
const namesStream = (answered: string, ours: StreamName): boolean =>
  answered === '' || answered === ours || lastPart(answered) === lastPart(ours)
const lastPart = (name: string): string => name.slice(name.lastIndexOf('/') + 1)

function asConnectionError(error: unknown, stream: StreamName): MillraceError {
  if (!isMillraceError(error)) {
    return new MillraceError('BUG', 'failPartition', `Opening an append connection on ${stream} failed.`, {
      cause: error,
    })
  }
  const disposition = error.disposition === 'retry' ? 'reconnect' : error.disposition
  return new MillraceError(error.code, disposition, error.message, { details: error.details })
}
