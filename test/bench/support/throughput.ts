// Medians, spreads and ratios of the runs of one input, and the table that shows them.
import { median, spread } from './figures.ts'
import type { ThroughputRun } from './throughput-run.ts'

/** One turn: everybody once, one after the other. Who failed is not there. */
export type Turn = ReadonlyMap<string, ThroughputRun>

export type Ratio = { readonly median: number; readonly spread: number; readonly pairs: number }
export type Figures = {
  readonly contestant: string
  readonly runs: number
  readonly rowsPerCpuSecond: number
  readonly rowsPerCpuSecondSpread: number
  readonly rowsPerSecond: number
  readonly rowsPerSecondSpread: number
  readonly megabytesPerSecond: number
  readonly rssPeakMegabytes: number
  readonly firstRowMs: number
  readonly rowsPerBrokerCpuSecond: number
  readonly rowsPerEmulatorCpuSecond: number
  readonly longestTaskMs: number | null
  readonly gcShare: number | null
  readonly gcLongestMs: number | null
  readonly journalRecordsPerSecond: number | null
  readonly journalBytesPerSecond: number | null
  /** Rows per CPU-second, as the median of the pairs within a turn; null when the other did not run. */
  readonly toGoogleNode: Ratio | null
  readonly toWithoutJournal: Ratio | null
  readonly warmUps: readonly string[]
}

const perCpuSecond = (run: ThroughputRun): number => run.rows / run.cpuSeconds

/** What lasts hits both of a pair: only runs of one turn are compared. */
export function ratio(turns: readonly Turn[], one: string, other: string): Ratio | null {
  const pairs = turns.flatMap(turn => {
    const [mine, theirs] = [turn.get(one), turn.get(other)]
    return mine === undefined || theirs === undefined ? [] : [perCpuSecond(mine) / perCpuSecond(theirs)]
  })
  return pairs.length === 0 ? null : { median: median(pairs), spread: spread(pairs), pairs: pairs.length }
}

/** null when no run succeeded. */
export function figuresOf(contestant: string, turns: readonly Turn[]): Figures | null {
  const runs = turns.flatMap(turn => turn.get(contestant) ?? [])
  if (runs.length === 0) return null
  const of = (value: (run: ThroughputRun) => number): number => median(runs.map(value))
  const within = (value: (run: ThroughputRun) => number | undefined): number | null => {
    const values = runs.flatMap(run => value(run) ?? [])
    return values.length === 0 ? null : median(values)
  }
  return {
    contestant,
    runs: runs.length,
    rowsPerCpuSecond: of(perCpuSecond),
    rowsPerCpuSecondSpread: spread(runs.map(perCpuSecond)),
    rowsPerSecond: of(run => run.rows / run.seconds),
    rowsPerSecondSpread: spread(runs.map(run => run.rows / run.seconds)),
    megabytesPerSecond: of(run => run.valueBytes / run.seconds / 1e6),
    rssPeakMegabytes: of(run => run.rssPeakBytes / 1e6),
    firstRowMs: of(run => run.firstRowMs),
    rowsPerBrokerCpuSecond: of(run => run.rows / run.brokerCpuSeconds),
    rowsPerEmulatorCpuSecond: of(run => run.rows / run.emulatorCpuSeconds),
    longestTaskMs: within(run => run.loop?.longestTaskMs),
    gcShare: within(run => run.loop?.gcShare),
    gcLongestMs: within(run => run.loop?.gcLongestMs),
    journalRecordsPerSecond: within(run => run.journal?.recordsPerSecond),
    journalBytesPerSecond: within(run => run.journal?.bytesPerSecond),
    toGoogleNode: ratio(turns, contestant, 'google-node'),
    toWithoutJournal: ratio(turns, contestant, 'without-journal'),
    warmUps: [...new Set(runs.map(run => run.warmUp))],
  }
}

const thousands = (value: number): string => `${Math.round(value / 1000)} k`
/** Half of (largest − smallest) / median. */
export const half = (value: number): string => `±${Math.round(value * 50)} %`
const times = (value: Ratio | null): string =>
  value === null ? '–' : `${value.median.toFixed(2)} ${half(value.spread)}`
const whole = (value: number | null, unit: string): string => (value === null ? '–' : `${Math.round(value)} ${unit}`)

const HEAD = [
  'contestant',
  'rows per CPU-s',
  '÷ google-node',
  '÷ without journal',
  'rows/s',
  'MB/s',
  'RSS peak',
  'longest task',
  'GC, longest',
] as const

const cells = (f: Figures): readonly string[] => [
  f.contestant,
  `${thousands(f.rowsPerCpuSecond)} ${half(f.rowsPerCpuSecondSpread)}`,
  times(f.toGoogleNode),
  times(f.toWithoutJournal),
  `${thousands(f.rowsPerSecond)} ${half(f.rowsPerSecondSpread)}`,
  f.megabytesPerSecond.toFixed(0),
  `${Math.round(f.rssPeakMegabytes)} MB`,
  whole(f.longestTaskMs, 'ms'),
  f.gcShare === null ? '–' : `${(f.gcShare * 100).toFixed(1)} %, ${whole(f.gcLongestMs, 'ms')}`,
]

/** Markdown, as docs/benchmarks.md has it. */
export function table(figures: readonly Figures[]): string {
  return [HEAD, HEAD.map(() => '---'), ...figures.map(cells)].map(row => `| ${row.join(' | ')} |\n`).join('')
}

/** One run, while it goes on. */
export function runLine(contestant: string, run: ThroughputRun): string {
  const figures = figuresOf(contestant, [new Map([[contestant, run]])])!
  const journal = run.journal === null ? '' : `, journal ${Math.round(run.journal.recordsPerSecond)} records/s`
  const parts = [
    contestant.padEnd(15),
    `${thousands(figures.rowsPerCpuSecond)} rows per CPU-s`,
    `${thousands(figures.rowsPerSecond)} rows/s`,
    `${run.rows} rows in ${run.seconds.toFixed(1)} s after ${run.warmUp}${run.isWhole ? '' : ', not to the end'}`,
    `RSS ${Math.round(figures.rssPeakMegabytes)} MB`,
    `broker ${thousands(figures.rowsPerBrokerCpuSecond)}, emulator ${thousands(figures.rowsPerEmulatorCpuSecond)} rows per CPU-s${journal}`,
  ]
  return `${parts.join(' | ')}\n`
}
