// A clock that stands still until the test moves it.
import type { Clock } from '../src/clock.ts'

export class ManualClock implements Clock {
  private now: number
  private timers: { atMs: number; act: () => void }[] = []

  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.now = startMs
  }

  nowMs(): number {
    return this.now
  }

  after(delayMs: number, act: () => void): () => void {
    const timer = { atMs: this.now + delayMs, act }
    this.timers.push(timer)
    return () => {
      this.timers = this.timers.filter(other => other !== timer)
    }
  }

  /** Moves time on; what was to happen by then happens, in its order. */
  advance(byMs: number): void {
    const until = this.now + byMs
    for (;;) {
      const [next] = this.timers.filter(timer => timer.atMs <= until).sort((a, b) => a.atMs - b.atMs)
      if (!next) break
      this.timers = this.timers.filter(other => other !== next)
      this.now = Math.max(this.now, next.atMs)
      next.act()
    }
    this.now = until
  }
}
