// Taking over a partition (journal.md, steps 1–3): claim, learn what landed, make dead letters safe, settle. A pure machine.
// Invariants: Fenced (every judgement on a journal read to its end with the own Claim as head), Aligned, OneOutcome.
// SPEC.md beside this file has the states, events and the test of each cell.
import { assert, assertNever, MillraceError } from '../errors/error.ts'
import type { KafkaOffset, StreamName, StreamOffset, TableName, WorkerId } from '../ids.ts'
import { EMPTY, type IntervalSet, union } from '../interval-set.ts'
import { headClaim, isDeleted, isHead, type KeySpaceState, keysBelow } from './key-space.ts'
import { settle, startAt, statedLost } from './progress.ts'
import type { IntentBatch, JournalRecord, Progress } from './records.ts'
import {
  fold,
  isAligned,
  isForgotten,
  knownProgress,
  needsStart,
  nothingOpen,
  openRows,
  planStreams,
  type Restated,
  type RowCounts,
  restate,
  verdictFor,
} from './recovery.ts'

/** How long a row count outside every batch boundary is asked again before it counts as doubt: stale counts settle in ~5 s. */
const MISALIGNED_RETRY_MS = 2_000
const MISALIGNED_ATTEMPTS = 5
/** STREAM_NOT_FOUND with batches open must persist this long before it counts as doubt. */
const GONE_RETRY_MS = 10_000
const GONE_PERSISTS_MS = 600_000
/** The same where a request waits for the answer: asking for a verdict too early costs an operator a look, and no record. */
const GONE_RETRY_AWAITED_MS = 1_000
const GONE_PERSISTS_AWAITED_MS = 5_000

export type ClaimIdentity = {
  readonly claimId: string
  readonly workerId: WorkerId
  /** Config generation the claim works under. */
  readonly generation: number
  /** Somebody waits for the end of the claim: what is in doubt is told in seconds. */
  readonly isAwaited?: true
  /** The claim is made to move the position: it ends as `altered` and delivers nothing. */
  readonly alteration?: Alteration
}

/** An operator's word (PATCH and DELETE of offsets). null: the position is forgotten. */
export type Alteration = {
  readonly nextKafkaOffset: KafkaOffset | null
  readonly by: string
  readonly atMs: number
}

/** A released stream the new owner may continue: no CreateWriteStream for an orderly move. */
export type Adoptable = {
  readonly table: TableName
  readonly tableCreationTime: string
  readonly stream: StreamName
  readonly row: StreamOffset
  readonly releasedAtMs: number
}

/** What a successful claim hands to the lanes. */
export type Ownership = {
  readonly claimId: string
  readonly epoch: number
  readonly progress: Progress
  readonly adoptable: readonly Adoptable[]
  /** Finalized in this recovery; finalized once more before the first row (step 4). */
  readonly finalized: ReadonlyMap<StreamName, StreamOffset>
  /** What is logged of such a stream should it then count otherwise: what the journal held of it is swept by then. */
  readonly restated: ReadonlyMap<StreamName, Restated>
  /** Whether an unreleased claim was recovered: a takeover after a crash or a fence. */
  readonly wasTakeover: boolean
}

/** Where a partition begins. */
export type Start = {
  readonly start: KafkaOffset
  /** Settled above it all the same, by an earlier connector of the name: letters and drops beside rows that had not landed. */
  readonly done?: IntervalSet
}

export type Doubt = { readonly stream: StreamName; readonly saw: string }

type Recovering = ClaimIdentity & {
  readonly epoch: number
  readonly counts: RowCounts
  readonly waiting: ReadonlySet<StreamName>
  /** When a stream was first not found, the time of the latest such answer, and how often a count was misaligned. */
  readonly goneSinceMs: ReadonlyMap<StreamName, number>
  readonly nowMs: number
  readonly misaligned: number
  /** Decided once, when the claim was confirmed: a Release that lands later cannot make a finalized stream adoptable. */
  readonly adoptable: readonly Adoptable[]
  readonly wasTakeover: boolean
}

/** `progress` is null where nothing had begun, which only an alteration finds enough. */
type Folded = Recovering & { readonly journal: KeySpaceState; readonly progress: Progress | null }

/** What is to be told outside, to the dead letter queue and the audit, before it is settled. */
type Owing = Folded & { readonly deadLetters: IntervalSet; readonly lost: IntervalSet }

