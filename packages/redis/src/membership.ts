// Who is alive: an expiring map of worker id → how to reach it. A worker that stops reporting is gone after its TTL.
import type { Member, Membership, WorkerId } from '@millrace/core'
import type { RedisConnection } from './connection.ts'

const KEYS = ['members', 'members:info']

export class RedisMembership implements Membership {
  readonly #connection: RedisConnection

  constructor(connection: RedisConnection) {
    this.#connection = connection
  }

  async heartbeat(member: Member, ttlMs: number): Promise<void> {
    const { workerId, advertised, startedAtMs } = member
    const body = JSON.stringify({ advertised, startedAtMs })
    await this.#connection.runBeforeDeadline('expiringPut', KEYS, [workerId, body, ttlMs])
  }

  async members(): Promise<readonly Member[]> {
    const answer = (await this.#connection.run('expiringList', KEYS, [])) as string[]
    return Array.from({ length: answer.length / 2 }, (_, i) => {
      const { advertised, startedAtMs } = JSON.parse(answer[2 * i + 1]!) as Omit<Member, 'workerId'>
      return { workerId: answer[2 * i] as WorkerId, advertised, startedAtMs }
    })
  }

  async leave(workerId: WorkerId): Promise<void> {
    await this.#connection.run('expiringDelete', KEYS, [workerId])
  }
}
