// The OpenAPI 3.1 document, from the list of operations, the schemas and the roles. https://spec.openapis.org/oas/v3.1.0
import { ROLE_OF_ROUTE } from '../security/route-roles.ts'
import { OPERATIONS, type Operation, TAKES_IDEMPOTENCY_KEY, TAKES_IF_MATCH } from './operations.ts'
import { type JsonSchema, SCHEMAS } from './schemas.ts'

type Json = Readonly<Record<string, unknown>>

/** @param version of Millrace. */
export function openApiDocument(version: string): Json {
  const paths: Record<string, Record<string, Json>> = {}
  for (const [route, operation] of Object.entries(OPERATIONS)) {
    const [method = '', pattern = ''] = route.split(' ')
    const path = pattern.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [method.toLowerCase()]: operationOf(route, pattern, operation) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Millrace',
      version,
      description: 'Kafka Connect’s REST API, and what Connect never told under /api/v1.',
    },
    paths,
    components: { schemas: SCHEMAS, securitySchemes: { basic: { type: 'http', scheme: 'basic' } } },
    // Where nobody logs in, which only loopback allows, none is needed.
    security: [{}, { basic: [] }],
  }
}

function operationOf(route: string, pattern: string, { summary, query = {}, body, answers }: Operation): Json {
  const inPath = [...pattern.matchAll(/:(\w+)/g)].map(([, name]) => parameter(name ?? '', 'path', null))
  const inQuery = Object.entries(query).map(([name, description]) => parameter(name, 'query', description))
  const ifMatch = TAKES_IF_MATCH.has(route) ? [parameter('If-Match', 'header', 'ETag of the version to change.')] : []
  const key = TAKES_IDEMPOTENCY_KEY.has(route) ? [parameter('Idempotency-Key', 'header', KEY_DESCRIPTION)] : []
  return {
    operationId: operationId(route),
    summary,
    tags: [pattern.startsWith('/api/v1') ? 'Millrace' : 'Kafka Connect'],
    'x-role': ROLE_OF_ROUTE.get(route) ?? 'admin',
    parameters: [...inPath, ...inQuery, ...ifMatch, ...key],
    ...(body === undefined ? {} : { requestBody: { required: true, content: json(body) } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, schema]) => [status, answerOf(Number(status), schema)]),
      ),
      default: { description: 'Refused or failed: error_code is the HTTP status.', content: json('Error') },
    },
  }
}

const KEY_DESCRIPTION =
  'One key for a request and its repetitions: they get the first answer’s status, with Idempotency-Replayed: true, and change nothing. Under another request’s key: 422.'

const parameter = (name: string, place: 'path' | 'query' | 'header', description: string | null): Json => ({
  name,
  in: place,
  required: place === 'path',
  schema: { type: 'string' },
  ...(description === null ? {} : { description }),
})

const json = (schema: string): Json => ({
  'application/json': { schema: { $ref: `#/components/schemas/${schema}` } satisfies JsonSchema },
})

function answerOf(status: number, schema: string | null): Json {
  const description = DESCRIPTIONS[status] ?? 'Done.'
  if (schema === null) return { description }
  if (schema === 'events') return { description, content: { 'text/event-stream': { schema: { type: 'string' } } } }
  return { description, content: json(schema) }
}
const DESCRIPTIONS: Readonly<Record<number, string>> = {
  201: 'Created.',
  202: 'Accepted: workers follow within a moment.',
  204: 'Done.',
  500: 'Unhealthy.',
  503: 'Still starting.',
}

/** `getApiV1ConnectorsNameHealth` */
function operationId(route: string): string {
  const words = route.toLowerCase().match(/[a-z0-9]+/g) ?? []
  return words.map((word, i) => (i === 0 ? word : word.slice(0, 1).toUpperCase() + word.slice(1))).join('')
}
