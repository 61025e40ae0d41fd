// PATCH and DELETE of offsets act as an owner (journal.md): each partition is claimed, what its old claim left is finalized and
// folded, and only then its position moves, if the connector is still stopped. The group follows, as a view.
// Until every partition is that far nothing has moved; a claim that comes first makes the alteration void.
import {
  type Alteration,
  assertNever,
  type Clock,
  type ConnectorEntry,
  describeDoubts,
  formatTopicPartition,
  isAltered,
  isHead,
  type JournalLog,
  type KafkaOffset,
  type KeySpace,
  type Logger,
  MillraceError,
  type Random,
  recordKey,
  type Timers,
  type TopicPartition,
  type WorkerId,
} from '@millrace/core'
import { failureOf, notMoved, type Outcome } from './alteration-outcome.ts'
import { type ClaimIo, runAlteration } from './claim-runner.ts'
import { type ConnectorRuntime, type ConnectorServices, openConnector } from './connector-runtime.ts'
import { saveLoggedDeadLetters } from './dead-letter-recovery.ts'
import { endPredecessors } from './end-predecessors.ts'
import { Gate } from './gate.ts'
import { lostOffsetsHost } from './lost-offsets.ts'
import { resolveStart, type StartDeps } from './start-position.ts'
import { Turns } from './turns.ts'

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

/** Partitions that are being claimed at the same time; the others wait, and so do those that are claimed. */
const CLAIMED_AT_ONCE = 64

/**
 * Rejects with nothing moved: GROUP_IN_USE, IN_DOUBT, POSITION_NOT_MOVED (asking again is safe). A start that comes between the last
 * look and the last word voids the move of the partitions it claims first: POSITION_MAY_HAVE_MOVED says which.
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
  { entry, runtime, deps, signal }: Omit<One, 'gate' | 'turns'>,
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
  const turns = new Turns(CLAIMED_AT_ONCE)
  const outcomes = await Promise.all(
    orders.map(async (order): Promise<Outcome> => {
      try {
        // A signal of its own: thousands of listeners on one are walked through each time one comes or goes.
        return await alterOne(order, { entry, runtime, deps, gate, turns, signal: AbortSignal.any([together]) })
      } catch (reason) {
        if (!gate.isOpen) failed.abort(reason)
        return { kind: 'notMoved', tp: order.tp, reason }
      }
    }),
  )
  await follow(group, orders, outcomes, { entry, deps, signal })
  const failure = failureOf(entry, outcomes)
  if (failure !== null) throw failure
}

type One = {
  readonly entry: ConnectorEntry
  readonly runtime: ConnectorRuntime
  readonly gate: Gate
  readonly turns: Turns
  readonly deps: AlterationDeps
  readonly signal: AbortSignal
}

/** Rejects while its last word is not spoken. */
async function alterOne({ tp, nextKafkaOffset }: PositionOrder, one: One): Promise<Outcome> {
  const { entry, turns, deps, signal } = one
  const space: KeySpace = { ...tp, incarnation: entry.incarnation }
  const endTurn = await turns.take({ signal })
  try {
    // A frozen worker of theirs must not add rows behind the alteration either. If the alteration is refused in the end, the
    // connector starts by what is stated here.
    const ending = { ...claimIo(tp, space, one), tp, workerId: deps.workerId, isAwaited: true } as const
    await endPredecessors({ entry, services: deps.services, start: startOf(tp, one) }, ending, { signal })
    const claimId = deps.random.nextId()
    const alteration: Alteration = { nextKafkaOffset, by: deps.by, atMs: deps.clock.nowMs() }
    const identity = {
      claimId,
      workerId: deps.workerId,
      generation: entry.configGeneration,
      isAwaited: true,
      alteration,
    } as const
    const lastWord = { isSpoken: false }
    const journal = behindGate(one, endTurn, lastWord)
    const io = { ...claimIo(tp, space, one), journal }
    const end = await runAlteration(identity, io, { signal }).catch(error => {
      if (lastWord.isSpoken) return { kind: 'unheard' as const, error }
      throw error
    })
    switch (end.kind) {
      case 'altered':
        tell(one, tp, end.from, nextKafkaOffset)
        return { kind: 'moved', tp, claimId }
      case 'fenced': {
        const reason = notMoved(entry, `${formatTopicPartition(tp)} was claimed by another worker.`)
        if (!lastWord.isSpoken) throw reason
        return await lookBack(tp, claimId, reason, one)
      }
      case 'unheard':
        return await lookBack(tp, claimId, end.error, one)
      case 'inDoubt': {
        const doubts = describeDoubts(end.doubts, journal.peek(space))
        const message = `${formatTopicPartition(tp)} of connector ${entry.name}: ${doubts} Its position moves after a verdict on how many rows of each stream count: PUT /api/v1/connectors/${entry.name}/partitions/${tp.topic}/${tp.partition}/verdict with {"stream", "rows"}.`
        throw new MillraceError('IN_DOUBT', 'failPartition', message)
      }
      default:
        return assertNever(end)
    }
  } finally {
    endTurn()
  }
}

