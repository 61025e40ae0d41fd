// The dead letter queue: original key, value, headers; identity in the `__connect.errors.{topic,partition,offset}` headers.
import type { KafkaOffset, TopicPartition } from '../ids.ts'

export type RecordHeader = { readonly key: string; readonly value: Buffer | null }

export type DeadLetter = {
  readonly tp: TopicPartition
  readonly kafkaOffset: KafkaOffset
  /** The original record; null when the source no longer has it (the letter then says so in its message). */
  readonly record: {
    readonly key: Buffer | null
    readonly value: Buffer | null
    readonly headers: readonly RecordHeader[]
    readonly timestampMs: number
  } | null
  readonly error: {
    /** Kafka Connect's stage name: VALUE_CONVERTER, TRANSFORMATION, TASK_PUT, … */
    readonly stage: string
    readonly exceptionClass: string
    readonly message: string
  }
}

export type DeadLetterQueue = {
  readonly topic: string
  readonly connector: string
  readonly taskId: number
  /** errors.deadletterqueue.context.headers.enable: all context headers; the identity headers are written anyway. */
  readonly contextHeaders: boolean
  readonly replicationFactor: number
}

export interface DeadLetters {
  /** Creates the topic (1 partition, as Connect does) when it is missing. */
  ensureTopic(queue: DeadLetterQueue, options: { signal: AbortSignal }): Promise<void>
  /** Resolves when every letter is acknowledged by all in-sync replicas; rejects DEAD_LETTER_FAILED, disposition retry. */
  produce(queue: DeadLetterQueue, letters: readonly DeadLetter[], options: { signal: AbortSignal }): Promise<void>
  /** Which of these offsets already have a letter in the topic (read to its end, by identity headers). */
  find(
    queue: DeadLetterQueue,
    tp: TopicPartition,
    kafkaOffsets: readonly KafkaOffset[],
    options: { signal: AbortSignal },
  ): Promise<ReadonlySet<KafkaOffset>>
}
