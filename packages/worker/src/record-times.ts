// Timestamps of the records on their way, coarsely: what lag in seconds and freshness are made of, at a cost per fetched slice.
import type { KafkaOffset, RecordSlice } from '@millrace/core'

/** Stretches remembered; beyond it the last one grows, and its time is that of its first record: 64 × 4 numbers per partition. */
const STRETCHES_MAX = 64

/** What a Date can hold. Producers may write any 64 bits; such a time says nothing, and no JSON carries it. */
const TIME_MAX_MS = 8.64e15
const isTime = (ms: number): boolean => ms >= 0 && ms <= TIME_MAX_MS

type Stretch = { next: KafkaOffset; readonly firstMs: number; lastMs: number }

export class RecordTimes {
  #stretches: Stretch[] = []
  #settledMs: number | null = null

  /** A slice was fetched. Kafka writes −1 where a record has no timestamp: such a slice says nothing. */
  fetched(slice: RecordSlice): void {
    const firstMs = slice.timestampMs[0] ?? -1
    const lastMs = slice.timestampMs[slice.count - 1] ?? -1
    if (slice.count === 0 || !isTime(firstMs) || !isTime(lastMs)) return
    const last = this.#stretches.at(-1)
    if (last !== undefined && this.#stretches.length >= STRETCHES_MAX) {
      last.next = slice.nextKafkaOffset
      last.lastMs = lastMs
    } else this.#stretches.push({ next: slice.nextKafkaOffset, firstMs, lastMs })
  }

  /** Everything below is settled. */
  settled(frontier: KafkaOffset): void {
    const keep = this.#stretches.findIndex(({ next }) => next > frontier)
    const done = keep < 0 ? this.#stretches : this.#stretches.slice(0, keep)
    const newest = done.at(-1)
    if (newest === undefined) return
    this.#settledMs = newest.lastMs
    this.#stretches = keep < 0 ? [] : this.#stretches.slice(keep)
  }

  /** Of the oldest record that is fetched and not settled, or one a little before it; one from the future hides no other. */
  get oldestMs(): number | null {
    return this.#stretches.length === 0 ? null : Math.min(...this.#stretches.map(({ firstMs }) => firstMs))
  }
  /** Of the last record that is settled, as far as this claim knows: one from the future is forgotten with the next. */
  get settledMs(): number | null {
    return this.#settledMs
  }
}
