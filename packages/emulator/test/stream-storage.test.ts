// Where rows of streams lie while they do not show: what is left of them, what they cost, what a broken storage does.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { openAccess, Tokens } from '../src/access.ts'
import { behaviorWith } from '../src/behavior.ts'
import { type EmulatorCore, openCore } from '../src/emulator-core.ts'
import { DEFAULT_QUOTAS } from '../src/quotas/quota-settings.ts'
import { DuckDbStorage } from '../src/storage/duckdb-storage.ts'
import type { StreamState } from '../src/streams/stream-state.ts'
import { readAppendRequest } from '../src/wire/append-request.ts'
import { ManualClock } from './manual-clock.ts'
import { encode, rowsOf, writer } from './raw-client.ts'

const DAY = 24 * 3600 * 1000
const TABLE = { project: 'p', dataset: 'd', table: 't' }
const note = writer('optional int64 id = 1; optional string note = 2;')
const column = (name: string, type: 'INT64' | 'STRING') => ({ name, type, mode: 'NULLABLE' as const, fields: [] })
const SCHEMA = { columns: [column('id', 'INT64'), column('note', 'STRING')] }

type Opened = { core: EmulatorCore; storage: DuckDbStorage; broken: Error[] }

async function open(clock: ManualClock, dataDir?: string): Promise<Opened> {
  const storage = await DuckDbStorage.open(dataDir, () => clock.nowMs())
  const broken: Error[] = []
  const core = await openCore(storage, {
    access: new Tokens(openAccess, 0, clock),
    behavior: behaviorWith(),
    clock,
    quotas: DEFAULT_QUOTAS,
    requestLimitBytes: 1_000_000,
    onBroken: error => broken.push(error),
  })
  if (!core.catalog.findDataset(TABLE)) {
    await core.catalog.createDataset(TABLE, 'US', {})
    await core.catalog.createTable(TABLE, SCHEMA, {})
  }
  return { core, storage, broken }
}

/** Appends `ids` as an AppendRows call would. */
async function append({ core }: Opened, name: string, ids: readonly number[]): Promise<void> {
  const { table, state } = core.streams.find(name)
  const protoRows = rowsOf(
    note,
    ids.map(id => ({ id, note: `a note longer than twelve ${id}` })),
    true,
  )
  const request = readAppendRequest(encode('AppendRowsRequest', { writeStream: name, protoRows }))
  const rowWriter = core.storage.openWriter({
    table,
    schema: { kind: 'proto', bytes: request.schema! },
    hiddenIn: state && state.type !== 'COMMITTED' ? name : undefined,
    isDefaultStream: state === undefined,
    partition: undefined,
  })
  const { rowCount, errors } = rowWriter.write(request, { byColumn: undefined, otherwise: 'null' })
  assert.deepEqual(errors, [])
  core.committer.rowsWritten(request.byteLength, core.streams.accepted(state!, state!.end, rowCount))
  await core.committer.stored()
}
const create = async ({ core }: Opened, type: StreamState['type']): Promise<string> =>
  (await core.streams.create(TABLE, type)).name
/** Physical tables of hidden rows. */
const hiddenTables = async ({ storage }: Opened): Promise<string[]> => {
  const sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'emulator_hidden'"
  return (await storage.query(sql, 100_000)).rows.map(([name]) => String(name))
}
const ids = async ({ storage }: Opened): Promise<number[]> =>
  (await storage.query('SELECT id FROM "p.d".t', 100_000)).rows.map(([id]) => Number(id))

