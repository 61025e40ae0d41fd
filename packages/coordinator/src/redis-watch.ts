// Whether Redis served our last call, and the one place that logs the change. Redis away is no error of ours: loops go on.
import { type Clock, isMillraceError, type Logger } from '@millrace/core'

export class RedisWatch {
  readonly #log: Logger
  readonly #clock: Clock
  readonly #what: string
  #awaySinceMs: number | null = null

  /** @param what the loop that calls, as it appears in the log. */
  constructor(deps: { readonly log: Logger; readonly clock: Clock }, what: string) {
    this.#log = deps.log
    this.#clock = deps.clock
    this.#what = what
  }

  get isAway(): boolean {
    return this.#awaySinceMs !== null
  }

  served(): void {
    if (this.#awaySinceMs === null) return
    const awayMs = Math.round(this.#clock.monotonicMs() - this.#awaySinceMs)
    this.#awaySinceMs = null
    this.#log.info({ loop: this.#what, awayMs }, 'Redis is back.')
  }

  /** Rethrows what is not Redis's trouble: aborts and bugs. */
  failed(error: unknown): void {
    if (!isMillraceError(error) || !error.code.startsWith('REDIS_')) throw error
    if (this.#awaySinceMs !== null) return
    this.#awaySinceMs = this.#clock.monotonicMs()
    const fields = { loop: this.#what, code: error.code, err: error.message }
    if (error.disposition === 'retry')
      this.#log.warn(fields, 'Redis is away: running partitions go on, none is acquired.')
    else this.#log.error(fields, 'Redis refuses: running partitions go on, none is acquired.')
  }
}
