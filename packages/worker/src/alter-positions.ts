// PATCH and DELETE of offsets act as an owner (journal.md): each partition is claimed, what its old claim left is finalized and
// folded, and only then its position moves, if the connector is still stopped. The group follows, as a view.
// Until every partition is that far nothing has moved; a claim that comes first makes the alteration void.
import {
  type Alteration,
  assertNever,
  type Clock,
  type ConnectorEntry,
  formatTopicPartition,
  isAltered,
  type JournalLog,
  type KafkaOffset,
  type KeySpace,
  type Logger,
  MillraceError,
  type Random,
  type Timers,
  type TopicPartition,
  type WorkerId,
} from '@millrace/core'
import { type ClaimIo, runAlteration } from './claim-runner.ts'
import { type ConnectorRuntime, type ConnectorServices, openConnector } from './connector-runtime.ts'
import { saveLoggedDeadLetters } from './dead-letter-recovery.ts'
import { type EndIncarnationIo, endIncarnation } from './end-incarnation.ts'
import { Gate } from './gate.ts'
import { resolveStart } from './start-position.ts'

export type AlterationDeps = {
  readonly workerId: WorkerId
  readonly services: ConnectorServices
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  /** Who asks, as the journal and the log shall say. */
  readonly by: string
  /** Asked when the partitions are claimed and nothing has moved. Rejects POSITION_NOT_MOVED when the connector is not stopped. */
  confirmStopped(options: { signal: AbortSignal }): Promise<void>
}

/** null: the position is forgotten; the next start is by auto.offset.reset. */
export type PositionOrder = { readonly tp: TopicPartition; readonly nextKafkaOffset: KafkaOffset | null }

/**
 * Rejects with nothing moved: GROUP_IN_USE, IN_DOUBT, POSITION_NOT_MOVED (asking again is safe). A partition that was claimed by
 * somebody else at the very last moment is named; the others have moved then.
 */
export async function alterPositions(
  entry: ConnectorEntry,
  orders: readonly PositionOrder[],
  deps: AlterationDeps,
  { signal }: { signal: AbortSignal },
): Promise<void> {
  if (orders.length === 0) return
  const runtime = await openConnector(entry, deps.services, { signal })
  try {
    await alterTogether(orders, { entry, runtime, deps, signal })
  } finally {
    runtime.close()
  }
}

async function alterTogether(
  orders: readonly PositionOrder[],
  { entry, runtime, deps, signal }: Omit<One, 'gate'>,
): Promise<void> {
  const { services } = deps
  const group = runtime.config.consumer.groupId
  if (await services.groupOffsets.hasLiveMembers(group, { signal }))
    throw new MillraceError(
      'GROUP_IN_USE',
      'failPartition',
      `Consumer group ${group} has live members; positions of connector ${entry.name} are not moved beside them.`,
    )
  const failed = new AbortController()
  const together = AbortSignal.any([signal, failed.signal])
  const gate = new Gate(orders.length, () => deps.confirmStopped({ signal: together }))
  const moves = orders.map(async order => {
    try {
      return await alterOne(order, { entry, runtime, gate, deps, signal: together })
    } catch (error) {
      if (!gate.isOpen) failed.abort(error)
      throw error
    }
  })
  const results = await Promise.allSettled(moves)
  const moved = orders.filter((_, i) => results[i]?.status === 'fulfilled')
  await follow(group, moved, deps, signal)
  const failure = results.find(result => result.status === 'rejected')
  if (failure === undefined) return
  if (moved.length === 0) throw failure.reason
  throw notMoved(entry, `Moved, though: ${moved.map(({ tp }) => formatTopicPartition(tp)).join(', ')}.`, failure.reason)
}

/** In Kafka Connect's words, as far as they are true here. */
export const notMoved = (entry: ConnectorEntry, more = '', cause?: unknown): MillraceError =>
  new MillraceError(
    'POSITION_NOT_MOVED',
    'retry',
    `Failed to alter consumer group offsets for connector ${entry.name} either because its tasks haven't stopped completely yet or the connector was resumed before the request to alter its offsets could be successfully completed. If the connector is in a stopped state, this operation can be safely retried.${more === '' ? '' : ` ${more}`}`,
    { cause },
  )

type One = {
  readonly entry: ConnectorEntry
  readonly runtime: ConnectorRuntime
  readonly gate: Gate
  readonly deps: AlterationDeps
  readonly signal: AbortSignal
}

