// Redis as the cluster sees it: advice about who should work. Losing all of it costs seconds; safety never depends on it.
import type { WorkerId } from '../ids.ts'

/** A lease on one resource (`connector/topic-partition`, or `leader`). The token is unique per acquisition. */
export type Lease = { readonly resource: string; readonly token: string; readonly ttlMs: number }

export interface Leases {
  /** null when somebody else holds it. A command that cannot be delivered at once fails: no renewal ever runs late. */
  acquire(resource: string, holder: WorkerId, ttlMs: number): Promise<Lease | null>
  /** Extends only while the token is still ours; false when it is not. */
  renew(lease: Lease): Promise<boolean>
  /** Deletes only while the token is still ours. */
  release(lease: Lease): Promise<void>
  /** Current holders by resource. */
  holders(resources: readonly string[]): Promise<ReadonlyMap<string, WorkerId>>
}

export type Member = {
  readonly workerId: WorkerId
  /** `rest.advertised.host.name:port`, the API's worker_id. */
  readonly advertised: string
  readonly startedAtMs: number
}
export interface Membership {
  heartbeat(member: Member, ttlMs: number): Promise<void>
  members(): Promise<readonly Member[]>
  leave(workerId: WorkerId): Promise<void>
}

export type Election = { readonly leader: WorkerId; readonly term: number }
export interface Leadership {
  /** Tries to become or stay leader; answers who leads now and under which term (unique and rising per election). */
  campaign(workerId: WorkerId, ttlMs: number): Promise<Election | null>
  resign(workerId: WorkerId): Promise<void>
}

/** (term, counter): compared term first. A worker takes the current leader's assignment whatever it had before. */
export type Generation = { readonly term: number; readonly counter: number }
export type PartitionAssignment = {
  readonly connector: string
  readonly incarnation: string
  readonly topic: string
  readonly partition: number
  readonly taskId: number
  readonly worker: WorkerId
}
/** Every task of a connector has a worker, also one that has no partition. */
export type TaskAssignment = {
  readonly connector: string
  readonly incarnation: string
  readonly taskId: number
  readonly worker: WorkerId
}
export type Assignment = {
  readonly generation: Generation
  readonly leader: WorkerId
  readonly tasks: readonly TaskAssignment[]
  readonly partitions: readonly PartitionAssignment[]
}
export interface AssignmentBoard {
  publish(assignment: Assignment): Promise<void>
  current(): Promise<Assignment | null>
}

/** A worker's live report, shown by the REST API of any worker. `body` is JSON; kept for `ttlMs`. */
export interface StatusBoard {
  publish(workerId: WorkerId, body: string, ttlMs: number): Promise<void>
  all(): Promise<ReadonlyMap<WorkerId, string>>
}

export type PermitKind = 'takeover' | 'coldStart'
/** The cluster-wide ramp of CreateWriteStream (token bucket shared by all workers). */
export interface StreamPermits {
  /** Resolves with a permit; takeovers are served before cold starts. */
  take(kind: PermitKind, options: { signal: AbortSignal }): Promise<void>
  /** Tells the ramp how a create went: RESOURCE_EXHAUSTED or > 10 s halves the rate. */
  report(outcome: { readonly latencyMs: number; readonly quotaExceeded: boolean }): Promise<void>
}
