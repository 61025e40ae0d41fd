// Where the probes work: one table of their own on one service, and clients of the production adapter. Table and queries go
// through Google's own client, so that what is counted is not counted by what is tested.
import { randomUUID } from 'node:crypto'
import { BigQuery } from '@google-cloud/bigquery'
import {
  isMillraceError,
  type StreamName,
  type StreamOffset,
  type TableName,
  tableName,
  type WriteStreams,
} from '@millrace/core'
import { PassThroughClient } from 'google-auth-library'
import { Appender, hasLanded, told } from './appender.ts'
import { type Client, openClient, type Service, timers } from './client.ts'
import { rowsOf, SCHEMA } from './rows.ts'

export type Pace = {
  /** How often the races of A2 are run. */
  readonly rounds: number
  /** How long what is late gets to show itself before everything is counted again. */
  readonly lateMs: number
  /** How long the right offset may be refused after a reconnect: the runtime gives up after 30 s. */
  readonly staleMs: number
}

export interface Site extends AsyncDisposable {
  readonly service: Service
  readonly table: TableName
  readonly streams: WriteStreams
  readonly pace: Pace
  readonly signal: AbortSignal
  /** Another client with channels of its own: as another worker. */
  openClient(): Promise<Client>
  createStream(): Promise<StreamName>
  /** FinalizeWriteStream until its answer is definitive, as a claim does. */
  finalize(stream: StreamName, streams?: WriteStreams): Promise<StreamOffset>
  /** Rows with the mark that a query sees. */
  count(mark: string): Promise<number>
  /** A mark nobody used. */
  mark(): string
  late(): Promise<void>
  dropTable(): Promise<void>
  sleep(ms: number): Promise<void>
  /** What the run has cost so far. */
  readonly spent: { streams: number; queries: number }
}

/** Should nobody be there to drop the table: it goes by itself. */
const TABLE_LIVES_MS = 3_600_000
/** A query of this table is charged BigQuery's minimum of 10 MB; this is the most one may cost. */
const QUERY_BYTES_MAX = 100_000_000
const FINALIZE_ATTEMPTS_MAX = 8

/**
 * A table is denied or not found for seconds after it was made, by chance and call (measured by others in 140 trials), which is
 * none of what is probed: probes begin once an append has landed.
 */
const WARM_UP_MS = 120_000
const WARM_UP_RETRY_MS = 2_000

/** Creates the table and waits until it takes rows. Disposing drops it. */
export async function openSite(service: Service, pace: Pace, { signal }: { signal: AbortSignal }): Promise<Site> {
  const client = await openClient(service)
  const google = googleClient(service)
  const id = `millrace_live_${Date.now()}_${randomUUID().slice(0, 8)}`
  const table = tableName(service.project, service.dataset, id)
  const dataset = google.dataset(service.dataset, { projectId: service.project })
  await dataset.createTable(id, {
    schema: SCHEMA.columns.map(({ name, type, mode, maxLength }) => ({
      name,
      type,
      mode,
      ...(maxLength !== undefined && { maxLength: String(maxLength) }),
    })),
    expirationTime: String(Date.now() + TABLE_LIVES_MS),
  })
  const sleep = (ms: number): Promise<void> => timers.sleep(ms, { signal })
  const dropTable = async (): Promise<void> => {
    await dataset.table(id).delete({ ignoreNotFound: true })
  }
  const spent = { streams: 0, queries: 0 }
  let marks = 0
  const site: Site = {
    service,
    table,
    pace,
    signal,
    spent,
    streams: client.streams,
    openClient: () => openClient(service),
    createStream() {
      spent.streams++
      return client.streams.create(table, { signal })
    },
    async finalize(stream, streams = client.streams) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await streams.finalize(stream, { signal })
        } catch (error) {
          const mayRepeat = isMillraceError(error) && error.disposition === 'retry'
          if (!mayRepeat || attempt === FINALIZE_ATTEMPTS_MAX) throw error
        }
        await sleep(250 * 2 ** attempt)
      }
    },
    async count(mark) {
      spent.queries++
      const [rows] = await google.query({
        query: `SELECT COUNT(*) AS n FROM \`${service.project}.${service.dataset}.${id}\` WHERE mark = @mark`,
        params: { mark },
        useQueryCache: false,
        maximumBytesBilled: String(QUERY_BYTES_MAX),
      })
      return Number((rows as readonly { n: unknown }[])[0]?.n)
    },
    mark: () => `m${++marks}`,
    late: () => sleep(pace.lateMs),
    dropTable,
    sleep,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]()
      await dropTable()
    },
  }
  try {
    await warmUp(site)
  } catch (error) {
    await site[Symbol.asyncDispose]()
    throw error
  }
  return site
}

async function warmUp(site: Site): Promise<void> {
  const deadlineMs = performance.now() + WARM_UP_MS
  for (;;) {
    let saw: string
    try {
      using appender = new Appender(site.streams, await site.createStream())
      const answer = await appender.append(0, rowsOf(site.mark(), 0, 1))
      saw = told(answer)
      if (hasLanded(answer)) return
    } catch (error) {
      if (site.signal.aborted || !isMillraceError(error)) throw error
      saw = error.message
    }
    if (performance.now() > deadlineMs) throw new Error(`The new table takes no rows: ${saw}`)
    await site.sleep(WARM_UP_RETRY_MS)
  }
}

/** With the usual credentials of Google's libraries; an emulator gets none (each package brings its own type of the same client). */
const googleClient = ({ project, restEndpoint }: Service): BigQuery =>
  restEndpoint === undefined
    ? new BigQuery({ projectId: project })
    : new BigQuery({ projectId: project, apiEndpoint: restEndpoint, authClient: new PassThroughClient() as never })
