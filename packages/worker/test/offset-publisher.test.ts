// What is published of a partition that is let go, and how long that may hold it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type GroupOffsets, kafkaOffset, type PartitionPosition } from '@millrace/core'
import { OffsetPublisher } from '../src/offset-publisher.ts'
import { QUIET, TP, World } from './support/world.ts'

const OTHER = { ...TP, partition: 7 }

/** A coordinator that answers nothing until it is back; the client asks it for as long as it is let. */
async function withoutCoordinator() {
  const { time } = await World.open()
  const sent: string[] = []
  const back = Promise.withResolvers<void>()
  let isAway = true
  const commit = async (
    _group: string,
    positions: readonly PartitionPosition[],
    { signal }: { signal: AbortSignal },
  ): Promise<void> => {
    signal.throwIfAborted()
    if (isAway) {
      const calledOff = Promise.withResolvers<never>()
      signal.addEventListener('abort', () => calledOff.reject(signal.reason), { once: true })
      await Promise.race([back.promise, calledOff.promise])
    }
    for (const { tp, nextKafkaOffset } of positions) sent.push(`${tp.partition}@${nextKafkaOffset}`)
  }
  const groupOffsets: GroupOffsets = {
    commit,
    committed: async () => new Map(),
    forget: async () => {},
    hasLiveMembers: async () => false,
  }
  const publisher = new OffsetPublisher({
    groupOffsets,
    clock: time,
    timers: time,
    logger: QUIET,
    offsetFlushMs: 60_000,
  })
  const returns = (): void => {
    isAway = false
    back.resolve()
  }
  return { publisher, sent, returns }
}

test('a partition is let go when its time is over, though another publishes and is not answered', async () => {
  const { publisher, sent, returns } = await withoutCoordinator()
  const life = new AbortController()
  publisher.note('g', TP, kafkaOffset(5))
  publisher.note('g', OTHER, kafkaOffset(9))
  const flush = publisher.publish({ signal: life.signal })
  await Promise.resolve()
  const over = new AbortController()
  const letGo = publisher.letGo('g', TP, { signal: over.signal })
  over.abort(new Error('too long'))
  await letGo
  returns()
  await flush
  await publisher.publish({ signal: life.signal })
  assert.deepEqual(sent, ['7@9'], 'nothing of what was let go; the other partition is not forgotten')
})

test('what is dropped while its commit is under way is not tried again', async () => {
  const { publisher, sent, returns } = await withoutCoordinator()
  const life = new AbortController()
  publisher.note('g', TP, kafkaOffset(5))
  const flush = publisher.publish({ signal: life.signal })
  await Promise.resolve()
  publisher.drop('g', TP)
  await flush
  returns()
  await publisher.publish({ signal: life.signal })
  assert.deepEqual(sent, [])
})
