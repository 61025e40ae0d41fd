// The rules of journal.md, each broken on purpose in one way, and the invariant that shows it. A mutant overrides a production
// function by what goes in or what comes out, or a duty of the shell around it; the explorer must catch every one of them.
import {
  type ClaimEffect,
  type ClaimState,
  type ClaimStep,
  type IntentRecord,
  isHead,
  type KeySpaceState,
  kafkaOffset,
  keysBelow,
  type LaneEvent,
  type LaneState,
  type LaneStep,
  type OpenRecord,
  type PlacedBatch,
  type ReleaseRecord,
  recordKey,
  startAt,
  streamOffset,
} from '@millrace/core'
import { PRODUCTION, type Rules } from './rules.ts'
import { SCOPE, type Scope } from './scope.ts'
import type { Invariant } from './world.ts'

export type Mutant = {
  /** What it does wrong. */
  readonly does: string
  readonly caughtBy: Invariant
  readonly rules: Partial<Rules>
  readonly scope: Scope
}

const { stepClaim, stepLane } = PRODUCTION
const ROWS: Scope = { ...SCOPE, outcomes: ['row'] }
const TWO: Scope = { ...ROWS, records: 2 }
const THREE: Scope = { ...SCOPE, workers: 3, may: { claims: 3 } }
/** Nothing has a table: letters and drops only, which is small enough for many claims. */
const STREAMLESS: Scope = {
  ...SCOPE,
  workers: 3,
  tables: 0,
  outcomes: ['dead', 'drop'],
  idleSettled: true,
  may: { claims: 3 },
}
/** Somebody has delivered the first record and released. */
const AFTER: Scope = { ...ROWS, hasHistory: true, may: { claims: 3 } }
const ALONE: Scope = { ...TWO, workers: 1, may: { claims: 1, breaks: 1 } }

// ── ways to break a machine ──

/** A claim that takes what it should have told outside for told. */
const nothingTold: Rules['stepClaim'] = (state, event) => {
  const step = stepClaim(state, event)
  return step.state.kind === 'savingDeadLetters' ? stepClaim(step.state, { kind: 'deadLettersSafe' }) : step
}

type Reading = Extract<ClaimState['kind'], 'confirming' | 'folding' | 'confirmingLetters' | 'confirmingSettled'>
/** A claim that takes the journal, read in one of these states, for another. */
const misread =
  (
    kinds: readonly Reading[],
    change: (journal: KeySpaceState, state: ClaimState) => KeySpaceState,
  ): Rules['stepClaim'] =>
  (state, event) =>
    event.kind === 'journalRead' && kinds.some(kind => kind === state.kind)
      ? stepClaim(state, { ...event, journal: change(event.journal, state) })
      : stepClaim(state, event)
/** A lane that is told another event, in another state. */
const mistold =
  (change: (event: LaneEvent, state: LaneState) => LaneEvent): Rules['stepLane'] =>
  (state, event) =>
    stepLane(state, change(event, state))
const inState =
  (change: (state: LaneState, event: LaneEvent) => LaneState): Rules['stepLane'] =>
  (state, event) =>
    stepLane(change(state, event), event)
const withBatches = (state: LaneState, change: (batch: PlacedBatch) => PlacedBatch): LaneState => ({
  ...state,
  window: state.window.map(change),
})
const tight = (state: LaneState): LaneState => withBatches(state, batch => ({ ...batch, loose: false }))

/** What a claim read when it was confirmed is carried in its state. */
type Carrying = ClaimState & { readonly early?: KeySpaceState }

const only = <V>(map: ReadonlyMap<string, V>, keep: (value: V) => boolean): ReadonlyMap<string, V> =>
  new Map([...map].filter(([, value]) => keep(value)))
const changed = <V>(map: ReadonlyMap<string, V>, change: (value: V) => V): ReadonlyMap<string, V> =>
  new Map([...map].map(([key, value]) => [key, change(value)]))
const epochOf = (state: ClaimState): number => ('epoch' in state ? state.epoch : 0)
const refusalOf = (event: LaneEvent): string => (event.kind === 'refused' ? event.refusal.kind : '')

