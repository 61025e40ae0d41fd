// Work on many items without keeping the event loop to itself: between two pieces everything else has its turn. Nothing on the
// loop may take longer than 50 ms.
import type { Clock, Timers } from './ports/time.ts'

/** A fifth of what is allowed: the item that ends a piece may take long, and so may the machine. */
export const PIECE_MS = 10

/** As `Array.from(items, of)`. What `of` looks at must not change meanwhile: take a snapshot, as immutable state is. */
export async function mapInPieces<T, R>(
  items: Iterable<T>,
  of: (item: T) => R,
  { clock, timers }: { readonly clock: Pick<Clock, 'monotonicMs'>; readonly timers: Timers },
  { signal }: { signal: AbortSignal },
): Promise<R[]> {
  const results: R[] = []
  let beganMs = clock.monotonicMs()
  for (const item of items) {
    if (clock.monotonicMs() - beganMs >= PIECE_MS) {
      await timers.sleep(0, { signal })
      beganMs = clock.monotonicMs()
    }
    results.push(of(item))
  }
  return results
}
