// Live reports of the workers: an expiring map of worker id → JSON.
import type { StatusBoard, WorkerId } from '@millrace/core'
import type { RedisConnection } from './connection.ts'

const KEYS = ['reports', 'reports:body']

export class RedisStatusBoard implements StatusBoard {
  readonly #connection: RedisConnection

  constructor(connection: RedisConnection) {
    this.#connection = connection
  }

  async publish(workerId: WorkerId, body: string, ttlMs: number): Promise<void> {
    await this.#connection.runBeforeDeadline('expiringPut', KEYS, [workerId, body, ttlMs])
  }

  async all(): Promise<ReadonlyMap<WorkerId, string>> {
    const answer = (await this.#connection.run('expiringList', KEYS, [])) as string[]
    return new Map(
      Array.from({ length: answer.length / 2 }, (_, i) => [answer[2 * i] as WorkerId, answer[2 * i + 1]!] as const),
    )
  }
}
