// One key space = the journal of one topic-partition of one connector incarnation. Pure fold of its records, last value per key.
// Nothing here may depend on a record's position except the head rule (first in the log among equal epochs).
import type { Incarnation, StreamName, TopicPartition } from '../ids.ts'
import type { JournalRecord } from './records.ts'

export type KeySpace = TopicPartition & { readonly incarnation: Incarnation }
/** What is hashed (murmur2) to choose the journal partition, and the prefix of every key. */
export const formatKeySpace = (space: KeySpace): string => `${space.incarnation}/${space.topic}/${space.partition}`

type Of<K extends JournalRecord['kind']> = Extract<JournalRecord, { kind: K }>
export type ClaimRecord = Of<'claim'> & { readonly journalOffset: bigint }
export type OpenRecord = Of<'open'>
export type IntentRecord = Of<'intent'>
export type SettledRecord = Of<'settled'> & { readonly journalOffset: bigint }
export type ReleaseRecord = Of<'release'>
export type VerdictRecord = Of<'verdict'>
export type DeletedRecord = Of<'deleted'> & { readonly journalOffset: bigint }

/** Immutable: `applyRecord` answers a new value. Maps are keyed by record key; a handful of entries each. */
export type KeySpaceState = {
  readonly claims: ReadonlyMap<string, ClaimRecord>
  readonly opens: ReadonlyMap<string, OpenRecord>
  readonly intents: ReadonlyMap<string, IntentRecord>
  readonly settled: ReadonlyMap<string, SettledRecord>
  readonly releases: ReadonlyMap<string, ReleaseRecord>
  readonly verdicts: ReadonlyMap<string, VerdictRecord>
  readonly deletions: ReadonlyMap<string, DeletedRecord>
}

export const EMPTY_KEY_SPACE: KeySpaceState = {
  claims: new Map(),
  opens: new Map(),
  intents: new Map(),
  settled: new Map(),
  releases: new Map(),
  verdicts: new Map(),
  deletions: new Map(),
}

/** The key of a record inside its key space. Every key belongs to one claim, so compaction never hides another claim's word. */
export function recordKey(record: JournalRecord): string {
  switch (record.kind) {
    case 'claim':
      return `claim/${record.claimId}`
    case 'open':
      return `open/${record.claimId}/${record.stream}`
    case 'intent':
      return `intent/${record.claimId}/${record.stream ?? '-'}`
    case 'settled':
      return `settled/${record.claimId}`
    case 'release':
      return `release/${record.claimId}/${record.stream}`
    case 'barrier':
      return `barrier/${record.claimId}`
    case 'verdict':
      return `verdict/${record.claimId}/${record.stream}`
    case 'deleted':
      return `deleted/${record.claimId}`
  }
}

/** @param record null for a tombstone. @param key as `recordKey` gives it. */
export function applyRecord(
  state: KeySpaceState,
  key: string,
  record: JournalRecord | null,
  journalOffset: bigint,
): KeySpaceState {
  if (record === null) return removeKey(state, key)
  switch (record.kind) {
    case 'claim': {
      // A claim is written once; a second copy of it (retried produce) must not move it down the log.
      if (state.claims.has(key)) return state
      return { ...state, claims: withEntry(state.claims, key, { ...record, journalOffset }) }
    }
    case 'open':
      return { ...state, opens: withEntry(state.opens, key, record) }
    case 'intent':
      return { ...state, intents: withEntry(state.intents, key, record) }
    case 'settled': {
      // So is an operator's word, whose place in the log decides whether it counts.
      if (state.settled.get(key)?.altered !== undefined) return state
      return { ...state, settled: withEntry(state.settled, key, { ...record, journalOffset }) }
    }
    case 'release':
      return { ...state, releases: withEntry(state.releases, key, record) }
    case 'verdict':
      return { ...state, verdicts: withEntry(state.verdicts, key, record) }
    case 'deleted': {
      if (state.deletions.has(key)) return state
      return { ...state, deletions: withEntry(state.deletions, key, { ...record, journalOffset }) }
    }
    case 'barrier':
      return state
  }
}

