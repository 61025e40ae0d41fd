// From a failing seed to the smallest run of it that still fails: fewer faults, fewer turns, fewer records, one process less.
import { FAULT_NAMES, type Fault } from './faults.ts'
import type { Less } from './plan.ts'
import { runSeed, type SeedResult } from './run-seed.ts'

/** Runs spent on shrinking one failure: a few seconds. */
const RUNS_MAX = 200

/** The last failing run; the failure may have become another one on the way, which is as good. */
export async function shrink(failure: SeedResult, less: Less = {}): Promise<{ less: Less; result: SeedResult }> {
  let best = { less, result: failure }
  let runs = 0
  const stillFails = async (attempt: Less): Promise<boolean> => {
    if (runs++ >= RUNS_MAX) return false
    const result = await runSeed(failure.seed, attempt)
    if (result.violation === null) return false
    best = { less: attempt, result }
    return true
  }
  for (const fault of FAULT_NAMES)
    if (best.result.plan.faults.has(fault)) await stillFails({ ...best.less, without: withFault(best.less, fault) })
  for (const size of ['turns', 'records', 'processes', 'partitions'] as const) {
    let low = 1
    let high = best.result.plan[size]
    while (low < high) {
      const middle = (low + high) >> 1
      if (await stillFails({ ...best.less, [size]: middle })) high = middle
      else low = middle + 1
    }
  }
  return best
}

const withFault = ({ without = new Set() }: Less, fault: Fault): ReadonlySet<Fault> => new Set([...without, fault])
