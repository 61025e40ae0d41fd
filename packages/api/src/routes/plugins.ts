// Plugins, their config definitions, and validation. Answered by the worker that was asked: all run the same version.
import type { FastifyInstance } from 'fastify'
import { badRequest, notFound } from '../api-error.ts'
import { assertConfigFits, parseConfig, validateConfig } from '../connector-config.ts'
import type { Context } from '../context.ts'
import type { JsonValue } from '../json-body.ts'
import { booleanOf, type Query } from '../query.ts'

type OfPlugin = { Params: { plugin: string } }

export function pluginRoutes(app: FastifyInstance, context: Context): void {
  const { configs } = context.deps

  app.get<{ Querystring: Query }>('/connector-plugins', async request => {
    const connectorsOnly = booleanOf(request.query, 'connectorsOnly', true)
    return configs.plugins().filter(plugin => !connectorsOnly || plugin.type === 'sink' || plugin.type === 'source')
  })

  app.get<OfPlugin>('/connector-plugins/:plugin/config', async request => {
    const definitions = configs.pluginConfig(request.params.plugin)
    if (definitions === null) throw notFound(`Unknown plugin ${request.params.plugin}.`)
    return definitions
  })

  app.put<OfPlugin & { Body: JsonValue | undefined }>('/connector-plugins/:plugin/config/validate', async request => {
    const { plugin } = request.params
    const config = parseConfig(request.body)
    assertConfigFits(config)
    const included = config['connector.class']
    const isOther = included !== undefined && !shortName(included).endsWith(shortName(plugin))
    if (isOther && configs.connectorClass(included) !== configs.connectorClass(plugin)) {
      throw badRequest(`Included connector type ${included} does not match request type ${plugin}`)
    }
    return validateConfig(configs, config)
  })
}

/** Connect compares class names without their suffix. */
const shortName = (name: string): string => name.replace(/Connector$/, '')
