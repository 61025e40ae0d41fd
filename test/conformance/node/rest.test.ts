// REST v2 through @google-cloud/bigquery: what an application does with it beside the Write API.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { DATASET } from '../support/emulator.ts'
import { accepted, FIELDS, failure, type Google, openWriter, rows, startGoogle } from './google.ts'

let google: Google
before(async () => {
  google = await startGoogle()
})
after(() => google.stop())

async function filled(count: number) {
  const table = await google.createTable(FIELDS)
  const { writer } = await openWriter(google.client, `${table.parent}/streams/_default`, table.descriptor)
  await accepted(writer.appendRows(rows(0, count)))
  writer.close()
  return { table, reference: google.bigquery.dataset(DATASET).table(table.id) }
}

test('data sets are made, found, listed, labelled and deleted', async () => {
  const dataset = google.bigquery.dataset('other')
  assert.deepEqual(await dataset.exists(), [false])
  await dataset.create({ location: 'EU' })
  assert.deepEqual(await dataset.exists(), [true])
  await dataset.setMetadata({ labels: { team: 'data' } })
  const [metadata] = await dataset.getMetadata()
  assert.deepEqual([metadata.location, metadata.labels], ['EU', { team: 'data' }])
  const [datasets] = await google.bigquery.getDatasets()
  assert.deepEqual(datasets.map(({ id }) => id).sort(), [DATASET, 'other'])
  await dataset.delete({ force: true })
  assert.deepEqual(await dataset.exists(), [false])
})

test('errors come as the client’s ApiError, with code and reason', async () => {
  const missing = await failure(google.bigquery.dataset(DATASET).table('nothing').getMetadata())
  assert.equal(missing.code, 404)
  assert.match(missing.message, /Not found: Table p:d\.nothing/)
  const { table } = await filled(1)
  const again = await failure(google.bigquery.dataset(DATASET).createTable(table.id, {}))
  const { code, errors } = again as typeof again & { errors: readonly { reason: string }[] }
  assert.deepEqual([code, errors[0]?.reason], [409, 'duplicate'])
})

test('a table is created on the way when get is told to', async () => {
  const [table] = await google.bigquery
    .dataset(DATASET)
    .table('made')
    .get({ autoCreate: true, schema: 'name:string, age:integer' } as object)
  const [metadata] = await table.getMetadata()
  assert.deepEqual(
    metadata.schema.fields.map(({ name, type }: { name: string; type: string }) => [name, type]),
    [
      ['name', 'STRING'],
      ['age', 'INTEGER'],
    ],
  )
  const [tables] = await google.bigquery.dataset(DATASET).getTables()
  assert.ok(tables.some(({ id }) => id === 'made'))
})

test('rows are listed page by page', async () => {
  const { reference } = await filled(25)
  const [all] = await reference.getRows()
  assert.equal(all.length, 25)
  const [page, next] = await reference.getRows({ maxResults: 10, autoPaginate: false })
  assert.deepEqual(page, rows(0, 10))
  assert.ok(next, 'no further page')
  const [second] = await reference.getRows({ ...(next as object), autoPaginate: false })
  assert.deepEqual(second, rows(10, 10))
})

test('a query is a job; its results come page by page', async () => {
  const { table } = await filled(25)
  const [job] = await google.bigquery.createQueryJob({ query: `SELECT * FROM ${table.sql} ORDER BY row_num` })
  const [result] = await job.getQueryResults()
  assert.deepEqual(result, rows(0, 25))
  const [page, next] = await job.getQueryResults({ maxResults: 10, autoPaginate: false })
  assert.equal(page.length, 10)
  assert.ok(next, 'no further page')
  const [metadata] = await job.getMetadata()
  assert.deepEqual([metadata.status.state, metadata.status.errorResult], ['DONE', undefined])
  const streamed: unknown[] = []
  for await (const row of google.bigquery.createQueryStream(`SELECT * FROM ${table.sql} ORDER BY row_num`))
    streamed.push(row)
  assert.deepEqual(streamed, rows(0, 25))
})

test('queries take parameters, by name and by place', async () => {
  const { table } = await filled(5)
  const query = `SELECT customer_name FROM ${table.sql} WHERE row_num = @n`
  const [named] = await google.bigquery.query({ query, params: { n: 3 } })
  assert.deepEqual(named, [{ customer_name: 'c3' }])
  const [placed] = await google.bigquery.query({
    query: `SELECT row_num FROM ${table.sql} WHERE customer_name IN (?, ?) ORDER BY 1`,
    params: ['c1', 'c2'],
  })
  assert.deepEqual(placed, [{ row_num: 1 }, { row_num: 2 }])
})

test('a wrong query says what is wrong', async () => {
  const error = await failure(google.bigquery.query('SELECT nothing FROM p.d.missing'))
  assert.equal(error.code, 404)
  assert.match(error.message, /Not found: Table p:d\.missing/)
  assert.equal((await failure(google.bigquery.query('SELEKT 1'))).code, 400)
})

test('insertAll writes rows, and names those it does not', async () => {
  const { reference, table } = await filled(1)
  await reference.insert([{ customer_name: 'inserted', row_num: 7 }])
  assert.equal(await google.count(table), 2)
  const error = (await failure(
    reference.insert([{ customer_name: 'bad', row_num: 'no number' }]) as Promise<unknown>,
  )) as Error & { errors?: readonly { errors: readonly { reason: string }[] }[] }
  assert.equal(error.name, 'PartialFailureError')
  assert.equal(error.errors?.[0]?.errors[0]?.reason, 'invalid')
})

test('columns are added and relaxed, nothing is dropped; an old ETag is told', async () => {
  const { reference } = await filled(1)
  const [before] = await reference.getMetadata()
  const wider = [{ ...FIELDS[0]!, mode: 'NULLABLE' }, FIELDS[1]!, { name: 'email', type: 'STRING' }]
  await reference.setMetadata({ schema: { fields: wider } as object, etag: before.etag })
  const stale = reference.setMetadata({ description: 'late', etag: before.etag }) as Promise<unknown>
  assert.equal((await failure(stale)).code, 412)
  const dropped = reference.setMetadata({ schema: { fields: [FIELDS[0]!] } as object }) as Promise<unknown>
  assert.equal((await failure(dropped)).code, 400)
  const [seen] = await google.query(`SELECT * FROM \`p.d.${reference.id}\``)
  assert.deepEqual(seen, { customer_name: 'c0', row_num: 0, email: null })
})
