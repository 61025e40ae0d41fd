// One partition under supervision, from the connector's entry on: start positions, failures and restarts, fences, the end.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  formatTopicPartition,
  type Incarnation,
  type JournalLog,
  kafkaOffset,
  LeaseLost,
  type Logger,
  MillraceError,
  type Tables,
  type Timers,
} from '@millrace/core'
import type { LostOffsetsRecord } from '../src/index.ts'
import {
  assignmentOf,
  CONFIG,
  controlOf,
  deliversAll,
  entryOf,
  GROUP,
  LEASE_TTL_MS,
  reaches,
  superviseIn,
  whilePassing,
  workerIn,
} from './support/connector.ts'
import { QUIET, type Run, TABLE, TP, World } from './support/world.ts'

const SIGNAL = new AbortController().signal
const INC1 = 'inc1' as Incarnation
const INC2 = 'inc2' as Incarnation

test('a connector delivers rows, dead letters and drops as its config says', async () => {
  const world = await World.open()
  world.records.produce('row', 'unreadable', 'filtered', 'refused', 'tombstone', 'row', 'row')
  const supervisor = superviseIn(world)
  await deliversAll(world, supervisor)
  await whilePassing(world, supervisor.stop())
  const { rowsTotal, deadLettersTotal, droppedTotal, lag } = supervisor.report()
  assert.deepEqual(
    { rowsTotal, deadLettersTotal, droppedTotal, lag },
    { rowsTotal: 3, deadLettersTotal: 2, droppedTotal: 2, lag: 0 },
  )
  world.assertExactlyOnce()
  world.assertBudgetsEmpty()
})

test('H17 offset.lost.policy=skip: the range goes to the audit and the log with its identity, and is reported', async () => {
  const world = await World.open()
  world.records.rows(7)
  world.topics.deleteBefore(TP, kafkaOffset(4))
  await world.groupOffsets.commit(GROUP, [{ tp: TP, nextKafkaOffset: kafkaOffset(1) }], { signal: SIGNAL })
  const [told, audited]: [string[], LostOffsetsRecord[]] = [[], []]
  let refusals = 2
  const logger: Logger = {
    ...QUIET,
    warn: fields => void told.push(JSON.stringify(fields)),
    child: () => logger,
  }
  const supervisor = superviseIn(world, entryOf({ config: { ...CONFIG, 'offset.lost.policy': 'skip' } }), {
    logger,
    auditLostOffsets: async record => {
      if (refusals-- > 0) throw new MillraceError('KAFKA_UNREACHABLE', 'retry', 'Not now.')
      audited.push(record)
    },
  })
  await deliversAll(world, supervisor)
  await whilePassing(world, supervisor.stop())
  assert.deepEqual(audited, [
    {
      kind: 'offsetsLost',
      id: 'inc1/flights-0@1..4',
      atMs: audited[0]?.atMs,
      connector: 'c',
      incarnation: 'inc1',
      topic: 'flights',
      partition: 0,
      from: '1',
      to: '4',
      policy: 'skip',
    },
  ])
  assert.deepEqual(told.filter(line => line.includes('inc1/flights-0@1..4')).length, 1)
  assert.equal(supervisor.report().lostOffsets, 3)
  assert.equal(world.rowIds().length, 3)
})

// ── where it starts ──

test('it starts at the committed offset of connect-<name>: a migration continues without a duplicate', async () => {
  const world = await World.open()
  world.records.rows(9)
  await world.groupOffsets.commit(GROUP, [{ tp: TP, nextKafkaOffset: kafkaOffset(4) }], { signal: SIGNAL })
  const supervisor = superviseIn(world)
  await deliversAll(world, supervisor)
  await whilePassing(world, supervisor.stop())
  assert.deepEqual(world.rowIds(), [4n, 5n, 6n, 7n, 8n])
})

