// What `loop-probe.ts` wrote, summed up over the seconds that were measured.
import { existsSync, readFileSync } from 'node:fs'

/** The loop's delay is seen by a timer of this interval: a task is between what is reported and that much longer. */
export const RESOLUTION_MS = 5

export type LoopLine = {
  readonly atMs: number
  /** Between two firings of the timer, in the second before. */
  readonly maxMs: number
  readonly p99Ms: number
  /** Share of the second in which the loop was busy. */
  readonly utilization: number
  readonly gc: { readonly count: number; readonly ms: number; readonly maxMs: number }
}

export type LoopFigures = {
  readonly longestTaskMs: number
  /** The median second's. */
  readonly p99Ms: number
  readonly gcCount: number
  readonly gcMs: number
  readonly gcLongestMs: number
  /** Of the time. */
  readonly gcShare: number
  readonly seconds: number
}

/** Lines written between the two instants (wall clock); null when there are none. */
export function loopFigures(lines: readonly LoopLine[], fromMs: number, toMs: number): LoopFigures | null {
  const within = lines.filter(({ atMs }) => atMs > fromMs && atMs <= toMs + 1_000)
  if (within.length === 0) return null
  const sum = (value: (line: LoopLine) => number): number => within.reduce((total, line) => total + value(line), 0)
  const most = (value: (line: LoopLine) => number): number => Math.max(...within.map(value))
  const p99 = within.map(({ p99Ms }) => p99Ms).toSorted((a, b) => a - b)
  const gcMs = sum(({ gc }) => gc.ms)
  return {
    longestTaskMs: Math.max(0, most(({ maxMs }) => maxMs) - RESOLUTION_MS),
    p99Ms: Math.max(0, p99[p99.length >> 1]! - RESOLUTION_MS),
    gcCount: sum(({ gc }) => gc.count),
    gcMs,
    gcLongestMs: most(({ gc }) => gc.maxMs),
    gcShare: gcMs / (within.length * 1000),
    seconds: within.length,
  }
}

export function readLoopLog(file: string): readonly LoopLine[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.filter(line => line.endsWith('}')).map(line => JSON.parse(line) as LoopLine)
}
