// The source's side of a comparison: what each committed record of a range should have become, by config and table as they are now.
import { RowBuffer, type ValueConverter } from '@millrace/convert'
import {
  APPEND_HEADROOM_BYTES,
  type KafkaOffset,
  type OriginRange,
  type RecordSlice,
  type RecordSource,
  type Timers,
} from '@millrace/core'
import { offsetOf } from '../record-place.ts'

/** `bad`: it does not convert. */
export type RecordFate = 'row' | 'tombstone' | 'filtered' | 'bad'

export class RecordJudge {
  readonly #converter: ValueConverter
  readonly #isConverting: boolean
  readonly #rows = new RowBuffer()

  /** @param isConverting false: whatever the filter keeps counts as a row, which spares the conversion. */
  constructor(converter: ValueConverter, isConverting: boolean) {
    this.#converter = converter
    this.#isConverting = isConverting
  }

  fateOf(slice: RecordSlice, i: number): RecordFate {
    const start = slice.valueStart[i] as number
    if (start < 0) return 'tombstone'
    if (!this.#converter.keeps(slice, i)) return 'filtered'
    if (!this.#isConverting) return 'row'
    const length = this.#converter.encode(slice.bytes, start, slice.valueEnd[i] as number, this.#rows)
    this.#rows.end = APPEND_HEADROOM_BYTES
    this.#rows.rowCount = 0
    if (length >= 0) return 'row'
    return this.#converter.isTombstone ? 'tombstone' : 'bad'
  }
}

/** How often an answer is looked at that does not come: the rest of the range may hold no record that could. */
const LOOK_EVERY_MS = 100

/** Every committed record of the range, in order. Lets others on the event loop have their turn between slices. */
export async function forEachRecord(
  source: RecordSource,
  { tp, from, to }: OriginRange,
  onRecord: (slice: RecordSlice, i: number, kafkaOffset: KafkaOffset) => void,
  { timers, signal, onSlice }: { timers: Timers; signal: AbortSignal; onSlice?: (records: number) => void },
): Promise<void> {
  if (from >= to) return
  const reader = source.open(tp, from)
  try {
    let reading: Promise<readonly RecordSlice[] | 'late'> | null = null
    while (reader.nextKafkaOffset < to) {
      signal.throwIfAborted()
      reading ??= reader.read({ signal })
      const slices = await Promise.race([reading, timers.sleep(LOOK_EVERY_MS, { signal }).then(() => 'late' as const)])
      if (slices === 'late') {
        const { endKafkaOffset } = reader
        if (endKafkaOffset !== null && reader.nextKafkaOffset >= endKafkaOffset) break
        continue
      }
      reading = null
      for (const slice of slices) {
        for (let i = 0; i < slice.count; i++) {
          const kafkaOffset = offsetOf(slice, i) as KafkaOffset
          if (kafkaOffset < to) onRecord(slice, i, kafkaOffset)
        }
        onSlice?.(slice.count)
      }
      await timers.sleep(0, { signal })
    }
    reading?.catch(() => {}) // its reader is closed
  } finally {
    reader.close()
  }
}
