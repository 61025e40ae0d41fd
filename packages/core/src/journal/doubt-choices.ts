// What an operator can answer to IN_DOUBT, with the numbers of the stream filled in. A Verdict of `rows` counts a batch as landed when
// it begins below `rows` (recovery.ts, fold): so there is one choice more than batches that are open.
import { type StreamName, type StreamOffset, streamOffset } from '../ids.ts'
import { EMPTY, type IntervalSet, union } from '../interval-set.ts'
import type { Doubt } from './claim.ts'
import type { KeySpaceState } from './key-space.ts'
import { openBatches } from './recovery.ts'

export type DoubtChoice = {
  readonly rows: StreamOffset
  /** Kafka offsets that count as delivered then. */
  readonly landed: IntervalSet
  /** Kafka offsets that are delivered again then. */
  readonly again: IntervalSet
}

/** From "none of it landed" to "all of it"; empty where every batch of the stream is settled. */
export function doubtChoices(state: KeySpaceState, stream: StreamName): readonly DoubtChoice[] {
  const batches = [...openBatches(state, Number.POSITIVE_INFINITY, stream)].sort((a, b) =>
    a.firstRow < b.firstRow ? -1 : 1,
  )
  const [first] = batches
  if (first === undefined) return []
  const counts = new Set([first.firstRow, ...batches.map(b => b.firstRow + BigInt(b.rowCount))])
  return [...counts].map(rows => ({
    rows: streamOffset(rows),
    landed: offsetsOf(batches.filter(batch => batch.firstRow < rows)),
    again: offsetsOf(batches.filter(batch => batch.firstRow >= rows)),
  }))
}

const offsetsOf = (batches: readonly { readonly rows: IntervalSet }[]): IntervalSet =>
  batches.reduce((all, { rows }) => union(all, rows), EMPTY)

/** What was seen of each stream, and what can be answered, in one line. */
export const describeDoubts = (doubts: readonly Doubt[], state: KeySpaceState): string =>
  doubts.map(({ stream, saw }) => `${stream}: ${saw}. ${describeChoices(doubtChoices(state, stream))}`).join(' ')

/** Told in one line: more stand in `millrace journal inspect`. */
const CHOICES_TOLD_MAX = 4

/** As sentences of one line. */
export function describeChoices(choices: readonly DoubtChoice[]): string {
  if (choices.length === 0) return 'Every batch of it is settled: any verdict lets the partition go on.'
  const last = choices.length - 1
  const told = choices.filter((_, i) => i < CHOICES_TOLD_MAX - 1 || i === last)
  const rest = choices.length - told.length
  const sentences = told.map(choice => `rows=${choice.rows}: ${describeChoice(choice)}`)
  if (rest > 0) sentences.splice(-1, 0, `${rest} more boundaries in between`)
  return `Possible verdicts: ${sentences.join('; ')}. What wrongly counts as landed is lost; what wrongly does not is there twice.`
}

export function describeChoice({ landed, again }: DoubtChoice): string {
  if (landed.length === 0) return `none landed, offsets ${describeOffsets(again)} are delivered again`
  if (again.length === 0) return `all landed, offsets ${describeOffsets(landed)} count as delivered`
  return `offsets ${describeOffsets(landed)} count as delivered, ${describeOffsets(again)} are delivered again`
}

const RANGES_TOLD_MAX = 3

/** `0–6, 9, 12–14`, both ends included. */
export function describeOffsets(set: IntervalSet): string {
  const told = set
    .slice(0, RANGES_TOLD_MAX)
    .map(({ from, to }) => (to - from === 1n ? `${from}` : `${from}–${to - 1n}`))
  const rest = set.length - told.length
  return rest > 0 ? `${told.join(', ')} and ${rest} more ranges` : told.join(', ')
}
