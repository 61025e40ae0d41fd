// Offsets over REST on twins: what is shown while workers know more or less than the journal, and what may be moved when.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConnectorConfig } from '@millrace/config'
import {
  type ConfigStore,
  type ConnectorEntry,
  type Genesis,
  type Incarnation,
  type JournalRecord,
  type KafkaOffset,
  kafkaOffset,
  type Logger,
  type PartitionReport,
  partitionResource,
  startAt,
  type WorkerId,
  type WorkerReport,
} from '@millrace/core'
import {
  BigQueryTwin,
  CoordinationTwin,
  DeadLettersTwin,
  GroupOffsetsTwin,
  JournalTwin,
  SourceTopicsTwin,
  VirtualTime,
} from '@millrace/testkit'
import { journalOffsets } from '../src/worker/offsets.ts'

const { signal } = new AbortController()
const QUIET: Logger = { error() {}, warn() {}, info() {}, debug() {}, child: () => QUIET }
const TP = { topic: 'flights', partition: 0 }
const ME = 'me' as WorkerId
const ENTRY: ConnectorEntry = {
  name: 'c',
  incarnation: 'inc' as Incarnation,
  version: 1,
  configGeneration: 1,
  config: {
    name: 'c',
    'connector.class': 'io.millrace.bigquery.BigQuerySinkConnector',
    topics: 'flights',
    project: 'p',
    defaultDataset: 'd',
  },
  targetState: 'STOPPED',
  hasTasks: false,
  restarts: { connector: 0, allTasks: 0, tasks: {} },
  journalId: 'j',
  predecessors: [],
  topicsResetAtMs: 0,
  createdAtMs: 0,
  updatedAtMs: 0,
}

