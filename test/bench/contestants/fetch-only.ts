// A ceiling: reads all partitions with our fetcher, and counts.
import { kafkaOffset } from '@millrace/core'
import { openFetcher, stay } from './our-parts.ts'
import { RowCount } from './row-count.ts'
import { programTask } from './task.ts'

const task = programTask()
const fetcher = openFetcher(task)
const count = new RowCount(task.countFile)
const done = new AbortController()

/** Again from the beginning when it is at the end, until all together are done. */
async function read(topic: string, partition: number): Promise<void> {
  while (!done.signal.aborted) {
    const reader = fetcher.open({ topic, partition }, kafkaOffset(0n))
    do for (const slice of await reader.read({ signal: done.signal })) count.add(slice.count)
    while (reader.nextKafkaOffset < (reader.endKafkaOffset ?? 0n) && count.total < task.records)
    reader.close()
    if (count.total >= task.records) done.abort()
  }
}

const readers = task.topics.flatMap(({ topic }) =>
  Array.from({ length: task.partitions }, (_, partition) => read(topic, partition)),
)
await Promise.all(readers).catch(error => {
  if (!done.signal.aborted) throw error
})
count.close()
await stay()
