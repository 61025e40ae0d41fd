// One soak: a steady flow with a ledger through three real workers while seeded faults come every few seconds, then everything is
// healed and what arrived is compared by content with what was produced.
import { setTimeout as sleep } from 'node:timers/promises'
import { SeededRandom, type WorkerProcess } from '@millrace/testkit'
import { check } from '../chaos/checker.ts'
import { PARTITIONS, Scene } from '../chaos/scene.ts'
import { ChaosStage } from '../chaos/stage.ts'
import type { Verdict } from '../chaos/verdict.ts'
import { FAULTS, type Fault, type FaultContext } from './faults.ts'
import { type ProcessReport, ProcessWatch, type Watched } from './watch.ts'

export type SoakOptions = {
  readonly minutes: number
  readonly seed: number
  /** Between the beginnings of two faults, on average. */
  readonly everyMs: number
  readonly rowsPerSend: number
  readonly signal: AbortSignal
  readonly onLine: (line: string) => void
}

export type FaultCount = { readonly begun: number; readonly hit: number; readonly failed: number }

export type SoakReport = {
  readonly seed: number
  readonly minutes: number
  readonly faults: Readonly<Record<string, FaultCount>>
  readonly faultsHit: number
  /** Claims that recovered what a dead one left. */
  readonly recoveries: number
  /** The longest time between two looks that found new rows, while faults were on; looks are 5 s apart. */
  readonly longestStandstillSeconds: number
  /** From the end of the last fault until every partition delivered. */
  readonly recoverySeconds: number
  /** Workers that ended although nobody ended them. */
  readonly crashes: number
  readonly processes: readonly ProcessReport[]
  readonly verdict: Verdict
}

const SAMPLE_EVERY_MS = 5_000
const TELL_EVERY_MS = 60_000
/** Everything that was produced has arrived so long after the last fault. */
const PATIENCE_MS = 300_000

export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { minutes, seed, rowsPerSend, signal, onLine } = options
  onLine(`Starting three brokers, Redis with a replica, the emulator and three workers; seed ${seed}.`)
  await using stage = await ChaosStage.begin()
  const scene = await Scene.open(stage, stage.unique('soak'), false, { rowsPerSend })
  await using _flow = scene.flow
  const elder = stage.seats[0]
  if (elder === undefined) throw new Error('The stage has a seat.')
  const watch = new ProcessWatch()
  const over = new AbortController()
  const until = AbortSignal.any([signal, over.signal])
  const counts = new FaultCounts()
  const progress = new Standstill()
  const sampling = sample(stage, scene, watch, progress, until)
  const telling = tell(scene, counts, watch, onLine, until)
  const dismissed = new Set<WorkerProcess>()
  onLine(`${PARTITIONS} partitions run; faults for ${minutes} min.`)
  const timer = setTimeout(() => over.abort(), minutes * 60_000)
  const startedMs = performance.now()
  try {
    await throwFaults(
      { stage, scene, elder, dismissed, random: new SeededRandom(seed), signal: until },
      options,
      counts,
      onLine,
    )
  } finally {
    clearTimeout(timer)
    over.abort()
    await Promise.all([sampling, telling])
  }
  signal.throwIfAborted()
  const lastedMinutes = (performance.now() - startedMs) / 60_000
  const crashes = crashesOf(stage, dismissed)
  onLine('Healing, then comparing.')
  const healedMs = performance.now()
  await stage.heal()
  await scene.delays(healedMs, undefined, PATIENCE_MS)
  const recoverySeconds = (performance.now() - healedMs) / 1000
  const ledger = await scene.flow.end()
  const verdict = await check(stage, scene, ledger, PATIENCE_MS)
  return {
    seed,
    minutes: lastedMinutes,
    faults: counts.report(),
    faultsHit: counts.hits,
    recoveries: scene.countLogs('"takeover":true,"msg":"Partition claimed."'),
    longestStandstillSeconds: progress.longestMs / 1000,
    recoverySeconds,
    crashes,
    processes: watch.reports(),
    verdict,
  }
}

