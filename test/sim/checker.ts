// The invariants of journal.md, watched from outside: every row, dead letter and journal record is judged as it lands, by what the
// ledger says was produced and what the journal held at that moment. Nothing of the code under test is asked.
import {
  contains,
  type DeadLetter,
  formatKeySpace,
  type IntentBatch,
  type IntervalSet,
  type JournalRecord,
  type KeySpace,
  type Progress,
  type StreamName,
  type StreamOffset,
  type TopicPartition,
} from '@millrace/core'
import type { JournalEntry, ProtoRow } from '@millrace/testkit'
import { isWanted, type Ledger, type LedgerRecord } from './ledger.ts'

export type Invariant =
  | 'NoDup'
  | 'NoLoss'
  | 'OneOutcome'
  | 'Fenced'
  | 'NoOrphanRows'
  | 'IntentFirst'
  | 'Progress'
  | 'NoBug'

export class Violation extends Error {
  readonly invariant: Invariant

  constructor(invariant: Invariant, what: string) {
    super(`${invariant}: ${what}`)
    this.name = 'Violation'
    this.invariant = invariant
  }
}

type SeenSpace = {
  readonly tp: TopicPartition
  head: { claimId: string; epoch: number } | null
  /** Highest epoch of a Settled written under its own Claim as head: everything older has been recovered. */
  settledEpoch: number
  /** Everything below was found to have its outcome. */
  verifiedTo: bigint
}
/** `rows` by `firstRow/rowCount`, of every Intent that ever landed about the stream. */
type SeenStream = { space: SeenSpace; openEpoch: number; readonly batches: Map<string, IntervalSet> }

export class Checker {
  readonly #ledger: Ledger
  readonly #spaces = new Map<string, SeenSpace>()
  readonly #streams = new Map<StreamName, SeenStream>()
  /** Of records that must not be dropped: how many have an outcome. */
  #settledCount = 0
  /** The first one; what follows from it says nothing. */
  violation: Violation | null = null

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  // ── as it lands ──

