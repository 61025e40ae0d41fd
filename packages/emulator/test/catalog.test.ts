// Changes of datasets and tables that meet: asked for in one turn, before the storage has seen the first.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Catalog, DEFAULT_LOCATION } from '../src/catalog/catalog.ts'
import { DuckDbStorage } from '../src/storage/duckdb-storage.ts'
import { Committer } from '../src/streams/committer.ts'

const DATASET = { project: 'p', dataset: 'd' }
const TABLE = { ...DATASET, table: 't' }
const column = (name: string) => ({ name, type: 'INT64', mode: 'NULLABLE', fields: [] }) as const
const SCHEMA = { columns: [column('a')] }
const outcome = (change: Promise<unknown>): Promise<string> =>
  change.then(
    () => 'done',
    (error: Error) => error.message,
  )

describe('the catalog', () => {
  let storage: DuckDbStorage
  let catalog: Catalog
  before(async () => {
    storage = await DuckDbStorage.open(undefined)
    await storage.load()
    const committer = new Committer(storage, error => assert.fail(error))
    catalog = new Catalog(committer, Date.now, { tableUpdatesPer10s: 0 })
    await catalog.createDataset(DATASET, DEFAULT_LOCATION, {})
  })
  after(() => storage.close())

  it('keeps a dataset in which a table is being made', async () => {
    const creation = catalog.createTable(TABLE, SCHEMA, {})
    // By then the storage is asked, and has not begun.
    await new Promise(resolve => setImmediate(resolve))
    const drop = catalog.dropDataset(DATASET, { deleteContents: true })
    assert.equal(await outcome(drop), 'Dataset p:d is still in use')
    assert.equal(await outcome(creation), 'done')
    assert.equal(await storage.rowCount(catalog.table(TABLE)), 0n)
  })

  it('drops a dataset with its tables, and makes it anew at once', async () => {
    const drop = catalog.dropDataset(DATASET, { deleteContents: true })
    const creation = catalog.createDataset(DATASET, DEFAULT_LOCATION, {})
    assert.equal(await outcome(catalog.createTable(TABLE, SCHEMA, {})), 'Not found: Dataset p:d')
    assert.deepEqual(await Promise.all([outcome(drop), outcome(creation)]), ['done', 'done'])
    await catalog.createTable(TABLE, SCHEMA, {})
  })

  it('builds each of two changes on the other, and shows none before it is stored', async () => {
    const wider = { columns: [...SCHEMA.columns, column('b')] }
    const first = catalog.alterTable(TABLE, { schema: wider, rest: {} })
    const second = catalog.alterTable(TABLE, { rest: { description: 'said' } })
    assert.equal(catalog.table(TABLE).schema.columns.length, 1)
    await Promise.all([first, second])
    const { schema, rest, version } = catalog.table(TABLE)
    assert.deepEqual([schema.columns.length, rest.description, version], [2, 'said', 3])
  })

  it('drops a table that is being changed, and a new one of its name stays as it was made', async () => {
    const change = catalog.alterTable(TABLE, { schema: { columns: ['a', 'b', 'c'].map(column) }, rest: {} })
    const drop = catalog.dropTable(TABLE)
    const creation = catalog.createTable(TABLE, SCHEMA, {})
    assert.deepEqual(await Promise.all([change, drop, creation].map(outcome)), ['done', 'done', 'done'])
    assert.equal(catalog.table(TABLE).schema.columns.length, 1)
    assert.equal(await storage.rowCount(catalog.table(TABLE)), 0n)
  })
})
