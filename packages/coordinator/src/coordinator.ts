// The coordinator: runs in every worker, reports it as a member and campaigns; in the one that leads it computes the assignment
// and publishes it when it changed. Invariants: an assignment is published only by the leader under its term (the board checks),
// never from a catalog not yet read, and never while absent members may only be late (settling.ts). Safety does not rest on it.
import {
  type AssignableConnector,
  type Assignment,
  type AssignmentBoard,
  assignPartitions,
  type Clock,
  type Election,
  EMPTY_PLACEMENT,
  isMillraceError,
  isNewerGeneration,
  isSameGeneration,
  isToFollow,
  type Leadership,
  type Leases,
  type Logger,
  type Member,
  type Membership,
  type Placement,
  partitionResource,
  placementFromHolders,
  type StatusBoard,
  type Timers,
  type TopicPartition,
  type WorkerId,
} from '@millrace/core'
import type { CatalogConnector, ConnectorCatalog } from './connector-catalog.ts'
import { LOAD_WINDOW_MS, LoadMeter } from './load-meter.ts'
import { Pause } from './pause.ts'
import { RedisWatch } from './redis-watch.ts'
import { SETTLE_MS, Settling } from './settling.ts'

export type CoordinatorDeps = {
  readonly membership: Membership
  readonly leadership: Leadership
  readonly board: AssignmentBoard
  readonly status: StatusBoard
  readonly leases: Leases
  readonly catalog: ConnectorCatalog
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Logger
  /** Called after this worker published an assignment: nudge its Ownership. */
  readonly onPublished?: () => void
}
export type CoordinatorOptions = {
  /** This worker; `member.workerId` is random per process start. */
  readonly member: Member
  /** `session.timeout.ms`: how long a silent worker or leader counts as alive. */
  readonly ttlMs: number
  /** `heartbeat.interval.ms`. */
  readonly heartbeatMs: number
  /** `scheduled.rebalance.max.delay.ms`: how long the tasks of an absent worker wait for it. */
  readonly rebalanceDelayMs: number
  readonly tickMs?: number
  readonly settleMs?: number
  readonly loadWindowMs?: number
}
const TICK_MS = 500
/** 50 bytes each: 50 kB. The oldest are forgotten first. */
const ADDRESSES_MAX = 1_000

