// Rows about a source that is not what it was: truncated, made anew, deleted before it was read. Nothing of it is guessed: the
// partition is FAILED and says which offsets, or skips exactly those and leaves a record of it.
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { plainRecord, range, sqlName } from '../../e2e/support/stage.ts'
import type { Row } from '../row.ts'
import { PARTITIONS, type Scene } from '../scene.ts'
import { BROKERS, GROUP } from '../stage.ts'

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
      await assertRowsOnce(scene)
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
      await scene.untilFailed(range(0, PARTITIONS), 'SOURCE_CHANGED')
      const [row] = await stage.sql(`SELECT COUNT(*) FROM ${sqlName(scene.table)} WHERE id >= 500000`)
      assert.equal(Number(row?.[0]), 0, 'no row of the other topic')
      await assertRowsOnce(scene)
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
      scene.hit('offsets deleted unread', lost)
      const failed = await scene.untilFailed(range(0, PARTITIONS), 'SOURCE_OFFSET_LOST')
      for (const p of failed) assert.match(p.trace ?? '', /\[\d+, \d+\)/, 'it says which offsets')
      await assertRowsOnce(scene)
    },
  },
  {
    id: '24b',
    name: 'retention passes the position, offset.lost.policy=skip',
    how: 'as 24; the connector goes on behind the gap, which is audited',
    scene: { transactions: false, config: { 'offset.lost.policy': 'skip' } },
    async run(scene) {
      const lost = await losePaused(scene)
      scene.hit('offsets deleted unread', lost)
      scene.flow.goOn()
      await scene.untilFresh()
      assert.equal(await auditedOffsets(scene), lost, 'every lost offset is audited, and no other')
    },
  },
]

/** Pauses, produces what nobody will read, deletes it, resumes; answers how many offsets were lost. They are in no ledger. */
async function losePaused(scene: Scene): Promise<number> {
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
  return [...after].reduce((sum, [p, end]) => sum + Number(end - (before.get(p) ?? 0n)), 0)
}

type Gap = { readonly kind: string; readonly id: string; readonly from: string | number; readonly to: string | number }

/** How many offsets of the connector the audit topic calls lost; a gap audited again after a crash has the same id. */
async function auditedOffsets({ stage, name }: Scene): Promise<number> {
  const audit = `${GROUP}-audit`
  const count = Number((await stage.endOffsets(audit)).get(0))
  const records = await stage.consume(audit, count)
  const gaps = records
    .filter(({ key }) => String(key) === name)
    .map(({ value }) => JSON.parse(String(value)) as Gap)
    .filter(({ kind }) => kind === 'offsetsLost')
  const sizes = new Map(gaps.map(({ id, from, to }) => [id, Number(to) - Number(from)]))
  return [...sizes.values()].reduce((sum, size) => sum + size, 0)
}

/** What was delivered before is there, each once. */
async function assertRowsOnce({ stage, table, flow }: Scene): Promise<void> {
  const [row] = await stage.sql(`SELECT COUNT(*), COUNT(DISTINCT id) FROM ${sqlName(table)}`)
  const committed = flow.ledger.committed.size
  assert.deepEqual([Number(row?.[0]), Number(row?.[1])], [committed, committed])
}
