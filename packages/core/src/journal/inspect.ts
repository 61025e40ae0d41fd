// One key space as somebody who looks at it wants it told: whose it is, what is settled, and what stands on each stream. A view
// without judgement: the journal is a window behind its owner, and only BigQuery knows what of a window has landed.
import type { KafkaOffset, StreamName, StreamOffset, TableName, WorkerId } from '../ids.ts'
import { EMPTY, type IntervalSet, union } from '../interval-set.ts'
import { type DoubtChoice, doubtChoices } from './doubt-choices.ts'
import {
  baseBelow,
  type ClaimRecord,
  headClaim,
  isDeleted,
  type KeySpaceState,
  keysBelow,
  releaseOf,
  streamsToRecover,
} from './key-space.ts'
import type { Altered, IntentBatch, Progress } from './records.ts'
import { intentsFrom, knownProgress } from './recovery.ts'

export type ClaimView = {
  readonly claimId: string
  readonly epoch: number
  readonly workerId: WorkerId
  readonly generation: number
  /** Whether it has settled what it took over. Until then it recovers, or somebody took it over in turn. */
  readonly hasSettled: boolean
}

export type WindowView = {
  readonly batches: number
  readonly firstRow: StreamOffset
  readonly endRow: StreamOffset
  readonly rows: IntervalSet
  readonly dead: IntervalSet
  readonly drop: IntervalSet
}

export type StreamView = {
  readonly stream: StreamName
  readonly table: TableName
  readonly claimId: string
  readonly epoch: number
  /** Row its appends begin at; > 0 when it was adopted. */
  readonly openedAtRow: StreamOffset
  readonly release: { readonly row: StreamOffset; readonly releasedAtMs: number } | null
  /** What the last Intent on it laid out, settled meanwhile or not; null before the first. */
  readonly window: WindowView | null
  readonly verdict: { readonly rows: StreamOffset; readonly by: string } | null
  /** What each row count would mean; empty where everything on it is settled. */
  readonly choices: readonly DoubtChoice[]
}

export type KeySpaceView = {
  readonly isDeleted: boolean
  readonly head: ClaimView | null
  /** Everything settled as far as the journal alone tells; null before the first start. */
  readonly progress: Progress | null
  /** Where an operator's word is the base. */
  readonly altered: (Altered & { readonly to: KafkaOffset | null }) | null
  readonly streams: readonly StreamView[]
  /** Outcomes logged while nothing had a stream: dead letters and drops. */
  readonly streamless: WindowView | null
  /** Records that mean nothing any more and are still there. */
  readonly obsoleteRecords: number
}

export function inspectKeySpace(state: KeySpaceState): KeySpaceView {
  const end = Number.POSITIVE_INFINITY
  const head = headClaim(state)
  const base = baseBelow(state, end)
  const streamless = intentsFrom(state, end).filter(intent => intent.stream === null)
  return {
    isDeleted: isDeleted(state),
    head: head === null ? null : claimView(state, head),
    progress: knownProgress(state, end, null),
    altered: base?.altered === undefined ? null : { ...base.altered, to: base.progress?.frontier ?? null },
    streams: [...streamsToRecover(state, base?.epoch ?? 0, end).keys()].map(stream => streamView(state, stream)),
    streamless: windowView(streamless.flatMap(intent => intent.window)),
    obsoleteRecords: base === null ? 0 : keysBelow(state, base.epoch).length,
  }
}

const claimView = (state: KeySpaceState, { claimId, epoch, workerId, generation }: ClaimRecord): ClaimView => ({
  claimId,
  epoch,
  workerId,
  generation,
  hasSettled: state.settled.has(`settled/${claimId}`),
})

function streamView(state: KeySpaceState, stream: StreamName): StreamView {
  const opens = [...state.opens.values()].filter(open => open.stream === stream)
  const open = opens.reduce((a, b) => (b.epoch > a.epoch ? b : a))
  const release = releaseOf(state, open)
  const verdict = [...state.verdicts.values()].find(v => v.stream === stream)
  return {
    stream,
    table: open.table,
    claimId: open.claimId,
    epoch: open.epoch,
    openedAtRow: open.row,
    release: release === undefined ? null : { row: release.row, releasedAtMs: release.releasedAtMs },
    window: windowView(state.intents.get(`intent/${open.claimId}/${stream}`)?.window ?? []),
    verdict: verdict === undefined ? null : { rows: verdict.rows, by: verdict.by },
    choices: release === undefined ? doubtChoices(state, stream) : [],
  }
}

function windowView(window: readonly IntentBatch[]): WindowView | null {
  const [first] = window
  if (first === undefined) return null
  const all = (part: (batch: IntentBatch) => IntervalSet): IntervalSet =>
    window.reduce((sum, batch) => union(sum, part(batch)), EMPTY)
  const last = window.reduce((a, b) => (b.firstRow >= a.firstRow ? b : a))
  return {
    batches: window.length,
    firstRow: first.firstRow,
    endRow: (last.firstRow + BigInt(last.rowCount)) as StreamOffset,
    rows: all(batch => batch.rows),
    dead: all(batch => batch.dead),
    drop: all(batch => batch.drop),
  }
}