/** Head checks of a lane on the log up to its own record, or to where that was before a successor deleted it. */
const upToOwn =
  (prefix: string): Rules['judgeHead'] =>
  (log, claim, own, fold) => {
    if (!own.startsWith(prefix)) return PRODUCTION.judgeHead(log, claim, own, fold)
    const at = log.findLastIndex(record => recordKey(record) === own)
    return !log.slice(0, at + 1).some(record => record.kind === 'claim' && record.epoch > claim.epoch)
  }

/** Opens without a Release of their own get one. */
const asReleased = (
  journal: KeySpaceState,
  rowOf: (open: OpenRecord) => { readonly row: bigint; readonly like: Pick<ReleaseRecord, 'progress'> } | null,
): KeySpaceState => {
  const releases = new Map(journal.releases)
  for (const open of journal.opens.values()) {
    const key = `release/${open.claimId}/${open.stream}`
    const known = releases.has(key) ? null : rowOf(open)
    if (known !== null)
      releases.set(key, {
        kind: 'release',
        claimId: open.claimId,
        epoch: open.epoch,
        stream: open.stream,
        row: streamOffset(known.row),
        progress: known.like.progress,
        releasedAtMs: 0,
      })
  }
  return { ...journal, releases }
}
const endOf = ({ window }: IntentRecord): bigint =>
  window.reduce(
    (end, { firstRow, rowCount }) => (firstRow + BigInt(rowCount) > end ? firstRow + BigInt(rowCount) : end),
    0n,
  )

