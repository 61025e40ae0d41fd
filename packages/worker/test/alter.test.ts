// Moving positions of a stopped connector: exactly once relative to where the operator moved them, whoever else is about.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type ConnectorEntry,
  formatTopicPartition,
  headClaim,
  type JournalLog,
  type KafkaOffset,
  kafkaOffset,
  type Logger,
  streamOffset,
  type WorkerId,
} from '@millrace/core'
import { alterPositions, notMoved } from '../src/index.ts'
import { resolveStart } from '../src/start-position.ts'
import { CONFIG, entryOf, GROUP, servicesIn, superviseIn, whilePassing } from './support/connector.ts'
import { byNumber, QUIET, type Run, SPACE, TABLE, TP, World } from './support/world.ts'

const STOPPED = entryOf({ targetState: 'STOPPED', hasTasks: false })
const NOT_MOVED = { code: 'POSITION_NOT_MOVED', disposition: 'retry' }

const MAY_HAVE_MOVED = { code: 'POSITION_MAY_HAVE_MOVED', disposition: 'retry' }

type Order = {
  readonly entry?: ConnectorEntry
  readonly logger?: Logger
  readonly confirmStopped?: () => Promise<void>
  /** Around the journal of the process that moves. */
  readonly journal?: (journal: JournalLog) => JournalLog
  /** Besides TP; they move to the same position. */
  readonly partitions?: readonly number[]
  /** By incarnation. */
  readonly initialOffsets?: Readonly<Record<string, Readonly<Record<string, KafkaOffset>>>>
}

/** From a process of its own, as any worker may answer. */
async function move(
  world: World,
  to: number | null,
  { entry = STOPPED, journal = own => own, partitions = [], initialOffsets = {}, ...more }: Order = {},
): Promise<void> {
  const process = world.process()
  const { time, random } = world
  const deps = {
    workerId: process.workerId,
    services: servicesIn(world, process, { journal: journal(process.journal), initialOffsets }),
    clock: time,
    timers: time,
    random,
    logger: QUIET,
    by: 'operator',
    confirmStopped: async () => {},
    ...more,
  }
  const nextKafkaOffset = to === null ? null : kafkaOffset(to)
  const { signal } = new AbortController()
  const tps = [TP, ...partitions.map(partition => ({ ...TP, partition }))]
  const orders = tps.map(tp => ({ tp, nextKafkaOffset }))
  await whilePassing(world, alterPositions(entry, orders, deps, { signal }))
}

/** Before or after the operator's word about TP is written. */
const atLastWord =
  (when: 'before' | 'after', happens: () => Promise<void>) =>
  (journal: JournalLog): JournalLog => ({
    append: async (space, records) => {
      const isIt =
        space.partition === TP.partition && records.some(r => r.kind === 'settled' && r.altered !== undefined)
      if (isIt && when === 'before') await happens()
      await journal.append(space, records)
      if (isIt && when === 'after') await happens()
    },
    readToEnd: (space, options) => journal.readToEnd(space, options),
    delete: (space, keys) => journal.delete(space, keys),
    peek: space => journal.peek(space),
  })

async function deliveredAndStopped(world: World, rows: number): Promise<void> {
  world.records.rows(rows)
  const run = world.begin()
  await world.delivered(run)
  await world.letGo(run)
}
const committed = async (world: World): Promise<KafkaOffset | undefined> => {
  const { signal } = new AbortController()
  return (await world.groupOffsets.committed(GROUP, [TP], { signal })).get(formatTopicPartition(TP))
}
const timesOf = (world: World): string => {
  const times = new Map<bigint, number>()
  for (const id of world.rowIds()) times.set(id, (times.get(id) ?? 0) + 1)
  return [...times]
    .sort(([a], [b]) => byNumber(a, b))
    .map(([id, n]) => `${id}×${n}`)
    .join(' ')
}

test('moved back: exactly the records from there are delivered again; the group follows; nothing is asked twice', async () => {
  const world = await World.open()
  await deliveredAndStopped(world, 6)
  await move(world, 4)
  assert.equal(await committed(world), 4n)
  await world.finish()
  assert.equal(timesOf(world), '0×1 1×1 2×1 3×1 4×2 5×2')
  world.assertBudgetsEmpty()
})

