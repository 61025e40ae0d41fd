// The invariants of journal.md, watched from outside: every row, dead letter and journal record is judged as it lands, by what the
// ledger says was produced and what the journal held at that moment. Nothing of the code under test is asked.
import {
  contains,
  type DeadLetter,
  EMPTY,
  type Fingerprint,
  formatKeySpace,
  type IntentBatch,
  type IntervalSet,
  type JournalRecord,
  type KeySpace,
  type OffsetRange,
  type Progress,
  recordKey,
  type StreamName,
  type StreamOffset,
  subtract,
  type TopicPartition,
  union,
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
  /** Offsets that were logged as lost by a head claim, what the present head says of them, and those the audit was told of. */
  lost: IntervalSet
  headLost: { readonly claimId: string; readonly byKey: Map<string, IntervalSet> }
  audited: IntervalSet
  /** What a head said was settled last. */
  fingerprint: Fingerprint | null
  /** The claim that began on a log that has another record in the place of that one: it delivers nothing. */
  doomedClaim: string | null
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
    if (record.isLost) this.#violated('OneOutcome', `${what} was logged as lost and landed in ${at}`)
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
    if (record === undefined) {
      if (this.#ledger.wasCut(letter.tp)) return // its place holds nothing any more, or not yet
      return this.#violated('OneOutcome', `a dead letter ${id} of nothing that was committed`)
    }
    if (record.isOptional) return
    this.#note(record)
    record.letters++
    const what = place(record)
    if (record.stated !== 'letter' && !isRecovered(letter))
      this.#violated('Fenced', `a dead letter of ${what} was produced without an Intent of a head claim that says so`)
    if (record.kafkaOffset !== letter.kafkaOffset)
      this.#violated('OneOutcome', `a dead letter of ${what} says ${letter.kafkaOffset}`)
    if (record.rows > 0) this.#violated('OneOutcome', `${what} is a row and then a dead letter`)
    if (record.isLost) this.#violated('OneOutcome', `${what} was logged as lost and is a dead letter`)
    if (!record.outcomes.has('letter')) this.#violated('OneOutcome', `${what} became a dead letter`)
  }

  journalLanded({ space: name, record }: JournalEntry): void {
    if (record === null) return
    const space = this.#space(name)
    if ('progress' in record) this.#headSays(space, record)
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
        if (space.settledEpoch === 0) this.#ledger.releaseBefore(space.tp, record.progress?.frontier ?? 0n)
        if (space.head?.claimId === record.claimId) space.settledEpoch = Math.max(space.settledEpoch, record.epoch)
        if (record.altered !== undefined) {
          // Behind a newer claim it is void.
          if (space.head?.claimId === record.claimId) this.#moved(space, record.progress?.frontier ?? 0n)
        } else if (record.progress !== null) this.#assertTrue(space, record.progress, record.epoch < space.settledEpoch)
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
    if (space.head?.claimId === claimId)
      for (const batch of window) {
        if (batch.rowCount > 0 && space.doomedClaim === claimId)
          this.#violated(
            'NoLoss',
            `the log of ${textOf(space.tp, batch.rows)} was cut off and is another one, and it is delivered`,
          )
        this.#lost(space, batch.lost ?? EMPTY)
        this.#stated(space, batch)
      }
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
        if (record.outcomes.size === 0 || record.isOptional || !contains(set, record.kafkaOffset)) continue
        if (record.stated === null) record.stated = outcome
        else if (record.stated !== outcome)
          this.#violated('OneOutcome', `${place(record)} was logged as a ${record.stated} and then as a ${outcome}`)
        if (record.rows > 0) this.#violated('OneOutcome', `${place(record)} is a row and then logged as a ${outcome}`)
      }
    }
  }

  #headSays(space: SeenSpace, record: Extract<JournalRecord, { progress: unknown }>): void {
    if (space.head?.claimId !== record.claimId || record.progress === null) return
    const { fingerprint, lost = EMPTY } = record.progress
    space.fingerprint = fingerprint ?? space.fingerprint
    const isRecovery = record.kind === 'settled' && record.epoch > space.settledEpoch
    if (isRecovery && this.#isReplaced(space)) space.doomedClaim = record.claimId
    const inWindow = record.kind === 'intent' ? record.window.flatMap(batch => batch.lost ?? EMPTY) : EMPTY
    if (space.headLost.claimId !== record.claimId) space.headLost = { claimId: record.claimId, byKey: new Map() }
    space.headLost.byKey.set(recordKey(record), union(lost, inWindow))
  }

  /** Passed over for good: only what the log did not hold any more, and what was not delivered. */
  #lost(space: SeenSpace, ranges: IntervalSet): void {
    if (subtract(ranges, space.lost).length === 0) return
    space.lost = union(space.lost, ranges)
    for (const record of this.#ledger.of(space.tp)) {
      if (record.isLost || record.isOptional || record.outcomes.size === 0) continue
      if (!contains(ranges, record.kafkaOffset)) continue
      if (record.rows > 0 || record.letters > 0)
        this.#violated('OneOutcome', `${place(record)} was delivered and is then logged as lost`)
      if (!record.outcomes.has('lost')) this.#violated('NoLoss', `${place(record)} is logged as lost and is in the log`)
      this.#note(record)
      record.isLost = true
    }
  }

  /** An audit record that is there to stay. */
  lossAudited(incarnation: string, { topic, partition }: TopicPartition, range: OffsetRange): void {
    const space = this.#space(`${incarnation}/${topic}/${partition}`)
    space.audited = union(space.audited, [range])
  }

  /** `NoLoss`, at the moment somebody says so: what is stated as settled has its outcome, wherever the statement lands. */
  /** @param isOvertaken behind a newer Settled nobody reads where a claim would have begun, when the log begins later by now */
  #assertTrue(space: SeenSpace, { frontier, beyond, lost = EMPTY }: Progress, isOvertaken = false): void {
    this.#lost(space, lost)
    for (const record of this.#ledger.of(space.tp)) {
      if (record.kafkaOffset < space.verifiedTo) continue
      const isStated = record.kafkaOffset < frontier || contains(beyond, record.kafkaOffset)
      if (isStated && !(isOvertaken && record.outcomes.has('lost')))
        this.#assertOutcome(record, 'is settled by the journal')
      else if (!isStated && beyond.length === 0) break
    }
    if (frontier > space.verifiedTo && !isOvertaken) space.verifiedTo = frontier
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
    if (record.rows > 0 || record.letters > 0 || record.isLost || !isWanted(record)) return
    this.#violated('NoLoss', `${place(record)} ${but}, and is neither row nor dead letter`)
  }

  #space(name: string): SeenSpace {
    const known = this.#spaces.get(name)
    if (known !== undefined) return known
    const [, topic = '', partition = ''] = name.split('/')
    const tp = { topic, partition: Number(partition) }
    const headLost = { claimId: '', byKey: new Map() }
    const none = { lost: EMPTY, headLost, audited: EMPTY, fingerprint: null, doomedClaim: null }
    const space: SeenSpace = { tp, head: null, settledEpoch: 0, verifiedTo: 0n, ...none }
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
    for (const { tp, lost, headLost, audited } of this.#spaces.values()) {
      if (this.#ledger.wasCut(tp)) continue // its partition may have failed on the way
      const told = [...headLost.byKey.values()].reduce(union, EMPTY)
      if (!isEqual(lost, told))
        this.#violated('NoLoss', `${textOf(tp, lost)} was lost, and the journal says ${textOf(tp, told)}`)
      if (!isEqual(lost, audited))
        this.#violated('NoLoss', `${textOf(tp, lost)} was lost, and the audit says ${textOf(tp, audited)}`)
    }
  }

  /** Whether the log was cut off below the record that was settled last, and has another one in its place or ends there. */
  restsOnCut(name: KeySpace): boolean {
    const space = this.#space(formatKeySpace(name))
    const { fingerprint } = space
    if (fingerprint === null || !this.#isCut(fingerprint)) return false
    return this.#ledger.end(space.tp) <= fingerprint.kafkaOffset || this.#isReplaced(space)
  }
  #isReplaced({ tp, fingerprint }: SeenSpace): boolean {
    if (fingerprint === null || !this.#isCut(fingerprint)) return false
    return this.#ledger.of(tp).some(record => record.kafkaOffset === fingerprint.kafkaOffset && isThere(record))
  }
  #isCut({ timestampMs }: Fingerprint): boolean {
    return this.#ledger.byTimestamp(timestampMs)?.isCut === true
  }

  get isComplete(): boolean {
    return this.#settledCount === this.#ledger.wantedCount
  }

  /** Its first outcome, about to be counted. */
  #note(record: LedgerRecord): void {
    if (record.rows === 0 && record.letters === 0 && !record.isLost && isWanted(record)) this.#settledCount++
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

/** A reader finds it: neither aborted nor deleted. */
const isThere = ({ outcomes }: LedgerRecord): boolean => outcomes.size > 0 && !outcomes.has('lost')

const isEqual = (a: IntervalSet, b: IntervalSet): boolean => subtract(a, b).length === 0 && subtract(b, a).length === 0
const textOf = ({ topic, partition }: TopicPartition, set: IntervalSet): string =>
  `${topic}-${partition}@${set.map(({ from, to }) => `[${from}, ${to})`).join(' ') || 'nothing'}`

const place = ({ tp, kafkaOffset, id, kind }: LedgerRecord): string =>
  `${tp.topic}-${tp.partition}@${kafkaOffset} (${kind} ${id})`