test('without one, auto.offset.reset decides once; what is committed later does not matter any more', async () => {
  const world = await World.open()
  world.records.rows(5)
  const entry = entryOf({ config: { ...CONFIG, 'consumer.override.auto.offset.reset': 'latest' } })
  const supervisor = superviseIn(world, entry)
  await deliversAll(world, supervisor)
  world.records.rows(3)
  await deliversAll(world, supervisor)
  await whilePassing(world, supervisor.stop())
  assert.deepEqual(world.rowIds(), [5n, 6n, 7n])
  await world.groupOffsets.commit(GROUP, [{ tp: TP, nextKafkaOffset: kafkaOffset(0) }], { signal: SIGNAL })
  world.records.rows(1)
  const next = superviseIn(world, entry)
  await deliversAll(world, next)
  await whilePassing(world, next.stop())
  assert.deepEqual(world.rowIds(), [5n, 6n, 7n, 8n])
})

test('a partition that appeared after the connector starts at its beginning, whatever auto.offset.reset says', async () => {
  const world = await World.open()
  world.records.rows(5)
  const entry = entryOf({ config: { ...CONFIG, 'consumer.override.auto.offset.reset': 'latest' } })
  const genesis = { journalId: 'journal1', journalPartitions: 25, partitionsKnown: { [TP.topic]: 0 } }
  const supervisor = superviseIn(world, entry, { genesis })
  await deliversAll(world, supervisor)
  await whilePassing(world, supervisor.stop())
  world.assertExactlyOnce()
})

test('a group with live members is GROUP_IN_USE, and started by itself once they are gone', async () => {
  const world = await World.open()
  world.records.rows(3)
  world.groupOffsets.setLiveMembers(GROUP, true)
  const supervisor = superviseIn(world)
  const { trace } = await reaches(world, supervisor, 'FAILED')
  assert.match(trace ?? '', /^GROUP_IN_USE: .*connect-c/)
  assert.equal(world.rowIds().length, 0)
  world.groupOffsets.setLiveMembers(GROUP, false)
  await deliversAll(world, supervisor)
  await whilePassing(world, supervisor.stop())
  world.assertExactlyOnce()
})

// ── failing and starting again ──

test('a connector without its Genesis is JOURNAL_LOST: nothing is claimed, nothing delivered', async () => {
  for (const genesis of [null, { journalId: 'another', journalPartitions: 25, partitionsKnown: {} }]) {
    const world = await World.open()
    world.records.rows(3)
    const supervisor = superviseIn(world, entryOf(), { genesis })
    const { trace } = await reaches(world, supervisor, 'FAILED')
    assert.match(trace ?? '', /^JOURNAL_LOST: Connector c /)
    assert.deepEqual(world.journal.entries, [])
    await whilePassing(world, supervisor.stop())
  }
})

test('a journal that went backwards is JOURNAL_LOST', async () => {
  const world = await World.open()
  world.records.rows(3)
  const supervisor = superviseIn(world)
  await deliversAll(world, supervisor)
  world.journal.lose()
  world.records.rows(3)
  const { trace } = await reaches(world, supervisor, 'FAILED')
  assert.match(trace ?? '', /^JOURNAL_LOST/)
  await whilePassing(world, supervisor.stop())
  world.assertBudgetsEmpty()
})

test('a failed partition starts again with a growing pause, and goes on when the cause is gone', async () => {
  const world = await World.open()
  world.records.rows(6)
  let isDenied = true
  world.fateOf = () =>
    isDenied ? { kind: 'refuse', error: { kind: 'alreadyExists', message: 'not ours' } } : { kind: 'apply' }
  const supervisor = superviseIn(world)
  const { trace } = await reaches(world, supervisor, 'FAILED')
  assert.match(trace ?? '', /^ACK_UNEXPECTED/)
  await world.time.advance(120_000)
  const { failures } = supervisor.report()
  assert.ok(failures >= 3 && failures < 10, `${failures} failures in two minutes`)
  isDenied = false
  await deliversAll(world, supervisor)
  assert.equal(supervisor.report().trace, undefined)
  await whilePassing(world, supervisor.stop())
  world.assertExactlyOnce()
  world.assertBudgetsEmpty()
})

