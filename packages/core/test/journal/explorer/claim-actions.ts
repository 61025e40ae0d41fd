// What a worker can do that claims: each effect of the claim machine, at any moment after it was asked for.
import {
  type Alteration,
  beginClaim,
  type ClaimEffect,
  type ClaimEvent,
  type ClaimState,
  type ClaimStep,
  isSettled,
  type KafkaOffset,
  type KeySpaceState,
  kafkaOffset,
  newLane,
  type StreamName,
  type TableName,
  type WorkerId,
} from '@millrace/core'
import type { Ask, Asks } from './asks.ts'
import { type Doing, doing, type Heard } from './doing.ts'
import type { Rules } from './rules.ts'
import type { Event, Scope } from './scope.ts'
import { tablesOf } from './service.ts'
import type { Claiming, Ending, Log, Over, Running, Slot } from './world.ts'

const WORKER = 'w' as WorkerId
const DAY_MS = 86_400_000
const GONE_PERSISTS_MS = 600_000

export class ClaimActions {
  readonly #scope: Scope
  readonly #rules: Rules
  readonly #asks: Asks
  constructor(scope: Scope, rules: Rules, asks: Asks) {
    this.#scope = scope
    this.#rules = rules
    this.#asks = asks
  }

  /** A worker wants the partition, and reads the journal a first time. */
  begin(claimId: string): Doing {
    return this.#begin(claimId, 'wants the partition', 'claims', this.#claiming(claimId))
  }
  /** An operator's word. */
  alter(claimId: string, alteration: Alteration): Doing {
    const what = `is told to move the position to ${alteration.nextKafkaOffset}`
    return this.#begin(claimId, what, 'alterations', this.#claiming(claimId, alteration))
  }
  /** The connector was deleted. */
  end(claimId: string): Doing {
    return this.#begin(claimId, 'is told to end the incarnation', 'deletions', {
      ...this.#claiming(claimId),
      isEnder: true,
    })
  }

  #claiming(claimId: string, alteration?: Alteration): Claiming {
    const identity = { claimId, workerId: WORKER, generation: 1 }
    const state = beginClaim(alteration === undefined ? identity : { ...identity, alteration })
    return { kind: 'claiming', state, pending: [], acked: this.#scope.staleReads ? [] : null }
  }
  #begin(claimId: string, what: string, spends: Event, me: Claiming): Doing {
    return doing(
      `${claimId} ${what}`,
      this.#asks.read(),
      ({ journal, nowMs }) => this.#step(me, { kind: 'journalRead', journal }, nowMs),
      spends,
    )
  }

  /** As `endIncarnation` of packages/worker goes on once it owns what it ends. */
  ofEnding(me: Ending): Doing {
    const { claimId, epoch, deletes } = me
    if (deletes.length > 0)
      return doing(`${claimId} deletes what is below`, this.#asks.remove(deletes), () => ({
        worker: { ...me, deletes: [] },
      }))
    if (me.isLogged)
      return doing(`${claimId} reads whether it is ended`, this.#asks.end, ({ isEnded }) => ({
        worker: null,
        note: isEnded ? ', which it is' : ', which it is not',
      }))
    const deleted = { kind: 'deleted', claimId, epoch, by: WORKER } as const
    return doing(`${claimId} ends the incarnation`, this.#asks.append(deleted), () => ({
      worker: { ...me, isLogged: true },
    }))
  }

  *of(me: Claiming): Generator<Doing> {
    for (const effect of me.pending) {
      const rest: Claiming = { ...me, pending: me.pending.filter(x => x !== effect) }
      yield* this.#perform(rest, effect)
    }
  }

  *#perform(me: Claiming, effect: ClaimEffect): Generator<Doing> {
    const { claimId, epoch } = me.state as { readonly claimId: string; readonly epoch: number }
    const label = `${claimId} claim: ${effect.kind}`
    const then = <A extends { readonly nowMs: number }>(ask: Ask<A>, event: (answer: A) => ClaimEvent): Doing =>
      doing(label, ask, answer => this.#step(me, event(answer), answer.nowMs))
    switch (effect.kind) {
      case 'readToEnd':
        yield then(this.#asks.read(), ({ journal }) => ({ kind: 'journalRead', journal }))
        if (me.acked !== null && !this.#rules.isBehindBarrier(effect))
          yield {
            ...then(this.#asks.read(me.acked), ({ journal }) => ({ kind: 'journalRead', journal })),
            label: `${label} of what it knew`,
          }
        return
      case 'append':
        yield doing(label, this.#asks.append(effect.record), ({ nowMs, log }) =>
          this.#step(acknowledged(me, log), { kind: 'appended' }, nowMs),
        )
        return
      case 'finalize': {
        const { stream } = effect
        const goneMs = isAskedAgain(me.state, stream) ? GONE_PERSISTS_MS : 0
        yield then(this.#asks.finalize(stream, this.#rules.finalizes.claim, { claimId, epoch }), ({ rows }) =>
          rows === 'gone' ? { kind: 'streamGone', stream, nowMs: goneMs } : { kind: 'finalized', stream, rows },
        )
        return
      }
      case 'pause':
        yield then(this.#asks.now, () => ({ kind: 'pauseOver' }))
        return
      case 'resolveStart':
        throw new Error('It happens at once')
      case 'saveDeadLetters':
        yield then(this.#asks.saveLetters(epoch, effect.offsets, effect.lost), () => ({ kind: 'deadLettersSafe' }))
        return
      case 'deleteKeys':
        // Production deletes with the last step only; a mutant may do so before.
        yield doing(label, this.#asks.remove(effect.keys), () => ({ worker: me }))
    }
  }

  #step(me: Claiming, event: ClaimEvent, nowMs: number): Heard {
    let step: ClaimStep
    try {
      step = this.#rules.stepClaim(me.state, event)
    } catch (error) {
      return { worker: null, violation: { invariant: 'Progress', what: String(error) } }
    }
    const { state, effects } = step
    const deletes = effects.flatMap(x => (x.kind === 'deleteKeys' ? x.keys : []))
    const over: Over = { kind: 'over', deletes, lingering: [], doubt: null }
    switch (state.kind) {
      case 'fenced': {
        const note = ', and is fenced'
        if (me.isEnder !== true || !state.deleted) return { worker: null, note }
        return { worker: { kind: 'ending', claimId: '', epoch: 0, deletes: [], isLogged: true }, note }
      }
      case 'altered':
        return { worker: deletes.length === 0 ? null : over }
      case 'inDoubt': {
        const { claimId } = me.state as { readonly claimId: string }
        const worker = { ...over, doubt: { claimId, doubts: state.doubts } }
        const known =
          event.kind === 'journalRead' ? state.doubts.find(d => !isOpen(event.journal, d.stream)) : undefined
        if (known === undefined) return { worker }
        return { worker, violation: { invariant: 'Aligned', what: `IN_DOUBT though nothing is: ${known.saw}` } }
      }
      case 'owning': {
        const { claimId, epoch } = state.ownership
        if (me.isEnder === true) return { worker: { kind: 'ending', claimId, epoch, deletes, isLogged: false } }
        return { worker: this.#owner(state, deletes, me.acked, nowMs) }
      }
      case 'resolvingStart': // nothing of it is shared: it happens at once
        return this.#step({ ...me, state }, { kind: 'startResolved', start: kafkaOffset(0) }, nowMs)
      default:
        return { worker: { ...me, state, pending: [...me.pending, ...effects] } }
    }
  }

  #owner(
    { ownership }: Extract<ClaimState, { kind: 'owning' }>,
    deletes: readonly string[],
    acked: Log | null,
    nowMs: number,
  ): Running {
    const { claimId, epoch, progress, finalized } = ownership
    const lane = (table: TableName | null): Slot => {
      const adoptable = ownership.adoptable.filter(a => a.table === table && nowMs - a.releasedAtMs < DAY_MS)
      return { state: newLane({ table, claimId, epoch, adoptable }), pending: [], wire: [] }
    }
    return {
      kind: 'running',
      claimId,
      epoch,
      progress,
      finalized,
      deletes,
      lanes: [...tablesOf(this.#scope), null].map(lane),
      lingering: [],
      isUnsettled: false,
      acked,
    }
  }
}

/** From now on no read of its own is older than this. */
export const acknowledged = <W extends Claiming | Running>(me: W, log: Log | null): W =>
  log === null ? me : { ...me, acked: log }

const isAskedAgain = (state: ClaimState, stream: StreamName): boolean =>
  'goneSinceMs' in state && state.goneSinceMs.has(stream)

/** Whether a row was laid out on the stream that nothing in the journal calls settled. */
function isOpen(journal: KeySpaceState, stream: StreamName): boolean {
  const known = [...journal.settled.values(), ...journal.releases.values(), ...journal.intents.values()]
  const isUnsettled = (offset: KafkaOffset): boolean =>
    known.every(({ progress }) => progress === null || !isSettled(progress, offset))
  return [...journal.intents.values()].some(
    intent => intent.stream === stream && intent.window.some(batch => batch.rows.some(({ from }) => isUnsettled(from))),
  )
}
