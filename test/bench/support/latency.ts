// How long records take from being produced to being visible, from two histories per partition: how many were produced by when, and
// how many were visible by when. The k-th record of a partition is visible once k rows are.
import { percentile } from './figures.ts'

/** At `atMs` there were `count` in all; both rise. */
export type Step = { readonly atMs: number; readonly count: number }

/** Of each record that was produced at `fromMs` or later and became visible: so many milliseconds, in order of production. */
export function latencies(produced: readonly Step[], visible: readonly Step[], fromMs: number): readonly number[] {
  const result: number[] = []
  let seen = 0
  let before = 0
  for (const { atMs, count } of produced) {
    for (let k = before + 1; k <= count; k++) {
      while (seen < visible.length && visible[seen]!.count < k) seen++
      const look = visible[seen]
      if (look === undefined) return result
      if (atMs >= fromMs) result.push(look.atMs - atMs)
    }
    before = count
  }
  return result
}

export type LatencyFigures = {
  readonly records: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** Between two looks: a record may have been visible for so long before it was seen. */
  readonly resolutionP50Ms: number
  readonly resolutionP99Ms: number
}

export function latencyFigures(all: readonly number[], gapsMs: readonly number[]): LatencyFigures {
  return {
    records: all.length,
    p50Ms: percentile(all, 50),
    p99Ms: percentile(all, 99),
    maxMs: percentile(all, 100),
    resolutionP50Ms: percentile(gapsMs, 50),
    resolutionP99Ms: percentile(gapsMs, 99),
  }
}
