// Asking again while the error says so: truncated exponential backoff with jitter, ended only by the signal.
import { backoffMs, isMillraceError, type Logger, type MillraceError, type Random, type Timers } from '@millrace/core'

export type RetryDeps = {
  readonly timers: Timers
  readonly random: Random
  /** Is told once when it takes long: nothing waits in silence. */
  readonly logger?: Logger
  readonly onRetry?: (error: MillraceError) => void
  /** After at least one `onRetry`: it succeeded, was refused for good, or nobody waits any more. */
  readonly onOver?: () => void
}
/** Attempts until the log says so: a few seconds. */
const ATTEMPTS_TOLD = 5

/** Repeats `call` while it rejects with disposition retry or reconnect; everything else is the caller's. */
export async function untilDefinitive<T>(
  call: () => Promise<T>,
  { timers, random, logger, onRetry, onOver }: RetryDeps,
  { signal, maxMs = 10_000 }: { signal: AbortSignal; maxMs?: number },
): Promise<T> {
  let hasRetried = false
  try {
    for (let attempt = 0; ; attempt++) {
      signal.throwIfAborted()
      try {
        return await call()
      } catch (error) {
        if (!isMillraceError(error) || (error.disposition !== 'retry' && error.disposition !== 'reconnect')) throw error
        hasRetried = true
        onRetry?.(error)
        if (attempt + 1 === ATTEMPTS_TOLD)
          logger?.warn({ err: error }, 'It does not succeed; it is tried again until it does.')
        await timers.sleep(backoffMs(attempt, { baseMs: 100, maxMs }, random), { signal })
      }
    }
  } finally {
    if (hasRetried) onOver?.()
  }
}
