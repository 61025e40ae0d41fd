// Live reports of the workers: an expiring map of worker id → JSON. Other small things that expire use it under another name.
import type { StatusBoard, WorkerId } from '@millrace/core'
import type { RedisConnection } from './connection.ts'

export class RedisStatusBoard implements StatusBoard {
  readonly #connection: RedisConnection
  readonly #keys: readonly string[]

  constructor(connection: RedisConnection, name = 'reports') {
    this.#connection = connection
    this.#keys = [name, `${name}:body`]
  }

  async publish(workerId: WorkerId, body: string, ttlMs: number): Promise<void> {
    await this.#connection.runBeforeDeadline('expiringPut', this.#keys, [workerId, body, ttlMs])
  }

  async all(): Promise<ReadonlyMap<WorkerId, string>> {
    const answer = (await this.#connection.run('expiringList', this.#keys, [])) as string[]
    return new Map(
      Array.from({ length: answer.length / 2 }, (_, i) => [answer[2 * i] as WorkerId, answer[2 * i + 1]!] as const),
    )
  }
}