export const MUTANTS: Readonly<Record<string, Mutant>> = {
  // ── taking over ──
  claimUnconfirmed: {
    does: 'a claim goes on without looking whether it is the head',
    caughtBy: 'Fenced',
    rules: {
      stepClaim: misread(['confirming'], (journal, state) => ({
        ...journal,
        claims: only(
          journal.claims,
          c => c.epoch < epochOf(state) || c.claimId === ('claimId' in state ? state.claimId : ''),
        ),
      })),
    },
    scope: { ...THREE, outcomes: ['row'] },
  },
  lastOfEquals: {
    does: 'among claims of one epoch the last is the head',
    caughtBy: 'NoDup',
    rules: {
      stepClaim: misread(['confirming', 'folding', 'confirmingSettled'], lastOfEquals),
      judgeHead: (log, { claimId }, _own, fold) => isHead(lastOfEquals(fold(log)), claimId),
    },
    scope: ROWS,
  },
  noFinalize: {
    does: 'recovery reads the row count without finalizing',
    caughtBy: 'NoDup',
    rules: { finalizes: { claim: false, lane: true } },
    scope: SCOPE,
  },
  adoptDirty: {
    does: 'a successor adopts a stream that was not released',
    caughtBy: 'NoLoss',
    rules: {
      stepClaim: misread(['confirming', 'folding'], journal =>
        asReleased(journal, open => {
          const intent = journal.intents.get(`intent/${open.claimId}/${open.stream}`)
          return intent === undefined ? null : { row: endOf(intent), like: intent }
        }),
      ),
    },
    scope: TWO,
  },
  adoptReopened: {
    does: 'a stream that was released once is adopted although somebody opened it again',
    caughtBy: 'OneOutcome',
    rules: {
      stepClaim: misread(['confirming', 'folding'], journal =>
        asReleased(journal, open => {
          const other = [...journal.releases.values()].find(release => release.stream === open.stream)
          return other === undefined ? null : { row: other.row, like: other }
        }),
      ),
    },
    scope: { ...AFTER, outcomes: ['row', 'dead'], records: 2 },
  },
  foldEarly: {
    does: 'recovery folds the journal as it stood before the streams were finalized',
    caughtBy: 'Aligned',
    rules: { stepClaim: foldingEarly },
    scope: SCOPE,
  },
  noBarrier: {
    does: 'recovery reads the journal without a Barrier',
    caughtBy: 'Aligned',
    rules: { isBehindBarrier: () => false },
    scope: { ...ROWS, staleReads: true },
  },
  foldUnheaded: {
    does: 'recovery folds, and produces logged dead letters again, though a higher claim is in the log',
    caughtBy: 'OneOutcome',
    rules: {
      stepClaim: misread(['folding', 'confirmingLetters'], (journal, state) => ({
        ...journal,
        claims: only(journal.claims, claim => claim.epoch <= epochOf(state)),
      })),
    },
    scope: STREAMLESS,
  },
  settledByPosition: {
    does: 'the base is the last Settled in the log, not the one with the highest epoch',
    caughtBy: 'NoLoss',
    rules: { stepClaim: misread(['confirming', 'folding'], settledByPosition) },
    scope: { ...AFTER, workers: 3, alterations: [0] },
  },
  foldAllIntents: {
    does: 'recovery folds every Intent, not only the last of each stream',
    caughtBy: 'NoLoss',
    rules: {
      applyRecord: (state, key, record, at) =>
        record?.kind === 'intent'
          ? { ...state, intents: new Map(state.intents).set(`${key}#${at}`, record) }
          : PRODUCTION.applyRecord(state, key, record, at),
    },
    scope: { ...TWO, bad: 1, lazyCompaction: true },
  },
  streamlessForgotten: {
    does: 'recovery ignores what was logged while nothing had a stream',
    caughtBy: 'OneOutcome',
    rules: {
      stepClaim: misread(['folding'], journal => ({
        ...journal,
        intents: only(journal.intents, intent => intent.stream !== null),
      })),
    },
    scope: SCOPE,
  },
  countsMixed: {
    does: 'the row count of one stream is taken for that of all',
    caughtBy: 'NoLoss',
    rules: {
      stepClaim: (state, event) => {
        if (state.kind !== 'folding') return stepClaim(state, event)
        const most = [...state.counts.values()].reduce<bigint>((max, n) => (n !== 'gone' && n > max ? n : max), 0n)
        return stepClaim({ ...state, counts: new Map([...state.counts].map(([s]) => [s, streamOffset(most)])) }, event)
      },
    },
    scope: { ...TWO, may: { claims: 2, tableChanges: 1 } },
  },
  boundaryWithoutRow: {
    does: 'recovery does not accept the row at which a stream was adopted as a batch boundary',
    caughtBy: 'Aligned',
    rules: {
      stepClaim: misread(['folding'], journal => ({
        ...journal,
        opens: changed(journal.opens, open => ({ ...open, row: streamOffset(0) })),
      })),
    },
    scope: { ...AFTER, records: 2 },
  },
  goneIsEmpty: {
    does: 'a stream that is not found counts as empty',
    caughtBy: 'NoDup',
    rules: {
      stepClaim: (state, event) =>
        stepClaim(
          state,
          event.kind === 'streamGone' ? { kind: 'finalized', stream: event.stream, rows: streamOffset(0) } : event,
        ),
    },
    scope: { ...ROWS, may: { claims: 2, days: 1 } },
  },
  lettersNotSavedAgain: {
    does: 'recovery settles logged dead letters without producing them',
    caughtBy: 'NoLoss',
    rules: {
      stepClaim: nothingTold,
    },
    scope: SCOPE,
  },
  deleteBeforeSettled: {
    does: 'what is below is deleted before Settled is in the log',
    caughtBy: 'NoDup',
    rules: {
      stepClaim: (state, event) => {
        const step = stepClaim(state, event)
        if (step.state.kind !== 'settling') return step
        const early: ClaimEffect = { kind: 'deleteKeys', keys: keysBelow(step.state.journal, step.state.epoch) }
        return { state: step.state, effects: [...step.effects, early] }
      },
    },
    scope: AFTER,
  },

  // ── opening ──
  noOpenCheck: {
    does: 'appends start without reading the Open back',
    caughtBy: 'NoDup',
    rules: { stepLane: mistold(event => (event.kind === 'openConfirmed' ? { ...event, isHead: true } : event)) },
    scope: SCOPE,
  },
  openUpToOwn: {
    does: 'an Open is judged on the log up to itself instead of the end of the log',
    caughtBy: 'NoDup',
    rules: { judgeHead: upToOwn('open/') },
    scope: { ...ROWS, workers: 3, releases: false, may: { claims: 3 } },
  },

  // ── delivering ──
  intentAfterAppend: {
    does: 'rows are sent before their Intent is durable',
    caughtBy: 'Aligned',
    rules: { intentIsHeard: 'atOnce' },
    scope: SCOPE,
  },
  openUnlogged: {
    does: 'a stream is used without an Open of it',
    caughtBy: 'NoOrphanRows',
    rules: { stepLane: openingUnlogged },
    scope: { ...ROWS, workers: 1, may: { claims: 1 } },
  },
  progressForgotten: {
    does: 'an Intent does not repeat what its claim has settled',
    caughtBy: 'NoDup',
    rules: { intentOf: lane => PRODUCTION.intentOf(lane, startAt(kafkaOffset(0))) },
    scope: TWO,
  },
  noLetterCheck: {
    does: 'a dead letter is produced without reading its Intent back',
    caughtBy: 'OneOutcome',
    rules: { stepLane: mistold(event => (event.kind === 'intentConfirmed' ? { ...event, isHead: true } : event)) },
    scope: SCOPE,
  },
  letterUpToOwn: {
    does: 'a dead letter is judged on the log up to its Intent instead of the end of the log',
    caughtBy: 'OneOutcome',
    rules: { judgeHead: upToOwn('intent/') },
    scope: STREAMLESS,
  },
  letterUnlogged: {
    does: 'a dead letter is produced before its Intent is in the log',
    caughtBy: 'OneOutcome',
    rules: {
      stepLane: (state, event) => {
        const step = stepLane(state, event)
        if (event.kind !== 'batch' || event.batch.dead.length === 0) return step
        const { id: batchId, dead } = event.batch
        return { state: step.state, effects: [...step.effects, { kind: 'saveDeadLetters', batchId, dead }] }
      },
    },
    scope: SCOPE,
  },
  frontierOverHole: {
    does: 'the frontier moves past records that are not settled',
    caughtBy: 'NoLoss',
    rules: {
      settle: (progress, done) => {
        const ends = [progress.frontier, ...done.map(range => range.to)].map(Number)
        return { ...progress, frontier: kafkaOffset(Math.max(...ends)) }
      },
    },
    scope: { ...SCOPE, records: 2, workers: 1, may: { claims: 1 } },
  },
  windowOutOfOrder: {
    does: 'after OUT_OF_RANGE the window is sent in another order than its Intent says',
    caughtBy: 'NoLoss',
    rules: { stepLane: reordering },
    scope: { ...TWO, may: { claims: 2, refusals: 1 } },
  },
  looseRelayout: {
    does: 'a batch is laid out again at an offset where an unanswered copy may still land',
    caughtBy: 'NoDup',
    rules: {
      stepLane: inState((state, event) =>
        state.kind === 'draining' || refusalOf(event) === 'rowErrors' ? tight(state) : state,
      ),
    },
    scope: { ...ALONE, bad: 1 },
  },
  refusalEndsLoose: {
    does: 'a refusal of a later copy counts as the answer to an earlier one',
    caughtBy: 'NoDup',
    rules: {
      stepLane: inState((state, event) =>
        event.kind === 'refused'
          ? withBatches(state, b => (b.id === event.batchId ? { ...b, loose: false } : b))
          : state,
      ),
    },
    scope: { ...ALONE, bad: 1 },
  },
  looseNotBelieved: {
    does: 'ALREADY_EXISTS is not believed although a copy may have landed',
    caughtBy: 'Progress',
    rules: { stepLane: inState((state, event) => (refusalOf(event) === 'alreadyExists' ? tight(state) : state)) },
    scope: ALONE,
  },
  firstCopyBelieved: {
    does: 'ALREADY_EXISTS is believed on a first copy: the row is of somebody else',
    caughtBy: 'NoLoss',
    rules: {
      fault: 'foreignRow',
      stepLane: inState((state, event) =>
        refusalOf(event) === 'alreadyExists' ? withBatches(state, batch => ({ ...batch, loose: true })) : state,
      ),
    },
    scope: { ...ROWS, workers: 1, may: { claims: 1, faults: 1 } },
  },
  splitUnlogged: {
    does: 'what is laid out again after a refused row is sent under the old Intent',
    caughtBy: 'NoLoss',
    rules: { stepLane: splittingUnlogged },
    scope: { ...TWO, bad: 1 },
  },
  rebindUnfinalized: {
    does: 'batches move to another stream without finalizing the old one',
    caughtBy: 'NoDup',
    rules: { finalizes: { claim: true, lane: false } },
    scope: { ...ALONE, may: { claims: 1, breaks: 1, tableChanges: 1 } },
  },
  oldStreamForgotten: {
    does: 'Open and Intent of a stream that was left are deleted before Settled is in the log',
    caughtBy: 'NoDup',
    rules: {
      stepLane: (state, event) => {
        const step = stepLane(state, event)
        if (step.state.kind !== 'settling' || state.kind === 'settling') return step
        return { state: step.state, effects: [...step.effects, { kind: 'deleteKeys', keys: step.state.obsoleteKeys }] }
      },
    },
    scope: { ...TWO, may: { claims: 2, tableChanges: 1 } },
  },

  // ── moving the position ──
  lateAlterationCounts: {
    does: 'an alteration counts although a higher claim stands before it in the log',
    caughtBy: 'NoDup',
    rules: {
      stepClaim: misread(['folding'], journal => ({
        ...journal,
        settled: changed(journal.settled, ({ altered: _, ...settled }) => settled),
      })),
    },
    scope: { ...AFTER, workers: 2, alterations: [0], may: { claims: 2 } },
  },
  alterationUnfinalized: {
    does: 'an alteration leaves the streams of the old claim open',
    caughtBy: 'NoDup',
    rules: {
      stepClaim: (state, event) =>
        'alteration' in state && state.alteration !== undefined && event.kind === 'journalRead'
          ? stepClaim(state, { ...event, journal: { ...event.journal, opens: new Map() } })
          : stepClaim(state, event),
    },
    scope: { ...ROWS, alterations: [0], may: { claims: 2 } },
  },

  // ── offsets that the topic lost ──
  lostPastStart: {
    does: 'what is called lost does not stop at the first offset that exists',
    caughtBy: 'NoLoss',
    rules: { lostUpTo: logStart => logStart + 1 },
    scope: { ...TWO, workers: 1, may: { claims: 1, retentions: 1 } },
  },
  lossNotAuditedAgain: {
    does: 'recovery settles a logged loss that nobody may have audited',
    caughtBy: 'NoLoss',
    rules: {
      stepClaim: nothingTold,
    },
    scope: { ...ROWS, may: { claims: 2, retentions: 1 } },
  },
  lossForgotten: {
    does: 'what was lost is settled like a drop, without a mark',
    caughtBy: 'NoLoss',
    rules: { settle: (progress, done) => PRODUCTION.settle(progress, done) },
    scope: { ...ROWS, workers: 1, idleSettled: true, may: { claims: 1, retentions: 1 } },
  },
  lossUnchecked: {
    does: 'a loss is audited without reading its Intent back',
    caughtBy: 'OneOutcome',
    rules: { stepLane: mistold(event => (event.kind === 'intentConfirmed' ? { ...event, isHead: true } : event)) },
    scope: { ...ROWS, may: { claims: 2, retentions: 1 } },
  },

  // ── the end of an incarnation ──
  lateDeletionCounts: {
    does: 'a Deleted counts although a higher claim stands before it in the log',
    caughtBy: 'NoDup',
    rules: {
      applyRecord: (state, key, record, at) =>
        PRODUCTION.applyRecord(state, key, record, record?.kind === 'deleted' ? -1n : at),
    },
    scope: { ...ROWS, may: { claims: 1, deletions: 1 } },
  },
  deletionUnheeded: {
    does: 'a claim does not look whether its incarnation has ended',
    caughtBy: 'NoDup',
    rules: {
      stepClaim: (state, event) =>
        event.kind === 'journalRead'
          ? stepClaim(state, { ...event, journal: undeleted(event.journal) })
          : stepClaim(state, event),
      judgeHead: (log, { claimId }, _own, fold) => isHead(undeleted(fold(log)), claimId),
    },
    scope: { ...ROWS, may: { claims: 1, deletions: 1 } },
  },
  endUnfinalized: {
    does: 'who ends an incarnation leaves the streams of its owner open',
    caughtBy: 'NoDup',
    rules: { finalizes: { claim: false, lane: true } },
    scope: { ...ROWS, may: { claims: 1, deletions: 1 } },
  },
  endAtFrontier: {
    does: 'the successor is told the frontier alone, not what is settled beyond it',
    caughtBy: 'OneOutcome',
    rules: {
      endOf: journal => {
        const end = PRODUCTION.endOf(journal)
        return end === null ? null : startAt(end.frontier)
      },
    },
    scope: { ...SCOPE, records: 2, may: { claims: 1, deletions: 1 } },
  },

  // ── a journal that breaks its own promise ──
  firstIntentKept: {
    does: 'of several Intents with one key the first counts, which compaction removes',
    caughtBy: 'CompactionBlind',
    rules: {
      applyRecord: (state, key, record, at) =>
        state.intents.has(key) && record !== null ? state : PRODUCTION.applyRecord(state, key, record, at),
    },
    scope: { ...TWO, workers: 1, lazyCompaction: true, may: { claims: 1 } },
  },
  lateDup: {
    does: 'an older Intent lands again behind a newer one (rule W: one idempotent produce in flight)',
    caughtBy: 'Aligned',
    rules: { fault: 'olderIntentLandsAgain' },
    scope: { ...TWO, releases: false, lazyCompaction: true, may: { claims: 2, faults: 1 } },
  },
  seqReuse: {
    does: 'an Intent is acknowledged and not stored (rule W: a producer id is thrown away with an unknown outcome)',
    caughtBy: 'OneOutcome',
    rules: { fault: 'intentIsLost' },
    scope: { ...SCOPE, may: { claims: 2, faults: 1 } },
  },
  rowCheckSkipped: {
    does: 'the same, and recovery takes any row count for a boundary: nobody is asked any more',
    caughtBy: 'NoDup',
    rules: {
      fault: 'intentIsLost',
      stepClaim: misread(['folding'], (journal, state) => {
        const opens = new Map(journal.opens)
        const [like] = opens.values()
        if (like !== undefined && 'counts' in state)
          for (const [stream, row] of state.counts)
            if (row !== 'gone') opens.set(`any/${stream}`, { ...like, epoch: -1, stream, row })
        return { ...journal, opens }
      }),
    },
    scope: { ...ROWS, may: { claims: 2, faults: 1 } },
  },
}

