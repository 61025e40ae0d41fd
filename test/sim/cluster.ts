// Processes that make a cluster: coordinators elect a leader, leases say who works on what, the config topic says what is wanted.
// Redis may be slow, away, wiped, rolled back or split; wishes come through the config store of any process.
import {
  type ConfigStore,
  type ControlChange,
  type Incarnation,
  type KafkaOffset,
  partitionResource,
  type TopicPartition,
  type WorkerId,
} from '@millrace/core'
import { CompactedTopicTwin, CoordinationTwin, neverAborted, type SeededRandom } from '@millrace/testkit'
import { alterPositions, notMoved } from '@millrace/worker'
import { CONNECTOR, type ConfigVariant, configOf, genesisOf } from './connector.ts'
import type { Fault } from './faults.ts'
import { Member } from './member.ts'
import { GRACEFUL_MS, type Process } from './process.ts'
import type { Regime } from './regime.ts'
import { PROCESSES_MAX, type World } from './world.ts'

const JOURNAL_ID = 'journal1'
const TROUBLE_MS_MAX = 8_000
const RIGHT_EVERY_MS = 1_000
const REDIS_FAULTS = [
  'redisDown',
  'redisAnswersLost',
  'redisWiped',
  'redisRolledBack',
  'redisSplit',
] as const satisfies readonly Fault[]

export class Cluster implements Regime {
  readonly #world: World
  readonly #configTopic = new CompactedTopicTwin()
  readonly #redis: CoordinationTwin
  /** What some see while Redis is split. */
  readonly #otherRedis: CoordinationTwin
  #astray: ReadonlySet<Process> = new Set()
  #incarnations = 0

  constructor(world: World) {
    this.#world = world
    const { clock, timers } = world.stores.outside
    this.#redis = new CoordinationTwin({ clock, timers })
    this.#otherRedis = new CoordinationTwin({ clock, timers })
  }

  redisOf(process: Process): CoordinationTwin {
    return this.#astray.has(process) ? this.#otherRedis : this.#redis
  }

  async open(): Promise<void> {}

  joined(process: Process): void {
    const { stores, logger } = this.#world
    const member = new Member({
      process,
      stores,
      redisOf: () => this.redisOf(process),
      configTopic: this.#configTopic,
      random: process.random,
      logger: logger.child({ process: process.name }),
      signal: process.lifetime,
    })
    process.member = member
    process.machine.deliver(0, `${process.name} joins`, () => void member.run())
  }

  begin(): void {
    this.#asOperator(store => this.#create(store.process, store.store))
  }

  /** The leader does that; all it needs is somebody who is there. */
  takeOver(): void {
    if (this.#world.stores.chance.isHealed) return
    if (this.#world.processes.filter(process => process.isAlive).length < PROCESSES_MAX) this.#world.spawn()
  }

  drain(): void {}

  shutDown(process: Process): void {
    const { member, machine } = process
    machine.deliver(0, `${process.name} leaves`, () => void member?.leave())
    machine.deliver(2 * GRACEFUL_MS, `${process.name} ends`, () => machine.kill())
    this.takeOver()
  }

  configure(variant: ConfigVariant): void {
    this.#wish({ kind: 'configure', name: CONNECTOR, config: configOf(variant) })
  }

  pauseResume(): void {
    const random = this.#random('pauseResume')
    const targetState = random.pick(['PAUSED', 'STOPPED', 'STARTED', 'STARTED'] as const)
    if (random.chance(0.3)) this.#wish({ kind: 'restart', name: CONNECTOR, connector: true, tasks: 'all' })
    else this.#wish({ kind: 'setTargetState', name: CONNECTOR, targetState })
  }

  deleteCreate(): void {
    this.#asOperator(async ({ process, store }) => {
      await store.write({ kind: 'delete', name: CONNECTOR }, { signal: neverAborted() })
      await this.#create(process, store)
    })
  }

