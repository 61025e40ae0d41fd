// One partition in small: what all share (journal, tables, dead letters) and who believes to own it. All values are immutable.
import type {
  ClaimEffect,
  ClaimState,
  Doubt,
  JournalRecord,
  LaneEffect,
  LaneEvent,
  LaneState,
  Progress,
  StreamName,
  TableName,
} from '@millrace/core'

export type Log = readonly JournalRecord[]
export type Shared = {
  readonly log: Log
  readonly streams: readonly Stream[]
  readonly eras: readonly [Era, ...Era[]]
  readonly day: number
  /** Records below it are no longer in the topic. */
  readonly logStart: number
  /** Streams a claim or a lane ended IN_DOUBT for: an operator may state a Verdict. */
  readonly doubts: readonly { readonly claimId: string; readonly stream: StreamName }[]
  /** Where the incarnation ended, as whoever ended it read: a mask of what is settled. Its successor delivers the rest. */
  readonly end: { readonly settled: number } | null
}

export type Stream = {
  readonly name: StreamName
  readonly table: TableName
  /** Records in it, in order. */
  readonly rows: readonly number[]
  readonly state: 'open' | 'finalized' | 'gone'
  readonly usedOn: number
}

/**
 * An era begins where an operator's word lands: from then on every record from `at` is delivered exactly once *again*, and none
 * below, whatever was delivered before. Letters belong to the era of their claim: an old one may be copied late.
 */
export type Era = {
  readonly at: number
  /** Of the claim that moved the position; 0 in the first era. */
  readonly epoch: number
  /** How often each record was in the tables by then. */
  readonly rowsBefore: readonly number[]
  /** Bit masks. Letters of this era's claims · drops that an Intent states · drops that the head has settled: final. */
  readonly letters: number
  readonly dropsLogged: number
  readonly dropped: number
  /** Said to be lost, in the audit. */
  readonly lost: number
}

/** An AppendRows request. `answer`: it arrived, and its sender has not heard of it yet. */
export type Request = {
  readonly stream: StreamName
  readonly claimId: string
  readonly batchId: number
  readonly firstRow: number
  readonly records: readonly number[]
}
export type Sent = { readonly request: Request; readonly answer: LaneEvent | null }

/** An effect under way. `record`: what it appends, composed when it began · `answer`: it is done, and not heard of yet. */
export type Pending = {
  readonly effect: LaneEffect
  readonly record: JournalRecord | null
  readonly answer: LaneEvent | null
}
export type Slot = { readonly state: LaneState; readonly pending: readonly Pending[]; readonly wire: readonly Sent[] }

/** `lingering`: what broken connections carried, oldest first; it may land for as long as its stream takes rows. */
export type Worker = Claiming | Running | Ending | Over
export type Claiming = {
  readonly kind: 'claiming'
  readonly state: ClaimState
  readonly pending: readonly ClaimEffect[]
  /** The journal when its own last record was acknowledged, where reads may be that stale. */
  readonly acked: Log | null
  /** It claims to end the incarnation, and delivers nothing. */
  readonly isEnder?: true
}
/** It owns what it is to end. `isLogged`: it said so, and is about to read whether that counts. */
export type Ending = {
  readonly kind: 'ending'
  readonly claimId: string
  readonly epoch: number
  readonly deletes: readonly string[]
  readonly isLogged: boolean
}
export type Running = {
  readonly kind: 'running'
  readonly claimId: string
  readonly epoch: number
  readonly progress: Progress
  readonly finalized: ReadonlyMap<StreamName, bigint>
  readonly deletes: readonly string[]
  readonly lanes: readonly Slot[]
  readonly lingering: readonly (readonly Request[])[]
  /** Intents since the last Settled. */
  readonly isUnsettled: boolean
  readonly acked: Log | null
}
export type Over = {
  readonly kind: 'over'
  /** It ended so, and is about to say it. */
  readonly doubt: { readonly claimId: string; readonly doubts: readonly Doubt[] } | null
  readonly deletes: readonly string[]
  readonly lingering: readonly (readonly Request[])[]
}

export const INVARIANTS = [
  'NoDup',
  'NoLoss',
  'OneOutcome',
  'NoOrphanRows',
  'IntentFirst',
  'Fenced',
  'Aligned',
  'Progress',
  'LaneInvariants',
  'CompactionBlind',
] as const
export type Invariant = (typeof INVARIANTS)[number]
export type Violation = { readonly invariant: Invariant; readonly what: string }

export const bit = (record: number): number => 1 << record

/** How often each record is in the tables. */
export function timesOf(streams: Shared['streams'], records: number): readonly number[] {
  const times = new Array<number>(records).fill(0)
  for (const { rows } of streams) for (const r of rows) if (r >= 0) times[r] = (times[r] ?? 0) + 1
  return times
}
