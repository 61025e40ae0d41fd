// The records of the journal (one key space per connector incarnation and topic-partition), as the protocol knows them.
import type { KafkaOffset, StreamName, StreamOffset, TableName, WorkerId } from '../ids.ts'
import type { IntervalSet } from '../interval-set.ts'

/**
 * Everything below `frontier` is settled, and so is every offset in `beyond` (ranges above it).
 * `fingerprint` is of the highest settled record known: proof later that the topic still holds the same log.
 * `lost`: settled offsets that were never delivered, because the log no longer held them (offset.lost.policy=skip); at most
 * LOST_RANGES_MAX ranges, absent where there are none.
 */
export type Progress = {
  readonly frontier: KafkaOffset
  readonly beyond: IntervalSet
  readonly fingerprint: Fingerprint | null
  readonly lost?: IntervalSet
}

/** 60 bytes each in every record of the claim. Who loses more needs another retention, not a longer list. */
export const LOST_RANGES_MAX = 64

/**
 * One append as it was laid out: rows [firstRow, firstRow + rowCount) of the stream hold exactly the records of `rows`.
 * `rows`, `dead` and `drop` partition the batch's Kafka offsets. Gaps of the log count as drops or to a row that follows; until
 * 2026-11 also to a letter that follows. What was settled before the claim is in none of them.
 * `lost` is the part of `drop` that was lost, and not dropped on purpose; absent where there is none.
 */
export type IntentBatch = {
  readonly firstRow: StreamOffset
  readonly rowCount: number
  readonly rows: IntervalSet
  readonly dead: IntervalSet
  readonly drop: IntervalSet
  readonly lost?: IntervalSet
  /** Config generation that converted it. */
  readonly generation: number
  /** Of the batch's last record; null when it had none. */
  readonly fingerprint: Fingerprint | null
}
export type Fingerprint = { readonly kafkaOffset: KafkaOffset; readonly timestampMs: number; readonly crc: number }

export type JournalRecord =
  | {
      readonly kind: 'claim'
      readonly claimId: string
      readonly epoch: number
      readonly workerId: WorkerId
      readonly generation: number
    }
  | {
      readonly kind: 'open'
      readonly claimId: string
      readonly epoch: number
      readonly table: TableName
      readonly tableCreationTime: string
      readonly stream: StreamName
      /** Row appends begin at; > 0 when a released stream was adopted. */
      readonly row: StreamOffset
    }
  | {
      readonly kind: 'intent'
      readonly claimId: string
      readonly epoch: number
      /** null while nothing of this claim has a stream. */
      readonly stream: StreamName | null
      readonly progress: Progress
      readonly window: readonly IntentBatch[]
    }
  | {
      readonly kind: 'settled'
      readonly claimId: string
      readonly epoch: number
      /** null: an operator had the position forgotten; the next owner resolves a start, by auto.offset.reset alone. */
      readonly progress: Progress | null
      /** Present when an operator's word stands in `progress`, and not what was folded. Void behind a higher Claim. */
      readonly altered?: Altered
    }
  | {
      readonly kind: 'release'
      readonly claimId: string
      readonly epoch: number
      readonly stream: StreamName
      readonly row: StreamOffset
      readonly progress: Progress
      /** Wall clock: a stream unused for 24 h is not adopted. */
      readonly releasedAtMs: number
    }
  | { readonly kind: 'barrier'; readonly claimId: string }
  | {
      readonly kind: 'verdict'
      /** The claim and stream in doubt, and the row count an operator states for it. */
      readonly claimId: string
      readonly stream: StreamName
      readonly rows: StreamOffset
      readonly by: string
    }
  | {
      /** The incarnation ends here: nobody is head any more. Void behind a higher Claim, whose owner may be delivering. */
      readonly kind: 'deleted'
      readonly claimId: string
      readonly epoch: number
      readonly by: string
    }

/** Who moved a position, and from where; `from` is null where nothing had begun. */
export type Altered = { readonly by: string; readonly atMs: number; readonly from: KafkaOffset | null }

/** First record of an incarnation: binds a connector's config to this journal and fixes which partitions start where. */
export type Genesis = {
  readonly journalId: string
  /** N of murmur2(...) mod N; another count refuses to start. */
  readonly journalPartitions: number
  /** Partition counts by topic when the connector was created: partitions that appear later start at 0. */
  readonly partitionsKnown: Readonly<Record<string, number>>
  /**
   * `initial_offsets` by `topic-partition`. Present: whatever the name left behind (group, predecessors) does not count, and a
   * partition that is not listed, or null, starts by auto.offset.reset.
   */
  readonly initialOffsets?: Readonly<Record<string, KafkaOffset | null>>
}
