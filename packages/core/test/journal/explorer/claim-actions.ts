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
import type { Scope } from './scope.ts'
import { tablesOf } from './service.ts'
import type { Claiming, Log, Over, Running, Slot } from './world.ts'

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
  begin(claimId: string, alteration?: Alteration): Doing {
    const identity = { claimId, workerId: WORKER, generation: 1 }
    const following = beginClaim(alteration === undefined ? identity : { ...identity, alteration })
    const me: Claiming = { kind: 'claiming', state: following, pending: [], acked: this.#scope.staleReads ? [] : null }
    const [what, spends] =
      alteration === undefined
        ? (['wants the partition', 'claims'] as const)
        : ([`is told to move the position to ${alteration.nextKafkaOffset}`, 'alterations'] as const)
    return doing(
      `${claimId} ${what}`,
      this.#asks.read(),
      ({ journal, nowMs }) => this.#step(me, { kind: 'journalRead', journal }, nowMs),
      spends,
    )
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
        yield then(this.#asks.saveLetters(epoch, effect.offsets), () => ({ kind: 'deadLettersSafe' }))
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
      case 'fenced':
        return { worker: null, note: ', and is fenced' }
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
      case 'owning':
        return { worker: this.#owner(state, deletes, me.acked, nowMs) }
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
