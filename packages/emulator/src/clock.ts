// Time and waiting, as the emulator sees them: real ones, or ones a test moves by hand.

export type Clock = {
  /** Milliseconds since the epoch. */
  nowMs(): number
  /** Calls `act` once, `delayMs` from now; returns what calls it off. */
  after(delayMs: number, act: () => void): () => void
}

/** Above this setTimeout fires at once instead; a longer wait is cut, its caller looks at the time anyway. */
const DELAY_MS_MAX = 2 ** 31 - 1

export const systemClock: Clock = {
  nowMs: Date.now,
  after(delayMs, act) {
    const timer = setTimeout(act, Math.min(delayMs, DELAY_MS_MAX))
    return () => clearTimeout(timer)
  },
}
