// What a comparison of journal, topics and tables found. Everything in it was true when it was made: positions are taken first,
// and only what lies below them is compared, so a connector may run meanwhile.
import type { KafkaOffset, StreamName, StreamOffset, TableName, TopicPartition } from '../ids.ts'
import type { IntervalSet } from '../interval-set.ts'

/** From best to worst. */
export const VERIFY_VERDICTS = ['VERIFIED', 'VERIFIED_BY_COUNT', 'CANNOT_TELL', 'IN_DOUBT', 'DIFFERENT'] as const
/**
 * VERIFIED: record by record. VERIFIED_BY_COUNT: as many rows as records. DIFFERENT: at least one record has no row, or several, or a
 * row no record. IN_DOUBT: a verdict of an operator is waited for. CANNOT_TELL: the reasons say what would have to be known.
 */
export type VerifyVerdict = (typeof VERIFY_VERDICTS)[number]

export const worstVerdict = (verdicts: readonly VerifyVerdict[]): VerifyVerdict =>
  verdicts.reduce<VerifyVerdict>(
    (worst, each) => (VERIFY_VERDICTS.indexOf(each) > VERIFY_VERDICTS.indexOf(worst) ? each : worst),
    'VERIFIED',
  )

export type VerifiedStream = {
  readonly stream: StreamName
  /** Row its last owner let go at in order; null while it is in use, or where its owner died. */
  readonly releasedAtRow: StreamOffset | null
}

export type PartitionReceipt = TopicPartition & {
  readonly table: TableName
  readonly verdict: VerifyVerdict
  /** Sentences: why it is not VERIFIED, and what a reader should know. */
  readonly reasons: readonly string[]
  /** Records [from, to) were compared: from where the log begins or the connector began, up to where all was settled. */
  readonly from: KafkaOffset
  readonly to: KafkaOffset
  readonly logEnd: KafkaOffset
  /** As the consumer group of the connector has it; null: it has none. */
  readonly groupOffset: KafkaOffset | null
  /** Committed records of the range. They are rows, but for the next four. */
  readonly records: number
  readonly tombstones: number
  /** By the filter as it is now. */
  readonly filtered: number
  /** Found in the dead letter queue. */
  readonly deadLetters: number
  /** Not convertible as config and table are now, and errors.tolerance=all drops what is not. */
  readonly dropped: number
  /** Offsets that were gone from the topic before they were delivered (offset.lost.policy=skip), as far as the journal still says so. */
  readonly lost: IntervalSet
  /** Rows of the range; null where no column says which record a row came from. */
  readonly rows: number | null
  readonly missing: number
  readonly doubled: number
  /** Rows whose offset holds no record that should be one. */
  readonly unexpected: number
  /** Rows of records below the range, which the log does not hold any more; null as `rows`. */
  readonly olderRows: number | null
  /** The first of what differs: `orders-3@17 is missing`. */
  readonly examples: readonly string[]
  readonly streams: readonly VerifiedStream[]
}

export type VerifyReceipt = {
  readonly verdict: VerifyVerdict
  readonly reasons: readonly string[]
  readonly partitions: readonly PartitionReceipt[]
}

export type VerifyProgress = {
  readonly stage: string
  readonly partitions: number
  readonly partitionsRead: number
  readonly recordsRead: number
}