test('a failure that lasts is tried again at growing intervals, never longer than the cap, and the last ones are told', async () => {
  const world = await World.open()
  world.records.rows(1)
  const supervisor = superviseIn(world, entryOf({ config: { ...CONFIG, defaultDataset: 'elsewhere' } }))
  const pauses: number[] = []
  let last = 0
  for (let look = 0; look < 1_800; look++) {
    await world.time.advance(3_000)
    const { restartsAtMs, pastFailures, failures, state } = supervisor.report()
    assert.equal(restartsAtMs !== undefined, state === 'FAILED', 'FAILED says when it starts again')
    const failedAtMs = pastFailures?.at(-1)?.sinceMs ?? 0
    if (failures === last || restartsAtMs === undefined) continue
    last = failures
    pauses.push(restartsAtMs - failedAtMs)
  }
  const { pastFailures = [] } = supervisor.report()
  assert.equal(pastFailures.length, 5)
  assert.ok(
    pastFailures.every(
      ({ code, message }) => code === 'DATASET_MISSING' || (code === 'TABLE_MISSING' && message !== ''),
    ),
  )
  const times = pastFailures.map(({ sinceMs }) => sinceMs)
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
    'oldest first',
  )
  assert.ok(Math.max(...pauses) <= 600_000, `${pauses}`)
  assert.ok((pauses[0] ?? 0) <= 10_000 && (pauses.at(-1) ?? 0) > 60_000, `${pauses}`)
  await whilePassing(world, supervisor.stop())
})

test('a bug is tried again twice a day: a third one within it waits for somebody, one after it does not', async () => {
  for (const hours of [1, 25]) {
    const world = await World.open()
    world.records.rows(1)
    let bugs = 2
    const { tables } = world.bigQuery
    const buggy: Tables = {
      get: async (table, options) => {
        if (bugs-- > 0) throw new MillraceError('BUG', 'failPartition', 'a promise is broken')
        return await tables.get(table, options)
      },
      create: (table, spec, options) => tables.create(table, spec, options),
    }
    const supervisor = superviseIn(world, entryOf(), { tables: buggy })
    await deliversAll(world, supervisor)
    assert.equal(supervisor.report().failures, 2)
    world.fateOf = () => ({ kind: 'refuse', error: { kind: 'alreadyExists', message: 'it fails of something else' } })
    world.records.rows(1)
    await world.time.advance(hours * 3_600_000)
    assert.ok(supervisor.report().failures > 4)
    bugs = 1
    world.fateOf = () => ({ kind: 'apply' })
    await world.time.advance(3_600_000)
    const { state } = supervisor.report()
    assert.equal(state, hours === 1 ? 'FAILED' : 'RUNNING', `${hours} hours later`)
    await whilePassing(world, supervisor.stop())
  }
})

test('a fenced owner that still holds the lease claims again after the lease TTL, not before', async () => {
  const world = await World.open()
  world.records.rows(3)
  const supervisor = superviseIn(world)
  await deliversAll(world, supervisor)
  const other = world.begin()
  await world.until('the other has claimed', () => other.partition.view().epoch === 2)
  other.process.die()
  world.records.rows(3)
  const fencedMs = world.time.monotonicMs()
  await deliversAll(world, supervisor)
  assert.equal(supervisor.report().epoch, 3)
  const tookMs = world.time.monotonicMs() - fencedMs
  assert.ok(tookMs >= LEASE_TTL_MS && tookMs < 2 * LEASE_TTL_MS, `claimed again after ${tookMs} ms`)
  await whilePassing(world, supervisor.stop())
  world.assertExactlyOnce()
})

