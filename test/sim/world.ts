// A world by seed: processes on shared stores, and a nemesis that disturbs them for a while. Then everything is put right, and all
// that was produced must arrive.
import {
  type Incarnation,
  type JournalLog,
  type KeySpace,
  type Logger,
  type PartitionReport,
  type StreamName,
  type StreamOffset,
  type TopicPartition,
  verdictFor,
} from '@millrace/core'
import { neverAborted, type SeededRandom } from '@millrace/testkit'
import { Bare } from './bare.ts'
import { Violation } from './checker.ts'
import { Cluster } from './cluster.ts'
import { type ConfigVariant, FIRST_INCARNATION } from './connector.ts'
import type { RecordKind } from './ledger.ts'
import type { Mutant } from './mutants.ts'
import { Nemesis } from './nemesis.ts'
import type { Plan } from './plan.ts'
import { Process } from './process.ts'
import type { Regime } from './regime.ts'
import { Stores } from './stores.ts'

/** After the last fault: the longest wait of the code is a restart backoff, a fence or an append deadline of ten seconds. */
const PROGRESS_MS = 120_000
const STEPS_MAX = 100_000
/** STREAM_NOT_FOUND counts as doubt after ten minutes; a rotation and a takeover may meet it one after the other. */
const DOUBT_MS = 2_400_000
const ANSWER_EVERY_MS = 5_000
export const PROCESSES_MAX = 3
/** Of the processes, where versions mix. */
const OLD_SHARE = 0.4
/** Records that come by themselves. */
const FLOW_MAX = 40

export class World {
  readonly stores: Stores
  readonly plan: Plan
  readonly logger: Logger
  readonly processes: Process[] = []
  readonly regime: Regime
  readonly #mutant: Mutant | null
  readonly #nemesis: Nemesis
  /** Partitions that failed because their log is another one. */
  readonly #noticed = new Set<number>()
  #count = 0

  constructor(plan: Plan, logger: Logger, mutant: Mutant | null) {
    this.plan = plan
    this.logger = logger
    this.#mutant = mutant
    this.stores = new Stores(plan, machine => this.#nemesis.atDurableStep(machine))
    this.#nemesis = new Nemesis(this)
    this.regime = plan.isCluster ? new Cluster(this) : new Bare(this)
  }

  get firstVariant(): ConfigVariant {
    return { batchRows: this.plan.batchRows, filters: true, tolerance: 'all', skipsLost: this.plan.skipsLost }
  }

  /** From the first record to the last; throws the first Violation. */
  async run(): Promise<void> {
    const { stores, plan, regime } = this
    await stores.open()
    await regime.open()
    for (const tp of stores.partitions) for (let i = 0; i < plan.records; i++) this.produce(tp)
    for (let i = 0; i < plan.processes; i++) this.spawn()
    regime.begin()
    this.#nemesis.begin()
    if (plan.flowMs !== null) this.#flow(plan.flowMs, FLOW_MAX)
    await this.#until(() => this.#nemesis.isDone)
    this.#heal()
    await this.#untilComplete()
    stores.checker.assertComplete()
    stores.checker.throwIfViolated()
  }

  /** Whatever is asserted is asserted after every step. */
  async #until(isDone: () => boolean): Promise<void> {
    const { scheduler, checker } = this.stores
    const isReached = await scheduler.runUntil(() => {
      checker.throwIfViolated()
      if (scheduler.steps > STEPS_MAX) throw new Violation('Progress', `no end after ${STEPS_MAX} steps`)
      return isDone()
    })
    if (!isReached) throw new Violation('Progress', 'nothing is left to happen')
  }

