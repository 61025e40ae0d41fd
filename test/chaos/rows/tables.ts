// Rows about tables and who may write to them: rows that BigQuery refuses, schemas that drift, tables that go and come back, rights
// that are taken away, and a dead letter queue that takes nothing.
import assert from 'node:assert/strict'
import { DATASET, LEASE_TTL_MS, PLAIN, PROJECT, range, sqlName } from '../../e2e/support/stage.ts'
import { keepFresh, setBehavior, setFault, streamsOf, withinItsClaims } from '../bigquery-faults.ts'
import { check } from '../checker.ts'
import { answerDoubts, drain, leaveUnanswered } from '../doubt.ts'
import type { Row } from '../row.ts'
import { PARTITIONS, PATIENCE_MS, Scene } from '../scene.ts'
import { countOffsets } from '../topic-reader.ts'
import { setTopic } from '../topic-settings.ts'

/** Of `text`: what BigQuery looks at, and converters do not. */
const TEXT_LENGTH = 20
const FLOOD_ROWS = 300
const FLOODS = 4
/** One rotation of streams per lane in this time. */
const ROTATION_EVERY_MS = 10_000
const NOTE = { name: 'note', type: 'STRING' } as const
const GONE = /TABLE_MISSING|BIGQUERY_PERMISSION_DENIED|STREAM_GONE/
/** More partitions than two are in doubt no differently, and each is asked by itself. */
const DOUBTFUL = 2

