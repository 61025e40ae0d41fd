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
import { unlessAborted } from './abortable.ts'

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
  /** The commit that is being answered, and what calls it off. */
  #underWay: { readonly group: string; readonly pending: Pending; readonly abort: AbortController } | null = null
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

  /** One after the other; whoever asked waits no longer than its signal, also for somebody else's turn. */
  publish(options: { signal: AbortSignal }): Promise<void> {
    const mine = this.#turn.then(() => this.#publishAll(options))
    this.#turn = mine.catch(() => {})
    return unlessAborted(this.#turn, options.signal).catch(() => {})
  }

  /**
   * After this nothing about the partition is sent any more: whoever has it next, an operator too, must have the last word.
   * Only a request that is on the wire when the signal aborts may still arrive.
   */
  async letGo(group: string, tp: TopicPartition, options: { signal: AbortSignal }): Promise<void> {
    await this.publish(options)
    this.drop(group, tp)
  }

  /** Forgets what is to be published about the partition, also what a commit under way would try again. */
  drop(group: string, tp: TopicPartition): void {
    const name = formatTopicPartition(tp)
    this.#pending.get(group)?.delete(name)
    if (this.#underWay?.group !== group || !this.#underWay.pending.delete(name)) return
    this.#underWay.abort.abort() // the others of the group come next time
  }

  async #publishAll({ signal }: { signal: AbortSignal }): Promise<void> {
    for (const [group, pending] of this.#pending) {
      this.#pending.delete(group)
      const abort = new AbortController()
      this.#underWay = { group, pending, abort }
      const either = AbortSignal.any([signal, abort.signal])
      try {
        await this.#deps.groupOffsets.commit(group, [...pending.values()], { signal: either })
        this.#failing = false
      } catch (error) {
        this.#putBack(group, pending)
        if (either.aborted) return
        if (!this.#failing)
          this.#deps.logger.warn(
            { group, err: error },
            'Committed offsets cannot be published; lag tools show old ones.',
          )
        this.#failing = true
        return
      } finally {
        this.#underWay = null
      }
    }
  }

  #putBack(group: string, pending: Pending): void {
    const newer = this.#pending.get(group)
    this.#pending.set(group, newer === undefined ? pending : new Map([...pending, ...newer]))
  }
}
