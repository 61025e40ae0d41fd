// The emulator's own endpoints: faults, knobs, quotas, connections, tokens and a look inside. No part of BigQuery.
import type { FastifyInstance } from 'fastify'
import { UNAUTHENTICATED_TEXT } from '../access.ts'
import { changeBehavior } from '../behavior.ts'
import type { EmulatorCore } from '../emulator-core.ts'
import { faultsFromJson, InvalidFault } from '../faults/fault-json.ts'
import { tablePattern } from '../faults/table-pattern.ts'
import type { OpenCall } from '../grpc/connections.ts'
import { InvalidSetting } from '../knobs.ts'
import { emulatorState, faultList, type StateQuery } from './emulator-state.ts'

type Body = Readonly<Record<string, unknown>>

export function controlRoutes(app: FastifyInstance, core: EmulatorCore): void {
  faultRoutes(app, core)
  knobRoutes(app, core)
  connectionRoutes(app, core)
  app.get<{ Querystring: StateQuery }>('/emulator/state', request => emulatorState(core, request.query))
}

function faultRoutes(app: FastifyInstance, core: EmulatorCore): void {
  app.post('/emulator/faults', async request => ({
    ids: faultsFromJson(request.body).map(spec => core.faults.add(spec)),
  }))
  app.get('/emulator/faults', async () => ({ faults: faultList(core) }))
  app.delete('/emulator/faults', async (_request, reply) => {
    core.faults.clear()
    return reply.code(204).send()
  })
  app.delete<{ Params: { id: string } }>('/emulator/faults/:id', async (request, reply) => {
    if (!core.faults.remove(Number(request.params.id))) throw new InvalidFault(`There is no fault ${request.params.id}`)
    return reply.code(204).send()
  })
}

function knobRoutes(app: FastifyInstance, core: EmulatorCore): void {
  const { behavior, quotas } = core
  const atStart = { behavior: structuredClone(behavior), quotas: structuredClone(quotas.settings) }
  const change = (patch: unknown): typeof behavior => {
    changeBehavior(behavior, patch)
    core.connections.reschedule()
    return behavior
  }
  app.get('/emulator/behavior', async () => behavior)
  app.patch('/emulator/behavior', async request => change(request.body))
  app.delete('/emulator/behavior', async () => change(atStart.behavior))
  app.get('/emulator/quotas', async () => quotas.view())
  app.patch('/emulator/quotas', async request => {
    quotas.change(request.body)
    return quotas.view()
  })
  app.delete('/emulator/quotas', async () => {
    quotas.change(atStart.quotas)
    return quotas.view()
  })
}

function connectionRoutes(app: FastifyInstance, core: EmulatorCore): void {
  const { connections } = core
  app.post('/emulator/connections/close', async request => {
    const body = bodyOf(request.body, ['id', 'stream', 'table', 'code', 'message'])
    const { code = 'UNAVAILABLE', message } = body
    const [fault] = faultsFromJson({ code, ...(message !== undefined && { message }) })
    return { closed: connections.end(meantBy(body), () => ({ code: fault!.code, message: fault!.message })) }
  })
  app.post('/emulator/connections/restart', async request => ({
    closed: connections.restart(meantBy(bodyOf(request.body, ['id', 'stream', 'table']))),
  }))
  app.post('/emulator/connections/drain', async request => {
    const { graceMs = 10_000 } = bodyOf(request.body, ['graceMs'])
    if (typeof graceMs !== 'number' || !(graceMs >= 0))
      throw new InvalidSetting('graceMs must be a number of 0 or more')
    for (const drain of core.drains) drain(graceMs)
    return { draining: connections.count }
  })
  app.post('/emulator/tokens/expire', async request => {
    const { token } = bodyOf(request.body, ['token'])
    if (token !== undefined && typeof token !== 'string') throw new InvalidSetting('token must be text')
    core.access.expire(token)
    const closed = core.behavior.tokenExpiry === 'closes' ? closeExpired(core) : 0
    return { closed }
  })
}

function closeExpired(core: EmulatorCore): number {
  return core.connections.end(
    ({ authorization }) => core.access.remainingMs(authorization) <= 0,
    () => ({ code: 'UNAUTHENTICATED', message: UNAUTHENTICATED_TEXT }),
  )
}

/** Which calls `id`, part of a `stream`'s name or a `table` speak of; nothing stated = all. */
function meantBy({ id, stream, table }: Body): (call: OpenCall) => boolean {
  const pattern = table === undefined ? undefined : tablePattern(String(table))
  return ({ view }) =>
    (id === undefined || view.id === id) &&
    (stream === undefined || view.stream.includes(String(stream))) &&
    (!pattern || pattern.test(view.stream))
}

function bodyOf(body: unknown, known: readonly string[]): Body {
  if (body === null || body === undefined) return {}
  if (typeof body !== 'object') throw new InvalidSetting('The body must be an object')
  for (const key of Object.keys(body))
    if (!known.includes(key)) throw new InvalidSetting(`Unknown key ${key}; known: ${known.join(', ')}`)
  return body as Body
}
