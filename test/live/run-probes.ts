// All probes, one after another on one table.

import type { Service } from './client.ts'
import { type Finding, findingOf, type Probe } from './probe.ts'
import { acknowledgedIsVisible, offsetsDecide, refusedLeavesNothing } from './probes/appends.ts'
import { lostAnswersAreFound, twoConnectionsShare } from './probes/connections.ts'
import { droppedTable, finalizedTakesNothing, openIsFound, unknownIsNotFound } from './probes/ends.ts'
import { finalizeAfterAKill, finalizeIsOrdered, finalizeRepeats } from './probes/finalize.ts'
import type { Pace } from './site.ts'

/** In this order: the last one drops the table. */
export const PROBES: readonly Probe[] = [
  finalizeRepeats,
  finalizeIsOrdered,
  finalizeAfterAKill,
  refusedLeavesNothing,
  offsetsDecide,
  lostAnswersAreFound,
  twoConnectionsShare,
  finalizedTakesNothing,
  acknowledgedIsVisible,
  unknownIsNotFound,
  openIsFound,
  droppedTable,
]

export type Result = Finding & { readonly id: string; readonly assumption: string; readonly seconds: number }
export type Run = {
  readonly table: string
  readonly results: readonly Result[]
  readonly streams: number
  readonly queries: number
}

export async function runProbes(
  service: Service,
  pace: Pace,
  options: {
    readonly probes?: readonly Probe[]
    readonly signal: AbortSignal
    readonly onResult?: (result: Result) => void
  },
): Promise<Run> {
  // Google's client takes a second to load: not for a run that is refused.
  const { openSite } = await import('./site.ts')
  await using site = await openSite(service, pace, options)
  const results: Result[] = []
  for (const probe of options.probes ?? PROBES) {
    const startedMs = performance.now()
    const finding = await findingOf(probe, site)
    const seconds = Math.round((performance.now() - startedMs) / 100) / 10
    const result = { id: probe.id, assumption: probe.assumption, ...finding, seconds }
    results.push(result)
    options.onResult?.(result)
  }
  return { table: site.table, results, ...site.spent }
}
