// Run-length outcomes of a batch's Kafka offsets while it fills: numbers relative to its base, no object per record.
import { type IntervalSet, type KafkaOffset, kafkaOffset } from '@millrace/core'

export const ROW = 0
export const DEAD = 1
export const DROP = 2
export type Outcome = typeof ROW | typeof DEAD | typeof DROP

/** Bounds an Intent: 500 runs are ≤ 20 KB of JSON. */
export const RUNS_MAX = 500

export class OffsetRuns {
  readonly base: KafkaOffset
  /** Next offset to be covered, relative to `base`. */
  #position = 0
  readonly #kinds: Outcome[] = []
  readonly #from: number[] = []
  readonly #to: number[] = []

  constructor(base: KafkaOffset) {
    this.base = base
  }
  get position(): KafkaOffset {
    return kafkaOffset(this.base + BigInt(this.#position))
  }
  get runCount(): number {
    return this.#kinds.length
  }
  get isEmpty(): boolean {
    return this.#kinds.length === 0
  }
  relative(offset: KafkaOffset): number {
    return Number(offset - this.base)
  }
  /**
   * Covers everything up to and including the record at `relativeOffset`: a gap before it counts as its own. Not before a dead
   * letter: who recovers it when the log is gone asks for a letter of every offset that is called dead.
   */
  cover(kind: Outcome, relativeOffset: number): void {
    if (kind === DEAD && relativeOffset > this.#position) this.#extend(DROP, relativeOffset)
    this.#extend(kind, relativeOffset + 1)
  }
  /** Covers a tail of the log without records for us (control batches, aborted or compacted records). */
  coverGap(relativeEnd: number): void {
    if (relativeEnd > this.#position) this.#extend(DROP, relativeEnd)
  }
  /** Passes over what is settled already: it is in no batch again. */
  skipTo(relativeOffset: number): void {
    if (relativeOffset > this.#position) this.#position = relativeOffset
  }
  #extend(kind: Outcome, to: number): void {
    const last = this.#kinds.length - 1
    if (last >= 0 && this.#kinds[last] === kind && this.#to[last] === this.#position) this.#to[last] = to
    else {
      this.#kinds.push(kind)
      this.#from.push(this.#position)
      this.#to.push(to)
    }
    this.#position = to
  }
  intervals(kind: Outcome): IntervalSet {
    const out: { from: KafkaOffset; to: KafkaOffset }[] = []
    for (let i = 0; i < this.#kinds.length; i++)
      if (this.#kinds[i] === kind)
        out.push({
          from: kafkaOffset(this.base + BigInt(this.#from[i] ?? 0)),
          to: kafkaOffset(this.base + BigInt(this.#to[i] ?? 0)),
        })
    return out
  }
}
