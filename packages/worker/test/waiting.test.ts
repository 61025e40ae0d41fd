// A partition that does not get on says what it waits for and since when, whatever it is; health then names it. In virtual time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type ConnectorEntry,
  type ConnectorHealth,
  clusterView,
  connectorHealth,
  LeaseLost,
  MillraceError,
  type PartitionReport,
  type StreamPermits,
} from '@millrace/core'
import { workerReport } from '@millrace/testkit'
import { CONFIG, deliversAll, entryOf, superviseIn, whilePassing } from './support/connector.ts'
import { TP, World } from './support/world.ts'

const STALL_MS = 60_000
type Reporter = { report(): PartitionReport; stop(): Promise<void> }

/** As any worker of the cluster judges it by the report of now. */
function healthIn(world: World, reporter: Reporter, entry: ConnectorEntry = entryOf()): ConnectorHealth {
  const worker = workerReport('worker1', [reporter.report()], { publishedAtMs: world.time.nowMs() })
  return connectorHealth(entry, clusterView([worker], null, 'self:1'), {
    nowMs: world.time.nowMs(),
    stallMs: STALL_MS,
    absentSinceMs: new Map(),
    boardAwaySinceMs: null,
  })
}

/** Two minutes without progress, reported every few seconds as a worker does. */
async function stands(world: World, reporter: Reporter): Promise<void> {
  for (let i = 0; i < 40; i++) {
    await world.time.advance(3_000)
    reporter.report()
  }
}

async function isStalled(world: World, reporter: Reporter, code: string, stage: string): Promise<void> {
  await stands(world, reporter)
  const { verdict, reasons } = healthIn(world, reporter)
  assert.deepEqual([verdict, reasons[0]?.code, reasons[0]?.stage], ['STALLED', code, stage], JSON.stringify(reasons))
  const { sinceMs } = reasons[0] ?? {}
  assert.ok(sinceMs != null && world.time.nowMs() - sinceMs >= STALL_MS, 'since it began')
}

async function getsOn(world: World, reporter: Reporter): Promise<void> {
  await deliversAll(world, reporter)
  assert.deepEqual(healthIn(world, reporter), { name: 'c', verdict: 'OK', reasons: [], reasonCount: 0 })
  await whilePassing(world, reporter.stop())
  world.assertExactlyOnce()
}

test('nothing to do, for however long, is OK', async () => {
  const world = await World.open()
  world.records.rows(5)
  const supervisor = superviseIn(world)
  await deliversAll(world, supervisor)
  await stands(world, supervisor)
  assert.equal(healthIn(world, supervisor).verdict, 'OK')
  world.records.rows(1)
  await world.time.settle()
  assert.equal(healthIn(world, supervisor).verdict, 'OK', 'new work after a rest begins its own time')
  await getsOn(world, supervisor)
})

test('appends that are refused for a quota', async () => {
  const world = await World.open()
  world.records.rows(5)
  const error = new MillraceError('BIGQUERY_QUOTA', 'retry', 'Quota exceeded.')
  world.fateOf = () => ({ kind: 'refuse', error: { kind: 'other', error } })
  const supervisor = superviseIn(world)
  await isStalled(world, supervisor, 'BIGQUERY_QUOTA', 'appending')
  world.fateOf = () => ({ kind: 'apply' })
  await getsOn(world, supervisor)
})

test('appends that nobody answers', async () => {
  const world = await World.open()
  world.records.rows(5)
  const { promise, resolve } = Promise.withResolvers<void>()
  world.fateOf = () => ({ kind: 'hold', until: promise })
  const supervisor = superviseIn(world)
  await stands(world, supervisor)
  const { verdict, reasons } = healthIn(world, supervisor)
  assert.deepEqual([verdict, reasons[0]?.stage], ['STALLED', 'appending'])
  assert.ok(['NO_PROGRESS', 'BIGQUERY_UNREACHABLE'].includes(reasons[0]?.code ?? ''), JSON.stringify(reasons))
  world.fateOf = () => ({ kind: 'apply' })
  resolve()
  await getsOn(world, supervisor)
})

