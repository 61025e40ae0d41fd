// Waiting for conditions, never for hope: each wait has a bound and says what it waited for.
import { setTimeout as sleep } from 'node:timers/promises'

/** Polls until `probe` answers something other than null; fails with `what` after `timeoutMs`. */
export async function waitFor<T>(
  what: string,
  probe: () => Promise<T | null> | T | null,
  options: { readonly signal: AbortSignal; readonly timeoutMs: number; readonly everyMs: number },
): Promise<T> {
  const deadline = performance.now() + options.timeoutMs
  for (;;) {
    options.signal.throwIfAborted()
    const answer = await probe()
    if (answer !== null) return answer
    if (performance.now() > deadline) throw new DemoFailure(`Waited ${options.timeoutMs / 1000} s in vain: ${what}.`)
    await sleep(options.everyMs, undefined, { signal: options.signal })
  }
}

/** The demo did not do what it promises; the message is for the person who started it. */
export class DemoFailure extends Error {
  override readonly name = 'DemoFailure'
}
