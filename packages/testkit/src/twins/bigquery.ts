// The twin of BigQuery: tables, write streams and append connections in memory, with the service's exact rules for
// offsets, finalize and row errors, and with control over everything a network may do to a call in between.
// What landed is what `rows` says; what the caller heard about it is the test's to decide (`appendFate`, `callFate`).
import {
  type AppendConnection,
  type AppendListener,
  type AppendRefusal,
  type AppendRequest,
  assert,
  type Clock,
  type Column,
  MillraceError,
  type StreamName,
  type StreamOffset,
  streamOffset,
  type TableInfo,
  type TableName,
  type TableSchema,
  type TableSpec,
  type Tables,
  type Timers,
  tableOfStream,
  type WriterSchema,
  type WriteStreams,
} from '@millrace/core'
import { decodeRow, type ProtoRow, splitRows } from './proto-rows.ts'

/** What becomes of one append on its way. */
export type AppendFate =
  | { readonly kind: 'apply' }
  /** The connection breaks before, or after, the service saw the request. What follows on the connection never arrives. */
  | { readonly kind: 'loseRequest' }
  | { readonly kind: 'loseReply' }
  /** The service (`applies` or not) never answers: the caller's deadline has to end it. */
  | { readonly kind: 'silence'; readonly applies: boolean }
  /** The request, and all behind it, linger in the network until then. They arrive even when the caller has long given up. */
  | { readonly kind: 'hold'; readonly until: Promise<void> }
  | { readonly kind: 'refuse'; readonly error: AppendRefusal }
  | { readonly kind: 'break'; readonly error: MillraceError }
  /** Acknowledged at another offset, applied or not. */
  | { readonly kind: 'acknowledgeAt'; readonly offset: StreamOffset; readonly isLie?: true }

/** What becomes of one unary call: lost before or after it took effect, or answered. */
export type CallFate = 'apply' | 'loseRequest' | 'loseReply'

export type AppendSeen = { readonly stream: StreamName; readonly request: AppendRequest }
export type CallSeen = { readonly method: 'create' | 'exists' | 'finalize'; readonly target: TableName | StreamName }

export type BigQueryTwinOptions = {
  readonly clock: Clock
  readonly timers: Timers
  /** One way, per message; default none. */
  readonly latencyMs?: () => number
  /** As the adapter's; default 60 s. */
  readonly appendDeadlineMs?: number
}

type TableState = { info: TableInfo; schemaNewsPending: boolean }
type StreamState = {
  readonly incarnation: TableState
  readonly rows: ProtoRow[]
  isFinalized: boolean
}

export class BigQueryTwin {
  readonly tables: Tables
  readonly writeStreams: WriteStreams
  /** Decides about each append as it leaves the caller. Replace it at any time. */
  appendFate: (append: AppendSeen) => AppendFate = () => ({ kind: 'apply' })
  /** Decides about each unary call. */
  callFate: (call: CallSeen) => CallFate = () => 'apply'
  /** Told of every append that landed, before anybody hears of it. */
  onLanded: ((stream: StreamName, firstRow: StreamOffset, rows: readonly ProtoRow[]) => void) | null = null

  readonly #options: BigQueryTwinOptions
  readonly #tables = new Map<TableName, TableState>()
  readonly #streams = new Map<StreamName, StreamState>()
  #streamCount = 0
  #creationCount = 0