test('moved forward: what lies between is skipped, and the journal and the log say who did it', async () => {
  const world = await World.open()
  await deliveredAndStopped(world, 3)
  world.records.rows(5)
  const told: object[] = []
  const logger: Logger = { ...QUIET, info: fields => void told.push(fields), child: () => QUIET }
  await move(world, 6, { logger })
  assert.deepEqual(told, [{ connector: 'c', topic: TP.topic, partition: 0, from: 3n, to: 6n, by: 'operator' }])
  const settled = world.journalRecords().at(-1)
  const moved = world.journalRecords().find(record => record.kind === 'settled' && record.altered !== undefined)
  assert(settled !== undefined && moved?.kind === 'settled')
  assert.deepEqual([moved.altered?.by, String(moved.altered?.from)], ['operator', '3'])
  await world.finish()
  assert.equal(timesOf(world), '0×1 1×1 2×1 6×1 7×1')
})

test('moved before anything was delivered: the first claim begins there', async () => {
  const world = await World.open()
  world.records.rows(5)
  await move(world, 3)
  await world.finish()
  assert.equal(timesOf(world), '3×1 4×1')
})

test('forgotten: the group forgets, and the next start asks for auto.offset.reset alone', async () => {
  const world = await World.open()
  await deliveredAndStopped(world, 4)
  await world.groupOffsets.commit(GROUP, [{ tp: TP, nextKafkaOffset: kafkaOffset(4) }], {
    signal: world.process().signal,
  })
  for (let time = 0; time < 2; time++) await move(world, null)
  assert.equal(await committed(world), undefined)
  const asked: boolean[] = []
  await world.finish({
    resolveStart: async ({ forgotten }) => {
      asked.push(forgotten)
      return { start: kafkaOffset(0) }
    },
  })
  assert.deepEqual(asked, [true], 'resolved once, then settled')
  assert.equal(timesOf(world), '0×2 1×2 2×2 3×2')
})

test('an owner that is frozen anywhere in its work adds no row after the position moved', async () => {
  for (let ms = 2; ms < 90; ms += 8) {
    const world = await World.open({ seed: ms })
    world.records.rows(12)
    const thaw = Promise.withResolvers<void>()
    const frozen = world.begin()
    world.fateOf = () => (world.random.below(3) === 0 ? { kind: 'hold', until: thaw.promise } : { kind: 'apply' })
    await world.time.advance(ms)
    await move(world, 5)
    const before = [...world.rowIds()].sort(byNumber)
    assert.equal(new Set(before).size, before.length, `${ms} ms: once each until then`)
    world.records.rows(2) // more work, even for an owner that was through with all there was
    thaw.resolve()
    await world.ended(frozen)
    assert.equal(frozen.end?.kind, 'fenced', `${ms} ms`)
    assert.deepEqual([...world.rowIds()].sort(byNumber), before, `${ms} ms: nothing landed behind the alteration`)
    world.fateOf = () => ({ kind: 'apply' })
    await world.finish()
    const after = [...before, 5n, 6n, 7n, 8n, 9n, 10n, 11n, 12n, 13n].sort(byNumber)
    assert.deepEqual([...world.rowIds()].sort(byNumber), after, `${ms} ms`)
  }
})

test('resumed before the last step: nothing moves, and who was started goes on where it was', async () => {
  const world = await World.open()
  await deliveredAndStopped(world, 3)
  world.records.rows(2)
  const refused = async (): Promise<void> => {
    throw notMoved(STOPPED)
  }
  await assert.rejects(move(world, 0, { confirmStopped: refused }), NOT_MOVED)
  await world.finish()
  world.assertExactlyOnce()
})

test('started between the last look and the last word: the alteration is void', async () => {
  const world = await World.open()
  await deliveredAndStopped(world, 3)
  world.records.rows(2)
  let started: Run | null = null
  const started_ = async (): Promise<void> => {
    started = world.begin()
    const run: Run = started
    await world.until('it owns the partition', () => run.partition.view().nextKafkaOffset !== null)
  }
  const process = world.process()
  const { time, random } = world
  const { signal } = new AbortController()
  const deps = {
    workerId: process.workerId,
    services: servicesIn(world, process),
    clock: time,
    timers: time,
    random,
    logger: QUIET,
    by: 'operator',
    confirmStopped: started_,
  }
  const order = [{ tp: TP, nextKafkaOffset: kafkaOffset(0) }]
  await assert.rejects(whilePassing(world, alterPositions(STOPPED, order, deps, { signal })), NOT_MOVED)
  assert(started !== null)
  await world.delivered(started)
  await world.letGo(started)
  world.assertExactlyOnce()
  await world.finish()
  world.assertExactlyOnce()
})

