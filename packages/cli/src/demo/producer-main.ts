// The producer process of the demo. Its parent tells it over IPC how far it may go (`allow`), it tells how far it is
// (`produced`); it ends when all records are in the topic. Any error ends it: nothing is retried that could be doubled.

import { Flights } from './flights.ts'
import { BrokerWire, type PartitionBatch, type ProducerIdentity } from './kafka-wire.ts'
import { ABORTED_ID_MIN, batchIds, codecOf, type Layout, layoutOf, PARTITIONS, roundKind, TOPIC } from './layout.ts'
import type { ProducerMessage, ProducerOrder } from './producer.ts'
import { encodeBatch } from './record-batch.ts'

/** Rows read from the file at a time: some 27 MB of JSON; two slices are held at once. */
const SLICE_ROWS_MAX = 256_000
/** Produce requests not yet acknowledged: up to 16,000 rows (1.7 MB) each. */
const ROUNDS_IN_FLIGHT_MAX = 4
const ABORTED_ROWS_PER_BATCH = 3
const NEW_LINE = 0x0a

const [bootstrapServer = '', records = '0', folder = ''] = process.argv.slice(2)
const layout = layoutOf(Number(records))
let allowed = 0
let wake: () => void = () => {}

process.on('message', (order: ProducerOrder) => {
  allowed = Math.max(allowed, order.allow)
  wake()
})
// Without the parent there is nobody to produce for.
process.on('disconnect', () => process.exit(1))

const tell = (message: ProducerMessage): void => void process.send?.(message)

class Transaction {
  readonly #wire: BrokerWire
  readonly #id: string
  readonly #identity: ProducerIdentity
  readonly #sequences = new Array<number>(PARTITIONS).fill(0)

