// The journal as the worker sees it: append, read to the end, delete. Rules W and R of the protocol live behind this port.

import type { Incarnation } from '../ids.ts'
import type { KeySpace, KeySpaceState } from '../journal/key-space.ts'
import type { Genesis, JournalRecord } from '../journal/records.ts'

export interface JournalLog {
  /**
   * Appends the records in order and resolves when all are acknowledged by all in-sync replicas.
   * Rejects JOURNAL_OUTCOME_UNKNOWN (disposition fenced): the claim that wrote them is over, whether they landed or not.
   * Rejects JOURNAL_LOST (failPartition) when the log went backwards.
   */
  append(space: KeySpace, records: readonly JournalRecord[]): Promise<void>
  /** Rule R: everything acknowledged to anybody before an own Barrier, or to ourselves before this call, is in the answer. */
  readToEnd(space: KeySpace, options: { signal: AbortSignal }): Promise<KeySpaceState>
  /** Removes records by key (tombstones), all or none. Only the head claim may, and only what is below it. */
  delete(space: KeySpace, keys: readonly string[]): Promise<void>
  /** State as followed so far, without waiting: for status, metrics and inspection, never for a head check. */
  peek(space: KeySpace): KeySpaceState
}

/** The first records of incarnations, on the same topic and under the same rules. */
export interface GenesisLog {
  /** Resolves when it is acknowledged; rejects as `append` does. */
  writeGenesis(incarnation: Incarnation, genesis: Genesis): Promise<void>
  /** As of the end of the log. null: this journal never knew the incarnation, and its connector must not start. */
  readGenesis(incarnation: Incarnation, options: { signal: AbortSignal }): Promise<Genesis | null>
}
