// Load for as long as a row of the matrix lasts: plain sends, committed and aborted transactions, now and then a record that
// belongs in the dead letter queue, over all partitions, each id in the ledger. The producer is KafkaJS's public client and
// reaches the brokers directly: what it is told is true whatever the proxies do to the workers.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Message, Producer } from 'kafkajs'
import { plainRecord, type Stage, textOf } from '../e2e/support/stage.ts'
import { Ledger } from './ledger.ts'

const ROWS_PER_SEND = 30
const PAUSE_MS = 30
/** Of eight sends one is a committed, one an aborted transaction, and one brings a record no table can take. */
const ROUNDS = 8
const POISON_ROUND = 3
const COMMIT_ROUND = 5
const ABORT_ROUND = 7
const ABORTED_ROWS = 5
/** A send goes on for some seconds while brokers change; what fails then is unsure. */
const RETRY = { initialRetryTime: 100, maxRetryTime: 1_000, retries: 12 }

export type FlowOptions = {
  readonly topic: string
  readonly partitions: number
  readonly rowsPerSend?: number
  /** false: no transactions, for rows during which coordinators of transactions are down for long. */
  readonly transactions?: boolean
  readonly poison?: boolean
  /** Default: an id that is no number. */
  readonly poisonValue?: (id: number) => object
}

export class Flow implements AsyncDisposable {
  readonly ledger: Ledger = new Ledger()
  /** Columns that records have besides, from now on. */
  more: Readonly<Record<string, unknown>> = {}
  readonly #stage: Stage
  readonly #options: FlowOptions
  readonly #marks: { readonly atMs: number; readonly nextId: number }[] = []
  /** When the brokers acknowledged the ids below each. */
  readonly #acks: { readonly atMs: number; readonly below: number }[] = []
  #partitions: number
  #isOn = true
  #isHeld = false
  #isIdle = false
  readonly #running: Promise<void>

  constructor(stage: Stage, options: FlowOptions) {
    this.#stage = stage
    this.#options = options
    this.#partitions = options.partitions
    this.#running = this.#run()
  }

  get partitions(): number {
    return this.#partitions
  }
  /** After the topic was given more of them. */
  set partitions(count: number) {
    this.#partitions = count
  }
  /** Resolves when nothing is under way. */
  async hold(): Promise<void> {
    this.#isHeld = true
    while (!this.#isIdle) await sleep(PAUSE_MS)
  }
  goOn(): void {
    this.#isHeld = false
    this.#isIdle = false
  }

  /** The first id that was not sent before that moment; null: none was sent since. */
  firstIdAfter(sinceMs: number): number | null {
    return this.#marks.find(mark => mark.atMs >= sinceMs)?.nextId ?? null
  }

  /** When the record of that id was acknowledged to its producer; null: it was not, as far as is known. */
  acknowledgedAt(id: number): number | null {
    if (!this.ledger.committed.has(id)) return null
    return this.#acks.find(ack => id < ack.below)?.atMs ?? null
  }

  /** Resolves when what was sent is known and no more is sent. */
  async end(): Promise<Ledger> {
    this.#isOn = false
    await this.#running
    return this.ledger
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
  }

  async #run(): Promise<void> {
    let plain: Producer | null = null
    let transactional: Producer | null = null
    const transactionalId = this.#stage.unique('transactions')
    for (let round = 0; this.#isOn; round++) {
      if (this.#isHeld) {
        this.#isIdle = true
        await sleep(PAUSE_MS)
        continue
      }
      const turn = round % ROUNDS
      const isTransaction = this.#options.transactions !== false && (turn === COMMIT_ROUND || turn === ABORT_ROUND)
      this.#mark()
      try {
        if (isTransaction) {
          transactional ??= await this.#producer({ transactionalId })
          await this.#sendTransaction(transactional, turn === COMMIT_ROUND)
        } else {
          plain ??= await this.#producer({})
          await this.#sendPlain(plain, turn === POISON_ROUND && this.#options.poison !== false)
        }
      } catch {
        // Its sequences or its transaction may be in any state: the next send begins with a new one.
        if (isTransaction) {
          await transactional?.disconnect().catch(() => {})
          transactional = null
        } else {
          await plain?.disconnect().catch(() => {})
          plain = null
        }
      }
      await sleep(PAUSE_MS)
    }
    await plain?.disconnect().catch(() => {})
    await transactional?.disconnect().catch(() => {})
  }

  #producer(options: { readonly transactionalId?: string }): Promise<Producer> {
    return this.#stage.newProducer({ ...options, retry: RETRY })
  }

  async #sendPlain(producer: Producer, withPoison: boolean): Promise<void> {
    const ids = this.ledger.take('committed', this.#options.rowsPerSend ?? ROWS_PER_SEND)
    const poison = withPoison ? this.ledger.take('poison', 1) : []
    const messages = [...ids.map(id => this.#record(id)), ...poison.map(id => this.#poison(id))]
    await this.#answered([...ids, ...poison], () => producer.send({ topic: this.#options.topic, messages }))
  }

  async #sendTransaction(producer: Producer, isCommitted: boolean): Promise<void> {
    const count = isCommitted ? (this.#options.rowsPerSend ?? ROWS_PER_SEND) : ABORTED_ROWS
    const ids = this.ledger.take(isCommitted ? 'committed' : 'aborted', count)
    await this.#answered(ids, async () => {
      const transaction = await producer.transaction()
      await transaction.send({ topic: this.#options.topic, messages: ids.map(id => this.#record(id)) })
      await (isCommitted ? transaction.commit() : transaction.abort())
    })
  }

  async #answered(ids: readonly number[], send: () => Promise<unknown>): Promise<void> {
    try {
      await send()
      this.ledger.acknowledged(ids)
      this.#acks.push({ atMs: performance.now(), below: this.ledger.nextId })
    } catch (error) {
      this.ledger.unanswered(ids)
      throw error
    }
  }

  #mark(): void {
    this.#marks.push({ atMs: performance.now(), nextId: this.ledger.nextId })
  }
  #record(id: number): Message {
    if (Object.keys(this.more).length === 0) return plainRecord(id, id % this.#partitions)
    return this.#message(id, { id, text: textOf(id), ...this.more })
  }
  #poison(id: number): Message {
    const { poisonValue = noNumber } = this.#options
    return this.#message(id, poisonValue(id))
  }
  #message(id: number, columns: object): Message {
    const value = JSON.stringify(columns)
    this.ledger.values.set(id, value)
    return { key: `k${id}`, value, partition: id % this.#partitions }
  }
}

const noNumber = (id: number): object => ({ id: `no number ${id}`, text: 'poison' })