const undeleted = (journal: KeySpaceState): KeySpaceState => ({ ...journal, deletions: new Map() })

function lastOfEquals(journal: KeySpaceState): KeySpaceState {
  const claims = [...journal.claims.values()]
  const hasLater = (epoch: number, at: bigint): boolean => claims.some(c => c.epoch === epoch && c.journalOffset > at)
  return { ...journal, claims: only(journal.claims, c => !hasLater(c.epoch, c.journalOffset)) }
}

function settledByPosition(journal: KeySpaceState, state: ClaimState): KeySpaceState {
  const below = [...journal.settled.values()].filter(s => s.epoch < epochOf(state))
  const last = Math.max(...below.map(s => Number(s.journalOffset)))
  return { ...journal, settled: only(journal.settled, s => Number(s.journalOffset) === last) }
}

function foldingEarly(state: Carrying, event: Parameters<typeof stepClaim>[1]): ClaimStep {
  if (event.kind !== 'journalRead') return stepClaim(state, event)
  if (state.kind === 'folding' && state.early !== undefined) {
    const { claims } = event.journal
    return stepClaim(state, { ...event, journal: { ...state.early, claims } })
  }
  const step = stepClaim(state, event)
  if (state.kind !== 'confirming' || step.state.kind === 'fenced') return step
  const carrying: Carrying = { ...step.state, early: event.journal }
  return { state: carrying, effects: step.effects }
}

