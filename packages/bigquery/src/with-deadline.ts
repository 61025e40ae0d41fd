// Runs something that takes a signal, and ends it when its time is over or its caller gives up.
import type { Timers } from '@millrace/core'

/** The time given to an operation is over. */
export class DeadlineExceeded extends Error {
  override readonly name = 'DeadlineExceeded'
}

/** Rejects with DeadlineExceeded, or with the caller's reason; the operation's own signal is aborted either way. */
export async function withDeadline<T>(
  timers: Timers,
  ms: number,
  signal: AbortSignal,
  operation: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted()
  const over = new AbortController()
  const inner = AbortSignal.any([signal, over.signal])
  const timer = timers.sleep(ms, { signal: inner }).then(() => {
    throw new DeadlineExceeded(`No result within ${ms} ms.`)
  })
  try {
    return await Promise.race([operation(inner), timer])
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    // Stops the timer, or the operation; a late failure of either has nobody to tell.
    timer.catch(() => {})
    over.abort()
  }
}
