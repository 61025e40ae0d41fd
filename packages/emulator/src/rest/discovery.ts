// The discovery document, for tools that find their way by it: what this emulator serves of BigQuery v2, and nothing else.
// https://developers.google.com/discovery/v1/reference/apis
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Json } from './wire-shape.ts'

type Method = readonly [name: string, httpMethod: string, path: string, query?: readonly string[]]

const DATASET = 'projects/{+projectId}/datasets/{+datasetId}'
const TABLE = `${DATASET}/tables/{+tableId}`
const PAGED = ['maxResults', 'pageToken']
const METHODS: Readonly<Record<string, readonly Method[]>> = {
  projects: [
    ['list', 'GET', 'projects', PAGED],
    ['getServiceAccount', 'GET', 'projects/{+projectId}/serviceAccount'],
  ],
  datasets: [
    ['list', 'GET', 'projects/{+projectId}/datasets', [...PAGED, 'all', 'filter']],
    ['insert', 'POST', 'projects/{+projectId}/datasets'],
    ['get', 'GET', DATASET],
    ['patch', 'PATCH', DATASET],
    ['update', 'PUT', DATASET],
    ['delete', 'DELETE', DATASET, ['deleteContents']],
  ],
  tables: [
    ['list', 'GET', `${DATASET}/tables`, PAGED],
    ['insert', 'POST', `${DATASET}/tables`],
    ['get', 'GET', TABLE],
    ['patch', 'PATCH', TABLE],
    ['update', 'PUT', TABLE],
    ['delete', 'DELETE', TABLE],
  ],
  tabledata: [
    ['list', 'GET', `${TABLE}/data`, [...PAGED, 'startIndex', 'selectedFields', 'formatOptions.useInt64Timestamp']],
    ['insertAll', 'POST', `${TABLE}/insertAll`],
  ],
  jobs: [
    ['list', 'GET', 'projects/{+projectId}/jobs', [...PAGED, 'stateFilter', 'minCreationTime', 'maxCreationTime']],
    ['insert', 'POST', 'projects/{+projectId}/jobs'],
    ['get', 'GET', 'projects/{+projectId}/jobs/{+jobId}', ['location']],
    ['cancel', 'POST', 'projects/{+projectId}/jobs/{+jobId}/cancel', ['location']],
    ['delete', 'DELETE', 'projects/{+projectId}/jobs/{+jobId}/delete', ['location']],
    ['query', 'POST', 'projects/{+projectId}/queries'],
    [
      'getQueryResults',
      'GET',
      'projects/{+projectId}/queries/{+jobId}',
      [...PAGED, 'startIndex', 'timeoutMs', 'location', 'formatOptions.useInt64Timestamp'],
    ],
  ],
}
const SCOPES = ['https://www.googleapis.com/auth/bigquery', 'https://www.googleapis.com/auth/cloud-platform']

function methodEntry(resource: string, [name, httpMethod, path, query = []]: Method): readonly [string, Json] {
  const inPath = [...path.matchAll(/\{\+(\w+)\}/g)].map(match => match[1]!)
  const parameters = [
    ...inPath.map(parameter => [parameter, { type: 'string', location: 'path', required: true }]),
    ...query.map(parameter => [parameter, { type: 'string', location: 'query' }]),
  ]
  const hasBody = httpMethod === 'POST' || httpMethod === 'PUT' || httpMethod === 'PATCH'
  const method: Json = {
    id: `bigquery.${resource}.${name}`,
    path,
    flatPath: path.replaceAll('{+', '{'),
    httpMethod,
    parameters: Object.fromEntries(parameters),
    parameterOrder: inPath,
    ...(hasBody && { request: { $ref: 'JsonObject' } }),
    ...(httpMethod !== 'DELETE' && { response: { $ref: 'JsonObject' } }),
    scopes: SCOPES,
  }
  return [name, method]
}

function document(rootUrl: string, servicePath: string): Json {
  const resources = Object.entries(METHODS).map(([resource, methods]) => [
    resource,
    { methods: Object.fromEntries(methods.map(method => methodEntry(resource, method))) },
  ])
  return {
    kind: 'discovery#restDescription',
    discoveryVersion: 'v1',
    id: 'bigquery:v2',
    name: 'bigquery',
    version: 'v2',
    revision: '0',
    title: 'BigQuery API',
    description: 'The part of BigQuery v2 that this emulator serves.',
    protocol: 'rest',
    rootUrl,
    servicePath,
    basePath: `/${servicePath}`,
    baseUrl: `${rootUrl}${servicePath}`,
    batchPath: 'batch/bigquery/v2',
    parameters: {
      alt: { type: 'string', location: 'query', default: 'json', enum: ['json'] },
      fields: { type: 'string', location: 'query' },
      key: { type: 'string', location: 'query' },
      oauth_token: { type: 'string', location: 'query' },
      prettyPrint: { type: 'boolean', location: 'query', default: 'true' },
      quotaUser: { type: 'string', location: 'query' },
    },
    auth: { oauth2: { scopes: Object.fromEntries(SCOPES.map(scope => [scope, { description: scope }])) } },
    schemas: { JsonObject: { id: 'JsonObject', type: 'object', additionalProperties: { type: 'any' } } },
    resources: Object.fromEntries(resources),
  }
}

export function discoveryRoutes(app: FastifyInstance, prefix: string): void {
  const answer = async (request: FastifyRequest): Promise<Json> =>
    document(`${request.protocol}://${request.headers.host ?? 'localhost'}/`, `${prefix.slice(1)}/`)
  for (const path of ['/discovery/v1/apis/bigquery/v2/rest', '/$discovery/rest']) app.get(path, answer)
}