  constructor(options: BigQueryTwinOptions) {
    this.#options = options
    this.tables = { get: table => this.#getTable(table), create: (table, spec) => this.#createTable(table, spec) }
    this.writeStreams = {
      create: (table, { signal }) =>
        this.#call({ method: 'create', target: table }, signal, () => this.#createStream(table)),
      exists: (stream, { signal }) =>
        this.#call({ method: 'exists', target: stream }, signal, () => this.#streamOrThrow(stream) !== undefined),
      finalize: (stream, { signal }) =>
        this.#call({ method: 'finalize', target: stream }, signal, () => this.#finalize(stream)),
      connect: (stream, schema, listener) => new TwinConnection(this, this.#options, stream, schema, listener),
    }
  }

  /** Every row of the table's present incarnation: by stream in order of creation, in stream order. */
  rows(table: TableName): readonly ProtoRow[] {
    const incarnation = this.#tables.get(table)
    return this.streams(table)
      .map(stream => this.#streams.get(stream))
      .filter(state => state !== undefined && state.incarnation === incarnation)
      .flatMap(state => state?.rows ?? [])
  }

  streams(table: TableName): readonly StreamName[] {
    return [...this.#streams.keys()].filter(stream => tableOfStream(stream) === table)
  }

  rowCount(stream: StreamName): number {
    return this.#streams.get(stream)?.rows.length ?? 0
  }

  isFinalized(stream: StreamName): boolean {
    return this.#streams.get(stream)?.isFinalized ?? false
  }

  /** As an expired stream. */
  dropStream(stream: StreamName): void {
    this.#streams.delete(stream)
  }

  /** Its streams are gone with it, also when a table of the same name comes back. */
  dropTable(table: TableName): void {
    for (const stream of this.streams(table)) this.#streams.delete(stream)
    this.#tables.delete(table)
  }

  /** As ALTER TABLE: the same table, its streams go on. */
  alterTable(table: TableName, schema: TableSchema): void {
    const state = this.#tables.get(table)
    if (state !== undefined) state.info = { ...state.info, schema }
  }

  /** The next acknowledged append to the table says that its schema changed. */
  announceSchema(table: TableName): void {
    const state = this.#tables.get(table)
    if (state !== undefined) state.schemaNewsPending = true
  }

  /** The service's side of one append. Called by connections when a request arrives; whoever sent it may be gone. */
  arrive(stream: StreamName, request: AppendRequest, schema: WriterSchema): Arrival {
    const state = this.#streams.get(stream)
    if (state === undefined)
      return refused({ kind: 'streamNotFound', message: `Requested entity was not found. Entity: ${stream}` })
    if (state.isFinalized)
      return refused({ kind: 'streamFinalized', message: `Stream has been finalized. Entity: ${stream}` })
    const expected = BigInt(state.rows.length)
    if (request.firstRow < expected)
      return refused({ kind: 'alreadyExists', message: offsetText('within', expected, request.firstRow) })
    if (request.firstRow > expected)
      return refused({ kind: 'outOfRange', message: offsetText('beyond', expected, request.firstRow) })
    const extra = extraField(schema, state.incarnation.info)
    if (extra !== undefined) return refused({ kind: 'other', error: schemaMismatch(stream, extra) })
    const rows = splitRows(request.rows).map(row => decodeRow(row, schema))
    const errors = rows.flatMap((row, index) => {
      const message = flawOfRow(row, state.incarnation.info)
      return message === null ? [] : [{ index, message }]
    })
    if (errors.length > 0) {
      return refused({
        kind: 'rowErrors',
        message: `Errors found while processing rows. Entity: ${stream}`,
        rows: errors,
      })
    }
    state.rows.push(...rows)
    this.onLanded?.(stream, request.firstRow, rows)
    const hasNewSchema = state.incarnation.schemaNewsPending
    state.incarnation.schemaNewsPending = false
    return { kind: 'acknowledged', offset: streamOffset(expected), hasNewSchema }
  }

  async #getTable(table: TableName): Promise<TableInfo | null> {
    await this.travel()
    return this.#tables.get(table)?.info ?? null
  }

  async #createTable(table: TableName, spec: TableSpec): Promise<TableInfo> {
    await this.travel()
    const existing = this.#tables.get(table)
    if (existing !== undefined) return existing.info
    // Two incarnations never share a creation time, however still the clock stands.
    const creationTime = String(Math.floor(this.#options.clock.nowMs()) + this.#creationCount++)
    const info: TableInfo = { schema: spec.schema, creationTime, location: 'US' }
    this.#tables.set(table, { info, schemaNewsPending: false })
    return info
  }

  #createStream(table: TableName): StreamName {
    const incarnation = this.#tables.get(table)
    if (incarnation === undefined) {
      const message = `Permission 'TABLES_UPDATE_DATA' denied on resource '${table}' (or it may not exist).`
      throw new MillraceError('BIGQUERY_PERMISSION_DENIED', 'failPartition', message)
    }
    const name = `${table}/streams/twin${++this.#streamCount}` as StreamName
    this.#streams.set(name, { incarnation, rows: [], isFinalized: false })
    return name
  }

  #finalize(stream: StreamName): StreamOffset {
    const state = this.#streamOrThrow(stream)
    state.isFinalized = true
    return streamOffset(state.rows.length)
  }

  #streamOrThrow(stream: StreamName): StreamState {
    const state = this.#streams.get(stream)
    if (state !== undefined) return state
    throw new MillraceError('STREAM_GONE', 'reopenStream', `Requested entity was not found. Entity: ${stream}`)
  }

  async #call<T>(seen: CallSeen, signal: AbortSignal, effect: () => T): Promise<T> {
    signal.throwIfAborted()
    const fate = this.callFate(seen)
    await this.travel()
    if (fate === 'loseRequest') throw lost(seen)
    const result = effect()
    await this.travel()
    signal.throwIfAborted()
    if (fate === 'loseReply') throw lost(seen)
    return result
  }

