// Pause, resume, stop, restart. All of them only write a wish to the config log: any worker answers, none is asked to wait.
import {
  type ConnectorStatus,
  type ControlChange,
  connectorStatus,
  type TargetState,
  type TaskStatus,
  type WriteResult,
} from '@millrace/core'
import type { FastifyInstance } from 'fastify'
import { notFound } from '../api-error.ts'
import { type Context, REQUEST_TIMEOUT_MS } from '../context.ts'
import { asItIsNow, type Replay } from '../idempotency.ts'
import { booleanOf, type Query } from '../query.ts'
import { statusBody, statusShape } from '../shapes.ts'
import { parseTaskId } from './connectors.ts'

type Named = { Params: { name: string } }

export function lifecycleRoutes(app: FastifyInstance, context: Context): void {
  app.put<Named>('/connectors/:name/pause', { config: { replay: accepted } }, async (request, reply) => {
    await setTargetState(context, request.params.name, 'PAUSED')
    return reply.code(202).send()
  })

  app.put<Named>('/connectors/:name/resume', { config: { replay: accepted } }, async (request, reply) => {
    await setTargetState(context, request.params.name, 'STARTED')
    return reply.code(202).send()
  })

  app.put<Named>('/connectors/:name/stop', { config: { replay: done } }, async (request, reply) => {
    await setTargetState(context, request.params.name, 'STOPPED')
    return reply.code(204).send()
  })

  const restarted: Replay = async (_mark, request, reply) => {
    const { includeTasks, onlyFailed } = restartOptions(request.query as Query)
    if (!includeTasks && !onlyFailed) return reply.code(204).send()
    const entry = await asItIsNow(context, (request.params as Named['Params']).name)
    return reply.code(202).send(statusBody(entry, await context.view()))
  }
  const restart = { config: { replay: restarted } }
  app.post<Named & { Querystring: Query }>('/connectors/:name/restart', restart, async (request, reply) => {
    const { name } = request.params
    const { includeTasks, onlyFailed } = restartOptions(request.query)
    const entry = await context.connector(name, `Unknown connector: ${name}`)
    const status = connectorStatus(entry, await context.view())
    const plan = restartPlan(status, { includeTasks, onlyFailed })
    const everyTask = includeTasks && !onlyFailed
    await write(context, { kind: 'restart', name, connector: plan.connector, tasks: everyTask ? 'all' : plan.tasks })
    if (!includeTasks && !onlyFailed) return reply.code(204).send()
    return reply.code(202).send(statusShape(restarting(status, plan)))
  })

  app.post<{ Params: { name: string; task: string } }>(
    '/connectors/:name/tasks/:task/restart',
    { config: { replay: done } },
    async (request, reply) => {
      const { name, task } = request.params
      const id = parseTaskId(task)
      const entry = await context.connector(name, `Unknown connector: ${name}`)
      const { tasks } = connectorStatus(entry, await context.view())
      if (!tasks.some(candidate => candidate.id === id)) throw notFound(`Unknown task: ${name}-${task}`)
      await write(context, { kind: 'restart', name, connector: false, tasks: [id] })
      return reply.code(204).send()
    },
  )
}

async function setTargetState(context: Context, name: string, targetState: TargetState): Promise<void> {
  const result = await write(context, { kind: 'setTargetState', name, targetState })
  if (result.kind === 'notFound') throw notFound(`Unknown connector ${name}`)
}

async function write(context: Context, change: ControlChange): Promise<WriteResult> {
  return await context.within(REQUEST_TIMEOUT_MS, 'writing to the config topic', signal =>
    context.deps.configStore.write(change, { signal }),
  )
}

const accepted: Replay = (_mark, _request, reply) => reply.code(202).send()
const done: Replay = (_mark, _request, reply) => reply.code(204).send()

const restartOptions = (query: Query): { readonly includeTasks: boolean; readonly onlyFailed: boolean } => ({
  includeTasks: booleanOf(query, 'includeTasks', false),
  onlyFailed: booleanOf(query, 'onlyFailed', false),
})

type RestartPlan = { readonly connector: boolean; readonly tasks: readonly number[] }

/** KIP-745: tasks iff includeTasks, and of those only the FAILED ones iff onlyFailed; the connector unless it is fine and onlyFailed. */
export function restartPlan(
  status: ConnectorStatus,
  { includeTasks, onlyFailed }: { readonly includeTasks: boolean; readonly onlyFailed: boolean },
): RestartPlan {
  const isChosen = (part: { readonly state: string }): boolean => !onlyFailed || part.state === 'FAILED'
  return {
    connector: isChosen(status.connector),
    tasks: includeTasks ? status.tasks.filter(isChosen).map(task => task.id) : [],
  }
}

/** The status as it will be in a moment. */
function restarting(status: ConnectorStatus, plan: RestartPlan): ConnectorStatus {
  const { workerId } = status.connector
  return {
    ...status,
    connector: plan.connector ? { state: 'RESTARTING', workerId } : status.connector,
    tasks: status.tasks.map(task =>
      plan.tasks.includes(task.id)
        ? ({ id: task.id, state: 'RESTARTING', workerId: task.workerId } satisfies TaskStatus)
        : task,
    ),
  }
}