export type ClaimState =
  | ({ readonly kind: 'following' } & ClaimIdentity)
  | ({ readonly kind: 'claiming'; readonly epoch: number } & ClaimIdentity)
  | ({ readonly kind: 'confirming'; readonly epoch: number } & ClaimIdentity)
  | ({ readonly kind: 'finalizing' } & Recovering)
  | ({ readonly kind: 'folding' } & Recovering)
  | ({ readonly kind: 'pausing' } & Recovering)
  | ({ readonly kind: 'resolvingStart'; readonly journal: KeySpaceState } & Recovering)
  | ({ readonly kind: 'loggingLetters' } & Owing)
  | ({ readonly kind: 'confirmingLetters' } & Owing)
  | ({ readonly kind: 'savingDeadLetters' } & Folded)
  | ({ readonly kind: 'settling' } & Folded)
  | ({ readonly kind: 'confirmingSettled' } & Folded)
  | { readonly kind: 'owning'; readonly ownership: Ownership }
  /** The position stands as the alteration asked. `from`: where it stood; null where nothing had begun. */
  | { readonly kind: 'altered'; readonly from: KafkaOffset | null }
  | { readonly kind: 'fenced'; readonly deleted: boolean }
  | { readonly kind: 'inDoubt'; readonly doubts: readonly Doubt[] }

export type ClaimEvent =
  | { readonly kind: 'begin' }
  | { readonly kind: 'appended' }
  | { readonly kind: 'journalRead'; readonly journal: KeySpaceState }
  | { readonly kind: 'finalized'; readonly stream: StreamName; readonly rows: StreamOffset }
  | { readonly kind: 'streamGone'; readonly stream: StreamName; readonly nowMs: number }
  | { readonly kind: 'pauseOver' }
  | ({ readonly kind: 'startResolved' } & Start)
  | { readonly kind: 'deadLettersSafe' }

export type ClaimEffect =
  | { readonly kind: 'readToEnd'; readonly barrier: boolean }
  | { readonly kind: 'append'; readonly record: JournalRecord }
  | { readonly kind: 'finalize'; readonly stream: StreamName }
  | { readonly kind: 'pause'; readonly ms: number }
  /** @param forgotten by an operator's order: neither group, predecessors nor initial_offsets count, only auto.offset.reset. */
  | { readonly kind: 'resolveStart'; readonly forgotten: boolean }
  /** Produce these letters (again), and audit these lost ranges (again): their identities make a copy harmless. */
  | { readonly kind: 'saveDeadLetters'; readonly offsets: IntervalSet; readonly lost?: IntervalSet }
  | { readonly kind: 'deleteKeys'; readonly keys: readonly string[] }

export type ClaimStep = { readonly state: ClaimState; readonly effects: readonly ClaimEffect[] }

export const beginClaim = (identity: ClaimIdentity): ClaimState => ({ kind: 'following', ...identity })

const NO_ROW = 0n as StreamOffset
const READ: ClaimEffect = { kind: 'readToEnd', barrier: false }

export function stepClaim(state: ClaimState, event: ClaimEvent): ClaimStep {
  switch (state.kind) {
    case 'following':
      if (event.kind === 'begin') return { state, effects: [READ] }
      if (event.kind === 'journalRead') return claim(state, event.journal)
      break
    case 'claiming':
      if (event.kind === 'appended') return { state: { ...state, kind: 'confirming' }, effects: [READ] }
      break
    case 'confirming':
      if (event.kind === 'journalRead') return learnStreams(state, event.journal)
      break
    case 'finalizing':
      if (event.kind === 'finalized') return counted(state, event.stream, event.rows)
      if (event.kind === 'streamGone') return missing(state, event.stream, event.nowMs)
      break
    case 'folding':
      if (event.kind === 'journalRead') return judge(state, event.journal)
      break
    case 'pausing':
      if (event.kind === 'pauseOver') return askAgain(state)
      break
    case 'resolvingStart':
      if (event.kind === 'startResolved') return conclude(state, state.journal, event)
      break
    case 'loggingLetters':
      if (event.kind === 'appended') return { state: { ...state, kind: 'confirmingLetters' }, effects: [READ] }
      break
    case 'confirmingLetters':
      if (event.kind === 'journalRead') return saveLetters(state, event.journal)
      break
    case 'savingDeadLetters':
      if (event.kind === 'deadLettersSafe') return logSettled(state)
      break
    case 'settling':
      if (event.kind === 'appended') return { state: { ...state, kind: 'confirmingSettled' }, effects: [READ] }
      break
    case 'confirmingSettled':
      if (event.kind === 'journalRead') return own(state, event.journal)
      break
    case 'owning':
    case 'altered':
    case 'fenced':
    case 'inDoubt':
      break
    default:
      return assertNever(state)
  }
  throw new MillraceError('BUG', 'failPartition', `Claim in state ${state.kind} cannot take ${event.kind}.`)
}

const fenced = (journal: KeySpaceState): ClaimStep => ({
  state: { kind: 'fenced', deleted: isDeleted(journal) },
  effects: [],
})

