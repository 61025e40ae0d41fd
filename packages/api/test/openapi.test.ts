// The OpenAPI document: it lists every route, refers to nothing that is not there, and real answers are as it says.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OPERATIONS } from '../src/openapi/operations.ts'
import { ROLE_OF_ROUTE } from '../src/security/route-roles.ts'
import { TestApi } from './support/test-api.ts'

type Schema = Readonly<Record<string, unknown>>
type Document = {
  readonly openapi: string
  readonly info: { readonly title: string; readonly version: string }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Op>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}
type Op = {
  readonly operationId: string
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly required: boolean }[]
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Schema }>>
}

const documentOf = async (api: TestApi): Promise<Document> => (await api.call('GET', '/api/v1/openapi.json')).json()

test('every route has its operation, and every operation its route: none starts without a role, so the roles list all', async () => {
  assert.deepEqual(Object.keys(OPERATIONS).sort(), [...ROLE_OF_ROUTE.keys()].sort())
  await using api = await TestApi.open()
  const { paths } = await documentOf(api)
  for (const route of ROLE_OF_ROUTE.keys()) {
    const [method = '', pattern = ''] = route.split(' ')
    assert.ok(api.app.hasRoute({ method: method as 'GET', url: pattern }), `${route} is registered`)
    assert.ok(paths[pattern.replaceAll(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()] !== undefined, route)
  }
})

test('it is an OpenAPI 3.1 document: ids are unique, path parameters declared, references lead somewhere', async () => {
  await using api = await TestApi.open()
  const document = await documentOf(api)
  assert.equal(document.openapi, '3.1.0')
  assert.ok(document.info.title !== '' && document.info.version !== '')
  const ids = new Set<string>()
  for (const [path, operations] of Object.entries(document.paths)) {
    assert.match(path, /^\//)
    for (const [method, { operationId, parameters, responses }] of Object.entries(operations)) {
      assert.match(method, /^(get|put|post|patch|delete)$/)
      assert.ok(!ids.has(operationId), operationId)
      ids.add(operationId)
      const declared = parameters.filter(p => p.in === 'path' && p.required).map(p => p.name)
      assert.deepEqual(
        declared,
        [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
        path,
      )
      assert.ok(Object.keys(responses).some(status => /^2\d\d$/.test(status)) && responses.default !== undefined)
      assert.ok(Object.values(responses).every(({ description }) => description !== ''))
    }
  }
  const names = new Set(Object.keys(document.components.schemas))
  const used = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name ?? '')
  for (const name of used) assert.ok(names.has(name), `schema ${name}`)
  assert.deepEqual(
    [...names].filter(name => !used.includes(name)),
    [],
    'no schema is idle',
  )
})

/** As much of JSON Schema as the document uses; unknown keys are refused where properties are listed. */
function check(value: unknown, schema: Schema, document: Document, at: string): void {
  const { $ref, anyOf, type, properties, required, additionalProperties, items, enum: allowed } = schema
  if (typeof $ref === 'string')
    return check(value, document.components.schemas[$ref.split('/')[3] ?? ''] ?? {}, document, at)
  if (Array.isArray(anyOf)) {
    const fits = (anyOf as Schema[]).some(one => {
      try {
        check(value, one, document, at)
        return true
      } catch {
        return false
      }
    })
    return assert.ok(fits, `${at} fits none`)
  }
  const kind =
    value === null ? 'null' : Array.isArray(value) ? 'array' : Number.isInteger(value) ? 'integer' : typeof value
  if (type !== undefined)
    assert.ok(
      [type].flat().includes(kind) || (kind === 'integer' && [type].flat().includes('number')),
      `${at} is ${kind}, not ${String(type)}`,
    )
  if (Array.isArray(allowed)) assert.ok(allowed.includes(value), `${at} is ${String(value)}`)
  if (kind === 'array')
    for (const [i, item] of (value as unknown[]).entries())
      check(item, (items ?? {}) as Schema, document, `${at}[${i}]`)
  if (kind !== 'object') return
  const known = (properties ?? {}) as Readonly<Record<string, Schema>>
  for (const key of (required ?? []) as string[])
    assert.ok(Object.hasOwn(value as object, key), `${at}.${key} is missing`)
  for (const [key, member] of Object.entries(value as object)) {
    const of = known[key] ?? additionalProperties
    assert.ok(of !== undefined || properties === undefined, `${at}.${key} is not in the schema`)
    if (of !== undefined) check(member, of as Schema, document, `${at}.${key}`)
  }
}

test('real answers are what it says, key by key', async () => {
  await using api = await TestApi.open()
  const document = await documentOf(api)
  await api.create('a')
  await api.call('PUT', '/connectors/a/config', {
    ...((await api.call('GET', '/connectors/a/config')).json() as object),
    'tasks.max': '1',
  })
  const waiting = { code: 'BIGQUERY_QUOTA', message: 'm', sinceMs: 0 } as const
  const table = 'projects/p/datasets/d/tables/t'
  api.report('w2', 'a', [
    { waiting, progressAtMs: 0, tables: [table], streams: [`${table}/streams/s`], stage: 'appending' },
    { state: 'FAILED', trace: 'x' },
  ])
  const calls = [
    ...[
      '/',
      '/health',
      '/connectors',
      '/connectors?expand=status&expand=info',
      '/connectors/a',
      '/connectors/a/config',
    ],
    ...['/connectors/a/status', '/connectors/a/tasks', '/connectors/a/tasks/0/status', '/connectors/a/topics'],
    ...['/connectors/a/offsets', '/connector-plugins', '/admin/loggers', '/admin/loggers/root', '/api/v1/worker'],
    ...[
      '/api/v1/workers',
      '/api/v1/health',
      '/api/v1/connectors',
      '/api/v1/connectors/a',
      '/api/v1/connectors/a/health',
    ],
    ...['/api/v1/connectors/a/partitions', '/api/v1/connectors/a/tables', '/api/v1/connectors/a/history'],
    ...['/api/v1/connectors/a/history/1', '/api/v1/connectors/a/diff'],
  ].map(url => ['GET', url, undefined] as const)
  const changing = [
    ['POST', '/api/v1/bulk', { action: 'pause', names: ['a', 'b'] }],
    ['POST', '/api/v1/connectors/a/rollback', { version: 1 }],
    ['POST', '/api/v1/connectors/a/verify', undefined],
    ['GET', '/api/v1/connectors/a/verify', undefined],
    ['POST', '/connectors/a/restart?includeTasks=true', undefined],
    ['GET', '/connectors/none', undefined],
  ] as const
  for (const [method, url, body] of [...calls, ...changing]) {
    const response = await api.call(method, url, body)
    const path = (url.split('?')[0] ?? '').replace(
      /\/(connectors|loggers|tasks|history)\/(\w+)/g,
      (_, kind: string) =>
        `/${kind}/{${kind === 'history' ? 'version' : kind === 'connectors' ? 'name' : kind.slice(0, -1)}}`,
    )
    const { responses } = document.paths[path]?.[method.toLowerCase()] ?? assert.fail(`${method} ${path}`)
    const described = responses[String(response.statusCode)] ?? responses.default
    const content = described?.content?.['application/json'] as { schema: Schema } | undefined
    check(response.json(), content?.schema ?? assert.fail(url), document, `${method} ${url}`)
  }
})

test('the routes that take an Idempotency-Key are those it says, and each other one that changes something refuses it', async () => {
  await using api = await TestApi.open()
  const { paths } = await documentOf(api)
  for (const [route, role] of ROLE_OF_ROUTE) {
    const [method = '', pattern = ''] = route.split(' ')
    if (method === 'GET' || pattern.endsWith('/validate')) continue
    const operation = paths[pattern.replaceAll(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()]
    const isSaid = operation?.parameters.some(({ name }) => name === 'Idempotency-Key') ?? false
    const answer = await api.app.inject({
      method: method as 'PUT',
      url: pattern.replaceAll(/:\w+/g, '0'),
      headers: { 'idempotency-key': 'a key' },
    })
    assert.equal(answer.statusCode, 400, `${route} ${role}`)
    assert.match(answer.json().message, isSaid ? /must be one key/ : /cannot tell a repeated request/, route)
  }
})

test('each plugin’s config has a JSON Schema of its definitions', async () => {
  await using api = await TestApi.open()
  const answer = await api.call('GET', '/api/v1/connector-plugins/BigQuerySink/schema')
  const schema = answer.json()
  const definitions = (await api.call('GET', '/connector-plugins/BigQuerySink/config')).json()
  assert.deepEqual(Object.keys(schema.properties).sort(), definitions.map(({ name }: { name: string }) => name).sort())
  assert.equal(schema.title, 'io.millrace.bigquery.BigQuerySinkConnector')
  assert.deepEqual(schema.properties['tasks.max'].type.slice(0, 1), ['string'])
  assert.deepEqual([schema.properties.keyfile.writeOnly, schema.properties.keyfile.format], [true, 'password'])
  assert.equal((await api.call('GET', '/api/v1/connector-plugins/Nope/schema')).statusCode, 404)
})
