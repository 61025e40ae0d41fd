import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TopicMetadata } from '../src/cluster.ts'
import { unsafeSetting } from '../src/topic-admin.ts'

const topic = (partitions: number, replicas: number): TopicMetadata => ({
  topic: 'j',
  isInternal: false,
  errorCode: 0,
  partitions: Array.from({ length: partitions }, (_, partition) => ({
    partition,
    leader: 1,
    replicas: Array.from({ length: replicas }, (_, r) => r),
    isr: [0],
  })),
})
const spec = (partitions: number, replicationFactor: number) => ({ partitions, replicationFactor, configs: {} })
const configs = (extra: Record<string, string> = {}): ReadonlyMap<string, string> =>
  new Map(
    Object.entries({
      'cleanup.policy': 'compact',
      'min.insync.replicas': '2',
      'unclean.leader.election.enable': 'false',
      ...extra,
    }),
  )

test('a topic that can keep the promise is accepted', () => {
  assert.equal(unsafeSetting(topic(25, 3), configs(), spec(25, 3)), null)
  assert.equal(unsafeSetting(topic(25, 5), configs(), spec(25, 3)), null)
  assert.equal(unsafeSetting(topic(25, 1), configs({ 'min.insync.replicas': '1' }), spec(25, 1)), null)
})

test('every setting that cannot keep it is named', () => {
  assert.match(unsafeSetting(topic(24, 3), configs(), spec(25, 3))!, /24 partitions, configured are 25/)
  assert.match(unsafeSetting(topic(25, 2), configs(), spec(25, 3))!, /replication factor 2, configured is 3/)
  assert.match(
    unsafeSetting(topic(25, 3), configs({ 'cleanup.policy': 'delete' }), spec(25, 3))!,
    /cleanup\.policy=delete/,
  )
  assert.match(
    unsafeSetting(topic(25, 3), configs({ 'cleanup.policy': 'compact,delete' }), spec(25, 3))!,
    /compact,delete/,
  )
  assert.match(
    unsafeSetting(topic(25, 3), configs({ 'min.insync.replicas': '1' }), spec(25, 3))!,
    /min\.insync\.replicas=1/,
  )
  assert.match(
    unsafeSetting(topic(25, 3), configs({ 'unclean.leader.election.enable': 'true' }), spec(25, 3))!,
    /unclean/,
  )
})
