import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Column, TableSpec } from '@millrace/core'
import { classifyRestError } from '../src/classify-rest-error.ts'
import { openBigQuery } from '../src/index.ts'
import { decodeTable, encodeTable } from '../src/table-json.ts'
import { impatientTimers, signal, table, time } from './support/harness.ts'
import { type Answer, type Asked, startHttpServer } from './support/http-server.ts'

async function opened(answer: (asked: Asked) => Answer) {
  const stack = new AsyncDisposableStack()
  const server = stack.use(await startHttpServer(answer))
  const bigquery = stack.use(
    await openBigQuery({
      endpoint: 'http://127.0.0.1:1',
      restEndpoint: `http://127.0.0.1:${server.port}`,
      ...time,
      timers: impatientTimers,
    }),
  )
  return { tables: bigquery.tables, asked: server.asked, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

const resource = (fields: readonly object[], more: object = {}): object => ({
  kind: 'bigquery#table',
  type: 'TABLE',
  creationTime: '1700000000000',
  location: 'EU',
  schema: { fields },
  ...more,
})
const error = (status: number, reason: string, message: string): Answer => ({
  status,
  body: { error: { code: status, message, errors: [{ reason, message, domain: 'global' }] } },
})
const spec: TableSpec = { schema: { columns: [{ name: 'id', type: 'INT64', mode: 'REQUIRED' }] } }
const idField = { name: 'id', type: 'INTEGER', mode: 'REQUIRED' }

test('every spelling of every type is understood, and every column setting kept', () => {
  const spellings: Record<string, string> = {
    BOOL: 'BOOL',
    BOOLEAN: 'BOOL',
    INT64: 'INT64',
    INTEGER: 'INT64',
    FLOAT64: 'FLOAT64',
    FLOAT: 'FLOAT64',
    NUMERIC: 'NUMERIC',
    DECIMAL: 'NUMERIC',
    BIGNUMERIC: 'BIGNUMERIC',
    BIGDECIMAL: 'BIGNUMERIC',
    STRING: 'STRING',
    BYTES: 'BYTES',
    DATE: 'DATE',
    TIME: 'TIME',
    DATETIME: 'DATETIME',
    TIMESTAMP: 'TIMESTAMP',
    JSON: 'JSON',
    GEOGRAPHY: 'GEOGRAPHY',
    INTERVAL: 'INTERVAL',
    RANGE: 'RANGE',
    integer: 'INT64',
  }
  for (const [theirs, ours] of Object.entries(spellings)) {
    const { columns } = decodeTable(resource([{ name: 'c', type: theirs }]), table).schema
    assert.deepEqual(columns, [{ name: 'c', type: ours, mode: 'NULLABLE' }], theirs)
  }
  const rich = decodeTable(
    resource([
      {
        name: 'n',
        type: 'NUMERIC',
        mode: 'NULLABLE',
        precision: '10',
        scale: '2',
        description: 'd',
        defaultValueExpression: '1',
      },
      { name: 's', type: 'STRING', mode: 'REQUIRED', maxLength: '7' },
      {
        name: 'r',
        type: 'RECORD',
        mode: 'REPEATED',
        fields: [{ name: 'x', type: 'STRUCT', fields: [{ name: 'y', type: 'BOOL' }] }],
      },
    ]),
    table,
  )
  assert.deepEqual(rich.schema.columns, [
    { name: 'n', type: 'NUMERIC', mode: 'NULLABLE', precision: 10, scale: 2, description: 'd', defaultExpression: '1' },
    { name: 's', type: 'STRING', mode: 'REQUIRED', maxLength: 7 },
    {
      name: 'r',
      type: 'STRUCT',
      mode: 'REPEATED',
      fields: [
        { name: 'x', type: 'STRUCT', mode: 'NULLABLE', fields: [{ name: 'y', type: 'BOOL', mode: 'NULLABLE' }] },
      ],
    },
  ])
})

test('a table spec survives the way out and back', () => {
  const columns: readonly Column[] = [
    { name: 'a', type: 'INT64', mode: 'REQUIRED', description: 'text', defaultExpression: 'GENERATE_UUID()' },
    { name: 'b', type: 'BIGNUMERIC', mode: 'NULLABLE', precision: 40, scale: 20 },
    {
      name: 'c',
      type: 'STRUCT',
      mode: 'REPEATED',
      fields: [{ name: 'd', type: 'BYTES', mode: 'NULLABLE', maxLength: 3 }],
    },
  ]
  const body = encodeTable(table, {
    schema: { columns },
    description: 'table',
    timePartitioning: { type: 'DAY', field: 'a', expirationMs: 86_400_000 },
    clustering: ['a', 'b'],
  }) as Record<string, unknown>
  assert.deepEqual(body.tableReference, { projectId: 'p', datasetId: 'd', tableId: 't' })
  assert.deepEqual(body.timePartitioning, { type: 'DAY', field: 'a', expirationMs: '86400000' })
  assert.deepEqual(body.clustering, { fields: ['a', 'b'] })
  assert.equal(body.description, 'table')
  assert.deepEqual(decodeTable({ ...body, creationTime: '1' }, table).schema.columns, columns)
})

test('what cannot be appended to, or is no table, is refused by name', () => {
  const rejects = (body: unknown, expected: RegExp): void => {
    assert.throws(() => decodeTable(body, table), { disposition: 'failPartition', message: expected })
  }
  rejects(resource([idField], { type: 'VIEW' }), /is a VIEW/)
  rejects(resource([{ name: 'r', type: 'RECORD', fields: [{ name: 'odd', type: 'HOLOGRAM' }] }]), /r\.odd .* HOLOGRAM/)
  rejects(resource([{ name: 'a', type: 'BOOL', mode: 'SOMETIMES' }]), /SOMETIMES/)
  rejects({ type: 'TABLE', schema: {} }, /creationTime/)
  rejects(undefined, /not a JSON object/)
})

test('get finds a table, and answers null when there is none', async () => {
  await using t = await opened(() => ({ status: 200, body: resource([idField]) }))
  assert.deepEqual(await t.tables.get(table, { signal }), { ...spec, creationTime: '1700000000000', location: 'EU' })
  assert.equal(t.asked[0]?.path, '/bigquery/v2/projects/p/datasets/d/tables/t')
  assert.equal(t.asked[0]?.headers.authorization, undefined)
  await using none = await opened(() => error(404, 'notFound', 'Not found: Table p:d.t'))
  assert.equal(await none.tables.get(table, { signal }), null)
})

test('a dataset that does not exist is said, by get and by create', async () => {
  await using t = await opened(() => error(404, 'notFound', 'Not found: Dataset p:d'))
  await assert.rejects(t.tables.get(table, { signal }), { code: 'DATASET_MISSING', disposition: 'failPartition' })
  await assert.rejects(t.tables.create(table, spec, { signal }), {
    code: 'DATASET_MISSING',
    message: /p\.d does not exist/,
  })
})

test('create sends the spec and answers with what the service made of it', async () => {
  await using t = await opened(asked => ({
    status: 200,
    body: { ...JSON.parse(asked.text), creationTime: '5', location: 'US' },
  }))
  assert.deepEqual(await t.tables.create(table, spec, { signal }), { ...spec, creationTime: '5', location: 'US' })
  assert.equal(t.asked[0]?.method, 'POST')
  assert.equal(t.asked[0]?.path, '/bigquery/v2/projects/p/datasets/d/tables')
})

test('create answers with the table somebody else made meanwhile', async () => {
  await using t = await opened(asked =>
    asked.method === 'POST' ? error(409, 'duplicate', 'Already Exists') : { status: 200, body: resource([idField]) },
  )
  assert.equal((await t.tables.create(table, spec, { signal })).creationTime, '1700000000000')
})

test('throttling and short outages are waited out', async () => {
  const answers = [
    error(403, 'rateLimitExceeded', 'too many table update operations'),
    { status: 502, text: '<html>Bad gateway</html>' },
    { status: 200, body: resource([idField]) },
  ]
  await using t = await opened(() => answers.shift() ?? { status: 500 })
  assert.equal((await t.tables.create(table, spec, { signal })).location, 'EU')
})

test('a redirect is not followed', async () => {
  await using t = await opened(() => ({ status: 302, headers: { location: 'http://127.0.0.1:1/' } }))
  await assert.rejects(t.tables.get(table, { signal }), { code: 'BIGQUERY_REQUEST_INVALID', message: /HTTP 302/ })
  assert.equal(t.asked.length, 1)
})

test('an answer of 200 that is not JSON is refused', async () => {
  await using t = await opened(() => ({ status: 200, text: '<html>' }))
  await assert.rejects(t.tables.get(table, { signal }), { code: 'BIGQUERY_REQUEST_INVALID' })
})

test('nobody at the endpoint is unreachable, to be asked again', async () => {
  await using bigquery = await openBigQuery({
    endpoint: 'http://127.0.0.1:1',
    restEndpoint: 'http://127.0.0.1:1',
    ...time,
    timers: impatientTimers,
  })
  await assert.rejects(bigquery.tables.get(table, { signal }), { code: 'BIGQUERY_UNREACHABLE', disposition: 'retry' })
})

test('every REST failure has its rule', () => {
  const rules: readonly (readonly [number, string, string, string])[] = [
    [400, 'invalid', '', 'BIGQUERY_REQUEST_INVALID failPartition'],
    [401, 'authError', '', 'BIGQUERY_AUTH_FAILED failPartition'],
    [403, 'accessDenied', '', 'BIGQUERY_PERMISSION_DENIED failPartition'],
    [403, 'billingNotEnabled', '', 'BIGQUERY_PERMISSION_DENIED failPartition'],
    [403, 'rateLimitExceeded', '', 'BIGQUERY_QUOTA retry'],
    [403, 'quotaExceeded', '', 'BIGQUERY_QUOTA retry'],
    [404, 'notFound', 'Not found: Table p:d.t', 'TABLE_MISSING failPartition'],
    [404, 'notFound', 'Not found: Dataset p:d', 'DATASET_MISSING failPartition'],
    [408, '', '', 'BIGQUERY_UNREACHABLE retry'],
    [409, 'duplicate', '', 'BIGQUERY_REQUEST_INVALID failPartition'],
    [418, '', '', 'BIGQUERY_REQUEST_INVALID failPartition'],
    [429, '', '', 'BIGQUERY_QUOTA retry'],
    [500, 'backendError', '', 'BIGQUERY_UNREACHABLE retry'],
    [503, '', '', 'BIGQUERY_UNREACHABLE retry'],
    [301, '', '', 'BIGQUERY_REQUEST_INVALID failPartition'],
  ]
  for (const [status, reason, message, expected] of rules) {
    const { code, disposition } = classifyRestError({ status, reason, message })
    assert.equal(`${code} ${disposition}`, expected, `${status} ${reason} ${message}`)
  }
})
