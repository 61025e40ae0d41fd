// The frontier: which Kafka offsets of a partition are settled (row acknowledged, dead letter produced, or dropped).
import type { KafkaOffset } from '../ids.ts'
import { contains, EMPTY, type IntervalSet, intersect, rangeOf, subtract, union } from '../interval-set.ts'
import type { Fingerprint, Progress } from './records.ts'

export const startAt = (frontier: KafkaOffset): Progress => ({ frontier, beyond: [], fingerprint: null })

/**
 * Adds settled offsets; the frontier moves over what has become contiguous.
 * @param lost which of them the log no longer held
 */
export function settle(
  progress: Progress,
  done: IntervalSet,
  fingerprint: Fingerprint | null = null,
  lost: IntervalSet = EMPTY,
): Progress {
  const andLost = statedLost(union(progress.lost ?? EMPTY, lost))
  const beyond = union(progress.beyond, above(done, progress.frontier))
  const first = beyond[0]
  const later = laterFingerprint(progress.fingerprint, fingerprint)
  if (first === undefined || first.from > progress.frontier)
    return { frontier: progress.frontier, beyond, fingerprint: later, ...andLost }
  return { frontier: first.to, beyond: beyond.slice(1), fingerprint: later, ...andLost }
}

/** Absent where nothing is lost: what older readers understand is written as they know it. */
export const statedLost = (lost: IntervalSet): { readonly lost?: IntervalSet } => (lost.length > 0 ? { lost } : {})

export function merge(a: Progress, b: Progress): Progress {
  const [low, high] = a.frontier <= b.frontier ? [a, b] : [b, a]
  const raised: Progress = { ...high, beyond: above(high.beyond, high.frontier) }
  return settle(raised, low.beyond, low.fingerprint, low.lost)
}

export const isSettled = (progress: Progress, offset: KafkaOffset): boolean =>
  offset < progress.frontier || contains(progress.beyond, offset)

/** The part of `set` that is not settled yet. */
export const unsettled = (progress: Progress, set: IntervalSet): IntervalSet =>
  subtract(above(set, progress.frontier), progress.beyond)

/** The settled part of `set`. */
export const settledPart = (progress: Progress, set: IntervalSet): IntervalSet =>
  union(subtract(set, above(set, progress.frontier)), intersect(progress.beyond, set))

function above(set: IntervalSet, floor: KafkaOffset): IntervalSet {
  if (set.every(r => r.from >= floor)) return set
  return set.flatMap(r => rangeOf(r.from < floor ? floor : r.from, r.to))
}

function laterFingerprint(a: Fingerprint | null, b: Fingerprint | null): Fingerprint | null {
  if (a === null || b === null) return a ?? b
  return a.kafkaOffset >= b.kafkaOffset ? a : b
}