/** @param earlier initial_offsets of connectors of the name that are deleted */
function cluster(
  initialOffsets?: Genesis['initialOffsets'],
  earlier: Readonly<Record<string, Genesis['initialOffsets']>> = {},
) {
  const time = new VirtualTime()
  const redis = new CoordinationTwin({ clock: time, timers: time })
  const topics = new SourceTopicsTwin({ sliceRecords: 5 })
  topics.createTopic(TP.topic, 2)
  const journals = new JournalTwin()
  const journal = journals.client()
  const groupOffsets = new GroupOffsetsTwin()
  const bigQuery = new BigQueryTwin({ clock: time, timers: time })
  const reports: WorkerReport[] = []
  const control = { entry: ENTRY }
  let beforeReports: () => Promise<void> = async () => {}
  const genesisOf = (incarnation: Incarnation): Genesis => {
    const initial = incarnation === ENTRY.incarnation ? initialOffsets : earlier[incarnation]
    const partitionsKnown = { [TP.topic]: 2 }
    const genesis = { journalId: 'j', journalPartitions: 25, partitionsKnown }
    return initial === undefined ? genesis : { ...genesis, initialOffsets: initial }
  }
  let ids = 0
  const offsets = journalOffsets({
    workerId: ME,
    configStore: {
      refresh: async () => ({ connectors: new Map([['c', control.entry]]), deleted: new Map() }),
    } as unknown as ConfigStore,
    services: {
      journal,
      source: topics,
      groupOffsets,
      deadLetters: new DeadLettersTwin(),
      permits: redis.permits,
      parseConfig: entry => {
        const parse = parseConnectorConfig(entry.config)
        assert(parse.ok)
        return parse.config
      },
      converterSettings: entry => entry.config,
      bigQuery: async () => ({ tables: bigQuery.tables, streams: bigQuery.writeStreams, close: () => {} }),
      genesis: async incarnation => genesisOf(incarnation),
    },
    leases: redis.leases,
    partitionsOf: async () => ({ [TP.topic]: 2 }),
    partitionsNow: () => [TP, { ...TP, partition: 1 }],
    knownPartitions: () => [{ topic: 'once', partition: 0 }],
    reports: async () => {
      await beforeReports()
      return reports
    },
    clock: time,
    timers: time,
    random: { nextUint32: () => 7, nextId: () => `id${++ids}` },
    logger: QUIET,
  })
  const logOf = (partition: number, ...records: readonly JournalRecord[]): Promise<void> =>
    journals.client().append({ ...TP, partition, incarnation: ENTRY.incarnation }, records)
  const log = (...records: readonly JournalRecord[]): Promise<void> => logOf(0, ...records)
  const shown = async (): Promise<Readonly<Record<string, string>>> =>
    Object.fromEntries(
      (await offsets.get(ENTRY, { signal })).map(p => [`${p.tp.topic}-${p.tp.partition}`, String(p.nextKafkaOffset)]),
    )
  /** Time passes until it is settled. */
  const passing = async <T>(work: Promise<T>): Promise<T> => {
    let isOver = false
    work.then(
      () => (isOver = true),
      () => (isOver = true),
    )
    for (let step = 0; !isOver && step < 2_000; step++) await time.advance(10)
    assert(isOver, 'the call returns')
    return await work
  }
  const alter = (partition: number, to: number | null): Promise<void> => {
    const nextKafkaOffset = to === null ? null : kafkaOffset(to)
    return passing(offsets.alter(ENTRY, [{ tp: { ...TP, partition }, nextKafkaOffset }], { signal }))
  }
  const report = (epoch: number, nextOffset: number): void => {
    const partition = {
      connector: 'c',
      incarnation: ENTRY.incarnation,
      ...TP,
      epoch,
      nextOffset: kafkaOffset(nextOffset),
    }
    reports.push({ partitions: [partition as unknown as PartitionReport] } as unknown as WorkerReport)
  }
  const onReports = (work: () => Promise<void>): void => {
    beforeReports = work
  }
  return {
    time,
    redis,
    topics,
    journals,
    groupOffsets,
    control,
    offsets,
    log,
    logOf,
    shown,
    alter,
    passing,
    report,
    reports,
    onReports,
  }
}
const claim = (claimId: string, epoch: number): JournalRecord => ({
  kind: 'claim',
  claimId,
  epoch,
  workerId: ME,
  generation: 1,
})
const settled = (claimId: string, epoch: number, to: number): JournalRecord => ({
  kind: 'settled',
  claimId,
  epoch,
  progress: startAt(kafkaOffset(to)),
})

test('the owner of the newest claim knows better than the journal; who was overtaken does not', async () => {
  const { log, shown, report, alter, topics } = cluster()
  for (let i = 0; i < 20; i++) topics.append(TP, { value: '{}' })
  await log(claim('a', 1), settled('a', 1, 4))
  report(1, 9)
  assert.equal((await shown())['flights-0'], '9')
  await alter(0, 2)
  assert.equal((await shown())['flights-0'], '2', 'the old owner still reports 9')
  report(3, 6)
  assert.equal((await shown())['flights-0'], '6')
})

test('the position never goes back by itself: not while a later claim counts, not when the report of its owner is gone', async () => {
  const { log, shown, report, reports, alter, topics } = cluster()
  for (let i = 0; i < 20; i++) topics.append(TP, { value: '{}' })
  await log(claim('a', 1), settled('a', 1, 0))
  report(1, 9)
  await log(claim('b', 2))
  assert.equal((await shown())['flights-0'], '9', 'b has not counted yet')
  reports.length = 0
  assert.equal((await shown())['flights-0'], '9', 'it was told so')
  await log(settled('b', 2, 10))
  assert.equal((await shown())['flights-0'], '10', 'what was counted is the truth')
  report(2, 12)
  assert.equal((await shown())['flights-0'], '12')
  reports.length = 0
  await alter(0, 2)
  assert.equal((await shown())['flights-0'], '2')
  await alter(0, null)
  assert.deepEqual(await shown(), {})
})

