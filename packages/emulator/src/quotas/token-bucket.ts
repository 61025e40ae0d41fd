// A quota that refills: so much per time, never more than a full bucket, and nothing at all for a while after it ran dry.

export class TokenBucket {
  private readonly capacity: number
  private readonly perMs: number
  private readonly dryMs: number
  private tokens: number
  private countedMs: number
  private blockedUntilMs = 0

  /** Full at `nowMs`. `dryMs` is how long nothing is given after more was asked for than there was. */
  constructor(capacity: number, refillMs: number, dryMs: number, nowMs: number) {
    this.capacity = capacity
    this.perMs = capacity / refillMs
    this.dryMs = dryMs
    this.tokens = capacity
    this.countedMs = nowMs
  }

  /** Takes `count`, or nothing. A full bucket gives even more than it holds: no request is too large for ever. */
  take(count: number, nowMs: number): boolean {
    if (nowMs < this.blockedUntilMs) return false
    if (nowMs > this.countedMs) {
      this.tokens = Math.min(this.capacity, this.tokens + (nowMs - this.countedMs) * this.perMs)
      this.countedMs = nowMs
    }
    if (count > this.tokens && this.tokens < this.capacity) {
      if (this.dryMs > 0) {
        this.blockedUntilMs = nowMs + this.dryMs
        this.tokens = this.capacity
        this.countedMs = this.blockedUntilMs
      }
      return false
    }
    this.tokens -= count
    return true
  }

  view(nowMs: number): { available: number; blockedMs: number } {
    const blockedMs = Math.max(0, this.blockedUntilMs - nowMs)
    const refilled = this.tokens + Math.max(0, nowMs - this.countedMs) * this.perMs
    return { available: blockedMs > 0 ? 0 : Math.floor(Math.min(this.capacity, refilled)), blockedMs }
  }
}
