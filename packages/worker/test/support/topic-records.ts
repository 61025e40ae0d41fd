// Records of the source topic with the fate each of them is to have. Every row carries its Kafka offset as `id`, so the table
// says by itself which record is where.
import type { KafkaOffset, TopicPartition } from '@millrace/core'
import type { SourceTopicsTwin } from '@millrace/testkit'

/** `unreadable`: does not convert. `refused`: converts, but the table refuses the row. */
export type RecordKind = 'row' | 'unreadable' | 'refused' | 'tombstone' | 'filtered'

/** STRING(8) in the table, unbounded for the converter: only the table can refuse the row. */
export const NAME_LENGTH_MAX = 8

export class TopicRecords {
  /** What was produced, by offset; aborted records and gaps are not in it. */
  readonly kinds: Map<KafkaOffset, RecordKind> = new Map()
  readonly #topics: SourceTopicsTwin
  readonly #tp: TopicPartition
  #next = 0n

  constructor(topics: SourceTopicsTwin, tp: TopicPartition) {
    this.#topics = topics
    this.#tp = tp
  }
  get end(): KafkaOffset {
    return this.#next as KafkaOffset
  }

  produce(...kinds: readonly RecordKind[]): void {
    for (const kind of kinds) this.kinds.set(this.#append(kind), kind)
  }
  rows(count: number): void {
    for (let i = 0; i < count; i++) this.produce('row')
  }
  /** Offsets without records, as compaction leaves them. */
  gap(count: number): void {
    this.#topics.appendGap(this.#tp, count)
    this.#next += BigInt(count)
  }
  /** A transaction of rows that is aborted; its marker takes an offset too. */
  aborted(count: number): void {
    this.#topics.beginTransaction(this.#tp)
    for (let i = 0; i < count; i++) this.#append('row')
    this.#topics.abortTransaction(this.#tp)
    this.#next += 1n
  }
  /** Rows from now on may not be read before `commit`, whose marker takes an offset. */
  begin(nowMs: number): void {
    this.#topics.beginTransaction(this.#tp, nowMs)
  }
  commit(): void {
    this.#topics.commitTransaction(this.#tp)
    this.#next += 1n
  }
  /** A record whose row has about this many bytes. */
  large(bytes: number, kind: RecordKind): void {
    const offset = this.#topics.append(this.#tp, {
      value: JSON.stringify({ id: Number(this.#next), blob: 'x'.repeat(bytes) }),
    })
    this.#next = offset + 1n
    this.kinds.set(offset, kind)
  }

  #append(kind: RecordKind): KafkaOffset {
    const id = Number(this.#next)
    const value = {
      row: JSON.stringify({ id, name: `n${id}` }),
      unreadable: `{"id": "no number", "name": "n${id}"}`,
      refused: JSON.stringify({ id, name: 'far too long' }),
      tombstone: null,
      filtered: JSON.stringify({ id, name: 'skip' }),
    }[kind]
    const headers = kind === 'filtered' ? [{ key: 'skip', value: null }] : []
    const offset = this.#topics.append(this.#tp, { key: `k${id}`, value, headers, timestampMs: 1_000 + id })
    this.#next = offset + 1n
    return offset
  }
}
