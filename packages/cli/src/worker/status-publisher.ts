// Publishes this worker's report to the status board, so that any worker can show it; and reads all reports for the API.
import type { ClusterReports } from '@millrace/api'
import {
  type Assignment,
  type AssignmentBoard,
  decodeWorkerReport,
  encodeWorkerReport,
  type StatusBoard,
  type WorkerReport,
} from '@millrace/core'
import type { System } from './kafka-side.ts'

/** Staleness of status: at most this plus a round trip. */
const PUBLISH_EVERY_MS = 500

export class StatusPublisher implements ClusterReports {
  readonly #board: StatusBoard
  readonly #assignments: AssignmentBoard
  readonly #system: System
  readonly #ttlMs: number
  readonly #report: () => WorkerReport
  #lastAssignment: Assignment | null = null
  #awaySinceMs: number | null = null

  constructor(
    deps: { readonly board: StatusBoard; readonly assignments: AssignmentBoard },
    system: System,
    /** A worker that is silent for longer is shown no more: as long as its leases last. */
    ttlMs: number,
    report: () => WorkerReport,
  ) {
    this.#board = deps.board
    this.#assignments = deps.assignments
    this.#system = system
    this.#ttlMs = Math.max(ttlMs, 4 * PUBLISH_EVERY_MS)
    this.#report = report
  }

  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    for (;;) {
      const report = this.#report()
      await this.#publish(report)
      await this.#system.timers.sleep(PUBLISH_EVERY_MS, { signal })
    }
  }

  /** Since when the board takes no report; null while it does. The coordinator's log says when Redis is away. */
  get awaySinceMs(): number | null {
    return this.#awaySinceMs
  }

  async #publish(report: WorkerReport): Promise<void> {
    try {
      await this.#board.publish(report.worker, encodeWorkerReport(report), this.#ttlMs)
      this.#awaySinceMs = null
    } catch {
      this.#awaySinceMs ??= this.#system.clock.nowMs()
    }
  }

  /** Without Redis: what this worker knows of itself. */
  async reports(): Promise<readonly WorkerReport[]> {
    const mine = this.#report()
    const bodies = await this.#board.all().catch(() => new Map())
    const others = [...bodies].flatMap(([worker, body]) => (worker === mine.worker ? [] : decoded(body)))
    return [mine, ...others]
  }

  async assignment(): Promise<Assignment | null> {
    this.#lastAssignment = await this.#assignments.current().catch(() => this.#lastAssignment)
    return this.#lastAssignment
  }
}

function decoded(body: string): readonly WorkerReport[] {
  try {
    return [decodeWorkerReport(body)]
  } catch {
    return [] // another version's report: shown once it is upgraded
  }
}
