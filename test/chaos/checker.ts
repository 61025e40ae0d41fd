// Reads what became of the records of a row, once as much has come as belongs there: table, dead letters, audited gaps, and the topic
// where the producer was left in doubt. Nothing here asks the workers. What it means is for verdict.ts to say.
import { setTimeout as sleep } from 'node:timers/promises'
import { type SqlValue, type Stage, sqlName } from '../e2e/support/stage.ts'
import { ABORTED_FROM, type Ledger } from './ledger.ts'
import { GROUP } from './stage.ts'
import { countOffsets, idsInTopic } from './topic-reader.ts'
import { compare, type FoundGap, type FoundLetter, type FoundRow, type Verdict } from './verdict.ts'

/** Ids read with one query. */
const PAGE = 50_000
/** What would arrive twice arrives soon after. */
const SETTLE_MS = 300
/** Longer than a lease, a claim and the recovery of what it left. */
const NOTHING_COMES_MS = 20_000
const IDENTITY = '__connect.errors.'

export type Place = { readonly topic: string; readonly table: string; readonly deadLetterTopic: string }

/** Waits until as many rows and letters are there as belong there, then compares one by one. */
export async function check(
  stage: Stage,
  { topic, table, deadLetterTopic }: Place,
  ledger: Ledger,
  patienceMs: number,
): Promise<Verdict> {
  // Where sends failed, or rows do not come, the topic has the last word on what was produced.
  const isAllThere = ledger.unsure.size === 0 && (await untilThere(stage, table, deadLetterTopic, ledger, patienceMs))
  const inTopic = isAllThere ? null : await idsInTopic(stage, topic)
  const unproduced = inTopic === null ? 0 : ledger.settle(inTopic)
  if (inTopic !== null) await untilThere(stage, table, deadLetterTopic, ledger, patienceMs)
  const [rows, letters, gaps] = await Promise.all([
    readRows(stage, table),
    readLetters(stage, deadLetterTopic),
    readGaps(stage, topic),
  ])
  return compare(ledger, { topic, rows, letters, gaps, inTopic, unproduced })
}

/** Whether as many are there as belong there; gives up when nothing more comes for a while. */
async function untilThere(
  stage: Stage,
  table: string,
  deadLetterTopic: string,
  ledger: Ledger,
  patienceMs: number,
): Promise<boolean> {
  let [most, sinceMs] = [-1, performance.now()]
  while (performance.now() - sinceMs < Math.min(patienceMs, NOTHING_COMES_MS)) {
    const [rows, letters] = [await stage.countRows(table), await countOffsets(stage, deadLetterTopic)]
    if (rows >= ledger.committed.size && letters >= ledger.poison.size) {
      await sleep(SETTLE_MS)
      return true
    }
    if (rows + letters > most) [most, sinceMs] = [rows + letters, performance.now()]
    await sleep(100)
  }
  return false
}

async function readRows(stage: Stage, table: string): Promise<readonly FoundRow[]> {
  const rows: FoundRow[] = []
  const read = async (where: string): Promise<void> => {
    for (const [id, text] of await stage.sql(`SELECT id, text FROM ${sqlName(table)} WHERE ${where}`))
      rows.push({ id: idOf(id), text: String(text) })
  }
  const [bounds] = await stage.sql(`SELECT MAX(CASE WHEN id < ${ABORTED_FROM} THEN id END) FROM ${sqlName(table)}`)
  const last = Number(bounds?.[0] ?? 0)
  for (let from = 0; from <= last; from += PAGE)
    await read(`id >= ${from} AND id < ${Math.min(from + PAGE, ABORTED_FROM)}`)
  await read(`id < 0 OR id >= ${ABORTED_FROM} OR id IS NULL`)
  return rows
}
const idOf = (value: SqlValue | undefined): number => (typeof value === 'string' ? Number(value) : Number.NaN)

async function readLetters(stage: Stage, deadLetterTopic: string): Promise<readonly FoundLetter[]> {
  const count = await countOffsets(stage, deadLetterTopic)
  if (count === 0) return []
  return (await stage.consume(deadLetterTopic, count)).map(({ key, value, headers }) => ({
    id: Number(String(key).slice(1)),
    identity: ['topic', 'partition', 'offset'].map(part => String(headers?.[IDENTITY + part])).join('/'),
    value: String(value),
  }))
}

type AuditRecord = { readonly kind: string; readonly topic: string } & Record<
  'id' | 'partition' | 'from' | 'to',
  string
>

async function readGaps(stage: Stage, topic: string): Promise<readonly FoundGap[]> {
  const audit = `${GROUP}-audit`
  const count = await countOffsets(stage, audit)
  if (count === 0) return []
  return (await stage.consume(audit, count))
    .map(({ value }) => JSON.parse(String(value)) as AuditRecord)
    .filter(record => record.kind === 'offsetsLost' && record.topic === topic)
    .map(({ id, partition, from, to }) => ({
      id,
      partition: Number(partition),
      from: BigInt(from),
      to: BigInt(to),
    }))
}
