// One measured run: a contestant is started on full topics, warms up, and is watched from outside until all rows are through or it
// has been measured long enough.
import type { Contestant, Running, Scene } from '../contestants/index.ts'
import { type LoopFigures, loopFigures, readLoopLog } from './loop-log.ts'
import { cpuSeconds, rssPeakBytes } from './process-meter.ts'
import { until } from './services.ts'

/** Compiling and growing of buffers are over by then: so much time after the first row, or this share of the rows. */
const WARM_UP_MS = 10_000
const WARM_UP_SHARE = 0.25
/**
 * Measured until so many are visible, and not to the end: what is fetched and converted but not yet visible was paid for all the
 * same, and there should be as much of it at the end of the measurement as at its beginning.
 */
const MEASURED_UNTIL_SHARE = 0.8
/** A slow one is not waited for to its end. */
const MEASURED_MS_MAX = 30_000
/** CPU is counted in hundredths of a second. */
const CPU_SECONDS_MIN = 0.05
const STALL_MS = 60_000
const SAMPLE_EVERY_MS = 50
/** The emulator shows all its tables at once: it should not be busy with that. */
const SAMPLE_MANY_EVERY_MS = 200
/** Lines of the probe come every second. */
const PROBE_LOOK_EVERY_MS = 100

export type ThroughputRun = {
  readonly warmUp: '10 s' | 'a quarter of the rows'
  /** From the end of the warm-up until most rows are visible. */
  readonly rows: number
  readonly seconds: number
  readonly valueBytes: number
  readonly cpuSeconds: number
  readonly brokerCpuSeconds: number
  readonly emulatorCpuSeconds: number
  readonly rssPeakBytes: number
  /** From the first look after the start to the first row. */
  readonly firstRowMs: number
  /** Whether all rows came through, none twice. */
  readonly isWhole: boolean
  readonly loop: LoopFigures | null
  /** Of the whole run; null without a journal. */
  readonly journal: { readonly recordsPerSecond: number; readonly bytesPerSecond: number } | null
}

type Sample = {
  readonly atMs: number
  readonly wallMs: number
  readonly rows: number
  readonly own: number
  readonly broker: number
  readonly emulator: number
}

export async function runThroughput(contestant: Contestant, scene: Scene): Promise<ThroughputRun> {
  const { services } = scene
  const records = scene.records * contestant.passes
  await using running = await contestant.start({ ...scene, records })
  const sample = async (): Promise<Sample> => {
    running.assertAlive()
    return {
      rows: await running.rows(),
      atMs: performance.now(),
      wallMs: Date.now(),
      own: cpuSeconds(running.pid),
      broker: cpuSeconds(services.kafka.pids[0] ?? 0),
      emulator: cpuSeconds(services.emulator.child.pid),
    }
  }
  const everyMs = scene.topics.length > 1 ? SAMPLE_MANY_EVERY_MS : SAMPLE_EVERY_MS
  const startedAtMs = performance.now()
  const first = await until('the first row', everyMs, async () => {
    const now = await sample()
    return now.rows > 0 ? now : null
  })
  const isWarm = (now: Sample): boolean => now.rows >= records * WARM_UP_SHARE || now.atMs - first.atMs >= WARM_UP_MS
  const watch = stallWatch(first)
  const from = await until('the warm-up', everyMs, async () => {
    const now = watch(await sample())
    return isWarm(now) ? now : null
  })
  const isOver = (now: Sample): boolean => now.atMs - from.atMs >= MEASURED_MS_MAX && now.rows > from.rows
  const most = await until('most rows', everyMs, async () => {
    const now = watch(await sample())
    return now.rows >= records * MEASURED_UNTIL_SHARE || isOver(now) ? now : null
  })
  const last = await until('all rows', everyMs, async () => {
    const now = watch(await sample())
    return now.rows >= records || isOver(now) ? now : null
  })
  if (last.rows > records && !contestant.isCeiling) throw new Error(`${last.rows} rows of ${records} records`)
  // So few that they were nearly all on their way at once.
  const to = most.own - from.own < CPU_SECONDS_MIN ? last : most
  const rows = to.rows - from.rows
  const used = to.own - from.own
  if (used < CPU_SECONDS_MIN) throw new Error(`too short to be measured (${rows} rows, ${used} CPU-s): more --records`)
  return {
    warmUp: from.atMs - first.atMs >= WARM_UP_MS ? '10 s' : 'a quarter of the rows',
    rows,
    seconds: (to.atMs - from.atMs) / 1000,
    valueBytes: (rows * scene.valueBytes) / scene.records,
    cpuSeconds: used,
    brokerCpuSeconds: to.broker - from.broker,
    emulatorCpuSeconds: to.emulator - from.emulator,
    rssPeakBytes: rssPeakBytes(running.pid),
    firstRowMs: first.atMs - startedAtMs,
    isWhole: last.rows >= records,
    loop: await loopOf(running, from, to),
    journal: await journalOf(running, (last.atMs - startedAtMs) / 1000),
  }
}

/** Throws when nothing came for a long time. */
function stallWatch(first: Sample): (now: Sample) => Sample {
  let moved = first
  return now => {
    if (now.rows > moved.rows) moved = now
    else if (now.atMs - moved.atMs > STALL_MS) throw new Error(`no row after ${now.rows} for ${STALL_MS / 1000} s`)
    return now
  }
}

async function loopOf({ loopLog }: Running, from: Sample, to: Sample): Promise<LoopFigures | null> {
  if (loopLog === null) return null
  const isThere = (): boolean => readLoopLog(loopLog).some(({ atMs }) => atMs >= to.wallMs)
  await until('a line of the loop probe', PROBE_LOOK_EVERY_MS, async () => (isThere() ? true : null))
  return loopFigures(readLoopLog(loopLog), from.wallMs, to.wallMs)
}

async function journalOf({ journal }: Running, seconds: number): Promise<ThroughputRun['journal']> {
  if (journal === null) return null
  const { records, bytes } = await journal()
  return { recordsPerSecond: records / seconds, bytesPerSecond: bytes / seconds }
}
