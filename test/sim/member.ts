// What makes a process a member of a cluster: the real coordinator, ownership and config store beside its worker. Redis and the
// config topic are reached over the simulated network like everything else.
import { type CatalogConnector, Coordinator, Ownership } from '@millrace/coordinator'
import {
  type CompactedLog,
  ConfigWriter,
  type Logger,
  MillraceError,
  type Random,
  type TopicPartition,
  tasksMaxOf,
  type WorkerId,
} from '@millrace/core'
import { type CompactedTopicTwin, type CoordinationTwin, Link, neverAborted } from '@millrace/testkit'
import type { Process } from './process.ts'
import type { Stores } from './stores.ts'

export const SESSION_TTL_MS = 2_000
const HEARTBEAT_MS = 600
const TICK_MS = 300
const SETTLE_MS = 500
const GIVE_UP_MS = 1_000

export type MemberDeps = {
  readonly process: Process
  readonly stores: Stores
  readonly redisOf: () => CoordinationTwin
  readonly configTopic: CompactedTopicTwin
  readonly random: Random
  readonly logger: Logger
  readonly signal: AbortSignal
}

export class Member {
  readonly coordinator: Coordinator
  readonly ownership: Ownership
  /** null until it has read the config topic to its end. */
  configStore: ConfigWriter | null = null
  readonly #deps: MemberDeps

  constructor(deps: MemberDeps) {
    this.#deps = deps
    const { process, stores, random, logger } = deps
    const { clock, timers } = process.machine
    const redis = redisPorts(deps)
    const shared = { ...redis, clock, timers, log: logger }
    const workerId = process.name as WorkerId
    const member = { workerId, advertised: `${process.name}:8083`, startedAtMs: clock.nowMs() }
    this.coordinator = new Coordinator(
      {
        ...shared,
        catalog: { connectors: () => this.#catalog(stores.partitions) },
        onPublished: () => this.ownership.nudge(),
      },
      {
        member,
        ttlMs: SESSION_TTL_MS,
        heartbeatMs: HEARTBEAT_MS,
        rebalanceDelayMs: 0,
        tickMs: TICK_MS,
        settleMs: SETTLE_MS,
      },
    )
    this.ownership = new Ownership(
      { ...shared, random, election: () => this.coordinator.election },
      { workerId, ttlMs: SESSION_TTL_MS, heartbeatMs: HEARTBEAT_MS, tickMs: TICK_MS },
      process.worker,
    )
  }

  /** As the command starts a worker: the config log first, then everything at once. */
  async run(): Promise<void> {
    const { process, random, logger, signal } = this.#deps
    const { clock, timers } = process.machine
    this.configStore = await ConfigWriter.open(
      { log: configLog(this.#deps), clock, timers, random, logger },
      { signal },
    )
    await Promise.all([
      this.#followControl(this.configStore),
      this.coordinator.run({ signal }),
      this.ownership.run({ signal }),
    ])
  }

  /** As SIGTERM. */
  async leave(): Promise<void> {
    await this.coordinator.leave()
    await this.ownership.letGoAll({ signal: this.#deps.signal })
  }

  async #followControl(store: ConfigWriter): Promise<void> {
    for await (const control of store.changes({ signal: this.#deps.signal })) {
      this.#deps.process.worker.setControl(control)
      this.coordinator.nudge()
    }
  }

  #catalog(partitions: readonly TopicPartition[]): readonly CatalogConnector[] | null {
    if (this.configStore === null) return null
    return [...this.configStore.read().connectors.values()].map(entry => ({
      name: entry.name,
      incarnation: entry.incarnation,
      targetState: entry.hasTasks ? entry.targetState : 'STOPPED',
      tasksMax: tasksMaxOf(entry),
      partitions,
    }))
  }
}

type RedisPorts = Pick<CoordinationTwin, 'leases' | 'membership' | 'leadership' | 'board' | 'status'>

/** Redis answers at once, but for the seeds where it is slow: then every command travels. */
function redisPorts({ process, stores, redisOf }: MemberDeps): RedisPorts {
  const { machine } = process
  const { chance, scheduler } = stores
  const link = new Link(scheduler, {
    name: 'redis',
    crossing: () => ({ requestMs: chance.redisLatencyMs(), replyMs: chance.redisLatencyMs() }),
    lostError: what => new MillraceError('REDIS_UNREACHABLE', 'retry', `${what} was lost.`),
  })
  const ask = <T>(what: string, perform: (redis: CoordinationTwin) => Promise<T>): Promise<T> => {
    if (!machine.isAlive) return new Promise(() => {})
    return chance.isRedisSlow ? link.call(machine, what, () => perform(redisOf())) : perform(redisOf())
  }
  return {
    leases: {
      acquire: (resource, holder, ttlMs) => ask('acquire', redis => redis.leases.acquire(resource, holder, ttlMs)),
      renew: lease => ask('renew', redis => redis.leases.renew(lease)),
      release: lease => ask('release', redis => redis.leases.release(lease)),
      holders: resources => ask('holders', redis => redis.leases.holders(resources)),
    },
    membership: {
      heartbeat: (member, ttlMs) => ask('heartbeat', redis => redis.membership.heartbeat(member, ttlMs)),
      members: () => ask('members', redis => redis.membership.members()),
      leave: workerId => ask('leave', redis => redis.membership.leave(workerId)),
    },
    leadership: {
      campaign: (workerId, ttlMs) => ask('campaign', redis => redis.leadership.campaign(workerId, ttlMs)),
      resign: workerId => ask('resign', redis => redis.leadership.resign(workerId)),
    },
    board: {
      publish: assignment => ask('publish', redis => redis.board.publish(assignment)),
      current: () => ask('current', redis => redis.board.current()),
    },
    status: {
      publish: (workerId, body, ttlMs) => ask('report', redis => redis.status.publish(workerId, body, ttlMs)),
      all: () => ask('reports', redis => redis.status.all()),
    },
  }
}

function configLog({ process, stores, configTopic }: MemberDeps): CompactedLog {
  const { machine } = process
  const { chance, scheduler } = stores
  const log = configTopic.client()
  const unknown = (): MillraceError =>
    new MillraceError('JOURNAL_OUTCOME_UNKNOWN', 'fenced', 'The outcome of a config write is not known.')
  const writes = new Link(scheduler, {
    name: 'config',
    crossing: () => {
      const requestMs = chance.latencyMs()
      if (chance.strikes('configLost')) return { requestMs, replyMs: GIVE_UP_MS, lost: 'request' }
      if (chance.strikes('configReplyLost')) return { requestMs, replyMs: GIVE_UP_MS, lost: 'reply' }
      return { requestMs, replyMs: chance.latencyMs() }
    },
    lostError: unknown,
  })
  return {
    append: (key, value, { signal }) =>
      writes.call(machine, 'append', () => log.append(key, value, { signal: neverAborted() }), signal),
    // One reading position: a read that was given up must not run into the next one, so nobody gives up.
    readToEnd: () => stores.toKafka.call(machine, 'config', () => log.readToEnd({ signal: neverAborted() })),
    waitForMore: ({ signal }) => stores.toKafka.call(machine, 'more', () => log.waitForMore({ signal }), signal),
  }
}
