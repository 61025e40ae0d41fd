// What Connect never told: this worker, all workers, and each connector partition by partition. Under /api/v1, never in Connect's bodies.
import {
  formatTopicPartition,
  type PartitionView,
  partitionState,
  partitionViews,
  type StreamName,
  type StreamOffset,
  streamOffset,
  traceOf,
  type Waiting,
  type WorkerReport,
} from '@millrace/core'
import type { FastifyInstance } from 'fastify'
import { badRequest, notFound } from '../api-error.ts'
import { type Context, REQUEST_TIMEOUT_MS } from '../context.ts'
import { isJsonObject, JsonNumber, type JsonValue } from '../json-body.ts'
import { jsonOffsetOrNull } from '../json-offset.ts'

type Named = { Params: { name: string } }
type PartitionNamed = { Params: { name: string; topic: string; partition: string } }

export function millraceRoutes(app: FastifyInstance, context: Context): void {
  const { worker, audit } = context.deps

  app.get('/api/v1/worker', async () => ({
    worker: worker.worker,
    worker_id: worker.advertised,
    pid: worker.pid,
    version: worker.version,
    audit_records_lost: audit.lostCount,
  }))

  app.get('/api/v1/workers', async () => {
    const { workers } = await context.view()
    return { workers: workers.map(workerShape) }
  })

  app.get<Named>('/api/v1/connectors/:name/partitions', async request => {
    const entry = await context.connector(request.params.name)
    const views = partitionViews(entry, await context.view())
    return {
      connector: entry.name,
      partitions: views.map(view => partitionShape(view, view.report?.state ?? partitionState(entry, view))),
      takeovers: views.reduce((sum, view) => sum + (view.report?.takeovers ?? 0), 0),
    }
  })

  app.put<PartitionNamed>('/api/v1/connectors/:name/partitions/:topic/:partition/verdict', async (request, reply) => {
    const entry = await context.connector(request.params.name)
    const tp = { topic: request.params.topic, partition: Number(request.params.partition) }
    const views = partitionViews(entry, await context.view())
    const view = views.find(v => v.topic === tp.topic && v.partition === tp.partition)
    // Nobody reports what is stopped; whether the stream is open there is asked of the journal in any case.
    if (entry.targetState !== 'STOPPED') {
      if (view === undefined) throw notFound(`Connector ${entry.name} has no partition ${formatTopicPartition(tp)}`)
      if (view.report?.state !== 'IN_DOUBT' && view.report?.failure?.code !== 'IN_DOUBT')
        throw badRequest(`${formatTopicPartition(tp)} is not IN_DOUBT: there is nothing to answer.`)
    }
    const verdict = { tp, ...parseVerdict(request.body) }
    await context.within(REQUEST_TIMEOUT_MS, 'writing to the journal topic', signal =>
      context.deps.giveVerdict(entry, verdict, { signal }),
    )
    return await reply
      .code(202)
      .send({ message: 'The verdict is in the journal; the next claim of the partition counts by it.' })
  })
}

/** `{"stream": "projects/…/streams/…", "rows": 42}`; rows may be a decimal string, as offsets may. */
function parseVerdict(body: unknown): { stream: StreamName; rows: StreamOffset } {
  const { stream, rows, ...others } = isJsonObject(body as JsonValue) ? (body as Record<string, JsonValue>) : {}
  const unknown = Object.keys(others)[0]
  if (unknown !== undefined) throw badRequest(`Unrecognized field "${unknown}" in the request.`)
  if (typeof stream !== 'string' || !stream.includes('/streams/'))
    throw badRequest('stream must be the full name of the stream in doubt.')
  const text = rows instanceof JsonNumber ? rows.text : rows
  if (typeof text !== 'string' || !/^\d{1,18}$/.test(text))
    throw badRequest('rows must be the number of rows of the stream that count as landed.')
  return { stream: stream as StreamName, rows: streamOffset(text) }
}

function workerShape(report: WorkerReport): object {
  return {
    worker: report.worker,
    worker_id: report.advertised,
    pid: report.pid,
    version: report.version,
    started_at_ms: report.startedAtMs,
    published_at_ms: report.publishedAtMs,
    rss_bytes: report.rssBytes,
    partitions: report.partitions.length,
    takeovers: report.takeovers,
  }
}

const waitingShape = ({ code, message, sinceMs }: Waiting): object => ({ code, message, since_ms: sinceMs })

function partitionShape(view: PartitionView, state: string): object {
  const { report } = view
  const isFailed = report !== null && (report.state === 'FAILED' || report.state === 'IN_DOUBT')
  return {
    topic: view.topic,
    partition: view.partition,
    worker: view.worker,
    worker_id: view.workerId,
    task: view.taskId,
    state,
    epoch: report?.epoch ?? 0,
    next_offset: jsonOffsetOrNull(report?.nextOffset ?? null),
    end_offset: jsonOffsetOrNull(report?.endOffset ?? null),
    lag: report?.lag ?? null,
    lag_ms: report?.lagMs ?? null,
    newest_record_at_ms: report?.settledRecordAtMs ?? null,
    in_flight_rows: report?.inFlightRows ?? 0,
    streams: report?.streams ?? [],
    tables: report?.tables ?? [],
    stage: report?.stage ?? null,
    waiting: report?.waiting === undefined ? null : waitingShape(report.waiting),
    takeovers: report?.takeovers ?? 0,
    rows_total: report?.rowsTotal ?? 0,
    dead_letters_total: report?.deadLettersTotal ?? 0,
    dropped_total: report?.droppedTotal ?? 0,
    lost_offsets: report?.lostOffsets ?? 0,
    failures: report?.failures ?? 0,
    recent_failures: (report?.pastFailures ?? []).map(({ code, message, sinceMs }) => ({
      code,
      message,
      at_ms: sinceMs,
    })),
    restarts_at_ms: report?.restartsAtMs ?? null,
    ...(isFailed ? { trace: traceOf(view) } : {}),
  }
}
