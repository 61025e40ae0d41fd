// What this worker as a whole does not reach: told by /health (KIP-1017), and to whoever wonders why its partitions stand still.
import type { Health } from '@millrace/api'
import type { ErrorCode, Waiting } from '@millrace/core'

type Trouble = { readonly sinceMs: number; readonly message: string }

/** What is over so soon is a reconnect. */
const TOLD_AFTER_MS = 2_000

export class WorkerHealth {
  readonly #sources: readonly (() => Waiting | null)[]
  readonly #sessionMs: number
  readonly #nowMs: () => number
  #isReady = false

  /** @param sessionMs unreachable for longer than a session, a worker is unhealthy: others could not count on it either. */
  constructor(
    sources: { readonly kafka: readonly (() => Trouble | null)[]; readonly redisAwaySinceMs: () => number | null },
    sessionMs: number,
    nowMs: () => number,
  ) {
    const named = (code: ErrorCode, of: () => Trouble | null) => (): Waiting | null => {
      const trouble = of()
      return trouble === null ? null : { code, ...trouble }
    }
    const redis = (): Trouble | null => {
      const sinceMs = sources.redisAwaySinceMs()
      return sinceMs === null ? null : { sinceMs, message: 'Redis does not take the report of this worker.' }
    }
    this.#sources = [...sources.kafka.map(of => named('KAFKA_UNREACHABLE', of)), named('REDIS_UNREACHABLE', redis)]
    this.#sessionMs = sessionMs
    this.#nowMs = nowMs
  }

  ready(): void {
    this.#isReady = true
  }

  /** The oldest of each service. */
  troubles(): readonly Waiting[] {
    const found = this.#sources
      .flatMap(source => source() ?? [])
      .filter(({ sinceMs }) => this.#nowMs() - sinceMs >= TOLD_AFTER_MS)
      .sort((a, b) => a.sinceMs - b.sinceMs)
    return found.filter((trouble, i) => found.findIndex(({ code }) => code === trouble.code) === i)
  }

  health(): Health {
    if (!this.#isReady) return { status: 'starting' }
    const lasting = this.troubles().filter(({ sinceMs }) => this.#nowMs() - sinceMs >= this.#sessionMs)
    if (lasting.length === 0) return { status: 'healthy' }
    const told = lasting.map(
      ({ code, sinceMs, message }) => `${code} for ${Math.round((this.#nowMs() - sinceMs) / 1000)} s: ${message}`,
    )
    return { status: 'unhealthy', detail: told.join(' ') }
  }
}
