// Publishes this worker's report to the status board, so that any worker can show it; and reads all reports for the API.
import type { ClusterReports } from '@millrace/api'
import {
  type Assignment,
  type AssignmentBoard,
  decodeWorkerReport,
  encodeWorkerReport,
  mapInPieces,
  type StatusBoard,
  type WorkerId,
  type WorkerReport,
} from '@millrace/core'
import type { System } from './kafka-side.ts'

/** Staleness of status: at most this plus a round trip. */
const PUBLISH_EVERY_MS = 500

type ReadReport = { readonly worker: WorkerId; readonly body: string; readonly report: WorkerReport | null }

export class StatusPublisher implements ClusterReports {
  readonly #board: StatusBoard
  readonly #assignments: AssignmentBoard
  readonly #system: System
  readonly #ttlMs: number
  readonly #report: () => WorkerReport
  #lastAssignment: Assignment | null = null
  /** The latest of every other worker; about 600 bytes a partition, twice. */
  #read: ReadonlyMap<WorkerId, ReadReport> = new Map()
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
  async reports({ signal }: { signal: AbortSignal }): Promise<readonly WorkerReport[]> {
    const mine = this.#report()
    const bodies = await this.#board.all().catch((): ReadonlyMap<WorkerId, string> => new Map())
    const others = [...bodies].filter(([worker]) => worker !== mine.worker)
    const read = await mapInPieces(others, ([worker, body]) => this.#readOnce(worker, body), this.#system, { signal })
    this.#read = new Map(read.map(each => [each.worker, each]))
    return [mine, ...read.flatMap(({ report }) => report ?? [])]
  }

  /** The API, the monitor and the events ask one after the other: a body of megabytes is parsed by the first of them. */
  #readOnce(worker: WorkerId, body: string): ReadReport {
    const known = this.#read.get(worker)
    return known?.body === body ? known : { worker, body, report: decoded(body) }
  }

  async assignment(): Promise<Assignment | null> {
    this.#lastAssignment = await this.#assignments.current().catch(() => this.#lastAssignment)
    return this.#lastAssignment
  }
}

/** null: another version's report, shown once it is upgraded. */
function decoded(body: string): WorkerReport | null {
  try {
    return decodeWorkerReport(body)
  } catch {
    return null
  }
}