function claim(state: ClaimIdentity, journal: KeySpaceState): ClaimStep {
  if (isDeleted(journal)) return fenced(journal)
  const { claimId, workerId, generation } = state
  const epoch = (headClaim(journal)?.epoch ?? 0) + 1
  return {
    state: { ...state, kind: 'claiming', epoch },
    effects: [{ kind: 'append', record: { kind: 'claim', claimId, epoch, workerId, generation } }],
  }
}

function learnStreams(
  { kind: _, ...identity }: Extract<ClaimState, { kind: 'confirming' }>,
  journal: KeySpaceState,
): ClaimStep {
  if (!isHead(journal, identity.claimId)) return fenced(journal)
  const plan = planStreams(journal, identity.epoch)
  const counts = new Map<StreamName, StreamOffset | 'gone'>()
  const waiting = new Set<StreamName>()
  const adoptable: Adoptable[] = []
  for (const [stream, { row, open, releasedAtMs }] of plan.released) {
    counts.set(stream, row)
    adoptable.push({ stream, row, table: open.table, tableCreationTime: open.tableCreationTime, releasedAtMs })
  }
  for (const stream of plan.finalize) {
    const verdict = verdictFor(journal, stream)
    if (verdict === null) waiting.add(stream)
    else counts.set(stream, verdict)
  }
  const recovering: Recovering = {
    ...identity,
    counts,
    waiting,
    goneSinceMs: new Map(),
    nowMs: 0,
    misaligned: 0,
    adoptable,
    wasTakeover: plan.finalize.length > 0,
  }
  return countStreams(recovering)
}

/** Finalize whatever is still uncounted, or read the journal behind a Barrier once everything is. */
function countStreams(state: Recovering): ClaimStep {
  if (state.waiting.size === 0)
    return { state: { ...state, kind: 'folding' }, effects: [{ kind: 'readToEnd', barrier: true }] }
  return {
    state: { ...state, kind: 'finalizing' },
    effects: [...state.waiting].map(stream => ({ kind: 'finalize', stream })),
  }
}

function counted(state: Recovering, stream: StreamName, rows: StreamOffset | 'gone'): ClaimStep {
  if (!state.waiting.has(stream)) return { state: { ...state, kind: 'finalizing' }, effects: [] }
  const waiting = new Set(state.waiting)
  waiting.delete(stream)
  const next: Recovering = { ...state, waiting, counts: new Map(state.counts).set(stream, rows) }
  return waiting.size === 0 ? countStreams(next) : { state: { ...next, kind: 'finalizing' }, effects: [] }
}

/** Counted as `gone` for now: `judge` decides on the journal read behind the Barrier whether anything on it is open. */
function missing(state: Recovering, stream: StreamName, nowMs: number): ClaimStep {
  const goneSinceMs = state.goneSinceMs.has(stream) ? state.goneSinceMs : new Map(state.goneSinceMs).set(stream, nowMs)
  return counted({ ...state, goneSinceMs, nowMs }, stream, 'gone')
}

function judge(state: Recovering, journal: KeySpaceState): ClaimStep {
  if (!isHead(journal, state.claimId)) return fenced(journal)
  const current = planStreams(journal, state.epoch)
  const doubts: Doubt[] = []
  let gone = false
  for (const stream of current.finalize) {
    const verdict = verdictFor(journal, stream)
    const rows = verdict ?? state.counts.get(stream)
    // Its Open landed after our Claim: whoever wrote it reads our Claim before its first row. It stays empty.
    if (rows === undefined) continue
    if (rows === 'gone') {
      if (nothingOpen(journal, state.epoch, stream)) continue
      gone = true
      const open = openRows(journal, state.epoch, stream)
      doubts.push({ stream, saw: `STREAM_NOT_FOUND although batches on it are open (rows ${open.from} to ${open.to})` })
    } else if (verdict === null && !isAligned(journal, stream, rows)) {
      doubts.push({ stream, saw: `${rows} rows, which is no boundary of a logged batch` })
    }
  }
  if (doubts.length > 0) return doubt(state, doubts, gone)
  if (state.alteration === undefined && needsStart(journal, state.epoch)) {
    const forgotten = isForgotten(journal, state.epoch)
    return { state: { ...state, kind: 'resolvingStart', journal }, effects: [{ kind: 'resolveStart', forgotten }] }
  }
  return conclude(state, journal, null)
}

function doubt(state: Recovering, doubts: readonly Doubt[], gone: boolean): ClaimStep {
  const [retryMs, persistsMs] =
    state.isAwaited === true ? [GONE_RETRY_AWAITED_MS, GONE_PERSISTS_AWAITED_MS] : [GONE_RETRY_MS, GONE_PERSISTS_MS]
  const exhausted = doubts.every(({ stream }) =>
    state.counts.get(stream) === 'gone'
      ? state.nowMs - (state.goneSinceMs.get(stream) ?? state.nowMs) >= persistsMs
      : state.misaligned >= MISALIGNED_ATTEMPTS,
  )
  if (exhausted) return { state: { kind: 'inDoubt', doubts }, effects: [] }
  const waiting = new Set(doubts.map(({ stream }) => stream))
  return {
    state: { ...state, kind: 'pausing', waiting, misaligned: state.misaligned + 1 },
    effects: [{ kind: 'pause', ms: gone ? retryMs : MISALIGNED_RETRY_MS }],
  }
}

