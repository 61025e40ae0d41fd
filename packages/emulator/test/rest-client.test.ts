// The official Node client against the REST surface: what it sends, and that it understands what it gets.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { BigQuery, type Dataset, type Query } from '@google-cloud/bigquery'
import { GoogleAuth, PassThroughClient } from 'google-auth-library'
import { type Harness, startHarness } from './harness.ts'

type ClientError = Error & { code: number; errors: { reason: string; message: string }[] }
const failure = (promise: Promise<unknown>): Promise<ClientError> =>
  promise.then(
    () => assert.fail('was allowed'),
    (caught: ClientError) => caught,
  )

describe('@google-cloud/bigquery', () => {
  let harness: Harness
  let bigquery: BigQuery
  let dataset: Dataset
  before(async () => {
    harness = await startHarness({ behavior: { tableUpdatesPer10s: 0 } })
    const auth = new GoogleAuth({ authClient: new PassThroughClient() })
    bigquery = new BigQuery({
      projectId: 'p',
      apiEndpoint: `http://${harness.emulator.restAddress}`,
      // The client asks for GoogleAuth's interface, and its type for a copy of it elsewhere.
      authClient: (await auth.getClient()) as never,
    })
    dataset = bigquery.dataset('client')
    await dataset.create({ location: 'europe-west1' })
    const [numbers] = await dataset.createTable('numbers', { schema: 'x:integer' })
    await numbers.insert(Array.from({ length: 25 }, (_, i) => ({ x: i + 1 })))
  })
  after(() => harness.close())

  it('creates, finds, changes and deletes datasets', async () => {
    const [metadata] = await dataset.getMetadata()
    assert.deepEqual([metadata.id, metadata.location], ['p:client', 'europe-west1'])
    const other = bigquery.dataset('other')
    assert.deepEqual(await other.exists(), [false])
    const [, created] = await other.get({ autoCreate: true })
    assert.equal((created as unknown as { id: string }).id, 'p:other')
    await other.setMetadata({ description: 'the other', labels: { a: 'b', c: 'd' } })
    await other.setMetadata({ labels: { a: null as never } })
    const [changed] = await other.getMetadata()
    assert.deepEqual([changed.description, changed.labels], ['the other', { c: 'd' }])
    const [all] = await bigquery.getDatasets()
    assert.deepEqual(all.map(({ id }) => id).sort(), ['client', 'd', 'other'])
    const taken = await failure(bigquery.createDataset('other'))
    assert.deepEqual([taken.code, taken.errors[0]!.reason], [409, 'duplicate'])
    await other.delete({ force: true })
    assert.deepEqual(await other.exists(), [false])
  })

  it('creates, widens, lists and deletes tables', async () => {
    const [table] = await dataset.createTable('wide', {
      schema: 'id:integer,name:string',
      timePartitioning: { type: 'DAY' },
      description: 'first',
    })
    const [metadata] = await table.getMetadata()
    assert.equal(metadata.description, 'first')
    metadata.schema.fields.push({ name: 'more', type: 'FLOAT64' })
    const [widened] = await table.setMetadata({ schema: metadata.schema })
    assert.deepEqual(
      widened.schema.fields.map((field: { name: string; type: string }) => `${field.name} ${field.type}`),
      ['id INTEGER', 'name STRING', 'more FLOAT'],
    )
    assert.deepEqual([widened.description, widened.timePartitioning], ['first', { type: 'DAY' }])
    const [tables] = await dataset.getTables()
    assert.deepEqual(tables.map(({ id }) => id).sort(), ['numbers', 'wide'])
    await table.delete()
    const gone = await failure(table.getMetadata())
    assert.deepEqual([gone.code, gone.errors[0]!.reason], [404, 'notFound'])
  })

  it('inserts rows, reads them back by table and by query', async () => {
    const [table] = await dataset.createTable('rows', {
      schema: {
        fields: [
          { name: 'id', type: 'INT64', mode: 'REQUIRED' },
          { name: 'at', type: 'TIMESTAMP' },
          { name: 'tags', type: 'STRING', mode: 'REPEATED' },
          { name: 'inner', type: 'RECORD', fields: [{ name: 'x', type: 'FLOAT64' }] },
          { name: 'raw', type: 'BYTES' },
          { name: 'doc', type: 'JSON' },
        ],
      },
    })
    const at = BigQuery.timestamp('2020-09-13T12:26:40.123456Z')
    await table.insert([
      { id: 1, at, tags: ['a', 'b'], inner: { x: 0.5 }, raw: Buffer.from('łódź'), doc: '{"k":[1]}' },
      { id: 2, at: null, tags: [] },
    ])
    const [listed] = await table.getRows()
    assert.equal(listed[0].at.value, at.value)
    assert.deepEqual([listed[0].id, listed[0].tags, listed[0].inner], [1, ['a', 'b'], { x: 0.5 }])
    assert.deepEqual(listed[0].raw, Buffer.from('łódź'))
    const [queried] = await bigquery.query('SELECT * FROM client.rows ORDER BY id')
    assert.deepEqual(queried[0].at.value, listed[0].at.value)
    assert.deepEqual([queried[1].id, queried[1].at, queried[1].tags], [2, null, []])

    const bad = (await failure(table.insert([{ id: 3 }, { id: 'x' }, { nope: 1 }]))) as unknown as {
      name: string
      errors: { errors: { reason: string; message: string }[] }[]
    }
    assert.equal(bad.name, 'PartialFailureError')
    assert.deepEqual(
      bad.errors.map(({ errors }) => errors[0]!.reason),
      ['invalid', 'invalid', 'stopped'],
    )
    assert.equal((await table.getMetadata())[0].numRows, '2')
  })

  it('runs query jobs, pages through results and shows failures', async () => {
    const query = 'SELECT x FROM client.numbers ORDER BY x'
    const [job] = await bigquery.createQueryJob({ query, jobId: 'mine', labels: { a: 'b' } })
    const seen: number[][] = []
    let page: Query | null = { maxResults: 10, autoPaginate: false } as Query
    while (page) {
      const [rows, next] = (await job.getQueryResults(page)) as [{ x: number }[], Query | null, ...unknown[]]
      seen.push(rows.map(row => row.x))
      page = next
    }
    assert.deepEqual(
      seen.map(rows => rows.length),
      [10, 10, 5],
    )
    assert.deepEqual(
      seen.flat(),
      Array.from({ length: 25 }, (_, i) => i + 1),
    )
    const [metadata] = await job.getMetadata()
    assert.deepEqual(
      [metadata.status.state, metadata.statistics.query.statementType, metadata.configuration.labels],
      ['DONE', 'SELECT', { a: 'b' }],
    )
    const taken = await failure(bigquery.createQueryJob({ query, jobId: 'mine' }))
    assert.deepEqual([taken.code, taken.errors[0]!.reason], [409, 'duplicate'])
    const [streamed] = await bigquery.query({ query, maxResults: 7 })
    assert.equal(streamed.length, 25)
    const broken = await failure(bigquery.createQueryJob('SELECT nope FROM client.rows'))
    assert.match(broken.message, /nope/)
    const missing = await failure(bigquery.query('SELECT * FROM client.missing'))
    assert.deepEqual([missing.code, missing.errors[0]!.reason], [404, 'notFound'])
    const [jobs] = await bigquery.getJobs()
    assert.ok(jobs.some(({ id }) => id === 'mine'))
    const [dry] = await bigquery.createQueryJob({ query, dryRun: true })
    assert.equal(dry.metadata.statistics.query.schema.fields[0].name, 'x')
    assert.deepEqual((await job.cancel())[0].kind, 'bigquery#jobCancelResponse')
  })

  it('passes query parameters, by name and by place', async () => {
    const params = { n: 2, s: "it's", xs: ['a', 'b'], in: { a: 1.5, b: true }, d: BigQuery.date('2020-02-29') }
    const [named] = await bigquery.query({
      query: 'SELECT @n AS n, @s AS s, @xs AS xs, @in.a AS a, @in.b AS b, @d AS d',
      params,
    })
    assert.deepEqual(
      { ...named[0], d: named[0].d.value },
      { n: 2, s: "it's", xs: ['a', 'b'], a: 1.5, b: true, d: '2020-02-29' },
    )
    const [job] = await bigquery.createQueryJob({
      query: 'SELECT x FROM client.numbers WHERE x IN UNNEST(?) AND x > ? ORDER BY x',
      params: [[1, 2, 3, 30], 1],
    })
    assert.deepEqual((await job.getQueryResults())[0], [{ x: 2 }, { x: 3 }])
    const missing = await failure(bigquery.query({ query: 'SELECT @nope', params: { n: 1 } }))
    assert.match(missing.message, /nope/)
  })

  it('writes a query’s result into a table, as its dispositions say', async () => {
    const destination = dataset.table('squares')
    const write = async (writeDisposition: string, from: number): Promise<void> => {
      const [job] = await bigquery.createQueryJob({
        query: `SELECT x, x * x AS square, [x] AS xs, TIMESTAMP_SECONDS(x) AS moment FROM client.numbers WHERE x BETWEEN ${from} AND ${from + 2} ORDER BY x`,
        destination,
        writeDisposition,
      })
      await job.getQueryResults()
    }
    const squares = async (): Promise<number[]> =>
      (await destination.getRows())[0].map((row: { square: number }) => row.square)
    await write('WRITE_EMPTY', 1)
    assert.deepEqual(await squares(), [1, 4, 9])
    await write('WRITE_APPEND', 4)
    assert.deepEqual(await squares(), [1, 4, 9, 16, 25, 36])
    await write('WRITE_TRUNCATE', 7)
    assert.deepEqual(await squares(), [49, 64, 81])
    assert.equal((await failure(write('WRITE_EMPTY', 1))).errors[0]!.reason, 'duplicate')
    const [rows] = await destination.getRows()
    assert.deepEqual([rows[0].xs, rows[0].moment.value], [[7], '1970-01-01T00:00:07.000Z'])
  })
})
