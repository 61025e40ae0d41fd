// Step 3 of a takeover: dead letters the journal logged but that may not have been produced are produced (again).
// The original is read from the source once more; is it gone there, the queue is searched; only then a letter says so.
import {
  type DeadLetter,
  type IntervalSet,
  isMillraceError,
  type KafkaOffset,
  kafkaOffset,
  type RecordSource,
  type TopicPartition,
} from '@millrace/core'
import { originalRecord } from './dead-letter.ts'
import { offsetOf } from './record-place.ts'
import { type RetryDeps, untilDefinitive } from './retry.ts'

const RETRY_MAX_MS = 30_000
/** A new leader may state an end too low for a moment; asked again this often before it counts. */
const LOW_END_ASKED_MAX = 3
const LOW_END_PAUSE_MS = 1_000
const RECOVERED = { stage: 'TASK_PUT', exceptionClass: 'RECORD_NOT_CONVERTIBLE' }

export type DeadLetterRecoveryDeps = RetryDeps & {
  readonly tp: TopicPartition
  readonly source: RecordSource
  produceDeadLetters(letters: readonly DeadLetter[], options: { signal: AbortSignal }): Promise<void>
  findDeadLetters(offsets: readonly KafkaOffset[], options: { signal: AbortSignal }): Promise<ReadonlySet<KafkaOffset>>
}

/**
 * While the queue is down the takeover waits.
 * @param offsets ranges whose every record is a logged dead letter; gaps of the log may lie between them
 */
export async function saveLoggedDeadLetters(
  offsets: IntervalSet,
  deps: DeadLetterRecoveryDeps,
  { signal }: { signal: AbortSignal },
): Promise<void> {
  const produce = (letters: readonly DeadLetter[]): Promise<void> =>
    untilDefinitive(() => deps.produceDeadLetters(letters, { signal }), deps, { signal, maxMs: RETRY_MAX_MS })
  for (const { from, to } of offsets) {
    const read = (await endsBelow(to, deps, signal)) ? null : await readRange(from, to, deps, signal)
    if (read !== null) {
      await produce(read)
      continue
    }
    const wanted = Array.from({ length: Number(to - from) }, (_, i) => kafkaOffset(from + BigInt(i)))
    const find = () => deps.findDeadLetters(wanted, { signal })
    const there = await untilDefinitive(find, deps, { signal, maxMs: RETRY_MAX_MS })
    const missing = wanted.filter(offset => !there.has(offset))
    await produce(missing.map(offset => withoutOriginal(deps.tp, offset)))
  }
}

/** Whether the log was cut off there: whoever waited for the rest of the range would wait for records that nobody produced yet. */
async function endsBelow(to: KafkaOffset, deps: DeadLetterRecoveryDeps, signal: AbortSignal): Promise<boolean> {
  const ask = () => deps.source.offsets([deps.tp], 'latest', { signal })
  for (let asked = 1; ; asked++) {
    const [end] = (await untilDefinitive(ask, deps, { signal, maxMs: RETRY_MAX_MS })).values()
    if (end === undefined || end >= to) return false
    if (asked === LOW_END_ASKED_MAX) return true
    await deps.timers.sleep(LOW_END_PAUSE_MS, { signal })
  }
}

/** The letters of the range, or null when the source no longer has it. */
async function readRange(
  from: KafkaOffset,
  to: KafkaOffset,
  { tp, source }: DeadLetterRecoveryDeps,
  signal: AbortSignal,
): Promise<readonly DeadLetter[] | null> {
  const reader = source.open(tp, from)
  const letters: DeadLetter[] = []
  try {
    for (;;)
      for (const slice of await reader.read({ signal })) {
        for (let i = 0; i < slice.count; i++) {
          const offset = offsetOf(slice, i)
          if (offset >= from && offset < to)
            letters.push({ tp, kafkaOffset: offset, record: originalRecord(slice, i), error: again(offset) })
        }
        if (slice.nextKafkaOffset >= to) return letters
      }
  } catch (error) {
    if (isMillraceError(error) && error.code === 'SOURCE_OFFSET_LOST') return null
    throw error
  } finally {
    reader.close()
  }

  function again(offset: KafkaOffset) {
    return {
      ...RECOVERED,
      message: `${tp.topic}-${tp.partition}@${offset}: produced again on a takeover; an earlier letter may say more.`,
    }
  }
}

const withoutOriginal = (tp: TopicPartition, offset: KafkaOffset): DeadLetter => ({
  tp,
  kafkaOffset: offset,
  record: null,
  error: {
    ...RECOVERED,
    message: `${tp.topic}-${tp.partition}@${offset}: the topic no longer holds the original record.`,
  },
})