test('streams that cannot be created', async () => {
  const world = await World.open()
  world.records.rows(5)
  world.bigQuery.callFate = ({ method }) => (method === 'create' ? 'loseRequest' : 'apply')
  const supervisor = superviseIn(world)
  await isStalled(world, supervisor, 'BIGQUERY_UNREACHABLE', 'openingStream')
  world.bigQuery.callFate = () => 'apply'
  await getsOn(world, supervisor)
})

test('permits of the ramp that do not come', async () => {
  const world = await World.open()
  world.records.rows(5)
  const { permits } = world.redis
  const { promise, resolve } = Promise.withResolvers<void>()
  const slow: StreamPermits = {
    take: async (kind, options) => {
      await promise
      await permits.take(kind, options)
    },
    report: outcome => permits.report(outcome),
  }
  const supervisor = superviseIn(world, entryOf(), { permits: slow })
  await isStalled(world, supervisor, 'WAITING_FOR_STREAM_PERMITS', 'openingStream')
  resolve()
  await getsOn(world, supervisor)
})

test('a table that cannot be looked up', async () => {
  const world = await World.open()
  world.records.rows(5)
  let isAway = true
  const { tables } = world.bigQuery
  const slow = {
    get: async (...args: Parameters<typeof tables.get>) => {
      if (isAway) throw new MillraceError('BIGQUERY_UNREACHABLE', 'retry', 'No route.')
      return await tables.get(...args)
    },
    create: tables.create,
  }
  const supervisor = superviseIn(world, entryOf(), { tables: slow })
  await isStalled(world, supervisor, 'BIGQUERY_UNREACHABLE', 'openingTable')
  isAway = false
  await getsOn(world, supervisor)
})

test('a table that is missing stays the cause over all automatic restarts', async () => {
  const world = await World.open()
  world.records.rows(5)
  const supervisor = superviseIn(world, entryOf({ config: { ...CONFIG, defaultDataset: 'elsewhere' } }))
  await isStalled(world, supervisor, 'TABLE_MISSING', supervisor.report().stage ?? '')
  for (let i = 0; i < 50; i++) {
    await world.time.advance(997)
    assert.equal(healthIn(world, supervisor).reasons[0]?.code, 'TABLE_MISSING', supervisor.report().state)
  }
  await whilePassing(world, supervisor.stop())
})

test('Kafka that does not answer fetches, also where nothing was known to be left', async () => {
  const world = await World.open()
  world.records.rows(5)
  const supervisor = superviseIn(world)
  await deliversAll(world, supervisor)
  const error = new MillraceError('KAFKA_UNREACHABLE', 'retry', 'No broker answers.')
  world.topics.setTrouble({ error, sinceMs: world.time.nowMs() })
  world.records.rows(5)
  await isStalled(world, supervisor, 'KAFKA_UNREACHABLE', 'reading')
  world.topics.setTrouble(null)
  await getsOn(world, supervisor)
})

test('a memory budget that others hold', async () => {
  const world = await World.open()
  world.records.rows(5)
  const process = world.process({ budgetBytes: 1_000 })
  process.budget.take(2_000)
  const supervisor = superviseIn(world, entryOf(), { process })
  await isStalled(world, supervisor, 'WAITING_FOR_MEMORY', 'waitingForMemory')
  process.budget.release(2_000)
  await getsOn(world, supervisor)
})

test('a dead letter queue that takes nothing', async () => {
  const world = await World.open()
  world.records.produce('row', 'unreadable', 'row')
  const process = world.process()
  let isAway = true
  const { deadLetters } = process
  const slow = {
    ...deadLetters,
    produce: async (...args: Parameters<typeof deadLetters.produce>) => {
      if (isAway) throw new MillraceError('DEAD_LETTER_FAILED', 'retry', 'Not enough replicas.')
      await deadLetters.produce(...args)
    },
  }
  const supervisor = superviseIn(world, entryOf(), { process, deadLetters: slow })
  await isStalled(world, supervisor, 'DEAD_LETTER_FAILED', 'savingDeadLetters')
  isAway = false
  await getsOn(world, supervisor)
})

