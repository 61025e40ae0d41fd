// A topic full of narrow JSON: nine columns, some 210 bytes a record, uncompressed, in batches as a producer with a little linger
// makes them. Written with the demo's own encoder: KafkaJS's producer would take minutes.
import { BrokerWire } from '../../../packages/cli/src/demo/kafka-wire.ts'
import { encodeBatch } from '../../../packages/cli/src/demo/record-batch.ts'

export const FIELDS = [
  { name: 'id', type: 'INT64' },
  { name: 'created', type: 'TIMESTAMP' },
  { name: 'account', type: 'INT64' },
  { name: 'amount', type: 'NUMERIC' },
  { name: 'score', type: 'FLOAT64' },
  { name: 'paid', type: 'BOOL' },
  { name: 'country', type: 'STRING' },
  { name: 'kind', type: 'STRING' },
  { name: 'path', type: 'STRING' },
] as const

/** 63 KB: what a producer with `batch.size` raised to 64 KiB sends. */
const ROWS_PER_BATCH = 300
const NO_CODEC = 0
const REQUESTS_IN_FLIGHT_MAX = 4

const COUNTRIES = ['DE', 'FR', 'US', 'JP', 'BR', 'ZA']
const KINDS = ['page_view', 'order_placed', 'basket_abandoned']

/** One line; ids are those of the whole topic. */
function line(id: number): string {
  const created = new Date(1_790_000_000_000 + id * 7).toISOString()
  const account = (id * 2_654_435_761) % 10_000_000
  const cents = id % 100_000
  const amount = `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`
  return `{"id":${1_000_000_000 + id},"created":"${created}","account":${account},"amount":"${amount}","score":${(id % 997) / 1000},"paid":${id % 3 === 0},"country":"${COUNTRIES[id % 6]}","kind":"${KINDS[id % 3]}","path":"/shop/department/item/${String(id % 9973).padStart(6, '0')}/of/${String(id % 131).padStart(4, '0')}"}\n`
}

/** @returns bytes of all values */
export async function fillTopic(
  bootstrapServer: string,
  topic: string,
  partitions: number,
  records: number,
): Promise<number> {
  const wire = await BrokerWire.open(bootstrapServer)
  let bytes = 0
  try {
    const pending: Promise<void>[] = []
    for (let id = 0; id < records; ) {
      const batches = []
      for (let partition = 0; partition < partitions && id < records; partition++) {
        let text = ''
        for (const end = Math.min(records, id + ROWS_PER_BATCH); id < end; id++) text += line(id)
        const lines = Buffer.from(text)
        bytes += lines.length
        batches.push({ partition, batch: encodeBatch(lines, 0, lines.length, NO_CODEC, Date.now(), null) })
      }
      const request = wire.produce(topic, batches, null)
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
