// Immutable sets of Kafka offsets as sorted, disjoint, non-adjacent half-open ranges.
import type { KafkaOffset } from './ids.ts'

export type OffsetRange = { readonly from: KafkaOffset; readonly to: KafkaOffset }
export type IntervalSet = readonly OffsetRange[]

export const EMPTY: IntervalSet = []
export const rangeOf = (from: KafkaOffset, to: KafkaOffset): IntervalSet => (from < to ? [{ from, to }] : EMPTY)

export function union(a: IntervalSet, b: IntervalSet): IntervalSet {
  if (a.length === 0) return b
  if (b.length === 0) return a
  return merged([...a, ...b])
}

function merged(ranges: OffsetRange[]): IntervalSet {
  const sorted = ranges.sort((x, y) => (x.from < y.from ? -1 : x.from > y.from ? 1 : 0))
  const out: { from: KafkaOffset; to: KafkaOffset }[] = []
  for (const r of sorted) {
    const last = out.at(-1)
    if (last && r.from <= last.to) {
      if (r.to > last.to) last.to = r.to
    } else out.push({ from: r.from, to: r.to })
  }
  return out
}

/** Of offsets in any order. */
export const offsetSetOf = (offsets: readonly KafkaOffset[]): IntervalSet =>
  merged(offsets.map(from => ({ from, to: (from + 1n) as KafkaOffset })))

/** What is in `a` and not in `b`. */
export function subtract(a: IntervalSet, b: IntervalSet): IntervalSet {
  const out: OffsetRange[] = []
  let first = 0 // of the ranges of `b` that may reach into `r` or what follows it
  for (const r of a) {
    let from = r.from
    for (let cut = b[first]; cut !== undefined && cut.to <= from; cut = b[first]) first++
    for (let i = first; i < b.length; i++) {
      const cut = b[i] as OffsetRange
      if (cut.from >= r.to) break
      if (cut.from > from) out.push({ from, to: cut.from })
      from = cut.to
      if (from >= r.to) break
    }
    if (from < r.to) out.push({ from, to: r.to })
  }
  return out
}

export const intersect = (a: IntervalSet, b: IntervalSet): IntervalSet => subtract(a, subtract(a, b))
export const contains = (set: IntervalSet, offset: KafkaOffset): boolean =>
  set.some(r => r.from <= offset && offset < r.to)
/** How many offsets the set covers. */
export const size = (set: IntervalSet): bigint => set.reduce((sum, r) => sum + (r.to - r.from), 0n)
