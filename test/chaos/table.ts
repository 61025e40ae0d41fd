// The table at the end of a run, and its last line.
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

export function summary(outcomes: readonly Outcome[]): string {
  const of = (status: Outcome['status']): number => outcomes.filter(each => each.status === status).length
  const sum = (pick: (v: NonNullable<Outcome['verdict']>) => number): number =>
    outcomes.reduce((total, { verdict }) => total + (verdict === null ? 0 : pick(verdict)), 0)
  return (
    `chaos: ${of('held')} rows held, ${of('failed')} failed, ${of('void')} void, ${of('skipped')} skipped; ` +
    `${sum(v => v.committed)} records, ${sum(v => v.missing)} missing, ${sum(v => v.duplicates)} duplicates, ` +
    `${sum(v => v.doubleOutcomes)} double outcomes`
  )
}

const seconds = (ms: number | null): string => (ms === null ? '–' : `${(ms / 1000).toFixed(1)} s`)

/** Nearest rank; null of nothing. */
function quantile(values: readonly number[], q: number): number | null {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? null
}