function reordering(state: LaneState, event: LaneEvent): LaneStep {
  const step = stepLane(state, event)
  if (refusalOf(event) !== 'outOfRange' || step.state.kind === 'ended') return step
  let nextRow = step.state.window[0]?.firstRow ?? step.state.nextRow
  const window = step.state.window.toReversed().map(batch => {
    const firstRow = nextRow
    nextRow = streamOffset(nextRow + BigInt(batch.rowCount))
    return { ...batch, firstRow }
  })
  return { state: { ...step.state, window }, effects: step.effects }
}

function openingUnlogged(state: LaneState, event: LaneEvent): LaneStep {
  const step = stepLane(state, event)
  if (event.kind !== 'streamReady') return step
  const confirming = stepLane(step.state, { kind: 'openLogged' })
  return stepLane(confirming.state, { kind: 'openConfirmed', isHead: true })
}

function splittingUnlogged(state: LaneState, event: LaneEvent): LaneStep {
  const step = stepLane(state, event)
  if (event.kind !== 'split' || !step.effects.some(effect => effect.kind === 'logIntent')) return step
  const after = stepLane(step.state, { kind: 'intentLogged' })
  return { state: after.state, effects: [...step.effects.filter(e => e.kind !== 'logIntent'), ...after.effects] }
}
