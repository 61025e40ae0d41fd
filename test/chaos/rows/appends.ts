// Rows about appends: what is applied and never told, lost, late, refused, throttled; connections that end; answers that are wrong.
// A request is repeated as it was until it is answered for certain, and its offset says whether it was there already.
import assert from 'node:assert/strict'
import { type Lie, LyingAnswers } from '../append-answers.ts'
import {
  keepFresh,
  openCalls,
  setBehavior,
  setFault,
  shortOfPatience,
  streamsInUse,
  withinItsClaims,
} from '../bigquery-faults.ts'
import type { Row } from '../row.ts'
import { PARTITIONS, type Scene } from '../scene.ts'

/** What two busy cores may need besides. */
const BUSY_MACHINE_MS = 10_000
const QUOTA_TEXT = 'Exceeds quota limits for AppendRows throughput per project'

export const APPEND_ROWS: readonly Row[] = [
  {
    id: '29',
    name: 'append applied, its answer lost',
    how: 'every 9th append is applied and its call ends UNAVAILABLE; every 11th is applied and answered INTERNAL; of one worker some are applied and never answered',
    scaled: 'overdue after 4 s',
    async run(scene) {
      const { seat } = await shortOfPatience(scene)
      await withinItsClaims(scene, async () => {
        const silent = await onStreamsOf(scene, await scene.owned(seat), { effect: 'blackholeAfterApply', times: 1 })
        const cut = await setFault(scene, { effect: 'closeAfterApply', every: 9, times: 20 })
        const denied = await setFault(scene, { effect: 'inBandAfterApply', every: 11, times: 10, code: 'INTERNAL' })
        for (const fault of silent) scene.hit('appends applied and never answered', await fault.untilFired(1))
        scene.hit('appends applied, the call ended', await cut.untilFired(20))
        scene.hit('appends applied and answered INTERNAL', await denied.untilFired(10))
        await scene.untilFresh()
      })
      await seat.end()
    },
  },
  {
    id: '30',
    name: 'append lost',
    how: 'every 7th append ends its call UNAVAILABLE, nothing applied; of one worker some vanish without an answer, and all behind them',
    scaled: 'overdue after 4 s',
    async run(scene) {
      const { seat } = await shortOfPatience(scene)
      await withinItsClaims(scene, async () => {
        const silent = await onStreamsOf(scene, await scene.owned(seat), { effect: 'blackhole', times: 1 })
        const cut = await setFault(scene, { effect: 'close', every: 7, times: 20 })
        for (const fault of silent) scene.hit('appends that vanished', await fault.untilFired(1))
        scene.hit('appends lost with their call', await cut.untilFired(20))
        await scene.untilFresh()
      })
      await seat.end()
    },
  },
  {
    id: '31',
    name: 'append delayed past a takeover',
    how: 'an append on each stream of a worker is held back in the service, and the worker killed; it is applied when another has taken over',
    scaled: '20 s; --full: 60 s',
    async run(scene) {
      const seat = await scene.victim()
      const owned = await scene.owned(seat)
      const delayMs = scene.lasting(60_000, 20_000)
      const held = await onStreamsOf(scene, owned, { effect: 'delayApply', delayMs, times: 1 })
      for (const fault of held) await fault.untilFired(1)
      const since = performance.now()
      await seat.kill()
      await scene.untilTakenOver(since, owned)
      scene.hit('partitions recovered', await scene.untilRecoveries(owned))
      const tookMs = performance.now() - since
      assert.ok(tookMs < delayMs - 2_000, `the takeover took ${tookMs} ms, the appends were held for ${delayMs}`)
      scene.hit('appends that arrived after the takeover', held.length)
      await scene.sleep(since + delayMs + 1_000 - performance.now())
      await scene.untilFresh()
    },
  },
  {
    id: '35',
    name: 'append connections ended in every way there is',
    how: 'GOAWAY, then cut; RST; ABORTED as a server that is replaced; ABORTED as idle for 600 s; UNKNOWN 408; ABORTED for every 10th append',
    scaled: 'idle after 0.5 s',
    async run(scene) {
      const { stage } = scene
      const count = async (path: string, body: object, key: 'closed' | 'draining'): Promise<number> =>
        ((await stage.askEmulator('POST', path, body)).body as Record<string, number>)[key] ?? 0
      await withinItsClaims(scene, async () => {
        for (let again = 0; again < 3; again++) {
          scene.hit('calls drained', await count('/emulator/connections/drain', { graceMs: 500 }, 'draining'))
          await scene.untilFresh()
          const links = stage.seats.map(seat => seat.links.grpc)
          const cut = (): number => links.reduce((sum, link) => sum + link.counts.cut, 0)
          const before = cut()
          for (const link of links) link.cutAll()
          scene.hit('connections reset', cut() - before)
          await scene.untilFresh()
          const body = { table: scene.table }
          scene.hit('calls of a replaced server', await count('/emulator/connections/restart', body, 'closed'))
          await scene.untilFresh()
        }
        await scene.untilDrained()
        const idle = (await openCalls(scene)).length
        await setBehavior(stage, { idleMs: 500 })
        await stage.until('idle calls are ended', async () => ((await openCalls(scene)).length === 0 ? true : null))
        scene.hit('idle calls', idle)
        await stage.askEmulator('DELETE', '/emulator/behavior')
        scene.flow.goOn()
        await scene.untilFresh()
        for (const preset of ['front-end-timeout', 'reconnect-on-close']) {
          const fault = await setFault(scene, { preset, times: 10 })
          scene.hit(`calls ended by ${preset}`, await fault.untilFired(10))
        }
        await scene.untilFresh()
      })
    },
  },
  {
    id: '36',
    name: 'half-open connections to the Write API',
    how: 'the proxy of one worker passes nothing more on the connections that are, and says so to nobody; new ones pass. What it holds arrives when all is over',
    scaled: 'overdue after 4 s; --full: after 60 s or the keepalive of 40',
    async run(scene) {
      const { seat, deadlineMs } = await shortOfPatience(scene)
      await withinItsClaims(scene, async () => {
        const owned = await scene.owned(seat)
        const { grpc } = seat.links
        const held = grpc.counts.held
        scene.hit('connections that fell silent', grpc.holdAll())
        const since = performance.now()
        const delays = [...(await scene.delays(since, owned)).values()]
        scene.hit('pieces held back', grpc.counts.held - held)
        const most = deadlineMs + BUSY_MACHINE_MS
        assert.ok(Math.max(...delays) < most, `partitions went on after ${delays} ms, at most ${most}`)
        scene.recoveryMs = Math.max(...delays)
        grpc.release()
        await scene.untilFresh()
      })
      await seat.end()
    },
  },
  {
    id: '37',
    name: 'INTERNAL and UNAVAILABLE for 30 % of all appends',
    how: 'by chance: the call ends before or after the append is applied, or an answer says so and the call goes on',
    scaled: '15 s; --full: 60 s',
    async run(scene) {
      await withinItsClaims(scene, async () => {
        const faults = [
          await setFault(scene, { effect: 'close', code: 'INTERNAL', probability: 0.09, seed: 1 }),
          await setFault(scene, { effect: 'inBand', code: 'UNAVAILABLE', probability: 0.09, seed: 2 }),
          await setFault(scene, { effect: 'closeAfterApply', code: 'UNAVAILABLE', probability: 0.08, seed: 3 }),
          await setFault(scene, { effect: 'inBandAfterApply', code: 'INTERNAL', probability: 0.08, seed: 4 }),
        ]
        await keepFresh(scene, scene.lasting(60_000, 15_000))
        const fired = await Promise.all(faults.map(fault => fault.fired()))
        const seen = (await faults[0]?.seen()) ?? 0
        const failed = fired.reduce((sum, count) => sum + count, 0)
        assert.ok(failed > seen * 0.15 && failed < seen * 0.45, `${failed} of ${seen} appends failed`)
        scene.hit('appends that failed', failed)
        for (const fault of faults) await fault.drop()
        scene.recoveryMs = await scene.untilFresh()
      })
    },
  },
  {
    id: '38',
    name: 'throttled: overloaded, and quota exhausted',
    how: 'every 5th append ends its call "Task is overloaded"; then every append is RESOURCE_EXHAUSTED',
    scaled: '10 s each; --full: 60 s',
    async run(scene) {
      const { stage } = scene
      const lastsMs = scene.lasting(60_000, 10_000)
      await withinItsClaims(scene, async () => {
        const overloaded = await setFault(scene, { preset: 'overloaded', every: 5 })
        await keepFresh(scene, lastsMs)
        scene.hit('calls ended as overloaded', await overloaded.fired())
        await overloaded.drop()

        const quota = await setFault(scene, { effect: 'inBand', code: 'RESOURCE_EXHAUSTED', message: QUOTA_TEXT })
        await scene.sleep(lastsMs)
        const refused = await quota.fired()
        scene.hit('appends over quota', refused)
        // Waits double up to 5 s: without them each partition would ask a thousand times in that time.
        const most = PARTITIONS * (30 + lastsMs / 4_000)
        assert.ok(refused <= most, `${refused} appends while the quota was exhausted, at most ${most}`)
        // What cannot go out is not read either: it waits in Kafka.
        const shown = await stage.until('every partition says that it waits for the quota', async () => {
          const partitions = await scene.partitions()
          return partitions.every(p => p.waiting?.code === 'BIGQUERY_QUOTA') ? partitions : null
        })
        for (const { partition, lag, in_flight_rows: inFlight } of shown)
          assert.ok((lag ?? 0) > inFlight, `partition ${partition} holds ${inFlight} of ${lag} rows`)
        await quota.drop()
        scene.recoveryMs = await scene.untilFresh()
      })
    },
  },
  {
    id: '45',
    name: 'wrong acknowledgements',
    how: 'the proxies change answers: an offset that is another, two answers in the wrong order, one answer twice',
    async run(scene) {
      const { stage } = scene
      const liar = new LyingAnswers(scene.table)
      for (const seat of stage.seats) seat.links.grpc.alter = answer => liar.alter(answer)
      // Answers that come late come together: two that can be swapped.
      await setFault(scene, { effect: 'delayReply', delayMs: 200, every: 4 })
      const lies: readonly Lie[] = ['shifted', 'swapped', 'repeated', 'shifted', 'swapped', 'repeated']
      for (const lie of lies) {
        const before = failuresTold(scene)
        liar.lie(lie)
        await stage.until(`an answer is ${lie}`, () => (liar.isTold ? true : null))
        await stage.until(`a partition is FAILED for an answer that was ${lie}`, () =>
          failuresTold(scene) > before ? true : null,
        )
        scene.hit(`answers ${lie}`)
        await scene.untilFresh()
      }
    },
  },
]

/** A fault of its own on each stream that these partitions write to. */
async function onStreamsOf(
  scene: Scene,
  partitions: readonly number[],
  spec: Readonly<Record<string, unknown>>,
): Promise<readonly Awaited<ReturnType<typeof setFault>>[]> {
  const streams = await streamsInUse(scene, partitions)
  return await Promise.all(streams.map(stream => setFault(scene, { ...spec, stream })))
}

/** Lines that say at level ERROR that a partition is FAILED because of an answer nobody can explain. */
function failuresTold({ stage }: Scene): number {
  const lines = stage.logs().split('\n')
  return lines.filter(line => line.includes('Partition is FAILED') && line.includes('ACK_UNEXPECTED')).length
}