export const TABLE_ROWS: readonly Row[] = [
  {
    id: '39',
    name: 'row errors on one row of some hundred, and on all rows of a batch',
    how: `text is STRING(${TEXT_LENGTH}), which only BigQuery looks at; then whole sends of refused rows while append answers are lost`,
    scene: {
      fields: PLAIN.map(field => (field.name === 'text' ? { ...field, maxLength: String(TEXT_LENGTH) } : field)),
      poisonValue: tooLong,
    },
    async run(scene) {
      const { stage, flow } = scene
      const letters = (): Promise<number> => countLetters(scene)
      await keepFresh(scene, scene.lasting(60_000, 10_000))
      await stage.until('refused rows are letters', async () => ((await letters()) >= 3 ? true : null))
      scene.hit('rows refused one by one', await letters())

      const streams = (await streamsOf(scene)).length
      const since = performance.now()
      const lost = await setFault(scene, { effect: 'closeAfterApply', every: 5, times: 20 })
      const producer = await stage.newProducer()
      const refused: number[] = []
      for (let flood = 0; flood < FLOODS; flood++) {
        const ids = flow.ledger.take('poison', FLOOD_ROWS)
        const messages = ids.map(id => {
          const value = JSON.stringify(tooLong(id))
          flow.ledger.values.set(id, value)
          return { key: `k${id}`, value, partition: id % PARTITIONS }
        })
        await producer.send({ topic: scene.topic, messages })
        flow.ledger.acknowledged(ids)
        refused.push(...ids)
        await scene.untilFresh()
      }
      await producer.disconnect()
      await stage.until('every refused row is a letter', async () =>
        (await letters()) >= refused.length ? true : null,
      )
      scene.hit('rows refused all at once', refused.length)
      scene.hit('append answers lost meanwhile', await lost.fired())
      const created = (await streamsOf(scene)).length - streams
      const most = PARTITIONS * (1 + Math.ceil((performance.now() - since) / ROTATION_EVERY_MS))
      assert.ok(created <= most, `${created} streams were created, at most ${most}`)
    },
  },
  {
    id: '40',
    name: 'a column is added, and records have it at once',
    how: 'PATCH of the table; appends know the column 3 s later. A partition is FAILED, says which column, and goes on by itself',
    scene: { poison: false, config: { 'errors.tolerance': 'none' } },
    async run(scene) {
      const { stage } = scene
      await setBehavior(stage, { schemaPropagationMs: 3_000 })
      const before = await failureCount(scene)
      await stage.alterTable(scene.table, [...PLAIN, NOTE])
      await scene.untilFresh()
      const first = scene.flow.ledger.nextId
      scene.flow.more = { note: 'new' }
      await stage.until('partitions fail of the column', async () =>
        (await failureCount(scene)) > before ? true : null,
      )
      const changed = performance.now()
      await scene.untilRecovered(changed)
      scene.hit('partitions FAILED', (await failureCount(scene)) - before)
      const [row] = await stage.sql(
        `SELECT COUNT(*) FROM ${sqlName(scene.table)} WHERE note = 'new' AND id >= ${first}`,
      )
      assert.ok(Number(row?.[0]) > 0, 'the new column arrives')
    },
  },
  {
    id: '40b',
    name: 'the schema is refused: a column dropped, or of another type',
    how: 'SCHEMA_MISMATCH_EXTRA_FIELDS for every append, as after DROP COLUMN, which the emulator has not',
    async run(scene) {
      const fault = await setFault(scene, {
        effect: 'close',
        code: 'INVALID_ARGUMENT',
        storageCode: 'SCHEMA_MISMATCH_EXTRA_FIELDS',
        message: "Input schema has more fields than BigQuery schema, extra fields: 'text' Entity: {stream}",
      })
      const failed = await scene.untilFailed(range(0, PARTITIONS), 'SCHEMA_MISMATCH')
      for (const p of failed) assert.match(p.trace ?? '', /extra fields: 'text'/, 'it says what does not fit')
      scene.hit('partitions FAILED', failed.length)
      await fault.drop()
      const back = performance.now()
      await scene.untilRecovered(back)
    },
  },
  {
    id: '41',
    name: 'table dropped, and made anew later',
    how: 'everything is delivered, the table goes, records come; partitions wait until the table is back and an operator says that nothing landed in what is gone',
    scene: { partitions: DOUBTFUL },
    patienceMs: 120_000,
    async run(scene) {
      const { stage, flow } = scene
      const known = await drain(scene)
      await dropTable(scene, known.firstId)
      flow.goOn()
      const told = new Map<number, string>()
      await stage.until('every partition says that its table or stream is gone', async () => {
        for (const { partition, waiting, trace = waiting?.code ?? '' } of await scene.partitions())
          if (GONE.test(trace)) told.set(partition, trace)
        return told.size === DOUBTFUL ? true : null
      })
      scene.hit('partitions that wait or are FAILED', told.size)
      await flow.hold()
      await stage.createTable(scene.table)
      // Records were logged for a stream that is gone with its table: whether they landed is not to be found out any more.
      scene.hit('verdicts', await answerDoubts(scene, known))
      flow.goOn()
    },
  },
  {
    id: '41b',
    name: 'table made anew with appends in doubt',
    how: 'appends are never answered, all workers are killed, the table is dropped and made anew; an operator says that nothing landed',
    scaled: 'the operator asks; --full: the claims say it by themselves, after 10 min',
    scene: { partitions: DOUBTFUL },
    patienceMs: 120_000,
    async run(scene) {
      const { stage } = scene
      const known = await leaveUnanswered(scene, 'blackhole')
      await dropTable(scene, known.firstId)
      await stage.createTable(scene.table)
      await stage.fillSeats()
      await stage.until('every partition says that its stream is gone', async () =>
        (await scene.partitions()).every(p => p.waiting?.code === 'STREAM_GONE') ? true : null,
      )
      assert.equal(await stage.countRows(scene.table), 0, 'nothing is guessed')
      const verdicts = await answerDoubts(scene, known)
      assert.equal(verdicts, DOUBTFUL, 'every partition was in doubt')
      scene.hit('partitions in doubt', verdicts)
      scene.flow.goOn()
    },
  },
  {
    id: '43',
    name: 'permission revoked for 10 min',
    how: 'PERMISSION_DENIED for every call about one table; another connector writes to another table meanwhile',
    scaled: '10 s',
    async run(scene) {
      const { stage } = scene
      const other = await Scene.open(stage, `${scene.name}_other`, scene.isFull)
      try {
        const fault = await setFault(scene, { method: '*', effect: 'close', code: 'PERMISSION_DENIED' })
        await scene.untilFailed(range(0, PARTITIONS), 'BIGQUERY_PERMISSION_DENIED')
        await withinItsClaims(other, () => keepFresh(other, scene.lasting(600_000, 10_000)))
        scene.hit('calls denied', await fault.fired())
        await fault.drop()
        const back = performance.now()
        await scene.untilRecovered(back)
      } finally {
        await other.flow.end()
      }
      const { differences } = await check(stage, other, other.flow.ledger, PATIENCE_MS)
      assert.deepEqual(differences, [], 'the other table')
    },
  },
  {
    id: '51',
    name: 'dead letter queue unavailable',
    how: 'the broker refuses every record of the dead letter topic (max.message.bytes=1)',
    scaled: '4 × TTL',
    async run(scene) {
      const { stage } = scene
      const queue = scene.deadLetterTopic
      await setTopic(stage, queue, { 'max.message.bytes': '1' })
      const since = performance.now()
      await stage.until('every partition waits for the queue', async () =>
        (await scene.partitions()).every(p => p.waiting?.code === 'DEAD_LETTER_FAILED') ? true : null,
      )
      const standing = await scene.newest(0)
      const letters = await countLetters(scene)
      await scene.sleep(scene.lasting(60_000, 4 * LEASE_TTL_MS))
      assert.deepEqual(await scene.newest(0), standing, 'no row goes past a record without its letter')
      assert.equal(await countLetters(scene), letters, 'no letter was taken')
      scene.hit('seconds without the queue', Math.round((performance.now() - since) / 1_000))
      scene.hit('partitions that waited', standing.size)
      await setTopic(stage, queue, { 'max.message.bytes': '1048588' })
      const back = performance.now()
      await scene.untilRecovered(back)
    },
  },
]

function tooLong(id: number): object {
  return { id, text: `no number ${id}: longer than ${TEXT_LENGTH} characters` }
}

const countLetters = ({ stage, deadLetterTopic }: Scene): Promise<number> => countOffsets(stage, deadLetterTopic)

async function failureCount(scene: Scene): Promise<number> {
  return (await scene.partitions()).reduce((sum, p) => sum + p.failures, 0)
}

/** With the rows of the ids below, which nobody is asked for any more. */
async function dropTable({ stage, table, flow }: Scene, belowId: number): Promise<void> {
  await stage.askEmulator('DELETE', `/bigquery/v2/projects/${PROJECT}/datasets/${DATASET}/tables/${table}`)
  const { committed } = flow.ledger
  for (const id of committed) if (id < belowId) committed.delete(id)
}
