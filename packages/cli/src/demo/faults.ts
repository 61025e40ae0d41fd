// The two faults. Each stops its victim in the middle of work and proves it: of what was produced before the victim was
// stopped, some rows of its partitions had not arrived and could not arrive any more without it. If everything had arrived
// it is let go and caught again with the next records; the producer waits with the rest until that has succeeded.
import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { TABLE_SQL } from './emulator-client.ts'
import { batchIds, type Layout, PARTITIONS } from './layout.ts'
import type { Situation } from './situation.ts'
import { DemoFailure, waitFor } from './wait.ts'
import type { FleetWorker } from './worker-fleet.ts'

const ATTEMPTS_MAX = 8
/**
 * How long after new records appear the victim is stopped, at random: a few records within the time a batch needs from
 * fetch to answer, many in the middle of the stream.
 */
const STRIKE_DELAY_FEW_MS = [0, 60] as const
const STRIKE_DELAY_MANY_MS = [50, 250] as const
const MANY_ROWS = 20_000
/** Requests already on the wire land in the emulator within this; then what is missing is in the victim's hands. */
const WIRE_QUIET_MS = 300
const MOVE_TIMEOUT_MS = 60_000

export type Hit = {
  readonly victim: FleetWorker
  /** Its partitions, with the epoch of its claim on each. */
  readonly epochs: ReadonlyMap<number, number>
  /** Rows produced before the victim stopped, not in the table after it stopped. */
  readonly unfinishedRows: number
  /** Of them, known to be fetched and not yet acknowledged in the victim's last report. */
  readonly inFlightRows: number
}

/**
 * Stops (SIGSTOP) the worker owning most partitions while rows are in flight, and leaves it stopped.
 * `reserveFrom` … `reserveTo`: the records held back for this fault.
 */
export async function stopInFlight(
  situation: Situation,
  layout: Layout,
  reserve: { readonly from: number; readonly to: number },
  signal: AbortSignal,
): Promise<Hit> {
  const { producer, fleet } = situation.sources
  const chunk = Math.max(layout.rowsPerRound, Math.ceil((reserve.to - reserve.from) / ATTEMPTS_MAX))
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const victim = busiest(situation)
    const before = producer.produced()
    producer.allow(Math.min(reserve.to, reserve.from + attempt * chunk))
    await waitFor('the producer goes on', () => (producer.produced() > before ? true : null), {
      signal,
      timeoutMs: MOVE_TIMEOUT_MS,
      everyMs: 1,
    })
    const [delayMinMs, delayMaxMs] = chunk < MANY_ROWS ? STRIKE_DELAY_FEW_MS : STRIKE_DELAY_MANY_MS
    await sleep(randomInt(delayMinMs, delayMaxMs), undefined, { signal })
    const produced = producer.produced()
    const owned = situation.partitions().filter(p => p.worker === victim.id)
    victim.state = 'frozen'
    victim.process.child.kill('SIGSTOP')
    await sleep(WIRE_QUIET_MS, undefined, { signal })
    const epochs = new Map(owned.map(p => [p.partition, p.epoch]))
    const unfinishedRows = await countUnfinished(situation, layout, produced, new Set(epochs.keys()), signal)
    if (unfinishedRows > 0) {
      return { victim, epochs, unfinishedRows, inFlightRows: owned.reduce((sum, p) => sum + p.inFlightRows, 0) }
    }
    victim.process.child.kill('SIGCONT')
    victim.state = 'running'
    if (fleet.running().length === 0) throw new DemoFailure('No worker is running.')
  }
  throw new DemoFailure(
    `The fault hit nothing: ${ATTEMPTS_MAX} times every row had arrived before the worker was stopped.`,
  )
}

/** The running worker owning most partitions. */
function busiest(situation: Situation): FleetWorker {
  const owners = new Map<string, number>()
  for (const p of situation.partitions()) owners.set(p.worker, (owners.get(p.worker) ?? 0) + 1)
  const candidates = situation.sources.fleet.running().filter(worker => (owners.get(worker.id) ?? 0) > 0)
  const [first] = candidates.toSorted((a, b) => (owners.get(b.id) ?? 0) - (owners.get(a.id) ?? 0))
  if (first === undefined) throw new DemoFailure('No running worker owns a partition.')
  return first
}

/** Rows with ids below `produced` that belong to these partitions and are not in the table. */
async function countUnfinished(
  situation: Situation,
  layout: Layout,
  produced: number,
  partitions: ReadonlySet<number>,
  signal: AbortSignal,
): Promise<number> {
  const rows = await situation.sources.emulator.query(
    `SELECT MOD(CAST(FLOOR(id / ${layout.rowsPerBatch}) AS INT64), ${PARTITIONS}) AS p, COUNT(DISTINCT id) ` +
      `FROM ${TABLE_SQL} WHERE id >= 0 AND id < ${produced} GROUP BY p`,
    { signal },
  )
  const landed = new Map(rows.map(row => [Number(row[0]), Number(row[1])]))
  let unfinished = 0
  for (const partition of partitions)
    unfinished += producedOf(layout, produced, partition) - (landed.get(partition) ?? 0)
  return unfinished
}

export function producedOf(layout: Layout, produced: number, partition: number): number {
  let rows = 0
  for (let round = 0; round * layout.rowsPerRound < produced; round++) {
    const ids = batchIds(layout, round, partition)
    rows += Math.max(0, Math.min(ids.to, produced) - ids.from)
  }
  return rows
}

/** Waits until somebody else has claimed every partition of the hit, and answers how long that took. */
export async function waitForTakeover(situation: Situation, hit: Hit, signal: AbortSignal): Promise<number> {
  const start = performance.now()
  await waitFor(
    `${hit.epochs.size} partitions of ${hit.victim.name} are taken over`,
    () => {
      situation.assertAlive()
      const now = new Map(situation.partitions().map(p => [p.partition, p]))
      const isTaken = (partition: number, epoch: number): boolean => {
        const p = now.get(partition)
        return p !== undefined && p.worker !== hit.victim.id && p.state === 'RUNNING' && p.epoch > epoch
      }
      return [...hit.epochs].every(([partition, epoch]) => isTaken(partition, epoch)) ? true : null
    },
    { signal, timeoutMs: MOVE_TIMEOUT_MS, everyMs: 50 },
  )
  return (performance.now() - start) / 1000
}

/**
 * Resolves once the woken worker itself has given up every partition it was frozen with: it found its lease held by another
 * worker, or its claim or stream fenced. Both are told in its log, by partition.
 */
export async function waitForSurrender({ victim, epochs }: Hit, signal: AbortSignal): Promise<void> {
  await waitFor(
    `${victim.name} finds its ${epochs.size} partitions taken`,
    () => (surrendered(victim).size >= epochs.size ? true : null),
    { signal, timeoutMs: MOVE_TIMEOUT_MS, everyMs: 50 },
  )
}

/** Topic-partitions in lines such as {"topic":"flights","partition":3,"msg":"Lease lost: …"}. */
function surrendered({ process }: FleetWorker): ReadonlySet<string> {
  const lines = readFileSync(process.child.logFile, 'utf8').split('\n')
  const given = lines.filter(line => line.includes('"msg":"Lease lost') || line.includes('"msg":"Claim fenced'))
  return new Set(given.map(line => /"topic":"[^"]*","partition":\d+/.exec(line)?.[0] ?? line))
}
