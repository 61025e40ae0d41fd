// `npm run sim -- --seeds N`: seeds of the simulated cluster, their pace, how often each fault hit, and of a failure the smallest
// run that still fails, with its last steps.
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { FAULT_NAMES, FAULTS, type Fault } from './faults.ts'
import type { Less } from './plan.ts'
import { runSeed } from './run-seed.ts'
import { runSeeds, type SeedFailure, type SeedsResult } from './run-seeds.ts'
import { shrink } from './shrink.ts'

const USAGE = `Usage: npm run sim -- [--seeds N] [--seed S] [--faults a,b] [--jobs J] [--trace]

  --seeds N      how many seeds (1000)
  --seed S       the first seed (1); alone: just this one, with the last steps
  --faults a,b   only these faults, where the seed draws them
  --without a,b  all but these faults
  --jobs J       threads (as many as there are cores)
  --trace LINES  how many of the last steps to show (80)

Faults: ${FAULT_NAMES.join(', ')}
`
const EXIT_USAGE = 2
const PROGRESS_EVERY_MS = 5_000

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    faults: { type: 'string' },
    without: { type: 'string' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    trace: { type: 'string', default: '80' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) process.stdout.write(USAGE)
else await main()

async function main(): Promise<void> {
  const less: Less = {
    ...(values.faults !== undefined && { only: faultsIn(values.faults) }),
    ...(values.without !== undefined && { without: faultsIn(values.without) }),
  }
  const from = Number(values.seed ?? 1)
  const count = Number(values.seeds ?? (values.seed === undefined ? 1_000 : 1))
  if (values.seed !== undefined && values.seeds === undefined) return await showOne(from, less)
  const startedMs = performance.now()
  let toldMs = startedMs
  let toldFailures = 0
  const onBatch = (sum: SeedsResult): void => {
    for (const failure of sum.failures.slice(toldFailures)) process.stderr.write(`${failed(failure)}\n`)
    toldFailures = sum.failures.length
    if (performance.now() - toldMs < PROGRESS_EVERY_MS) return
    toldMs = performance.now()
    process.stderr.write(`${sum.seeds} seeds, ${sum.failures.length} failures, ${pace(sum.seeds, startedMs)}\n`)
  }
  const sum = await runSeeds({ from, count, jobs: Number(values.jobs), less, onBatch })
  printSum(sum, startedMs)
  const [first] = sum.failures
  if (first !== undefined) await showOne(first.seed, less)
}

function printSum(sum: SeedsResult, startedMs: number): void {
  const years = sum.virtualMs / (365 * 86_400_000)
  process.stdout.write(
    `${sum.seeds} seeds, ${sum.steps} steps, ${years.toFixed(2)} virtual years, ${pace(sum.seeds, startedMs)}\n`,
  )
  const width = Math.max(...FAULT_NAMES.map(name => name.length))
  for (const fault of FAULT_NAMES) {
    const { runs, times } = sum.hits.get(fault) ?? { runs: 0, times: 0 }
    const line = `${fault.padEnd(width)}  ${String(times).padStart(9)} hits in ${String(runs).padStart(7)} seeds`
    process.stdout.write(`${line}  ${FAULTS[fault].about}\n`)
  }
  for (const failure of sum.failures) process.stdout.write(`${failed(failure)}\n`)
  process.stdout.write(`failures: ${sum.failures.length}\n`)
  if (sum.failures.length > 0) process.exitCode = 1
}

async function showOne(seed: number, less: Less): Promise<void> {
  const result = await runSeed(seed, less)
  if (result.violation === null) {
    process.stdout.write(`seed=${seed} holds: ${result.steps} steps, trace ${result.traceHash.toString(16)}\n`)
    return
  }
  const { less: smallest } = await shrink(result, less)
  const { plan, violation, trace, traceHash } = await runSeed(seed, smallest, { traced: true })
  const { faults, ...sizes } = plan
  process.stdout.write(`${trace.slice(-Number(values.trace)).join('\n')}\n`)
  process.stdout.write(`seed=${seed} trace=${traceHash.toString(16)}\n${JSON.stringify(sizes)}\n`)
  process.stdout.write(`faults needed: ${[...faults].join(', ') || 'none'}\n${violation?.message}\n`)
  process.exitCode = 1
}

function failed({ seed, message }: SeedFailure): string {
  return `FAILED seed=${seed} ${message.split('\n')[0]}`
}

function pace(seeds: number, startedMs: number): string {
  return `${((seeds * 1_000) / (performance.now() - startedMs)).toFixed(0)} seeds/s`
}

function faultsIn(list: string): ReadonlySet<Fault> {
  const names = list.split(',').filter(name => name !== '')
  const unknown = names.filter(name => !(FAULT_NAMES as readonly string[]).includes(name))
  if (unknown.length > 0) {
    process.stderr.write(`No such fault: ${unknown.join(', ')}.\n${USAGE}`)
    process.exit(EXIT_USAGE)
  }
  return new Set(names as Fault[])
}