test('a partition that is let go of while it is asked for is shown where it was left', async () => {
  const { log, shown, onReports } = cluster()
  await log(claim('a', 1), settled('a', 1, 4))
  onReports(() => log(settled('a', 1, 9)))
  assert.equal((await shown())['flights-0'], '9')
})

test('before the first claim the group, or initial_offsets instead of it, say where it begins; forgotten says nothing', async () => {
  const given = { 'flights-0': kafkaOffset(7), 'flights-1': null }
  for (const [initial, expected] of [
    [undefined, { 'flights-0': '3' }],
    [given, { 'flights-0': '7' }],
  ] as const) {
    const { groupOffsets, shown, alter } = cluster(initial)
    await groupOffsets.commit('connect-c', [{ tp: TP, nextKafkaOffset: kafkaOffset(3) }], { signal })
    assert.deepEqual(await shown(), expected)
    await alter(0, null)
    assert.deepEqual(await shown(), {})
  }
})

test('before the first claim of a connector made anew, the journal of the earlier one says where it begins, not the group', async () => {
  const { groupOffsets, journals, offsets } = cluster()
  const old = 'old' as Incarnation
  const entry = { ...ENTRY, predecessors: ['never claimed' as Incarnation, old] }
  const group = [0, 1].map(partition => ({ tp: { ...TP, partition }, nextKafkaOffset: kafkaOffset(9) }))
  await groupOffsets.commit('connect-c', group, { signal })
  const positions = async (): Promise<readonly string[]> =>
    (await offsets.get(entry, { signal })).map(p => `${p.tp.partition}@${p.nextKafkaOffset}`)
  assert.deepEqual(await positions(), ['0@9', '1@9'], 'the group where no journal knows')
  const log = journals.client()
  await log.append({ ...TP, incarnation: old }, [claim('a', 1), settled('a', 1, 4)])
  assert.deepEqual(await positions(), ['0@4', '1@9'])
  const altered = { by: 'rest', atMs: 0, from: kafkaOffset(4) }
  const forgotten: JournalRecord = { kind: 'settled', claimId: 'b', epoch: 2, progress: null, altered }
  await log.append({ ...TP, incarnation: old }, [claim('b', 2), forgotten])
  assert.deepEqual(await positions(), ['1@9'], 'forgotten is forgotten by the successor, too')
})

test('before the first claim of a connector made anew, initial_offsets of an earlier one that never claimed say where it begins', async () => {
  const earlier = { young: undefined, told: { [`${TP.topic}-0`]: kafkaOffset(3) }, old: undefined }
  const { groupOffsets, journals, offsets } = cluster(undefined, earlier)
  const predecessors = Object.keys(earlier) as Incarnation[]
  const group = [0, 1].map(partition => ({ tp: { ...TP, partition }, nextKafkaOffset: kafkaOffset(9) }))
  await groupOffsets.commit('connect-c', group, { signal })
  await journals.client().append({ ...TP, incarnation: 'old' as Incarnation }, [claim('a', 1), settled('a', 1, 4)])
  const positions = async (): Promise<readonly string[]> =>
    (await offsets.get({ ...ENTRY, predecessors }, { signal })).map(p => `${p.tp.partition}@${p.nextKafkaOffset}`)
  assert.deepEqual(await positions(), ['0@3'], 'and of what they left out nobody says anything')
})

test('what the connector does not read, and what the log does not hold, is refused by name before anything is claimed', async () => {
  const { alter, offsets, log, shown } = cluster()
  await log(claim('a', 1), settled('a', 1, 0))
  await assert.rejects(alter(2, 0), { code: 'POSITION_REFUSED', message: /flights .*has partitions 0 to 1, not 2/ })
  await assert.rejects(alter(0, 1), { code: 'POSITION_REFUSED', message: /flights-0 holds offsets from 0, .* at 1/ })
  const elsewhere = [{ tp: { topic: 'toString', partition: 0 }, nextKafkaOffset: null }]
  await assert.rejects(offsets.alter(ENTRY, elsewhere, { signal }), { message: /reads no topic toString/ })
  assert.deepEqual(await shown(), { 'flights-0': '0' })
})

