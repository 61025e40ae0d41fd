// A comparison of journal, topic and table on twins: it finds every record that is missing or there twice, and nothing else.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConnectorConfig } from '@millrace/config'
import { originColumn } from '@millrace/convert'
import {
  type KafkaOffset,
  kafkaOffset,
  ORIGIN_BUCKET_OFFSETS,
  type RawConfig,
  startAt,
  type VerifyProgress,
  type VerifyReceipt,
} from '@millrace/core'
import { type ProtoRow, RowOriginsTwin } from '@millrace/testkit'
import { type VerifyDeps, verifyConnector } from '../src/index.ts'
import { CONFIG, entryOf, superviseIn, whilePassing } from './support/connector.ts'
import { DLQ, SPACE, TABLE, TABLE_SCHEMA, TP, World } from './support/world.ts'

const WITH_ORIGIN: RawConfig = { ...CONFIG, kafkaDataFieldName: 'kafka', 'append.max.rows': '500' }
const RARE = 100

async function delivered(produce: (world: World) => void, config: RawConfig = WITH_ORIGIN): Promise<World> {
  const world = await World.open({ sliceRecords: 1_000 })
  world.bigQuery.alterTable(TABLE, { columns: [...TABLE_SCHEMA.columns, originColumn('kafka')] })
  produce(world)
  const supervisor = superviseIn(world, entryOf({ config }))
  await world.until('all is settled', () => supervisor.report().nextOffset === world.records.end)
  await whilePassing(world, supervisor.stop())
  return world
}

type Change = {
  readonly rows?: (rows: readonly ProtoRow[]) => readonly ProtoRow[]
  readonly config?: RawConfig
  readonly to?: bigint
  readonly start?: bigint
  readonly deps?: Partial<VerifyDeps>
  readonly onProgress?: (progress: VerifyProgress) => void
  readonly signal?: AbortSignal
}

async function verify(world: World, change: Change = {}): Promise<VerifyReceipt> {
  const { rows = same => same, config: raw = WITH_ORIGIN, to = world.records.end, start } = change
  const parse = parseConnectorConfig(raw)
  assert(parse.ok)
  const position = { tp: TP, nextKafkaOffset: to as KafkaOffset }
  const deps: VerifyDeps = {
    journal: world.journal.client(),
    source: world.topics,
    groupOffsets: world.groupOffsets,
    deadLetters: world.letters,
    tables: world.bigQuery.tables,
    origins: new RowOriginsTwin(table => rows(world.bigQuery.rows(table))),
    positions: async () => [position],
    isCompacted: async () => false,
    isInDoubt: () => false,
    timers: world.time,
    ...change.deps,
  }
  const request = {
    entry: entryOf({ config: raw }),
    config: parse.config,
    settings: raw,
    queue: DLQ,
    starts: new Map(start === undefined ? [] : [['flights-0', kafkaOffset(start)]]),
    onProgress: change.onProgress ?? (() => {}),
  }
  const signal = change.signal ?? new AbortController().signal
  return await whilePassing(world, verifyConnector(request, deps, { signal }))
}

const without =
  (...offsets: readonly bigint[]) =>
  (rows: readonly ProtoRow[]) =>
    rows.filter(row => !offsets.includes(Object(row['kafka']).offset))
const twice =
  (offset: bigint) =>
  (rows: readonly ProtoRow[]): readonly ProtoRow[] => [
    ...rows,
    ...rows.filter(row => Object(row['kafka']).offset === offset),
  ]
const foreign = (offset: bigint) => (rows: readonly ProtoRow[]) => [
  ...rows,
  { kafka: { topic: TP.topic, partition: BigInt(TP.partition), offset } },
]

/** More than two buckets, with all that may stand in a log. */
const mixed = (world: World): void => {
  const { records } = world
  records.rows(RARE)
  records.gap(3)
  records.produce('tombstone', 'filtered', 'unreadable', 'refused')
  records.aborted(4)
  records.gap(ORIGIN_BUCKET_OFFSETS)
  records.rows(RARE)
  records.produce('unreadable')
  records.gap(ORIGIN_BUCKET_OFFSETS - 150)
  records.rows(RARE)
}
const world = await delivered(mixed)