test('started just after the last word, whose owner sweeps it away: may have moved, for nobody can tell any more', async () => {
  const world = await World.open()
  await deliveredAndStopped(world, 3)
  const start = async (): Promise<void> => {
    const run = world.begin()
    await world.delivered(run)
    await world.letGo(run)
  }
  await assert.rejects(move(world, 1, { journal: atLastWord('after', start) }), {
    ...MAY_HAVE_MOVED,
    message: /May have moved: flights-0\. GET \/connectors\/c\/offsets/,
  })
  assert.equal(timesOf(world), '0×1 1×2 2×2')
})

test('overtaken just after the last word: it moved, and the group does not follow over what the next owner says', async () => {
  const world = await World.open()
  await deliveredAndStopped(world, 3)
  const overtake = async (): Promise<void> => {
    const journal = world.journal.client()
    const { signal } = new AbortController()
    const epoch = (headClaim(await journal.readToEnd(SPACE, { signal }))?.epoch ?? 0) + 1
    await journal.append(SPACE, [{ kind: 'claim', claimId: 'next', epoch, workerId: 'w' as WorkerId, generation: 1 }])
    await world.groupOffsets.commit(GROUP, [{ tp: TP, nextKafkaOffset: kafkaOffset(2) }], { signal })
  }
  const told: object[] = []
  const logger: Logger = { ...QUIET, info: fields => void told.push(fields), child: () => QUIET }
  await move(world, 1, { journal: atLastWord('after', overtake), logger })
  assert.deepEqual(told, [{ connector: 'c', topic: TP.topic, partition: 0, from: 3n, to: 1n, by: 'operator' }])
  assert.equal(await committed(world), 2n)
  await world.finish()
  assert.equal(timesOf(world), '0×1 1×2 2×2')
})

test('a last word of unknown outcome: moved when it landed, else it may have moved; asked again it moves once', async () => {
  for (const fault of ['landed', 'lost', 'late'] as const) {
    const world = await World.open()
    await deliveredAndStopped(world, 3)
    const fail = async (): Promise<void> => world.journal.failNextAppend(fault)
    const asked = move(world, 1, { journal: atLastWord('before', fail) })
    if (fault === 'landed') await asked
    else await assert.rejects(asked, { ...MAY_HAVE_MOVED, message: /May have moved: flights-0\./ })
    if (fault !== 'landed') await move(world, 2)
    world.journal.landLate()
    await world.finish()
    assert.equal(timesOf(world), fault === 'landed' ? '0×1 1×2 2×2' : '0×1 1×1 2×2', fault)
  }
})

test('started at the last word of one of several partitions: the error says which moved and which did not', async () => {
  const world = await World.open()
  await deliveredAndStopped(world, 3)
  const start = async (): Promise<void> => {
    const run = world.begin()
    await world.until('it owns the partition', () => run.partition.view().nextKafkaOffset !== null)
    await world.letGo(run)
  }
  await assert.rejects(move(world, 1, { journal: atLastWord('before', start), partitions: [1, 2] }), {
    ...MAY_HAVE_MOVED,
    message: /Moved: flights-1, flights-2\. Not moved: flights-0\. GET/,
  })
  await world.finish()
  world.assertExactlyOnce()
})

