// When an absent member is a dead one. Membership expires in Redis, so after an outage, a wipe or a freeze of our own everybody
// may look absent; the leader then waits until all live workers have had time to report. In a healthy cluster it never waits.
export const SETTLE_MS = 2_000

export class Settling {
  readonly #settleMs: number
  #settledAtMs: number
  #lastTurnMs: number
  readonly #gapMaxMs: number

  /** @param gapMaxMs longer than this between two turns and we were frozen ourselves. */
  constructor(nowMs: number, gapMaxMs: number, settleMs: number = SETTLE_MS) {
    this.#settleMs = settleMs
    this.#settledAtMs = nowMs + settleMs
    this.#lastTurnMs = nowMs
    this.#gapMaxMs = gapMaxMs
  }

  /** Called at each turn of the loop. */
  turn(nowMs: number): void {
    if (nowMs - this.#lastTurnMs > this.#gapMaxMs) this.unsettle(nowMs)
    this.#lastTurnMs = nowMs
  }

  /** Redis failed or forgot. */
  unsettle(nowMs: number): void {
    this.#settledAtMs = nowMs + this.#settleMs
  }

  isSettled(nowMs: number): boolean {
    return nowMs >= this.#settledAtMs
  }
}
