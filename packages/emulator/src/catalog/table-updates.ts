// The quota on changes of a table's metadata: creating and altering count, by name; rows do not.
// https://cloud.google.com/bigquery/quotas#standard_tables (five per ten seconds)

const WINDOW_MS = 10_000
/** Names remembered, about 200 bytes each; those past their window make room first. */
const NAMES_MAX = 100_000

export class TableUpdates {
  /** Read at each use: the control API changes it. */
  private readonly behavior: { readonly tableUpdatesPer10s: number }
  private readonly nowMs: () => number
  private readonly recent = new Map<string, readonly number[]>()

  constructor(behavior: { readonly tableUpdatesPer10s: number }, nowMs: () => number) {
    this.behavior = behavior
    this.nowMs = nowMs
  }

  /** Takes one change of the table from its quota; false when there is none left. */
  take(tableKey: string): boolean {
    const { tableUpdatesPer10s: allowed } = this.behavior
    if (allowed === 0) return true
    const nowMs = this.nowMs()
    const times = (this.recent.get(tableKey) ?? []).filter(time => time > nowMs - WINDOW_MS)
    if (times.length >= allowed) return false
    // Deleted first: the map stays in the order of last use.
    this.recent.delete(tableKey)
    this.recent.set(tableKey, [...times, nowMs])
    if (this.recent.size > NAMES_MAX) this.recent.delete(this.recent.keys().next().value!)
    return true
  }
}
