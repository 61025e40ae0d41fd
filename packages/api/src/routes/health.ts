// Whether connectors get on, and if not, why and what to do about it. Judged in core/src/control/health.ts.
import {
  type ConnectorHealth,
  connectorHealth,
  connectorStatus,
  HEALTH_VERDICTS,
  type HealthReason,
  manualOf,
} from '@millrace/core'
import type { FastifyInstance } from 'fastify'
import { badRequest } from '../api-error.ts'
import type { Context } from '../context.ts'
import { allOf, type Query } from '../query.ts'

type Named = { Params: { name: string } }

export function healthRoutes(app: FastifyInstance, context: Context): void {
  const { configStore } = context.deps

  app.get<Named>('/api/v1/connectors/:name/health', async request => {
    const entry = await context.connector(request.params.name)
    const view = await context.view()
    const health = connectorHealth(entry, view, context.healthContext())
    return {
      connector: entry.name,
      health: health.verdict,
      state: connectorStatus(entry, view).connector.state,
      reasons: health.reasons.map(reasonShape),
      reason_count: health.reasonCount,
    }
  })

  /** All connectors, the worst first: what an alert or a front page asks for. */
  app.get<{ Querystring: Query }>('/api/v1/health', async request => {
    const wanted = verdictFilter(request.query)
    const view = await context.view()
    const healthContext = context.healthContext()
    const judged = await context.inPieces(configStore.read().connectors.values(), entry =>
      connectorHealth(entry, view, healthContext),
    )
    const found = judged.filter(({ verdict }) => wanted.length === 0 || wanted.includes(verdict))
    return { connectors: found.toSorted(byBadness).map(summaryShape) }
  })
}

function verdictFilter(query: Query): readonly string[] {
  const wanted = allOf(query, 'health').map(text => text.toUpperCase())
  const unknown = wanted.find(text => !HEALTH_VERDICTS.some(verdict => verdict === text))
  if (unknown !== undefined) throw badRequest(`The query parameter health must be ${HEALTH_VERDICTS.join(', ')}.`)
  return wanted
}

function byBadness(a: ConnectorHealth, b: ConnectorHealth): number {
  const badness = HEALTH_VERDICTS.indexOf(b.verdict) - HEALTH_VERDICTS.indexOf(a.verdict)
  return badness || (a.name < b.name ? -1 : 1)
}

const summaryShape = ({ name, verdict, reasons, reasonCount }: ConnectorHealth): object => ({
  connector: name,
  health: verdict,
  reason_count: reasonCount,
  ...(reasons[0] === undefined ? {} : { reason: reasonShape(reasons[0]) }),
})

export function reasonShape(reason: HealthReason): object {
  return {
    code: reason.code,
    severity: reason.severity,
    topic: reason.topic,
    partition: reason.partition,
    worker_id: reason.workerId,
    stage: reason.stage,
    since_ms: reason.sinceMs,
    message: reason.message,
    ...manualOf(reason.code),
  }
}
