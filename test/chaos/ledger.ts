// What was produced, as its producer knows it: ids whose records the brokers acknowledged, ids of aborted transactions, ids of
// records no table can take. Where the answer to a send was lost the producer does not know; the topic does, and is asked later.
import { plainRecord } from '../e2e/support/stage.ts'

/** Ids from here on were in transactions that were aborted. */
export const ABORTED_FROM = 1_000_000_000
/** Ids from here on stand in records whose `id` is no number: they belong in the dead letter queue. */
export const POISON_FROM = 2_000_000_000

export type Kind = 'committed' | 'aborted' | 'poison'

export class Ledger {
  /** Acknowledged, and their transaction, where there is one, committed. */
  readonly committed: Set<number> = new Set()
  readonly aborted: Set<number> = new Set()
  readonly poison: Set<number> = new Set()
  /** Of records whose value is not that of `plainRecord`. */
  readonly values: Map<number, string> = new Map()
  /** Acknowledged, and deleted from the topic before anybody read them: an audited gap is what becomes of them. */
  readonly deleted: Map<number, { readonly partition: number; readonly offset: bigint }> = new Map()
  /** Sent without an answer; a reader of the topic will tell. */
  readonly unsure: Set<number> = new Set()
  #next: Record<Kind, number> = { committed: 0, aborted: ABORTED_FROM, poison: POISON_FROM }

  take(kind: Kind, count: number): readonly number[] {
    const from = this.#next[kind]
    this.#next[kind] += count
    return Array.from({ length: count }, (_, i) => from + i)
  }
  /** The next id of a record that will be committed. */
  get nextId(): number {
    return this.#next.committed
  }
  valueOf(id: number): string {
    return this.values.get(id) ?? String(plainRecord(id, 0).value)
  }
  acknowledged(ids: readonly number[]): void {
    for (const id of ids) this.#setOf(id).add(id)
  }
  unanswered(ids: readonly number[]): void {
    for (const id of ids) this.unsure.add(id)
  }
  /**
   * What a read_committed reader of the topic found decides, about what the producer was not told and about what it was told wrongly:
   * KafkaJS resolves a send though it left out the partitions whose leader it lost. Answers how many were never produced.
   */
  settle(found: ReadonlyMap<number, number>): number {
    for (const id of this.unsure) if (found.has(id)) this.#setOf(id).add(id)
    this.unsure.clear()
    let unproduced = 0
    for (const ids of [this.committed, this.poison])
      for (const id of ids) if (!found.has(id) && ids.delete(id)) unproduced++
    return unproduced
  }

  #setOf(id: number): Set<number> {
    if (id >= POISON_FROM) return this.poison
    return id >= ABORTED_FROM ? this.aborted : this.committed
  }
}
