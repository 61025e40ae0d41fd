// Rows about a source that is not what it was: truncated, made anew, deleted before it was read. Nothing of it is guessed: the
// partition is FAILED and says which offsets, or skips exactly those and leaves a record of it.
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { plainRecord, range } from '../../e2e/support/stage.ts'
import type { Ledger } from '../ledger.ts'
import type { Row } from '../row.ts'
import { PARTITIONS, type Scene } from '../scene.ts'
import { BROKERS } from '../stage.ts'

const LOST = 60

export const SOURCE_ROWS: readonly Row[] = [
  {
    id: '22',
    name: 'log truncated',
    how: 'a topic without replicas; its leader is killed, the folders of its partitions are removed, and it starts again',
    scene: { replicas: 1, transactions: false },
    endsInFailure: true,
    async run(scene) {
      const { stage } = scene
      await scene.untilDrained()
      const { topics } = await stage.admin.fetchTopicMetadata({ topics: [scene.topic] })
      const leader = topics[0]?.partitions.find(p => p.partitionId === 0)?.leader ?? 0
      const wiped = (topics[0]?.partitions ?? []).filter(p => p.leader === leader).map(p => p.partitionId)
      await stage.kafka.stopBroker(leader - 1, 'SIGKILL')
      for (const p of wiped)
        rmSync(join(stage.kafka.dataDir, `broker-${leader}`, 'log', `${scene.topic}-${p}`), { recursive: true })
      await stage.kafka.startBroker(leader - 1)
      const ends = await stage.until('the log begins anew', async () => {
        const found = await stage.endOffsets(scene.topic).catch(() => null)
        return found !== null && wiped.every(p => found.get(p) === 0n) ? found : null
      })
      scene.hit('logs that begin anew', wiped.filter(p => ends.get(p) === 0n).length)
      await scene.untilFailed(wiped, 'SOURCE_CHANGED')
    },
  },
  {
    id: '23',
    name: 'topic deleted and made anew',
    how: 'DeleteTopics, CreateTopics, and as many records as there were before',
    scene: { transactions: false, poison: false },
    endsInFailure: true,
    async run(scene) {
      const { stage } = scene
      await scene.untilDrained()
      const before = scene.flow.ledger.committed.size
      await stage.admin.deleteTopics({ topics: [scene.topic] })
      await stage.until('the topic is gone', async () =>
        (await stage.admin.listTopics()).includes(scene.topic) ? null : true,
      )
      await stage.createTopic(scene.topic, PARTITIONS, BROKERS)
      const producer = await stage.newProducer()
      const others = range(500_000, 500_000 + 2 * before)
      await producer.send({ topic: scene.topic, messages: others.map(id => plainRecord(id, id % PARTITIONS)) })
      await producer.disconnect()
      scene.hit('topics made anew')
      // A row of the other topic would be one that was never produced.
      await scene.untilFailed(range(0, PARTITIONS), 'SOURCE_CHANGED')
    },
  },
  {
    id: '24',
    name: 'retention passes the position',
    how: 'paused; records come and DeleteRecords moves the beginning of the log behind them, as retention does; resumed',
    scene: { transactions: false },
    endsInFailure: true,
    async run(scene) {
      const lost = await losePaused(scene)
      scene.hit('offsets deleted unread', lost.size)
      const failed = await scene.untilFailed(range(0, PARTITIONS), 'SOURCE_OFFSET_LOST')
      for (const p of failed) assert.match(p.trace ?? '', /\[\d+, \d+\)/, 'it says which offsets')
    },
  },
  {
    id: '24b',
    name: 'retention passes the position, offset.lost.policy=skip',
    how: 'as 24; the connector goes on behind the gap, which is audited',
    scene: { transactions: false, config: { 'offset.lost.policy': 'skip' } },
    async run(scene) {
      const lost = await losePaused(scene)
      scene.hit('offsets deleted unread', lost.size)
      // The checker compares them with the audited gaps.
      for (const [id, place] of lost) scene.flow.ledger.deleted.set(id, place)
      scene.flow.goOn()
      await scene.untilFresh()
    },
  },
]

/** Pauses, produces what nobody will read, deletes it, resumes; answers which ids were where. */
async function losePaused(scene: Scene): Promise<Ledger['deleted']> {
  const { stage } = scene
  await scene.untilDrained()
  assert.equal((await stage.rest('PUT', `/connectors/${scene.name}/pause`)).status, 202)
  await stage.until('all are paused', async () =>
    (await scene.partitions()).every(p => p.state === 'PAUSED') ? true : null,
  )
  const before = await stage.endOffsets(scene.topic)
  const producer = await stage.newProducer()
  const ids = range(500_000, 500_000 + LOST)
  await producer.send({ topic: scene.topic, messages: ids.map(id => plainRecord(id, id % PARTITIONS)) })
  await producer.disconnect()
  const after = await stage.endOffsets(scene.topic)
  await stage.admin.deleteTopicRecords({
    topic: scene.topic,
    partitions: [...after].map(([partition, offset]) => ({ partition, offset: String(offset) })),
  })
  assert.equal((await stage.rest('PUT', `/connectors/${scene.name}/resume`)).status, 202)
  const places = new Map<number, { readonly partition: number; readonly offset: bigint }>()
  for (const partition of range(0, PARTITIONS)) {
    const own = ids.filter(id => id % PARTITIONS === partition)
    const from = before.get(partition) ?? 0n
    assert.equal(after.get(partition), from + BigInt(own.length), 'nothing else came meanwhile')
    for (const [i, id] of own.entries()) places.set(id, { partition, offset: from + BigInt(i) })
  }
  return places
}
