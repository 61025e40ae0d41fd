// Rows per second of each partition, measured between two looks at the workers' reports. Looks are far apart and a quiet cluster
// keeps its last measure: nothing is moved for a moment's wobble, nor because everybody sleeps.
import {
  decodeWorkerReport,
  isMillraceError,
  partitionResource,
  type WorkerId,
  type WorkerReport,
} from '@millrace/core'

/** Time between two looks. */
export const LOAD_WINDOW_MS = 60_000
/** Below this the whole cluster counts as quiet. */
const QUIET_ROWS_PER_SEC = 100

type Total = { readonly worker: WorkerId; readonly rows: number; readonly atMs: number }

export class LoadMeter {
  #totals: ReadonlyMap<string, Total> = new Map()
  #loads: ReadonlyMap<string, number> = new Map()

  /** Rows/s by `partitionResource`; partitions never measured are absent. */
  get loads(): ReadonlyMap<string, number> {
    return this.#loads
  }

  /** Takes one look. Partitions that changed hands since the last are not measured this time. */
  look(reports: ReadonlyMap<WorkerId, string>): void {
    const totals = new Map([...reports.values()].flatMap(body => totalsOf(body)))
    const rates = new Map<string, number>()
    for (const [resource, now] of totals) {
      const before = this.#totals.get(resource)
      if (!before || before.worker !== now.worker || now.atMs <= before.atMs || now.rows < before.rows) continue
      rates.set(resource, ((now.rows - before.rows) * 1000) / (now.atMs - before.atMs))
    }
    this.#totals = totals
    const sum = [...rates.values()].reduce((a, b) => a + b, 0)
    if (sum < QUIET_ROWS_PER_SEC) return
    const kept = [...this.#loads].filter(([resource]) => totals.has(resource))
    this.#loads = new Map([...kept, ...rates])
  }
}

function totalsOf(body: string): [string, Total][] {
  const report = decode(body)
  if (report === null) return []
  return report.partitions.map(p => [
    partitionResource(p.connector, p),
    { worker: report.worker, rows: p.rowsTotal, atMs: report.publishedAtMs },
  ])
}

/** A report of another version counts as none. */
function decode(body: string): WorkerReport | null {
  try {
    return decodeWorkerReport(body)
  } catch (error) {
    if (isMillraceError(error)) return null
    throw error
  }
}
