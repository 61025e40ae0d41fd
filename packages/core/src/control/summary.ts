// A connector in numbers: what its partitions report, added up; and the same by destination table.

import type { ConnectorEntry } from './control-state.ts'
import { type PartitionView, partitionState, type TaskState } from './lifecycle.ts'

export type Totals = {
  readonly partitions: number
  /** Records; the sum of what is known; null while no partition knows, as of what is paused or stopped. */
  readonly lag: number | null
  /** The oldest record of all; null while no partition knows. */
  readonly lagMs: number | null
  readonly inFlightRows: number
  readonly rowsTotal: number
  readonly deadLettersTotal: number
  readonly droppedTotal: number
  readonly lostOffsets: number
  readonly streams: number
  /** Freshness: timestamp of the newest settled record. */
  readonly newestRecordAtMs: number | null
}
export type ConnectorSummary = Totals & { readonly partitionsByState: Readonly<Partial<Record<TaskState, number>>> }
export type TableSummary = Totals & { readonly table: string; readonly topics: readonly string[] }

export function summarize(entry: ConnectorEntry, views: readonly PartitionView[]): ConnectorSummary {
  const states = Map.groupBy(views, view => partitionState(entry, view))
  const partitionsByState = Object.fromEntries([...states].map(([state, found]) => [state, found.length]))
  return { ...totalsOf(views, () => true), partitionsByState }
}

/** Tables written to since the claims of now; a partition with several tables counts its lag for each of them. */
export function summarizeTables(views: readonly PartitionView[]): readonly TableSummary[] {
  const byTable = new Map<string, PartitionView[]>()
  for (const view of views)
    for (const table of view.report?.tables ?? []) byTable.set(table, [...(byTable.get(table) ?? []), view])
  return [...byTable]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([table, found]) => ({
      table,
      topics: [...new Set(found.map(view => view.topic))],
      ...totalsOf(found, stream => stream.startsWith(`${table}/streams/`)),
    }))
}

function totalsOf(views: readonly PartitionView[], isCounted: (stream: string) => boolean): Totals {
  const sum = (of: (report: NonNullable<PartitionView['report']>) => number): number =>
    views.reduce((total, { report }) => total + (report === null ? 0 : of(report)), 0)
  const max = (of: (report: NonNullable<PartitionView['report']>) => number | undefined): number | null => {
    const known = views.flatMap(({ report }) => (report === null ? [] : (of(report) ?? [])))
    return known.length === 0 ? null : known.reduce((a, b) => Math.max(a, b))
  }
  return {
    partitions: views.length,
    lag: views.some(({ report }) => report !== null && report.lag !== null) ? sum(report => report.lag ?? 0) : null,
    lagMs: max(report => report.lagMs),
    inFlightRows: sum(report => report.inFlightRows),
    rowsTotal: sum(report => report.rowsTotal),
    deadLettersTotal: sum(report => report.deadLettersTotal),
    droppedTotal: sum(report => report.droppedTotal),
    lostOffsets: sum(report => report.lostOffsets ?? 0),
    streams: sum(report => report.streams.filter(isCounted).length),
    newestRecordAtMs: max(report => report.settledRecordAtMs),
  }
}