  /** One way over the network; at least a turn of the event queue, so that no caller is ever answered inside its own call. */
  async travel(): Promise<void> {
    const ms = this.#options.latencyMs?.() ?? 0
    if (ms > 0) await this.#options.timers.sleep(ms, { signal: NEVER })
    else await null
  }
}

const NEVER: AbortSignal = new AbortController().signal

export type Arrival =
  | { readonly kind: 'acknowledged'; readonly offset: StreamOffset; readonly hasNewSchema: boolean }
  | { readonly kind: 'refused'; readonly error: AppendRefusal }
const refused = (error: AppendRefusal): Arrival => ({ kind: 'refused', error })

const lost = (seen: CallSeen): MillraceError =>
  new MillraceError('BIGQUERY_UNREACHABLE', 'retry', `The ${seen.method} call on ${seen.target} was lost.`)

type Sent = { readonly request: AppendRequest; readonly fate: AppendFate; readonly original: Buffer }

class TwinConnection implements AppendConnection {
  readonly #twin: BigQueryTwin
  readonly #options: BigQueryTwinOptions
  readonly #stream: StreamName
  readonly #schema: WriterSchema
  readonly #listener: AppendListener
  readonly #life = new AbortController()
  /** Sent and not yet at the service, in order. */
  readonly #wire: Sent[] = []
  readonly #unanswered: AppendRequest[] = []
  #inFlightBytes = 0
  #isPumping = false
  #isClosed = false
  #isBroken = false
  /** Whether requests on the wire still arrive. */
  #isCut = false
  #isSilent = false
  #isWatching = false
  /** The deadline runs from here, as the adapter's does. */
  #headSinceMs = 0

  constructor(
    twin: BigQueryTwin,
    options: BigQueryTwinOptions,
    stream: StreamName,
    schema: WriterSchema,
    listener: AppendListener,
  ) {
    this.#twin = twin
    this.#options = options
    this.#stream = stream
    this.#schema = schema
    this.#listener = listener
  }

  get inFlightBytes(): number {
    return this.#inFlightBytes
  }

