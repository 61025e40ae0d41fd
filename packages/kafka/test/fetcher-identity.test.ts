// Whether a log that was out of sight is still the same one (F5): a partition in memory, whose leader goes away and comes back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMillraceError, kafkaOffset, type PartitionReader } from '@millrace/core'
import { Fetcher } from '../src/fetcher.ts'
import { clusterOf, LogInMemory, TP } from './log-in-memory.ts'
import { until, within } from './support.ts'

const fetcherOf = (log: LogInMemory): Fetcher => new Fetcher(clusterOf(log))

async function values(reader: PartitionReader, count: number): Promise<readonly string[]> {
  const found: string[] = []
  while (found.length < count)
    for (const slice of await reader.read(within(5_000)))
      for (let i = 0; i < slice.count; i++)
        found.push(slice.bytes.toString('utf8', slice.valueStart[i], slice.valueEnd[i]))
  return found
}

/** Five records of two batches are read; then the leader is away while `change` happens to the log. */
async function readThenAway(log: LogInMemory, reader: PartitionReader, change: () => void): Promise<void> {
  assert.deepEqual(await values(reader, 5), ['a', 'b', 'c', 'd', 'e'])
  log.isAway = true
  const before = log.requests.length
  await until(() => log.requests.length > before + 2)
  change()
  log.isAway = false
}
function logOfFive(): LogInMemory {
  const log = new LogInMemory()
  log.append('a', 'b', 'c')
  log.append('d', 'e')
  return log
}
const refused = async (reader: PartitionReader, code: string): Promise<void> =>
  await assert.rejects(reader.read(within(5_000)), error => isMillraceError(error) && error.code === code)

test('H16 a log cut off while its leader was away, and longer than before when it is back, is SOURCE_CHANGED', async () => {
  for (const end of [0n, 3n]) {
    const log = logOfFive()
    await using fetcher = fetcherOf(log)
    const reader = fetcher.open(TP, kafkaOffset(0))
    await readThenAway(log, reader, () => {
      log.truncate(end)
      log.append('x', 'y', 'z', 'u', 'v', 'w')
    })
    await refused(reader, 'SOURCE_CHANGED')
    assert.equal(reader.nextKafkaOffset, 5n)
  }
})

test('H16 with as many records as before it is noticed too, before another one comes', async () => {
  const log = logOfFive()
  await using fetcher = fetcherOf(log)
  const reader = fetcher.open(TP, kafkaOffset(0))
  await readThenAway(log, reader, () => {
    log.truncate(3n)
    log.append('d', 'x')
  })
  await refused(reader, 'SOURCE_CHANGED')
})

test('the same log goes on where it was, whatever came meanwhile', async () => {
  for (const more of [[], ['f'], ['f', 'g']]) {
    const log = logOfFive()
    await using fetcher = fetcherOf(log)
    const reader = fetcher.open(TP, kafkaOffset(0))
    await readThenAway(log, reader, () => {
      for (const value of more) log.append(value)
    })
    const back = log.requests.length
    await until(() => log.requests.length > back + 4)
    log.append('last')
    assert.deepEqual(await values(reader, more.length + 1), [...more, 'last'])
    assert.ok(log.requests.includes(4n), 'the last batch was looked for')
  }
})

test('H18 a hole of 10^6 offsets is no other log, and is passed at once', async () => {
  const log = logOfFive()
  await using fetcher = fetcherOf(log)
  const reader = fetcher.open(TP, kafkaOffset(0))
  await readThenAway(log, reader, () => {
    log.hole(1_000_000n)
    log.append('f')
  })
  assert.deepEqual(await values(reader, 1), ['f'])
  log.hole(1_000_000n)
  log.append('g')
  assert.deepEqual(await values(reader, 1), ['g'])
  assert.equal(reader.nextKafkaOffset, 2_000_007n)
})

test('a last batch that compaction or retention took is no change of the source', async () => {
  const changes: readonly ((log: LogInMemory) => void)[] = [
    log => {
      log.batches = []
    },
    log => log.deleteBefore(5n),
  ]
  for (const change of changes) {
    const log = logOfFive()
    await using fetcher = fetcherOf(log)
    const reader = fetcher.open(TP, kafkaOffset(0))
    await readThenAway(log, reader, () => change(log))
    const back = log.requests.length
    await until(() => log.requests.length > back + 4)
    log.append('f')
    assert.deepEqual(await values(reader, 1), ['f'])
  }
})

test('H16 a log that ends before its last batch, or right at its beginning or within it, is out of range: nothing waits for ever', async () => {
  for (const end of [0n, 3n, 4n]) {
    const log = logOfFive()
    await using fetcher = fetcherOf(log)
    const reader = fetcher.open(TP, kafkaOffset(0))
    await readThenAway(log, reader, () => log.truncate(end))
    await refused(reader, 'SOURCE_OFFSET_LOST')
  }
})