export class Coordinator implements AsyncDisposable {
  readonly #deps: CoordinatorDeps
  readonly #options: CoordinatorOptions
  readonly #me: WorkerId
  readonly #watch: RedisWatch
  readonly #pause: Pause
  readonly #settling: Settling
  readonly #meter = new LoadMeter()
  #election: Election | null = null
  #members: readonly Member[] = []
  /** The board as of the last turn; kept when Redis forgets it. */
  #assignment: Assignment | null = null
  #wasBoardEmpty = true
  /** Of all this worker published, whatever the term: a Redis that was rolled back or split brings an earlier term back. */
  #counter = 0
  #computedFrom: { readonly inputs: string; readonly loads: ReadonlyMap<string, number> | null } = {
    inputs: '',
    loads: null,
  }
  #heartbeatDueMs = 0
  #loadsDueMs = 0
  /** Since when workers with tasks are absent; bounded by the workers of one assignment. */
  readonly #absentSinceMs = new Map<WorkerId, number>()
  /** Where workers were reachable, also those that died; at most ADDRESSES_MAX. */
  readonly #addresses = new Map<WorkerId, string>()
  #hasLeft = false

  constructor(deps: CoordinatorDeps, options: CoordinatorOptions) {
    this.#deps = deps
    this.#options = options
    this.#me = options.member.workerId
    this.#watch = new RedisWatch(deps, 'coordinator')
    this.#pause = new Pause(deps.timers)
    this.#settling = new Settling(deps.clock.monotonicMs(), options.ttlMs / 2, options.settleMs ?? SETTLE_MS)
  }

  /** Who leads as far as this worker knows. */
  get election(): Election | null {
    return this.#election
  }

  get isLeader(): boolean {
    return this.#election?.leader === this.#me
  }

  /** The assignment as last read or published, for status; null before the first. */
  get assignment(): Assignment | null {
    return this.#assignment
  }

  /** Live workers as of the last turn of a leader, empty elsewhere. */
  get members(): readonly Member[] {
    return this.#members
  }

  /** Something changed (a connector, its partitions): look now rather than at the next tick. */
  nudge(): void {
    this.#pause.nudge()
  }

  /** Runs until aborted. */
  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    for (;;) {
      if (!this.#hasLeft) await this.#turn()
      await this.#pause.wait(this.#options.tickMs ?? TICK_MS, { signal })
    }
  }

  /** Tells the cluster that this worker goes: its partitions are assigned elsewhere, another one leads. First step of a shutdown. */
  async leave(): Promise<void> {
    if (this.#hasLeft) return
    this.#hasLeft = true
    this.#election = null
    try {
      await this.#deps.membership.leave(this.#me)
      await this.#deps.leadership.resign(this.#me)
    } catch (error) {
      this.#watch.failed(error)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave()
  }

  #nowMs(): number {
    return this.#deps.clock.monotonicMs()
  }

  async #turn(): Promise<void> {
    this.#settling.turn(this.#nowMs())
    try {
      await this.#heartbeat()
      await this.#campaign()
      await this.#readBoard()
      if (this.isLeader && !this.#hasLeft) await this.#lead(this.#election!)
      this.#watch.served()
    } catch (error) {
      this.#settling.unsettle(this.#nowMs())
      this.#heartbeatDueMs = 0
      this.#watch.failed(error)
    }
  }

  async #heartbeat(): Promise<void> {
    const nowMs = this.#nowMs()
    if (nowMs < this.#heartbeatDueMs) return
    await this.#deps.membership.heartbeat(this.#options.member, this.#options.ttlMs)
    this.#heartbeatDueMs = nowMs + this.#options.heartbeatMs
  }

  async #campaign(): Promise<void> {
    const before = this.#election
    const election = await this.#deps.leadership.campaign(this.#me, this.#options.ttlMs)
    if (this.#hasLeft) return void (await this.#deps.leadership.resign(this.#me))
    this.#election = election
    if (election?.term === before?.term) return
    this.#heartbeatDueMs = 0 // the new leader may know nobody
    this.#absentSinceMs.clear()
    if (election?.leader !== this.#me) this.#members = []
    // Elected although we led already: our own lease had gone, by a wipe, an outage or a freeze.
    if (before?.leader === this.#me) this.#settling.unsettle(this.#nowMs())
    this.#deps.log.info({ leader: election?.leader, term: election?.term, isMe: this.isLeader }, 'Leader elected.')
  }

  async #readBoard(): Promise<void> {
    const seen = await this.#deps.board.current()
    const isLost = seen === null || this.#isRolledBack(seen)
    const isForgotten = isLost && !this.#wasBoardEmpty
    this.#wasBoardEmpty = isLost
    if (!isLost) this.#assignment = seen
    if (!isForgotten) return
    this.#deps.log.warn({}, 'Redis forgot the assignment: it is rebuilt from what the workers hold.')
    this.#settling.unsettle(this.#nowMs())
  }

  /** A backup that was restored, or a replica that was behind. What is at work is what this worker knows, so that is published again. */
  #isRolledBack(seen: Assignment): boolean {
    const known = this.#assignment
    if (known === null || isSameGeneration(known.generation, seen.generation)) return false
    if (this.isLeader) return isNewerGeneration(known.generation, seen.generation)
    return !isToFollow(seen, known, this.#election)
  }

  async #lead({ term }: Election): Promise<void> {
    const catalog = this.#deps.catalog.connectors()
    if (catalog === null || !this.#settling.isSettled(this.#nowMs())) return
    this.#members = (await this.#deps.membership.members()).toSorted((a, b) => (a.workerId < b.workerId ? -1 : 1))
    this.#rememberAddresses()
    const members = [...new Set([this.#me, ...this.#members.map(member => member.workerId)])]
    await this.#measureLoads()
    const before = this.#assignment ?? (await this.#placementByLeases(catalog, members.length))
    const previous = inheritTasks(before, this.#members, this.#addresses)
    const connectors = assignableOf(catalog, previous)
    const lingering = this.#lingering(previous, new Set(members))
    const generation = this.#assignment?.generation
    const inputs = JSON.stringify([this.#members, connectors, [...lingering], generation])
    const { loads } = this.#meter
    const isUnchanged = inputs === this.#computedFrom.inputs && loads === this.#computedFrom.loads
    // Under another term it may be a board that was rolled back, which nobody follows but for us.
    const isOnBoard = !this.#wasBoardEmpty && this.#assignment?.generation.term === term
    if (isUnchanged && isOnBoard) return // thousands of partitions take a while to assign
    this.#computedFrom = { inputs, loads }
    const placement = assignPartitions({ members, connectors, previous, loads, lingering })
    if (isOnBoard && isSamePlacement(placement, before)) return
    await this.#publish(placement, term)
  }

  #rememberAddresses(): void {
    for (const { workerId, advertised } of this.#members) {
      this.#addresses.delete(workerId)
      this.#addresses.set(workerId, advertised)
    }
    for (const workerId of this.#addresses.keys()) {
      if (this.#addresses.size > ADDRESSES_MAX) this.#addresses.delete(workerId)
    }
  }

  async #publish(placement: Placement, term: number): Promise<void> {
    const counter = ++this.#counter
    const assignment: Assignment = { generation: { term, counter }, leader: this.#me, ...placement }
    try {
      await this.#deps.board.publish(assignment)
    } catch (error) {
      this.#computedFrom = { inputs: '', loads: null } // or what was refused would never be tried again
      if (isMillraceError(error) && error.code === 'NOT_LEADER') return // the next campaign tells who leads
      throw error
    }
    this.#assignment = assignment
    this.#wasBoardEmpty = false
    const counts = { tasks: placement.tasks.length, partitions: placement.partitions.length }
    this.#deps.log.info({ term, counter, ...counts }, 'Assignment published.')
    this.#deps.onPublished?.()
  }

  async #measureLoads(): Promise<void> {
    const nowMs = this.#nowMs()
    if (nowMs < this.#loadsDueMs) return
    this.#meter.look(await this.#deps.status.all())
    this.#loadsDueMs = nowMs + (this.#options.loadWindowMs ?? LOAD_WINDOW_MS)
  }

  /** Without any memory of an assignment (a new process after a wipe): who holds which lease. */
  async #placementByLeases(catalog: readonly CatalogConnector[], workerCount: number): Promise<Placement> {
    const connectors = assignableOf(catalog, EMPTY_PLACEMENT)
    const resources = connectors.flatMap(c => c.partitions.map(tp => partitionResource(c.name, tp)))
    const holders = await this.#deps.leases.holders(resources)
    return placementFromHolders(connectors, holders, workerCount)
  }

  /** Absent workers whose tasks still wait for them. */
  #lingering(previous: Placement, members: ReadonlySet<WorkerId>): ReadonlySet<WorkerId> {
    const nowMs = this.#nowMs()
    const absent = new Set(previous.tasks.map(task => task.worker).filter(worker => !members.has(worker)))
    for (const worker of this.#absentSinceMs.keys()) if (!absent.has(worker)) this.#absentSinceMs.delete(worker)
    for (const worker of absent) if (!this.#absentSinceMs.has(worker)) this.#absentSinceMs.set(worker, nowMs)
    const isWaitedFor = (worker: WorkerId): boolean =>
      nowMs - this.#absentSinceMs.get(worker)! < this.#options.rebalanceDelayMs
    return new Set([...absent].filter(isWaitedFor))
  }
}

/** A worker that came back to its address is another process with another id: it gets the tasks of the one that died there. */
function inheritTasks(
  before: Placement,
  members: readonly Member[],
  addresses: ReadonlyMap<WorkerId, string>,
): Placement {
  const busy = new Set(before.tasks.map(task => task.worker))
  const heirs = new Map<WorkerId, WorkerId>()
  for (const worker of busy) {
    if (members.some(member => member.workerId === worker)) continue
    const heir = members.find(member => member.advertised === addresses.get(worker) && !busy.has(member.workerId))
    if (heir) heirs.set(worker, heir.workerId)
  }
  if (heirs.size === 0) return before
  const rename = <T extends { readonly worker: WorkerId }>(one: T): T => ({
    ...one,
    worker: heirs.get(one.worker) ?? one.worker,
  })
  return { tasks: before.tasks.map(rename), partitions: before.partitions.map(rename) }
}

/** Connectors that have tasks, with their partitions: those of before while Kafka has not told. */
function assignableOf(catalog: readonly CatalogConnector[], previous: Placement): readonly AssignableConnector[] {
  return catalog
    .filter(connector => connector.targetState !== 'STOPPED')
    .map(({ name, incarnation, tasksMax, partitions }) => ({
      name,
      incarnation,
      tasksMax,
      partitions: partitions ?? partitionsOf(previous, name, incarnation),
    }))
}

const partitionsOf = (previous: Placement, name: string, incarnation: string): readonly TopicPartition[] =>
  previous.partitions
    .filter(p => p.connector === name && p.incarnation === incarnation)
    .map(({ topic, partition }) => ({ topic, partition }))

function isSamePlacement(a: Placement, b: Placement): boolean {
  const text = ({ tasks, partitions }: Placement): string =>
    JSON.stringify([
      tasks.map(t => [t.connector, t.incarnation, t.taskId, t.worker]),
      partitions.map(p => [p.connector, p.incarnation, p.topic, p.partition, p.taskId, p.worker]),
    ])
  return text(a) === text(b)
}
