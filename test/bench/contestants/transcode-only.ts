// A ceiling: the worker's converter over fetched records that lie in memory, again and again, into batches that nobody sends.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { RowBuffer, type ValueConverter } from '@millrace/convert'
import type { RecordSlice } from '@millrace/core'
import { converterFor, openFetcher, openStorage, slicesOf, stay } from './our-parts.ts'
import { RowCount } from './row-count.ts'
import { programTask } from './task.ts'

/** More than a processor's caches hold. */
const INPUT_BYTES = 64 * 1024 * 1024
const BATCH_BYTES = 2_000_000
const TURN_ROWS = 5_000

const task = programTask()
const fetcher = openFetcher(task)
const bigQuery = await openStorage(task)
const bytesPerPartition = INPUT_BYTES / (task.topics.length * task.partitions)
const work: { readonly slice: RecordSlice; readonly converter: ValueConverter }[] = []
for (const pair of task.topics) {
  const converter = await converterFor(task, bigQuery, pair)
  for (let partition = 0; partition < task.partitions; partition++)
    for (const slice of await slicesOf(fetcher, pair.topic, partition, bytesPerPartition))
      work.push({ slice, converter })
}
await fetcher.close()

const count = new RowCount(task.countFile)
const rows = new RowBuffer()
function convert(slice: RecordSlice, converter: ValueConverter): void {
  const { bytes, valueStart, valueEnd } = slice
  for (let i = 0; i < slice.count; i++) {
    if (rows.byteLength >= BATCH_BYTES) rows.recycle(rows.freeze().bytes)
    if (converter.keeps(slice, i) && converter.encode(bytes, valueStart[i]!, valueEnd[i]!, rows) < 0)
      throw new Error(`A record does not convert: ${converter.lastError.message}`)
  }
  count.add(slice.count)
}

for (let next = 0, turnRows = 0; count.total < task.records; next++) {
  const { slice, converter } = work[next % work.length]!
  convert(slice, converter)
  turnRows += slice.count
  if (turnRows < TURN_ROWS) continue
  turnRows = 0
  await nextTurn()
}
count.close()
await stay()