const askAgain = (state: Recovering): ClaimStep => countStreams(state)

function conclude(state: Recovering, journal: KeySpaceState, resolved: Start | null): ClaimStep {
  const counts = new Map(state.counts)
  for (const stream of counts.keys()) {
    const verdict = verdictFor(journal, stream)
    if (verdict !== null) counts.set(stream, verdict)
  }
  const hasBegun = resolved !== null || !needsStart(journal, state.epoch)
  const folded = hasBegun
    ? fold(journal, state.epoch, counts, resolved?.start ?? null)
    : { progress: null, deadLetters: EMPTY }
  const done = resolved?.done ?? EMPTY
  const progress = folded.progress === null ? null : settle(folded.progress, done)
  const next = { ...state, counts, journal, progress }
  const lost = 'lost' in folded ? folded.lost : EMPTY
  if (folded.deadLetters.length === 0 && lost.length === 0) return logSettled(next)
  return logLetters({ ...next, deadLetters: folded.deadLetters, lost })
}

/**
 * Under the own claim, before they go out: the Intent they were found in may be older than a Settled that is still on its way and
 * does not know of it. From where that lands on, only what a higher claim has logged still says that the record is a letter.
 */
function logLetters(state: Owing): ClaimStep {
  const { claimId, epoch, generation, deadLetters, lost } = state
  const progress = knownProgress(state.journal, epoch, null)
  assert(progress !== null, 'What has letters has begun.')
  const batch: IntentBatch = {
    firstRow: NO_ROW,
    rowCount: 0,
    rows: EMPTY,
    dead: deadLetters,
    drop: lost.reduce<IntervalSet>((set, range) => union(set, [range]), EMPTY),
    ...statedLost(lost),
    generation,
    fingerprint: null,
  }
  const record: JournalRecord = { kind: 'intent', claimId, epoch, stream: null, progress, window: [batch] }
  return { state: { ...state, kind: 'loggingLetters' }, effects: [{ kind: 'append', record }] }
}

function saveLetters({ deadLetters, lost, ...state }: Owing, journal: KeySpaceState): ClaimStep {
  if (!isHead(journal, state.claimId)) return fenced(journal)
  return {
    state: { ...state, kind: 'savingDeadLetters' },
    effects: [{ kind: 'saveDeadLetters', offsets: deadLetters, ...statedLost(lost) }],
  }
}

function logSettled(state: Folded): ClaimStep {
  return { state: { ...state, kind: 'settling' }, effects: [{ kind: 'append', record: settledBy(state) }] }
}

/** An alteration forgets the fingerprint as well: the operator speaks of the log as it is now. */
function settledBy({ claimId, epoch, progress, alteration }: Folded): JournalRecord {
  if (alteration === undefined) return { kind: 'settled', claimId, epoch, progress }
  const { nextKafkaOffset, by, atMs } = alteration
  return {
    kind: 'settled',
    claimId,
    epoch,
    progress: nextKafkaOffset === null ? null : startAt(nextKafkaOffset),
    altered: { by, atMs, from: progress?.frontier ?? null },
  }
}

function own(state: Folded, journal: KeySpaceState): ClaimStep {
  if (!isHead(journal, state.claimId)) return fenced(journal)
  const { progress } = state
  const keys = keysBelow(journal, state.epoch)
  const effects: readonly ClaimEffect[] = keys.length === 0 ? [] : [{ kind: 'deleteKeys', keys }]
  if (state.alteration !== undefined) return { state: { kind: 'altered', from: progress?.frontier ?? null }, effects }
  assert(progress !== null, 'An owner has a position.')
  const finalized = new Map<StreamName, StreamOffset>()
  const restated = new Map<StreamName, Restated>()
  for (const [stream, rows] of state.counts) {
    if (rows === 'gone' || state.adoptable.some(a => a.stream === stream) || verdictFor(journal, stream) !== null)
      continue
    finalized.set(stream, rows)
    const again = restate(journal, state, stream, rows)
    if (again !== null) restated.set(stream, again)
  }
  return {
    state: {
      kind: 'owning',
      ownership: {
        claimId: state.claimId,
        epoch: state.epoch,
        progress,
        adoptable: state.adoptable,
        finalized,
        restated,
        wasTakeover: state.wasTakeover,
      },
    },
    effects,
  }
}
