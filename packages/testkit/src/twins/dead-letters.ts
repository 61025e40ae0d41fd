// Twin of the dead letter queue: letters by topic, and the two ways a produce can fail.
import {
  type DeadLetter,
  type DeadLetterQueue,
  type DeadLetters,
  formatTopicPartition,
  type KafkaOffset,
  MillraceError,
  type TopicPartition,
} from '@millrace/core'

/** `lost`: nothing lands. `landed`: the letters land, the answer is lost. */
export type DeadLetterFault = 'lost' | 'landed'

export class DeadLettersTwin implements DeadLetters {
  readonly #topics = new Map<string, DeadLetter[]>()
  /** Told of every letter as it lands. */
  onLanded: ((letter: DeadLetter) => void) | null = null
  readonly #faults: DeadLetterFault[] = []

  letters(topic: string): readonly DeadLetter[] {
    return this.#topics.get(topic) ?? []
  }
  failNextProduce(fault: DeadLetterFault): void {
    this.#faults.push(fault)
  }

  async ensureTopic(queue: DeadLetterQueue, { signal }: { signal: AbortSignal }): Promise<void> {
    signal.throwIfAborted()
    await Promise.resolve()
    if (!this.#topics.has(queue.topic)) this.#topics.set(queue.topic, [])
  }

  async produce(
    queue: DeadLetterQueue,
    letters: readonly DeadLetter[],
    { signal }: { signal: AbortSignal },
  ): Promise<void> {
    signal.throwIfAborted()
    await Promise.resolve()
    const topic = this.#topics.get(queue.topic)
    const fault = this.#faults.shift()
    if (topic !== undefined && fault !== 'lost') {
      topic.push(...letters)
      if (this.onLanded !== null) for (const letter of letters) this.onLanded(letter)
    }
    if (topic === undefined || fault !== undefined)
      throw new MillraceError('DEAD_LETTER_FAILED', 'retry', `A dead letter could not be produced to ${queue.topic}.`)
  }

  async find(
    queue: DeadLetterQueue,
    tp: TopicPartition,
    kafkaOffsets: readonly KafkaOffset[],
    { signal }: { signal: AbortSignal },
  ): Promise<ReadonlySet<KafkaOffset>> {
    signal.throwIfAborted()
    await Promise.resolve()
    const name = formatTopicPartition(tp)
    const present = new Set(
      this.letters(queue.topic).flatMap(l => (formatTopicPartition(l.tp) === name ? [l.kafkaOffset] : [])),
    )
    return new Set(kafkaOffsets.filter(offset => present.has(offset)))
  }
}