/** Begins one every few seconds until aborted, and waits for those that are on. */
async function throwFaults(
  context: FaultContext,
  { everyMs }: SoakOptions,
  counts: FaultCounts,
  onLine: (line: string) => void,
): Promise<void> {
  const { random, signal } = context
  const busy = new Map<Fault['takes'], Promise<void>>()
  while (!signal.aborted) {
    const free = FAULTS.filter(fault => !busy.has(fault.takes))
    if (free.length > 0) {
      const fault = choose(free, random)
      const running = counts.run(fault, { ...context, random: random.fork(fault.name) }, onLine)
      busy.set(
        fault.takes,
        running.finally(() => busy.delete(fault.takes)),
      )
    }
    await sleep(random.between(everyMs >> 1, everyMs + (everyMs >> 1)), undefined, { signal }).catch(() => {})
  }
  await Promise.all(busy.values())
}

function choose(faults: readonly Fault[], random: SeededRandom): Fault {
  let at = random.below(faults.reduce((sum, { weight }) => sum + weight, 0))
  const found = faults.find(fault => {
    at -= fault.weight
    return at < 0
  })
  return found ?? random.pick(faults)
}

class FaultCounts {
  /** By name of the fault. */
  readonly #counts = new Map<string, { begun: number; hit: number; failed: number }>()

  get hits(): number {
    return [...this.#counts.values()].reduce((sum, { hit }) => sum + hit, 0)
  }
  report(): Readonly<Record<string, FaultCount>> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => a.localeCompare(b)))
  }

  async run(fault: Fault, context: FaultContext, onLine: (line: string) => void): Promise<void> {
    const count = this.#counts.get(fault.name) ?? { begun: 0, hit: 0, failed: 0 }
    this.#counts.set(fault.name, count)
    count.begun++
    try {
      if (await fault.run(context)) count.hit++
    } catch (error) {
      // The tool's own trouble, such as a broker that starts slowly: told, and healed at the end.
      count.failed++
      onLine(`${fault.name}: ${(error instanceof Error ? error.message : String(error)).split('\n')[0]}`)
    }
  }
}

class Standstill {
  longestMs = 0
  #rows = -1
  #sinceMs = performance.now()

  note(rows: number): void {
    const now = performance.now()
    this.longestMs = Math.max(this.longestMs, now - this.#sinceMs)
    if (rows <= this.#rows) return
    this.#rows = rows
    this.#sinceMs = now
  }
}

async function sample(
  stage: ChaosStage,
  scene: Scene,
  watch: ProcessWatch,
  progress: Standstill,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    watch.sample(processesOf(stage))
    await stage.countRows(scene.table).then(
      rows => progress.note(rows),
      () => {}, // BigQuery may be the one that is away
    )
    await sleep(SAMPLE_EVERY_MS, undefined, { signal }).catch(() => {})
  }
}

const processesOf = (stage: ChaosStage): readonly Watched[] => [
  ...stage.seats.flatMap(seat => (seat.isRunning ? [{ name: seat.name, pid: seat.pid }] : [])),
  { name: 'emulator', pid: stage.emulator.child.pid },
  ...stage.kafka.pids.map((pid, i) => ({ name: `broker ${i}`, pid })),
  { name: 'soak', pid: process.pid },
]

async function tell(
  scene: Scene,
  counts: FaultCounts,
  watch: ProcessWatch,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const startedMs = performance.now()
  while (!signal.aborted) {
    await sleep(TELL_EVERY_MS, undefined, { signal }).catch(() => {})
    const minutes = Math.round((performance.now() - startedMs) / 60_000)
    const rows = await scene.stage.countRows(scene.table).catch(() => null)
    const memory = watch.reports().map(({ name, rssMegabytesLast }) => `${name} ${rssMegabytesLast}`)
    onLine(
      `${minutes} min: ${scene.flow.ledger.committed.size} records, ${rows ?? '?'} rows, ${counts.hits} faults; MiB: ${memory.join(', ')}`,
    )
  }
}

/** Every other end of a worker is by a SIGKILL of ours. */
const crashesOf = (stage: ChaosStage, dismissed: ReadonlySet<WorkerProcess>): number =>
  stage.workers.filter(worker => {
    const exit = worker.child.exit()
    return exit !== null && exit.signal !== 'SIGKILL' && !dismissed.has(worker)
  }).length
