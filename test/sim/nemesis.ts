// Disturbs a world: each turn draws one act from all there are, and an act that is not on does nothing, so that a run without one
// fault is the same run but for that fault.
import { kafkaOffset, type TopicPartition } from '@millrace/core'
import type { Machine } from '@millrace/testkit'
import type { Fault } from './faults.ts'
import type { LedgerRecord } from './ledger.ts'
import { TABLE, TOPIC } from './stores.ts'
import type { World } from './world.ts'

const PARTITIONS_MAX = 4
const OUTAGE_MS_MAX = 20_000

/** How long a table or a column is gone. */
const GONE_MS_MAX = 15_000
/** Of the turns, for each act that came later. */
const LATER_SHARE = 0.12

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

/** Drawn beside the others, each by a generator of its own: the seeds that failed once keep their runs. */
const LATER_ACTS: ReadonlyMap<Fault, Act> = new Map<Fault, Act>([
  ['tableDropped', n => n.dropTable()],
  ['columnDropped', n => n.dropColumn()],
  ['retention', (n, tp, count) => n.retain(tp, count)],
  ['truncated', (n, tp, count) => n.truncate(tp, count)],
  ['topicRecreated', (n, _tp, count) => n.recreateTopic(count)],
])

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
    const count = random.between(1, 3)
    random.pick(ACTS)(this, tp, count)
    for (const [fault, act] of LATER_ACTS)
      if (chance.isOn(fault) && chance.for(fault).chance(LATER_SHARE)) act(this, tp, count)
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

  /** Retention, or records deleted by hand; some of them nobody had the time to read. Bare: nobody moves positions. */
  retain(tp: TopicPartition, count: number): void {
    const { stores, plan } = this.world
    const { ledger, chance } = stores
    if (plan.isCluster || ledger.isOpen(tp)) return
    this.produce(tp, count)
    const left = ledger.held(tp)
    const last = left.at(-chance.for('retention').between(1, 4))
    if (last === undefined) return
    const isMissed = left.some(record => record.kafkaOffset <= last.kafkaOffset && isOwed(record))
    ledger.deleteBefore(tp, kafkaOffset(last.kafkaOffset + 1n))
    if (isMissed) chance.hit('retention')
  }

  /** As an unclean election: the last records are gone, and soon there are others. */
  truncate(tp: TopicPartition, count: number): void {
    const { stores, plan } = this.world
    const { ledger, chance } = stores
    if (plan.isCluster || ledger.isOpen(tp)) return
    const left = ledger.held(tp)
    const first = left[chance.for('truncated').nextUint32() % left.length]
    if (first === undefined) return
    if (left.some(record => record.kafkaOffset >= first.kafkaOffset && record.rows > 0)) chance.hit('truncated')
    ledger.truncate(tp, first.kafkaOffset)
    this.produce(tp, chance.for('truncated').below(4) * count)
  }

  recreateTopic(count: number): void {
    const { stores, plan } = this.world
    const { ledger, chance, partitions } = stores
    if (plan.isCluster) return
    if (ledger.records.some(record => record.rows > 0 && !record.isCut)) chance.hit('topicRecreated')
    ledger.recreate(TOPIC, partitions)
    for (const tp of partitions) this.produce(tp, chance.for('topicRecreated').below(10) * count)
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
      skipsLost: this.world.plan.skipsLost,
    }
    if (this.#isOn('configChange')) this.world.regime.configure(change)
  }

  widenColumn(): void {
    if (this.#isOn('schemaChange')) this.world.stores.widenColumn()
  }

  dropColumn(): void {
    const { stores } = this.world
    stores.chance.hit('columnDropped')
    stores.dropColumn()
    const goneMs = stores.chance.for('columnDropped').below(GONE_MS_MAX)
    stores.scheduler.at(goneMs, 'column is back', () => stores.restoreColumn())
  }

  /** Streams that are gone take ten minutes to be a doubt: bare, as with streams that expire. */
  dropTable(): void {
    const { stores, plan } = this.world
    if (plan.isCluster || stores.bigQuery.streams(TABLE).length === 0) return
    stores.chance.hit('tableDropped')
    stores.dropTable()
    const goneMs = stores.chance.for('tableDropped').below(GONE_MS_MAX)
    stores.scheduler.at(goneMs, 'table is back', () => stores.createTable())
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

/** Nobody has said yet what became of it. */
const isOwed = ({ rows, letters, stated, outcomes }: LedgerRecord): boolean =>
  rows === 0 && letters === 0 && stated === null && outcomes.size > 0
