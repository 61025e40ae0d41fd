// Disturbs a world: each turn draws one act from all there are, and an act that is not on does nothing, so that a run without one
// fault is the same run but for that fault.
import { kafkaOffset, type TopicPartition } from '@millrace/core'
import type { Machine } from '@millrace/testkit'
import type { Fault } from './faults.ts'
import { TABLE } from './stores.ts'
import type { World } from './world.ts'

const PARTITIONS_MAX = 4
const OUTAGE_MS_MAX = 20_000

type Act = (nemesis: Nemesis, tp: TopicPartition, count: number) => void

const ACTS: readonly Act[] = [
  n => n.kill(),
  n => n.killAll(),
  n => n.freezeOne(),
  n => n.rollingRestart(),
  (n, _tp, count) => n.compact(count === 1),
  (n, tp, count) => n.gap(tp, count),
  (n, tp, count) => n.abortTransaction(tp, count),
  (n, tp) => n.openOrCommit(tp),
  (n, tp) => n.drain(tp),
  (n, tp) => n.world.regime.takeOver(tp),
  (n, tp) => n.world.regime.takeOver(tp),
  n => n.changeConfig(),
  n => n.widenColumn(),
  n => n.pauseResume(),
  n => n.deleteCreate(),
  n => n.grow(),
  n => n.outage('kafkaDown'),
  n => n.outage('bigQueryDown'),
  n => n.expireStream(),
  (n, tp) => n.moveOffsets(tp),
  n => n.world.regime.disturbRedis(),
  n => n.world.regime.disturbRedis(),
  (n, tp, count) => n.produce(tp, count),
  (n, tp, count) => n.produce(tp, count),
  (n, tp, count) => n.produce(tp, count),
]

export class Nemesis {
  readonly world: World
  #turnsLeft: number

  constructor(world: World) {
    this.world = world
    this.#turnsLeft = world.plan.turns
  }

  get isDone(): boolean {
    return this.#turnsLeft === 0
  }

  begin(): void {
    const { scheduler, chance } = this.world.stores
    scheduler.at(chance.for('nemesis').below(this.world.plan.pauseMsMax), 'nemesis', () => {
      this.#act()
      if (--this.#turnsLeft > 0) this.begin()
    })
  }

  #act(): void {
    const { chance, partitions } = this.world.stores
    const random = chance.for('turn')
    const tp = random.pick(partitions)
    random.pick(ACTS)(this, tp, random.between(1, 3))
  }

