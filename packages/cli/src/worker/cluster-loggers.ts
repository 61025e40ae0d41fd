// Log levels of the whole cluster (KIP-976): a change is put on a board in Redis for a minute, and every worker looks there each
// second. A worker that starts later does not take it over, and none keeps it over a restart, as in Connect.
import type { LoggerLevel, LoggerLevels } from '@millrace/api'
import type { StatusBoard, WorkerId } from '@millrace/core'
import type { System } from './kafka-side.ts'

const LOOK_EVERY_MS = 1_000
/** A worker that does not reach Redis for so long misses the change. */
const KEPT_MS = 60_000
/** Loggers whose last change is remembered; beyond it the oldest are forgotten, and at worst applied twice. */
const SEEN_MAX = 1_000

type Change = { readonly id: string; readonly level: string; readonly atMs: number }

export class ClusterLoggers implements LoggerLevels {
  readonly #own: Pick<LoggerLevels, 'list' | 'set'>
  readonly #board: StatusBoard
  readonly #system: System
  readonly #startedAtMs: number
  /** Ids of changes that were applied here. */
  readonly #seen = new Set<string>()

  constructor(own: Pick<LoggerLevels, 'list' | 'set'>, board: StatusBoard, system: System) {
    this.#own = own
    this.#board = board
    this.#system = system
    this.#startedAtMs = system.clock.nowMs()
  }

  list(): ReadonlyMap<string, LoggerLevel> {
    return this.#own.list()
  }
  set(name: string, level: string): readonly string[] | null {
    return this.#own.set(name, level)
  }

  async setEverywhere(name: string, level: string): Promise<boolean> {
    const { random, clock } = this.#system
    const change: Change = { id: random.nextId(), level, atMs: clock.nowMs() }
    const affected = this.#own.set(name, level)
    if (affected === null) return false
    if (affected.length === 0) return true // every worker has the same loggers: whatever names are sent, Redis keeps none
    this.#remember(change.id)
    await this.#board.publish(name as WorkerId, JSON.stringify(change), KEPT_MS)
    return true
  }

  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    for (;;) {
      await this.#system.timers.sleep(LOOK_EVERY_MS, { signal })
      await this.look()
    }
  }

  async look(): Promise<void> {
    const found = await this.#board.all().catch(() => new Map<string, string>()) // others say when Redis is away
    for (const [name, body] of found) {
      const change = changeOf(body)
      if (change === null || change.atMs < this.#startedAtMs || this.#seen.has(change.id)) continue
      this.#remember(change.id)
      this.#own.set(name, change.level)
      this.#system.logger.info({ logger: name, level: change.level }, 'A log level was changed for the whole cluster.')
    }
  }

  #remember(id: string): void {
    this.#seen.add(id)
    for (const old of this.#seen) {
      if (this.#seen.size <= SEEN_MAX) return
      this.#seen.delete(old)
    }
  }
}

/** The board is Redis: what is not ours is passed over. */
function changeOf(body: string): Change | null {
  try {
    const { id, level, atMs } = JSON.parse(body) as Readonly<Record<string, unknown>>
    return typeof id === 'string' && typeof level === 'string' && typeof atMs === 'number' ? { id, level, atMs } : null
  } catch {
    return null
  }
}