/** The last word of the alteration waits until all partitions are as far, and lets others be claimed meanwhile. */
function behindGate({ gate, deps, signal }: One, onArrival: () => void, lastWord: { isSpoken: boolean }): JournalLog {
  const { journal } = deps.services
  return {
    append: async (space, records) => {
      if (records.some(record => record.kind === 'settled' && record.altered !== undefined)) {
        onArrival()
        await gate.pass({ signal })
        lastWord.isSpoken = true
      }
      await journal.append(space, records)
    },
    readToEnd: (space, options) => journal.readToEnd(space, options),
    delete: (space, keys) => journal.delete(space, keys),
    peek: space => journal.peek(space),
  }
}

/** The last word was spoken and not heard to the end: what the log says of it. Who claimed next may have swept it away. */
async function lookBack(tp: TopicPartition, claimId: string, reason: unknown, one: One): Promise<Outcome> {
  const { entry, deps, signal } = one
  try {
    const state = await deps.services.journal.readToEnd({ ...tp, incarnation: entry.incarnation }, { signal })
    const settled = state.settled.get(recordKey({ kind: 'settled', claimId, epoch: 0, progress: null }))
    if (settled?.altered === undefined) return { kind: 'unknown', tp, reason }
    if (!isAltered(state, claimId)) return { kind: 'notMoved', tp, reason }
    tell(one, tp, settled.altered.from, settled.progress?.frontier ?? null)
    return { kind: 'moved', tp, claimId }
  } catch {
    return { kind: 'unknown', tp, reason }
  }
}

const loggerOf = ({ topic, partition }: TopicPartition, { entry, deps }: One): Logger =>
  deps.logger.child({ connector: entry.name, topic, partition, worker: deps.workerId })

function startOf(tp: TopicPartition, one: One): Omit<StartDeps, 'endedAt'> {
  const { genesis, config } = one.runtime
  const { groupId: group, autoOffsetReset } = config.consumer
  const { groupOffsets, source } = one.deps.services
  return { tp, group, genesis, autoOffsetReset, groupOffsets, source, logger: loggerOf(tp, one) }
}

function claimIo(tp: TopicPartition, space: KeySpace, one: One): ClaimIo {
  const { entry, runtime, deps } = one
  const { services, clock, timers, random } = deps
  const { journal, source, deadLetters } = services
  const logger = loggerOf(tp, one)
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
    lostOffsets: lostOffsetsHost(entry, runtime.config.offsetLostPolicy, services.auditLostOffsets, logger),
    clock,
    timers,
    random,
    logger,
    resolveStart: options => resolveStart({ ...startOf(tp, one), endedAt: null }, options),
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

/** The audit: every move, with what it skips or delivers again. */
function tell({ entry, deps }: One, tp: TopicPartition, from: KafkaOffset | null, to: KafkaOffset | null): void {
  deps.logger.info(
    { connector: entry.name, topic: tp.topic, partition: tp.partition, from, to, by: deps.by },
    to === null ? 'Position forgotten: the next start is by auto.offset.reset.' : 'Position moved.',
  )
}

/** A view: failing costs nothing but the view. Whoever claimed since then states what is newer. */
async function follow(
  group: string,
  orders: readonly PositionOrder[],
  outcomes: readonly Outcome[],
  { entry, deps: { services, logger }, signal }: Pick<One, 'entry' | 'deps' | 'signal'>,
): Promise<void> {
  const { journal, groupOffsets } = services
  try {
    const isAtRest = await Promise.all(
      outcomes.map(async outcome => {
        if (outcome.kind !== 'moved') return false
        const state = await journal.readToEnd({ ...outcome.tp, incarnation: entry.incarnation }, { signal })
        return isHead(state, outcome.claimId)
      }),
    )
    const moved = orders.filter((_, i) => isAtRest[i])
    const forgotten = moved.flatMap(({ tp, nextKafkaOffset }) => (nextKafkaOffset === null ? [tp] : []))
    const commits = moved.flatMap(({ tp, nextKafkaOffset }) =>
      nextKafkaOffset === null ? [] : [{ tp, nextKafkaOffset }],
    )
    await groupOffsets.commit(group, commits, { signal })
    await groupOffsets.forget(group, forgotten, { signal })
  } catch (error) {
    logger.warn({ group, err: error }, 'Positions moved, but their group could not follow; lag tools show old ones.')
  }
}
