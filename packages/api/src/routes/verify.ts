// POST /api/v1/connectors/:name/verify: journal, topics and tables compared, as a run that is asked about with GET.
import type { FastifyInstance } from 'fastify'
import { badRequest, notFound } from '../api-error.ts'
import type { Context } from '../context.ts'
import { isJsonObject, type JsonValue } from '../json-body.ts'
import { VerifyRuns } from '../verify-runs.ts'

type Named = { Params: { name: string } }

export function verifyRoutes(app: FastifyInstance, context: Context, closing: AbortSignal): void {
  const runs = new VerifyRuns(context.deps, closing)
  const path = '/api/v1/connectors/:name/verify'

  app.post<Named & { Body: JsonValue | undefined }>(path, async (request, reply) => {
    const { body } = request
    if (body !== undefined && !(isJsonObject(body) && Object.keys(body).length === 0))
      throw badRequest('The request takes no body.')
    const entry = await context.connector(request.params.name)
    return await reply.code(202).send(await runs.start(entry))
  })

  app.get<Named>(path, async request => {
    const entry = await context.connector(request.params.name)
    const run = await runs.latest(entry.name)
    if (run === null) throw notFound(`No comparison of connector ${entry.name} was asked for within the last hour.`)
    return run
  })

  app.delete<Named>(path, async (request, reply) => {
    const entry = await context.connector(request.params.name)
    if (!(await runs.cancel(entry.name))) throw notFound(`No comparison of connector ${entry.name} is running.`)
    return await reply.code(204).send()
  })
}
