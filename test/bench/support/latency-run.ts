// One measured run of latency: records come at a steady rate, and the emulator is asked every few milliseconds how many rows each
// partition's streams show. Producer, asker and clock are this process.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { WorkerProcess } from '@millrace/testkit'
import { ask, type PartitionShape } from '../../e2e/support/stage.ts'
import type { Scene } from '../contestants/contestant.ts'
import { startGoogleNode } from '../contestants/node-programs.ts'
import { startOurs } from '../contestants/ours.ts'
import { type LatencyFigures, latencies, latencyFigures, type Step } from './latency.ts'
import { until } from './services.ts'
import { produceSteadily } from './steady-producer.ts'

const LOOK_EVERY_MS = 4
/** Streams of partitions are learnt so often: a worker may take another one on its way. */
const STREAMS_EVERY_MS = 500
/** Everybody has joined, claimed and opened its streams, and is compiled, when what came meanwhile is through. */
const WARM_UP_SECONDS = 5
const DONE_LOOK_EVERY_MS = 50

export type LatencyContestant = 'ours' | 'google-node'
export const LATENCY_CONTESTANTS: readonly LatencyContestant[] = ['ours', 'google-node']

export type Rate = { readonly rowsPerSecond: number; readonly seconds: number }
export type LatencyRun = LatencyFigures & { readonly rowsPerSecond: number }

type Look = { readonly atMs: number; readonly rows: ReadonlyMap<string, number> }
/** Streams by partition. */
type Streams = Map<number, Set<string>>
type Subject = {
  readonly table: string
  learn(streams: Streams): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** `scene` has one topic, without a record. */
export async function runLatency(who: LatencyContestant, scene: Scene, rate: Rate): Promise<LatencyRun> {
  const { services, partitions } = scene
  await using subject = who === 'ours' ? await subjectOurs(scene) : await subjectGoogleNode(scene)
  const streams: Streams = new Map()
  const looks: Look[] = []
  const over = new AbortController()
  const looking = look(scene, subject.table, looks, over.signal)
  const learning = learn(subject, streams, over.signal)
  const produce = (seconds: number): Promise<readonly Step[]> =>
    produceSteadily(
      services.kafka.bootstrapServers,
      scene.topics[0]!,
      partitions,
      scene.input.line,
      rate.rowsPerSecond,
      seconds,
    )
  const allVisible = (count: number): Promise<true> =>
    until(`${count * partitions} rows`, DONE_LOOK_EVERY_MS, async () => {
      const rows = looks.at(-1)?.rows.values() ?? []
      return [...rows].reduce((sum, n) => sum + n, 0) >= count * partitions ? true : null
    })
  try {
    const warmUp = await produce(WARM_UP_SECONDS)
    const base = warmUp.at(-1)!.count
    await allVisible(base)
    const fromMs = performance.now()
    const steady = (await produce(rate.seconds)).map(({ atMs, count }) => ({ atMs, count: count + base }))
    await allVisible(steady.at(-1)!.count)
    over.abort()
    await Promise.all([looking, learning])
    await subject.learn(streams)
    const all = [...streams.values()].flatMap(names => latencies([...warmUp, ...steady], shown(looks, names), fromMs))
    const expected = (steady.at(-1)!.count - base) * partitions
    if (all.length !== expected) throw new Error(`${all.length} of ${expected} records were followed`)
    const measured = looks.filter(({ atMs }) => atMs >= fromMs).map(({ atMs }) => atMs)
    const gaps = measured.slice(1).map((atMs, i) => atMs - measured[i]!)
    return { ...latencyFigures(all, gaps), rowsPerSecond: rate.rowsPerSecond }
  } finally {
    over.abort()
    await Promise.allSettled([looking, learning])
  }
}

async function look({ services }: Scene, table: string, looks: Look[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const streams = await services.streamsOf(table)
    looks.push({ atMs: performance.now(), rows: new Map(streams.map(({ name, rows }) => [name, rows])) })
    await sleep(LOOK_EVERY_MS)
  }
}

async function learn(subject: Subject, streams: Streams, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await subject.learn(streams)
    await sleep(STREAMS_EVERY_MS)
  }
}

/** What all the streams of one partition showed together. */
function shown(looks: readonly Look[], names: ReadonlySet<string>): readonly Step[] {
  const steps: Step[] = []
  for (const { atMs, rows } of looks) {
    let count = 0
    for (const name of names) count += rows.get(name) ?? 0
    if (count > (steps.at(-1)?.count ?? 0)) steps.push({ atMs, count })
  }
  return steps
}

function add(streams: Streams, partition: number, names: readonly string[]): void {
  const known = streams.get(partition) ?? new Set()
  for (const name of names) known.add(name)
  streams.set(partition, known)
}

async function subjectOurs(scene: Scene): Promise<Subject> {
  const ours = await startOurs(scene, null)
  return {
    table: ours.tables.names[0]!,
    learn: async streams => {
      for (const { partition, streams: names } of await partitionsOf(ours.worker, ours.tables.prefix))
        add(streams, partition, names)
    },
    [Symbol.asyncDispose]: () => ours[Symbol.asyncDispose](),
  }
}

async function partitionsOf(worker: WorkerProcess, connector: string): Promise<readonly PartitionShape[]> {
  const { body } = await ask('GET', `${worker.rest}/api/v1/connectors/${connector}/partitions`)
  return (body as { partitions?: readonly PartitionShape[] }).partitions ?? []
}

async function subjectGoogleNode(scene: Scene): Promise<Subject> {
  const program = await startGoogleNode(scene)
  return {
    table: program.tables[0]!,
    learn: async streams => {
      program.assertAlive()
      for (const line of readFileSync(program.logFile, 'utf8').split('\n')) {
        if (!line.startsWith('{"topic"')) continue
        const { partition, stream } = JSON.parse(line) as { partition: number; stream: string }
        add(streams, partition, [stream])
      }
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  }
}
