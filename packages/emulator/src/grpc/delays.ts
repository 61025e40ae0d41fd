// Acts put off for later: all of them can be called off at once, when the emulator stops.
import type { Clock } from '../clock.ts'

export class Delays {
  private readonly clock: Clock
  private readonly waiting = new Set<() => void>()

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Calls `act` in `delayMs`, at once for 0. */
  after(delayMs: number, act: () => void): void {
    if (delayMs === 0) return act()
    const callOff = this.clock.after(delayMs, () => {
      this.waiting.delete(callOff)
      act()
    })
    this.waiting.add(callOff)
  }

  /** As `after`, as a promise; never settles once the delays are called off. */
  pause(delayMs: number): Promise<void> {
    return new Promise(resolve => this.after(delayMs, resolve))
  }

  callOff(): void {
    for (const callOff of this.waiting) callOff()
    this.waiting.clear()
  }
}