describe('hidden rows', () => {
  const dataDirs: string[] = []
  const newDataDir = (): string => {
    const dataDir = mkdtempSync(join(tmpdir(), 'emulator-'))
    dataDirs.push(dataDir)
    return dataDir
  }
  after(() => {
    for (const dataDir of dataDirs) rmSync(dataDir, { recursive: true, force: true })
  })

  it('leave nothing behind when they are flushed, committed, expired or dropped', async () => {
    const clock = new ManualClock()
    const opened = await open(clock)
    const { core } = opened
    const [flushed, committed, expired, dropped] = [
      await create(opened, 'BUFFERED'),
      await create(opened, 'PENDING'),
      await create(opened, 'BUFFERED'),
      await create(opened, 'PENDING'),
    ]
    for (const name of [flushed, committed, expired]) await append(opened, name, [1, 2, 3])
    assert.equal((await hiddenTables(opened)).length, 3)
    await core.streams.flush(flushed, 1n)
    assert.equal((await hiddenTables(opened)).length, 3)
    await core.streams.flush(flushed, 2n)
    await core.streams.finalize(committed)
    await core.streams.commit(TABLE, [committed])
    assert.equal((await hiddenTables(opened)).length, 1)
    clock.advance(7 * DAY + 1)
    assert.throws(() => core.streams.find(expired))
    assert.throws(() => core.streams.find(dropped))
    await core.committer.stored()
    assert.deepEqual(await hiddenTables(opened), [])
    await append(opened, await create(opened, 'PENDING'), [1])
    assert.equal((await hiddenTables(opened)).length, 1)
    await core.catalog.dropTable(TABLE)
    assert.deepEqual(await hiddenTables(opened), [])
    await core.storage.close()
  })

  it('keep their order and each its place through any series of partial flushes', async () => {
    const opened = await open(new ManualClock())
    const name = await create(opened, 'BUFFERED')
    let end = 0
    let visible = 0
    // Smaller and larger than what is left, so that the rest is deleted from at times and moved at others.
    for (const [appended, flushed] of [
      [5000, 10],
      [10, 4000],
      [3000, 2500],
      [1, 1],
      [2000, 3499],
      [10, 10],
      [5, 1],
    ] as const) {
      await append(
        opened,
        name,
        Array.from({ length: appended }, () => end++),
      )
      visible += flushed
      await opened.core.streams.flush(name, BigInt(visible - 1))
      assert.deepEqual(
        await ids(opened),
        Array.from({ length: visible }, (_, id) => id),
      )
    }
    await opened.core.storage.close()
  })

  it('cost nothing before the first row, and little after the last: ten thousand streams, two hundred and fifty with rows', async () => {
    const opened = await open(new ManualClock())
    const names: string[] = []
    // Created in groups, as clients would.
    for (let group = 0; group < 100; group++)
      names.push(...(await Promise.all(Array.from({ length: 100 }, () => create(opened, 'PENDING')))))
    assert.deepEqual(await hiddenTables(opened), [])
    for (const name of names.slice(0, 100)) await append(opened, name, [1])
    const rssBefore = process.memoryUsage().rss
    for (const name of names.slice(100, 250)) await append(opened, name, [1])
    assert.equal((await hiddenTables(opened)).length, 250)
    // With its builders and appender kept, each would take at least 2 × 70 KB here and as much in DuckDB.
    const grownKb = (process.memoryUsage().rss - rssBefore) / 1024 / 150
    assert.ok(grownKb < 250, `${Math.round(grownKb)} KB for each stream with a row`)
    await opened.core.storage.close()
  })

  it('and the time to live go on through a restart', async () => {
    const [clock, dataDir] = [new ManualClock(), newDataDir()]
    let opened = await open(clock, dataDir)
    const [buffered, idle] = [await create(opened, 'BUFFERED'), await create(opened, 'BUFFERED')]
    const committed = await create(opened, 'PENDING')
    await append(opened, committed, [7])
    await opened.core.streams.finalize(committed)
    await opened.core.streams.commit(TABLE, [committed])
    clock.advance(5 * DAY)
    await append(opened, buffered, [1, 2])
    await opened.core.committer.idle()
    await opened.storage.close()

    clock.advance(5 * DAY)
    opened = await open(clock, dataDir)
    assert.equal(opened.core.streams.all().find(({ name }) => name === committed)?.kind, 'committed')
    assert.deepEqual(await ids(opened), [7])
    assert.throws(() => opened.core.streams.find(idle))
    assert.equal(opened.core.streams.find(buffered).state?.end, 2n)
    await opened.core.streams.flush(buffered, 0n)
    await opened.core.committer.idle()
    await opened.storage.close()

    clock.advance(5 * DAY)
    opened = await open(clock, dataDir)
    assert.throws(() => opened.core.streams.find(committed))
    assert.equal(opened.core.streams.find(buffered).state?.flushed, 1n)
    await opened.core.streams.flush(buffered, 1n)
    assert.deepEqual(await ids(opened), [7, 1, 2])
    await opened.core.committer.idle()
    await opened.storage.close()
  })

  it('that cannot be shown although their stream says so are a broken storage', async () => {
    const opened = await open(new ManualClock())
    const name = await create(opened, 'PENDING')
    await append(opened, name, [1, 2])
    await opened.core.streams.finalize(name)
    const [hidden] = await hiddenTables(opened)
    await opened.storage.query(`DROP TABLE emulator_hidden."${hidden}"`, 1)
    await assert.rejects(opened.core.streams.commit(TABLE, [name]))
    await new Promise(resolve => setImmediate(resolve))
    assert.equal(opened.broken.length, 1)
    await opened.core.storage.close()
  })
})
