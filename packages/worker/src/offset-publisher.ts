// Publishes frontiers as committed offsets of the consumer group: a view for lag tools, written after the fact, never read back
// for delivery. Failing costs nothing but the view.
import {
  type Clock,
  formatTopicPartition,
  type GroupOffsets,
  type KafkaOffset,
  type Logger,
  type Timers,
  type TopicPartition,
} from '@millrace/core'

type Pending = Map<string, { readonly tp: TopicPartition; readonly nextKafkaOffset: KafkaOffset }>

export type OffsetPublisherDeps = {
  readonly groupOffsets: GroupOffsets
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
  /** offset.flush.interval.ms: how stale the view may be. */
  readonly offsetFlushMs: number
}

export class OffsetPublisher {
  readonly #deps: OffsetPublisherDeps
  /** By group; at most one entry per partition owned. */
  readonly #pending = new Map<string, Pending>()
  #turn: Promise<void> = Promise.resolve()
  #failing = false

  constructor(deps: OffsetPublisherDeps) {
    this.#deps = deps
  }

  note(group: string, tp: TopicPartition, nextKafkaOffset: KafkaOffset): void {
    const pending: Pending = this.#pending.get(group) ?? new Map()
    this.#pending.set(group, pending)
    pending.set(formatTopicPartition(tp), { tp, nextKafkaOffset })
  }

  /** Until aborted; then once more, so that an orderly stop leaves the view exact. */
  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    while (!signal.aborted) {
      await this.publish({ signal })
      await this.#deps.timers.sleep(this.#deps.offsetFlushMs, { signal }).catch(() => {})
    }
  }

  /** One after the other, so that what `letGo` drops is not under way. */
  publish(options: { signal: AbortSignal }): Promise<void> {
    const mine = this.#turn.then(() => this.#publishAll(options))
    this.#turn = mine.catch(() => {})
    return mine
  }

  /** After this nothing about the partition is published any more: whoever has it next, an operator too, must have the last word. */
  async letGo(group: string, tp: TopicPartition, options: { signal: AbortSignal }): Promise<void> {
    await this.publish(options)
    this.drop(group, tp)
  }

  drop(group: string, tp: TopicPartition): void {
    this.#pending.get(group)?.delete(formatTopicPartition(tp))
  }

  async #publishAll({ signal }: { signal: AbortSignal }): Promise<void> {
    for (const [group, pending] of this.#pending) {
      this.#pending.delete(group)
      try {
        await this.#deps.groupOffsets.commit(group, [...pending.values()], { signal })
        this.#failing = false
      } catch (error) {
        this.#putBack(group, pending)
        if (!this.#failing && !signal.aborted)
          this.#deps.logger.warn(
            { group, err: error },
            'Committed offsets cannot be published; lag tools show old ones.',
          )
        this.#failing = true
        return
      }
    }
  }

  #putBack(group: string, pending: Pending): void {
    const newer = this.#pending.get(group)
    this.#pending.set(group, newer === undefined ? pending : new Map([...pending, ...newer]))
  }
}
