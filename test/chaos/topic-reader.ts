// What a read_committed reader finds in a topic: the answer to what a producer was not told. An end mark in each partition, a
// tombstone and so nothing to a sink, says when everything before it was read.
import { type EachMessagePayload, Kafka, logLevel } from 'kafkajs'
import type { Stage } from '../e2e/support/stage.ts'

const MARK = 'the end'

/** Ids of the records of a topic nobody produces to any more, with how many there are of each. */
export async function idsInTopic(stage: Stage, topic: string): Promise<ReadonlyMap<number, number>> {
  const partitions = (await stage.endOffsets(topic)).size
  const marks = Array.from({ length: partitions }, (_, partition) => ({ key: MARK, value: null, partition }))
  const producer = await stage.newProducer()
  await producer.send({ topic, messages: marks })
  await producer.disconnect()

  const ids = new Map<number, number>()
  const ended = new Set<number>()
  await using _reader = await read(stage, topic, ({ partition, message }) => {
    if (String(message.key) === MARK) ended.add(partition)
    else {
      const id = Number(String(message.key).slice(1))
      ids.set(id, (ids.get(id) ?? 0) + 1)
    }
  })
  await stage.until(`${topic} is read to its end`, () => (ended.size === partitions ? true : null))
  return ids
}

/** How many records a reader gets of a topic with one partition and no transactions, from its beginning to its end. */
export async function countRecords(stage: Stage, topic: string): Promise<number> {
  const end = (await stage.endOffsets(topic)).get(0) ?? 0n
  let [count, next] = [0, 0n]
  await using _reader = await read(stage, topic, ({ message }) => {
    count++
    next = BigInt(message.offset) + 1n
  })
  await stage.until(`${topic} is read to its end`, () => (next >= end ? true : null))
  return count
}

/** Sum of the end offsets of all partitions: records, where nothing was deleted and no transaction was; 0 while there is no topic. */
export async function countOffsets(stage: Stage, topic: string): Promise<number> {
  const ends = await stage.endOffsets(topic).catch(() => new Map<number, bigint>())
  return Number([...ends.values()].reduce((sum, end) => sum + end, 0n))
}

async function read(
  stage: Stage,
  topic: string,
  onMessage: (payload: EachMessagePayload) => void,
): Promise<AsyncDisposable> {
  const client = new Kafka({ brokers: stage.kafka.bootstrapServers.split(','), logLevel: logLevel.NOTHING })
  const consumer = client.consumer({ groupId: stage.unique('reader'), readUncommitted: false })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ eachMessage: async payload => onMessage(payload) })
  return { [Symbol.asyncDispose]: () => consumer.disconnect() }
}
