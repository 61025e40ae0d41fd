// Asking again while the error says so: truncated exponential backoff with jitter, ended only by the signal.
import { backoffMs, isMillraceError, type Random, type Timers } from '@millrace/core'

export type RetryDeps = { readonly timers: Timers; readonly random: Random; readonly onRetry?: (error: Error) => void }

/** Repeats `call` while it rejects with disposition retry or reconnect; everything else is the caller's. */
export async function untilDefinitive<T>(
  call: () => Promise<T>,
  { timers, random, onRetry }: RetryDeps,
  { signal, maxMs = 10_000 }: { signal: AbortSignal; maxMs?: number },
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted()
    try {
      return await call()
    } catch (error) {
      if (!isMillraceError(error) || (error.disposition !== 'retry' && error.disposition !== 'reconnect')) throw error
      onRetry?.(error)
      await timers.sleep(backoffMs(attempt, { baseMs: 100, maxMs }, random), { signal })
    }
  }
}