test('what was delivered is VERIFIED record by record; letters, tombstones, the filter and gaps are told apart', async () => {
  const told: VerifyProgress[] = []
  const { verdict, partitions } = await verify(world, { onProgress: progress => told.push(progress) })
  const [receipt] = partitions
  assert.deepEqual([verdict, receipt?.verdict, receipt?.reasons], ['VERIFIED', 'VERIFIED', []])
  assert.deepEqual(
    [receipt?.records, receipt?.rows, receipt?.tombstones, receipt?.filtered, receipt?.deadLetters, receipt?.dropped],
    [305, 300, 1, 1, 3, 0],
  )
  assert.deepEqual([receipt?.from, receipt?.to], [0n, world.records.end])
  const last = told.at(-1)
  assert.deepEqual([last?.partitions, last?.partitionsRead], [1, 1])
  assert.ok((last?.recordsRead ?? 0) >= 305)
})

test('a row that was deleted is missing, by its offset; wherever it is', async () => {
  const offsets = world.bigQuery.rows(TABLE).map(row => Object(row['kafka']).offset as bigint)
  for (const offset of [0n, offsets[150], offsets.at(-1)]) {
    assert(offset !== undefined)
    const { verdict, partitions } = await verify(world, { rows: without(offset) })
    const [receipt] = partitions
    assert.deepEqual([verdict, receipt?.missing, receipt?.doubled], ['DIFFERENT', 1, 0])
    assert.deepEqual(receipt?.examples, [`flights-0@${offset} is missing`])
    assert.match(
      receipt?.reasons[0] ?? '',
      offset === 0n ? /where the connector began/ : /neither a row nor a dead letter/,
    )
  }
})

test('a row that is there twice is named; a loss beside it does not hide it', async () => {
  const { verdict, partitions } = await verify(world, { rows: rows => without(8n)(twice(7n)(rows)) })
  assert.deepEqual([verdict, partitions[0]?.missing, partitions[0]?.doubled], ['DIFFERENT', 1, 1])
  assert.deepEqual(partitions[0]?.examples, ['flights-0@8 is missing', 'flights-0@7 is there more than once'])
  // In a bucket where nothing else differs, the number of rows is right.
  const [last, other] = world.bigQuery
    .rows(TABLE)
    .map(row => Object(row['kafka']).offset as bigint)
    .slice(-2)
  assert(last !== undefined && other !== undefined)
  const hidden = await verify(world, { rows: rows => without(last)(twice(other)(rows)) })
  assert.deepEqual([hidden.verdict, hidden.partitions[0]?.missing, hidden.partitions[0]?.doubled], ['DIFFERENT', 1, 1])
})

test('a row of no committed record is different, unless compaction may have taken the record', async () => {
  const gap = BigInt(RARE) + 1n
  const { verdict, partitions } = await verify(world, { rows: foreign(gap) })
  assert.deepEqual([verdict, partitions[0]?.unexpected], ['DIFFERENT', 1])
  assert.match(partitions[0]?.examples[0] ?? '', /flights-0@101 is there, but was never committed/)
  const compacted = await verify(world, { rows: foreign(gap), deps: { isCompacted: async () => true } })
  assert.equal(compacted.verdict, 'VERIFIED')
  assert.match(compacted.partitions[0]?.reasons[0] ?? '', /compaction/)
})

test('a dead letter that is not in its queue is a missing record', async () => {
  const { verdict, partitions } = await verify(world, { deps: { deadLetters: { find: async () => new Set() } } })
  // What the converter refuses is dropped by the error policy; what only BigQuery refuses looks like any other loss.
  assert.deepEqual([verdict, partitions[0]?.missing, partitions[0]?.dropped], ['DIFFERENT', 1, 2])
})

test('only what lies below the position counts: rows on their way are nobody’s business', async () => {
  const to = BigInt(RARE) - 10n
  const { verdict, partitions } = await verify(world, { to, rows: without(BigInt(RARE) - 5n) })
  assert.deepEqual([verdict, partitions[0]?.rows, partitions[0]?.records], ['VERIFIED', 90, 90])
})

