// What a new owner concludes from the journal and the final row counts: pure judgement, no order of events in it.
import { MillraceError } from '../errors/error.ts'
import type { KafkaOffset, StreamName, StreamOffset, TableName } from '../ids.ts'
import { contains, EMPTY, type IntervalSet, type OffsetRange, union } from '../interval-set.ts'
import {
  baseBelow,
  type IntentRecord,
  type KeySpaceState,
  type OpenRecord,
  releaseOf,
  streamsToRecover,
} from './key-space.ts'
import { merge, settle, startAt, statedLost, unsettled } from './progress.ts'
import type { IntentBatch, Progress } from './records.ts'

/** Final row count of each recovered stream; `gone` = not found and judged to have nothing open. */
export type RowCounts = ReadonlyMap<StreamName, StreamOffset | 'gone'>

/**
 * From which epoch on records count beside the base. A claim that moved the position has nothing of its own above it: what it logged
 * of letters before is older than the operator's word.
 */
function baseEpoch(state: KeySpaceState, epoch: number): number {
  const base = baseBelow(state, epoch)
  if (base === null) return 0
  return base.altered === undefined ? base.epoch : base.epoch + 1
}

/** The last Intents that count: from the base on, below `epoch`. */
export function intentsFrom(state: KeySpaceState, epoch: number): readonly IntentRecord[] {
  const from = baseEpoch(state, epoch)
  return [...state.intents.values()].filter(intent => intent.epoch >= from && intent.epoch < epoch)
}

/** Everything settled below `epoch` that needs no row count: base, releases, what Intents repeat, and logged drops. */
export function knownProgress(state: KeySpaceState, epoch: number, start: KafkaOffset | null): Progress | null {
  const from = baseEpoch(state, epoch)
  const parts: Progress[] = []
  if (start !== null) parts.push(startAt(start))
  const base = baseBelow(state, epoch)
  if (base?.progress) parts.push(base.progress)
  for (const release of state.releases.values())
    if (release.epoch >= from && release.epoch < epoch) parts.push(release.progress)
  for (const intent of intentsFrom(state, epoch)) parts.push(intent.progress)
  return parts.length === 0 ? null : parts.reduce(merge)
}

/** Whether a start position must be resolved: nothing below `epoch` states one. */
export const needsStart = (state: KeySpaceState, epoch: number): boolean => knownProgress(state, epoch, null) === null

/** Whether no position is stated because an operator had it forgotten: then nothing but auto.offset.reset decides the start. */
export const isForgotten = (state: KeySpaceState, epoch: number = Number.POSITIVE_INFINITY): boolean =>
  needsStart(state, epoch) && baseBelow(state, epoch) !== null

/**
 * What the fold of step 3 answers. `deadLetters`: logged but not known to be produced; they are produced (again) first.
 * `lost`: logged as lost but not known to be audited; they are audited (again) first, range by range as they were logged.
 */
export type Fold = { readonly progress: Progress; readonly deadLetters: IntervalSet; readonly lost?: IntervalSet }

/**
 * base ∪ Releases ∪ the last Intent of each (claim, stream): done ranges, batches with firstRow < n, dead letters, drops.
 * @param start the resolved start position where the journal states none
 */
export function fold(state: KeySpaceState, epoch: number, counts: RowCounts, start: KafkaOffset | null): Fold {
  let progress = knownProgress(state, epoch, start)
  if (progress === null) throw new MillraceError('BUG', 'failPartition', 'Fold without a start position.')
  const known = progress
  let letters: IntervalSet = EMPTY
  // Claims that died on the way have each logged the same once more.
  const lost = new Map<string, OffsetRange>()
  for (const intent of intentsFrom(state, epoch))
    for (const batch of intent.window) {
      letters = union(letters, batch.dead)
      const landed = batch.rowCount > 0 && intent.stream !== null && hasLanded(batch, counts.get(intent.stream))
      progress = settle(
        progress,
        landed ? union(batch.rows, batch.drop) : batch.drop,
        landed || endsWithoutRow(batch) ? batch.fingerprint : null,
        batch.lost,
      )
      for (const range of batch.lost ?? EMPTY)
        if (unsettled(known, [range]).length > 0) lost.set(`${range.from}..${range.to}`, range)
    }
  const deadLetters = unsettled(progress, letters)
  return { progress: settle(progress, deadLetters), deadLetters, ...statedLost([...lost.values()]) }
}

/** Whether its last record is a letter or a drop, settled without a row: what the topic should hold there is known all the same. */
const endsWithoutRow = ({ rows, fingerprint }: IntentBatch): boolean =>
  fingerprint !== null && !contains(rows, fingerprint.kafkaOffset)

