// A world by seed: processes on shared stores, and a nemesis that disturbs them for a while. Then everything is put right, and all
// that was produced must arrive. Nobody keeps processes from working on the same partition at once: there are no leases here.
import type { ConnectorEntry, Logger, PartitionAssignment, TopicPartition, WorkerId } from '@millrace/core'
import { CoordinationTwin, type SeededRandom } from '@millrace/testkit'
import { Violation } from './checker.ts'
import { CONNECTOR, type ConfigVariant, entryOf } from './connector.ts'
import type { RecordKind } from './ledger.ts'
import type { Mutant } from './mutants.ts'
import { Nemesis } from './nemesis.ts'
import type { Plan } from './plan.ts'
import { GRACEFUL_MS, Process } from './process.ts'
import { INCARNATION, Stores } from './stores.ts'

/** After the last fault: the longest wait of the code is a restart backoff, a fence or an append deadline of ten seconds. */
const PROGRESS_MS = 120_000
const STEPS_MAX = 100_000
const PROCESSES_MAX = 3
/** Records that come by themselves. */
const FLOW_MAX = 40
/** How long a process may not have heard of a config. */
const CONTROL_LAG_MS_MAX = 2_000

export class World {
  readonly stores: Stores
  readonly plan: Plan
  readonly processes: Process[] = []
  readonly #redis: CoordinationTwin
  readonly #logger: Logger
  readonly #mutant: Mutant | null
  readonly #nemesis: Nemesis
  #entry: ConnectorEntry
  #count = 0

  constructor(plan: Plan, logger: Logger, mutant: Mutant | null) {
    this.plan = plan
    this.#logger = logger
    this.#mutant = mutant
    this.stores = new Stores(plan, machine => this.#nemesis.atDurableStep(machine))
    this.#nemesis = new Nemesis(this)
    const { clock, timers } = this.stores.outside
    this.#redis = new CoordinationTwin({ clock, timers })
    this.#entry = entryOf(this.#firstVariant)
  }

  get #firstVariant(): ConfigVariant {
    return { batchRows: this.plan.batchRows, filters: true, tolerance: 'all' }
  }

  /** From the first record to the last; throws the first Violation. */
  async run(): Promise<void> {
    const { stores, plan } = this
    await stores.open()
    for (const tp of stores.partitions) for (let i = 0; i < plan.records; i++) this.produce(tp)
    for (let i = 0; i < plan.processes; i++) this.#spawn()
    for (const tp of stores.partitions) this.takeOver(tp)
    this.#nemesis.begin()
    if (plan.flowMs !== null) this.#flow(plan.flowMs, FLOW_MAX)
    while (!this.#nemesis.isDone) await this.#step()
    this.#heal()
    await this.#untilComplete()
    stores.checker.assertComplete()
    stores.checker.throwIfViolated()
  }

  async #step(): Promise<void> {
    const { scheduler, checker } = this.stores
    if (!(await scheduler.step())) throw new Violation('Progress', 'nothing is left to happen')
    if (scheduler.steps > STEPS_MAX) throw new Violation('Progress', `no end after ${STEPS_MAX} steps`)
    checker.throwIfViolated()
  }

