// The fold of the config topic: which write about each name is valid, and which records it made superfluous.
//
// The rule is compare-and-set: a write names the write it replaces, and the first in the log whose parent is the valid head
// wins. Compaction may have removed the parents, so the fold uses what follows from it: a writer reads to the end before it
// writes, hence its version is the valid head's plus one, hence **the head is the highest version; among equals, the first
// in the log**, and only what is below the head is ever deleted. Read to the end, every compacted form of a log folds the same.
import { MillraceError } from '../errors/error.ts'
import type { CompactedRecord } from '../ports/compacted-log.ts'
import {
  type ConfigRecord,
  decodeConfigRecord,
  keyOf,
  LINEAGE_MAX,
  nameOf,
  nameOfKey,
  versionOf,
} from './config-record.ts'
import type { ConnectorEntry, ControlState, DeletedConnector } from './control-state.ts'

export type ConfigSlot = {
  readonly head: ConfigRecord
  readonly headKafkaOffset: bigint
  /** Keys of this name that are in the log without a meaning: older than the head, or beaten by it. Never the head's. */
  readonly superseded: ReadonlySet<string>
}

/** By name; deleted connectors keep their slot, so that a late write about them stays a late write. */
export type ConfigLogState = ReadonlyMap<string, ConfigSlot>

export const EMPTY_CONFIG_LOG: ConfigLogState = new Map()

/**
 * Folds the records that follow. Only the state at the end of a complete read means anything: in the middle, compaction may
 * have removed a winner whose successor is still to come.
 */
export function foldConfigLog(state: ConfigLogState, records: readonly CompactedRecord[]): ConfigLogState {
  const next = new Map(state)
  for (const record of records) {
    if (record.value === null) foldTombstone(next, record.key)
    else foldRecord(next, decodeConfigRecord(record.key, record.value), record.offset)
  }
  return next
}

function foldRecord(slots: Map<string, ConfigSlot>, record: ConfigRecord, kafkaOffset: bigint): void {
  const name = nameOf(record)
  const slot = slots.get(name)
  if (slot === undefined) {
    slots.set(name, { head: record, headKafkaOffset: kafkaOffset, superseded: new Set() })
    return
  }
  const superseded = new Set(slot.superseded)
  if (versionOf(record) > versionOf(slot.head)) {
    superseded.add(keyOf(slot.head))
    slots.set(name, { head: record, headKafkaOffset: kafkaOffset, superseded })
  } else if (record.writeId !== slot.head.writeId) {
    superseded.add(keyOf(record))
    slots.set(name, { ...slot, superseded })
  }
}

function foldTombstone(slots: Map<string, ConfigSlot>, key: string): void {
  const name = nameOfKey(key)
  const slot = name === null ? undefined : slots.get(name)
  if (name === null || slot === undefined) return
  if (key === keyOf(slot.head)) throw headDeleted(key)
  if (!slot.superseded.has(key)) return
  const superseded = new Set(slot.superseded)
  superseded.delete(key)
  slots.set(name, { ...slot, superseded })
}

/** A reader that starts later would see another state than this one: nobody may go on as if nothing had happened. */
function headDeleted(key: string): MillraceError {
  return new MillraceError(
    'JOURNAL_TOPIC_UNSAFE',
    'failPartition',
    `Somebody deleted the valid record ${JSON.stringify(key)} from the config topic (config.storage.topic).`,
  )
}

/**
 * What became of a write of ours, given any of the ids it was sent under. Judged by the head alone, because everything below
 * may be compacted away. `unknown`: others are so far ahead that the head does not tell any more.
 */
export type WriteOutcome = 'notYet' | 'won' | 'lost' | 'unknown'

export function outcomeOf(slot: ConfigSlot | undefined, version: number, writeIds: ReadonlySet<string>): WriteOutcome {
  if (slot === undefined) return 'notYet'
  const ahead = versionOf(slot.head) - version
  if (ahead < 0) return 'notYet'
  if (ahead === 0) return writeIds.has(slot.head.writeId) ? 'won' : 'lost'
  if (slot.head.lineage.some(id => writeIds.has(id))) return 'won'
  return ahead <= LINEAGE_MAX ? 'lost' : 'unknown'
}

/** The record that replaces the head of `slot`. */
export function successor(slot: ConfigSlot | undefined, writeId: string, body: ConfigRecord['body']): ConfigRecord {
  const lineage = slot === undefined ? [] : [slot.head.writeId, ...slot.head.lineage].slice(0, LINEAGE_MAX)
  return { writeId, lineage, body }
}

/** What the heads say. */
export function controlStateOf(log: ConfigLogState): ControlState {
  const connectors = new Map<string, ConnectorEntry>()
  const deleted = new Map<string, DeletedConnector>()
  for (const [name, { head }] of log) {
    if (head.body.kind === 'connector') connectors.set(name, head.body.entry)
    else deleted.set(name, head.body.deleted)
  }
  return { connectors, deleted }
}
