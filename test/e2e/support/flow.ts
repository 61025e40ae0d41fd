// Load for the time a fault is on: rows with rising ids, a few at a time, over all partitions, until it is told to end.
import { setTimeout as sleep } from 'node:timers/promises'
import { range, type Stage } from './stage.ts'

const ROWS_PER_SEND = 40
const PAUSE_MS = 30

export class Flow implements AsyncDisposable {
  readonly #stage: Stage
  readonly #topic: string
  readonly #partitions: number
  readonly #rowsPerSend: number
  #sent = 0
  #isOn = true
  readonly #running: Promise<void>

  /** @param rowsPerSend some thirty times a second */
  constructor(stage: Stage, topic: string, partitions: number, rowsPerSend: number = ROWS_PER_SEND) {
    this.#stage = stage
    this.#topic = topic
    this.#partitions = partitions
    this.#rowsPerSend = rowsPerSend
    this.#running = this.#run()
  }

  /** Ids below this are in the topic. */
  get sent(): number {
    return this.#sent
  }

  async #run(): Promise<void> {
    while (this.#isOn) {
      const ids = range(this.#sent, this.#sent + this.#rowsPerSend)
      await this.#stage.produceRows(this.#topic, ids, this.#partitions)
      this.#sent += this.#rowsPerSend
      await sleep(PAUSE_MS)
    }
  }

  /** Resolves when rows sent after this moment have arrived in the table. */
  async untilFresh(table: string): Promise<void> {
    const mark = this.#sent + 2 * this.#rowsPerSend // one send may be under way
    await this.#stage.untilRows(table, mark)
  }

  /** Ids of everything that was sent. */
  async end(): Promise<readonly number[]> {
    this.#isOn = false
    await this.#running
    return range(0, this.#sent)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
  }
}
