// The leader's assignment as one JSON value. Reading it again costs only its generation.
import { type Assignment, type AssignmentBoard, MillraceError } from '@millrace/core'
import type { RedisConnection } from './connection.ts'

export class RedisAssignmentBoard implements AssignmentBoard {
  readonly #connection: RedisConnection
  #cached: { readonly generation: string; readonly assignment: Assignment } | null = null

  constructor(connection: RedisConnection) {
    this.#connection = connection
  }

  async publish(assignment: Assignment): Promise<void> {
    const { leader, generation } = assignment
    const author = `${leader} ${generation.term}`
    const args = [author, `${generation.term}.${generation.counter}`, JSON.stringify(assignment)]
    const isPublished = await this.#connection.run('boardPublish', ['leader', 'board'], args)
    if (isPublished === 1) return
    throw new MillraceError('NOT_LEADER', 'fenced', `Worker ${leader} does not lead under term ${generation.term}.`)
  }

  async current(): Promise<Assignment | null> {
    const answer = (await this.#connection.run('boardRead', ['board'], [this.#cached?.generation ?? ''])) as string[]
    const [generation, body] = answer
    if (generation === undefined) this.#cached = null
    else if (body !== undefined) this.#cached = { generation, assignment: JSON.parse(body) as Assignment }
    return this.#cached?.assignment ?? null
  }
}
