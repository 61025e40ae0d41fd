// What must hold in every world. NoDup, NoLoss and OneOutcome are the promise; the others are what it rests on.
import { type KeySpaceState, recordKey } from '@millrace/core'
import { compact, maskOf, settledMask } from './journal.ts'
import { Parts } from './numbers.ts'
import type { Scope } from './scope.ts'
import { bit, type Era, type Log, type Shared, timesOf, type Violation, type Worker } from './world.ts'

export class Invariants {
  readonly #scope: Scope
  readonly #fold: (log: Log) => KeySpaceState
  readonly #folds = new Parts()
  constructor(scope: Scope, fold: (log: Log) => KeySpaceState) {
    this.#scope = scope
    this.#fold = fold
  }

  /** Of what the journal states. */
  *ofShared(shared: Shared): Generator<Violation> {
    for (const [k, era] of shared.eras.entries()) {
      let believed = 0
      for (const record of shared.log)
        if (record.kind === 'release' || (record.kind === 'settled' && record.altered === undefined))
          if (isOf(shared, k, record.epoch) && record.progress)
            believed |= settledMask(record.progress, this.#scope.records)
      yield* this.#ofEra(shared, k, era, believed)
    }
    if (this.#scope.may.retentions !== undefined) yield* this.#ofLost(shared)
    if (shared.end !== null) yield* this.#ofEnd(shared, shared.end.settled)
    if (this.#scope.lazyCompaction) yield* this.#compaction(shared.log)
  }

  /** What was lost is said to be, wherever it is said to be settled: a later Settled does not make it delivered. */
  *#ofLost({ log, streams, eras: [{ letters, dropsLogged }] }: Shared): Generator<Violation> {
    let somewhere = letters | dropsLogged
    for (const [r, rows] of timesOf(streams, this.#scope.records).entries()) if (rows > 0) somewhere |= bit(r)
    for (const record of log) {
      if (!('progress' in record) || record.progress === null) continue
      const { records } = this.#scope
      const silent = settledMask(record.progress, records) & ~somewhere & ~maskOf(record.progress.lost ?? [], records)
      if (silent !== 0) yield { invariant: 'NoLoss', what: `${recordKey(record)} does not say what was lost` }
    }
  }

  /** What is settled at the end of an incarnation is somewhere; of the rest, which its successor delivers, nothing ever is. */
  *#ofEnd({ streams, eras }: Shared, settled: number): Generator<Violation> {
    const { letters, dropsLogged } = eras[eras.length - 1] as Era
    for (const [r, rows] of timesOf(streams, this.#scope.records).entries()) {
      const isThere = rows > 0 || (letters & bit(r)) !== 0
      if ((settled & bit(r)) === 0 && isThere)
        yield {
          invariant: rows > 0 ? 'NoDup' : 'OneOutcome',
          what: `record ${r} is delivered by an incarnation that ended without it`,
        }
      if ((settled & bit(r)) !== 0 && !isThere && (dropsLogged & bit(r)) === 0)
        yield { invariant: 'NoLoss', what: `the end of the incarnation passes over record ${r}, which is nowhere` }
    }
  }

  /** Of what a worker believes, and whether anything will ever move it. */
  *ofWorker(shared: Shared, worker: Worker): Generator<Violation> {
    if (worker.kind === 'claiming' && worker.pending.length === 0)
      yield { invariant: 'Progress', what: `a claim stands still in state ${worker.state.kind}` }
    if (worker.kind !== 'running') return
    const k = shared.eras.findIndex((_, i) => isOf(shared, i, worker.epoch))
    const era = shared.eras[k]
    if (era !== undefined) yield* this.#ofEra(shared, k, era, settledMask(worker.progress, this.#scope.records))
    const isMoving =
      worker.deletes.length > 0 || worker.lanes.some(({ pending, wire }) => pending.length + wire.length > 0)
    const stuck = worker.lanes.find(({ state }) => state.window.length > 0)
    if (!isMoving && stuck !== undefined)
      yield {
        invariant: 'Progress',
        what: `a lane stands still in state ${stuck.state.kind} with a batch that is ${stuck.state.window[0]?.phase}`,
      }
  }

  *#ofEra(shared: Shared, k: number, era: Era, believed: number): Generator<Violation> {
    const times = shared.eras[k + 1]?.rowsBefore ?? timesOf(shared.streams, this.#scope.records)
    const since = k === 0 ? '' : `, since the position was moved to ${era.at}`
    for (const [r, n] of times.entries()) {
      const wrong = wrongWith(r, n - (era.rowsBefore[r] ?? 0), era, believed)
      if (wrong !== null) yield { ...wrong, what: `record ${r} ${wrong.what}${since}` }
    }
  }

  /** Whatever of the superseded records is compacted away, and when: the fold is the same. */
  *#compaction(log: Log): Generator<Violation> {
    const last = compact(log)
    if (last.length === log.length) return
    const whole = this.#folds.of(withoutPositions(this.#fold(log)))
    if (this.#folds.of(withoutPositions(this.#fold(last))) !== whole)
      yield { invariant: 'CompactionBlind', what: `compaction changes the fold of ${log.map(recordKey).join(' ')}` }
  }

  /** Everything is delivered, and where positions are moved, after the last of them; or it is ended. */
  isComplete({ streams, eras, end }: Shared): boolean {
    if (end !== null) return true
    const era = eras[eras.length - 1] as Era
    let there = era.letters | era.dropped | era.lost | (bit(era.at) - 1)
    for (const [r, n] of timesOf(streams, this.#scope.records).entries())
      if (n > (era.rowsBefore[r] ?? 0)) there |= bit(r)
    return there === bit(this.#scope.records) - 1
  }
}

const isOf = ({ eras }: Shared, k: number, epoch: number): boolean =>
  epoch > (eras[k] as Era).epoch && epoch <= (eras[k + 1]?.epoch ?? Number.POSITIVE_INFINITY)

function wrongWith(r: number, rows: number, era: Era, believed: number): Violation | null {
  const { at, letters, dropped, dropsLogged, lost } = era
  const isLetter = (letters & bit(r)) !== 0
  const isThere = rows > 0 || isLetter
  if (r < at)
    return isThere ? { invariant: 'NoDup', what: 'is delivered although the position was moved past it' } : null
  if (rows > 1) return { invariant: 'NoDup', what: `is in the tables ${rows} times` }
  if (rows > 0 && isLetter) return { invariant: 'OneOutcome', what: 'is a row and a dead letter' }
  if (isThere && (dropped & bit(r)) !== 0)
    return { invariant: 'OneOutcome', what: 'was dropped for good and is delivered all the same' }
  if (isThere && (lost & bit(r)) !== 0) return { invariant: 'OneOutcome', what: 'is called lost and is delivered' }
  if (!isThere && (believed & ~dropsLogged & ~lost & bit(r)) !== 0)
    return { invariant: 'NoLoss', what: 'is settled but nowhere' }
  return null
}

/** As it matters: positions by their order, not their distance; entries in no order. */
function withoutPositions(state: KeySpaceState): KeySpaceState {
  const all = [...state.claims.values(), ...state.settled.values(), ...state.deletions.values()]
    .map(r => Number(r.journalOffset))
    .sort((a, b) => a - b)
  const sorted = <R extends object>(map: ReadonlyMap<string, R>): ReadonlyMap<string, R> =>
    new Map([...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, record]) => [key, ranked(record, all)]))
  const { claims, opens, intents, settled, releases, verdicts, deletions } = state
  return {
    ...state,
    claims: sorted(claims),
    opens: sorted(opens),
    intents: sorted(intents),
    settled: sorted(settled),
    releases: sorted(releases),
    verdicts: sorted(verdicts),
    deletions: sorted(deletions),
  }
}
const ranked = <R extends object>(record: R, all: readonly number[]): R =>
  'journalOffset' in record ? { ...record, journalOffset: BigInt(all.indexOf(Number(record.journalOffset))) } : record
