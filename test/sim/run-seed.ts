// One seed from beginning to end. The same seed and the same `less` give the same run, to the last step.
import type { Logger } from '@millrace/core'
import { useLightSignals } from '@millrace/testkit'
import { Violation } from './checker.ts'
import type { Fault } from './faults.ts'
import type { Mutant } from './mutants.ts'
import { type Less, type Plan, planOf } from './plan.ts'
import { World } from './world.ts'

export type SeedResult = {
  readonly seed: number
  readonly violation: Violation | null
  readonly plan: Plan
  readonly steps: number
  readonly virtualMs: number
  readonly traceHash: number
  readonly hits: ReadonlyMap<Fault, number>
  /** The last steps and log lines; empty unless asked for. */
  readonly trace: readonly string[]
}

export type RunOptions = {
  readonly traced?: boolean
  readonly mutant?: Mutant
  /** AbortSignals as the platform makes them: to see that the light ones change nothing. */
  readonly hasPlatformSignals?: boolean
}

const QUIET: Logger = { error() {}, warn() {}, info() {}, debug() {}, child: () => QUIET }
const TRACE_LINES_MAX = 400

export async function runSeed(seed: number, less: Less = {}, options: RunOptions = {}): Promise<SeedResult> {
  const restore = options.hasPlatformSignals === true ? null : useLightSignals()
  return await runWorld(seed, less, options).finally(() => restore?.())
}

async function runWorld(seed: number, less: Less, options: RunOptions): Promise<SeedResult> {
  Error.stackTraceLimit = options.traced === true ? 20 : 0 // errors are made by the thousand, and read when a run is traced
  const plan = planOf(seed, less)
  const trace: string[] = []
  const write = (line: string): void => {
    trace.push(line)
    if (trace.length > TRACE_LINES_MAX) trace.splice(0, TRACE_LINES_MAX / 2)
  }
  let atMs = 0
  const logger = options.traced === true ? traceLogger(line => write(`${atMs.toFixed(3)}   ${line}`)) : QUIET
  const world = new World(plan, logger, options.mutant ?? null)
  const { scheduler, chance } = world.stores
  if (options.traced === true)
    scheduler.onStep = (label, elapsedMs) => {
      atMs = elapsedMs
      if (!label.endsWith('timer')) write(`${elapsedMs.toFixed(3)} ${label}`)
    }
  if (options.traced === true) world.stores.onEvent = line => write(`${atMs.toFixed(3)}   · ${line}`)
  const violation = await world.run().then(
    () => null,
    error => (error instanceof Violation ? error : crashed(error)),
  )
  return {
    seed,
    violation,
    plan,
    steps: scheduler.steps,
    virtualMs: scheduler.elapsedMs,
    traceHash: scheduler.traceHash,
    hits: chance.hits,
    trace,
  }
}

const crashed = (error: unknown): Violation =>
  new Violation('NoBug', error instanceof Error ? (error.stack ?? error.message) : String(error))

function traceLogger(write: (line: string) => void, bindings: object = {}): Logger {
  const at =
    (level: string) =>
    (fields: object, sentence: string): void =>
      write(`${level} ${sentence} ${JSON.stringify({ ...bindings, ...fields }, toText)}`)
  return {
    error: at('ERROR'),
    warn: at('WARN'),
    info: at('info'),
    debug: at('debug'),
    child: more => traceLogger(write, { ...bindings, ...more }),
  }
}

const toText = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' ? value.toString() : value instanceof Error ? value.message : value
