// What a worker can ask of what all share. Each is done in one moment; equal asks of equal worlds have equal answers.
import {
  type Adoptable,
  type IntervalSet,
  type JournalRecord,
  type KeySpaceState,
  type LaneEvent,
  recordKey,
  type StreamName,
  type StreamOffset,
  streamOffset,
  type TableName,
} from '@millrace/core'
import { append, noteLost, remove, saveLetters, settledMask } from './journal.ts'
import type { Claim, Rules } from './rules.ts'
import type { Scope } from './scope.ts'
import { arrive, createStream, finalize, nowOf, streamOf } from './service.ts'
import type { Log, Request, Shared, Violation } from './world.ts'

export type Ask<A extends object> = { readonly what: object; readonly of: (shared: Shared) => Done<A> }
export type Done<A extends object> = { readonly shared: Shared; readonly answer: A; readonly violation?: Violation }

type Now = { readonly nowMs: number }
/** `log`: what the asker knows of the journal from now on at least, where reads may be stale. */
export type Logged = Now & { readonly log: Log | null }
export type Read = Now & { readonly journal: KeySpaceState }
export type Counted = Now & { readonly rows: StreamOffset | 'gone' }
export type Opened = Now & { readonly stream: StreamName; readonly row: StreamOffset }
export type Arrived = { readonly event: LaneEvent; readonly landed: boolean }

export class Asks {
  readonly #scope: Scope
  readonly #rules: Rules
  readonly #fold: (log: Log) => KeySpaceState
  constructor(scope: Scope, rules: Rules, fold: (log: Log) => KeySpaceState) {
    this.#scope = scope
    this.#rules = rules
    this.#fold = fold
  }

  readonly now: Ask<Now> = { what: { kind: 'now' }, of: shared => ({ shared, answer: { nowMs: nowOf(shared) } }) }

