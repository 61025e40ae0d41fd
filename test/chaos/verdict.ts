// The verdict of a row, as a function of what was produced and what was found: every record has exactly one outcome, a row or a
// letter, or, where the source deleted it unread, an audited gap. Nothing here waits for or asks anybody.
import { textOf } from '../e2e/support/stage.ts'
import type { Ledger } from './ledger.ts'

const SHOWN_MAX = 5

/** An id that is no number is NaN. */
export type FoundRow = { readonly id: number; readonly text: string }
/** `identity` is where its headers say it comes from: topic/partition/offset. */
export type FoundLetter = { readonly id: number; readonly identity: string; readonly value: string }
/** [from, to) of a partition, as the audit topic has it; told again after a crash it has the same id. */
export type FoundGap = { readonly id: string; readonly partition: number; readonly from: bigint; readonly to: bigint }

export type Found = {
  readonly topic: string
  readonly rows: readonly FoundRow[]
  readonly letters: readonly FoundLetter[]
  readonly gaps: readonly FoundGap[]
  /** How many of each id a reader of the topic got; null: nobody had to ask, there is one of each that was acknowledged. */
  readonly inTopic: ReadonlyMap<number, number> | null
  /** How many acknowledged ids the topic did not hold. */
  readonly unproduced: number
}

export type Verdict = {
  readonly committed: number
  readonly aborted: number
  /** Acknowledged to the producer, and not in the topic: the producer's fault, and no row is expected. */
  readonly unproduced: number
  readonly rows: number
  readonly deadLetters: number
  /** Letters beyond the first of a record: allowed, with the same identity. */
  readonly letterCopies: number
  /** Offsets that are audited as deleted before they were read. */
  readonly gaps: number
  /** Committed and neither row nor letter; or deleted unread and not audited. */
  readonly missing: number
  /** Rows beyond the first of a record. */
  readonly duplicates: number
  /** Two of row, letter and gap. */
  readonly doubleOutcomes: number
  /** In the table or in a letter, and not to be there: never produced, of an aborted transaction, or bound for the other place. */
  readonly phantoms: number
  /** Rows and letters whose content or identity is not what was produced. */
  readonly torn: number
  /** Offsets that are audited as deleted, and were not. */
  readonly falseGaps: number
  /** In sentences, a few of each; empty when all is well. */
  readonly differences: readonly string[]
}

/** Compares record by record. @param ledger settled, where the topic was asked */
export function compare(ledger: Ledger, { topic, rows, letters, gaps, inTopic, unproduced }: Found): Verdict {
  const rowsOf = countById(rows)
  const lettersOf = countById(letters)
  const places = placesOf(letters)
  const audited = [...new Map(gaps.map(gap => [gap.id, gap])).values()]
  const isAudited = (id: number): boolean => {
    const at = ledger.deleted.get(id)
    return audited.some(gap => gap.partition === at?.partition && gap.from <= at.offset && at.offset < gap.to)
  }
  const outcomes = (id: number): number =>
    Number(rowsOf.has(id)) + Number(lettersOf.has(id)) + Number(ledger.deleted.has(id) && isAudited(id))
  const deleted = [...ledger.deleted.keys()]
  const arrived = new Set([...rowsOf.keys(), ...lettersOf.keys()])
  // What a producer sent twice, in doubt of its first send, is two records.
  const more = [...rowsOf].map(([id, count]) => [id, count - (inTopic?.get(id) ?? 1)] as const)
  const doubled = more.filter(([, excess]) => excess > 0)
  const short = more.filter(([id, excess]) => excess < 0 && ledger.committed.has(id))
  const falseGaps = audited
    .map(gap => [gap, Number(gap.to - gap.from) - deletedIn(ledger, gap)] as const)
    .filter(([, excess]) => excess > 0)

  const lists: Readonly<Record<string, readonly (number | string)[]>> = {
    missing: [
      ...[...ledger.committed].filter(id => outcomes(id) === 0),
      ...short.map(([id]) => id),
      ...[...ledger.poison].filter(id => (places.get(id)?.size ?? 0) < (inTopic?.get(id) ?? 1)),
    ],
    'deleted and not audited': deleted.filter(id => outcomes(id) === 0),
    duplicates: doubled.map(([id]) => id),
    'double outcomes': [...arrived].filter(id => outcomes(id) > 1),
    'rows of aborted transactions': [...rowsOf.keys()].filter(id => ledger.aborted.has(id)),
    'rows of what was never produced': [...rowsOf.keys()].filter(
      id => !ledger.committed.has(id) && !ledger.deleted.has(id) && !ledger.aborted.has(id),
    ),
    'letters of what is no poison': [...lettersOf.keys()].filter(id => !ledger.poison.has(id)),
    torn: [
      ...rows.filter(({ id, text }) => text !== textOf(id)).map(({ id }) => id),
      ...tornLetters(ledger, topic, letters, inTopic),
    ],
    'gaps without a loss': falseGaps.map(([gap]) => `partition ${gap.partition} [${gap.from}, ${gap.to})`),
  }
  const count = (...names: readonly string[]): number =>
    names.reduce((sum, name) => sum + (lists[name]?.length ?? 0), 0)
  const sum = (pairs: readonly (readonly [unknown, number])[]): number => pairs.reduce((all, [, n]) => all + n, 0)
  return {
    committed: ledger.committed.size + ledger.poison.size + deleted.length,
    aborted: ledger.aborted.size,
    unproduced,
    rows: rows.length,
    deadLetters: lettersOf.size,
    letterCopies: letters.length - lettersOf.size,
    gaps: audited.reduce((all, { from, to }) => all + Number(to - from), 0),
    missing: count('missing', 'deleted and not audited'),
    duplicates: sum(doubled),
    doubleOutcomes: count('double outcomes'),
    phantoms: count('rows of aborted transactions', 'rows of what was never produced', 'letters of what is no poison'),
    torn: count('torn'),
    falseGaps: sum(falseGaps),
    differences: Object.entries(lists)
      .filter(([, ids]) => ids.length > 0)
      .map(([what, ids]) => `${ids.length} ${what}, such as ${ids.slice(0, SHOWN_MAX).join(', ')}`),
  }
}

function countById(found: readonly { readonly id: number }[]): ReadonlyMap<number, number> {
  const counts = new Map<number, number>()
  for (const { id } of found) counts.set(id, (counts.get(id) ?? 0) + 1)
  return counts
}

/** Those that come from elsewhere, from more places than their record has in the topic, or do not hold what was produced. */
function tornLetters(
  ledger: Ledger,
  topic: string,
  letters: readonly FoundLetter[],
  inTopic: ReadonlyMap<number, number> | null,
): readonly number[] {
  const torn: number[] = []
  for (const { id, identity, value } of letters)
    if (!identity.startsWith(`${topic}/`) || value !== ledger.valueOf(id)) torn.push(id)
  for (const [id, places] of placesOf(letters))
    for (let excess = places.size - (inTopic?.get(id) ?? 1); excess > 0; excess--) torn.push(id)
  return torn
}

function placesOf(letters: readonly FoundLetter[]): ReadonlyMap<number, ReadonlySet<string>> {
  const places = new Map<number, Set<string>>()
  for (const { id, identity } of letters) places.set(id, (places.get(id) ?? new Set()).add(identity))
  return places
}

const deletedIn = (ledger: Ledger, { partition, from, to }: FoundGap): number =>
  [...ledger.deleted.values()].filter(at => at.partition === partition && from <= at.offset && at.offset < to).length
