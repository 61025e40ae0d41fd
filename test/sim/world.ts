// A world by seed: processes on shared stores, and a nemesis that disturbs them for a while. Then everything is put right, and all
// that was produced must arrive. Nobody keeps processes from working on the same partition at once: there are no leases here.
import type { ConnectorEntry, ControlState, Logger, RawConfig, TopicPartition } from '@millrace/core'
import { CoordinationTwin, type Machine } from '@millrace/testkit'
import { Violation } from './checker.ts'
import type { RecordKind } from './ledger.ts'
import type { Plan } from './plan.ts'
import { GRACEFUL_MS, Process, placeOf } from './process.ts'
import { DLQ_TOPIC, INCARNATION, JOURNAL_ID, Stores, TOPIC } from './stores.ts'

/** After the last fault: the longest wait of the code is a restart backoff, a fence or an append deadline of ten seconds. */
const PROGRESS_MS = 120_000
const STEPS_MAX = 100_000
const PROCESSES_MAX = 3

export class World {
  readonly stores: Stores
  readonly plan: Plan
  readonly #redis: CoordinationTwin
  readonly #logger: Logger
  readonly #processes: Process[] = []
  #control: ControlState
  #count = 0
  #turnsLeft: number

  constructor(plan: Plan, logger: Logger) {
    this.plan = plan
    this.#logger = logger
    this.#turnsLeft = plan.turns
    this.stores = new Stores(plan, machine => this.#mayDie(machine))
    const { clock, timers } = this.stores.outside
    this.#redis = new CoordinationTwin({ clock, timers })
    this.#control = controlOf(entryOf(configOf(plan)))
  }

  /** From the first record to the last; throws the first Violation. */
  async run(): Promise<void> {
    const { stores, plan } = this
    await stores.open()
    for (const tp of stores.partitions) for (let i = 0; i < plan.records; i++) this.#produce(tp)
    for (let i = 0; i < plan.processes; i++) this.#spawn()
    for (const tp of stores.partitions) this.#anyAwake()?.start(placeOf(tp, 'any', INCARNATION))
    this.#scheduleTurn()
    while (this.#turnsLeft > 0) await this.#step()
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

  // ── the nemesis ──

  #scheduleTurn(): void {
    const { scheduler, chance } = this.stores
    scheduler.at(chance.for('nemesis').below(this.plan.pauseMsMax), 'nemesis', () => {
      this.#turn()
      if (--this.#turnsLeft > 0) this.#scheduleTurn()
    })
  }

  #turn(): void {
    const { chance, journal, topics, ledger } = this.stores
    const random = chance.for('turn')
    const tp = random.pick(this.stores.partitions)
    const process = this.#anyAwake()
    // Always drawn in full: what one fault does must not shift the draws of another.
    const act = random.below(14)
    const count = random.between(1, 3)
    switch (act) {
      case 0:
        if (process !== undefined && chance.isOn('kill')) {
          chance.hit('kill')
          process.machine.kill()
        }
        return
      case 1:
        if (chance.isOn('killAll')) {
          chance.hit('killAll')
          for (const one of this.#processes) one.machine.kill()
        }
        return
      case 2:
        if (process !== undefined && chance.isOn('freeze')) this.#freeze(process)
        return
      case 3:
        if (chance.isOn('compaction')) {
          chance.hit('compaction')
          journal.compact({ dropTombstones: count === 1 })
        }
        return
      case 4:
        if (chance.isOn('gaps')) {
          chance.hit('gaps')
          topics.appendGap(tp, count)
        }
        return
      case 5:
        if (chance.isOn('abortedTransactions')) {
          chance.hit('abortedTransactions')
          if (!ledger.isOpen(tp)) ledger.begin(tp)
          for (let i = 0; i < count; i++) this.#produce(tp)
          ledger.abort(tp)
        }
        return
      case 6:
        if (!chance.isOn('openTransaction')) return
        if (ledger.isOpen(tp)) return ledger.commit(tp)
        chance.hit('openTransaction')
        return ledger.begin(tp)
      case 7:
        if (process !== undefined && chance.isOn('rollingRestart')) this.#shutDown(process)
        return
      case 8:
        return process?.drain(placeOf(tp, process.name, INCARNATION))
      case 9:
      case 10:
        return this.#startSomewhere(tp)
      default:
        for (let i = 0; i < count; i++) this.#produce(tp)
    }
  }

  #mayDie(machine: Machine): void {
    if (machine.isAlive && this.stores.chance.strikes('killAtStep', 0.2)) machine.kill()
  }

  #freeze(process: Process): void {
    const { chance, scheduler } = this.stores
    chance.hit('freeze')
    process.machine.freeze()
    scheduler.at(chance.for('freeze').below(20_000), `${process.name} wakes`, () => process.machine.thaw())
  }

  /** As SIGTERM: lets go of everything, then it is gone; another one comes. */
  #shutDown(process: Process): void {
    const { chance, partitions } = this.stores
    chance.hit('rollingRestart')
    for (const tp of partitions) process.drain(placeOf(tp, process.name, INCARNATION))
    process.machine.deliver(GRACEFUL_MS, `${process.name} ends`, () => process.machine.kill())
    const next = this.#spawn()
    for (const tp of partitions) next.start(placeOf(tp, next.name, INCARNATION))
  }

