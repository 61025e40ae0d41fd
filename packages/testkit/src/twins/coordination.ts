// Redis as the cluster sees it, in memory: one CoordinationTwin is one Redis, shared by all workers of a test. It can be wiped
// (FLUSHALL), be down, and lose the answers to commands it has carried out.
import {
  type Assignment,
  type AssignmentBoard,
  type Clock,
  DEFAULT_RAMP_LIMITS,
  type Election,
  type Leadership,
  type Lease,
  type Leases,
  type Member,
  type Membership,
  MillraceError,
  newRamp,
  type PermitKind,
  type RampEffect,
  type RampEvent,
  type RampLimits,
  type RampState,
  type StatusBoard,
  type StreamPermits,
  stepRamp,
  type Timers,
  type WorkerId,
} from '@millrace/core'

type Entry<T> = { readonly value: T; readonly untilMs: number }

export class CoordinationTwin {
  readonly leases: Leases
  readonly membership: Membership
  readonly leadership: Leadership
  readonly board: AssignmentBoard
  readonly status: StatusBoard
  readonly permits: StreamPermits
  /** `down`: nothing arrives. `answersLost`: commands are carried out, their answers are not heard. */
  mode: 'up' | 'down' | 'answersLost' = 'up'
  /** How many commands were carried out; tests of polling read it. */
  commandCount = 0

  readonly #clock: Clock
  readonly #timers: Timers
  readonly #limits: RampLimits
  #tokens = 0
  /** What the "clients" remember beyond a wipe, as Redis's adapters do. */
  #highestTerm = 0
  #rememberedRamp: RampState | null = null

  #leases = new Map<string, Entry<{ readonly holder: WorkerId; readonly token: string }>>()
  #members = new Map<WorkerId, Entry<Member>>()
  #reports = new Map<WorkerId, Entry<string>>()
  #leader: Entry<Election> | null = null
  /** As read from text: what cannot be told that way is not told. */
  #assignment: Assignment | null = null
  #ramp: RampState | null = null

  constructor(deps: { readonly clock: Clock; readonly timers: Timers }, limits: RampLimits = DEFAULT_RAMP_LIMITS) {
    this.#clock = deps.clock
    this.#timers = deps.timers
    this.#limits = limits
    this.leases = this.#makeLeases()
    this.membership = this.#makeMembership()
    this.leadership = this.#makeLeadership()
    this.board = this.#makeBoard()
    this.status = this.#makeStatus()
    this.permits = this.#makePermits()
  }

  /** FLUSHALL. */
  wipe(): void {
    this.#leases.clear()
    this.#members.clear()
    this.#reports.clear()
    this.#leader = null
    this.#assignment = null
    this.#ramp = null
  }

