// What came of a run: the table and the lines below it, and the same for machines.
import type { Outcome } from './run-rows.ts'

const HEADS = [
  'row',
  'fault',
  'result',
  'effective hits',
  'takeover p50',
  'p99',
  'recovery',
  'records',
  'missing',
  'duplicates',
  'double outcomes',
] as const

export function table(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map(cells)
  const widths = HEADS.map((head, i) => Math.max(head.length, ...rows.map(row => (row[i] ?? '').length)))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd()
  return [HEADS, ...rows].map(line).join('\n')
}

function cells({ id, name, status, hits, takeoverMs, recoveryMs, verdict }: Outcome): readonly string[] {
  const count = (of: (v: NonNullable<typeof verdict>) => number): string =>
    verdict === null ? '–' : String(of(verdict))
  return [
    id,
    name,
    status,
    Object.entries(hits)
      .map(([what, n]) => `${n} ${what}`)
      .join(', ') || '–',
    seconds(quantile(takeoverMs, 0.5)),
    seconds(quantile(takeoverMs, 0.99)),
    seconds(recoveryMs),
    count(v => v.committed),
    count(v => v.missing),
    count(v => v.duplicates),
    count(v => v.doubleOutcomes),
  ]
}

/** Over the whole run. */
export type Totals = Readonly<Record<Outcome['status'] | Counted, number>> & {
  /** Of partitions that a lost worker owned, each until it delivered again. */
  readonly takeovers: Spread
  /** Of rows, each from the end of its fault until the slowest partition delivered. */
  readonly recoveries: Spread
}
export type Spread = { readonly count: number } & Readonly<Record<'p50Ms' | 'p99Ms' | 'maxMs', number | null>>

const COUNTED = ['committed', 'missing', 'duplicates', 'doubleOutcomes', 'phantoms', 'torn', 'falseGaps'] as const
type Counted = (typeof COUNTED)[number]

export function totals(outcomes: readonly Outcome[]): Totals {
  const of = (status: Outcome['status']): number => outcomes.filter(each => each.status === status).length
  const sums = COUNTED.map(
    name => [name, outcomes.reduce((sum, { verdict }) => sum + (verdict?.[name] ?? 0), 0)] as const,
  )
  return {
    held: of('held'),
    failed: of('failed'),
    void: of('void'),
    skipped: of('skipped'),
    ...(Object.fromEntries(sums) as Record<Counted, number>),
    takeovers: spread(outcomes.flatMap(each => each.takeoverMs)),
    recoveries: spread(outcomes.flatMap(each => each.recoveryMs ?? [])),
  }
}

const spread = (values: readonly number[]): Spread => ({
  count: values.length,
  p50Ms: quantile(values, 0.5),
  p99Ms: quantile(values, 0.99),
  maxMs: quantile(values, 1),
})

export function summary(outcomes: readonly Outcome[]): string {
  const all = totals(outcomes)
  const times = (what: string, { count, p50Ms, p99Ms, maxMs }: Spread): string =>
    `${count} ${what}: p50 ${seconds(p50Ms)}, p99 ${seconds(p99Ms)}, at most ${seconds(maxMs)}`
  return (
    `${times('partitions taken over', all.takeovers)}\n${times('recoveries', all.recoveries)}\n` +
    `chaos: ${all.held} rows held, ${all.failed} failed, ${all.void} void, ${all.skipped} skipped; ` +
    `${all.committed} records, ${all.missing} missing, ${all.duplicates} duplicates, ${all.doubleOutcomes} double outcomes, ` +
    `${all.phantoms + all.torn + all.falseGaps} that are not what was produced`
  )
}

/** For `--json`: the totals, and every row with the figures of its line. */
export const report = (
  outcomes: readonly Outcome[],
): { readonly totals: Totals; readonly rows: readonly unknown[] } => ({
  totals: totals(outcomes),
  rows: outcomes.map(outcome => ({ ...outcome, takeovers: spread(outcome.takeoverMs) })),
})

const seconds = (ms: number | null): string => (ms === null ? '–' : `${(ms / 1000).toFixed(1)} s`)

/** Nearest rank; null of nothing. */
function quantile(values: readonly number[], q: number): number | null {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? null
}
