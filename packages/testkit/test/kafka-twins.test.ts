// The twins of the Kafka ports pass the suites their adapters pass.
import type { SourceRecord } from '../src/index.ts'
import {
  DeadLettersTwin,
  describeDeadLetters,
  describeGroupOffsets,
  describeJournalLog,
  describeRecordSource,
  GroupOffsetsTwin,
  JournalTwin,
  SourceTopicsTwin,
} from '../src/index.ts'

const nothing = async (): Promise<void> => undefined

describeRecordSource('twin', async () => {
  const twin = new SourceTopicsTwin()
  let topics = 0
  const put = (tp: { topic: string; partition: number }, records: readonly SourceRecord[]): void => {
    for (const { header, ...record } of records)
      twin.append(tp, {
        ...record,
        headers: header === undefined ? [] : [{ key: header[0], value: Buffer.from(header[1]) }],
      })
  }
  return {
    source: twin,
    catalog: twin,
    createTopic: async partitions => {
      const topic = `topic-${topics++}`
      twin.createTopic(topic, partitions)
      return topic
    },
    append: async (tp, records) => put(tp, records),
    transaction: async (tp, records, outcome) => {
      twin.beginTransaction(tp)
      put(tp, records)
      if (outcome === 'open') return
      if (outcome === 'commit') twin.commitTransaction(tp)
      else twin.abortTransaction(tp)
    },
    deleteBefore: async (tp, offset) => twin.deleteBefore(tp, offset),
    [Symbol.asyncDispose]: nothing,
  }
})

describeJournalLog('twin', async () => {
  const journal = new JournalTwin()
  return { client: async () => journal.client(), [Symbol.asyncDispose]: nothing }
})

describeGroupOffsets('twin', async () => {
  const offsets = new GroupOffsetsTwin()
  let count = 0
  return {
    offsets,
    fresh: async () => ({ topic: `topic-${count}`, group: `group-${count++}` }),
    join: async group => {
      offsets.setLiveMembers(group, true)
      return { [Symbol.asyncDispose]: async () => offsets.setLiveMembers(group, false) }
    },
    [Symbol.asyncDispose]: nothing,
  }
})

describeDeadLetters('twin', async () => {
  let count = 0
  return {
    deadLetters: new DeadLettersTwin(),
    freshQueue: () => ({
      topic: `dlq-${count++}`,
      connector: 'c',
      taskId: 0,
      contextHeaders: true,
      replicationFactor: 1,
    }),
    [Symbol.asyncDispose]: nothing,
  }
})
