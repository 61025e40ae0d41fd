// A table that was just created is not known everywhere at once: for a while, calls for it are denied as if it were missing.
// Measured on the service: CreateWriteStream and FlushRows in a part of the trials, at most twice in a row, AppendRows never.
import type { Behavior } from '../behavior.ts'
import type { Table } from '../catalog/resources.ts'
import { seededRandom } from '../faults/faults.ts'

type Method = 'createStream' | 'append' | 'flush'

/** Tables whose denials in a row are remembered; the oldest are forgotten first. About 100 bytes each. */
const TABLES_MAX = 1000

export class TablePropagation {
  private readonly behavior: Behavior
  private readonly nowMs: () => number
  private readonly inARow = new Map<string, number>()
  private random: { seed: number; next: () => number } | undefined

  constructor(behavior: Behavior, nowMs: () => number) {
    this.behavior = behavior
    this.nowMs = nowMs
  }

  /** Whether this call is denied. Draws anew at each call. */
  denies(table: Table, method: Method): boolean {
    const { windowMs, inARowMax, seed, ...chances } = this.behavior.tablePropagation
    if (windowMs === 0 || this.nowMs() - table.createdMs >= windowMs) return false
    if (this.random?.seed !== seed) this.random = { seed, next: seededRandom(seed) }
    const key = `${table.incarnation}/${method}`
    const denied = this.inARow.get(key) ?? 0
    this.inARow.delete(key)
    if (denied >= inARowMax || this.random.next() >= chances[method]) return false
    this.inARow.set(key, denied + 1)
    if (this.inARow.size > TABLES_MAX) this.inARow.delete(this.inARow.keys().next().value!)
    return true
  }
}
