// What a seed decides before anything runs: the size of the world, its pace, and which faults it is troubled with.
import { SeededRandom } from '@millrace/testkit'
import { FAULT_NAMES, type Fault } from './faults.ts'

export type Plan = {
  readonly seed: number
  /** At first; more come when some die. */
  readonly processes: number
  readonly partitions: number
  /** Per partition, before anything goes wrong. */
  readonly records: number
  readonly batchRows: number
  readonly sliceRecords: number
  readonly latencyMsMax: number
  /** How many times the nemesis acts, and the longest pause between two acts. */
  readonly turns: number
  readonly pauseMsMax: number
  readonly faults: ReadonlySet<Fault>
  /** Share of the calls a fault of calls hits. */
  readonly rate: number
}

/** What a shrunk run has less of. */
export type Less = {
  readonly without?: ReadonlySet<Fault>
  readonly only?: ReadonlySet<Fault>
  readonly turns?: number
  readonly records?: number
  readonly processes?: number
  readonly partitions?: number
}

export function planOf(seed: number, less: Less = {}): Plan {
  const random = new SeededRandom(seed).fork('plan')
  const share = random.pick([0, 0.1, 0.3, 0.3, 0.5, 1])
  const plan: Plan = {
    seed,
    processes: random.between(1, 3),
    partitions: random.pick([1, 1, 1, 2, 3]),
    records: random.between(3, 20),
    batchRows: random.between(1, 5),
    sliceRecords: random.between(1, 7),
    latencyMsMax: random.pick([0, 2, 10, 100]),
    turns: random.between(4, 20),
    pauseMsMax: random.pick([20, 200, 2_000, 6_000]),
    faults: new Set(FAULT_NAMES.filter(() => random.chance(share))),
    rate: random.pick([0.02, 0.1, 0.3]),
  }
  const faults = [...(less.only ?? plan.faults)].filter(fault => less.without?.has(fault) !== true)
  return {
    ...plan,
    faults: new Set(faults),
    turns: Math.min(plan.turns, less.turns ?? plan.turns),
    records: Math.min(plan.records, less.records ?? plan.records),
    processes: Math.min(plan.processes, less.processes ?? plan.processes),
    partitions: Math.min(plan.partitions, less.partitions ?? plan.partitions),
  }
}
