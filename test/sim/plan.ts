// What a seed decides before anything runs: the size of the world, its pace, and which faults it is troubled with.
import { SeededRandom } from '@millrace/testkit'
import { FAULT_NAMES, type Fault } from './faults.ts'

export type Plan = {
  readonly seed: number
  /** Whether leases and a coordinator say who works on what; else any number of processes do at once. */
  readonly isCluster: boolean
  /** At first; more come when some die. */
  readonly processes: number
  readonly partitions: number
  /** Per partition, before anything goes wrong. */
  readonly records: number
  readonly batchRows: number
  /** Whether journal records travel as text, as they do in Kafka; by reference is faster. */
  readonly isJournalText: boolean
  readonly sliceRecords: number
  /** One more record comes this often while the nemesis is at work; null: only when it says so. */
  readonly flowMs: number | null
  /** Share of the records that are no plain rows, where the seed has such. */
  readonly oddShare: number
  readonly latencyMsMax: number
  /** How many times the nemesis acts, and the longest pause between two acts. */
  readonly turns: number
  readonly pauseMsMax: number
  readonly faults: ReadonlySet<Fault>
  /** Whether offsets the log lost are skipped; else the partition fails until an operator has it so. */
  readonly skipsLost: boolean
  /** Share of the calls a fault of calls hits. */
  readonly rate: number
}

/** A cluster takes several times the steps: every half second each process looks for news. */
const CLUSTER_SHARE = 0.15

/** What is written and read as text once is so every time: enough to see that no text misleads a reader. */
const JOURNAL_TEXT_SHARE = 0.25

const SKIP_SHARE = 0.7

/**
 * Faults that came later have generators of their own: the seeds that failed once keep their runs. With how much of the usual chance
 * they are on: some of them end most of what could be seen in a seed.
 */
const LATER: Partial<Record<Fault, number>> = {
  tableDropped: 0.4,
  columnDropped: 0.4,
  retention: 0.5,
  truncated: 0.2,
  topicRecreated: 0.2,
  oldVersion: 0.5,
}

/** What a shrunk run has less of. */
export type Less = {
  /** Instead of what the seed draws: to look closer at one kind of trouble. */
  readonly focus?: Partial<
    Pick<
      Plan,
      | 'faults'
      | 'oddShare'
      | 'flowMs'
      | 'rate'
      | 'latencyMsMax'
      | 'partitions'
      | 'isCluster'
      | 'isJournalText'
      | 'skipsLost'
    >
  >
  readonly without?: ReadonlySet<Fault>
  readonly only?: ReadonlySet<Fault>
  readonly turns?: number
  readonly records?: number
  readonly processes?: number
  readonly partitions?: number
}

export function planOf(seed: number, less: Less = {}): Plan {
  const root = new SeededRandom(seed)
  const random = root.fork('plan')
  const share = random.pick([0, 0.1, 0.3, 0.3, 0.5, 1])
  const latencyMsMax = random.pick([0, 2, 10, 100])
  const drawn: Plan = {
    seed,
    isCluster: random.chance(CLUSTER_SHARE),
    processes: random.between(1, 3),
    partitions: random.pick([1, 1, 1, 2, 3]),
    records: random.between(3, 30),
    batchRows: random.pick([1, 1, 2, 3, 5]),
    isJournalText: root.fork('journal').chance(JOURNAL_TEXT_SHARE),
    sliceRecords: random.between(1, 7),
    flowMs: random.chance(0.4) ? random.pick([2, 10, 30]) * (latencyMsMax / 8 + 1) : null,
    oddShare: random.pick([0.1, 0.4, 0.4, 0.9]),
    latencyMsMax,
    turns: random.between(4, 30),
    // A claim and its first append take about fifteen round trips.
    pauseMsMax: random.pick([4, 12, 40]) * (latencyMsMax + 2) + random.pick([0, 0, 3_000]),
    faults: new Set(
      FAULT_NAMES.filter(fault => {
        const part = LATER[fault]
        return part === undefined ? random.chance(share) : root.fork(fault).chance(share * part)
      }),
    ),
    skipsLost: root.fork('skipsLost').chance(SKIP_SHARE),
    rate: random.pick([0.02, 0.1, 0.3]),
  }
  const chosen = { ...drawn, ...less.focus }
  const plan = chosen.isCluster ? slower(chosen) : chosen
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

/** A cluster first has to elect a leader, and every change takes it a look or two. */
const slower = (plan: Plan): Plan => ({
  ...plan,
  pauseMsMax: plan.pauseMsMax + 1_000,
  flowMs: plan.flowMs === null ? null : Math.max(plan.flowMs, 100),
})