test('hundreds of partitions are claimed a few at a time, and all before the first moves', async () => {
  const world = await World.open()
  const { time } = world
  const { signal } = new AbortController()
  const others = Array.from({ length: 299 }, (_, i) => i + 1)
  const claimed = new Set<number>()
  let busy = 0
  let peak = 0
  let movedEarly = 0
  const slowly = async <T>(work: () => Promise<T>): Promise<T> => {
    peak = Math.max(peak, ++busy)
    await time.sleep(1, { signal })
    busy--
    return await work()
  }
  let peakOfClaims = 0
  await move(world, 0, {
    partitions: others,
    confirmStopped: async () => {
      peakOfClaims = peak
    },
    journal: journal => ({
      append: (space, records) => {
        if (records[0]?.kind === 'claim') claimed.add(space.partition)
        if (records[0]?.kind === 'settled' && claimed.size < 300) movedEarly++
        return slowly(() => journal.append(space, records))
      },
      readToEnd: (space, options) => slowly(() => journal.readToEnd(space, options)),
      delete: (space, keys) => journal.delete(space, keys),
      peek: space => journal.peek(space),
    }),
  })
  assert.deepEqual([peakOfClaims, movedEarly, claimed.size], [64, 0, 300])
  const moved = world.journalRecords().filter(record => record.kind === 'settled' && record.altered !== undefined)
  assert.equal(moved.length, 300)
})

test('a table dropped with appends open, of this connector or an earlier one: IN_DOUBT within seconds; a verdict, and it moves', async () => {
  for (const entry of [STOPPED, { ...STOPPED, incarnation: 'inc2' as never, predecessors: [SPACE.incarnation] }]) {
    const world = await World.open()
    world.records.rows(6)
    world.fateOf = () => ({ kind: 'loseRequest' })
    const died = world.begin({}, world.process({ diesAt: { step: 'append', nth: 2, when: 'after' } }))
    await world.ended(died)
    world.fateOf = () => ({ kind: 'apply' })
    const [stream] = world.bigQuery.streams(TABLE)
    assert(stream !== undefined)
    world.bigQuery.dropStream(stream)
    const sinceMs = world.time.monotonicMs()
    await assert.rejects(move(world, 4, { entry }), {
      code: 'IN_DOUBT',
      message: /rows 0 to 6.*rows=6: all landed, offsets 0–5 count as delivered/,
    })
    assert.ok(world.time.monotonicMs() - sinceMs < 10_000)
    const open = world.journalRecords().find(record => record.kind === 'open')
    assert(open?.kind === 'open')
    const verdict = { kind: 'verdict', claimId: open.claimId, stream, rows: streamOffset(0), by: 'operator' } as const
    await world.journal.client().append(SPACE, [verdict])
    await move(world, 4, { entry })
    const next = superviseIn(world, { ...entry, targetState: 'STARTED' })
    await world.until('it delivers', () => next.report().nextOffset === world.records.end)
    await whilePassing(world, next.stop())
    assert.equal(timesOf(world), '4×1 5×1')
  }
})

test('a group with live members is not moved beside them', async () => {
  const world = await World.open()
  await deliveredAndStopped(world, 3)
  world.groupOffsets.setLiveMembers(GROUP, true)
  await assert.rejects(move(world, 0), { code: 'GROUP_IN_USE' })
  world.groupOffsets.setLiveMembers(GROUP, false)
  await world.finish()
  world.assertExactlyOnce()
})

test('a connector re-created after its position moved back begins there, not where its predecessor once was', async () => {
  const world = await World.open()
  await deliveredAndStopped(world, 6)
  await move(world, 2)
  const next = superviseIn(world, entryOf({ incarnation: 'inc2' as never, predecessors: [SPACE.incarnation] }))
  await world.until('it delivers', () => next.report().nextOffset === world.records.end)
  await whilePassing(world, next.stop())
  assert.equal(timesOf(world), '0×1 1×1 2×2 3×2 4×2 5×2')
})

test('a commit that arrives late and too high, after the position moved back and the connector was deleted, skips nothing', async () => {
  const cases = {
    'deleted in order': { deletes: true, predecessors: [SPACE.incarnation] },
    'ended by its successor': { deletes: false, predecessors: [SPACE.incarnation] },
    'another between that never claimed': { deletes: false, predecessors: ['inc2' as never, SPACE.incarnation] },
  }
  for (const [name, { deletes, predecessors }] of Object.entries(cases)) {
    const world = await World.open()
    await deliveredAndStopped(world, 6)
    await move(world, 2)
    if (deletes) await whilePassing(world, superviseIn(world, STOPPED).delete())
    const { signal } = new AbortController()
    await world.groupOffsets.commit(GROUP, [{ tp: TP, nextKafkaOffset: kafkaOffset(6) }], { signal })
    const told: object[] = []
    const logger: Logger = { ...QUIET, warn: fields => void told.push(fields), child: () => logger }
    const next = superviseIn(world, entryOf({ incarnation: 'inc3' as never, predecessors }), { logger })
    await world.until('it delivers', () => next.report().nextOffset === world.records.end)
    await whilePassing(world, next.stop())
    assert.equal(timesOf(world), '0×1 1×1 2×2 3×2 4×2 5×2', name)
    assert.deepEqual(told[0], { ...TP, group: GROUP, committed: 6n, endedAt: 2n }, `${name}: it is told`)
  }
})

