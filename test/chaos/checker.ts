// The verdict of a row: what the ledger says was produced, compared by content with the table and the dead letters. Nothing here
// asks the workers. Each difference is counted by what it means: missing, duplicate, double outcome, phantom, torn.
import { setTimeout as sleep } from 'node:timers/promises'
import { sqlName, textOf } from '../e2e/support/stage.ts'
import { ABORTED_FROM, type Ledger } from './ledger.ts'
import type { ChaosStage } from './stage.ts'
import { idsInTopic } from './topic-reader.ts'

/** Ids read with one query. */
const PAGE = 50_000
/** What would arrive twice arrives soon after. */
const SETTLE_MS = 300
/** Longer than a lease, a claim and the recovery of what it left. */
const NOTHING_COMES_MS = 20_000
const SHOWN_MAX = 5
const IDENTITY = '__connect.errors.'

export type Verdict = {
  readonly committed: number
  readonly aborted: number
  /** Acknowledged to the producer, and not in the topic: the producer's fault, and no row is expected. */
  readonly unproduced: number
  readonly rows: number
  readonly deadLetters: number
  /** Letters beyond the first of a record: allowed, with the same identity. */
  readonly letterCopies: number
  /** Committed and neither row nor letter. */
  readonly missing: number
  /** Rows beyond the first of a record. */
  readonly duplicates: number
  /** Both a row and a letter. */
  readonly doubleOutcomes: number
  /** In the table, and never committed. */
  readonly phantoms: number
  /** Rows and letters whose content is not what was produced. */
  readonly torn: number
  /** In sentences, a few of each; empty when all is well. */
  readonly differences: readonly string[]
}

export type Place = { readonly topic: string; readonly table: string; readonly deadLetterTopic: string }

/** Waits until as many rows and letters are there as belong there, then compares one by one. */
export async function check(
  stage: ChaosStage,
  { topic, table, deadLetterTopic }: Place,
  ledger: Ledger,
  patienceMs: number,
): Promise<Verdict> {
  // Where sends failed, or rows do not come, the topic has the last word on what was produced.
  const isAllThere = ledger.unsure.size === 0 && (await untilThere(stage, table, deadLetterTopic, ledger, patienceMs))
  const inTopic = isAllThere ? null : await idsInTopic(stage, topic)
  const unproduced = inTopic === null ? 0 : ledger.settle(inTopic)
  if (inTopic !== null) await untilThere(stage, table, deadLetterTopic, ledger, patienceMs)
  const rows = await readRows(stage, table)
  const letters = await readLetters(stage, deadLetterTopic, topic)

  const found = new Map<number, number>()
  const torn: number[] = [...letters.torn]
  for (const { id, text } of rows) {
    found.set(id, (found.get(id) ?? 0) + 1)
    if (text !== textOf(id)) torn.push(id)
  }
  const doubled = [...found]
    .map(([id, count]) => [id, count - (inTopic?.get(id) ?? 1)] as const)
    .filter(([, more]) => more > 0)
  const lists = {
    missing: [
      ...[...ledger.committed].filter(id => !found.has(id) && !letters.ids.has(id)),
      ...[...ledger.poison].filter(id => !letters.ids.has(id)),
    ],
    'double outcomes': [...letters.ids.keys()].filter(id => found.has(id)),
    // A letter for a good record would be a phantom, too, in the other place.
    phantoms: [
      ...[...found.keys()].filter(id => !ledger.committed.has(id)),
      ...[...letters.ids.keys()].filter(id => !ledger.poison.has(id)),
    ],
    duplicates: doubled.map(([id]) => id),
    torn,
  }
  const copies = [...letters.ids.values()].reduce((sum, count) => sum + count - 1, 0)
  return {
    committed: ledger.committed.size + ledger.poison.size,
    aborted: ledger.aborted.size,
    rows: rows.length,
    deadLetters: letters.ids.size,
    letterCopies: copies,
    missing: lists.missing.length,
    duplicates: doubled.reduce((sum, [, count]) => sum + count, 0),
    unproduced,
    doubleOutcomes: lists['double outcomes'].length,
    phantoms: lists.phantoms.length,
    torn: torn.length,
    differences: Object.entries(lists)
      .filter(([, ids]) => ids.length > 0)
      .map(([what, ids]) => `${ids.length} ${what}, such as ${ids.slice(0, SHOWN_MAX).join(', ')}`),
  }
}

/** Whether as many are there as belong there; gives up when nothing more comes for a while. */
async function untilThere(
  stage: ChaosStage,
  table: string,
  deadLetterTopic: string,
  ledger: Ledger,
  patienceMs: number,
): Promise<boolean> {
  let [most, sinceMs] = [-1, performance.now()]
  while (performance.now() - sinceMs < Math.min(patienceMs, NOTHING_COMES_MS)) {
    const [rows, letters] = [await stage.countRows(table), await endOf(stage, deadLetterTopic)]
    if (rows >= ledger.committed.size && letters >= ledger.poison.size) {
      await sleep(SETTLE_MS)
      return true
    }
    if (rows + letters > most) [most, sinceMs] = [rows + letters, performance.now()]
    await sleep(100)
  }
  return false
}

async function readRows(
  stage: ChaosStage,
  table: string,
): Promise<readonly { readonly id: number; readonly text: string }[]> {
  const rows: { id: number; text: string }[] = []
  const name = sqlName(table)
  const [bounds] = await stage.sql(`SELECT MAX(CASE WHEN id < ${ABORTED_FROM} THEN id END) FROM ${name}`)
  const last = Number(bounds?.[0] ?? 0)
  for (let from = 0; from <= last; from += PAGE) {
    const page = await stage.sql(`SELECT id, text FROM ${name} WHERE id >= ${from} AND id < ${from + PAGE}`)
    for (const [id, text] of page) rows.push({ id: Number(id), text: String(text) })
  }
  const strange = await stage.sql(`SELECT id, text FROM ${name} WHERE id < 0 OR id >= ${ABORTED_FROM} OR id IS NULL`)
  for (const [id, text] of strange) rows.push({ id: Number(id), text: String(text) })
  return rows
}

type Letters = { readonly ids: ReadonlyMap<number, number>; readonly torn: readonly number[] }

/** Letters by id, with how many there are of each; those whose identity or content is not that of their record are torn. */
async function readLetters(stage: ChaosStage, deadLetterTopic: string, topic: string): Promise<Letters> {
  const count = await endOf(stage, deadLetterTopic)
  const ids = new Map<number, number>()
  const places = new Map<number, string>()
  const torn: number[] = []
  if (count === 0) return { ids, torn }
  for (const { key, value, headers } of await stage.consume(deadLetterTopic, count)) {
    const id = Number(String(key).slice(1))
    ids.set(id, (ids.get(id) ?? 0) + 1)
    const identity = ['topic', 'partition', 'offset'].map(part => String(headers?.[IDENTITY + part])).join('/')
    const isSame = (places.get(id) ?? identity) === identity && identity.startsWith(`${topic}/`)
    places.set(id, identity)
    if (!isSame || !String(value).includes(`no number ${id}`)) torn.push(id)
  }
  return { ids, torn }
}

async function endOf(stage: ChaosStage, topic: string): Promise<number> {
  const ends = await stage.endOffsets(topic).catch(() => new Map<number, bigint>())
  return Number([...ends.values()].reduce((sum, end) => sum + end, 0n))
}
