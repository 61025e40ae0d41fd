// Medians, percentiles, spreads and slopes.
import type { RssSample } from './process-meter.ts'

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The value that so many per cent do not exceed (nearest rank). */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]!
}

/** (largest − smallest) / median. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values)
}

/** Bytes per second by least squares over the second half: the first half is warming up. */
export function rssSlope(samples: readonly RssSample[]): number {
  const half = samples.slice(samples.length >> 1)
  if (half.length < 2) return 0
  const meanX = half.reduce((sum, s) => sum + s.seconds, 0) / half.length
  const meanY = half.reduce((sum, s) => sum + s.bytes, 0) / half.length
  const xy = half.reduce((sum, s) => sum + (s.seconds - meanX) * (s.bytes - meanY), 0)
  const xx = half.reduce((sum, s) => sum + (s.seconds - meanX) ** 2, 0)
  return xx === 0 ? 0 : xy / xx
}