test('below where the log begins doubles are found, and losses are said to be untold', async () => {
  const old = await delivered(({ records }) => records.rows(RARE))
  old.topics.deleteBefore(TP, kafkaOffset(40))
  const { verdict, partitions } = await verify(old, { rows: without(3n) })
  assert.deepEqual([verdict, partitions[0]?.from, partitions[0]?.olderRows], ['VERIFIED', 40n, 39])
  assert.match(partitions[0]?.reasons[0] ?? '', /39 rows are of records below 40.*cannot be told/)
  const doubled = await verify(old, { rows: twice(3n) })
  assert.deepEqual([doubled.verdict, doubled.partitions[0]?.doubled], ['DIFFERENT', 1])
})

test('where a connector began is respected: stated by its Genesis, or the first row of one that starts at the end', async () => {
  const isBehind = (rows: readonly ProtoRow[]) => rows.filter(row => Object(row['kafka']).offset >= 20n)
  assert.equal((await verify(world, { rows: isBehind })).verdict, 'DIFFERENT')
  assert.equal((await verify(world, { rows: isBehind, start: 20n })).verdict, 'VERIFIED')
  const config = { ...WITH_ORIGIN, 'consumer.override.auto.offset.reset': 'latest' }
  assert.equal((await verify(world, { rows: isBehind, config })).verdict, 'VERIFIED')
  assert.equal((await verify(world, { rows: rows => without(30n)(isBehind(rows)), config })).verdict, 'DIFFERENT')
})

test('IN_DOUBT is said, also where nothing differs', async () => {
  const { verdict, partitions } = await verify(world, { deps: { isInDoubt: () => true } })
  assert.equal(verdict, 'IN_DOUBT')
  assert.match(partitions[0]?.reasons[0] ?? '', /waits for an operator/)
})

test('without the column counts are compared, where nothing moves and nothing is in between', async () => {
  const strict: RawConfig = { ...CONFIG, 'errors.tolerance': 'none' }
  const plain = await delivered(({ records }) => records.rows(RARE), strict)
  const same = await verify(plain, { config: strict })
  assert.equal(same.verdict, 'VERIFIED_BY_COUNT')
  assert.match(
    same.partitions[0]?.reasons.join(' ') ?? '',
    /p\.d\.flights has 100 rows; 100 records.*kafkaDataFieldName/,
  )
  assert.equal((await verify(plain, { config: strict, rows: rows => rows.slice(1) })).verdict, 'DIFFERENT')
  plain.records.rows(1)
  const moving = await verify(plain, { config: strict, to: 100n })
  assert.equal(moving.verdict, 'CANNOT_TELL')
  assert.match(moving.partitions[0]?.reasons.join(' ') ?? '', /still being delivered/)
})

test('nothing to compare, and a table that is gone, are CANNOT_TELL', async () => {
  const none = await verify(world, { deps: { positions: async () => [] } })
  assert.equal(none.verdict, 'CANNOT_TELL')
  const gone = await verify(world, { deps: { tables: { get: async () => null } } })
  assert.equal(gone.verdict, 'CANNOT_TELL')
  assert.match(gone.partitions[0]?.reasons[0] ?? '', /p\.d\.flights does not exist/)
})

test('it ends at once when it is told to', async () => {
  const stop = new AbortController()
  const running = verify(world, { signal: stop.signal, onProgress: () => stop.abort(new Error('enough')) })
  await assert.rejects(running, /enough/)
})

test('what was skipped because the topic had lost it is in the receipt', async () => {
  const skipped = await delivered(({ records }) => records.rows(RARE))
  const lost = [{ from: kafkaOffset(5), to: kafkaOffset(8) }]
  const progress = { ...startAt(kafkaOffset(RARE)), lost }
  await skipped.journal.client().append(SPACE, [{ kind: 'settled', claimId: 'later', epoch: 99, progress }])
  const { partitions } = await verify(skipped)
  assert.deepEqual(partitions[0]?.lost, lost)
  assert.match(partitions[0]?.reasons[0] ?? '', /^Offsets 5–7 were gone from the topic/)
})