  private constructor(wire: BrokerWire, id: string, identity: ProducerIdentity) {
    this.#wire = wire
    this.#id = id
    this.#identity = identity
  }
  static async open(wire: BrokerWire, id: string): Promise<Transaction> {
    return new Transaction(wire, id, await wire.beginProducing(id))
  }
  begin(): Promise<void> {
    return this.#wire.addPartitions(
      this.#id,
      this.#identity,
      TOPIC,
      Array.from({ length: PARTITIONS }, (_, p) => p),
    )
  }
  /** `encode` gets the producer's identity and next sequence of the partition. */
  produce(
    batches: readonly {
      partition: number
      rows: number
      encode: (owner: ProducerIdentity & { baseSequence: number }) => Buffer
    }[],
  ): Promise<void> {
    const encoded = batches.map(({ partition, rows, encode }): PartitionBatch => {
      const batch = encode({ ...this.#identity, baseSequence: this.#sequences[partition] ?? 0 })
      this.#sequences[partition] = (this.#sequences[partition] ?? 0) + rows
      return { partition, batch }
    })
    return this.#wire.produce(TOPIC, encoded, this.#id)
  }
  end(outcome: 'commit' | 'abort'): Promise<void> {
    return this.#wire.endTransaction(this.#id, this.#identity, outcome)
  }
}

async function run(): Promise<void> {
  const flights = await Flights.open(folder)
  const wire = await BrokerWire.open(bootstrapServer)
  const committing = await Transaction.open(wire, 'demo-committing')
  const aborting = await Transaction.open(wire, 'demo-aborting')
  const roundsPerSlice = Math.max(1, Math.floor(SLICE_ROWS_MAX / layout.rowsPerRound))
  const slices = Math.ceil(layout.rounds / roundsPerSlice)
  const sliceLines = (slice: number): Promise<Buffer> =>
    flights.lines(
      slice * roundsPerSlice * layout.rowsPerRound,
      Math.min(layout.records, (slice + 1) * roundsPerSlice * layout.rowsPerRound),
    )

  const pending: Promise<void>[] = []
  let produced = 0
  let abortedRows = 0
  const settle = async (left: number): Promise<void> => {
    while (pending.length > left) await pending.shift()
  }
  const report = (): void => tell({ produced, abortedRows, rssBytes: process.memoryUsage.rss() })

  let next: Promise<Buffer> | null = sliceLines(0)
  for (let slice = 0; slice < slices; slice++) {
    const lines = await (next as Promise<Buffer>)
    next = slice + 1 < slices ? sliceLines(slice + 1) : null
    next?.catch(() => {})
    let at = 0
    for (let round = slice * roundsPerSlice; round < Math.min(layout.rounds, (slice + 1) * roundsPerSlice); round++) {
      const through = Math.min(layout.records, (round + 1) * layout.rowsPerRound)
      if (through > allowed && round * layout.rowsPerRound >= allowed) {
        await settle(0)
        report()
        while (round * layout.rowsPerRound >= allowed) await new Promise<void>(resolve => (wake = resolve))
      }
      const cut = cutRound(lines, at, round, layout)
      at = cut.end
      const kind = roundKind(round)
      if (kind === 'committed') {
        await settle(0)
        await committing.begin()
        await committing.produce(
          cut.batches.map(b => ({
            partition: b.partition,
            rows: b.rows,
            encode: owner => encodeBatch(lines, b.start, b.end, b.codec, Date.now(), owner),
          })),
        )
        await committing.end('commit')
      } else {
        const plain = (): Promise<void> =>
          wire.produce(
            TOPIC,
            cut.batches.map(b => ({
              partition: b.partition,
              batch: encodeBatch(lines, b.start, b.end, b.codec, Date.now(), null),
            })),
            null,
          )
        if (kind === 'plain') {
          const request = plain()
          request.catch(() => {})
          pending.push(request)
        } else {
          await settle(0)
          await aborting.begin()
          await aborting.produce(lostBatches(round, 0))
          await plain()
          await aborting.produce(lostBatches(round, 1))
          await aborting.end('abort')
          abortedRows += 2 * PARTITIONS * ABORTED_ROWS_PER_BATCH
        }
      }
      await settle(ROUNDS_IN_FLIGHT_MAX)
      produced = through
      report()
    }
  }
  await settle(0)
  report()
  wire.close()
  flights.close()
}

type Cut = {
  readonly partition: number
  readonly codec: number
  readonly rows: number
  readonly start: number
  readonly end: number
}

/** Where each partition's lines of a round begin and end. */
function cutRound(lines: Buffer, from: number, round: number, of: Layout): { batches: Cut[]; end: number } {
  const batches: Cut[] = []
  let at = from
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const ids = batchIds(of, round, partition)
    const rows = ids.to - ids.from
    if (rows === 0) continue
    const start = at
    for (let row = 0; row < rows; row++) at = lines.indexOf(NEW_LINE, at) + 1
    batches.push({ partition, codec: codecOf(round, partition), rows, start, end: at })
  }
  return { batches, end: at }
}

/** Flights that never were: only in transactions that abort. */
function lostBatches(round: number, half: number): Parameters<Transaction['produce']>[0] {
  return Array.from({ length: PARTITIONS }, (_, partition) => {
    const first = ABORTED_ID_MIN + ((round * 2 + half) * PARTITIONS + partition) * ABORTED_ROWS_PER_BATCH
    let text = ''
    for (let row = 0; row < ABORTED_ROWS_PER_BATCH; row++) {
      text += `{"id":${first + row},"date":"2001-01-01T00:00:00","delay":0,"distance":1,"origin":"XXX","destination":"YYY"}\n`
    }
    const lines = Buffer.from(text)
    return {
      partition,
      rows: ABORTED_ROWS_PER_BATCH,
      encode: owner => encodeBatch(lines, 0, lines.length, codecOf(round, partition), Date.now(), owner),
    }
  })
}

run().then(
  () => process.exit(0),
  (error: unknown) => {
    tell({ failed: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    process.exit(1)
  },
)
