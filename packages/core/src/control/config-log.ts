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
  HISTORY_CHARS_MAX,
  HISTORY_MAX,
  type HistoryItem,
  keyIn,
  keyOf,
  LINEAGE_MAX,
  nameOf,
  nameOfKey,
  versionOf,
} from './config-record.ts'
import type { ConfigVersion, ConnectorEntry, ControlState, DeletedConnector } from './control-state.ts'
import type { RequestMark } from './request-marks.ts'

export type ConfigSlot = {
  readonly head: ConfigRecord
  readonly headKafkaOffset: bigint
  /** The other records of this name that are in the log: older than the head, or beaten by it. By key. */
  readonly below: ReadonlyMap<string, ConfigRecord>
  /** Keys of those that mean nothing any more: neither the head's nor in its history. */
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
    slots.set(name, { head: record, headKafkaOffset: kafkaOffset, below: new Map(), superseded: new Set() })
    return
  }
  if (versionOf(record) > versionOf(slot.head)) {
    const below = new Map(slot.below).set(keyOf(slot.head), withoutMarks(slot.head))
    slots.set(name, slotOf(record, kafkaOffset, below))
  } else if (record.writeId !== slot.head.writeId) {
    const below = new Map(slot.below).set(keyOf(record), withoutMarks(record))
    slots.set(name, slotOf(slot.head, slot.headKafkaOffset, below))
  }
}

/** Only the head's count, and it has them all. */
function withoutMarks({ marks: _, ...record }: ConfigRecord): ConfigRecord {
  return record
}

function slotOf(head: ConfigRecord, headKafkaOffset: bigint, below: ReadonlyMap<string, ConfigRecord>): ConfigSlot {
  const kept = new Set(head.history.map(({ version, writeId }) => keyIn(nameOf(head), version, writeId)))
  const superseded = new Set([...below.keys()].filter(key => !kept.has(key)))
  return { head, headKafkaOffset, below, superseded }
}

function foldTombstone(slots: Map<string, ConfigSlot>, key: string): void {
  const name = nameOfKey(key)
  const slot = name === null ? undefined : slots.get(name)
  if (name === null || slot === undefined) return
  if (key === keyOf(slot.head)) throw headDeleted(key)
  if (!slot.below.has(key)) return
  const below = new Map(slot.below)
  below.delete(key)
  slots.set(name, slotOf(slot.head, slot.headKafkaOffset, below))
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

/** The record that replaces the head of `slot`; `marks` are those of the head where none are given. */
export function successor(
  slot: ConfigSlot | undefined,
  writeId: string,
  body: ConfigRecord['body'],
  { by, marks = slot?.head.marks ?? [] }: { readonly by?: string; readonly marks?: readonly RequestMark[] } = {},
): ConfigRecord {
  const lineage = slot === undefined ? [] : [slot.head.writeId, ...slot.head.lineage].slice(0, LINEAGE_MAX)
  const history = slot === undefined || body.kind === 'deleted' ? [] : historyAfter(slot.head)
  return {
    writeId,
    lineage,
    history,
    ...(by === undefined ? {} : { by }),
    ...(marks.length === 0 ? {} : { marks }),
    body,
  }
}

/** A config enters the history with the record that brought it. A delete ends it: what is deleted, secrets included, is gone. */
function historyAfter(head: ConfigRecord): readonly HistoryItem[] {
  if (head.body.kind === 'deleted') return []
  const { version, configGeneration, config } = head.body.entry
  if (head.history[0]?.configGeneration === configGeneration) return head.history
  const own = { version, writeId: head.writeId, configGeneration, chars: JSON.stringify(config).length }
  let chars = 0
  return [own, ...head.history].slice(0, HISTORY_MAX).filter(item => {
    chars += item.chars
    return chars <= HISTORY_CHARS_MAX
  })
}

/** The configs of a connector there are records of, newest first; the first one is in force. Empty when it is deleted. */
export function historyOf(slot: ConfigSlot | undefined): readonly ConfigVersion[] {
  if (slot === undefined || slot.head.body.kind === 'deleted') return []
  const { head, below } = slot
  const earlier = head.history.flatMap(({ version, writeId }) => below.get(keyIn(nameOf(head), version, writeId)) ?? [])
  const versions = [head, ...earlier].flatMap(versionIn)
  // The head may only have been paused since its config came: then the record that brought it says when and by whom.
  return versions
    .filter((version, i) => version.configGeneration !== versions[i + 1]?.configGeneration)
    .slice(0, HISTORY_MAX)
}

function versionIn({ body, by }: ConfigRecord): readonly ConfigVersion[] {
  if (body.kind === 'deleted') return []
  const { version, configGeneration, config, updatedAtMs } = body.entry
  return [{ version, configGeneration, config, changedAtMs: updatedAtMs, ...(by === undefined ? {} : { by }) }]
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