  #flow(everyMs: number, left: number): void {
    const { scheduler, chance, partitions } = this.stores
    scheduler.at(everyMs, 'record', () => {
      if (chance.isHealed) return
      this.produce(chance.for('flow').pick(partitions))
      if (left > 1) this.#flow(everyMs, left - 1)
    })
  }

  // ── what the nemesis asks for ──

  placeOf(tp: TopicPartition, worker: string): PartitionAssignment {
    return { connector: CONNECTOR, incarnation: INCARNATION, ...tp, taskId: 0, worker: worker as WorkerId }
  }

  /** Some process works on the partition from now on, whoever does already. */
  takeOver(tp: TopicPartition): void {
    const { chance } = this.stores
    if (chance.isHealed) return
    const aliveCount = this.processes.filter(process => process.isAlive).length
    const idle = this.processes.filter(process => process.isAwake && !process.isAt(tp))
    const isNew = idle.length === 0 || chance.for('start').chance(0.2)
    const process = isNew && aliveCount < PROCESSES_MAX ? this.#spawn() : pickFrom(idle, chance.for('whom'))
    process?.start(this.placeOf(tp, process.name))
  }

  shutDown(process: Process): void {
    for (const tp of this.stores.partitions) process.drain(this.placeOf(tp, process.name))
    process.machine.deliver(GRACEFUL_MS, `${process.name} ends`, () => process.machine.kill())
    const next = this.#spawn()
    for (const tp of this.stores.partitions) next.start(this.placeOf(tp, next.name))
  }

  anyAwake(): Process | undefined {
    const awake = this.processes.filter(process => process.isAwake)
    return pickFrom(awake, this.stores.chance.for('whom'))
  }

  produce(tp: TopicPartition): void {
    const { chance, ledger } = this.stores
    const kinds = (['unreadable', 'refused', 'tombstones', 'filtered'] as const).filter(fault => chance.isOn(fault))
    const random = chance.for('kinds')
    const fault = random.chance(this.plan.oddShare) && kinds.length > 0 ? random.pick(kinds) : null
    if (fault !== null) chance.hit(fault)
    const kind: RecordKind = fault === null ? 'row' : fault === 'tombstones' ? 'tombstone' : fault
    ledger.produce(tp, kind)
  }

  /** Every process hears of it, each in its own time. */
  configure(variant: ConfigVariant): void {
    const { chance } = this.stores
    this.#entry = entryOf(variant, this.#entry.configGeneration + 1)
    for (const process of this.processes) this.#tell(process, chance.for('control').below(CONTROL_LAG_MS_MAX))
  }

  widenColumn(): void {
    this.stores.widenColumn()
  }

  #tell(process: Process, delayMs: number): void {
    process.setControl({ connectors: new Map([[CONNECTOR, this.#entry]]), deleted: new Map() }, delayMs)
  }

  #spawn(): Process {
    const { chance } = this.stores
    const name = `w${++this.#count}`
    const random = chance.for('clockSkew')
    const skewed = { clockOffsetMs: random.between(-4, 4) * 3_600_000, clockRate: random.pick([0.5, 1, 1, 2]) }
    if (chance.isOn('clockSkew')) chance.hit('clockSkew')
    const process = new Process(name, this.stores, this.#redis, {
      logger: this.#logger.child({ process: name }),
      clock: chance.isOn('clockSkew') ? skewed : {},
      onDurableStep: machine => this.#nemesis.atDurableStep(machine),
      mutant: this.#mutant,
    })
    this.processes.push(process)
    this.#tell(process, 0)
    return process
  }

  // ── the end ──

  /** No fault happens any more; one process has all partitions. */
  #heal(): void {
    const { chance, ledger, partitions } = this.stores
    chance.isHealed = true
    for (const tp of partitions) ledger.commit(tp)
    for (const process of this.processes) if (process.machine.isFrozen) process.machine.thaw()
    this.configure(this.#firstVariant)
    const last = this.#spawn() // the others may be about to end
    for (const process of this.processes)
      for (const tp of partitions) {
        const place = this.placeOf(tp, process.name)
        if (process === last) process.start(place)
        else if (process.isAlive) process.drain(place)
      }
  }

  async #untilComplete(): Promise<void> {
    const { scheduler, checker } = this.stores
    const endMs = scheduler.elapsedMs + PROGRESS_MS
    while (!this.#isComplete()) {
      if (scheduler.elapsedMs > endMs) throw new Violation('Progress', this.#stateText())
      await this.#step()
    }
    checker.throwIfViolated()
  }

  #isComplete(): boolean {
    if (!this.stores.checker.isComplete) return false
    const reports = this.processes.filter(process => process.isAlive).flatMap(process => process.worker.reports())
    return this.stores.partitions.every(({ partition }) =>
      reports.some(
        report =>
          report.partition === partition &&
          report.state === 'RUNNING' &&
          report.endOffset !== null &&
          report.nextOffset === report.endOffset,
      ),
    )
  }

  #stateText(): string {
    const reports = this.processes
      .filter(process => process.isAlive)
      .flatMap(process => process.worker.reports().map(report => ({ by: process.name, ...report })))
    const text = reports.map(report => JSON.stringify(report, toText)).join('\n')
    return `not everything was delivered ${PROGRESS_MS} ms after the last fault\n${text}`
  }
}

const pickFrom = <T>(some: readonly T[], random: SeededRandom): T | undefined =>
  some.length === 0 ? undefined : random.pick(some)

const toText = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value)