function removeKey(state: KeySpaceState, key: string): KeySpaceState {
  switch (key.slice(0, key.indexOf('/'))) {
    case 'claim':
      return { ...state, claims: without(state.claims, key) }
    case 'open':
      return { ...state, opens: without(state.opens, key) }
    case 'intent':
      return { ...state, intents: without(state.intents, key) }
    case 'settled':
      return { ...state, settled: without(state.settled, key) }
    case 'release':
      return { ...state, releases: without(state.releases, key) }
    case 'verdict':
      return { ...state, verdicts: without(state.verdicts, key) }
    case 'deleted':
      return { ...state, deletions: without(state.deletions, key) }
    default:
      return state // barriers hold nothing
  }
}

function withEntry<V>(map: ReadonlyMap<string, V>, key: string, value: V): ReadonlyMap<string, V> {
  return new Map(map).set(key, value)
}
function without<V>(map: ReadonlyMap<string, V>, key: string): ReadonlyMap<string, V> {
  if (!map.has(key)) return map
  const copy = new Map(map)
  copy.delete(key)
  return copy
}

/** The Claim with the highest epoch; among equals the first in the log. null while nobody has claimed. */
export function headClaim(state: KeySpaceState): ClaimRecord | null {
  let head: ClaimRecord | null = null
  for (const claim of state.claims.values())
    if (
      head === null ||
      claim.epoch > head.epoch ||
      (claim.epoch === head.epoch && claim.journalOffset < head.journalOffset)
    )
      head = claim
  return head
}

/** Whether `claimId` still owns the key space. Judge it only on a state read to the end of the log. */
export const isHead = (state: KeySpaceState, claimId: string): boolean =>
  !isDeleted(state) && headClaim(state)?.claimId === claimId

/** Compare-and-set: whether a Claim with a higher epoch stands before the record in the log. */
const isOvertaken = (
  state: KeySpaceState,
  { epoch, journalOffset }: { readonly epoch: number; readonly journalOffset: bigint },
): boolean => [...state.claims.values()].some(c => c.epoch > epoch && c.journalOffset < journalOffset)

/** Whether its incarnation has ended: nobody can claim it any more. Judge it only on a state read to the end of the log. */
export const isDeleted = (state: KeySpaceState): boolean =>
  [...state.deletions.values()].some(deletion => !isOvertaken(state, deletion))

/**
 * What an operator asked for too late must not land in what a higher claim has begun. An owner's own Settled states nothing but the
 * truth, wherever it lands.
 */
const isVoid = (state: KeySpaceState, settled: SettledRecord): boolean =>
  settled.altered !== undefined && isOvertaken(state, settled)

/** Whether the alteration of this claim is in force. Judge it only on a state read to the end of the log. */
export function isAltered(state: KeySpaceState, claimId: string): boolean {
  const settled = state.settled.get(`settled/${claimId}`)
  return !isDeleted(state) && settled?.altered !== undefined && !isVoid(state, settled)
}

/** The Settled with the highest *epoch* below `epoch`, never by position. */
export function baseBelow(state: KeySpaceState, epoch: number): SettledRecord | null {
  let base: SettledRecord | null = null
  for (const settled of state.settled.values())
    if (settled.epoch < epoch && (base === null || settled.epoch > base.epoch) && !isVoid(state, settled))
      base = settled
  return base
}

/** Streams opened at or above the base and below `epoch`, each with its last Open. */
export function streamsToRecover(
  state: KeySpaceState,
  baseEpoch: number,
  epoch: number,
): ReadonlyMap<StreamName, OpenRecord> {
  const last = new Map<StreamName, OpenRecord>()
  for (const open of state.opens.values()) {
    if (open.epoch < baseEpoch || open.epoch >= epoch) continue
    const known = last.get(open.stream)
    if (known === undefined || open.epoch > known.epoch) last.set(open.stream, open)
  }
  return last
}

/** The Release that ended exactly this Open, if its claim let go cleanly. */
export const releaseOf = (state: KeySpaceState, open: OpenRecord): ReleaseRecord | undefined =>
  state.releases.get(`release/${open.claimId}/${open.stream}`)

/** Keys of everything below `epoch`: what a head claim may delete once its own Settled is the base. */
export function keysBelow(state: KeySpaceState, epoch: number): readonly string[] {
  const keys: string[] = []
  for (const group of [state.claims, state.opens, state.intents, state.settled, state.releases, state.deletions])
    for (const [key, record] of group) if (record.epoch < epoch) keys.push(key)
  for (const [key, verdict] of state.verdicts) {
    const claim = state.claims.get(`claim/${verdict.claimId}`)
    if (claim === undefined || claim.epoch < epoch) keys.push(key)
  }
  return keys
}