  #startSomewhere(tp: TopicPartition): void {
    const alive = this.#processes.filter(process => process.isAlive)
    const random = this.stores.chance.for('start')
    const process = alive.length < PROCESSES_MAX && random.chance(0.5) ? this.#spawn() : this.#anyAwake()
    process?.start(placeOf(tp, process.name, INCARNATION))
  }

  #spawn(): Process {
    const { chance } = this.stores
    const name = `w${++this.#count}`
    const random = chance.for('clockSkew')
    const skewed = { clockOffsetMs: random.between(-4, 4) * 3_600_000, clockRate: random.pick([0.5, 1, 1, 2]) }
    if (chance.isOn('clockSkew')) chance.hit('clockSkew')
    const process = new Process(
      name,
      this.stores,
      this.#redis,
      this.#logger.child({ process: name }),
      machine => this.#mayDie(machine),
      chance.isOn('clockSkew') ? skewed : {},
    )
    this.#processes.push(process)
    process.setControl(this.#control)
    return process
  }

  #anyAwake(): Process | undefined {
    const awake = this.#processes.filter(process => process.isAwake)
    return awake.length === 0 ? undefined : this.stores.chance.for('whom').pick(awake)
  }

  #produce(tp: TopicPartition): void {
    const { chance, ledger } = this.stores
    const kinds = (['unreadable', 'refused', 'tombstones', 'filtered'] as const).filter(fault => chance.isOn(fault))
    const random = chance.for('kinds')
    const fault = random.chance(0.3) && kinds.length > 0 ? random.pick(kinds) : null
    if (fault !== null) chance.hit(fault)
    const kind: RecordKind = fault === null ? 'row' : fault === 'tombstones' ? 'tombstone' : fault
    ledger.produce(tp, kind)
  }

  // ── the end ──

  /** No fault happens any more; one process has all partitions. */
  #heal(): void {
    const { chance, ledger, partitions } = this.stores
    chance.isHealed = true
    for (const tp of partitions) ledger.commit(tp)
    for (const process of this.#processes) if (process.machine.isFrozen) process.machine.thaw()
    const last = this.#spawn() // the others may be about to end
    for (const process of this.#processes)
      for (const tp of partitions) {
        const place = placeOf(tp, process.name, INCARNATION)
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
    const reports = this.#processes.filter(process => process.isAlive).flatMap(process => process.worker.reports())
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
    const reports = this.#processes
      .filter(process => process.isAlive)
      .flatMap(process => process.worker.reports().map(report => ({ by: process.name, ...report })))
    return `not everything was delivered ${PROGRESS_MS} ms after the last fault\n${reports.map(report => JSON.stringify(report, toText)).join('\n')}`
  }
}

const toText = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value)

/** One object per config: parsed ones are found by it. */
const CONFIGS = new Map<number, RawConfig>()

function configOf({ batchRows }: Plan): RawConfig {
  const known = CONFIGS.get(batchRows)
  if (known !== undefined) return known
  const config = newConfig(batchRows)
  CONFIGS.set(batchRows, config)
  return config
}

const newConfig = (batchRows: number): RawConfig => ({
  name: 'c',
  'connector.class': 'io.millrace.bigquery.BigQuerySinkConnector',
  topics: TOPIC,
  project: 'p',
  defaultDataset: 'd',
  'errors.tolerance': 'all',
  'errors.deadletterqueue.topic.name': DLQ_TOPIC,
  'errors.deadletterqueue.topic.replication.factor': '1',
  'append.max.rows': String(batchRows),
  'append.max.bytes': '10000',
  'append.linger.ms': '20',
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter.schemas.enable': 'false',
  transforms: 'drop',
  'transforms.drop.type': 'org.apache.kafka.connect.transforms.Filter',
  'transforms.drop.predicate': 'skip',
  predicates: 'skip',
  'predicates.skip.type': 'org.apache.kafka.connect.transforms.predicates.HasHeaderKey',
  'predicates.skip.name': 'skip',
})

const entryOf = (config: RawConfig): ConnectorEntry => ({
  name: 'c',
  incarnation: INCARNATION,
  version: 1,
  configGeneration: 1,
  config,
  targetState: 'STARTED',
  hasTasks: true,
  restarts: { connector: 0, allTasks: 0, tasks: {} },
  journalId: JOURNAL_ID,
  predecessors: [],
  topicsResetAtMs: 0,
  createdAtMs: 0,
  updatedAtMs: 0,
})

const controlOf = (entry: ConnectorEntry): ControlState => ({
  connectors: new Map([[entry.name, entry]]),
  deleted: new Map(),
})
