// Waiting for work that cannot be called back: whoever is told to stop no longer waits for it.

/** The answer of `work`, unless the signal is aborted first: then `signal.reason`. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const over = new AbortController()
  try {
    return await Promise.race([work, untilAborted(AbortSignal.any([signal, over.signal]))])
  } finally {
    over.abort()
  }
}

/** Rejects with `signal.reason`. */
export function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
