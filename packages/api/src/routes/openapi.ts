// GET /api/v1/openapi.json, and the JSON Schema of each plugin's config.
import type { FastifyInstance } from 'fastify'
import { notFound } from '../api-error.ts'
import type { Context } from '../context.ts'
import { openApiDocument } from '../openapi/document.ts'
import { pluginSchema } from '../openapi/plugin-schema.ts'

export function openApiRoutes(app: FastifyInstance, context: Context): void {
  const { configs, worker } = context.deps
  const document = openApiDocument(worker.version)

  app.get('/api/v1/openapi.json', async () => document)

  app.get<{ Params: { plugin: string } }>('/api/v1/connector-plugins/:plugin/schema', async request => {
    const { plugin } = request.params
    const definitions = configs.pluginConfig(plugin)
    if (definitions === null) throw notFound(`Unknown plugin ${plugin}.`)
    return pluginSchema(configs.connectorClass(plugin) ?? plugin, definitions)
  })
}
