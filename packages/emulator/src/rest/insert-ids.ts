// insertAll's best-effort deduplication: a row whose insertId was seen within the last minute is taken for a repetition.
// https://cloud.google.com/bigquery/docs/streaming-data-into-bigquery#dataconsistency
import type { Table } from '../catalog/resources.ts'

const REMEMBERED_MS = 60_000
/** About 150 bytes each. */
const IDS_MAX = 100_000

export class InsertIds {
  private readonly nowMs: () => number
  private readonly seen = new Map<string, number>()

  constructor(nowMs: () => number) {
    this.nowMs = nowMs
  }

  has(table: Table, insertId: string | null | undefined): boolean {
    if (!insertId) return false
    const at = this.seen.get(`${table.incarnation}/${insertId}`)
    return at !== undefined && at > this.nowMs() - REMEMBERED_MS
  }

  add(table: Table, insertId: string | null | undefined): void {
    if (!insertId) return
    this.seen.set(`${table.incarnation}/${insertId}`, this.nowMs())
    if (this.seen.size > IDS_MAX) this.seen.delete(this.seen.keys().next().value!)
  }
}
