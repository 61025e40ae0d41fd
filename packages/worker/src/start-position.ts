// Where a partition begins when its journal states nothing (journal.md, Start): resolved once, then logged in the first Settled.
import {
  formatTopicPartition,
  type Genesis,
  type GroupOffsets,
  type KafkaOffset,
  kafkaOffset,
  MillraceError,
  type RecordSource,
  type TopicPartition,
} from '@millrace/core'

export type StartDeps = {
  readonly tp: TopicPartition
  readonly group: string
  readonly genesis: Genesis
  readonly autoOffsetReset: 'earliest' | 'latest'
  readonly groupOffsets: GroupOffsets
  readonly source: RecordSource
  /** Where an earlier connector of this name ended by its journal; null where there was none. */
  readonly endedAt: KafkaOffset | null
}

/**
 * The committed offset of the group (a migration from Kafka Connect continues without a duplicate); else the beginning for a
 * partition that appeared after the connector; else auto.offset.reset. Rejects GROUP_IN_USE when another sink is running.
 */
export async function resolveStart(deps: StartDeps, { signal }: { signal: AbortSignal }): Promise<KafkaOffset> {
  const { tp, group, genesis, groupOffsets, source, autoOffsetReset, endedAt } = deps
  const name = formatTopicPartition(tp)
  if (await groupOffsets.hasLiveMembers(group, { signal }))
    throw new MillraceError(
      'GROUP_IN_USE',
      'failPartition',
      `Consumer group ${group} has live members; ${name} is not started beside them.`,
    )
  const committed = (await groupOffsets.committed(group, [tp], { signal })).get(name)
  if (committed !== undefined || endedAt !== null) return later(committed, endedAt)
  const isNew = tp.partition >= (genesis.partitionsKnown[tp.topic] ?? 0)
  const at = isNew ? 'earliest' : autoOffsetReset
  const offset = (await source.offsets([tp], at, { signal })).get(name)
  if (offset === undefined)
    throw new MillraceError('KAFKA_TOPIC_MISSING', 'retry', `The broker states no ${at} offset for ${name}.`)
  return offset
}

/** A commit cannot be fenced: one that a frozen owner published late may lie below what the journal knows. */
function later(committed: KafkaOffset | undefined, endedAt: KafkaOffset | null): KafkaOffset {
  if (committed === undefined || endedAt === null) return committed ?? endedAt ?? kafkaOffset(0)
  return committed > endedAt ? committed : endedAt
}
