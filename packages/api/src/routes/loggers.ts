// Log levels of this worker (KIP-495), or of all workers with `scope=cluster` (KIP-976): 204, and they follow within a second or two.
import type { FastifyInstance } from 'fastify'
import { badRequest, notFound } from '../api-error.ts'
import type { Context } from '../context.ts'
import type { LoggerLevel } from '../deps.ts'
import { isJsonObject, type JsonValue } from '../json-body.ts'
import { allOf, type Query } from '../query.ts'

type OfLogger = { Params: { logger: string } }

export function loggerRoutes(app: FastifyInstance, context: Context): void {
  const { loggers } = context.deps

  app.get('/admin/loggers', async () =>
    Object.fromEntries([...loggers.list()].map(([name, level]) => [name, levelShape(level)])),
  )

  app.get<OfLogger>('/admin/loggers/:logger', async request => {
    const level = loggers.list().get(request.params.logger)
    if (level === undefined) throw notFound(`Logger ${request.params.logger} not found.`)
    return levelShape(level)
  })

  app.put<OfLogger & { Body: JsonValue | undefined; Querystring: Query }>(
    '/admin/loggers/:logger',
    async (request, reply) => {
      const level = isJsonObject(request.body) ? request.body.level : undefined
      if (level === undefined || level === null)
        throw badRequest("Desired 'level' parameter was not specified in request.")
      if (typeof level !== 'string') throw badRequest("The 'level' parameter must be a string.")
      if (allOf(request.query, 'scope')[0]?.toLowerCase() === 'cluster') {
        if (!(await loggers.setEverywhere(request.params.logger, level)))
          throw notFound(`invalid log level '${level}'.`)
        return await reply.code(204).send()
      }
      const affected = loggers.set(request.params.logger, level)
      if (affected === null) throw notFound(`invalid log level '${level}'.`)
      return affected
    },
  )
}

const levelShape = (level: LoggerLevel): { level: string; last_modified: number | null } => ({
  level: level.level,
  last_modified: level.lastModifiedMs,
})