test('an owner that is not drained in time is cut off; the next one recovers what it left', async () => {
  const world = await World.open()
  world.records.rows(9)
  const { promise, resolve } = Promise.withResolvers<void>()
  world.fateOf = () => ({ kind: 'hold', until: promise })
  const supervisor = superviseIn(world)
  await world.until('appends hang', () => supervisor.report().inFlightRows > 0)
  const sinceMs = world.time.monotonicMs()
  await whilePassing(world, supervisor.stop())
  assert.ok(world.time.monotonicMs() - sinceMs < 7_000)
  world.assertBudgetsEmpty()
  world.fateOf = () => ({ kind: 'apply' })
  resolve()
  const next = superviseIn(world)
  await deliversAll(world, next)
  assert.equal(next.report().takeovers, 1)
  await whilePassing(world, next.stop())
  world.assertExactlyOnce()
})

test('a partition whose lease is lost is abandoned at once', async () => {
  const world = await World.open()
  world.records.rows(9)
  const process = world.process()
  const supervisor = superviseIn(world, entryOf(), { process })
  await world.until('appends are under way', () => process.counts.append > 0)
  await whilePassing(world, supervisor.abandon(new LeaseLost('somebody else has it')))
  const counts = { ...process.counts }
  await world.time.advance(120_000)
  assert.deepEqual(process.counts, counts, 'nothing more is done')
  world.assertBudgetsEmpty()
  await world.finish()
  world.assertExactlyOnce()
})

// ── another config, another incarnation ──

test('a new config generation starts from a drained point and adopts the stream', async () => {
  const world = await World.open()
  world.records.produce('row', 'filtered', 'row')
  const worker = workerIn(world)
  const [process] = world.processes
  assert(process !== undefined)
  worker.setControl(controlOf(entryOf()))
  worker.start(assignmentOf(process))
  const report = { report: () => worker.reports()[0]! }
  await deliversAll(world, report)
  const config = { ...CONFIG, 'append.max.rows': '7' }
  worker.setControl(controlOf(entryOf({ config, configGeneration: 2, version: 2 })))
  world.records.rows(9)
  await world.until('generation 2 delivers', () => worker.reports()[0]?.epoch === 2)
  await deliversAll(world, report)
  await whilePassing(world, worker.drain(assignmentOf(process)))
  world.assertExactlyOnce()
  assert.equal(world.bigQuery.streams(TABLE).length, 1)
  const generations = world.journalRecords().flatMap(record => (record.kind === 'claim' ? [record.generation] : []))
  assert.deepEqual(generations, [1, 2])
})

for (const [title, change] of [
  ['a converter', { 'key.converter': 'org.apache.kafka.connect.storage.StringConverter' }],
  ['a client override', { 'consumer.override.group.id': 'watched' }],
] as const)
  test(`a config that differs in ${title} alone starts the partition anew (KAFKA-9228)`, async () => {
    const world = await World.open()
    const process = world.process()
    const worker = workerIn(world, process)
    const stop = new AbortController()
    const publishing = worker.run({ signal: stop.signal })
    world.records.rows(3)
    worker.setControl(controlOf(entryOf()))
    worker.start(assignmentOf(process))
    const report = { report: () => worker.reports()[0]! }
    await deliversAll(world, report)
    worker.setControl(controlOf(entryOf({ config: { ...CONFIG, ...change }, configGeneration: 2, version: 2 })))
    world.records.rows(2)
    await world.until('generation 2 delivers', () => worker.reports()[0]?.epoch === 2)
    await deliversAll(world, report)
    await whilePassing(world, worker.drain(assignmentOf(process)))
    const group = 'consumer.override.group.id' in change ? 'watched' : GROUP
    const heard = await world.groupOffsets.committed(group, [TP], { signal: SIGNAL })
    assert.deepEqual([...heard.values()], [5n])
    world.assertExactlyOnce()
    stop.abort()
    await whilePassing(world, publishing)
  })