test('refused after it ended the predecessors: the connector begins where they ended, whatever became of the group', async () => {
  const world = await World.open()
  await deliveredAndStopped(world, 6)
  const { signal } = new AbortController()
  // A frozen owner of the first published late; the second was deleted before it claimed anything.
  await world.groupOffsets.commit(GROUP, [{ tp: TP, nextKafkaOffset: kafkaOffset(2) }], { signal })
  const predecessors = ['inc2' as never, SPACE.incarnation]
  const entry = entryOf({ incarnation: 'inc3' as never, targetState: 'STOPPED', predecessors })
  const refused = async (): Promise<void> => {
    await world.groupOffsets.commit(GROUP, [{ tp: TP, nextKafkaOffset: kafkaOffset(3) }], { signal })
    throw notMoved(entry)
  }
  await assert.rejects(move(world, 0, { entry, confirmStopped: refused }), NOT_MOVED)
  world.records.rows(2)
  const next = superviseIn(world, { ...entry, targetState: 'STARTED' })
  await world.until('it delivers', () => next.report().nextOffset === world.records.end)
  await whilePassing(world, next.stop())
  assert.equal(timesOf(world), '0×1 1×1 2×1 3×1 4×1 5×1 6×1 7×1')
})

test('refused after it ended a predecessor that never claimed: the connector begins at the initial_offsets of that one', async () => {
  const world = await World.open()
  world.records.rows(6)
  const initialOffsets = { inc2: { [formatTopicPartition(TP)]: kafkaOffset(4) } }
  const entry = entryOf({ incarnation: 'inc3' as never, targetState: 'STOPPED', predecessors: ['inc2' as never] })
  const confirmStopped = async (): Promise<void> => {
    throw notMoved(entry)
  }
  await assert.rejects(move(world, 0, { entry, initialOffsets, confirmStopped }), NOT_MOVED)
  const next = superviseIn(world, { ...entry, targetState: 'STARTED' })
  await world.until('it delivers', () => next.report().nextOffset === world.records.end)
  await whilePassing(world, next.stop())
  assert.equal(timesOf(world), '4×1 5×1')
})

test('initial_offsets count for a new incarnation, whatever group and predecessor say; unlisted partitions start by auto.offset.reset', async () => {
  const world = await World.open()
  world.records.rows(6)
  const { signal } = new AbortController()
  await world.groupOffsets.commit(GROUP, [{ tp: TP, nextKafkaOffset: kafkaOffset(5) }], { signal })
  const startWith = async (initial: Readonly<Record<string, KafkaOffset | null>>, reset: 'earliest' | 'latest') =>
    await resolveStart(
      {
        tp: TP,
        group: GROUP,
        genesis: {
          journalId: 'j',
          journalPartitions: 25,
          partitionsKnown: { [TP.topic]: 1 },
          initialOffsets: initial,
        },
        autoOffsetReset: reset,
        groupOffsets: world.groupOffsets,
        source: world.topics,
        endedAt: { start: kafkaOffset(4), done: [{ from: kafkaOffset(5), to: kafkaOffset(6) }] },
        logger: QUIET,
      },
      { forgotten: false, signal },
    )
  const name = formatTopicPartition(TP)
  assert.deepEqual(await startWith({ [name]: kafkaOffset(0) }, 'latest'), { start: 0n })
  assert.deepEqual(await startWith({ [name]: kafkaOffset(2) }, 'latest'), { start: 2n })
  assert.deepEqual(await startWith({ [name]: null }, 'latest'), { start: 6n })
  assert.deepEqual(await startWith({ 'other-0': kafkaOffset(2) }, 'earliest'), { start: 0n })
  assert.equal(CONFIG['topics'], TP.topic)
})
