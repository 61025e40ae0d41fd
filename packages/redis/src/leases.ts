// Leases as keys `lease:<resource>` = "holder token" with an expiry. Every change compares the token first.
import type { Lease, Leases, Random, WorkerId } from '@millrace/core'
import type { RedisConnection } from './connection.ts'

/** Names per MGET: about 100 kB of keys, under 1 ms of Redis's only thread. */
const HOLDERS_PER_CALL_MAX = 1_000

export class RedisLeases implements Leases {
  readonly #connection: RedisConnection
  readonly #random: Random

  constructor(connection: RedisConnection, random: Random) {
    this.#connection = connection
    this.#random = random
  }

  async acquire(resource: string, holder: WorkerId, ttlMs: number): Promise<Lease | null> {
    const token = this.#random.nextId()
    const keys = [`lease:${resource}`]
    const [outcome] = await this.#connection.runBeforeDeadline('leaseAcquire', keys, [holder, token, ttlMs])
    return outcome === 'taken' ? { resource, token, ttlMs } : null
  }

  async renew({ resource, token, ttlMs }: Lease): Promise<boolean> {
    const [outcome] = await this.#connection.runBeforeDeadline('leaseRenew', [`lease:${resource}`], [token, ttlMs])
    return outcome === 'renewed'
  }

  async release({ resource, token }: Lease): Promise<void> {
    await this.#connection.run('leaseRelease', [`lease:${resource}`], [token])
  }

  async holders(resources: readonly string[]): Promise<ReadonlyMap<string, WorkerId>> {
    const holders = new Map<string, WorkerId>()
    for (let start = 0; start < resources.length; start += HOLDERS_PER_CALL_MAX) {
      const some = resources.slice(start, start + HOLDERS_PER_CALL_MAX)
      const values = await this.#connection.valuesOf(some.map(resource => `lease:${resource}`))
      for (const [i, value] of values.entries()) {
        if (value !== null) holders.set(some[i]!, value.slice(0, value.lastIndexOf(' ')) as WorkerId)
      }
    }
    return holders
  }
}