  /** What it holds now, to be had again by calling the answer: a backup that is restored, or a replica that was behind. */
  snapshot(): () => void {
    const [leases, members, reports] = [new Map(this.#leases), new Map(this.#members), new Map(this.#reports)]
    const [leader, assignment, ramp] = [this.#leader, this.#assignment, this.#ramp]
    return () => {
      this.#leases = new Map(leases)
      this.#members = new Map(members)
      this.#reports = new Map(reports)
      this.#leader = leader
      this.#assignment = assignment
      this.#ramp = ramp
    }
  }

  /** What the worker holds at this moment, for assertions that must not go through the port. */
  heldBy(holder: WorkerId): readonly string[] {
    return [...this.#leases]
      .filter(([, l]) => this.#isLive(l) && l.value.holder === holder)
      .map(([resource]) => resource)
  }

  #isLive(entry: Entry<unknown>): boolean {
    return entry.untilMs > this.#clock.monotonicMs()
  }

  #until(ttlMs: number): number {
    return this.#clock.monotonicMs() + ttlMs
  }

  /** One command: arrives later in the same tick, is carried out at once, and may not be answered. */
  async #command<T>(perform: () => T): Promise<T> {
    await Promise.resolve()
    if (this.mode === 'down') throw unreachable()
    this.commandCount++
    const answer = perform()
    if (this.mode === 'answersLost') throw unreachable()
    return answer
  }

  #makeLeases(): Leases {
    const current = (resource: string) => {
      const entry = this.#leases.get(resource)
      return entry && this.#isLive(entry) ? entry.value : null
    }
    const isOurs = (lease: Lease): boolean => current(lease.resource)?.token === lease.token
    return {
      acquire: (resource, holder, ttlMs) =>
        this.#command(() => {
          const before = current(resource)
          if (before && before.holder !== holder) return null
          const token = `token-${++this.#tokens}`
          this.#leases.set(resource, { value: { holder, token }, untilMs: this.#until(ttlMs) })
          return { resource, token, ttlMs }
        }),
      renew: lease =>
        this.#command(() => {
          if (!isOurs(lease)) return false
          const { value } = this.#leases.get(lease.resource)!
          this.#leases.set(lease.resource, { value, untilMs: this.#until(lease.ttlMs) })
          return true
        }),
      release: lease =>
        this.#command(() => {
          if (isOurs(lease)) this.#leases.delete(lease.resource)
        }),
      holders: resources =>
        this.#command(() => {
          const held = resources.map(resource => [resource, current(resource)?.holder] as const)
          return new Map(held.filter((pair): pair is readonly [string, WorkerId] => pair[1] !== undefined))
        }),
    }
  }

  #makeMembership(): Membership {
    return {
      heartbeat: (member, ttlMs) =>
        this.#command(() => void this.#members.set(member.workerId, { value: member, untilMs: this.#until(ttlMs) })),
      members: () => this.#command(() => [...this.#members.values()].filter(m => this.#isLive(m)).map(m => m.value)),
      leave: workerId => this.#command(() => void this.#members.delete(workerId)),
    }
  }

  #makeLeadership(): Leadership {
    return {
      campaign: (workerId, ttlMs) =>
        this.#command(() => {
          if (!this.#leader || !this.#isLive(this.#leader)) {
            this.#highestTerm = Math.max(this.#clock.nowMs(), this.#highestTerm + 1)
            this.#leader = { value: { leader: workerId, term: this.#highestTerm }, untilMs: 0 }
          }
          const { value } = this.#leader
          if (value.leader === workerId) this.#leader = { value, untilMs: this.#until(ttlMs) }
          return value
        }),
      resign: workerId =>
        this.#command(() => {
          if (this.#leader?.value.leader === workerId) this.#leader = null
        }),
    }
  }

  #makeBoard(): AssignmentBoard {
    return {
      publish: assignment =>
        this.#command(() => {
          const { leader, generation } = assignment
          const now = this.#leader && this.#isLive(this.#leader) ? this.#leader.value : null
          if (now?.leader !== leader || now.term !== generation.term) {
            throw new MillraceError(
              'NOT_LEADER',
              'fenced',
              `Worker ${leader} does not lead under term ${generation.term}.`,
            )
          }
          this.#assignment = JSON.parse(JSON.stringify(assignment)) as Assignment
        }),
      current: () => this.#command(() => this.#assignment),
    }
  }

  #makeStatus(): StatusBoard {
    return {
      publish: (workerId, body, ttlMs) =>
        this.#command(() => void this.#reports.set(workerId, { value: body, untilMs: this.#until(ttlMs) })),
      all: () =>
        this.#command(() => {
          const live = [...this.#reports].filter(([, report]) => this.#isLive(report))
          return new Map(live.map(([workerId, report]) => [workerId, report.value]))
        }),
    }
  }

  #makePermits(): StreamPermits {
    return {
      take: async (kind: PermitKind, { signal }) => {
        for (;;) {
          signal.throwIfAborted()
          const wanted = { takeovers: kind === 'takeover' ? 1 : 0, coldStarts: kind === 'coldStart' ? 1 : 0 }
          const effects = await this.#stepRamp({ kind: 'take', ...wanted, nowMs: this.#clock.nowMs() })
          const granted = effects[0]!
          if (granted.takeovers + granted.coldStarts === 1) return
          await this.#timers.sleep(granted.retryAfterMs, { signal })
        }
      },
      report: async ({ latencyMs, quotaExceeded }) => {
        await this.#stepRamp({ kind: 'created', latencyMs, isQuotaExceeded: quotaExceeded, nowMs: this.#clock.nowMs() })
      },
    }
  }

  #stepRamp(event: RampEvent): Promise<readonly RampEffect[]> {
    return this.#command(() => {
      let state = this.#ramp ?? newRamp(this.#limits, event.nowMs)
      if (this.#ramp === null && this.#rememberedRamp !== null) {
        const { permitsPerSec, grantedByMinute } = this.#rememberedRamp
        const grantedLastHour = Object.values(grantedByMinute).reduce((sum, n) => sum + n, 0)
        const inherit = { kind: 'inherit', permitsPerSec, grantedLastHour, nowMs: event.nowMs } as const
        state = stepRamp(state, inherit, this.#limits).state
      }
      const next = stepRamp(state, event, this.#limits)
      this.#ramp = next.state
      this.#rememberedRamp = next.state
      return next.effects
    })
  }
}

const unreachable = (): MillraceError =>
  new MillraceError('REDIS_UNREACHABLE', 'retry', 'The twin of Redis does not answer.')
