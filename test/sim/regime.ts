// Who says which process works on what: nobody (bare.ts), or the cluster itself (cluster.ts).
import type { KafkaOffset, TopicPartition } from '@millrace/core'
import type { CoordinationTwin } from '@millrace/testkit'
import type { ConfigVariant } from './connector.ts'
import type { Process } from './process.ts'

export interface Regime {
  /** The Redis this process sees. */
  redisOf(process: Process): CoordinationTwin
  /** Before the first process. */
  open(): Promise<void>
  /** A process that was just started. */
  joined(process: Process): void
  /** Every partition is to be worked on from now on. */
  begin(): void
  /** Somebody works on the partition from now on, whoever does already. */
  takeOver(tp: TopicPartition): void
  /** Its work on the partition ends in order; in a cluster nobody can ask for that. */
  drain(tp: TopicPartition): void
  /** As SIGTERM. */
  shutDown(process: Process): void
  configure(variant: ConfigVariant): void
  pauseResume(): void
  deleteCreate(): void
  /** null: the position is forgotten. */
  moveOffsets(tp: TopicPartition, to: KafkaOffset | null): void
  disturbRedis(): void
  /** No fault happens any more, and what was asked for in between is put right. */
  heal(): void
}