test('a journal that does not answer', async () => {
  const world = await World.open()
  world.records.rows(5)
  const process = world.process()
  const { promise, resolve } = Promise.withResolvers<void>()
  let isAway = false
  const { journal } = process
  const slow = {
    append: async (...args: Parameters<typeof journal.append>) => {
      if (isAway) await promise
      await journal.append(...args)
    },
    readToEnd: journal.readToEnd,
    delete: journal.delete,
    peek: journal.peek,
  }
  const supervisor = superviseIn(world, entryOf(), { process, journal: slow })
  await deliversAll(world, supervisor)
  isAway = true
  world.records.rows(5)
  await isStalled(world, supervisor, 'NO_PROGRESS', 'logging')
  isAway = false
  resolve()
  await getsOn(world, supervisor)
})

test('doubt waits for an operator, and says so at once', async () => {
  const world = await World.open()
  world.records.rows(5)
  const supervisor = superviseIn(world)
  await deliversAll(world, supervisor)
  const report: PartitionReport = { ...supervisor.report(), state: 'IN_DOUBT', trace: 'IN_DOUBT: s: 3 rows' }
  const { verdict, reasons } = healthIn(world, { report: () => report, stop: () => supervisor.stop() })
  assert.deepEqual([verdict, reasons[0]?.code], ['STALLED', 'IN_DOUBT'])
  await getsOn(world, supervisor)
})

test('credentials that BigQuery refuses', async () => {
  const world = await World.open()
  world.records.rows(5)
  let isRefused = true
  const { tables } = world.bigQuery
  const strict = {
    get: async (...args: Parameters<typeof tables.get>) => {
      if (isRefused)
        throw new MillraceError('BIGQUERY_AUTH_FAILED', 'failPartition', 'invalid_grant: account disabled.')
      return await tables.get(...args)
    },
    create: tables.create,
  }
  const supervisor = superviseIn(world, entryOf(), { tables: strict })
  await stands(world, supervisor)
  const { verdict, reasons } = healthIn(world, supervisor)
  assert.deepEqual([verdict, reasons[0]?.code], ['STALLED', 'BIGQUERY_AUTH_FAILED'])
  assert.match(reasons[0]?.message ?? '', /invalid_grant/)
  isRefused = false
  await getsOn(world, supervisor)
})

test('a claim that cannot finalize the stream of its predecessor', async () => {
  const world = await World.open()
  world.records.rows(5)
  const first = superviseIn(world)
  await deliversAll(world, first)
  await whilePassing(world, first.abandon(new LeaseLost('Somebody else has it.')))
  world.records.rows(5)
  world.bigQuery.callFate = ({ method }) => (method === 'finalize' ? 'loseRequest' : 'apply')
  const supervisor = superviseIn(world)
  await isStalled(world, supervisor, 'BIGQUERY_UNREACHABLE', 'claiming')
  world.bigQuery.callFate = () => 'apply'
  await getsOn(world, supervisor)
})

test('a lease that is held while somebody else claims again and again', async () => {
  const world = await World.open()
  world.records.rows(5)
  const supervisor = superviseIn(world)
  await deliversAll(world, supervisor)
  const other = world.begin()
  await world.until('the other has claimed', () => other.partition.view().epoch === 2)
  other.process.die()
  world.records.rows(3)
  await world.until('it is fenced', () => supervisor.report().waiting?.code === 'FENCED')
  assert.equal(healthIn(world, supervisor).verdict, 'OK', 'daily life')
  await getsOn(world, supervisor)
})

// ── the end of the log ──

