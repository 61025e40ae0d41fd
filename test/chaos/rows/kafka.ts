// Rows about Kafka: brokers that die, journals that cannot be written, answers that are lost, topics that change under a reader.
import assert from 'node:assert/strict'
import { KAFKA_API, kafkaApiKey } from '@millrace/testkit'
import { plainRecord, range } from '../../e2e/support/stage.ts'
import type { Row } from '../row.ts'
import { PARTITIONS } from '../scene.ts'
import { BROKERS, type ChaosStage, GROUP } from '../stage.ts'
import { countRecords } from '../topic-reader.ts'
import { setTopic } from '../topic-settings.ts'

/** The matrix says 30 s for a broker; a busy machine needs the same again. */
const PAUSE_MS_MAX = 60_000
const HOLE_ROWS = 1_000_000
const HOLE_ROWS_SCALED = 200_000
const BULK = 20_000

export const KAFKA_ROWS: readonly Row[] = [
  {
    id: '18',
    name: 'broker that leads is killed',
    how: 'kill -9 on the leader of a partition of the source; it starts again later',
    async run(scene) {
      const { stage } = scene
      const leader = (await leaders(stage, scene.topic)).get(0)
      assert.ok(leader !== undefined)
      const since = performance.now()
      await stage.kafka.stopBroker(leader - 1, 'SIGKILL')
      const delays = await scene.delays(since)
      assert.ok(Math.max(...delays.values()) < PAUSE_MS_MAX, `partitions paused for ${[...delays.values()]} ms`)
      const moved = [...(await leaders(stage, scene.topic)).values()].filter(id => id !== leader).length
      scene.hit('brokers killed')
      assert.equal(moved, PARTITIONS, 'no partition is led by it any more')
      scene.recoveryMs = Math.max(...delays.values())
      await stage.kafka.startBroker(leader - 1)
    },
  },
  {
    id: '19',
    name: 'all brokers down for 5 min and back',
    how: 'kill -9 on all three, all start again',
    scaled: '15 s',
    scene: { transactions: false },
    async run(scene) {
      const { stage } = scene
      const pids = stage.seats.map(seat => seat.pid)
      for (let broker = 0; broker < BROKERS; broker++) await stage.kafka.stopBroker(broker, 'SIGKILL')
      scene.hit('brokers killed', BROKERS)
      await scene.sleep(scene.lasting(300_000, 15_000))
      const back = performance.now()
      await Promise.all(range(0, BROKERS).map(broker => stage.kafka.startBroker(broker)))
      await scene.untilRecovered(back)
      assert.deepEqual(
        stage.running.map(seat => seat.pid),
        pids,
        'no worker was started anew',
      )
    },
  },
  {
    id: '20',
    name: 'too few in-sync replicas for the journal',
    how: 'the journal asks for three replicas and one broker is killed: NOT_ENOUGH_REPLICAS',
    async run(scene) {
      const { stage } = scene
      const journal = `${GROUP}-journal`
      await setTopic(stage, journal, { 'min.insync.replicas': '3' })
      await stage.kafka.stopBroker(BROKERS - 1, 'SIGKILL')
      try {
        // Records go on arriving in the topic, and no row follows: first the intent, then the append.
        await stage.until('rows stop', async () => {
          const before = await stage.countRows(scene.table)
          const sent = scene.flow.ledger.committed.size
          await scene.sleep(2_000)
          const isStill = (await stage.countRows(scene.table)) === before
          return isStill && scene.flow.ledger.committed.size > sent ? true : null
        })
        scene.hit('seconds without an append while records came', 2)
        const standing = await stage.countRows(scene.table)
        await scene.sleep(5_000)
        assert.equal(await stage.countRows(scene.table), standing, 'nothing is appended that is not in the journal')
        scene.hit('seconds without an append while records came', 5)
      } finally {
        await setTopic(stage, journal, { 'min.insync.replicas': '2' })
      }
      const back = performance.now()
      await scene.untilRecovered(back)
      await stage.kafka.startBroker(BROKERS - 1)
    },
  },
  {
    id: '20b',
    name: 'two of three brokers killed',
    how: 'kill -9 on two: no quorum of controllers, no in-sync replicas; both start again',
    scaled: '10 s',
    scene: { transactions: false },
    async run(scene) {
      const { stage } = scene
      for (const broker of [1, 2]) await stage.kafka.stopBroker(broker, 'SIGKILL')
      scene.hit('brokers killed', 2)
      await scene.sleep(scene.lasting(60_000, 10_000))
      const back = performance.now()
      await Promise.all([1, 2].map(broker => stage.kafka.startBroker(broker)))
      await scene.untilRecovered(back)
    },
  },
  {
    id: '21',
    name: 'the answer to a produce to the journal is lost',
    how: 'the proxies cut connections after they passed on a produce request to the journal, every fifth',
    async run(scene) {
      const { stage } = scene
      const journal = `${GROUP}-journal`
      let [seen, cut] = [0, 0]
      for (const seat of stage.seats)
        for (const link of seat.links.kafka)
          link.fate = request => {
            const isJournal = kafkaApiKey(request) === KAFKA_API.PRODUCE && request.includes(journal)
            if (!isJournal || ++seen % 5 !== 0) return 'pass'
            cut++
            return 'cutAnswer'
          }
      const since = performance.now()
      while (performance.now() - since < 8_000) await scene.untilFresh()
      // A takeover, too, writes to the journal: Claim, Settled, Open.
      const seat = await scene.victim()
      const owned = await scene.owned(seat)
      const killed = performance.now()
      await seat.kill()
      await scene.untilTakenOver(killed, owned)
      scene.hit('answers cut', cut)
    },
  },
  {
    id: '25',
    name: 'partitions 3 → 12 while it runs',
    how: 'the topic is given more partitions, and records go to all of them',
    scene: { partitions: 3 },
    async run(scene) {
      const { stage } = scene
      await stage.admin.createPartitions({ topicPartitions: [{ topic: scene.topic, count: 12 }] })
      await stage.until('the new partitions have leaders', async () =>
        [...(await leaders(stage, scene.topic)).values()].filter(leader => leader > 0).length === 12 ? true : null,
      )
      // Before the workers can know: partitions that appear are read from their beginning.
      const early = range(-90, 0)
      const producer = await stage.newProducer()
      await producer.send({ topic: scene.topic, messages: early.map((id, i) => plainRecord(id, 3 + (i % 9))) })
      await producer.disconnect()
      // The brokers hear of new partitions one after the other, and a leader of its high watermark a moment later.
      await stage.until('each new partition has its records', async () => {
        const ends = await stage.endOffsets(scene.topic)
        return range(3, 12).every(p => ends.get(p) === 10n) ? true : null
      })
      scene.flow.ledger.acknowledged(early)
      await stage.untilRunning(scene.name, 12)
      scene.hit('partitions that appeared', 9)
    },
  },
  {
    id: '26',
    name: 'compacted topic with a large hole',
    how: 'records of one key, compacted away between two others',
    scaled: `${HOLE_ROWS_SCALED} offsets; --full: ${HOLE_ROWS}`,
    async run(scene) {
      const { stage } = scene
      const topic = `${scene.name}_compacted`
      await stage.createTopic(topic, 1, BROKERS)
      await setTopic(stage, topic, {
        'cleanup.policy': 'compact',
        'segment.ms': '500',
        'min.cleanable.dirty.ratio': '0.01',
        'min.compaction.lag.ms': '0',
        'max.compaction.lag.ms': '500',
      })
      const producer = await stage.newProducer()
      const send = (ids: readonly number[], key?: string): Promise<unknown> =>
        producer.send({
          topic,
          messages: ids.map(id => ({ ...plainRecord(id, 0), ...(key === undefined ? {} : { key }) })),
        })
      await send(range(0, 10))
      const hole = scene.isFull ? HOLE_ROWS : HOLE_ROWS_SCALED
      for (let from = 0; from < hole; from += BULK) await send(new Array(BULK).fill(10), 'same')
      const kept = await stage.until(
        'the log is compacted',
        async () => {
          await send([10], 'same') // a segment is closed by the next record
          await scene.sleep(1_000)
          const first = await countRecords(stage, topic)
          return first < hole / 2 ? first : null
        },
        PAUSE_MS_MAX,
      )
      await send(range(11, 20))
      const end = Number((await stage.endOffsets(topic)).get(0))
      await producer.disconnect()
      scene.hit('offsets of the hole', end - kept)
      const name = `${scene.name}_holes`
      await stage.createTable(topic)
      await stage.createConnector(name, {
        ...((await stage.rest('GET', `/connectors/${scene.name}/config`)).body as Record<string, string>),
        name,
        topics: topic,
      })
      await stage.until('the last record has its row', async () => {
        const rows = await stage.sql(`SELECT DISTINCT id FROM \`p.d.${topic}\` ORDER BY id`)
        return rows.length === 20 ? true : null
      })
      for (const id of [...range(0, 10), ...range(11, 20)]) {
        const [row] = await stage.sql(`SELECT COUNT(*) FROM \`p.d.${topic}\` WHERE id = ${id}`)
        assert.equal(Number(row?.[0]), 1, `one row of id ${id}`)
      }
      await stage.until('it stands at the end of the log', async () => {
        const [p] = await stage.partitions(name)
        return p?.next_offset === end && p.lag === 0 ? true : null
      })
    },
  },
  {
    id: '27',
    name: 'a transaction that nobody ends',
    how: 'a producer leaves its transaction open; the broker aborts it when its time is over. Beside it transactions with nothing in them, and aborted ones, go on',
    async run(scene) {
      const { stage } = scene
      const openMs = 8_000
      const producer = await stage.newProducer({
        transactionalId: stage.unique('hanging'),
        transactionTimeout: openMs,
        retry: { retries: 1 },
      })
      const transaction = await producer.transaction()
      const lost = scene.flow.ledger.take('aborted', 5)
      await transaction.send({ topic: scene.topic, messages: lost.map(id => plainRecord(id, 0)) })
      scene.flow.ledger.acknowledged(lost)
      const since = performance.now()
      // Nothing behind it is stable before it is over.
      await stage.until('partition 0 stands still', async () => {
        const [before] = [(await scene.newest(0)).get(0)]
        await scene.sleep(1_500)
        return (await scene.newest(0)).get(0) === before ? true : null
      })
      scene.hit('stable offsets held back')
      const others = range(1, PARTITIONS)
      await scene.untilFresh(others)
      const delays = await scene.delays(since, [0])
      scene.recoveryMs = delays.get(0) ?? null
      assert.ok((delays.get(0) ?? 0) > 1_500, 'partition 0 waited')
      await producer.disconnect().catch(() => {})
    },
  },
  {
    id: '28',
    name: 'fetches that are late, cut, or never answered',
    how: 'the proxies hold back the answers to some fetches for good, cut others, and delay everything by up to 200 ms',
    async run(scene) {
      const { stage } = scene
      let [seen, stuck, cut] = [0, 0, 0]
      for (const seat of stage.seats)
        for (const link of seat.links.kafka) {
          link.set({ down: { latencyMs: 20, jitterMs: 180 } })
          link.fate = request => {
            if (kafkaApiKey(request) !== KAFKA_API.FETCH || !request.includes(scene.topic)) return 'pass'
            seen++
            if (seen % 40 === 0 && stuck < 3) {
              stuck++
              return 'holdAnswer'
            }
            if (seen % 15 !== 0) return 'pass'
            cut++
            return 'cutAnswer'
          }
        }
      const since = performance.now()
      while (performance.now() - since < 15_000) await scene.untilFresh()
      scene.hit('fetches never answered', stuck)
      scene.hit('answers cut', cut)
    },
  },
]

async function leaders(stage: ChaosStage, topic: string): Promise<ReadonlyMap<number, number>> {
  const { topics } = await stage.admin.fetchTopicMetadata({ topics: [topic] })
  return new Map((topics[0]?.partitions ?? []).map(p => [p.partitionId, p.leader]))
}