const hasLanded = (batch: IntentBatch, count: StreamOffset | 'gone' | undefined): boolean =>
  typeof count === 'bigint' && batch.firstRow < count

/** `Aligned`: n is 0, the row of an Open of the stream, or a batch boundary of a last Intent of it. */
export function isAligned(state: KeySpaceState, stream: StreamName, count: StreamOffset): boolean {
  if (count === 0n) return true
  for (const open of state.opens.values()) if (open.stream === stream && open.row === count) return true
  for (const intent of state.intents.values())
    if (intent.stream === stream)
      for (const batch of intent.window)
        if (batch.firstRow === count || batch.firstRow + BigInt(batch.rowCount) === count) return true
  return false
}

/** Whether every batch laid out on the stream is settled without knowing its row count: then STREAM_NOT_FOUND loses nothing. */
export function nothingOpen(state: KeySpaceState, epoch: number, stream: StreamName): boolean {
  const progress = knownProgress(state, epoch, null)
  if (progress === null) return false
  return intentsFrom(state, epoch)
    .filter(intent => intent.stream === stream)
    .every(intent => intent.window.every(batch => batch.rowCount === 0 || unsettled(progress, batch.rows).length === 0))
}

/** Batches with rows that are laid out on the stream and not known to be settled. */
export function openBatches(state: KeySpaceState, epoch: number, stream: StreamName): readonly IntentBatch[] {
  const known = knownProgress(state, epoch, null)
  return intentsFrom(state, epoch)
    .filter(intent => intent.stream === stream)
    .flatMap(intent => intent.window)
    .filter(batch => batch.rowCount > 0 && (known === null || unsettled(known, batch.rows).length > 0))
}

/** From the first row that was laid out and is not known to be settled, up to where the last such batch ends. */
export function openRows(
  state: KeySpaceState,
  epoch: number,
  stream: StreamName,
): { readonly from: bigint; readonly to: bigint } {
  const open = openBatches(state, epoch, stream)
  const from = open.reduce<bigint | null>(
    (least, { firstRow }) => (least === null || firstRow < least ? firstRow : least),
    null,
  )
  const to = open.reduce((most, { firstRow, rowCount }) => {
    const end = firstRow + BigInt(rowCount)
    return end > most ? end : most
  }, 0n)
  return { from: from ?? to, to }
}

/** How each stream from the base on is treated: released clean (its row is known), or to be finalized. */
export type StreamPlan = {
  readonly released: ReadonlyMap<
    StreamName,
    { readonly row: StreamOffset; readonly open: OpenFacts; readonly releasedAtMs: number }
  >
  readonly finalize: readonly StreamName[]
}
export type OpenFacts = { readonly table: TableName; readonly tableCreationTime: string }

export function planStreams(state: KeySpaceState, epoch: number): StreamPlan {
  const released = new Map<StreamName, { row: StreamOffset; open: OpenFacts; releasedAtMs: number }>()
  const finalize: StreamName[] = []
  for (const [stream, open] of streamsToRecover(state, baseEpoch(state, epoch), epoch)) {
    const release = releaseOf(state, open)
    if (release) released.set(stream, { row: release.row, open, releasedAtMs: release.releasedAtMs })
    else finalize.push(stream)
  }
  return { released, finalize }
}

/**
 * What the new owner writes should a stream count otherwise than it did when it was settled: the Open, from that count on, and the
 * batches that had not landed by then, once more under its own claim. So the next claim counts the stream again and can place what
 * it finds, and a Verdict has something to answer. To be asked for before records of lower epochs are swept.
 */
export function restate(
  state: KeySpaceState,
  { claimId, epoch }: { readonly claimId: string; readonly epoch: number },
  stream: StreamName,
  count: StreamOffset,
): Restated | null {
  const open = streamsToRecover(state, baseEpoch(state, epoch), epoch).get(stream)
  if (open === undefined) return null
  const window = intentsFrom(state, epoch)
    .filter(intent => intent.stream === stream)
    .flatMap(intent => intent.window)
    .filter(batch => batch.rowCount > 0 && batch.firstRow >= count)
  return { open: { ...open, claimId, epoch, row: count }, window }
}
export type Restated = { readonly open: OpenRecord; readonly window: readonly IntentBatch[] }

/** An operator's answer for a stream in doubt, if there is one. */
export function verdictFor(state: KeySpaceState, stream: StreamName): StreamOffset | null {
  for (const verdict of state.verdicts.values()) if (verdict.stream === stream) return verdict.rows
  return null
}

/** Where delivery stands as far as the journal tells without row counts: a view for status, at most a window behind. */
export const knownPosition = (state: KeySpaceState): KafkaOffset | null =>
  knownProgress(state, Number.POSITIVE_INFINITY, null)?.frontier ?? null
