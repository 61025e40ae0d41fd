// Positions of a connector as the REST API shows and moves them: the journal, read to its end, on whatever worker is asked.
// The journal lags behind: what the last batch settled is written with the next one, or after 30 s. The owner knows better, and
// what it reported holds, also after it is gone, until a later claim has counted what it left or an operator has moved the position:
// then that is a newer base in the journal. So the position shown never goes back by itself.
import type { ConnectorOffsets, ConnectorPosition } from '@millrace/api'
import {
  baseBelow,
  type Clock,
  type ConfigStore,
  type ConnectorEntry,
  formatTopicPartition,
  isForgotten,
  type JournalLog,
  type KafkaOffset,
  type KeySpace,
  type KeySpaceState,
  knownPosition,
  type Leases,
  type Logger,
  MillraceError,
  partitionResource,
  type Random,
  type Timers,
  type TopicPartition,
  type WorkerId,
  type WorkerReport,
} from '@millrace/core'
import { alterPositions, type ConnectorServices, notMoved, type PositionOrder } from '@millrace/worker'

/** Positions remembered: a tenth of a kilobyte each. The one not asked for longest is forgotten first. */
const TOLD_MAX = 10_000

/** A stopped connector drains that long before a request to move its positions is told to come again. */
const DRAIN_WAIT_MS = 10_000
const DRAIN_POLL_MS = 100

export type OffsetsDeps = {
  readonly workerId: WorkerId
  readonly configStore: ConfigStore
  readonly services: ConnectorServices
  readonly leases: Leases
  /** Of topics that exist, as of now. */
  partitionsOf(
    entry: Pick<ConnectorEntry, 'config'>,
    options: { signal: AbortSignal },
  ): Promise<Readonly<Record<string, number>>>
  /** As of the last look, without waiting. */
  partitionsNow(entry: ConnectorEntry): readonly TopicPartition[]
  /** Everything the incarnation ever stated a position of. */
  knownPartitions(entry: ConnectorEntry): readonly TopicPartition[]
  reports(): Promise<readonly WorkerReport[]>
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
}

export function journalOffsets(deps: OffsetsDeps): ConnectorOffsets {
  const told = new ToldPositions()
  return {
    get: (entry, options) => positions(entry, told, deps, options),
    async alter(entry, changes, options) {
      // What it read once may be forgotten, whether it reads it now or not.
      const known = new Set(deps.knownPartitions(entry).map(formatTopicPartition))
      const isLeft = ({ tp, nextKafkaOffset }: PositionOrder): boolean =>
        nextKafkaOffset === null && known.has(formatTopicPartition(tp))
      const stated = changes.filter(change => !isLeft(change))
      await assertHeld(entry, stated, deps, options)
      await move(entry, changes, deps, options)
    },
    async reset(entry, options) {
      const read = partitionList(await deps.partitionsOf(entry, options))
      const all = new Map([...read, ...deps.knownPartitions(entry)].map(tp => [formatTopicPartition(tp), tp]))
      const orders = [...all.values()].map(tp => ({ tp, nextKafkaOffset: null }))
      await move(entry, orders, deps, options)
    },
  }
}

// ── showing ──

async function positions(
  entry: ConnectorEntry,
  told: ToldPositions,
  deps: OffsetsDeps,
  { signal }: { signal: AbortSignal },
): Promise<readonly ConnectorPosition[]> {
  const { journal } = deps.services
  // In this order: a partition that was let go of before its worker reported has its position in the journal.
  const reports = await deps.reports()
  const states = await Promise.all(
    deps.partitionsNow(entry).map(async tp => ({ tp, state: await stateOf(tp, entry, journal, signal) })),
  )
  const unbegun = states.filter(({ state }) => knownPosition(state) === null && !isForgotten(state)).map(({ tp }) => tp)
  const stated = await statedStarts(entry, unbegun, deps, { signal })
  return states.flatMap(({ tp, state }): ConnectorPosition[] => {
    const known = knownPosition(state)
    const reported = reportedPosition(entry, tp, baseEpoch(state), reports)
    const nextKafkaOffset =
      known === null
        ? higher(stated.get(formatTopicPartition(tp)) ?? null, reported)
        : told.atLeast({ ...tp, incarnation: entry.incarnation }, baseEpoch(state), higher(known, reported) ?? known)
    return nextKafkaOffset === null ? [] : [{ tp, nextKafkaOffset }]
  })
}

