// Appends of which nobody knows whether they landed, and the operator who says so. A claim that does not find their stream waits
// ten minutes before it calls that doubt; one that a request waits for says it in seconds, with the answers there are.
import assert from 'node:assert/strict'
import { type Fault, openCalls, setFault } from './bigquery-faults.ts'
import type { Scene } from './scene.ts'

const FULL_PATIENCE_MS = 15 * 60_000
/** In a trace or an answer: the stream, and the first and the last number of rows that can be answered. */
const DOUBT =
  /(projects\/\S+\/streams\/[\w-]+): .*?Possible verdicts: rows=(\d+): none landed.*?; (?:rows=(\d+): all landed|$)/s

export type Word = 'landed' | 'not landed'
/** Where each partition stood, and the first id that is unanswered. */
export type Unanswered = { readonly positions: ReadonlyMap<number, bigint>; readonly firstId: number }

/**
 * The load rests with everything delivered, then brings records whose appends are never answered, on every stream, until all
 * workers are dead.
 */
export async function leaveUnanswered(scene: Scene, word: Word): Promise<Unanswered> {
  const { stage } = scene
  await scene.untilDrained()
  const positions = await stage.endOffsets(scene.topic)
  const firstId = scene.flow.ledger.nextId
  const fault: Fault = await setFault(scene, { effect: word === 'landed' ? 'blackholeAfterApply' : 'blackhole' })
  scene.flow.goOn()
  await stage.until('every partition has an append without an answer', async () => {
    const silent = (await openCalls(scene)).filter(call => call.inFlight > 0)
    return silent.length >= scene.flow.partitions ? true : null
  })
  await scene.flow.hold()
  scene.hit('calls without an answer', await fault.fired())
  await Promise.all(stage.seats.map(seat => seat.kill()))
  await fault.drop()
  return { positions, firstId }
}

/** Whatever is in doubt is answered so: with --full where the claims themselves say it, after ten minutes. Answers how many. */
export async function answerDoubts(scene: Scene, positions: ReadonlyMap<number, bigint>, word: Word): Promise<number> {
  return scene.isFull ? await answerTold(scene, word) : await askAndAnswer(scene, positions, word)
}

async function answerTold(scene: Scene, word: Word): Promise<number> {
  const told = await scene.stage.until(
    'every partition is IN_DOUBT',
    async () => {
      const partitions = await scene.partitions()
      return partitions.every(p => p.state === 'IN_DOUBT') ? partitions : null
    },
    FULL_PATIENCE_MS,
  )
  for (const { partition, trace = '' } of told) await giveVerdict(scene, partition, trace, word)
  return told.length
}

/** Asks by moving each position of the stopped connector to where it is anyway: that is refused where anything is in doubt. */
async function askAndAnswer(scene: Scene, positions: ReadonlyMap<number, bigint>, word: Word): Promise<number> {
  const { stage, name, topic } = scene
  assert.equal((await stage.rest('PUT', `/connectors/${name}/stop`)).status, 204)
  let verdicts = 0
  for (const [partition, position] of positions) {
    const offsets = [
      { partition: { kafka_topic: topic, kafka_partition: partition }, offset: { kafka_offset: Number(position) } },
    ]
    const { status, text } = await stage.until(`partition ${partition} says whether it is in doubt`, async () => {
      const answer = await stage.rest('PATCH', `/connectors/${name}/offsets`, { offsets })
      return answer.status === 200 || answer.text.includes('Possible verdicts') ? answer : null
    })
    if (status === 200) continue
    await giveVerdict(scene, partition, text, word)
    verdicts++
  }
  assert.equal((await stage.rest('PUT', `/connectors/${name}/resume`)).status, 202)
  return verdicts
}

async function giveVerdict({ stage, name, topic }: Scene, partition: number, told: string, word: Word): Promise<void> {
  const [, stream, none, all] = DOUBT.exec(told) ?? []
  assert.ok(stream !== undefined && none !== undefined, `partition ${partition} says what can be answered: ${told}`)
  const rows = word === 'landed' ? (all ?? assert.fail(told)) : none
  const path = `/api/v1/connectors/${name}/partitions/${topic}/${partition}/verdict`
  const { status, text } = await stage.rest('PUT', path, { stream, rows: Number(rows) })
  assert.equal(status, 202, text)
}
