// Many seeds, on as many threads as asked for. Every thread takes the next batch when it is done with one, so no core waits.
import { Worker } from 'node:worker_threads'
import type { Fault } from './faults.ts'
import type { Less } from './plan.ts'
import { runSeed } from './run-seed.ts'

export type SeedsOptions = {
  readonly from: number
  readonly count: number
  readonly jobs: number
  readonly less?: Less
  /** No further batch is begun after so many failures. */
  readonly failuresMax?: number
  readonly onBatch?: (soFar: SeedsResult) => void
}
export type SeedFailure = { readonly seed: number; readonly message: string }
export type SeedsResult = {
  readonly seeds: number
  readonly steps: number
  readonly virtualMs: number
  readonly failures: readonly SeedFailure[]
  /** Runs a fault really hit, and how often in all. */
  readonly hits: ReadonlyMap<Fault, { readonly runs: number; readonly times: number }>
}

const BATCH = 100
const FAILURES_MAX = 20
export const NOTHING: SeedsResult = { seeds: 0, steps: 0, virtualMs: 0, failures: [], hits: new Map() }

/** What a thread is asked; it answers with a SeedsResult. */
export type Batch = { readonly from: number; readonly count: number; readonly less: Less }

export async function runSeeds(options: SeedsOptions): Promise<SeedsResult> {
  const { from, count, jobs, less = {}, failuresMax = FAILURES_MAX, onBatch } = options
  let next = from
  let sum = NOTHING
  const takeBatch = (): Batch | null => {
    if (next >= from + count || sum.failures.length >= failuresMax) return null
    const batch = { from: next, count: Math.min(BATCH, from + count - next), less }
    next += batch.count
    return batch
  }
  const add = (result: SeedsResult): void => {
    sum = together(sum, result)
    onBatch?.(sum)
  }
  if (jobs <= 1) {
    for (let batch = takeBatch(); batch !== null; batch = takeBatch()) add(await runBatch(batch))
    return sum
  }
  await Promise.all(Array.from({ length: jobs }, () => work(takeBatch, add)))
  return sum
}

export async function runBatch({ from, count, less }: Batch): Promise<SeedsResult> {
  let [steps, virtualMs] = [0, 0]
  const failures: SeedFailure[] = []
  const hits = new Map<Fault, { runs: number; times: number }>()
  for (let seed = from; seed < from + count; seed++) {
    const result = await runSeed(seed, less)
    steps += result.steps
    virtualMs += result.virtualMs
    if (result.violation !== null) failures.push({ seed, message: result.violation.message })
    for (const [fault, times] of result.hits) {
      const before = hits.get(fault) ?? { runs: 0, times: 0 }
      hits.set(fault, { runs: before.runs + 1, times: before.times + times })
    }
  }
  return { seeds: count, steps, virtualMs, failures, hits }
}

function work(takeBatch: () => Batch | null, add: (result: SeedsResult) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL('./seeds-thread.ts', import.meta.url), {
      resourceLimits: { maxYoungGenerationSizeMb: 64 },
    })
    const goOn = (): void => {
      const batch = takeBatch()
      if (batch === null) void thread.terminate().then(() => resolve())
      else thread.postMessage(batch)
    }
    thread.on('error', reject)
    thread.on('message', (result: SeedsResult) => {
      add(result)
      goOn()
    })
    goOn()
  })
}

function together(a: SeedsResult, b: SeedsResult): SeedsResult {
  const hits = new Map(a.hits)
  for (const [fault, { runs, times }] of b.hits) {
    const before = hits.get(fault) ?? { runs: 0, times: 0 }
    hits.set(fault, { runs: before.runs + runs, times: before.times + times })
  }
  return {
    seeds: a.seeds + b.seeds,
    steps: a.steps + b.steps,
    virtualMs: a.virtualMs + b.virtualMs,
    failures: [...a.failures, ...b.failures],
    hits,
  }
}