test('a connector re-created under its name continues where the old one ended, without a duplicate', async () => {
  const world = await World.open()
  world.records.rows(9)
  const old = superviseIn(world)
  await deliversAll(world, old)
  await whilePassing(world, old.delete())
  world.records.rows(4)
  const next = superviseIn(world, entryOf({ incarnation: INC2, predecessors: [INC1] }))
  await deliversAll(world, next)
  await whilePassing(world, next.stop())
  world.assertExactlyOnce()
})

test('an offset that a frozen owner commits late, after the delete, does not make the re-created connector repeat records', async () => {
  const world = await World.open()
  world.records.rows(9)
  const old = superviseIn(world)
  await deliversAll(world, old)
  await whilePassing(world, old.delete())
  await world.groupOffsets.commit(GROUP, [{ tp: TP, nextKafkaOffset: kafkaOffset(2) }], { signal: SIGNAL })
  world.records.rows(4)
  const next = superviseIn(world, entryOf({ incarnation: INC2, predecessors: [INC1] }))
  await deliversAll(world, next)
  await whilePassing(world, next.stop())
  world.assertExactlyOnce()
})

test('the same when the old one was never let go: its incarnation is ended by the new one, its owner fenced for ever', async () => {
  const world = await World.open()
  world.records.rows(9)
  const zombie = world.begin({}, world.process())
  await world.until('rows are under way', () => zombie.process.counts.append >= 2)
  const next = superviseIn(world, entryOf({ incarnation: INC2, predecessors: [INC1] }))
  await deliversAll(world, next)
  world.records.rows(4)
  await deliversAll(world, next)
  await world.ended(zombie)
  assert.equal(zombie.end?.kind, 'fenced')
  const again = world.begin()
  await world.ended(again)
  assert.deepEqual(again.end, { kind: 'fenced', deleted: true })
  await whilePassing(world, next.stop())
  world.assertExactlyOnce()
})

test('an owner of the old incarnation that wakes up before its first claim finds it ended', async () => {
  const world = await World.open()
  world.records.rows(9)
  const next = superviseIn(world, entryOf({ incarnation: INC2, predecessors: [INC1] }))
  await deliversAll(world, next)
  const zombie = world.begin()
  await world.ended(zombie)
  assert.deepEqual(zombie.end, { kind: 'fenced', deleted: true })
  await whilePassing(world, next.stop())
  world.assertExactlyOnce()
})

test('an owner of the old incarnation that claims between the fold that ends it and the Deleted voids that end', async () => {
  const world = await World.open()
  world.records.rows(9)
  const process = world.process()
  let zombie: Run | null = null
  const journal: JournalLog = {
    append: async (space, records) => {
      if (zombie === null && records.some(record => record.kind === 'deleted')) {
        zombie = world.begin()
        await world.delivered(zombie)
      }
      await process.journal.append(space, records)
    },
    readToEnd: (space, options) => process.journal.readToEnd(space, options),
    delete: (space, keys) => process.journal.delete(space, keys),
    peek: space => process.journal.peek(space),
  }
  const next = superviseIn(world, entryOf({ incarnation: INC2, predecessors: [INC1] }), { process, journal })
  await deliversAll(world, next)
  world.records.rows(4)
  await deliversAll(world, next)
  await whilePassing(world, next.stop())
  world.assertExactlyOnce()
})

test('an owner of the old incarnation that works on beside the end of it, from whatever moment, delivers nothing twice', async () => {
  for (let ms = 0; ms < 150; ms += 25) {
    const world = await World.open({ seed: ms + 1 })
    const { time, random } = world
    world.records.rows(9)
    const process = world.process()
    const late = async (work: () => Promise<void>): Promise<void> => {
      await time.sleep(random.below(40), { signal: SIGNAL })
      await work()
    }
    const journal: JournalLog = {
      append: (space, records) => late(() => process.journal.append(space, records)),
      readToEnd: (space, options) => process.journal.readToEnd(space, options),
      delete: (space, keys) => late(() => process.journal.delete(space, keys)),
      peek: space => process.journal.peek(space),
    }
    const next = superviseIn(world, entryOf({ incarnation: INC2, predecessors: [INC1] }), { process, journal })
    await time.advance(ms)
    const old = superviseIn(world)
    await time.advance(random.below(40))
    world.journal.compact()
    await deliversAll(world, next)
    world.records.rows(4)
    await deliversAll(world, next)
    await whilePassing(world, Promise.all([old.stop(), next.stop()]))
    world.assertExactlyOnce()
  }
})

