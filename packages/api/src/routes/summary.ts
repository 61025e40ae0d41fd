// One connector, or all, at a glance: state, health, lag in records and seconds, freshness; and the same by table.
import {
  type ClusterView,
  type ConnectorEntry,
  connectorHealth,
  connectorStatus,
  partitionViews,
  summarize,
  summarizeTables,
  type Totals,
} from '@millrace/core'
import type { FastifyInstance } from 'fastify'
import type { Context } from '../context.ts'
import { etagOf } from '../if-match.ts'
import { reasonShape } from './health.ts'

type Named = { Params: { name: string } }

export function summaryRoutes(app: FastifyInstance, context: Context): void {
  app.get('/api/v1/connectors', async () => {
    const view = await context.view()
    const entries = [...context.deps.configStore.read().connectors.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
    return { connectors: await context.inPieces(entries, entry => summaryShape(entry, view, context)) }
  })

  app.get<Named>('/api/v1/connectors/:name', async (request, reply) => {
    const entry = await context.connector(request.params.name)
    reply.header('etag', etagOf(entry))
    return summaryShape(entry, await context.view(), context)
  })

  app.get<Named>('/api/v1/connectors/:name/tables', async request => {
    const entry = await context.connector(request.params.name)
    const tables = summarizeTables(partitionViews(entry, await context.view()))
    return {
      connector: entry.name,
      tables: tables.map(table => ({ table: table.table, topics: table.topics, ...totalsShape(table) })),
    }
  })
}

function summaryShape(entry: ConnectorEntry, view: ClusterView, context: Context): object {
  const status = connectorStatus(entry, view)
  const health = connectorHealth(entry, view, context.healthContext())
  const summary = summarize(entry, partitionViews(entry, view))
  const [reason] = health.reasons
  return {
    name: entry.name,
    state: status.connector.state,
    target_state: entry.targetState,
    health: health.verdict,
    ...(reason === undefined ? {} : { reason: reasonShape(reason) }),
    tasks: status.tasks.length,
    tasks_failed: status.tasks.filter(task => task.state === 'FAILED').length,
    partitions_by_state: summary.partitionsByState,
    ...totalsShape(summary),
    version: entry.version,
    config_generation: entry.configGeneration,
    incarnation: entry.incarnation,
    created_at_ms: entry.createdAtMs,
    updated_at_ms: entry.updatedAtMs,
  }
}

function totalsShape(totals: Totals): object {
  return {
    partitions: totals.partitions,
    lag: totals.lag,
    lag_ms: totals.lagMs,
    newest_record_at_ms: totals.newestRecordAtMs,
    in_flight_rows: totals.inFlightRows,
    rows_total: totals.rowsTotal,
    dead_letters_total: totals.deadLettersTotal,
    dropped_total: totals.droppedTotal,
    lost_offsets: totals.lostOffsets,
    streams: totals.streams,
  }
}
