// Where a partition begins when its journal states nothing (journal.md, Start): resolved once, then logged in the first Settled.
import {
  formatTopicPartition,
  type Genesis,
  type GroupOffsets,
  type KafkaOffset,
  type Logger,
  MillraceError,
  type RecordSource,
  type Start,
  type TopicPartition,
} from '@millrace/core'

export type StartDeps = {
  readonly tp: TopicPartition
  readonly group: string
  readonly genesis: Genesis
  readonly autoOffsetReset: 'earliest' | 'latest'
  readonly groupOffsets: GroupOffsets
  readonly source: RecordSource
  /** Where the latest earlier connector of this name ended by its journal; null where there was none. */
  readonly endedAt: Start | null
  readonly logger: Logger
}

/**
 * `initial_offsets`; else where the earlier connector of this name ended by its journal; else the committed offset of the group (a
 * migration from Kafka Connect continues without a duplicate); else the beginning for a partition that appeared after the
 * connector; else auto.offset.reset. Rejects GROUP_IN_USE when another sink is running.
 * A position that an operator had forgotten, or that `initial_offsets` leaves out, starts by auto.offset.reset alone.
 */
export async function resolveStart(
  deps: StartDeps,
  { forgotten, signal }: { forgotten: boolean; signal: AbortSignal },
): Promise<Start> {
  const { tp, group, genesis, groupOffsets, source, autoOffsetReset } = deps
  const name = formatTopicPartition(tp)
  if (await groupOffsets.hasLiveMembers(group, { signal }))
    throw new MillraceError(
      'GROUP_IN_USE',
      'failPartition',
      `Consumer group ${group} has live members; ${name} is not started beside them.`,
    )
  const stated = forgotten ? null : await statedStart(deps, { signal })
  if (stated !== null) return stated
  const isNew = tp.partition >= (genesis.partitionsKnown[tp.topic] ?? 0)
  const at = isNew && !forgotten ? 'earliest' : autoOffsetReset
  const offset = (await source.offsets([tp], at, { signal })).get(name)
  if (offset === undefined)
    throw new MillraceError('KAFKA_TOPIC_MISSING', 'retry', `The broker states no ${at} offset for ${name}.`)
  return { start: offset }
}

/** What the create request or the name's past says; null when nothing does. */
async function statedStart(
  { tp, group, genesis, groupOffsets, endedAt, logger }: StartDeps,
  { signal }: { signal: AbortSignal },
): Promise<Start | null> {
  const name = formatTopicPartition(tp)
  const { initialOffsets } = genesis
  if (initialOffsets !== undefined) {
    const initial = Object.hasOwn(initialOffsets, name) ? (initialOffsets[name] ?? null) : null
    return initial === null ? null : { start: initial }
  }
  const committed = (await groupOffsets.committed(group, [tp], { signal })).get(name) ?? null
  if (endedAt === null) return committed === null ? null : { start: committed }
  if (committed !== null && committed !== endedAt.start) overrule(committed, endedAt.start, { tp, group, logger })
  return endedAt
}

/**
 * A commit cannot be fenced: a frozen owner's may arrive late, too low, or too high where an operator moved the position back. So
 * the group counts for nothing where the journal of an earlier connector knows (decision 0006).
 */
function overrule(
  committed: KafkaOffset,
  endedAt: KafkaOffset,
  { tp, group, logger }: Pick<StartDeps, 'tp' | 'group' | 'logger'>,
): void {
  logger.warn(
    { ...tp, group, committed, endedAt },
    'The group stands elsewhere than the journal of the earlier connector of this name, and the journal counts: where another sink went on meanwhile, create the connector with initial_offsets.',
  )
}
