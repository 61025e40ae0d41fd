// Topics full of an input's records, uncompressed, in batches as a producer with a little linger makes them. Written with the demo's
// own encoder: KafkaJS's producer would take minutes.
import { BrokerWire } from '../../../packages/cli/src/demo/kafka-wire.ts'
import { encodeBatch } from '../../../packages/cli/src/demo/record-batch.ts'
import type { Input } from './input.ts'

/** What a producer with `batch.size` raised to 64 KiB sends. */
const BATCH_BYTES = 63_000
const NO_CODEC = 0
const REQUESTS_IN_FLIGHT_MAX = 4

/**
 * Records 0 … `records` − 1 over all partitions of all topics in turn, a batch at a time.
 * @returns bytes of all values
 */
export async function fillTopics(
  bootstrapServer: string,
  topics: readonly string[],
  partitions: number,
  records: number,
  line: Input['line'],
): Promise<number> {
  const wire = await BrokerWire.open(bootstrapServer)
  const perPartition = Math.ceil(records / (topics.length * partitions))
  const rowsPerBatch = Math.max(1, Math.min(perPartition, Math.floor(BATCH_BYTES / line(0).length)))
  let bytes = 0
  try {
    const pending: Promise<void>[] = []
    for (let id = 0, turn = 0; id < records; turn++) {
      const batches = []
      for (let partition = 0; partition < partitions && id < records; partition++) {
        let text = ''
        for (const end = Math.min(records, id + rowsPerBatch); id < end; id++) text += line(id)
        const lines = Buffer.from(text)
        bytes += lines.length
        batches.push({ partition, batch: encodeBatch(lines, 0, lines.length, NO_CODEC, Date.now(), null) })
      }
      const request = wire.produce(topics[turn % topics.length]!, batches, null)
      request.catch(() => {}) // it is awaited below
      pending.push(request)
      if (pending.length >= REQUESTS_IN_FLIGHT_MAX) await pending.shift()
    }
    for (const request of pending) await request
  } finally {
    wire.close()
  }
  return bytes - records // without the newlines
}
