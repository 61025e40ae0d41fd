// Everything that can happen next: to one worker, or to the world around all of them.
import { type KeySpaceState, kafkaOffset, recordKey, streamOffset } from '@millrace/core'
import { Asks } from './asks.ts'
import { ClaimActions } from './claim-actions.ts'
import { type Doing, doing, type Heard } from './doing.ts'
import { append, compact } from './journal.ts'
import { LaneActions, linger } from './lane-actions.ts'
import type { Rules } from './rules.ts'
import type { Event, Scope } from './scope.ts'
import { streamOf, withStream } from './service.ts'
import type { Log, Over, Shared, Worker } from './world.ts'

export type Spent = Readonly<Record<Event, number>>

/** What happens without anybody's doing. */
export type Happening = { readonly label: string; readonly shared: Shared; readonly spends: Event | null }

export class Actions {
  readonly #scope: Scope
  readonly #rules: Rules
  readonly #asks: Asks
  readonly #claims: ClaimActions
  readonly #lanes: LaneActions

  constructor(scope: Scope, rules: Rules, fold: (log: Log) => KeySpaceState) {
    this.#scope = scope
    this.#rules = rules
    this.#asks = new Asks(scope, rules, fold)
    this.#claims = new ClaimActions(scope, rules, this.#asks)
    this.#lanes = new LaneActions(scope, rules, this.#asks)
  }

  *ofWorker(me: Worker): Generator<Doing> {
    switch (me.kind) {
      case 'claiming':
        return yield* this.#claims.of(me)
      case 'running':
        yield* this.#lanes.of(me)
        return yield* linger(this.#asks, me)
      case 'ending':
        return yield this.#claims.ofEnding(me)
      case 'over':
        yield* this.#ofOver(me)
        return yield* linger(this.#asks, me)
    }
  }

  *#ofOver(me: Over): Generator<Doing> {
    const left = (rest: Over): Heard => ({
      worker: rest.deletes.length + rest.lingering.length === 0 && rest.doubt === null ? null : rest,
    })
    if (me.deletes.length > 0)
      yield doing('an altering claim deletes what is below', this.#asks.remove(me.deletes), () =>
        left({ ...me, deletes: [] }),
      )
    if (me.doubt !== null) {
      const { claimId, doubts } = me.doubt
      yield doing(`${claimId} is IN_DOUBT`, this.#asks.doubt(claimId, doubts), () => left({ ...me, doubt: null }))
    }
  }

  /** Each makes a worker that was not there. */
  *newcomers(spent: Spent): Generator<Doing> {
    if (spent.claims < (this.#scope.may.claims ?? 0)) yield this.#claims.begin(`c${spent.claims}`)
    if (spent.deletions < (this.#scope.may.deletions ?? 0)) yield this.#claims.end(`d${spent.deletions}`)
    const to = this.#scope.alterations[spent.alterations]
    if (to === undefined) return
    const nextKafkaOffset = to === null ? null : kafkaOffset(to)
    yield this.#claims.alter(`a${spent.alterations}`, { nextKafkaOffset, by: 'operator', atMs: 0 })
  }

  *around(shared: Shared): Generator<Happening> {
    const next = (label: string, after: Shared, spends: Event | null = null): Happening => ({
      label,
      shared: after,
      spends,
    })
    const { may } = this.#scope
    if (may.compactions !== undefined) {
      const log = compact(shared.log)
      if (log.length < shared.log.length) yield next('compaction', { ...shared, log }, 'compactions')
    }
    if (may.retentions !== undefined && shared.logStart < this.#scope.records)
      yield next(`retention takes ${shared.logStart}`, { ...shared, logStart: shared.logStart + 1 }, 'retentions')
    if (may.days !== undefined) {
      yield next('more than a day passes', { ...shared, day: shared.day + 1 }, 'days')
      for (const stream of shared.streams)
        if (stream.state !== 'gone' && stream.usedOn < shared.day)
          yield next(`${stream.name} expires`, withStream(shared, { ...stream, state: 'gone' }))
    }
    for (const doubt of shared.doubts) {
      const rows = streamOffset(streamOf(shared, doubt.stream).rows.length)
      const doubts = shared.doubts.filter(d => d !== doubt)
      const stated = append({ ...shared, doubts }, this.#scope, { kind: 'verdict', ...doubt, rows, by: 'operator' })
      yield next(`an operator states ${rows} rows for ${doubt.stream}`, stated)
    }
    if (may.faults !== undefined) yield* this.#faults(shared)
  }

  *#faults(shared: Shared): Generator<Happening> {
    const { log } = shared
    if (this.#rules.fault === 'olderIntentLandsAgain')
      for (const [at, record] of log.entries())
        if (record.kind === 'intent' && log.some((r, i) => i > at && recordKey(r) === recordKey(record)))
          yield {
            label: `${recordKey(record)} of before lands again`,
            shared: append(shared, this.#scope, record),
            spends: 'faults',
          }
    if (this.#rules.fault === 'foreignRow')
      for (const stream of shared.streams)
        if (stream.state === 'open')
          yield {
            label: `somebody else writes to ${stream.name}`,
            shared: withStream(shared, { ...stream, rows: [...stream.rows, FOREIGN] }),
            spends: 'faults',
          }
  }
}

/** A row of no record. */
const FOREIGN = -1
