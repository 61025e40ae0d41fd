// What every GroupOffsets must do. Run on the twin and on a real broker.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type GroupOffsets, kafkaOffset, type TopicPartition } from '@millrace/core'

export type GroupOffsetsSubject = AsyncDisposable & {
  readonly offsets: GroupOffsets
  /** A fresh topic with two partitions, and a fresh group name. */
  fresh(): Promise<{ topic: string; group: string }>
  /** Another sink joins the group; it leaves when disposed. */
  join(group: string, topic: string): Promise<AsyncDisposable>
}

const WAIT_MAX_MS = 40_000

export function describeGroupOffsets(name: string, open: () => Promise<GroupOffsetsSubject>): void {
  const check = (title: string, body: (subject: GroupOffsetsSubject, signal: AbortSignal) => Promise<void>): void => {
    test(title, async () => {
      await using subject = await open()
      await body(subject, AbortSignal.timeout(WAIT_MAX_MS))
    })
  }
  const both = (topic: string): TopicPartition[] => [0, 1].map(partition => ({ topic, partition }))

  describe(`${name}: group offsets`, () => {
    check('a group that nobody committed for has no offsets and no members', async (subject, signal) => {
      const { topic, group } = await subject.fresh()
      assert.deepEqual([...(await subject.offsets.committed(group, both(topic), { signal }))], [])
      assert.equal(await subject.offsets.hasLiveMembers(group, { signal }), false)
    })

    check('what was committed is read, per partition, and may go back', async (subject, signal) => {
      const { topic, group } = await subject.fresh()
      const [zero, one] = both(topic) as [TopicPartition, TopicPartition]
      const big = kafkaOffset(2n ** 53n + 1n)
      await subject.offsets.commit(group, [{ tp: zero, nextKafkaOffset: big }], { signal })
      assert.deepEqual([...(await subject.offsets.committed(group, [zero, one], { signal }))], [[`${topic}-0`, big]])
      await subject.offsets.commit(
        group,
        both(topic).map(tp => ({ tp, nextKafkaOffset: kafkaOffset(4) })),
        { signal },
      )
      const after = await subject.offsets.committed(group, [zero, one], { signal })
      assert.deepEqual([after.get(`${topic}-0`), after.get(`${topic}-1`)], [4n, 4n])
      assert.equal(await subject.offsets.hasLiveMembers(group, { signal }), false)
    })

    check(
      'a forgotten offset is gone, its neighbour stays, and forgetting again changes nothing',
      async (subject, signal) => {
        const { topic, group } = await subject.fresh()
        const [zero, one] = both(topic) as [TopicPartition, TopicPartition]
        await subject.offsets.forget(group, [zero], { signal })
        await subject.offsets.commit(
          group,
          both(topic).map(tp => ({ tp, nextKafkaOffset: kafkaOffset(4) })),
          { signal },
        )
        for (let time = 0; time < 2; time++) {
          await subject.offsets.forget(group, [zero], { signal })
          assert.deepEqual([...(await subject.offsets.committed(group, [zero, one], { signal }))], [[`${topic}-1`, 4n]])
        }
        await subject.offsets.forget(group, [zero, one], { signal })
        assert.equal((await subject.offsets.committed(group, [zero, one], { signal })).size, 0)
      },
    )

    check('an empty commit and an empty question are answered', async (subject, signal) => {
      const { group } = await subject.fresh()
      await subject.offsets.commit(group, [], { signal })
      await subject.offsets.forget(group, [], { signal })
      assert.equal((await subject.offsets.committed(group, [], { signal })).size, 0)
    })

    check('a group with live members refuses a commit with GROUP_IN_USE, until they leave', async (subject, signal) => {
      const { topic, group } = await subject.fresh()
      const positions = [{ tp: { topic, partition: 0 }, nextKafkaOffset: kafkaOffset(1) }]
      {
        await using _member = await subject.join(group, topic)
        assert.equal(await subject.offsets.hasLiveMembers(group, { signal }), true)
        await assert.rejects(subject.offsets.commit(group, positions, { signal }), { code: 'GROUP_IN_USE' })
        const forgetting = subject.offsets.forget(group, [{ topic, partition: 0 }], { signal })
        await assert.rejects(forgetting, { code: 'GROUP_IN_USE' })
      }
      assert.equal(await subject.offsets.hasLiveMembers(group, { signal }), false)
      await subject.offsets.commit(group, positions, { signal })
    })
  })
}