  send(request: AppendRequest): void {
    if (this.#isBroken) return
    assert(!this.#isClosed, 'send() after close().')
    this.#unanswered.push(request)
    this.#inFlightBytes += request.rows.end - request.rows.start
    const original = Buffer.from(request.rows.bytes.subarray(request.rows.start, request.rows.end))
    this.#wire.push({ request, fate: this.#twin.appendFate({ stream: this.#stream, request }), original })
    if (this.#unanswered.length === 1) this.#headSinceMs = this.#options.clock.monotonicMs()
    if (!this.#isWatching) void this.#watch()
    if (!this.#isPumping) void this.#pump()
  }

  close(): void {
    this.#isClosed = true
    if (this.#unanswered.length === 0) this.#life.abort()
  }

  async #pump(): Promise<void> {
    this.#isPumping = true
    for (let sent = this.#wire.shift(); sent !== undefined && !this.#isCut; sent = this.#wire.shift()) {
      await this.#twin.travel()
      await this.#deliver(sent)
    }
    this.#isPumping = false
  }

  async #deliver({ request, fate, original }: Sent): Promise<void> {
    if (fate.kind === 'hold') await fate.until
    if (fate.kind === 'loseRequest' || fate.kind === 'break') {
      this.#isCut = true
      this.#break(fate.kind === 'break' ? fate.error : connectionLost(this.#stream))
      return
    }
    const isLie = fate.kind === 'acknowledgeAt' && fate.isLie === true
    const isApplied = fate.kind !== 'refuse' && !isLie && !(fate.kind === 'silence' && !fate.applies)
    const { bytes, start, end } = request.rows
    assert(original.equals(bytes.subarray(start, end)), 'Frozen rows changed after they were sent.')
    const arrival = isApplied ? this.#twin.arrive(this.#stream, request, this.#schema) : null
    if (fate.kind === 'silence') this.#isSilent = true
    if (fate.kind === 'loseReply') {
      this.#isCut = true
      this.#break(connectionLost(this.#stream))
      return
    }
    await this.#twin.travel()
    if (this.#isSilent || this.#isBroken) return
    this.#answer(request, fate, arrival)
  }

  #answer(request: AppendRequest, fate: AppendFate, arrival: Arrival | null): void {
    assert(this.#unanswered.shift() === request, 'Answers come in request order.')
    this.#inFlightBytes -= request.rows.end - request.rows.start
    this.#headSinceMs = this.#options.clock.monotonicMs()
    if (this.#isClosed) {
      if (this.#unanswered.length === 0) this.#life.abort()
      return
    }
    if (fate.kind === 'refuse') this.#listener.onRefused(request.id, fate.error)
    else if (fate.kind === 'acknowledgeAt' && fate.isLie) this.#listener.onAcknowledged(request.id, fate.offset)
    else if (arrival?.kind === 'refused') this.#listener.onRefused(request.id, arrival.error)
    else if (arrival?.kind === 'acknowledged') {
      this.#listener.onAcknowledged(request.id, fate.kind === 'acknowledgeAt' ? fate.offset : arrival.offset)
      if (arrival.hasNewSchema && !this.#isClosed) this.#listener.onSchemaUpdated()
    }
  }

  /** The caller's deadline; the request itself goes on lingering wherever it is. */
  async #watch(): Promise<void> {
    this.#isWatching = true
    const { clock, timers, appendDeadlineMs = 60_000 } = this.#options
    while (this.#unanswered.length > 0 && !this.#isBroken) {
      const restMs = this.#headSinceMs + appendDeadlineMs - clock.monotonicMs()
      if (restMs <= 0) {
        const message = `No answer to an append on ${this.#stream} within ${appendDeadlineMs} ms.`
        this.#break(new MillraceError('BIGQUERY_UNREACHABLE', 'reconnect', message))
        return
      }
      if (!(await this.#hasSlept(timers, restMs))) return
    }
    this.#isWatching = false
  }

  async #hasSlept(timers: Timers, ms: number): Promise<boolean> {
    try {
      await timers.sleep(ms, { signal: this.#life.signal })
      return true
    } catch {
      return false
    }
  }

  #break(error: MillraceError): void {
    if (this.#isBroken) return
    this.#isBroken = true
    this.#unanswered.length = 0
    this.#inFlightBytes = 0
    this.#life.abort()
    if (!this.#isClosed) this.#listener.onBroken(error)
  }
}

const connectionLost = (stream: StreamName): MillraceError =>
  new MillraceError('BIGQUERY_UNREACHABLE', 'reconnect', `The connection of ${stream} was lost.`)

/** The service's own words. */
const offsetText = (where: 'within' | 'beyond', expected: bigint, received: bigint): string =>
  `The offset is ${where} stream, expected offset ${expected}, received ${received}`

const schemaMismatch = (stream: StreamName, field: string): MillraceError =>
  new MillraceError(
    'SCHEMA_MISMATCH',
    'failPartition',
    `Schema mismatch due to extra fields in user schema: ${field}. Entity: ${stream}`,
  )

function extraField(schema: WriterSchema, info: TableInfo): string | undefined {
  const columns = new Set(info.schema.columns.map(column => column.name.toLowerCase()))
  return schema.fields.map(field => field.columnName ?? field.name).find(name => !columns.has(name.toLowerCase()))
}

/** The two row errors tests make on purpose: a required column that is absent, a string that is too long. */
function flawOfRow(row: ProtoRow, info: TableInfo): string | null {
  const byName = new Map(Object.entries(row).map(([name, value]) => [name.toLowerCase(), value]))
  for (const column of info.schema.columns) {
    const value = byName.get(column.name.toLowerCase())
    if (value === undefined && column.mode === 'REQUIRED') return `Field ${column.name} is required.`
    if (typeof value === 'string' && isTooLong(value, column)) {
      return `Field ${column.name}: STRING(${column.maxLength}) has maximum length ${column.maxLength} but got a value with length ${[...value].length} on field ${column.name}.`
    }
  }
  return null
}

const isTooLong = (value: string, column: Column): boolean =>
  // No string has more characters than code units.
  column.maxLength !== undefined && value.length > column.maxLength && [...value].length > column.maxLength
