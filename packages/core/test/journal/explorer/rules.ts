// What the explorer drives: the production functions, and the few duties of the shell around them. A mutant overrides some of these;
// the production code knows nothing of it.
import {
  applyRecord,
  type ClaimEffect,
  EMPTY_KEY_SPACE,
  intentWindow,
  isDeleted,
  isHead,
  type JournalRecord,
  type KeySpaceState,
  knownProgress,
  type LaneState,
  type Progress,
  recordKey,
  settle,
  stepClaim,
  stepLane,
} from '@millrace/core'
import type { Log } from './world.ts'

export type Claim = { readonly claimId: string; readonly epoch: number }

export type Rules = {
  readonly stepClaim: typeof stepClaim
  readonly stepLane: typeof stepLane
  readonly applyRecord: typeof applyRecord
  readonly settle: typeof settle
  /** Whether the claim is the head, as a lane asks. `own`: key of the record it has just logged. */
  readonly judgeHead: (log: Log, claim: Claim, own: string, fold: (log: Log) => KeySpaceState) => boolean
  /** End of what is skipped where the topic begins at `logStart`. */
  readonly lostUpTo: (logStart: number) => number
  /** Where an incarnation that has ended did so; what a successor is told. */
  readonly endOf: (journal: KeySpaceState) => Progress | null
  readonly intentOf: (lane: LaneState, progress: Progress) => JournalRecord
  /** Whether a read the claim asks for is made behind a Barrier. */
  readonly isBehindBarrier: (effect: Extract<ClaimEffect, { kind: 'readToEnd' }>) => boolean
  /** Whether FinalizeWriteStream is called at all, or only the rows are counted. */
  readonly finalizes: { readonly claim: boolean; readonly lane: boolean }
  /** An Intent counts as logged once it is in the journal, or as soon as it is under way. */
  readonly intentIsHeard: 'whenLogged' | 'atOnce'
  /** What an event of kind `faults` does. */
  readonly fault: 'none' | 'olderIntentLandsAgain' | 'intentIsLost' | 'foreignRow'
}

export const PRODUCTION: Rules = {
  stepClaim,
  stepLane,
  applyRecord,
  settle,
  judgeHead: (log, { claimId }, _own, fold) => isHead(fold(log), claimId),
  lostUpTo: logStart => logStart,
  endOf: journal => (isDeleted(journal) ? knownProgress(journal, Number.POSITIVE_INFINITY, null) : null),
  intentOf: (lane, progress) => ({
    kind: 'intent',
    claimId: lane.claimId,
    epoch: lane.epoch,
    stream: lane.stream,
    progress,
    window: intentWindow(lane),
  }),
  isBehindBarrier: effect => effect.barrier,
  finalizes: { claim: true, lane: true },
  intentIsHeard: 'whenLogged',
  fault: 'none',
}

/** Folds a log as these rules do; each log is folded once. */
export function folder(rules: Rules): (log: Log) => KeySpaceState {
  const known = new WeakMap<Log, KeySpaceState>()
  return log => {
    let state = known.get(log)
    if (state === undefined) {
      state = log.reduce<KeySpaceState>(
        (before, record, at) => rules.applyRecord(before, recordKey(record), record, BigInt(at)),
        EMPTY_KEY_SPACE,
      )
      known.set(log, state)
    }
    return state
  }
}