test('what it read once and does not read any more may be forgotten, but not moved', async () => {
  const { offsets, groupOffsets, passing } = cluster()
  const tp = { topic: 'once', partition: 0 }
  await groupOffsets.commit('connect-c', [{ tp, nextKafkaOffset: 3n as KafkaOffset }], { signal })
  await assert.rejects(offsets.alter(ENTRY, [{ tp, nextKafkaOffset: 0n as KafkaOffset }], { signal }), {
    code: 'POSITION_REFUSED',
  })
  await passing(offsets.alter(ENTRY, [{ tp, nextKafkaOffset: null }], { signal }))
  assert.equal((await groupOffsets.committed('connect-c', [tp], { signal })).size, 0)
})

test('a partition that is still being let go is waited for, then the client is told to come again', async () => {
  const { alter, redis, time, shown } = cluster()
  const resource = partitionResource('c', TP)
  const lease = await redis.leases.acquire(resource, 'other' as WorkerId, 60_000)
  assert(lease !== null)
  await assert.rejects(alter(0, 0), {
    code: 'POSITION_NOT_MOVED',
    message: /tasks haven't stopped completely yet .* can be safely retried\. c\/flights-0 is still being let go\./,
  })
  assert.deepEqual(await shown(), {})
  const moving = alter(0, 0)
  await time.advance(50)
  await redis.leases.release(lease)
  await moving
  assert.deepEqual(await shown(), { 'flights-0': '0' })
})

test('without Redis the claim alone decides', async () => {
  const { alter, redis, shown } = cluster()
  redis.mode = 'down'
  await alter(0, 0)
  assert.deepEqual(await shown(), { 'flights-0': '0' })
})

test('resumed, or created anew, before the last step: nothing moves, nobody at work is claimed away from', async () => {
  const { alter, control, journals, log, shown } = cluster()
  await log(claim('a', 1), settled('a', 1, 0))
  const { end } = journals
  for (const change of [{ targetState: 'STARTED' as const }, { incarnation: 'other' as Incarnation }]) {
    control.entry = { ...ENTRY, ...change }
    await assert.rejects(alter(0, null), { code: 'POSITION_NOT_MOVED' })
    assert.deepEqual(await shown(), { 'flights-0': '0' })
    assert.equal(journals.end, end)
  }
})

test('a reset forgets what is read and whatever the connector ever claimed, as often as it is asked', async () => {
  const { offsets, groupOffsets, log, shown, passing } = cluster()
  await log(claim('a', 1), settled('a', 1, 0))
  const once = { topic: 'once', partition: 0 }
  const positions = [TP, once].map(tp => ({ tp, nextKafkaOffset: 0n as KafkaOffset }))
  await groupOffsets.commit('connect-c', positions, { signal })
  for (let time = 0; time < 2; time++) await passing(offsets.reset(ENTRY, { signal }))
  assert.deepEqual(await shown(), {})
  assert.equal((await groupOffsets.committed('connect-c', [TP, once], { signal })).size, 0)
})

test('of several partitions all move or none', async () => {
  const { offsets, log, logOf, shown, passing } = cluster()
  await log(claim('a', 1), settled('a', 1, 0))
  await logOf(1, claim('b', 1), settled('b', 1, 0))
  const both = [0, 1].map(partition => ({ tp: { ...TP, partition }, nextKafkaOffset: null }))
  await logOf(1, { kind: 'deleted', claimId: 'b', epoch: 1, by: 'somebody' })
  await assert.rejects(passing(offsets.alter(ENTRY, both, { signal })), {
    code: 'POSITION_NOT_MOVED',
    message: /flights-1 was claimed by another worker/,
  })
  assert.equal((await shown())['flights-0'], '0')
  await passing(offsets.alter(ENTRY, both.slice(0, 1), { signal }))
  assert.equal((await shown())['flights-0'], undefined)
})
