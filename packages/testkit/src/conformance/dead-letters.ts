// What every DeadLetters must do. Run on the twin and on a real broker.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type DeadLetter, type DeadLetterQueue, type DeadLetters, type KafkaOffset, kafkaOffset } from '@millrace/core'

export type DeadLettersSubject = AsyncDisposable & {
  readonly deadLetters: DeadLetters
  /** A queue whose topic does not exist yet. */
  freshQueue(): DeadLetterQueue
}

const WAIT_MAX_MS = 20_000

export const letterAt = (topic: string, partition: number, offset: number): DeadLetter => ({
  tp: { topic, partition },
  kafkaOffset: kafkaOffset(offset),
  record: {
    key: Buffer.from(`k${offset}`),
    value: Buffer.from(`v${offset}`),
    headers: [
      { key: 'h', value: null },
      { key: 'h', value: Buffer.from([0, 255]) },
    ],
    timestampMs: 1_000 + offset,
  },
  error: {
    stage: 'VALUE_CONVERTER',
    exceptionClass: 'org.apache.kafka.connect.errors.DataException',
    message: 'not JSON',
  },
})

export function describeDeadLetters(name: string, open: () => Promise<DeadLettersSubject>): void {
  const check = (title: string, body: (subject: DeadLettersSubject, signal: AbortSignal) => Promise<void>): void => {
    test(title, async () => {
      await using subject = await open()
      await body(subject, AbortSignal.timeout(WAIT_MAX_MS))
    })
  }
  const offsets = (...ns: number[]): KafkaOffset[] => ns.map(n => kafkaOffset(n))

  describe(`${name}: dead letters`, () => {
    check('a topic is created when it is missing, and creating it again changes nothing', async (subject, signal) => {
      const queue = subject.freshQueue()
      await subject.deadLetters.ensureTopic(queue, { signal })
      await subject.deadLetters.ensureTopic(queue, { signal })
      await subject.deadLetters.produce(queue, [letterAt('t', 0, 1)], { signal })
    })

    check('letters are found by topic, partition and offset, and only those asked for', async (subject, signal) => {
      const queue = subject.freshQueue()
      await subject.deadLetters.ensureTopic(queue, { signal })
      const letters = [letterAt('t', 0, 1), letterAt('t', 0, 5), letterAt('t', 1, 7), letterAt('u', 0, 7)]
      await subject.deadLetters.produce(queue, letters, { signal })
      const find = (topic: string, partition: number, ...ns: number[]): Promise<ReadonlySet<KafkaOffset>> =>
        subject.deadLetters.find(queue, { topic, partition }, offsets(...ns), { signal })
      assert.deepEqual([...(await find('t', 0, 1, 2, 5, 7))].sort(), offsets(1, 5))
      assert.deepEqual([...(await find('t', 1, 1, 5, 7))], offsets(7))
      assert.deepEqual([...(await find('t', 0))], [])
      assert.deepEqual([...(await find('v', 0, 1))], [])
    })

    check('a letter whose record is gone is still found', async (subject, signal) => {
      const queue = subject.freshQueue()
      await subject.deadLetters.ensureTopic(queue, { signal })
      await subject.deadLetters.produce(queue, [{ ...letterAt('t', 0, 3), record: null }], { signal })
      const found = await subject.deadLetters.find(queue, { topic: 't', partition: 0 }, offsets(3), { signal })
      assert.deepEqual([...found], offsets(3))
    })

    check(
      'without a topic nothing is found, and a produce is DEAD_LETTER_FAILED, to be retried',
      async (subject, signal) => {
        const queue = subject.freshQueue()
        const tp = { topic: 't', partition: 0 }
        assert.equal((await subject.deadLetters.find(queue, tp, offsets(1), { signal })).size, 0)
        await assert.rejects(subject.deadLetters.produce(queue, [letterAt('t', 0, 1)], { signal }), {
          code: 'DEAD_LETTER_FAILED',
          disposition: 'retry',
        })
      },
    )
  })
}
