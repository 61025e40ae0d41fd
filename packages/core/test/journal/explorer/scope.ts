// How small the world is, and what may go wrong in it how often.

export type Outcome = 'row' | 'dead' | 'drop'
/** What happens a bounded number of times. */
export type Event =
  | 'claims'
  /** An operator moves the position. */
  | 'alterations'
  /** The connector is deleted: somebody claims, folds, and ends the incarnation. */
  | 'deletions'
  | 'compactions'
  /** A connection breaks: what it carried may have landed, may land late, or never; no answer comes. */
  | 'breaks'
  /** A request is refused for reasons of the service's own; it may have landed all the same. */
  | 'refusals'
  /** The table has changed: a request is refused, and another stream is needed. */
  | 'tableChanges'
  /** Retention takes the oldest record; what was not delivered of it is skipped (`offset.lost.policy=skip`). */
  | 'retentions'
  /** More than 24 h pass: streams that nobody uses may be gone. */
  | 'days'
  /** What no assumption allows: only worlds that are wrong on purpose have it. */
  | 'faults'

export type Scope = {
  /**
   * Workers at once. There are no leases: each may believe at any time that the partition is its own. Nor is there a crash: it is
   * a worker that takes no further step, which is how every interleaving begins in which it takes more. That needs a worker for each
   * claim; where there are fewer, only a worker that released, or was fenced, makes room.
   */
  readonly workers: number
  readonly records: number
  /** What a conversion may make of a record; another one may decide otherwise. */
  readonly outcomes: readonly Outcome[]
  readonly tables: number
  /** Records of a batch at most; batches of a lane at most. */
  readonly batch: number
  readonly window: number
  /** Bit mask of records every table refuses. */
  readonly bad: number
  /** Whether owners let go in good order. */
  readonly releases: boolean
  /** Whether a drained lane writes Settled. */
  readonly idleSettled: boolean
  /** An answer is heard later than what it tells happened. Without: in the same moment. */
  readonly lateAnswers: boolean
  /** A read without a Barrier may answer the journal as it stood when the reader's own last record was acknowledged. */
  readonly staleReads: boolean
  /** Superseded records vanish at any moment, as often as `may.compactions` says, or else at once. */
  readonly lazyCompaction: boolean
  /** Positions an operator moves the partition to, in this order, each at any moment; null: forgotten. */
  readonly alterations: readonly (number | null)[]
  /** A claim has come before, delivered the first record as a row, and released; it is one of `may.claims`. */
  readonly hasHistory: boolean
  readonly may: Readonly<Partial<Record<Event, number>>>
}

export const SCOPE: Scope = {
  workers: 2,
  records: 1,
  outcomes: ['row', 'dead'],
  tables: 1,
  batch: 1,
  window: 2,
  bad: 0,
  releases: true,
  idleSettled: false,
  lateAnswers: false,
  staleReads: false,
  lazyCompaction: false,
  alterations: [],
  hasHistory: false,
  may: { claims: 2 },
}
