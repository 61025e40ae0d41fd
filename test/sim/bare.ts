// Processes without leases and without a coordinator: any number of them work on the same partition, as if each were alone. Nothing
// but the journal is between them.
import type { ConnectorEntry, PartitionAssignment, TopicPartition, WorkerId } from '@millrace/core'
import { CoordinationTwin } from '@millrace/testkit'
import { CONNECTOR, type ConfigVariant, entryOf, FIRST_INCARNATION, genesisOf } from './connector.ts'
import { GRACEFUL_MS, type Process } from './process.ts'
import type { Regime } from './regime.ts'
import { PROCESSES_MAX, type World } from './world.ts'

/** How long a process may not have heard of a config. */
const CONTROL_LAG_MS_MAX = 2_000

export class Bare implements Regime {
  readonly #world: World
  /** For permits only. */
  readonly #redis: CoordinationTwin
  #entry: ConnectorEntry

  constructor(world: World) {
    this.#world = world
    const { clock, timers } = world.stores.outside
    this.#redis = new CoordinationTwin({ clock, timers })
    this.#entry = entryOf(world.firstVariant)
  }

  redisOf(): CoordinationTwin {
    return this.#redis
  }

  async open(): Promise<void> {
    const { journal, plan } = this.#world.stores
    await journal.client().writeGenesis(FIRST_INCARNATION, genesisOf(plan.partitions))
  }

  joined(process: Process): void {
    this.#tell(process, 0)
  }

  begin(): void {
    for (const tp of this.#world.stores.partitions) this.takeOver(tp)
  }

  takeOver(tp: TopicPartition): void {
    const { processes, stores } = this.#world
    if (stores.chance.isHealed) return
    const aliveCount = processes.filter(process => process.isAlive).length
    const idle = processes.filter(process => process.isAwake && !process.isAt(tp))
    const isNew = idle.length === 0 || stores.chance.for('start').chance(0.2)
    const process = isNew && aliveCount < PROCESSES_MAX ? this.#world.spawn() : this.#world.pick(idle)
    process?.start(placeOf(tp, process))
  }

  drain(tp: TopicPartition): void {
    const process = this.#world.anyAwake()
    process?.drain(placeOf(tp, process))
  }

  shutDown(process: Process): void {
    const { partitions } = this.#world.stores
    for (const tp of partitions) process.drain(placeOf(tp, process))
    process.machine.deliver(GRACEFUL_MS, `${process.name} ends`, () => process.machine.kill())
    const next = this.#world.spawn()
    for (const tp of partitions) next.start(placeOf(tp, next))
  }

  /** Every process hears of it, each in its own time. */
  configure(variant: ConfigVariant): void {
    const { stores, processes } = this.#world
    this.#entry = entryOf(variant, this.#entry.configGeneration + 1)
    for (const process of processes) this.#tell(process, stores.chance.for('control').below(CONTROL_LAG_MS_MAX))
  }

  pauseResume(): void {}
  deleteCreate(): void {}
  moveOffsets(): void {}
  disturbRedis(): void {}

  /** One process has all partitions. */
  heal(): void {
    this.configure({ ...this.#world.firstVariant, skipsLost: true }) // an operator who gives up what is lost
    const last = this.#world.spawn() // the others may be about to end
    for (const process of this.#world.processes)
      for (const tp of this.#world.stores.partitions) {
        if (process === last) process.start(placeOf(tp, process))
        else if (process.isAlive) process.drain(placeOf(tp, process))
      }
  }

  #tell(process: Process, delayMs: number): void {
    process.setControl({ connectors: new Map([[CONNECTOR, this.#entry]]), deleted: new Map() }, delayMs)
  }
}

const placeOf = (tp: TopicPartition, { name }: Process): PartitionAssignment => ({
  connector: CONNECTOR,
  incarnation: FIRST_INCARNATION,
  ...tp,
  taskId: 0,
  worker: name as WorkerId,
})