/** Of the claim whose Settled everything before it counts for nothing; 0 while there is none. */
const baseEpoch = (state: KeySpaceState): number => baseBelow(state, Number.POSITIVE_INFINITY)?.epoch ?? 0

/** What was told on this worker and is not in the journal yet. Good for as long as no later base is. */
class ToldPositions {
  readonly #told = new Map<string, { readonly baseEpoch: number; readonly nextKafkaOffset: KafkaOffset }>()

  /** The position, or what was told above the same base if that was more. */
  atLeast(space: KeySpace, baseEpoch: number, position: KafkaOffset): KafkaOffset {
    const key = `${space.incarnation}/${formatTopicPartition(space)}`
    const before = this.#told.get(key)
    const isOfBase = before !== undefined && before.baseEpoch === baseEpoch
    const nextKafkaOffset = isOfBase && before.nextKafkaOffset > position ? before.nextKafkaOffset : position
    this.#told.delete(key)
    this.#told.set(key, { baseEpoch, nextKafkaOffset })
    for (const oldest of this.#told.keys()) {
      if (this.#told.size <= TOLD_MAX) break
      this.#told.delete(oldest)
    }
    return nextKafkaOffset
  }
}

const stateOf = (
  tp: TopicPartition,
  { incarnation }: ConnectorEntry,
  journal: JournalLog,
  signal: AbortSignal,
): Promise<KeySpaceState> => journal.readToEnd({ ...tp, incarnation }, { signal })

/** Where partitions begin that nobody claimed yet, as far as somebody stated it: as `resolveStart` of the worker will find it. */
async function statedStarts(
  entry: ConnectorEntry,
  tps: readonly TopicPartition[],
  { services }: OffsetsDeps,
  options: { signal: AbortSignal },
): Promise<ReadonlyMap<string, KafkaOffset>> {
  if (tps.length === 0) return new Map()
  const genesis = await services.genesis(entry.incarnation, options)
  if (genesis?.initialOffsets === undefined) return await leftByTheName(entry, tps, services, options)
  const initial = new Map(Object.entries(genesis.initialOffsets))
  return new Map(
    tps.map(formatTopicPartition).flatMap(name => {
      const at = initial.get(name) ?? null
      return at === null ? [] : [[name, at] as const]
    }),
  )
}

/** Where earlier connectors of the name ended by their journals; the group only where none of them knows. */
async function leftByTheName(
  entry: ConnectorEntry,
  tps: readonly TopicPartition[],
  services: ConnectorServices,
  options: { signal: AbortSignal },
): Promise<ReadonlyMap<string, KafkaOffset>> {
  const known = new Map<string, KafkaOffset>()
  const unknown: TopicPartition[] = []
  const ends = await Promise.all(tps.map(tp => endOfPredecessors(tp, entry, services, options)))
  for (const [i, tp] of tps.entries()) {
    const end = ends[i]
    if (end === undefined) unknown.push(tp)
    else if (end !== null) known.set(formatTopicPartition(tp), end)
  }
  const group = groupOf(entry, services)
  if (group === null || unknown.length === 0) return known
  return new Map([...(await services.groupOffsets.committed(group, unknown, options)), ...known])
}

/**
 * null: an operator had it forgotten, or `initial_offsets` left it out. undefined: none of them claimed the partition, or was told
 * where to begin.
 */
async function endOfPredecessors(
  tp: TopicPartition,
  { predecessors }: ConnectorEntry,
  { journal, genesis }: Pick<ConnectorServices, 'journal' | 'genesis'>,
  options: { signal: AbortSignal },
): Promise<KafkaOffset | null | undefined> {
  for (const incarnation of predecessors) {
    const state = await journal.readToEnd({ ...tp, incarnation }, options)
    const end = knownPosition(state)
    if (end !== null || isForgotten(state)) return end
    const initial = (await genesis(incarnation, options))?.initialOffsets
    if (initial !== undefined) return new Map(Object.entries(initial)).get(formatTopicPartition(tp)) ?? null
  }
  return undefined
}

/** null while the stored config is not valid here: it never ran then. */
function groupOf(entry: ConnectorEntry, services: ConnectorServices): string | null {
  try {
    return services.parseConfig(entry).consumer.groupId
  } catch {
    return null
  }
}

function reportedPosition(
  { name, incarnation }: ConnectorEntry,
  { topic, partition }: TopicPartition,
  baseEpoch: number,
  reports: readonly WorkerReport[],
): KafkaOffset | null {
  return reports
    .flatMap(({ partitions }) => partitions)
    .filter(report => report.connector === name && report.incarnation === incarnation && report.epoch >= baseEpoch)
    .filter(report => report.topic === topic && report.partition === partition)
    .reduce<KafkaOffset | null>((best, { nextOffset }) => higher(best, nextOffset), null)
}

function higher(a: KafkaOffset | null, b: KafkaOffset | null): KafkaOffset | null {
  return a === null || (b !== null && b > a) ? b : a
}

// ── moving ──

async function move(
  entry: ConnectorEntry,
  orders: readonly PositionOrder[],
  deps: OffsetsDeps,
  options: { signal: AbortSignal },
): Promise<void> {
  await untilDrained(entry, orders, deps, options)
  const { configStore } = deps
  const confirmStopped = async ({ signal }: { signal: AbortSignal }): Promise<void> => {
    const now = (await configStore.refresh({ signal })).connectors.get(entry.name)
    if (now?.incarnation !== entry.incarnation || now.targetState !== 'STOPPED') throw notMoved(entry)
  }
  await confirmStopped(options) // nobody at work is claimed away from, however stale the entry is
  await alterPositions(entry, orders, { ...deps, by: 'rest', confirmStopped }, options)
}

/** Leases are advice: they only keep us from fencing a worker that is about to let go in order. Without Redis the claim decides. */
async function untilDrained(
  entry: ConnectorEntry,
  orders: readonly PositionOrder[],
  { leases, clock, timers, logger }: OffsetsDeps,
  { signal }: { signal: AbortSignal },
): Promise<void> {
  const resources = orders.map(({ tp }) => partitionResource(entry.name, tp))
  const deadlineMs = clock.monotonicMs() + DRAIN_WAIT_MS
  for (;;) {
    const holders = await leases.holders(resources).catch(error => {
      logger.warn({ connector: entry.name, err: error }, 'Leases cannot be read; positions are moved by claim alone.')
      return new Map<string, WorkerId>()
    })
    const [held] = holders.keys()
    if (held === undefined) return
    if (clock.monotonicMs() >= deadlineMs) throw notMoved(entry, `${held} is still being let go.`)
    await timers.sleep(DRAIN_POLL_MS, { signal })
  }
}

// ── what may be asked for ──

/** Rejects POSITION_REFUSED, naming the first partition the connector does not read or offset its log does not hold. */
export async function assertHeld(
  entry: Pick<ConnectorEntry, 'name' | 'config'>,
  orders: readonly PositionOrder[],
  {
    services: { source },
    partitionsOf,
  }: Pick<OffsetsDeps, 'partitionsOf'> & {
    readonly services: Pick<ConnectorServices, 'source'>
  },
  options: { signal: AbortSignal },
): Promise<void> {
  const counts = await partitionsOf(entry, options)
  for (const { tp } of orders) {
    const count = Object.hasOwn(counts, tp.topic) ? (counts[tp.topic] ?? 0) : 0
    if (count === 0) throw refused(`Connector ${entry.name} reads no topic ${tp.topic} that exists.`)
    if (tp.partition >= count) {
      const there = `Topic ${tp.topic} of connector ${entry.name} has partitions 0 to ${count - 1}`
      throw refused(`${there}, not ${tp.partition}.`)
    }
  }
  const moves = orders.flatMap(({ tp, nextKafkaOffset }) => (nextKafkaOffset === null ? [] : [{ tp, nextKafkaOffset }]))
  if (moves.length === 0) return
  const tps = moves.map(({ tp }) => tp)
  const [starts, ends] = await Promise.all([
    source.offsets(tps, 'earliest', options),
    source.offsets(tps, 'latest', options),
  ])
  for (const { tp, nextKafkaOffset } of moves) {
    const name = formatTopicPartition(tp)
    const [start, end] = [starts.get(name), ends.get(name)]
    if (start === undefined || end === undefined || (nextKafkaOffset >= start && nextKafkaOffset <= end)) continue
    throw refused(
      `${name} holds offsets from ${start}, and its next is ${end}: it cannot start at ${nextKafkaOffset}. An offset of null starts by auto.offset.reset.`,
    )
  }
}

const partitionList = (counts: Readonly<Record<string, number>>): readonly TopicPartition[] =>
  Object.entries(counts).flatMap(([topic, count]) =>
    Array.from({ length: count }, (_, partition) => ({ topic, partition })),
  )

const refused = (message: string): MillraceError => new MillraceError('POSITION_REFUSED', 'failPartition', message)
