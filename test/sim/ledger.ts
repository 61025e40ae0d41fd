// What was produced, and what may become of it. Every record carries a number of its own, so table and dead letters say by
// themselves which record is where.
import { formatTopicPartition, type KafkaOffset, kafkaOffset, type TopicPartition } from '@millrace/core'
import type { SourceTopicsTwin } from '@millrace/testkit'
import type { Fault } from './faults.ts'

/** `unreadable` does not convert; `refused` converts, but the table refuses the row; `filtered` carries the header of the filter. */
export type RecordKind = 'row' | 'unreadable' | 'refused' | 'tombstone' | 'filtered'
export type Outcome = 'row' | 'letter' | 'drop' | 'lost'

/** STRING(8) in the table, unbounded for the converter: only the table can refuse the row. */
export const NAME_LENGTH_MAX = 8

/** Where config and table may change meanwhile, some kinds may become one thing or another, but only one. */
function outcomesOf(kind: RecordKind, faults: ReadonlySet<Fault>): ReadonlySet<Outcome> {
  switch (kind) {
    case 'row':
      return new Set(faults.has('columnDropped') ? ['row', 'letter'] : ['row'])
    case 'unreadable':
      return new Set(['letter'])
    case 'refused':
      return new Set(faults.has('schemaChange') || faults.has('columnDropped') ? ['letter', 'row'] : ['letter'])
    case 'tombstone':
      return new Set(['drop'])
    case 'filtered':
      if (!faults.has('configChange')) return new Set(['drop'])
      return new Set(faults.has('columnDropped') ? ['drop', 'row', 'letter'] : ['drop', 'row'])
  }
}

/** Timestamps say which record it was, also where another one has its offset now. */
const FIRST_TIMESTAMP_MS = 1_000
const FIRST_OFFSET = kafkaOffset(0)

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
  /** The journal says that the log did not hold it any more when it was to be delivered. */
  isLost: boolean
  /** Nobody promises anything about it: its place is below where delivery stood when the log was cut off. It may be delivered, once. */
  isOptional: boolean
  /** Not in the log any more, and something else may be in its place. */
  isCut: boolean
}

export class Ledger {
  readonly records: LedgerRecord[] = []
  readonly #byPlace = new Map<string, LedgerRecord[]>()
  readonly #topics: SourceTopicsTwin
  readonly #faults: ReadonlySet<Fault>
  /** Partitions with an open transaction, and the index of its first record. */
  readonly #open = new Map<string, number>()
  /** Where the log once ended that was cut off, by partition. */
  readonly #cutEnds = new Map<string, bigint>()
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
      isLost: false,
      isOptional: kafkaOffset < (this.#cutEnds.get(formatTopicPartition(tp)) ?? 0n),
      isCut: false,
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

  /** Retention: what is below need not be delivered any more, as long as somebody says so. */
  deleteBefore(tp: TopicPartition, offset: KafkaOffset): void {
    for (const record of this.of(tp))
      if (record.kafkaOffset < offset && record.outcomes.size > 0)
        record.outcomes = new Set([...record.outcomes, 'lost'])
    this.#topics.deleteBefore(tp, offset)
  }

  /** The log ends here now: what is produced next takes the offsets of what is gone. */
  truncate(tp: TopicPartition, offset: KafkaOffset): void {
    this.#cut(tp, offset)
    this.#topics.truncate(tp, offset)
  }
  /** The topic is deleted, and made anew under its name. */
  recreate(topic: string, partitions: readonly TopicPartition[]): void {
    for (const tp of partitions) this.#cut(tp, FIRST_OFFSET)
    this.#topics.deleteTopic(topic)
    this.#topics.createTopic(topic, partitions.length)
  }
  /** Where the log ends. */
  end(tp: TopicPartition): KafkaOffset {
    return this.#topics.end(tp)
  }
  #cut(tp: TopicPartition, offset: KafkaOffset): void {
    const end = this.end(tp)
    const name = formatTopicPartition(tp)
    this.#open.delete(name)
    const before = this.#cutEnds.get(name) ?? 0n
    this.#cutEnds.set(name, end > before ? end : before)
    const records = this.#byPlace.get(name) ?? []
    const first = records.findIndex(record => record.kafkaOffset >= offset)
    if (first < 0) return
    for (const record of records.splice(first)) {
      record.isCut = true
      this.#release(record)
    }
  }
  get hasCuts(): boolean {
    return this.#cutEnds.size > 0
  }
  wasCut(tp: TopicPartition): boolean {
    return this.#cutEnds.has(formatTopicPartition(tp))
  }
  /** Nothing of what is not delivered yet is promised any more. */
  release(tp: TopicPartition): void {
    for (const record of this.of(tp)) this.#release(record)
  }
  /** The connector begins here: what was deleted before that is nobody's. */
  releaseBefore(tp: TopicPartition, start: bigint): void {
    for (const record of this.of(tp))
      if (record.kafkaOffset < start && record.outcomes.has('lost')) this.#release(record)
  }
  #release(record: LedgerRecord): void {
    if (record.rows > 0 || record.letters > 0 || record.isLost) return
    if (isWanted(record)) this.wantedCount--
    record.isOptional = true
  }

  byTimestamp(timestampMs: number): LedgerRecord | undefined {
    return this.records[timestampMs - FIRST_TIMESTAMP_MS]
  }
  byId(id: number): LedgerRecord | undefined {
    return this.records[id]
  }

  /** In the order of their offsets. */
  of(tp: TopicPartition): readonly LedgerRecord[] {
    return this.#byPlace.get(formatTopicPartition(tp)) ?? []
  }

  /** What the log holds, aborted transactions included. */
  held(tp: TopicPartition): readonly LedgerRecord[] {
    const start = this.#topics.start(tp)
    return this.of(tp).filter(record => record.kafkaOffset >= start)
  }

  #append(tp: TopicPartition, id: number, kind: RecordKind): KafkaOffset {
    const headers = kind === 'filtered' ? [{ key: 'skip', value: null }] : []
    return this.#topics.append(tp, {
      key: `k${id}`,
      value: recordValue(id, kind),
      headers,
      timestampMs: FIRST_TIMESTAMP_MS + id,
    })
  }
}

/** It must become a row or a dead letter, or be told to be lost where it was. */
export const isWanted = ({ outcomes, isOptional }: LedgerRecord): boolean =>
  !isOptional && outcomes.size > 0 && !outcomes.has('drop')

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
