// Looks at the health of every connector again and again, and logs a change of verdict once in the cluster: by the worker with
// the lowest id among those that work on the connector.
import type { ClusterReports, HealthWatch } from '@millrace/api'
import {
  type ClusterView,
  type ConfigStore,
  type ConnectorEntry,
  type ConnectorHealth,
  clusterView,
  connectorHealth,
  type HealthVerdict,
  mapInPieces,
  noteAbsent,
  type WorkerId,
} from '@millrace/core'
import type { System } from './kafka-side.ts'

/** Ten looks until a stall is seen, but not more often than status is published, nor so seldom that a fix goes unnoticed. */
const LOOKS_PER_STALL = 10
const LOOK_EVERY_MIN_MS = 500
const LOOK_EVERY_MAX_MS = 6_000
/** So many connectors with the same trouble at once are told in one line. */
const TOLD_ONE_BY_ONE_MAX = 5

export class HealthMonitor implements HealthWatch {
  readonly stallMs: number
  readonly #configStore: ConfigStore
  readonly #cluster: ClusterReports & { readonly awaySinceMs: number | null }
  readonly #system: System
  readonly #self: WorkerId
  /** By name; connectors that exist bound it. Those that are OK are not kept. */
  #verdicts: ReadonlyMap<string, HealthVerdict> = new Map()
  absentSinceMs: ReadonlyMap<string, number> = new Map()

  constructor(
    deps: {
      readonly configStore: ConfigStore
      readonly cluster: ClusterReports & { readonly awaySinceMs: number | null }
      readonly self: WorkerId
    },
    system: System,
    stallMs: number,
  ) {
    this.#configStore = deps.configStore
    this.#cluster = deps.cluster
    this.#self = deps.self
    this.#system = system
    this.stallMs = stallMs
  }

  get boardAwaySinceMs(): number | null {
    return this.#cluster.awaySinceMs
  }

  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    const everyMs = Math.min(LOOK_EVERY_MAX_MS, Math.max(LOOK_EVERY_MIN_MS, this.stallMs / LOOKS_PER_STALL))
    for (;;) {
      await this.#system.timers.sleep(everyMs, { signal })
      await this.look({ signal })
    }
  }

  async look({ signal }: { signal: AbortSignal }): Promise<void> {
    const [reports, assignment] = await Promise.all([
      this.#cluster.reports({ signal }),
      this.#cluster.assignment({ signal }),
    ])
    const view = clusterView(reports, assignment, '')
    const nowMs = this.#system.clock.nowMs()
    const absentSinceMs = new Map<string, number>()
    const context = { nowMs, stallMs: this.stallMs, absentSinceMs, boardAwaySinceMs: this.boardAwaySinceMs }
    const changed: ConnectorHealth[] = []
    const verdicts = new Map<string, HealthVerdict>()
    const judge = (entry: ConnectorEntry): void => {
      for (const [key, sinceMs] of noteAbsent(this.absentSinceMs, entry, view, nowMs)) absentSinceMs.set(key, sinceMs)
      const health = connectorHealth(entry, view, context)
      if (health.verdict !== 'OK') verdicts.set(entry.name, health.verdict)
      const before = this.#verdicts.get(entry.name) ?? 'OK'
      if (health.verdict !== before && this.#isToTell(entry, view)) changed.push(health)
    }
    await mapInPieces(this.#configStore.read().connectors.values(), judge, this.#system, { signal })
    this.absentSinceMs = absentSinceMs
    this.#verdicts = verdicts
    this.#tell(changed)
  }

  /** Workers are sorted by id. */
  #isToTell(entry: ConnectorEntry, view: ClusterView): boolean {
    const first = view.reportsOf.get(entry.name)?.[0]?.worker ?? view.workers[0]
    return first?.worker === this.#self
  }

  #tell(changed: readonly ConnectorHealth[]): void {
    const alike = Map.groupBy(changed, ({ verdict, reasons }) => `${verdict} ${reasons[0]?.code ?? ''}`)
    for (const group of alike.values()) {
      if (group.length <= TOLD_ONE_BY_ONE_MAX) for (const health of group) this.#tellOne(health)
      else this.#tellMany(group)
    }
  }

  #tellOne({ name, verdict, reasons, reasonCount }: ConnectorHealth): void {
    const { logger } = this.#system
    const [reason] = reasons
    if (reason === undefined) return logger.info({ connector: name, health: verdict }, 'The connector gets on again.')
    const { code, topic, partition, stage, sinceMs, message } = reason
    const fields = { connector: name, health: verdict, code, topic, partition, stage, sinceMs, reasons: reasonCount }
    logger.warn(fields, `The connector is ${verdict}: ${code}: ${message}`)
  }

  #tellMany(group: readonly ConnectorHealth[]): void {
    const { logger } = this.#system
    const first = group[0]?.reasons[0]
    const names = group.slice(0, TOLD_ONE_BY_ONE_MAX).map(({ name }) => name)
    const fields = { connectors: group.length, first: names, health: group[0]?.verdict }
    if (first === undefined) return logger.info(fields, 'Connectors get on again.')
    logger.warn({ ...fields, code: first.code }, `Connectors are ${first.severity}: ${first.code}: ${first.message}`)
  }
}
