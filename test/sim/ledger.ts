// What was produced, and what may become of it. Every record carries a number of its own, so table and dead letters say by
// themselves which record is where.
import { formatTopicPartition, type KafkaOffset, type TopicPartition } from '@millrace/core'
import type { SourceTopicsTwin } from '@millrace/testkit'
import type { Fault } from './faults.ts'

/** `unreadable` does not convert; `refused` converts, but the table refuses the row; `filtered` carries the header of the filter. */
export type RecordKind = 'row' | 'unreadable' | 'refused' | 'tombstone' | 'filtered'
export type Outcome = 'row' | 'letter' | 'drop'

/** STRING(8) in the table, unbounded for the converter: only the table can refuse the row. */
export const NAME_LENGTH_MAX = 8

/** Where config and table may change meanwhile, some kinds may become one thing or another, but only one. */
function outcomesOf(kind: RecordKind, faults: ReadonlySet<Fault>): ReadonlySet<Outcome> {
  switch (kind) {
    case 'row':
      return new Set(['row'])
    case 'unreadable':
      return new Set(['letter'])
    case 'refused':
      return new Set(faults.has('schemaChange') ? ['letter', 'row'] : ['letter'])
    case 'tombstone':
      return new Set(['drop'])
    case 'filtered':
      return new Set(faults.has('configChange') ? ['drop', 'row'] : ['drop'])
  }
}

export type LedgerRecord = {
  readonly id: number
  readonly tp: TopicPartition
  readonly kafkaOffset: KafkaOffset
  readonly kind: RecordKind
  /** Empty once its transaction is aborted: then it may appear nowhere. */
  outcomes: ReadonlySet<Outcome>
  rows: number
  letters: number
  /** Outcomes it would have, had an operator not passed over it. */
  skipped: ReadonlySet<Outcome> | null
  /** What a head claim has logged for it: final. */
  stated: 'letter' | 'drop' | null
}

export class Ledger {
  readonly records: LedgerRecord[] = []
  readonly #byPlace = new Map<string, LedgerRecord[]>()
  readonly #topics: SourceTopicsTwin
  readonly #faults: ReadonlySet<Fault>
  /** Partitions with an open transaction, and the index of its first record. */
  readonly #open = new Map<string, number>()
  /** Records that must not be dropped. */
  wantedCount = 0

  constructor(topics: SourceTopicsTwin, faults: ReadonlySet<Fault>) {
    this.#topics = topics
    this.#faults = faults
  }

  produce(tp: TopicPartition, kind: RecordKind): void {
    const id = this.records.length
    const kafkaOffset = this.#append(tp, id, kind)
    const outcomes = outcomesOf(kind, this.#faults)
    const record: LedgerRecord = {
      id,
      tp,
      kafkaOffset,
      kind,
      outcomes,
      rows: 0,
      letters: 0,
      skipped: null,
      stated: null,
    }
    this.records.push(record)
    if (isWanted(record)) this.wantedCount++
    const name = formatTopicPartition(tp)
    const place = this.#byPlace.get(name)
    if (place === undefined) this.#byPlace.set(name, [record])
    else place.push(record)
  }

  /** From now on nothing of the partition is stable, until the transaction ends. */
  begin(tp: TopicPartition): void {
    this.#open.set(formatTopicPartition(tp), this.of(tp).length)
    this.#topics.beginTransaction(tp)
  }
  isOpen(tp: TopicPartition): boolean {
    return this.#open.has(formatTopicPartition(tp))
  }
  commit(tp: TopicPartition): void {
    if (!this.#open.delete(formatTopicPartition(tp))) return
    this.#topics.commitTransaction(tp)
  }
  /** Nothing of the transaction may appear anywhere. */
  abort(tp: TopicPartition): void {
    const name = formatTopicPartition(tp)
    const first = this.#open.get(name)
    if (first === undefined) return
    this.#open.delete(name)
    for (const record of this.of(tp).slice(first)) {
      if (isWanted(record)) this.wantedCount--
      record.outcomes = new Set()
    }
    this.#topics.abortTransaction(tp)
  }

  byId(id: number): LedgerRecord | undefined {
    return this.records[id]
  }

  /** In the order of their offsets. */
  of(tp: TopicPartition): readonly LedgerRecord[] {
    return this.#byPlace.get(formatTopicPartition(tp)) ?? []
  }

  #append(tp: TopicPartition, id: number, kind: RecordKind): KafkaOffset {
    const headers = kind === 'filtered' ? [{ key: 'skip', value: null }] : []
    return this.#topics.append(tp, { key: `k${id}`, value: recordValue(id, kind), headers, timestampMs: 1_000 + id })
  }
}

/** It must become a row or a dead letter. */
export const isWanted = ({ outcomes }: LedgerRecord): boolean => outcomes.size > 0 && !outcomes.has('drop')

function recordValue(id: number, kind: RecordKind): string | null {
  switch (kind) {
    case 'row':
    case 'filtered':
      return `{"id":${id},"name":"n"}`
    case 'refused':
      return `{"id":${id},"name":"far too long"}`
    case 'unreadable':
      return `{"id":"no number","name":"n${id}"}`
    case 'tombstone':
      return null
  }
}
