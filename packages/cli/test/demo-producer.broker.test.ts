// The producer process against a real broker, read back by the adapter the workers use.
import assert from 'node:assert/strict'
import { randomBytes, randomInt } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { kafkaOffset, type Logger } from '@millrace/core'
import { Cluster, Fetcher } from '@millrace/kafka'
import { startKafka } from '@millrace/testkit'
import { BrokerWire } from '../src/demo/kafka-wire.ts'
import { layoutOf, PARTITIONS, partitionOf, TOPIC } from '../src/demo/layout.ts'
import { startProducer } from '../src/demo/producer.ts'

const RECORDS = 20_013
const DEADLINE_MS = 60_000

const silent: Logger = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {}, child: () => silent }

test('every flight is in the topic once, in its partition; aborted ones are not to be read; it goes no further than allowed', async () => {
  await using kafka = await startKafka()
  const signal = AbortSignal.timeout(DEADLINE_MS)
  const wire = await BrokerWire.open(kafka.bootstrapServers)
  await wire.createTopic(TOPIC, PARTITIONS)
  wire.close()
  const layout = layoutOf(RECORDS)

  const producer = startProducer(kafka.bootstrapServers, RECORDS, join(kafka.dataDir, 'producer'))
  producer.allow(5_000)
  while (producer.produced() < 5_000) await sleep(20, undefined, { signal })
  assert.ok(producer.produced() < 5_000 + layout.rowsPerRound, 'it waits at the round it was allowed to finish')
  producer.allow(RECORDS)
  await producer.ended
  assert.equal(producer.failure(), null)
  assert.equal(producer.produced(), RECORDS)
  assert.ok(producer.abortedRows() > 0)

  const colon = kafka.bootstrapServers.lastIndexOf(':')
  const cluster = new Cluster(
    {
      bootstrap: [
        { host: kafka.bootstrapServers.slice(0, colon), port: Number(kafka.bootstrapServers.slice(colon + 1)) },
      ],
      clientId: 'demo-test',
      ssl: null,
      sasl: null,
      connectTimeoutMs: 5_000,
      requestTimeoutMs: 10_000,
    },
    {
      clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
      timers: { sleep: (ms, options) => sleep(ms, undefined, options) },
      random: { nextUint32: () => randomInt(2 ** 32), nextId: () => randomBytes(12).toString('hex') },
      log: silent,
    },
  )
  const fetcher = new Fetcher(cluster)
  try {
    const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic: TOPIC, partition }))
    const ends = await fetcher.offsets(partitions, 'latest', { signal })
    const seen = new Uint8Array(RECORDS)
    for (const tp of partitions) {
      const reader = fetcher.open(tp, kafkaOffset(0))
      const end = ends.get(`${tp.topic}-${tp.partition}`) ?? 0n
      while (reader.nextKafkaOffset < end) {
        for (const slice of await reader.read({ signal })) {
          for (let i = 0; i < slice.count; i++) {
            const value = slice.bytes.toString('utf8', slice.valueStart[i], slice.valueEnd[i])
            const { id } = JSON.parse(value) as { id: number }
            assert.ok(id < RECORDS, `${id} was aborted`)
            assert.equal(partitionOf(layout, id), tp.partition)
            seen[id]! += 1
          }
        }
      }
      reader.close()
    }
    assert.ok(seen.every(count => count === 1))
  } finally {
    await fetcher[Symbol.asyncDispose]()
    await cluster.close()
  }
})