test('of several earlier incarnations one that never claimed the partition does not pass over what an older one left', async () => {
  const world = await World.open()
  world.records.rows(9)
  const oldest = world.begin({}, world.process())
  await world.delivered(oldest)
  oldest.process.die()
  world.records.rows(4)
  const config = { ...CONFIG, 'consumer.override.auto.offset.reset': 'latest' }
  const incarnation = 'inc3' as Incarnation
  const next = superviseIn(world, entryOf({ config, incarnation, predecessors: [INC2, INC1] }))
  await deliversAll(world, next)
  await whilePassing(world, next.stop())
  world.assertExactlyOnce()
})

test('an earlier incarnation that was deleted before its first claim ends at its own initial_offsets, whoever ends it', async () => {
  const name = formatTopicPartition(TP)
  const initialOffsets = { [INC2]: { [name]: kafkaOffset(3) } }
  const cases = {
    'by its own worker': { endsItself: true, initialOffsets, from: 3 },
    'by its successor': { endsItself: false, initialOffsets, from: 3 },
    'the successor has some of its own': {
      endsItself: false,
      initialOffsets: { ...initialOffsets, inc3: { [name]: kafkaOffset(5) } },
      from: 5,
    },
    'it had none, and those of the successor count for the successor alone': {
      endsItself: false,
      initialOffsets: { inc3: { [name]: null } },
      from: 0,
    },
  }
  for (const [title, { endsItself, initialOffsets, from }] of Object.entries(cases)) {
    const world = await World.open()
    world.records.rows(9)
    await world.groupOffsets.commit(GROUP, [{ tp: TP, nextKafkaOffset: kafkaOffset(7) }], { signal: SIGNAL })
    const stopped = entryOf({ incarnation: INC2, targetState: 'STOPPED' })
    if (endsItself) await whilePassing(world, superviseIn(world, stopped, { initialOffsets }).delete())
    const entry = entryOf({ incarnation: 'inc3' as Incarnation, predecessors: [INC2] })
    const next = superviseIn(world, entry, { initialOffsets })
    await deliversAll(world, next)
    await whilePassing(world, next.stop())
    const delivered = world
      .rowIds()
      .map(Number)
      .sort((a, b) => a - b)
    assert.deepEqual(delivered, [0, 1, 2, 3, 4, 5, 6, 7, 8].slice(from), title)
  }
})

test('a letter of an earlier incarnation that is out stays one: the next one delivers only what lies around it', async () => {
  const world = await World.open()
  world.records.produce('row', 'row', 'unreadable', 'row')
  world.fateOf = () => ({ kind: 'loseRequest' })
  const old = world.begin({}, world.process())
  await world.until('the letter is out, and no row', () => world.letterList().length === 1)
  old.process.die()
  world.fateOf = () => ({ kind: 'apply' })
  const next = superviseIn(world, entryOf({ incarnation: INC2, predecessors: [INC1] }))
  await deliversAll(world, next)
  await whilePassing(world, next.stop())
  world.assertExactlyOnce()
  const converted = world.letterList().filter(({ error }) => !error.message.includes('produced again on a takeover'))
  assert.equal(converted.length, 1, 'not converted again: a new config might have made it a row')
})

test('a journal write of unknown outcome while an earlier incarnation is ended is a fence, not a failure', async () => {
  const world = await World.open()
  world.records.rows(9)
  world.journal.failNextAppend('lost')
  const next = superviseIn(world, entryOf({ incarnation: INC2, predecessors: [INC1] }))
  await deliversAll(world, next)
  assert.equal(next.report().failures, 0)
  await whilePassing(world, next.stop())
  world.assertExactlyOnce()
})

