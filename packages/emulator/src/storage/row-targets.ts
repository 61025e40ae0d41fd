// All physical tables that take rows. Only those used last keep builders and appenders: a stream in waiting costs next to nothing.
import type { Table } from '../catalog/resources.ts'
import { changeFieldsOf } from './change-fields.ts'
import { ChangeTarget, changeKey } from './duckdb-changes.ts'
import { tablePlace } from './duckdb-names.ts'
import { hiddenPlace } from './hidden-rows.ts'
import { RowTarget } from './row-target.ts'
import type { WriterSpec } from './storage.ts'

/** Targets that keep builders and an appender while no rows come: about 70 KB per column each. */
const WARM_TARGETS_MAX = 64

export class RowTargets {
  /** By RowTarget.key. Bounded by the tables and streams that rows were written to. */
  private readonly targets = new Map<string, RowTarget>()
  /** Tables whose change the storage has taken and callers do not know yet, by incarnation. Emptied with each store. */
  private readonly altered = new Map<string, Table>()
  /** Those that may hold rows or memory, least recently used first. */
  private readonly warm = new Set<RowTarget>()

  /** Where rows of a writer go. */
  forWriter({ table: given, schema, hiddenIn, isDefaultStream }: WriterSpec): RowTarget {
    const table = this.altered.get(given.incarnation) ?? given
    const isMerged = isDefaultStream && changeFieldsOf(schema) !== undefined
    const known = this.targets.get(isMerged ? changeKey(table) : (hiddenIn ?? table.incarnation))
    const target = known ?? (isMerged ? new ChangeTarget(table) : newTarget(table, hiddenIn))
    this.targets.set(target.key, target)
    this.use(target)
    this.coolDown()
    return target
  }

  /** Must be called before rows are written to a target that was not used for a while. */
  use(target: RowTarget): void {
    this.warm.delete(target)
    this.warm.add(target)
  }

  find(key: string): RowTarget | undefined {
    return this.targets.get(key)
  }

  dirty(): RowTarget[] {
    return [...this.warm].filter(target => target.hasRows)
  }

  of(table: Table): RowTarget[] {
    return [...this.targets.values()].filter(target => target.table.incarnation === table.incarnation)
  }

  /** From here on, rows of the table are read by its new schema. No target of it may hold rows. */
  follow(after: Table): void {
    this.altered.set(after.incarnation, after)
    for (const target of this.of(after)) target.follow(after)
  }

  /** The changes followed so far are known to all. */
  settled(): void {
    this.altered.clear()
  }

  /** Nothing is written there any more. */
  abandon(target: RowTarget): void {
    target.release()
    this.targets.delete(target.key)
    this.warm.delete(target)
  }

  /** Takes memory back from the targets that had no rows for the longest time. */
  coolDown(): void {
    if (this.warm.size <= WARM_TARGETS_MAX) return
    for (const target of this.warm) {
      if (this.warm.size <= WARM_TARGETS_MAX) return
      if (target.hasRows) continue
      target.release()
      this.warm.delete(target)
    }
  }

  releaseAll(): void {
    for (const target of this.warm) target.release()
    this.targets.clear()
    this.warm.clear()
  }
}

const newTarget = (table: Table, hiddenIn: string | undefined): RowTarget =>
  new RowTarget(table, hiddenIn === undefined ? tablePlace(table) : hiddenPlace(hiddenIn), hiddenIn)
