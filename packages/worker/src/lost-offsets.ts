// What became of the source when the log is not where it was left: which offsets are lost, and how that was seen.
import {
  formatTopicPartition,
  type KafkaOffset,
  type Logger,
  MillraceError,
  type OffsetRange,
  type TopicPartition,
} from '@millrace/core'

/** What to do about offsets that the log lost before they were delivered (offset.lost.policy). */
export type OffsetLostPolicy = 'fail' | 'skip'

/** One range that was skipped. The same again after a crash has the same identity: connector incarnation, partition and range. */
export type LostOffsets = { readonly tp: TopicPartition; readonly range: OffsetRange; readonly atMs: number }

export type LostOffsetsHost = {
  readonly policy: OffsetLostPolicy
  /** To the log and the audit topic; resolves when it is there to stay. Called again for the same range after a crash. */
  audit(lost: LostOffsets, options: { signal: AbortSignal }): Promise<void>
}

/** What the leader says its log holds: first offset, and the end up to which it may be read. */
export type HeldRange = { readonly start: KafkaOffset; readonly end: KafkaOffset }

/** The range below the log's beginning that nobody delivered; null where `position` is not below it. */
export const lostBelow = (position: KafkaOffset, { start }: HeldRange): OffsetRange | null =>
  position < start ? { from: position, to: start } : null

const RANGE_DETAILS = (tp: TopicPartition, { from, to }: OffsetRange, seen: string) => ({
  topic: tp.topic,
  partition: tp.partition,
  from,
  to,
  seen,
})

/** Retention, or records deleted by hand: `range` was never delivered. */
export function offsetsLost(tp: TopicPartition, range: OffsetRange, why = ''): MillraceError {
  const { from, to } = range
  const message = `${formatTopicPartition(tp)}@${from}: offsets [${from}, ${to}) were deleted before they were delivered: the log begins at ${to}.${why}`
  return new MillraceError('SOURCE_OFFSET_LOST', 'failPartition', message, {
    details: RANGE_DETAILS(tp, range, 'logStart'),
  })
}

/** An unclean election, or a topic made anew: the log ends below where we are. */
export function logCutOff(tp: TopicPartition, position: KafkaOffset, { end }: HeldRange): MillraceError {
  const message = `${formatTopicPartition(tp)}@${position}: offsets [${end}, ${position}) are not in the log any more: it ends at ${end}. It was truncated or the topic re-created, and what it will hold there is not what was settled.`
  return new MillraceError('SOURCE_CHANGED', 'failPartition', message, {
    details: RANGE_DETAILS(tp, { from: end, to: position }, 'logEnd'),
  })
}

/** The broker refused the position and then says it holds it: whatever happened in between is for the next claim to find out. */
export function logMoved(tp: TopicPartition, position: KafkaOffset, { start, end }: HeldRange): MillraceError {
  const message = `${formatTopicPartition(tp)}@${position} was out of range, and the log holds [${start}, ${end}) now. The next claim compares it with what was delivered.`
  return new MillraceError('SOURCE_OFFSET_LOST', 'failPartition', message, {
    details: { topic: tp.topic, partition: tp.partition, kafkaOffset: position, seen: 'outOfRange' },
  })
}

/** Another record at a known offset. Where the logs part is not known: at most all that is below `frontier` was never delivered. */
export function recordDiffers(
  tp: TopicPartition,
  at: KafkaOffset,
  frontier: KafkaOffset,
  held: HeldRange | null,
): MillraceError {
  const name = formatTopicPartition(tp)
  const first = `${name}@${at} is not the record it was: the topic was re-created or truncated.`
  if (held === null) return new MillraceError('SOURCE_CHANGED', 'failPartition', first)
  const range = { from: held.start, to: frontier < held.end ? frontier : held.end }
  const message = `${first} The log holds [${held.start}, ${held.end}) now; of that, up to [${range.from}, ${range.to}) was never delivered and lies below where delivery stands, ${frontier}.`
  return new MillraceError('SOURCE_CHANGED', 'failPartition', message, {
    details: RANGE_DETAILS(tp, range, 'fingerprint'),
  })
}

/** What the audit keeps of a skipped range. */
export type LostOffsetsRecord = {
  readonly kind: 'offsetsLost'
  /** The same whenever it is told again. */
  readonly id: string
  readonly atMs: number
  readonly connector: string
  readonly incarnation: string
  readonly topic: string
  readonly partition: number
  /** [from, to) in decimal: offsets go beyond what a JSON number holds. */
  readonly from: string
  readonly to: string
  readonly policy: 'skip'
}
/** Resolves when the record is kept for good. */
export type LostOffsetsAudit = (record: LostOffsetsRecord, options: { signal: AbortSignal }) => Promise<void>

/** @param audit absent: the log alone keeps it. */
export function lostOffsetsHost(
  { name, incarnation }: { readonly name: string; readonly incarnation: string },
  policy: OffsetLostPolicy,
  audit: LostOffsetsAudit | undefined,
  logger: Logger,
): LostOffsetsHost {
  return {
    policy,
    audit: async ({ tp, range: { from, to }, atMs }, options) => {
      const { topic, partition } = tp
      const id = `${incarnation}/${formatTopicPartition(tp)}@${from}..${to}`
      const [first, end] = [from.toString(), to.toString()]
      const place = { connector: name, incarnation, topic, partition, from: first, to: end }
      const record: LostOffsetsRecord = { kind: 'offsetsLost', id, atMs, ...place, policy: 'skip' }
      await audit?.(record, options)
      logger.warn({ lost: record }, 'Offsets were deleted before they were delivered; they are skipped, as configured.')
    },
  }
}
