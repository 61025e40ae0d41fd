// Consumer group offsets: a view for lag tools written after the fact, and the start position of a migrated connector.
import type { KafkaOffset, TopicPartition } from '../ids.ts'

export type PartitionPosition = { readonly tp: TopicPartition; readonly nextKafkaOffset: KafkaOffset }

export interface GroupOffsets {
  /** Committed offsets of the group, by `topic-partition`; partitions without one are absent. */
  committed(
    group: string,
    tps: readonly TopicPartition[],
    options: { signal: AbortSignal },
  ): Promise<ReadonlyMap<string, KafkaOffset>>
  /** Commits without being a member (generation −1). Rejects GROUP_IN_USE when the group has live members. */
  commit(group: string, positions: readonly PartitionPosition[], options: { signal: AbortSignal }): Promise<void>
  /** The group has no committed offset of these partitions any more. Rejects GROUP_IN_USE as `commit` does. */
  forget(group: string, tps: readonly TopicPartition[], options: { signal: AbortSignal }): Promise<void>
  hasLiveMembers(group: string, options: { signal: AbortSignal }): Promise<boolean>
}
