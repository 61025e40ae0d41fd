// One worker process as the outside world sees it: its own journal client, its own budget, and death at any durable step.
// A dead process hears nothing any more; what it had sent still travels.
import {
  type AppendConnection,
  type AppendListener,
  type AppendRequest,
  type DeadLetters,
  type JournalLog,
  Shutdown,
  type StreamName,
  type WorkerId,
  type WriterSchema,
  type WriteStreams,
} from '@millrace/core'
import type { AppendFate, AppendSeen, BigQueryTwin, DeadLettersTwin, JournalTwin } from '@millrace/testkit'
import { ByteBudget } from '../../src/index.ts'

export type DurableStep = 'journal' | 'create' | 'append' | 'finalize' | 'deadLetters'
/** Dies before the nth step of the kind is made, or when its answer is there. */
export type DeathPoint = { readonly step: DurableStep; readonly nth: number; readonly when: 'before' | 'after' }

export type ProcessWorld = {
  readonly journal: JournalTwin
  readonly bigQuery: BigQueryTwin
  readonly letters: DeadLettersTwin
  fateOf(seen: AppendSeen): AppendFate
}
export type ProcessOptions = { readonly budgetBytes?: number; readonly diesAt?: DeathPoint }

const never = <T>(): Promise<T> => new Promise(() => {})

export class Process {
  readonly workerId: WorkerId
  readonly budget: ByteBudget
  readonly journal: JournalLog
  readonly streams: WriteStreams
  readonly deadLetters: DeadLetters
  /** Durable steps begun so far. */
  readonly counts: Record<DurableStep, number> = { journal: 0, create: 0, append: 0, finalize: 0, deadLetters: 0 }
  readonly #world: ProcessWorld
  readonly #diesAt: DeathPoint | null
  readonly #life: AbortController = new AbortController()

  constructor(name: string, world: ProcessWorld, { budgetBytes = 1_000_000, diesAt }: ProcessOptions = {}) {
    this.workerId = name as WorkerId
    this.#world = world
    this.#diesAt = diesAt ?? null
    this.budget = new ByteBudget(budgetBytes)
    const journal = world.journal.client()
    const { writeStreams } = world.bigQuery
    const { letters } = world
    this.journal = {
      append: (space, records) => this.#durable('journal', () => journal.append(space, records)),
      delete: (space, keys) => this.#durable('journal', () => journal.delete(space, keys)),
      readToEnd: (space, options) => journal.readToEnd(space, options),
      peek: space => journal.peek(space),
    }
    this.streams = {
      create: (table, options) => this.#durable('create', () => writeStreams.create(table, options)),
      exists: (stream, options) => writeStreams.exists(stream, options),
      finalize: (stream, options) => this.#durable('finalize', () => writeStreams.finalize(stream, options)),
      connect: (stream, schema, listener) => this.#connect(stream, schema, listener),
    }
    this.deadLetters = {
      ensureTopic: (queue, options) => letters.ensureTopic(queue, options),
      produce: (queue, some, options) => this.#durable('deadLetters', () => letters.produce(queue, some, options)),
      find: (queue, tp, offsets, options) => letters.find(queue, tp, offsets, options),
    }
  }

  get signal(): AbortSignal {
    return this.#life.signal
  }
  get isAlive(): boolean {
    return !this.#life.signal.aborted
  }
  /** As kill -9. */
  die(): void {
    this.#life.abort(new Shutdown('The process died.'))
  }

  async #durable<T>(step: DurableStep, perform: () => Promise<T>): Promise<T> {
    if (!this.isAlive) return await never()
    const nth = ++this.counts[step]
    this.#dieAt(step, nth, 'before')
    if (!this.isAlive) return await never()
    try {
      return await perform()
    } finally {
      this.#dieAt(step, nth, 'after')
      if (!this.isAlive) await never()
    }
  }

  #dieAt(step: DurableStep, nth: number, when: DeathPoint['when']): void {
    const point = this.#diesAt
    if (point?.step === step && point.nth === nth && point.when === when) this.die()
  }

  #connect(stream: StreamName, schema: WriterSchema, listener: AppendListener): AppendConnection {
    const { bigQuery } = this.#world
    const whileAlive =
      <A extends unknown[]>(call: (...args: A) => void) =>
      (...args: A): void => {
        if (this.isAlive) call(...args)
      }
    const connection = bigQuery.writeStreams.connect(stream, schema, {
      onAcknowledged: whileAlive((id, offset) => listener.onAcknowledged(id, offset)),
      onRefused: whileAlive((id, refusal) => listener.onRefused(id, refusal)),
      onBroken: whileAlive(error => listener.onBroken(error)),
      onSchemaUpdated: whileAlive(() => listener.onSchemaUpdated()),
    })
    let lingers = false
    return {
      send: request => {
        if (!this.isAlive) return
        const nth = ++this.counts.append
        this.#dieAt('append', nth, 'before')
        if (!this.isAlive) return
        const fate = this.#world.fateOf({ stream, request })
        lingers ||= fate.kind === 'hold'
        bigQuery.appendFate = () => fate
        connection.send(lingers ? copyOf(request) : request)
        this.#dieAt('append', nth, 'after')
      },
      get inFlightBytes() {
        return connection.inFlightBytes
      },
      close: () => connection.close(),
    }
  }
}

/** What lingers in the network is not the sender's memory. */
function copyOf(request: AppendRequest): AppendRequest {
  return { ...request, rows: { ...request.rows, bytes: Buffer.from(request.rows.bytes) } }
}