  /** @param known the journal as the reader knows it: it is answered instead of what it has become. */
  read(known: Log | null = null): Ask<Read> {
    return {
      what: { kind: 'read', known },
      of: shared => ({ shared, answer: { nowMs: nowOf(shared), journal: this.#fold(known ?? shared.log) } }),
    }
  }

  /** @param own key of the record that is to be confirmed. */
  isHead({ claimId, epoch }: Claim, own: string, known: Log | null = null): Ask<{ readonly isHead: boolean }> {
    return {
      what: { kind: 'isHead', claimId, epoch, own, known },
      of: shared => ({
        shared,
        answer: { isHead: this.#rules.judgeHead(known ?? shared.log, { claimId, epoch }, own, this.#fold) },
      }),
    }
  }

  append(...records: readonly JournalRecord[]): Ask<Logged> {
    return {
      what: { kind: 'append', records },
      of: shared => {
        const after = append(shared, this.#scope, ...records)
        return { shared: after, answer: { nowMs: nowOf(shared), log: this.#scope.staleReads ? after.log : null } }
      },
    }
  }

  /** Whether the incarnation has ended, and where: what the successor is told. */
  readonly end: Ask<{ readonly isEnded: boolean }> = {
    what: { kind: 'end' },
    of: shared => {
      const progress = this.#rules.endOf(this.#fold(shared.log))
      if (progress === null) return { shared, answer: { isEnded: false } }
      const end = { settled: settledMask(progress, this.#scope.records) }
      const done = { shared: { ...shared, end }, answer: { isEnded: true } }
      return shared.end === null || shared.end.settled === end.settled
        ? done
        : { ...done, violation: { invariant: 'NoDup', what: 'the incarnation ends at two positions' } }
    },
  }

  remove(keys: readonly string[]): Ask<Now> {
    return {
      what: { kind: 'remove', keys },
      of: shared => ({ shared: remove(shared, keys), answer: { nowMs: nowOf(shared) } }),
    }
  }

  /** @param lost said to be lost, in the audit: of what the topic still holds that is not true. */
  saveLetters(epoch: number, letters: IntervalSet, lost: IntervalSet = []): Ask<Now> {
    return {
      what: { kind: 'saveLetters', epoch, letters, lost },
      of: shared => {
        const saved = saveLetters(shared, this.#scope, epoch, letters)
        const done = { shared: noteLost(saved, this.#scope, epoch, lost), answer: { nowMs: nowOf(shared) } }
        return lost.every(({ to }) => to <= shared.logStart)
          ? done
          : { ...done, violation: { invariant: 'NoLoss', what: 'a record is called lost that the topic holds' } }
      },
    }
  }

  /** Where the topic begins by now. */
  readonly logStart: Ask<Now & { readonly logStart: number }> = {
    what: { kind: 'logStart' },
    of: shared => ({ shared, answer: { nowMs: nowOf(shared), logStart: shared.logStart } }),
  }

  open(table: TableName, adoptable: readonly Adoptable[]): Ask<Opened> {
    return {
      what: { kind: 'open', table, adoptable },
      of: shared => {
        const nowMs = nowOf(shared)
        const adopted = adoptable.find(a => streamOf(shared, a.stream).state !== 'gone')
        if (adopted !== undefined) return { shared, answer: { nowMs, stream: adopted.stream, row: adopted.row } }
        const created = createStream(shared, table)
        return { shared: created.shared, answer: { nowMs, stream: created.stream, row: streamOffset(0) } }
      },
    }
  }

  /** @param claim who asks, when it is one that takes over: it has to have been the head. */
  finalize(stream: StreamName, isFinal: boolean, claim: Claim | null): Ask<Counted> {
    return {
      what: { kind: 'finalize', stream, isFinal, claim },
      of: shared => {
        const done = finalize(shared, stream, isFinal)
        const violation = claim === null ? null : wasNeverHead(shared.log, claim.claimId, claim.epoch)
        const answer = { nowMs: nowOf(shared), rows: done.rows }
        return violation === null ? { shared: done.shared, answer } : { shared: done.shared, answer, violation }
      },
    }
  }

  /** Every stream of a recovery still answers the same count. */
  recheck(counts: ReadonlyMap<StreamName, bigint>): Ask<Now> {
    return {
      what: { kind: 'recheck', counts },
      of: shared => {
        let after = shared
        let grown: StreamName | null = null
        for (const [stream, rows] of counts) {
          const again = finalize(after, stream, true)
          after = again.shared
          if (again.rows !== 'gone' && again.rows !== rows) grown = stream
        }
        const done = { shared: after, answer: { nowMs: nowOf(shared) } }
        return grown === null
          ? done
          : { ...done, violation: { invariant: 'Aligned', what: `${grown} grew after it was finalized` } }
      },
    }
  }

  arrive(request: Request): Ask<Arrived> {
    return {
      what: { kind: 'arrive', request },
      of: shared => {
        const { shared: after, event, landed, violation } = arrive(shared, this.#scope, request)
        const done = { shared: after, answer: { event, landed } }
        return violation === null ? done : { ...done, violation }
      },
    }
  }

  /** One after the other, and nobody hears of it. */
  arriveAll(requests: readonly Request[]): Ask<Now> {
    return {
      what: { kind: 'arriveAll', requests },
      of: shared => {
        const after = requests.reduce((before, request) => arrive(before, this.#scope, request).shared, shared)
        return { shared: after, answer: { nowMs: nowOf(shared) } }
      },
    }
  }

  /** IN_DOUBT only where something is: a stream is gone, and with it the count of its rows. */
  doubt(claimId: string, doubts: readonly { readonly stream: StreamName; readonly saw: string }[]): Ask<Now> {
    return {
      what: { kind: 'doubt', claimId, doubts },
      of: shared => {
        const answer = { nowMs: nowOf(shared) }
        const needless = doubts.find(({ stream }) => streamOf(shared, stream).state !== 'gone')
        if (needless !== undefined)
          return {
            shared,
            answer,
            violation: { invariant: 'Aligned', what: `IN_DOUBT though nothing is: ${needless.saw}` },
          }
        const known = new Set(shared.doubts.map(d => d.stream))
        const fresh = doubts.filter(d => !known.has(d.stream)).map(({ stream }) => ({ stream, claimId }))
        return { shared: { ...shared, doubts: [...shared.doubts, ...fresh] }, answer }
      },
    }
  }
}

/** Only a claim that was head some time may end a stream of others; else it hinders whom it cannot replace. */
function wasNeverHead(log: Log, claimId: string, epoch: number): Violation | null {
  const own = log.findIndex(r => recordKey(r) === `claim/${claimId}`)
  if (own < 0) return null // deleted by a later head
  if (!log.some((r, at) => r.kind === 'claim' && at < own && r.epoch >= epoch)) return null
  return { invariant: 'Fenced', what: `${claimId} finalizes a stream of others though it never was the head` }
}
