// One leader at a time, by a lease that carries the term. The term is max(Redis's clock in ms, every term remembered by Redis or
// by this worker + 1): rising while Redis remembers, and still unique after FLUSHALL or the loss of a replica.
import type { Election, Leadership, WorkerId } from '@millrace/core'
import type { RedisConnection } from './connection.ts'

export class RedisLeadership implements Leadership {
  readonly #connection: RedisConnection
  #highestTermSeen = 0

  constructor(connection: RedisConnection) {
    this.#connection = connection
  }

  async campaign(workerId: WorkerId, ttlMs: number): Promise<Election | null> {
    const args = [workerId, ttlMs, this.#highestTermSeen]
    const [, , leader, term] = await this.#connection.runBeforeDeadline('leaderCampaign', ['leader', 'term'], args)
    const election = { leader: leader as WorkerId, term: Number(term) }
    this.#highestTermSeen = Math.max(this.#highestTermSeen, election.term)
    return election
  }

  async resign(workerId: WorkerId): Promise<void> {
    await this.#connection.run('leaderResign', ['leader'], [workerId])
  }
}
