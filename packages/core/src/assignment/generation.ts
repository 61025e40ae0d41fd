// The order of assignments: term first, then counter; and which assignment a worker follows.
import type { Assignment, Election, Generation } from '../ports/coordination.ts'

export const isSameGeneration = (a: Generation, b: Generation): boolean => a.term === b.term && a.counter === b.counter
export const isNewerGeneration = (a: Generation, b: Generation): boolean =>
  a.term > b.term || (a.term === b.term && a.counter > b.counter)

/**
 * Whether a worker that follows `current` should follow `seen` now: always when it is the elected leader's, whatever it had
 * before (a wiped or failed-over Redis may have gone back in time); else only when it is newer.
 */
export function isToFollow(seen: Assignment, current: Assignment | null, election: Election | null): boolean {
  if (current === null) return true
  if (isSameGeneration(seen.generation, current.generation)) return false
  if (election && seen.leader === election.leader && seen.generation.term === election.term) return true
  return isNewerGeneration(seen.generation, current.generation)
}