  /** As the API does it: stop, wait until nobody holds a lease, move, start again. */
  moveOffsets(tp: TopicPartition, to: KafkaOffset | null): void {
    this.#asOperator(async ({ process, store }) => {
      const stopped = await store.write(
        { kind: 'setTargetState', name: CONNECTOR, targetState: 'STOPPED' },
        { signal: neverAborted() },
      )
      if (stopped.kind !== 'written' && stopped.kind !== 'unchanged') return
      const { entry } = stopped
      await this.#untilReleased(process, tp)
      const confirmStopped = async (): Promise<void> => {
        const now = (await store.refresh({ signal: neverAborted() })).connectors.get(CONNECTOR)
        if (now?.incarnation !== entry.incarnation || now.targetState !== 'STOPPED') throw notMoved(entry)
      }
      const { clock, timers } = process.machine
      const { logger } = this.#world
      const { services, random, name } = process
      const workerId = name as WorkerId
      const deps = { workerId, services, clock, timers, random, logger, by: 'nemesis', confirmStopped }
      await alterPositions(entry, [{ tp, nextKafkaOffset: to }], deps, { signal: neverAborted() }).finally(() =>
        store.write({ kind: 'setTargetState', name: CONNECTOR, targetState: 'STARTED' }, { signal: neverAborted() }),
      )
    })
  }

  async #untilReleased(process: Process, tp: TopicPartition): Promise<void> {
    const resource = partitionResource(CONNECTOR, tp)
    for (let i = 0; i < 50; i++) {
      const holders = await this.redisOf(process)
        .leases.holders([resource])
        .catch(() => new Map())
      if (holders.size === 0) return
      await process.machine.timers.sleep(100, { signal: neverAborted() })
    }
  }

  disturbRedis(): void {
    const { chance, scheduler } = this.#world.stores
    const random = this.#random('redis')
    const on = REDIS_FAULTS.filter(fault => chance.isOn(fault))
    const ms = random.below(TROUBLE_MS_MAX)
    const fault = on[random.below(REDIS_FAULTS.length) % on.length]
    if (fault === undefined) return
    chance.hit(fault)
    const later = (what: string, run: () => void): void => void scheduler.at(ms, what, run)
    switch (fault) {
      case 'redisDown':
      case 'redisAnswersLost':
        this.#redis.mode = fault === 'redisDown' ? 'down' : 'answersLost'
        return later('Redis is back', () => {
          this.#redis.mode = 'up'
        })
      case 'redisWiped':
        return this.#redis.wipe()
      case 'redisRolledBack':
        return later('Redis is rolled back', this.#redis.snapshot())
      case 'redisSplit':
        this.#astray = new Set(this.#world.processes.filter(() => random.chance(0.5)))
        return later('Redis is one again', () => {
          this.#astray = new Set()
        })
    }
  }

  heal(): void {
    this.#redis.mode = 'up'
    this.#astray = new Set()
    const last = this.#world.spawn()
    last.machine.deliver(0, 'put right', () => void this.#keepRight(last))
  }

  /** As an operator who insists: late wishes of others may still undo what was put right. */
  async #keepRight(process: Process): Promise<void> {
    for (;;) {
      const store = process.member?.configStore ?? null
      if (store !== null) {
        const entry = (await store.refresh({ signal: neverAborted() })).connectors.get(CONNECTOR)
        const config = configOf(this.#world.firstVariant)
        if (entry === undefined) await this.#create(process, store)
        else if (entry.config['append.max.rows'] !== config['append.max.rows'] || entry.config !== config)
          await store.write({ kind: 'configure', name: CONNECTOR, config }, { signal: neverAborted() })
        if (entry !== undefined && entry.targetState !== 'STARTED')
          await store.write(
            { kind: 'setTargetState', name: CONNECTOR, targetState: 'STARTED' },
            { signal: neverAborted() },
          )
      }
      await process.machine.timers.sleep(RIGHT_EVERY_MS, { signal: neverAborted() })
    }
  }

  #wish(change: ControlChange): void {
    this.#asOperator(async ({ store }) => void (await store.write(change, { signal: neverAborted() })))
  }

  /** Through any process that is awake; nobody waits for the outcome, and what dies with the process is lost. */
  #asOperator(act: (at: { process: Process; store: ConfigStore }) => Promise<unknown>): void {
    const process = this.#world.anyAwake() ?? this.#world.spawn()
    const tryNow = (): void => {
      const store = process.member?.configStore ?? null
      if (store === null) return void process.machine.deliver(100, 'operator waits', tryNow)
      act({ process, store }).catch(error => {
        this.#world.logger.info({ err: error }, 'The operator was refused.')
      })
    }
    process.machine.deliver(0, 'operator', tryNow)
  }

  /** Genesis first, as the API does. */
  async #create(process: Process, store: ConfigStore): Promise<void> {
    const incarnation = `inc${++this.#incarnations}` as Incarnation
    await process.journal.writeGenesis(incarnation, genesisOf(this.#world.stores.partitions.length))
    const config = configOf(this.#world.firstVariant)
    const change = {
      kind: 'create',
      name: CONNECTOR,
      config,
      targetState: 'STARTED',
      incarnation,
      journalId: JOURNAL_ID,
    } as const
    await store.write(change, { signal: neverAborted() })
  }

  #random(purpose: string): SeededRandom {
    return this.#world.stores.chance.for(purpose)
  }
}