test('a transaction that hangs is named once it lasts, and how far the log goes on behind it', async () => {
  const world = await World.open()
  world.records.rows(5)
  const supervisor = superviseIn(world)
  await deliversAll(world, supervisor)
  world.records.begin(world.time.nowMs())
  world.records.rows(5)
  for (let i = 0; i < 19; i++) {
    await world.time.advance(3_000)
    assert.equal(healthIn(world, supervisor).verdict, 'OK', 'a transaction of a minute is no news')
  }
  await isStalled(world, supervisor, 'SOURCE_TRANSACTION_OPEN', 'reading')
  assert.equal(supervisor.report().lag, 0, 'of what may be read')
  world.records.commit()
  await getsOn(world, supervisor)
})

test('transactions that follow each other for hours raise no alarm', async () => {
  const world = await World.open()
  const supervisor = superviseIn(world)
  for (let i = 0; i < 50; i++) {
    world.records.begin(world.time.nowMs())
    world.records.rows(2)
    for (let look = 0; look < 10; look++) {
      await world.time.advance(5_000)
      assert.deepEqual(healthIn(world, supervisor).reasons, [])
    }
    if (i % 2 === 0) world.records.commit()
    else world.topics.abortTransaction(TP)
  }
  await whilePassing(world, supervisor.stop())
})

test('while BigQuery refuses rows, an open transaction is not the cause', async () => {
  const world = await World.open()
  const supervisor = superviseIn(world)
  world.records.rows(5)
  world.records.begin(world.time.nowMs())
  world.records.rows(5)
  await world.time.advance(1_000)
  const error = new MillraceError('BIGQUERY_QUOTA', 'retry', 'Quota exceeded.')
  world.fateOf = () => ({ kind: 'refuse', error: { kind: 'other', error } })
  world.records.commit()
  world.records.begin(world.time.nowMs())
  world.records.rows(1)
  await isStalled(world, supervisor, 'BIGQUERY_QUOTA', 'appending')
  world.records.commit()
  world.fateOf = () => ({ kind: 'apply' })
  await getsOn(world, supervisor)
})

test('markers, aborted records and compacted offsets at the end of the log are no lag', async () => {
  const world = await World.open()
  const supervisor = superviseIn(world)
  const isQuiet = async (what: string): Promise<void> => {
    await stands(world, supervisor)
    const { lag, nextOffset, endOffset } = supervisor.report()
    assert.deepEqual([healthIn(world, supervisor).verdict, lag], ['OK', 0], `${what}: ${nextOffset} of ${endOffset}`)
  }
  await isQuiet('an empty partition')
  world.topics.beginTransaction(TP)
  world.records.rows(3)
  world.topics.abortTransaction(TP)
  await isQuiet('nothing but an aborted transaction')
  world.records.rows(3)
  world.records.gap(4)
  await isQuiet('a gap behind rows')
  world.topics.beginTransaction(TP)
  world.records.rows(3)
  world.topics.commitTransaction(TP)
  await isQuiet('a marker behind rows')
  world.records.gap(1_000)
  await isQuiet('only gaps')
  world.records.produce(...Array.from({ length: 20 }, () => 'tombstone' as const))
  await isQuiet('only tombstones')
  await whilePassing(world, supervisor.stop())
})

test('a topic of which every record is dropped gets on', async () => {
  const world = await World.open()
  const supervisor = superviseIn(world)
  for (let i = 0; i < 60; i++) {
    world.records.produce('filtered', 'filtered', 'tombstone')
    await world.time.advance(3_000)
    assert.deepEqual(healthIn(world, supervisor).reasons, [])
  }
  assert.equal(supervisor.report().droppedTotal, 180)
  await whilePassing(world, supervisor.stop())
})

test('an owner that was frozen for an hour is not blamed for the hour once it moves', async () => {
  const world = await World.open()
  world.records.rows(5)
  const supervisor = superviseIn(world)
  await deliversAll(world, supervisor)
  world.time.jump(3_600_000)
  world.records.rows(5)
  await getsOn(world, supervisor)
})