  #flow(everyMs: number, left: number): void {
    const { scheduler, chance, partitions } = this.stores
    scheduler.at(everyMs, 'record', () => {
      if (chance.isHealed) return
      this.produce(chance.for('flow').pick(partitions))
      if (left > 1) this.#flow(everyMs, left - 1)
    })
  }

  // ── what regime and nemesis ask for ──

  spawn(): Process {
    const { chance } = this.stores
    const name = `w${++this.#count}`
    const random = chance.for('clockSkew')
    const skewed = { clockOffsetMs: random.between(-4, 4) * 3_600_000, clockRate: random.pick([0.5, 1, 1, 2]) }
    if (chance.isOn('clockSkew')) chance.hit('clockSkew')
    const process: Process = new Process(name, this.stores, () => this.regime.redisOf(process), {
      logger: this.logger.child({ process: name }),
      clock: chance.isOn('clockSkew') ? skewed : {},
      onDurableStep: machine => this.#nemesis.atDurableStep(machine),
      mutant: this.#mutant,
      isOld: chance.isOn('oldVersion') && chance.for('oldVersion').chance(OLD_SHARE),
    })
    this.processes.push(process)
    this.regime.joined(process)
    return process
  }

  anyAwake(): Process | undefined {
    return this.pick(this.processes.filter(process => process.isAwake))
  }

  pick<T>(some: readonly T[]): T | undefined {
    return some.length === 0 ? undefined : this.stores.chance.for('whom').pick(some)
  }

  produce(tp: TopicPartition): void {
    const { chance, ledger } = this.stores
    const kinds = (['unreadable', 'refused', 'tombstones', 'filtered'] as const).filter(fault => chance.isOn(fault))
    const random: SeededRandom = chance.for('kinds')
    const fault = random.chance(this.plan.oddShare) && kinds.length > 0 ? random.pick(kinds) : null
    if (fault !== null) chance.hit(fault)
    const kind: RecordKind = fault === null ? 'row' : fault === 'tombstones' ? 'tombstone' : fault
    ledger.produce(tp, kind)
  }

  // ── the end ──

  #heal(): void {
    const { chance, ledger, partitions } = this.stores
    chance.isHealed = true
    for (const tp of partitions) ledger.commit(tp)
    for (const process of this.processes) if (process.machine.isFrozen) process.machine.thaw()
    chance.kafkaUpAtMs = 0
    chance.bigQueryUpAtMs = 0
    this.stores.createTable()
    this.stores.restoreColumn()
    this.regime.heal()
    if (this.stores.expired.size > 0) this.#answerDoubts()
  }

  /** As an operator who looks into the table: where a stream is gone with appends unanswered, he says what landed. */
  #answerDoubts(): void {
    const { scheduler, journal, expired } = this.stores
    scheduler.at(ANSWER_EVERY_MS, 'operator looks', () => {
      for (const process of this.processes)
        for (const { state, incarnation, topic, partition } of process.isAlive ? process.worker.reports() : []) {
          if (state !== 'IN_DOUBT') continue
          const space = { incarnation: incarnation as Incarnation, topic, partition }
          void giveVerdicts(journal.client(), space, expired)
        }
      this.#answerDoubts()
    })
  }

  async #untilComplete(): Promise<void> {
    const { scheduler } = this.stores
    const endMs = scheduler.elapsedMs + (this.stores.expired.size > 0 ? DOUBT_MS : 0) + PROGRESS_MS
    await this.#until(() => {
      if (this.#isComplete()) return true
      if (scheduler.elapsedMs > endMs) throw new Violation('Progress', this.#stateText())
      return false
    })
  }

  #isComplete(): boolean {
    const { checker, ledger, partitions } = this.stores
    if (!checker.isComplete && !ledger.hasCuts) return false
    const cut = partitions.filter(tp => ledger.wasCut(tp))
    const reports = this.processes.filter(process => process.isAlive).flatMap(process => process.worker.reports())
    for (const { topic, partition } of cut) {
      const isNoticed = reports.some(
        report =>
          report.partition === partition && report.state === 'FAILED' && report.failure?.code === 'SOURCE_CHANGED',
      )
      if (!isNoticed) continue
      this.#noticed.add(partition)
      ledger.release({ topic, partition })
    }
    return checker.isComplete && partitions.every(tp => this.#hasArrived(tp, reports))
  }

  /** Where it is at the end of the log; where what was settled is not in the log any more, that this was said. */
  #hasArrived({ topic, partition }: TopicPartition, reports: readonly PartitionReport[]): boolean {
    if (this.#noticed.has(partition)) return true
    if (this.stores.checker.restsOnCut({ incarnation: FIRST_INCARNATION, topic, partition })) return false
    return reports.some(
      report =>
        report.partition === partition &&
        report.state === 'RUNNING' &&
        report.endOffset !== null &&
        report.nextOffset === report.endOffset,
    )
  }

  #stateText(): string {
    const reports = this.processes
      .filter(process => process.isAlive)
      .flatMap(process => process.worker.reports().map(report => ({ by: process.name, ...report })))
    const text = reports.map(report => JSON.stringify(report, toText)).join('\n')
    return `not everything was delivered long after the last fault\n${text}`
  }
}

const toText = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value)

async function giveVerdicts(
  journal: JournalLog,
  space: KeySpace,
  expired: ReadonlyMap<StreamName, StreamOffset>,
): Promise<void> {
  const state = await journal.readToEnd(space, { signal: neverAborted() })
  for (const [stream, rows] of expired) {
    const open = [...state.opens.values()].findLast(one => one.stream === stream)
    if (open === undefined || verdictFor(state, stream) !== null) continue
    await journal.append(space, [{ kind: 'verdict', claimId: open.claimId, stream, rows, by: 'operator' }])
  }
}