test('a deleted connector whose rows were under way commits what landed, not what was heard of', async () => {
  const world = await World.open()
  const process = world.process()
  const worker = workerIn(world, process)
  const stop = new AbortController()
  const publishing = worker.run({ signal: stop.signal })
  worker.setControl(controlOf(entryOf()))
  worker.start(assignmentOf(process))
  world.records.rows(3)
  await deliversAll(world, { report: () => worker.reports()[0]! })
  // The second append is answered just before the drain is cut off, the third lands unheard.
  const held = world.time.sleep(4_700, { signal: SIGNAL })
  const fates = [
    { kind: 'hold', until: held },
    { kind: 'silence', applies: true },
  ] as const
  let appends = 0
  world.fateOf = () => fates[appends++] ?? { kind: 'apply' }
  world.records.rows(6)
  await world.until('both are under way', () => appends === 2)
  worker.setControl({
    connectors: new Map(),
    deleted: new Map([['c', { name: 'c', version: 2, incarnations: [INC1], deletedAtMs: 0 }]]),
  })
  await whilePassing(world, worker.drain(assignmentOf(process)))
  await world.time.advance(130_000)
  const committed = await world.groupOffsets.committed(GROUP, [TP], { signal: SIGNAL })
  assert.deepEqual([...committed.values()], [9n])
  stop.abort()
  await whilePassing(world, publishing)
  world.fateOf = () => ({ kind: 'apply' })
  world.records.rows(2)
  const next = superviseIn(world, entryOf({ incarnation: INC2, predecessors: [INC1] }))
  await deliversAll(world, next)
  await whilePassing(world, next.stop())
  world.assertExactlyOnce()
})

test('a partition whose letting go went wrong is over all the same: it can begin here again', async () => {
  const world = await World.open()
  const process = world.process()
  const { time } = world
  let breaks = true
  const sleep: Timers['sleep'] = (ms, options) => {
    if (breaks && ms === 2_000) throw new Error('no timer')
    return time.sleep(ms, options)
  }
  const worker = workerIn(world, process, 60_000, { timers: { sleep } })
  worker.setControl(controlOf(entryOf()))
  worker.start(assignmentOf(process))
  world.records.rows(3)
  const report = { report: () => worker.reports()[0]! }
  await deliversAll(world, report)
  await whilePassing(world, worker.drain(assignmentOf(process)))
  breaks = false
  world.records.rows(2)
  worker.start(assignmentOf(process))
  await deliversAll(world, report)
  await whilePassing(world, worker.drain(assignmentOf(process)))
  world.assertExactlyOnce()
})

test('a partition is let go only when the group has heard the last of it: no commit comes later and overwrites an operator', async () => {
  const world = await World.open()
  const process = world.process()
  const worker = workerIn(world, process)
  const stop = new AbortController()
  const publishing = worker.run({ signal: stop.signal })
  worker.setControl(controlOf(entryOf()))
  worker.start(assignmentOf(process))
  world.records.rows(3)
  await deliversAll(world, { report: () => worker.reports()[0]! })
  const position = async (): Promise<readonly bigint[]> => [
    ...(await world.groupOffsets.committed(GROUP, [TP], { signal: SIGNAL })).values(),
  ]
  assert.deepEqual(await position(), [], 'the next regular commit is a minute away')
  await whilePassing(world, worker.drain(assignmentOf(process)))
  assert.deepEqual(await position(), [3n])
  await world.groupOffsets.commit(GROUP, [{ tp: TP, nextKafkaOffset: kafkaOffset(1) }], { signal: SIGNAL })
  await world.time.advance(130_000)
  assert.deepEqual(await position(), [1n])
  stop.abort()
  await whilePassing(world, publishing)
  assert.deepEqual(await position(), [1n])
})