  #isOn(fault: Fault): boolean {
    const { chance } = this.world.stores
    if (!chance.isOn(fault)) return false
    chance.hit(fault)
    return true
  }

  // ── processes ──

  kill(): void {
    const process = this.world.anyAwake()
    if (process === undefined || !this.#isOn('kill')) return
    process.machine.kill()
    this.#replace()
  }

  killAll(): void {
    if (!this.#isOn('killAll')) return
    for (const process of this.world.processes) process.machine.kill()
    this.#replace()
  }

  freezeOne(): void {
    const process = this.world.anyAwake()
    if (process !== undefined && this.#isOn('freeze')) this.#freeze(process.machine, 20_000)
  }

  /** As SIGTERM: lets go of everything, then it is gone; another one comes. */
  rollingRestart(): void {
    const process = this.world.anyAwake()
    if (process === undefined || !this.#isOn('rollingRestart')) return
    this.world.regime.shutDown(process)
  }

  /** A process may die, or stop, before or after any of its durable steps. */
  atDurableStep(machine: Machine): void {
    if (!machine.isAlive || machine.isFrozen) return
    const { chance } = this.world.stores
    if (chance.strikes('killAtStep', 0.4)) {
      machine.kill()
      this.#replace()
    } else if (chance.strikes('freezeAtStep', 0.4)) {
      this.#freeze(machine, 8_000)
      this.#replace()
    } else if (chance.strikes('rival', 0.4))
      for (const tp of this.world.stores.partitions) this.world.regime.takeOver(tp)
  }

  #freeze(machine: Machine, msMax: number): void {
    const { chance, scheduler } = this.world.stores
    machine.freeze()
    scheduler.at(chance.for('freeze').below(msMax), `${machine.name} wakes`, () => machine.thaw())
  }

  /** Somebody else works on everything, soon. */
  #replace(): void {
    const { chance, scheduler, partitions } = this.world.stores
    const random = chance.for('replace')
    for (const tp of partitions)
      if (random.chance(0.7)) scheduler.at(random.below(3_000), 'takeover', () => this.world.regime.takeOver(tp))
  }

  drain(tp: TopicPartition): void {
    this.world.regime.drain(tp)
  }

  // ── Kafka ──

  compact(dropTombstones: boolean): void {
    if (this.#isOn('compaction')) this.world.stores.journal.compact({ dropTombstones })
  }

  gap(tp: TopicPartition, count: number): void {
    if (this.#isOn('gaps')) this.world.stores.topics.appendGap(tp, count)
  }

  abortTransaction(tp: TopicPartition, count: number): void {
    if (!this.#isOn('abortedTransactions')) return
    const { ledger } = this.world.stores
    if (!ledger.isOpen(tp)) ledger.begin(tp)
    this.produce(tp, count)
    ledger.abort(tp)
  }

  openOrCommit(tp: TopicPartition): void {
    if (!this.#isOn('openTransaction')) return
    const { ledger } = this.world.stores
    if (ledger.isOpen(tp)) ledger.commit(tp)
    else ledger.begin(tp)
  }

  produce(tp: TopicPartition, count: number): void {
    for (let i = 0; i < count; i++) this.world.produce(tp)
  }

  // ── wishes ──

  changeConfig(): void {
    const random = this.world.stores.chance.for('config')
    const change = {
      batchRows: random.between(1, 5),
      filters: random.chance(0.5),
      tolerance: random.pick(['all', 'all', 'none'] as const),
    }
    if (this.#isOn('configChange')) this.world.regime.configure(change)
  }

  widenColumn(): void {
    if (this.#isOn('schemaChange')) this.world.stores.widenColumn()
  }

  pauseResume(): void {
    if (this.world.plan.isCluster && this.#isOn('pauseResume')) this.world.regime.pauseResume()
  }

  deleteCreate(): void {
    if (this.world.plan.isCluster && this.#isOn('deleteCreate')) this.world.regime.deleteCreate()
  }

  grow(): void {
    const { stores, plan } = this.world
    if (plan.isCluster && stores.partitions.length < PARTITIONS_MAX && this.#isOn('partitionGrowth')) stores.grow()
  }

  outage(fault: 'kafkaDown' | 'bigQueryDown'): void {
    const { chance, scheduler } = this.world.stores
    const untilMs = scheduler.elapsedMs + chance.for(fault).below(OUTAGE_MS_MAX)
    if (!this.#isOn(fault)) return
    if (fault === 'kafkaDown') chance.kafkaUpAtMs = untilMs
    else chance.bigQueryUpAtMs = untilMs
  }

  expireStream(): void {
    const { stores, plan } = this.world
    const streams = stores.bigQuery.streams(TABLE)
    const index = stores.chance.for('streamExpires').nextUint32()
    const stream = streams[index % streams.length]
    // A doubt takes ten minutes to become one: in a cluster that is thousands of looks at nothing.
    if (stream !== undefined && !plan.isCluster && this.#isOn('streamExpires')) stores.expire(stream)
  }

  moveOffsets(tp: TopicPartition): void {
    const { stores, plan } = this.world
    const to = stores.chance.for('moveOffsets').below(stores.ledger.of(tp).length + 1)
    const isForgotten = stores.chance.for('moveOffsets').chance(0.2)
    if (plan.isCluster && this.#isOn('moveOffsets'))
      this.world.regime.moveOffsets(tp, isForgotten ? null : kafkaOffset(to))
  }
}