  rowsLanded(stream: StreamName, firstRow: StreamOffset, rows: readonly ProtoRow[]): void {
    const seen = this.#streams.get(stream)
    const at = `${stream}@${firstRow}`
    if (seen === undefined || seen.openEpoch === 0)
      return this.#violated('NoOrphanRows', `rows landed in ${at}, which no head claim has opened`)
    if (seen.openEpoch < seen.space.settledEpoch)
      this.#violated(
        'Fenced',
        `rows of epoch ${seen.openEpoch} landed in ${at} behind epoch ${seen.space.settledEpoch}`,
      )
    const intent = seen.batches.get(`${firstRow}/${rows.length}`)
    if (intent === undefined) this.#violated('IntentFirst', `${rows.length} rows landed in ${at} without an Intent`)
    for (const row of rows) this.#rowLanded(row, at, intent ?? [])
  }

  #rowLanded(row: ProtoRow, at: string, intent: IntervalSet): void {
    const record = this.#ledger.byId(Number(row['id']))
    if (record === undefined)
      return this.#violated('NoDup', `the row ${Number(row['id'])} in ${at} was never committed`)
    this.#note(record)
    record.rows++
    const what = place(record)
    if (record.stated !== null)
      this.#violated('OneOutcome', `${what} was logged as a ${record.stated} and landed in ${at}`)
    if (record.rows > 1) this.#violated('NoDup', `${what} is ${record.rows} times in the table, last in ${at}`)
    if (record.letters > 0) this.#violated('OneOutcome', `${what} is a dead letter and then a row in ${at}`)
    if (!record.outcomes.has('row')) this.#violated('OneOutcome', `${what} became a row in ${at}`)
    if (!contains(intent, record.kafkaOffset))
      this.#violated('IntentFirst', `the Intent of ${at} does not speak of ${what}`)
  }

  letterLanded(letter: DeadLetter): void {
    const id = letter.record?.key?.toString().slice(1)
    const record =
      id === undefined
        ? this.#ledger.of(letter.tp).find(one => one.kafkaOffset === letter.kafkaOffset)
        : this.#ledger.byId(Number(id))
    if (record === undefined) return this.#violated('OneOutcome', `a dead letter ${id} of nothing that was committed`)
    this.#note(record)
    record.letters++
    const what = place(record)
    if (record.stated !== 'letter' && !isRecovered(letter))
      this.#violated('Fenced', `a dead letter of ${what} was produced without an Intent of a head claim that says so`)
    if (record.kafkaOffset !== letter.kafkaOffset)
      this.#violated('OneOutcome', `a dead letter of ${what} says ${letter.kafkaOffset}`)
    if (record.rows > 0) this.#violated('OneOutcome', `${what} is a row and then a dead letter`)
    if (!record.outcomes.has('letter')) this.#violated('OneOutcome', `${what} became a dead letter`)
  }

  journalLanded({ space: name, record }: JournalEntry): void {
    if (record === null) return
    const space = this.#space(name)
    switch (record.kind) {
      case 'claim':
        if (space.head === null || record.epoch > space.head.epoch) space.head = record
        return
      case 'open':
        if (space.head?.claimId === record.claimId) this.#stream(record.stream, space).openEpoch = record.epoch
        return
      case 'intent':
        this.#intentLanded(record, space)
        return this.#assertTrue(space, record.progress)
      case 'settled':
        if (space.head?.claimId === record.claimId) space.settledEpoch = Math.max(space.settledEpoch, record.epoch)
        if (record.altered !== undefined) {
          // Behind a newer claim it is void.
          if (space.head?.claimId === record.claimId) this.#moved(space, record.progress?.frontier ?? 0n)
        } else if (record.progress !== null) this.#assertTrue(space, record.progress)
        return
      case 'release':
        return this.#assertTrue(space, record.progress)
      case 'deleted':
        if (space.head?.claimId === record.claimId) space.settledEpoch = Number.POSITIVE_INFINITY
        return
      case 'barrier':
      case 'verdict':
        return
    }
  }

  #intentLanded({ stream, window, claimId }: Extract<JournalRecord, { kind: 'intent' }>, space: SeenSpace): void {
    if (space.head?.claimId === claimId) for (const batch of window) this.#stated(space, batch)
    if (stream === null) return
    const { batches } = this.#stream(stream, space)
    for (const { firstRow, rowCount, rows } of window) if (rowCount > 0) batches.set(`${firstRow}/${rowCount}`, rows)
  }

  /** What the head claim logs as dead letter or drop is final, from the moment it stands in the journal. */
  #stated(space: SeenSpace, { dead, drop }: IntentBatch): void {
    for (const [set, outcome] of [
      [dead, 'letter'],
      [drop, 'drop'],
    ] as const) {
      if (set.length === 0) continue
      for (const record of this.#ledger.of(space.tp)) {
        // Where a transaction was aborted there is a gap; gaps are counted to any neighbour.
        if (record.outcomes.size === 0 || !contains(set, record.kafkaOffset)) continue
        if (record.stated === null) record.stated = outcome
        else if (record.stated !== outcome)
          this.#violated('OneOutcome', `${place(record)} was logged as a ${record.stated} and then as a ${outcome}`)
        if (record.rows > 0) this.#violated('OneOutcome', `${place(record)} is a row and then logged as a ${outcome}`)
      }
    }
  }

  /** `NoLoss`, at the moment somebody says so: what is stated as settled has its outcome, wherever the statement lands. */
  #assertTrue(space: SeenSpace, { frontier, beyond }: Progress): void {
    for (const record of this.#ledger.of(space.tp)) {
      if (record.kafkaOffset < space.verifiedTo) continue
      const isStated = record.kafkaOffset < frontier || contains(beyond, record.kafkaOffset)
      if (isStated) this.#assertOutcome(record, 'is settled by the journal')
      else if (beyond.length === 0) break
    }
    if (frontier > space.verifiedTo) space.verifiedTo = frontier
  }

  /** An operator's word: what is behind the position is delivered (again), what is before it never more. */
  #moved(space: SeenSpace, to: bigint): void {
    for (const record of this.#ledger.of(space.tp)) {
      if (record.outcomes.size === 0) {
        if (record.skipped === null || record.kafkaOffset < to) continue
        record.outcomes = record.skipped
        record.skipped = null
        if (isWanted(record)) this.#ledger.wantedCount++
        continue
      }
      const hasOutcome = record.rows > 0 || record.letters > 0
      if (record.kafkaOffset >= to) {
        if (hasOutcome && isWanted(record)) this.#settledCount--
        record.rows = 0
        record.letters = 0
        record.stated = null
      } else if (!hasOutcome) {
        if (isWanted(record)) this.#ledger.wantedCount--
        record.skipped = record.outcomes
        record.outcomes = new Set()
      }
    }
    space.verifiedTo = to
  }

  #assertOutcome(record: LedgerRecord, but: string): void {
    if (record.rows > 0 || record.letters > 0 || !isWanted(record)) return
    this.#violated('NoLoss', `${place(record)} ${but}, and is neither row nor dead letter`)
  }

  #space(name: string): SeenSpace {
    const known = this.#spaces.get(name)
    if (known !== undefined) return known
    const [, topic = '', partition = ''] = name.split('/')
    const space = { tp: { topic, partition: Number(partition) }, head: null, settledEpoch: 0, verifiedTo: 0n }
    this.#spaces.set(name, space)
    return space
  }

  #stream(stream: StreamName, space: SeenSpace): SeenStream {
    const known = this.#streams.get(stream)
    if (known !== undefined) return known
    const seen: SeenStream = { space, openEpoch: 0, batches: new Map() }
    this.#streams.set(stream, seen)
    return seen
  }

  // ── at the end ──

  /** By content: every record is in exactly one place. */
  assertComplete(): void {
    for (const record of this.#ledger.records) this.#assertOutcome(record, 'was produced')
  }

  get isComplete(): boolean {
    return this.#settledCount === this.#ledger.wantedCount
  }

  /** Its first outcome, about to be counted. */
  #note(record: LedgerRecord): void {
    if (record.rows === 0 && record.letters === 0 && isWanted(record)) this.#settledCount++
  }

  headEpoch(space: KeySpace): number {
    return this.#spaces.get(formatKeySpace(space))?.head?.epoch ?? 0
  }

  throwIfViolated(): void {
    if (this.violation !== null) throw this.violation
  }

  #violated(invariant: Invariant, what: string): void {
    this.violation ??= new Violation(invariant, what)
  }
}

/** Written by a new owner for what it folded: an Intent that landed before it read the journal counts, whoever was the head then. */
const isRecovered = ({ record, error }: DeadLetter): boolean =>
  record === null || error.message.includes('produced again')

const place = ({ tp, kafkaOffset, id, kind }: LedgerRecord): string =>
  `${tp.topic}-${tp.partition}@${kafkaOffset} (${kind} ${id})`
