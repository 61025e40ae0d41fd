// Write streams of BigQuery: create, look up, finalize, connect.
// Creating may be repeated freely (an orphan is empty for ever); finalizing is one call per invocation, the caller's loop decides.
import {
  type AppendConnection,
  type AppendListener,
  backoffMs,
  isMillraceError,
  MillraceError,
  parseTableName,
  type Random,
  type StreamName,
  type StreamOffset,
  streamOffset,
  type TableName,
  tableOfStream,
  type WriterSchema,
  type WriteStreams,
} from '@millrace/core'
import { type AppendDeps, GrpcAppendConnection } from './append-connection.ts'
import {
  decodeFinalizeResponse,
  decodeWriteStream,
  encodeCreateRequest,
  encodeNameRequest,
  STREAM_TYPE,
} from './messages.ts'
import { callUnary } from './unary-call.ts'

/** Attempts of one create() and of one exists(): after that the caller's own ramp and backoff decide. */
const ATTEMPTS_MAX = 5
const CREATE_BACKOFF = { baseMs: 500, maxMs: 10_000 } as const
const LOOKUP_BACKOFF = { baseMs: 200, maxMs: 5_000 } as const
/** Storms of creates are answered after 25 s and more. https://cloud.google.com/bigquery/docs/write-api-best-practices */
const CREATE_DEADLINE_MS = 90_000
const LOOKUP_DEADLINE_MS = 30_000
const FINALIZE_DEADLINE_MS = 60_000

export type WriteStreamsDeps = AppendDeps & { readonly random: Random }

export class GrpcWriteStreams implements WriteStreams {
  readonly #deps: WriteStreamsDeps

  constructor(deps: WriteStreamsDeps) {
    this.#deps = deps
  }

  create(table: TableName, { signal }: { signal: AbortSignal }): Promise<StreamName> {
    return this.#attempt(CREATE_BACKOFF, mayCreateAgain, signal, async () => {
      const created = await callUnary(
        this.#deps,
        {
          method: 'CreateWriteStream',
          route: { field: 'parent', value: table },
          request: encodeCreateRequest(table, STREAM_TYPE.COMMITTED),
          decode: decodeWriteStream,
          deadlineMs: CREATE_DEADLINE_MS,
        },
        signal,
      )
      if (!isStreamOf(created.name, table)) {
        throw new MillraceError(
          'ACK_UNEXPECTED',
          'failPartition',
          `CreateWriteStream of ${table} answered '${created.name}'.`,
        )
      }
      return created.name as StreamName
    })
  }

  exists(stream: StreamName, { signal }: { signal: AbortSignal }): Promise<boolean> {
    return this.#attempt(LOOKUP_BACKOFF, isTransient, signal, async () => {
      const found = await callUnary(
        this.#deps,
        {
          method: 'GetWriteStream',
          route: { field: 'name', value: stream },
          request: encodeNameRequest(stream),
          decode: decodeWriteStream,
          deadlineMs: LOOKUP_DEADLINE_MS,
        },
        signal,
      )
      return found.type === STREAM_TYPE.COMMITTED
    })
  }

  async finalize(stream: StreamName, { signal }: { signal: AbortSignal }): Promise<StreamOffset> {
    const rowCount = await callUnary(
      this.#deps,
      {
        method: 'FinalizeWriteStream',
        route: { field: 'name', value: stream },
        request: encodeNameRequest(stream),
        decode: decodeFinalizeResponse,
        deadlineMs: FINALIZE_DEADLINE_MS,
      },
      signal,
    )
    if (rowCount < 0n) {
      throw new MillraceError(
        'ACK_UNEXPECTED',
        'failPartition',
        `FinalizeWriteStream of ${stream} answered ${rowCount} rows.`,
      )
    }
    return streamOffset(rowCount)
  }

  connect(stream: StreamName, schema: WriterSchema, listener: AppendListener): AppendConnection {
    return new GrpcAppendConnection(this.#deps, stream, schema, listener)
  }

  async #attempt<T>(
    limits: { readonly baseMs: number; readonly maxMs: number },
    mayRepeat: (error: MillraceError) => boolean,
    signal: AbortSignal,
    once: () => Promise<T>,
  ): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await once()
      } catch (error) {
        const isLast = attempt + 1 >= ATTEMPTS_MAX
        if (isLast || !isMillraceError(error) || !mayRepeat(error)) throw error
      }
      await this.#deps.timers.sleep(backoffMs(attempt, limits, this.#deps.random), { signal })
    }
  }
}

const isTransient = (error: MillraceError): boolean => error.disposition === 'retry'

/**
 * A quota goes straight to the caller, whose ramp has to slow down for all workers. A table made a moment ago is denied or
 * not found for a few seconds (measured: at most two denials in a row), so those are asked again.
 */
const mayCreateAgain = (error: MillraceError): boolean =>
  (isTransient(error) && error.code !== 'BIGQUERY_QUOTA') ||
  error.code === 'BIGQUERY_PERMISSION_DENIED' ||
  error.code === 'STREAM_GONE'

/** Whether the name is a stream of this table. The service may spell the project by its number. */
function isStreamOf(name: string, table: TableName): boolean {
  const streams = '/streams/'
  const at = name.indexOf(streams)
  if (at < 0 || name.length === at + streams.length || name.endsWith('/_default')) return false
  const asked = parseTableName(table)
  const answered = parseTableName(tableOfStream(name as StreamName))
  const isSameProject = answered.project === asked.project || /^\d+$/.test(answered.project)
  return isSameProject && answered.dataset === asked.dataset && answered.table === asked.table
}
