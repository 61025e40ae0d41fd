// A ceiling: encoded rows over our append connections, a COMMITTED stream per partition as a worker has it, several requests in
// flight on each. The rows are encoded before; a request goes out again once it is answered.
import assert from 'node:assert/strict'
import { RowBuffer, type ValueConverter } from '@millrace/convert'
import { type FrozenRows, type RecordSlice, streamOffset } from '@millrace/core'
import { converterFor, nameOf, openFetcher, openStorage, slicesOf, stay } from './our-parts.ts'
import { programTask } from './task.ts'

/** Of all encoded rows together. */
const ROWS_BYTES = 96 * 1024 * 1024
const BATCH_BYTES_MAX = 2_000_000
const IN_FLIGHT = 4

const task = programTask()
const fetcher = openFetcher(task)
const bigQuery = await openStorage(task)
const { signal } = new AbortController()
const lanes = task.topics.length * task.partitions
const batchBytes = Math.min(BATCH_BYTES_MAX, ROWS_BYTES / (lanes * IN_FLIGHT))
const perLane = Math.ceil(task.records / lanes)

/** The same records for every partition of a topic. */
function frozen(slices: readonly RecordSlice[], converter: ValueConverter): FrozenRows {
  const rows = new RowBuffer(batchBytes)
  for (;;)
    for (const { bytes, count, valueStart, valueEnd } of slices)
      for (let i = 0; i < count; i++) {
        const length = converter.encode(bytes, valueStart[i]!, valueEnd[i]!, rows)
        assert.ok(length >= 0, converter.lastError.message)
        if (rows.byteLength >= batchBytes || rows.rowCount === perLane) return rows.freeze()
      }
}

/** Resolves when all rows of one partition are acknowledged. */
async function lane(table: string, batches: readonly FrozenRows[], converter: ValueConverter): Promise<void> {
  const stream = await bigQuery.writeStreams.create(nameOf(task, table), { signal })
  let [sent, acknowledged, next] = [0, 0, 0]
  await new Promise<void>((resolve, reject) => {
    const send = (): void => {
      const rows = batches[next % batches.length]!
      connection.send({ id: next++, firstRow: streamOffset(BigInt(sent)), rows })
      sent += rows.rowCount
    }
    const connection = bigQuery.writeStreams.connect(stream, converter.writerSchema, {
      onAcknowledged(id, offset) {
        if (offset !== streamOffset(BigInt(acknowledged))) reject(new Error(`Append ${id} landed at ${offset}.`))
        acknowledged += batches[id % batches.length]!.rowCount
        if (sent < perLane) send()
        else if (acknowledged === sent) resolve()
      },
      onRefused: (_, refusal) => reject(new Error(`An append was refused: ${refusal.kind}.`)),
      onBroken: reject,
      onSchemaUpdated() {},
    })
    for (let i = 0; i < batches.length && sent < perLane; i++) send()
  })
}

const starts: (() => Promise<void>)[] = []
for (const pair of task.topics) {
  const converter = await converterFor(task, bigQuery, pair)
  const slices = await slicesOf(fetcher, pair.topic, 0, BATCH_BYTES_MAX)
  for (let partition = 0; partition < task.partitions; partition++) {
    const batches = Array.from({ length: IN_FLIGHT }, () => frozen(slices, converter))
    starts.push(() => lane(pair.table, batches, converter))
  }
}
await fetcher.close()
await Promise.all(starts.map(start => start()))
await stay()
