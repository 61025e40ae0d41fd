// GET / and /health.
import type { FastifyInstance } from 'fastify'
import type { Context } from '../context.ts'
import type { Health } from '../deps.ts'

/** The Kafka release whose REST API this is. Clients (kcctl) read from it which calls they may make. */
export const KAFKA_API_LEVEL = '4.1.0'
/** KIP-1017: the health check has a patience of its own. */
export const HEALTH_TIMEOUT_MS = 10_000

export function rootRoutes(app: FastifyInstance, context: Context): void {
  const { deps } = context

  app.get('/', async () => ({
    version: KAFKA_API_LEVEL,
    commit: deps.worker.commit,
    kafka_cluster_id: await context.within(HEALTH_TIMEOUT_MS, 'asking Kafka for its cluster id', signal =>
      deps.clusterId({ signal }),
    ),
  }))

  app.get('/health', async (_request, reply) => {
    const health = await context
      .within(HEALTH_TIMEOUT_MS, 'checking its health', signal => deps.health({ signal }))
      .catch(
        (error: unknown): Health => ({
          status: 'unhealthy',
          detail: error instanceof Error ? error.message : String(error),
        }),
      )
    return reply.code(HEALTH_CODE[health.status]).send({ status: health.status, message: healthMessage(health) })
  })
}

const HEALTH_CODE: Readonly<Record<Health['status'], number>> = { healthy: 200, starting: 503, unhealthy: 500 }
const HEALTH_SENTENCE: Readonly<Record<Health['status'], string>> = {
  healthy: 'Worker has completed startup and is ready to handle requests.',
  starting: 'Worker is still starting up.',
  unhealthy: 'Worker was unable to handle this request and may be unable to handle other requests.',
}

function healthMessage(health: Health): string {
  const sentence = HEALTH_SENTENCE[health.status]
  return health.detail === undefined ? sentence : `${sentence} ${health.detail}`
}
