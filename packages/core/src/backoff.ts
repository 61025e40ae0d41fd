// Truncated exponential backoff with jitter over its upper half: waits spread out instead of arriving together again.
// https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
import type { Random } from './ports/time.ts'

export type BackoffLimits = { readonly baseMs: number; readonly maxMs: number }

/** How long to wait before attempt `attempt + 1`, `attempt` counting from 0: between half and all of base × 2^attempt, at most max. */
export function backoffMs(attempt: number, limits: BackoffLimits, random: Random): number {
  const ceiling = Math.min(limits.maxMs, limits.baseMs * 2 ** Math.min(attempt, 30))
  return Math.round((ceiling / 2) * (1 + random.nextUint32() / 2 ** 32))
}
