// Active topics of a connector (KIP-558), derived from the partitions its workers report.
import { activeTopics } from '@millrace/core'
import type { FastifyInstance } from 'fastify'
import { ApiError } from '../api-error.ts'
import { type Context, REQUEST_TIMEOUT_MS } from '../context.ts'
import type { Replay } from '../idempotency.ts'

const DISABLED = 'Topic tracking is disabled.'
const RESET_DISABLED = 'Topic tracking reset is disabled.'

type Named = { Params: { name: string } }

export function topicRoutes(app: FastifyInstance, context: Context): void {
  /** An unknown connector has no topics; that is Connect's answer, not 404. */
  app.get<Named>('/connectors/:name/topics', async request => {
    if (!context.deps.topicTracking.isEnabled) throw new ApiError(403, DISABLED)
    const { name } = request.params
    const entry = await context.lookUp(name)
    const topics = entry === undefined ? [] : activeTopics(entry, await context.view())
    return Object.fromEntries([[name, { topics }]])
  })

  const accepted: Replay = (_mark, _request, reply) => reply.code(202).send()
  app.put<Named>('/connectors/:name/topics/reset', { config: { replay: accepted } }, async (request, reply) => {
    const { isEnabled, mayReset } = context.deps.topicTracking
    if (!isEnabled) throw new ApiError(403, DISABLED)
    if (!mayReset) throw new ApiError(403, RESET_DISABLED)
    const { name } = request.params
    await context.within(REQUEST_TIMEOUT_MS, 'writing to the config topic', signal =>
      context.deps.configStore.write({ kind: 'resetTopics', name }, { signal }),
    )
    return reply.code(202).send()
  })
}
