// Which assignment this worker follows: the current leader's, whatever it had before. While Redis is away or wiped it goes on
// following the last one.
import { type Assignment, type AssignmentBoard, type Election, isToFollow } from '@millrace/core'

export type Poll =
  /** Another assignment is to be followed now. */
  | { readonly kind: 'changed'; readonly assignment: Assignment }
  | { readonly kind: 'same' }
  /** The board is empty although it was not: Redis forgot. Nothing stops; heartbeats and leases should be renewed at once. */
  | { readonly kind: 'forgotten' }

export class AssignmentFollower {
  readonly #board: AssignmentBoard
  readonly #election: () => Election | null
  #followed: Assignment | null = null
  #wasEmpty = true

  /** @param election who leads as far as this worker knows; null when it does not. */
  constructor(board: AssignmentBoard, election: () => Election | null) {
    this.#board = board
    this.#election = election
  }

  /** The assignment followed now; null before the first. */
  get followed(): Assignment | null {
    return this.#followed
  }

  /** Rejects when Redis is away. */
  async poll(): Promise<Poll> {
    const seen = await this.#board.current()
    const wasEmpty = this.#wasEmpty
    this.#wasEmpty = seen === null
    if (seen === null) return wasEmpty ? { kind: 'same' } : { kind: 'forgotten' }
    if (!isToFollow(seen, this.#followed, this.#election())) return { kind: 'same' }
    this.#followed = seen
    return { kind: 'changed', assignment: seen }
  }
}
