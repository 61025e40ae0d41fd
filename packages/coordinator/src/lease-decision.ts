// What a worker does with a partition it holds, by what Redis says about its lease. Explicit, because two rules meet here:
// a lease is advice (the journal decides whose work counts), so its mere lapse stops nothing; but a lease that somebody else
// holds means somebody else was told to work, so we stop at once.

/** What the last command about a held lease told us. */
export type LeaseNews =
  /** Renewed under our token. */
  | 'renewed'
  /** Our token is not there any more: expired while we were away, wiped, or taken. Who holds it now is not known yet. */
  | 'tokenGone'
  /** It was free: expired or wiped, and nobody came. */
  | 'reacquired'
  | 'heldByAnother'
  /** No answer in time. It may or may not have been carried out. */
  | 'unreachable'

export type LeaseAction =
  /** Go on; the lease is confirmed anew. */
  | 'confirm'
  /** Go on without confirmation and ask again soon; new partitions are not acquired meanwhile (they cannot be). */
  | 'keepUnconfirmed'
  /** Go on, and ask at once whether the lease can be had again. */
  | 'reacquire'
  /** Stop without draining: another worker is told to work, and its Claim fences ours anyway. */
  | 'letGo'

export const LEASE_DECISIONS: Readonly<Record<LeaseNews, LeaseAction>> = {
  renewed: 'confirm',
  tokenGone: 'reacquire',
  reacquired: 'confirm',
  heldByAnother: 'letGo',
  unreachable: 'keepUnconfirmed',
}

/** Clocks of two machines run apart by at most this share, plus a constant for coarse timers (as Redlock assumes). */
const CLOCK_DRIFT = 0.01
const CLOCK_DRIFT_CONSTANT_MS = 2

/** Until when a lease is ours for certain, by our monotonic clock. `sentAtMs`: before the command left, so the rtt is inside. */
export const confirmedUntilMs = (sentAtMs: number, ttlMs: number): number =>
  sentAtMs + ttlMs - ttlMs * CLOCK_DRIFT - CLOCK_DRIFT_CONSTANT_MS
