// Appends of which nobody knows whether they landed, and the operator who says so. A claim that does not find their stream waits
// ten minutes before it calls that doubt; one that a request waits for says it in seconds, with the answers there are.
import assert from 'node:assert/strict'
import { openCalls, setFault, streamsOf } from './bigquery-faults.ts'
import type { Scene } from './scene.ts'

const FULL_PATIENCE_MS = 15 * 60_000
/** Requests of workers that were killed a moment ago have arrived by then. */
const ARRIVED_MS = 1_000
/** In a trace or an answer. */
const STREAM = /projects\/\S+\/streams\/[\w-]+/

/** What an operator who looks everywhere knows. */
export type Knowledge = {
  /** Where each partition stood when everything was delivered. */
  readonly positions: ReadonlyMap<number, bigint>
  /** The first id that came after that. */
  readonly firstId: number
  readonly rowsBefore: number
  /** Rows in each stream, of all that came. */
  readonly rows: ReadonlyMap<string, number>
}

/** The load rests, and everything is delivered. */
export async function drain(scene: Scene): Promise<Knowledge> {
  await scene.untilDrained()
  const positions = await scene.stage.endOffsets(scene.topic)
  const rowsBefore = await scene.stage.countRows(scene.table)
  return { positions, firstId: scene.flow.ledger.nextId, rowsBefore, rows: await rowsByStream(scene) }
}

/**
 * The load rests with everything delivered, then brings records whose appends are never answered, on every stream, until all
 * workers are dead. `blackholeAfterApply`: the first of each call has landed.
 */
export async function leaveUnanswered(scene: Scene, effect: 'blackhole' | 'blackholeAfterApply'): Promise<Knowledge> {
  const { stage, flow } = scene
  const before = await drain(scene)
  const fault = await setFault(scene, { effect })
  flow.goOn()
  await stage.until('every partition has an append without an answer', async () => {
    const silent = (await openCalls(scene)).filter(call => call.inFlight > 0)
    return silent.length >= flow.partitions ? true : null
  })
  await flow.hold()
  scene.hit('calls without an answer', await fault.fired())
  await Promise.all(stage.seats.map(seat => seat.kill()))
  await fault.drop()
  await scene.sleep(ARRIVED_MS)
  return { ...before, rows: await rowsByStream(scene) }
}

/** Whatever is in doubt is answered: with --full where the claims themselves say it, after ten minutes. Answers how many. */
export async function answerDoubts(scene: Scene, known: Knowledge): Promise<number> {
  return scene.isFull ? await answerTold(scene, known) : await askAndAnswer(scene, known)
}

async function answerTold(scene: Scene, known: Knowledge): Promise<number> {
  const told = await scene.stage.until(
    'every partition is IN_DOUBT',
    async () => {
      const partitions = await scene.partitions()
      return partitions.every(p => p.state === 'IN_DOUBT') ? partitions : null
    },
    FULL_PATIENCE_MS,
  )
  for (const { partition, trace = '' } of told) await giveVerdict(scene, partition, trace, known)
  return told.length
}

/** Asks by moving each position of the stopped connector to where it is anyway: that is refused where anything is in doubt. */
async function askAndAnswer(scene: Scene, known: Knowledge): Promise<number> {
  const { stage, name, topic } = scene
  assert.equal((await stage.rest('PUT', `/connectors/${name}/stop`)).status, 204)
  let verdicts = 0
  for (const [partition, position] of known.positions) {
    const offsets = [
      { partition: { kafka_topic: topic, kafka_partition: partition }, offset: { kafka_offset: Number(position) } },
    ]
    const { status, text } = await stage.until(`partition ${partition} says whether it is in doubt`, async () => {
      const answer = await stage.rest('PATCH', `/connectors/${name}/offsets`, { offsets })
      return answer.status === 200 || answer.text.includes('Possible verdicts') ? answer : null
    })
    if (status === 200) continue
    await giveVerdict(scene, partition, text, known)
    verdicts++
  }
  assert.equal((await stage.rest('PUT', `/connectors/${name}/resume`)).status, 202)
  return verdicts
}

async function giveVerdict(
  { stage, name, topic }: Scene,
  partition: number,
  told: string,
  known: Knowledge,
): Promise<void> {
  assert.match(told, /Possible verdicts: rows=\d+/, `partition ${partition} says what can be answered`)
  const stream = STREAM.exec(told)?.[0] ?? ''
  const rows = known.rows.get(stream)
  assert.ok(rows !== undefined, `partition ${partition} names a stream that was there: ${told}`)
  const path = `/api/v1/connectors/${name}/partitions/${topic}/${partition}/verdict`
  const { status, text } = await stage.rest('PUT', path, { stream, rows })
  assert.equal(status, 202, text)
}

async function rowsByStream(scene: Scene): Promise<ReadonlyMap<string, number>> {
  return new Map((await streamsOf(scene)).map(({ name, rows }) => [name, rows]))
}
