// One token for everybody: fetched once however many ask, renewed in the background at three quarters of its life,
// dropped when the service refuses it. Held in memory only.
import { type Clock, type Disposition, isMillraceError, MillraceError, type Timers } from '@millrace/core'
import type { FetchToken } from './credentials.ts'
import type { TokenSource } from './token-source.ts'
import { withDeadline } from './with-deadline.ts'

const REFRESH_AT_LIFE_SHARE = 0.75
/** A token this close to its end may expire on the way. */
const EXPIRY_MARGIN_MS = 10_000
/** Between attempts to renew a token that is still good. */
const RENEWAL_PAUSE_MS = 5_000
const FETCH_DEADLINE_MS = 30_000
/** A token that replaced a refused one and is refused this soon was never good; later it has served and come to its end. */
const NEVER_GOOD_MS = 60_000

type Held = {
  readonly token: string
  readonly obtainedMs: number
  readonly lifetimeMs: number
  readonly replacesRefused: boolean
}

export class TokenCache implements TokenSource {
  readonly #fetch: FetchToken
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #life = new AbortController()
  #held: Held | null = null
  #flight: Promise<string> | null = null
  #nextReplacesRefused = false
  #renewalAttemptMs = Number.NEGATIVE_INFINITY

  constructor(fetch: FetchToken, clock: Clock, timers: Timers) {
    this.#fetch = fetch
    this.#clock = clock
    this.#timers = timers
  }

  async token({ signal }: { signal: AbortSignal }): Promise<string> {
    signal.throwIfAborted()
    if (this.#life.signal.aborted) throw closed()
    const held = this.#held
    if (held === null || this.#ageMs(held) >= held.lifetimeMs - EXPIRY_MARGIN_MS)
      return await untilAborted(this.#join(), signal)
    if (this.#ageMs(held) >= held.lifetimeMs * REFRESH_AT_LIFE_SHARE) this.#renewAside()
    return held.token
  }

  refused(token: string): Disposition {
    const held = this.#held
    if (held === null || held.token !== token) return 'reconnect'
    this.#held = null
    this.#nextReplacesRefused = true
    return held.replacesRefused && this.#ageMs(held) < NEVER_GOOD_MS ? 'failPartition' : 'reconnect'
  }

  close(): void {
    this.#life.abort()
    this.#held = null
  }

  #ageMs(held: Held): number {
    return this.#clock.monotonicMs() - held.obtainedMs
  }

  /** The held token still serves; a failure is told by the call that finds it expired. */
  #renewAside(): void {
    const nowMs = this.#clock.monotonicMs()
    if (this.#flight !== null || nowMs - this.#renewalAttemptMs < RENEWAL_PAUSE_MS) return
    this.#renewalAttemptMs = nowMs
    this.#join().catch(() => {})
  }

  #join(): Promise<string> {
    this.#flight ??= this.#obtain().finally(() => {
      this.#flight = null
    })
    return this.#flight
  }

  async #obtain(): Promise<string> {
    const startedMs = this.#clock.monotonicMs()
    const fetched = await withDeadline(this.#timers, FETCH_DEADLINE_MS, this.#life.signal, () => this.#fetch()).catch(
      (error: unknown) => {
        throw isMillraceError(error)
          ? error
          : new MillraceError('BIGQUERY_UNREACHABLE', 'retry', 'No access token within 30 s.')
      },
    )
    if (this.#life.signal.aborted) throw closed() // it came too late: nothing is kept any more
    this.#held = {
      token: fetched.token,
      obtainedMs: startedMs,
      lifetimeMs: fetched.lifetimeMs,
      replacesRefused: this.#nextReplacesRefused,
    }
    this.#nextReplacesRefused = false
    return fetched.token
  }
}

const closed = (): MillraceError =>
  new MillraceError('BIGQUERY_UNREACHABLE', 'retry', 'These credentials are not in use any more.')

/** The flight goes on for the others when one caller is cancelled. */
async function untilAborted<T>(flight: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([flight, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
