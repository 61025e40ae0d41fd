// The journal in small: records land in one order, superseded ones vanish some time, deleted ones at once.
import {
  type IntentBatch,
  type IntervalSet,
  isSettled,
  type JournalRecord,
  kafkaOffset,
  type Progress,
  recordKey,
  subtract,
} from '@millrace/core'
import type { Scope } from './scope.ts'
import { bit, type Era, type Log, type Shared, timesOf } from './world.ts'

/** What compaction leaves: the last record of each key. */
export const compact = (log: Log): Log => {
  const last = new Map(log.map((record, at) => [recordKey(record), at]))
  return log.filter((record, at) => last.get(recordKey(record)) === at)
}

export function append(shared: Shared, scope: Scope, ...records: readonly JournalRecord[]): Shared {
  let next = shared
  for (const record of records) {
    const grown = [...next.log, record]
    const log = scope.lazyCompaction ? grown : compact(grown)
    next = noted({ ...next, log }, scope, record)
  }
  return next
}

export const remove = (shared: Shared, keys: readonly string[]): Shared => ({
  ...shared,
  log: shared.log.filter(record => !keys.includes(recordKey(record))),
})

/** What the explorer remembers of a record, to judge by it later. */
function noted(shared: Shared, scope: Scope, record: JournalRecord): Shared {
  switch (record.kind) {
    case 'intent': {
      const dropsOf = ({ drop, lost = [] }: IntentBatch): number => maskOf(subtract(drop, lost), scope.records)
      const drops = record.window.reduce((mask, batch) => mask | dropsOf(batch), 0)
      return inEraOf(shared, record.epoch, era => ({ ...era, dropsLogged: era.dropsLogged | drops }))
    }
    case 'settled':
      if (record.altered !== undefined) return beginEra(shared, scope, record)
      return noteDrops(shared, scope, record.epoch, record.progress)
    case 'release':
      return noteDrops(shared, scope, record.epoch, record.progress)
    default:
      return shared
  }
}

const isSuperseded = ({ log }: Shared, epoch: number): boolean =>
  log.some(record => record.kind === 'claim' && record.epoch > epoch)

/** Compare-and-set: an alteration counts only when no higher claim stands before it. */
function beginEra(
  shared: Shared,
  scope: Scope,
  { epoch, progress }: Extract<JournalRecord, { kind: 'settled' }>,
): Shared {
  if (isSuperseded(shared, epoch)) return shared
  const rowsBefore = timesOf(shared.streams, scope.records)
  const at = Number(progress?.frontier ?? 0)
  const era: Era = { at, epoch, rowsBefore, letters: 0, dropsLogged: 0, dropped: 0, lost: 0 }
  return { ...shared, eras: [...shared.eras, era] }
}

/** What the head has settled, and is in no table and no letter, was dropped; that is final. */
function noteDrops(shared: Shared, scope: Scope, epoch: number, progress: Progress | null): Shared {
  if (progress === null || isSuperseded(shared, epoch) || !scope.outcomes.includes('drop')) return shared
  const settled = settledMask(progress, scope.records)
  const times = timesOf(shared.streams, scope.records)
  return inEraOf(shared, epoch, era => {
    let dropped = era.dropped
    for (const [r, n] of times.entries())
      if ((settled & era.dropsLogged & ~era.letters & bit(r)) !== 0 && n === (era.rowsBefore[r] ?? 0)) dropped |= bit(r)
    return { ...era, dropped }
  })
}

export function saveLetters(shared: Shared, scope: Scope, epoch: number, letters: IntervalSet): Shared {
  const mask = maskOf(letters, scope.records)
  return inEraOf(shared, epoch, era => ({ ...era, letters: era.letters | mask }))
}

/** The audit of offsets that are skipped. */
export function noteLost(shared: Shared, scope: Scope, epoch: number, lost: IntervalSet): Shared {
  const mask = maskOf(lost, scope.records)
  return mask === 0 ? shared : inEraOf(shared, epoch, era => ({ ...era, lost: era.lost | mask }))
}

/** The claim that moves the position still belongs to the era it ends. */
function inEraOf(shared: Shared, epoch: number, change: (era: Era) => Era): Shared {
  const of = shared.eras.findLastIndex(era => epoch > era.epoch)
  const [first, ...later] = shared.eras.map((era, i) => (i === of ? change(era) : era))
  return { ...shared, eras: [first as Era, ...later] }
}

export function maskOf(set: IntervalSet, records: number): number {
  let mask = 0
  for (let r = 0; r < records; r++) if (set.some(x => x.from <= BigInt(r) && BigInt(r) < x.to)) mask |= bit(r)
  return mask
}

export function settledMask(progress: Progress, records: number): number {
  let mask = 0
  for (let r = 0; r < records; r++) if (isSettled(progress, kafkaOffset(r))) mask |= bit(r)
  return mask
}
