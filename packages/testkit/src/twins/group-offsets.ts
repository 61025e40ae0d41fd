// Twin of consumer group offsets.
import {
  formatTopicPartition,
  type GroupOffsets,
  type KafkaOffset,
  MillraceError,
  type PartitionPosition,
  type TopicPartition,
} from '@millrace/core'

export class GroupOffsetsTwin implements GroupOffsets {
  readonly #committed = new Map<string, Map<string, KafkaOffset>>()
  readonly #live = new Set<string>()

  /** Another sink joins or leaves the group. */
  setLiveMembers(group: string, isLive: boolean): void {
    if (isLive) this.#live.add(group)
    else this.#live.delete(group)
  }

  async committed(
    group: string,
    tps: readonly TopicPartition[],
    { signal }: { signal: AbortSignal },
  ): Promise<ReadonlyMap<string, KafkaOffset>> {
    signal.throwIfAborted()
    await Promise.resolve()
    const names = new Set(tps.map(formatTopicPartition))
    return new Map([...(this.#committed.get(group) ?? [])].filter(([name]) => names.has(name)))
  }

  async commit(
    group: string,
    positions: readonly PartitionPosition[],
    { signal }: { signal: AbortSignal },
  ): Promise<void> {
    signal.throwIfAborted()
    await Promise.resolve()
    if (positions.length === 0) return
    if (this.#live.has(group))
      throw new MillraceError('GROUP_IN_USE', 'failPartition', `Group ${group} has live members.`)
    const offsets = this.#committed.get(group) ?? new Map<string, KafkaOffset>()
    for (const { tp, nextKafkaOffset } of positions) offsets.set(formatTopicPartition(tp), nextKafkaOffset)
    this.#committed.set(group, offsets)
  }

  async forget(group: string, tps: readonly TopicPartition[], { signal }: { signal: AbortSignal }): Promise<void> {
    signal.throwIfAborted()
    await Promise.resolve()
    if (tps.length === 0) return
    if (this.#live.has(group))
      throw new MillraceError('GROUP_IN_USE', 'failPartition', `Group ${group} has live members.`)
    for (const tp of tps) this.#committed.get(group)?.delete(formatTopicPartition(tp))
  }

  async hasLiveMembers(group: string, { signal }: { signal: AbortSignal }): Promise<boolean> {
    signal.throwIfAborted()
    await Promise.resolve()
    return this.#live.has(group)
  }
}
