// Rows about write streams: Finalize and Create that are lost, late or refused, and streams that expire.
import assert from 'node:assert/strict'
import { LEASE_TTL_MS, range } from '../../e2e/support/stage.ts'
import { failOver, keepFresh, setBehavior, setFault, streamsOf } from '../bigquery-faults.ts'
import { answerDoubts, leaveUnanswered } from '../doubt.ts'
import type { Row } from '../row.ts'
import { PARTITIONS, type Scene } from '../scene.ts'
import { GROUP } from '../stage.ts'
import { countOffsets } from '../topic-reader.ts'

const LOST_REPLIES = 6
const ORPHANS = 4
/** A fault that hits no call and counts all. */
const NEVER = 1_000_000_000
/** For the last records of the load to be in the journal. */
const REST_MS = 5_000
/** Streams live for so long without traffic while they are to expire; those that are used meanwhile go on. */
const TTL_MS = 4_000
/** More partitions than two are in doubt no differently, and each is asked by itself. */
const DOUBTFUL = 2

export const STREAM_ROWS: readonly Row[] = [
  {
    id: '32',
    name: `Finalize applied, its answer lost, ${LOST_REPLIES} times`,
    how: 'a worker is killed; FinalizeWriteStream finalizes and the call ends UNAVAILABLE',
    async run(scene) {
      const fault = await setFault(scene, {
        method: 'FinalizeWriteStream',
        effect: 'closeAfterApply',
        times: LOST_REPLIES,
      })
      await failOver(scene)
      scene.hit('answers to Finalize lost', await fault.untilFired(LOST_REPLIES))
    },
  },
  {
    id: '33',
    name: 'Finalize UNAVAILABLE for 10 min',
    how: 'a worker is killed while FinalizeWriteStream fails: what it owned waits, and no stream is opened for it',
    scaled: '4 × TTL',
    async run(scene) {
      const { stage } = scene
      const seat = await scene.victim()
      const owned = await scene.owned(seat)
      const others = range(0, PARTITIONS).filter(p => !owned.includes(p))
      const fault = await setFault(scene, { method: 'FinalizeWriteStream', effect: 'close' })
      const streams = (await streamsOf(scene)).length
      await seat.kill()
      const dead = performance.now()
      await fault.untilFired(owned.length)
      await keepFresh(scene, scene.lasting(600_000, 4 * LEASE_TTL_MS), others)
      const newest = await scene.newest(scene.flow.firstIdAfter(dead) ?? 0)
      for (const p of owned) assert.ok(!newest.has(p), `partition ${p} waits`)
      assert.equal((await streamsOf(scene)).length, streams, 'no stream was created')
      const waiting = (await scene.partitions()).filter(p => owned.includes(p.partition))
      for (const p of waiting)
        assert.equal(p.waiting?.code, 'BIGQUERY_UNREACHABLE', `partition ${p.partition} says what it waits for`)
      scene.hit('Finalize refused', await fault.fired())
      await fault.drop()
      const back = performance.now()
      scene.recoveryMs = Math.max(...(await scene.delays(back, owned)).values())
      await stage.startAt(seat)
    },
  },
  {
    id: '34',
    name: 'Create: answers lost, late by 25 s, RESOURCE_EXHAUSTED',
    how: 'a worker is killed each time, and its streams are created anew',
    scaled: 'late by 5 s, refused for 10 s; --full: 25 s, 60 s',
    async run(scene) {
      const { stage } = scene
      const method = 'CreateWriteStream'
      const lost = await setFault(scene, { method, effect: 'closeAfterApply', times: ORPHANS })
      await failOver(scene)
      scene.hit('answers to Create lost', await lost.untilFired(ORPHANS))
      const isEmpty = ({ rows }: { readonly rows: number }): boolean => rows === 0
      assert.ok((await streamsOf(scene)).filter(isEmpty).length >= ORPHANS, 'streams nobody knows of stay empty')

      const late = await setFault(scene, { method, effect: 'delayReply', delayMs: scene.lasting(25_000, 5_000) })
      await failOver(scene)
      scene.hit('answers to Create late', await late.fired())
      await late.drop()

      const refused = await setFault(scene, { method, effect: 'close', code: 'RESOURCE_EXHAUSTED' })
      const seat = await scene.victim()
      const owned = await scene.owned(seat)
      await seat.kill()
      await refused.untilFired(1)
      const lastsMs = scene.lasting(60_000, 10_000)
      await scene.sleep(lastsMs)
      const asked = await refused.fired()
      scene.hit('Create refused', asked)
      // Each asks after 0.1 s, 0.2 s, … up to 30 s, where the ramp lets it.
      const most = owned.length * (10 + lastsMs / 10_000)
      assert.ok(asked <= most, `${asked} creates of ${owned.length} streams while they were refused, at most ${most}`)
      await refused.drop()
      const back = performance.now()
      scene.recoveryMs = Math.max(...(await scene.delays(back, owned)).values())
      await stage.startAt(seat)
    },
  },
  {
    id: '42',
    name: 'streams expire with everything settled',
    how: 'the connector is paused, then all workers are killed when they had nothing to do; each time the streams are gone when they come back',
    async run(scene) {
      const { stage, name } = scene
      await scene.untilDrained()
      assert.equal((await stage.rest('PUT', `/connectors/${name}/pause`)).status, 202)
      await stage.until('all are paused', async () =>
        (await scene.partitions()).every(p => p.state === 'PAUSED') ? true : null,
      )
      await expireUntil(scene, 'GetWriteStream', async () => {
        assert.equal((await stage.rest('PUT', `/connectors/${name}/resume`)).status, 202)
        scene.flow.goOn()
      })
      await scene.untilFresh()

      await scene.untilDrained()
      await untilIdleSettled(scene)
      await Promise.all(stage.seats.map(seat => seat.kill()))
      await expireUntil(scene, 'FinalizeWriteStream', () => stage.fillSeats())
      const back = performance.now()
      scene.flow.goOn()
      await scene.untilRecovered(back)
    },
  },
  {
    id: '42b',
    name: 'streams expire with appends in doubt that did not land',
    how: 'appends are never answered, all workers are killed, the streams are gone; an operator says that nothing landed',
    scaled: 'the operator asks; --full: the claims say it by themselves, after 10 min',
    scene: { partitions: DOUBTFUL },
    patienceMs: 120_000,
    run: scene => expireInDoubt(scene, 'blackhole'),
  },
  {
    id: '42c',
    name: 'streams expire with appends in doubt, some of which landed',
    how: 'as 42b; the first of each call was applied, and the operator says so',
    scaled: 'as 42b',
    scene: { partitions: DOUBTFUL },
    patienceMs: 120_000,
    run: scene => expireInDoubt(scene, 'blackholeAfterApply'),
  },
]

