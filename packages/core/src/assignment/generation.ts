// The order of assignments: term first, then counter; and which assignment a worker follows.
import type { Assignment, Election, Generation } from '../ports/coordination.ts'

export const isSameGeneration = (a: Generation, b: Generation): boolean => a.term === b.term && a.counter === b.counter
export const isNewerGeneration = (a: Generation, b: Generation): boolean =>
  a.term > b.term || (a.term === b.term && a.counter > b.counter)

/**
 * Whether a worker that follows `current` should follow `seen` now: the elected leader's, whatever it had before from others (a
 * wiped or failed-over Redis may count terms anew); else only what is newer. So what one leader published never goes back: an older
 * one of the same term is a Redis that was rolled back, and that leader will publish again.
 */
export function isToFollow(seen: Assignment, current: Assignment | null, election: Election | null): boolean {
  if (current === null) return true
  if (isSameGeneration(seen.generation, current.generation)) return false
  const isOfAnother = seen.generation.term !== current.generation.term
  if (election && isOfAnother && seen.leader === election.leader && seen.generation.term === election.term) return true
  return isNewerGeneration(seen.generation, current.generation)
}
