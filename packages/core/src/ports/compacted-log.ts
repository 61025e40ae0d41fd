// A compacted topic with one partition, as the config log needs it: append, read to the end, wait for more.

export type CompactedRecord = {
  readonly offset: bigint
  readonly key: string
  /** null is a tombstone: the key is deleted, and compaction may remove every trace of it. */
  readonly value: string | null
}

/** One instance has one reading position. It starts at the beginning of the log. */
export interface CompactedLog {
  /**
   * Resolves with the offset when all in-sync replicas have the record. A rejection leaves the outcome unknown: the record
   * may be in the log, or may still arrive. The same call never stores the record twice (an idempotent producer, or no
   * retry): after compaction only the later copy would remain, and "the first in the log" would change its mind.
   * Calls made at the same time may land in any order.
   */
  append(key: string, value: string | null, options: { signal: AbortSignal }): Promise<bigint>
  /**
   * The records after those of the previous call, in offset order, up to the end of the log as it was at some moment
   * after this call began; it holds at least everything acknowledged to anybody before the call. Rejects rather than
   * answer with a part (the next call then begins where the last successful one ended). Never called twice at once.
   */
  readToEnd(options: { signal: AbortSignal }): Promise<readonly CompactedRecord[]>
  /** Resolves when the log holds records beyond the last `readToEnd` (a long poll). May run beside the other two. */
  waitForMore(options: { signal: AbortSignal }): Promise<void>
}
