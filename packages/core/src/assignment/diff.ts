// What one worker has to do to get from what it works on to what it is assigned.
import { formatTopicPartition, type WorkerId } from '../ids.ts'
import type { Assignment, PartitionAssignment } from '../ports/coordination.ts'

export type AssignmentDiff = {
  readonly toAcquire: readonly PartitionAssignment[]
  readonly toRelease: readonly PartitionAssignment[]
  /** Stays here under another task number: nothing stops. */
  readonly toRelabel: readonly PartitionAssignment[]
}

/** Partitions of an assignment that are this worker's. */
export const assignedTo = (assignment: Assignment, worker: WorkerId): readonly PartitionAssignment[] =>
  assignment.partitions.filter(p => p.worker === worker)

/** The same partition of a connector re-created under its name is another thing: released, then acquired. */
export function diffAssigned(
  before: readonly PartitionAssignment[],
  after: readonly PartitionAssignment[],
): AssignmentDiff {
  const had = new Map(before.map(p => [identityOf(p), p]))
  const gets = new Map(after.map(p => [identityOf(p), p]))
  return {
    toAcquire: after.filter(p => !had.has(identityOf(p))),
    toRelease: before.filter(p => !gets.has(identityOf(p))),
    toRelabel: after.filter(p => (had.get(identityOf(p)) ?? p).taskId !== p.taskId),
  }
}

const identityOf = (p: PartitionAssignment): string =>
  `${p.connector}/${p.incarnation}/${formatTopicPartition({ topic: p.topic, partition: p.partition })}`