/** Every lane has had nothing to do for 30 s and has logged that all of its stream is settled: nothing else is written now. */
async function untilIdleSettled(scene: Scene): Promise<void> {
  const { stage } = scene
  await scene.sleep(REST_MS)
  const before = await countOffsets(stage, `${GROUP}-journal`)
  await stage.until('every lane has logged Settled', async () =>
    (await countOffsets(stage, `${GROUP}-journal`)) - before >= PARTITIONS ? true : null,
  )
}

/** Streams without traffic are gone when workers come back, until each was asked for. */
async function expireUntil(
  scene: Scene,
  method: 'GetWriteStream' | 'FinalizeWriteStream',
  comeBack: () => Promise<void>,
): Promise<void> {
  const { stage } = scene
  const before = (await streamsOf(scene)).map(({ name }) => name)
  await setBehavior(stage, { ttlMs: { committed: TTL_MS } })
  await scene.sleep(TTL_MS + 500)
  const asked = await setFault(scene, { method, nth: NEVER })
  await comeBack()
  await stage.until(`each stream was asked for by ${method}`, async () =>
    (await asked.seen()) >= PARTITIONS ? true : null,
  )
  await stage.askEmulator('DELETE', '/emulator/behavior')
  await asked.drop()
  const left = new Set((await streamsOf(scene)).map(({ name }) => name))
  scene.hit(`streams gone at ${method}`, before.filter(name => !left.has(name)).length)
}

async function expireInDoubt(scene: Scene, effect: 'blackhole' | 'blackholeAfterApply'): Promise<void> {
  const { stage } = scene
  const known = await leaveUnanswered(scene, effect)
  const rows = await stage.countRows(scene.table)
  if (effect === 'blackholeAfterApply') scene.hit('rows that landed unheard', rows - known.rowsBefore)
  await setBehavior(stage, { ttlMs: { committed: 1 } })
  await stage.fillSeats()
  await untilStreamsMissed(scene)
  await stage.askEmulator('DELETE', '/emulator/behavior')
  await scene.sleep(2_000)
  assert.equal(await stage.countRows(scene.table), rows, 'nothing is guessed')
  const verdicts = await answerDoubts(scene, known)
  assert.equal(verdicts, DOUBTFUL, 'every partition was in doubt')
  scene.hit('partitions in doubt', verdicts)
  scene.flow.goOn()
  const since = performance.now()
  await scene.untilRecovered(since)
}

/** Every partition says that a stream with batches on it is not found. */
async function untilStreamsMissed(scene: Scene): Promise<void> {
  await scene.stage.until('every partition waits for a stream that is gone', async () =>
    (await scene.partitions()).every(p => p.waiting?.code === 'STREAM_GONE') ? true : null,
  )
}