async function alterOne({ tp, nextKafkaOffset }: PositionOrder, one: One): Promise<void> {
  const { entry, gate, deps, signal } = one
  const space: KeySpace = { ...tp, incarnation: entry.incarnation }
  const io = claimIo(tp, space, one)
  await endPredecessors(tp, space, one)
  const { journal } = deps.services
  const claimId = deps.random.nextId()
  const alteration: Alteration = { nextKafkaOffset, by: deps.by, atMs: deps.clock.nowMs() }
  const identity = { claimId, workerId: deps.workerId, generation: entry.configGeneration, alteration }
  const end = await runAlteration(identity, { ...io, journal: behind(gate, journal, signal) }, { signal })
  switch (end.kind) {
    case 'altered':
      return tell(one, tp, end.from, nextKafkaOffset)
    case 'fenced': {
      const state = await journal.readToEnd(space, { signal })
      if (isAltered(state, claimId)) return tell(one, tp, null, nextKafkaOffset)
      throw notMoved(entry, `${formatTopicPartition(tp)} was claimed by another worker.`)
    }
    case 'inDoubt': {
      const saw = end.doubts.map(d => `${d.stream}: ${d.saw}`).join('; ')
      const message = `${formatTopicPartition(tp)} of connector ${entry.name}: ${saw}. Its position moves after a verdict.`
      throw new MillraceError('IN_DOUBT', 'failPartition', message)
    }
    default:
      return assertNever(end)
  }
}

/** The last word of the alteration waits until all partitions are as far. */
const behind = (gate: Gate, journal: JournalLog, signal: AbortSignal): JournalLog => ({
  append: async (space, records) => {
    if (records.some(record => record.kind === 'settled' && record.altered !== undefined)) await gate.pass({ signal })
    await journal.append(space, records)
  },
  readToEnd: (space, options) => journal.readToEnd(space, options),
  delete: (space, keys) => journal.delete(space, keys),
  peek: space => journal.peek(space),
})

function claimIo(
  tp: TopicPartition,
  space: KeySpace,
  { entry, runtime, deps }: One,
  endedAt: KafkaOffset | null = null,
): ClaimIo {
  const { workerId, services, clock, timers, random } = deps
  const { journal, source, groupOffsets, deadLetters } = services
  const { consumer } = runtime.config
  const logger = deps.logger.child({
    connector: entry.name,
    topic: tp.topic,
    partition: tp.partition,
    worker: workerId,
  })
  const queue = runtime.queueFor(0)
  const noQueue = (): MillraceError =>
    new MillraceError(
      'CONFIG_INVALID',
      'failPartition',
      'The journal holds dead letters that may not have been produced, but errors.deadletterqueue.topic.name is empty.',
    )
  return {
    space,
    journal,
    streams: runtime.bigQuery.streams,
    clock,
    timers,
    random,
    logger,
    resolveStart: options =>
      resolveStart(
        {
          tp,
          group: consumer.groupId,
          genesis: runtime.genesis,
          autoOffsetReset: consumer.autoOffsetReset,
          groupOffsets,
          source,
          endedAt,
          logger,
        },
        options,
      ),
    saveDeadLetters: (offsets, options) =>
      saveLoggedDeadLetters(
        offsets,
        {
          tp,
          source,
          timers,
          random,
          logger,
          produceDeadLetters: async (letters, { signal }) => {
            if (letters.length === 0) return
            if (queue === null) throw noQueue()
            await deadLetters.produce(queue, letters, { signal })
          },
          findDeadLetters: async (missing, { signal }) => {
            if (queue === null) throw noQueue()
            return await deadLetters.find(queue, tp, missing, { signal })
          },
        },
        options,
      ),
  }
}

/**
 * Earlier connectors of the name: a frozen worker of theirs must not add rows behind the alteration either. If the alteration is
 * refused in the end, the connector starts by what is stated here.
 */
async function endPredecessors(tp: TopicPartition, space: KeySpace, one: One): Promise<void> {
  const { entry, deps, signal } = one
  let endedAt: KafkaOffset | null = null
  // The oldest first: one that never claimed the partition resolves its start, which must not pass over what an older one left.
  for (const incarnation of entry.predecessors.toReversed()) {
    const ending: EndIncarnationIo = { ...claimIo(tp, space, one, endedAt), workerId: deps.workerId }
    endedAt = (await endIncarnation(incarnation, ending, { signal })) ?? endedAt
  }
}

/** The audit: every move, with what it skips or delivers again. */
function tell({ entry, deps }: One, tp: TopicPartition, from: KafkaOffset | null, to: KafkaOffset | null): void {
  deps.logger.info(
    { connector: entry.name, topic: tp.topic, partition: tp.partition, from, to, by: deps.by },
    to === null ? 'Position forgotten: the next start is by auto.offset.reset.' : 'Position moved.',
  )
}

/** A view: failing costs nothing but the view. */
async function follow(
  group: string,
  moved: readonly PositionOrder[],
  { services: { groupOffsets }, logger }: AlterationDeps,
  signal: AbortSignal,
): Promise<void> {
  const commits = moved.flatMap(({ tp, nextKafkaOffset }) =>
    nextKafkaOffset === null ? [] : [{ tp, nextKafkaOffset }],
  )
  const forgotten = moved.flatMap(({ tp, nextKafkaOffset }) => (nextKafkaOffset === null ? [tp] : []))
  try {
    await groupOffsets.commit(group, commits, { signal })
    await groupOffsets.forget(group, forgotten, { signal })
  } catch (error) {
    logger.warn({ group, err: error }, 'Positions moved, but their group could not follow; lag tools show old ones.')
  }
}
