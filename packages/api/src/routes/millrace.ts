// What Connect never told: this worker, all workers, and each connector partition by partition. Under /api/v1, never in Connect's bodies.
import { type PartitionView, partitionState, partitionViews, traceOf, type WorkerReport } from '@millrace/core'
import type { FastifyInstance } from 'fastify'
import type { Context } from '../context.ts'
import { jsonOffsetOrNull } from '../json-offset.ts'

type Named = { Params: { name: string } }

export function millraceRoutes(app: FastifyInstance, context: Context): void {
  const { worker } = context.deps

  app.get('/api/v1/worker', async () => ({
    worker: worker.worker,
    worker_id: worker.advertised,
    pid: worker.pid,
    version: worker.version,
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
    in_flight_rows: report?.inFlightRows ?? 0,
    streams: report?.streams ?? [],
    takeovers: report?.takeovers ?? 0,
    rows_total: report?.rowsTotal ?? 0,
    dead_letters_total: report?.deadLettersTotal ?? 0,
    dropped_total: report?.droppedTotal ?? 0,
    failures: report?.failures ?? 0,
    ...(isFailed ? { trace: traceOf(view) } : {}),
  }
}
