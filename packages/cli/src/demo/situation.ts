// What is known about the run at this moment: one poll of table, cluster, producer and memory, shared by all who need it.
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterClient, PartitionShape } from './cluster-client.ts'
import type { EmulatorClient } from './emulator-client.ts'
import { PARTITIONS } from './layout.ts'
import type { MemoryWatch } from './memory.ts'
import type { Producer } from './producer.ts'
import { DemoFailure } from './wait.ts'
import type { WorkerFleet } from './worker-fleet.ts'

const POLL_MS = 200
/** Nothing new in the table for so long, though something is to come: it will not come. */
export const STALL_MS = 90_000

export type SituationSources = {
  readonly connector: string
  readonly emulator: EmulatorClient
  readonly cluster: ClusterClient
  readonly fleet: WorkerFleet
  readonly producer: Producer
  readonly memory: MemoryWatch
  readonly fixedPids: readonly (readonly [name: string, pid: number])[]
}

export class Situation {
  readonly sources: SituationSources
  readonly #startedMs = performance.now()
  #landed = 0
  #landedAtMs = performance.now()
  #partitions: readonly PartitionShape[] = []
  #failure: unknown = null

  constructor(sources: SituationSources) {
    this.sources = sources
  }

  /** Polls until the signal aborts. */
  async follow(signal: AbortSignal): Promise<void> {
    const { sources } = this
    while (!signal.aborted) {
      try {
        await this.refresh(signal)
        sources.memory.sample([
          ...sources.fixedPids,
          ['producer', sources.producer.pid] as const,
          ...sources.fleet.all().map(worker => [worker.name, worker.process.child.pid] as const),
        ])
        await sleep(POLL_MS, undefined, { signal })
      } catch (error) {
        if (signal.aborted) return
        this.#failure ??= error
        return
      }
    }
  }

  async refresh(signal: AbortSignal): Promise<void> {
    const { connector, emulator, cluster } = this.sources
    const landed = await emulator.countRows({ signal })
    if (landed !== this.#landed) this.#landedAtMs = performance.now()
    this.#landed = landed
    this.#partitions = (await cluster.partitions(connector, { signal })) ?? this.#partitions
  }

  /** Rows in the table. */
  landed(): number {
    return this.#landed
  }
  partitions(): readonly PartitionShape[] {
    return this.#partitions
  }
  areAllRunning(): boolean {
    return this.#partitions.length === PARTITIONS && this.#partitions.every(p => p.state === 'RUNNING')
  }
  /** Everything that is in the topic is settled, as far as the workers' reports tell. */
  isIdle(): boolean {
    return this.areAllRunning() && this.#partitions.every(p => p.lag === 0 && p.inFlightRows === 0)
  }
  seconds(): number {
    return (performance.now() - this.#startedMs) / 1000
  }
  /** Throws when the run cannot go on: somebody died of himself, or nothing moves any more. */
  assertAlive(): void {
    if (this.#failure !== null) throw this.#failure
    const failure = this.sources.producer.failure()
    if (failure !== null) throw new DemoFailure(`The producer failed: ${failure}`)
    const [crashed] = this.sources.fleet.crashed()
    if (crashed !== undefined) {
      const exit = crashed.process.child.exit()
      throw new DemoFailure(`${crashed.name} ended by itself (${exit?.signal ?? `exit code ${exit?.code}`}).`)
    }
    if (performance.now() - this.#landedAtMs > STALL_MS) {
      const failed = this.#partitions.find(p => p.trace !== null)
      const why = failed === undefined ? '' : ` ${failed.topic}-${failed.partition} is ${failed.state}: ${failed.trace}`
      throw new DemoFailure(`No row arrived for ${STALL_MS / 1000} s; ${this.#landed} are there.${why}`)
    }
  }
}
