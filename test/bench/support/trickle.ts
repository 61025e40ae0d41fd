// One record to every partition again and again: enough that each partition has something to deliver at any time, too little to
// keep anybody busy.
import { setTimeout as sleep } from 'node:timers/promises'
import { BrokerWire } from '../../../packages/cli/src/demo/kafka-wire.ts'
import { encodeBatch } from '../../../packages/cli/src/demo/record-batch.ts'

export const TRICKLE_FIELDS = [
  { name: 'id', type: 'INT64' },
  { name: 'text', type: 'STRING' },
] as const
const NO_CODEC = 0

export class Trickle implements AsyncDisposable {
  readonly #wire: BrokerWire
  readonly #over = new AbortController()
  readonly #running: Promise<void>
  #sent = 0

  private constructor(wire: BrokerWire, topic: string, partitions: number, everyMs: number) {
    this.#wire = wire
    this.#running = this.#run(topic, partitions, everyMs)
    this.#running.catch(() => {}) // whoever disposes of it is told
  }

  static async open(bootstrapServer: string, topic: string, partitions: number, everyMs: number): Promise<Trickle> {
    return new Trickle(await BrokerWire.open(bootstrapServer), topic, partitions, everyMs)
  }

  /** Records in the topic, at least. */
  get sent(): number {
    return this.#sent
  }

  async #run(topic: string, partitions: number, everyMs: number): Promise<void> {
    const { signal } = this.#over
    while (!signal.aborted) {
      const batches = Array.from({ length: partitions }, (_, partition) => {
        const line = Buffer.from(`{"id":${this.#sent + partition},"text":"trickle"}\n`)
        return { partition, batch: encodeBatch(line, 0, line.length, NO_CODEC, Date.now(), null) }
      })
      await this.#wire.produce(topic, batches, null)
      this.#sent += partitions
      await sleep(everyMs, undefined, { signal }).catch(() => {})
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort()
    await this.#running
    this.#wire.close()
  }
}
