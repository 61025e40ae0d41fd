// Rows about worker processes: killed, stopped, slow, out of memory, old and new, one by one and all at once.
import assert from 'node:assert/strict'
import { connectorConfig, LEASE_TTL_MS, range } from '../../e2e/support/stage.ts'
import { CRASH_LINE, CRASH_SITES, type Moment } from '../crash-sites.ts'
import type { Row } from '../row.ts'
import { PARTITIONS, type Scene } from '../scene.ts'
import { GROUP, type Seat } from '../stage.ts'

/** journal.md: lease TTL + 2 s; no stream beyond the burst is created here. The rest is a busy machine's allowance. */
const TAKEOVER_MS = LEASE_TTL_MS + 2_000 + 10_000
const MIB = 1024 * 1024

export const WORKER_ROWS: readonly Row[] = [
  {
    id: '1',
    name: 'worker SIGKILL at random',
    how: 'kill -9, a worker that follows and then the leader, each replaced by a fresh process',
    async run(scene) {
      for (const isLeader of [false, true]) {
        const seat = await scene.victim(isLeader)
        const owned = await scene.owned(seat)
        await scene.sleep(Math.random() * 500)
        const since = performance.now()
        await seat.kill()
        await scene.untilTakenOver(since, owned)
        // Of what was taken over, some had to be recovered: an orderly hand-over is no takeover.
        scene.hit('partitions recovered', await scene.untilRecoveries(owned))
        await scene.stage.startAt(seat)
      }
      assertTakeovers(scene)
    },
  },
  ...(Object.keys(CRASH_SITES) as (keyof typeof CRASH_SITES)[]).map(
    (group, i): Row => ({
      id: `2${'abcd'[i]}`,
      name: `SIGKILL at each site of ${group}`,
      how: `CRASH_AT=${CRASH_SITES[group].join(', ')}`,
      async run(scene) {
        for (const site of CRASH_SITES[group]) await crashAt(scene, site, group)
      },
    }),
  ),
  {
    id: '3',
    name: 'zombie: SIGSTOP for 1.5 × TTL, then SIGCONT',
    how: 'kill -STOP until its partitions deliver elsewhere, at least 1.5 × TTL; kill -CONT',
    async run(scene) {
      const seat = await scene.victim()
      const owned = await scene.owned(seat)
      const since = performance.now()
      seat.freeze()
      await scene.untilTakenOver(since, owned)
      await scene.sleep(Math.max(0, 1.5 * LEASE_TTL_MS - (performance.now() - since)))
      const before = surrenders(scene)
      seat.thaw()
      await scene.stage.until('the zombie finds its partitions taken', () =>
        surrenders(scene) - before >= owned.length ? true : null,
      )
      scene.hit('claims of the zombie ended', surrenders(scene) - before)
      assertTakeovers(scene)
    },
  },
  {
    id: '4',
    name: 'SIGSTOP for ever',
    how: 'kill -STOP; nothing wakes it before the load ends',
    async run(scene) {
      const seat = await scene.victim()
      const owned = await scene.owned(seat)
      const since = performance.now()
      seat.freeze()
      await scene.untilTakenOver(since, owned)
      scene.hit('partitions recovered', await scene.untilRecoveries(owned))
      await scene.sleep(2 * LEASE_TTL_MS)
      await scene.untilFresh()
      await seat.kill()
      assertTakeovers(scene)
    },
  },
  {
    id: '5',
    name: 'event loop blocked 30 s',
    how: 'a loop that does nothing, by a signal to a worker of the harness',
    scaled: '3 × TTL',
    async run(scene) {
      const seat = await scene.victim()
      const blockMs = scene.lasting(30_000, 3 * LEASE_TTL_MS)
      await seat.end()
      await scene.stage.startAt(seat, { env: { ...process.env, BLOCK_MS: String(blockMs) } })
      const owned = await scene.owned(seat)
      await scene.untilFresh()
      const [claims, blocks] = [surrenders(scene), scene.countLogs('chaos: blocked')]
      const since = performance.now()
      seat.signal('SIGUSR2')
      seat.isCutOff = true
      await scene.untilTakenOver(since, owned)
      await scene.stage.until('it finds what it had taken', () =>
        surrenders(scene) - claims >= owned.length ? true : null,
      )
      scene.hit('blocks', scene.countLogs('chaos: blocked') - blocks)
      assertTakeovers(scene)
    },
  },
  {
    id: '6',
    name: 'out of memory',
    how: 'a worker of the harness fills its heap by a signal and is ended by V8; beside it one with a heap of 128 MB',
    async run(scene) {
      const seat = await scene.victim()
      const other = scene.stage.running.find(each => each !== seat) as Seat
      for (const each of [seat, other]) await each.end()
      await scene.stage.startAt(seat, { env: { ...process.env, HOG: '1' }, nodeFlags: ['--max-old-space-size=96'] })
      await scene.stage.startAt(other, { nodeFlags: ['--max-old-space-size=128'] })
      const owned = await scene.owned(seat)
      await scene.untilFresh()
      const since = performance.now()
      seat.signal('SIGUSR2')
      await scene.untilTakenOver(since, owned)
      // Collecting garbage may take longer than its lease.
      const died = await scene.stage.until('V8 ends it', () => seat.worker?.child.exit() ?? null)
      assert.equal(died.signal, 'SIGABRT', 'it ran out of memory')
      scene.hit('heaps exhausted')
      scene.hit('partitions recovered', await scene.untilRecoveries(owned))
      assert.ok(other.isRunning, 'the one with a small heap lives')
      const { body } = await scene.stage.rest('GET', '/api/v1/workers')
      const sizes = (body as { workers: { rss_bytes: number }[] }).workers.map(each => each.rss_bytes)
      assert.ok(Math.max(...sizes) < 600 * MIB, `resident sizes ${sizes}`)
    },
  },
  {
    id: '7',
    name: 'coordinator killed in the middle of an assignment',
    how: 'a second connector is created, and the leader is killed before its partitions run',
    async run(scene) {
      const { stage } = scene
      const leader = await stage.leader()
      const owned = await scene.owned(leader)
      const before = await scene.epochs()
      const second = `${scene.name}_second`
      await Promise.all([stage.createTopic(second, PARTITIONS, 3), stage.createTable(second)])
      leader.isCutOff = true
      await stage.createConnector(second, connectorConfig(second, { 'tasks.max': String(PARTITIONS) }))
      const running = (await stage.partitions(second)).filter(p => p.state === 'RUNNING').length
      const since = performance.now()
      await leader.kill()
      leader.isCutOff = false
      scene.hit('partitions not yet at work', PARTITIONS - running)
      const next = await stage.leader()
      const electionMs = performance.now() - since
      assert.notEqual(next.workerId, leader.workerId)
      assert.ok(electionMs < TAKEOVER_MS, `a new leader after ${electionMs} ms`)
      await scene.untilTakenOver(since, owned)
      const after = await scene.epochs()
      for (const [p, epoch] of after.entries())
        if (!owned.includes(p)) assert.equal(epoch, before[p], `partition ${p} of another worker kept its claim`)
      await stage.untilRunning(second, PARTITIONS)
      await stage.produceRows(second, range(0, 60), PARTITIONS)
      await stage.assertDelivered(second, range(0, 60))
      assertTakeovers(scene)
    },
  },
  {
    id: '9',
    name: 'all workers killed together',
    how: 'kill -9 on every worker, then all start again',
    async run(scene) {
      const epochs = await scene.epochs()
      const since = performance.now()
      await Promise.all(scene.stage.seats.map(seat => seat.kill()))
      scene.hit('workers killed', scene.stage.seats.length)
      await scene.sleep(500)
      const back = performance.now()
      await scene.stage.fillSeats()
      await scene.untilTakenOver(since, range(0, PARTITIONS))
      await scene.untilRecovered(back)
      const after = await scene.stage.untilRunning(scene.name, PARTITIONS)
      assert.ok(
        after.every(({ epoch, partition }) => epoch > (epochs[partition] ?? 0)),
        'every partition has a new claim',
      )
    },
  },
  {
    id: '10',
    name: 'rolling restart under load',
    how: 'SIGTERM to one worker after another, each started again when it has drained',
    async run(scene) {
      const before = await scene.takeovers()
      const waitMs = await scene.longestWait(async () => {
        for (const seat of scene.stage.seats) {
          await seat.end()
          scene.hit('orderly ends')
          await scene.untilFresh()
          await scene.stage.startAt(seat)
          await scene.owned(seat)
        }
      })
      assert.ok(waitMs < TAKEOVER_MS, `a record waited ${waitMs} ms for its row`)
      assert.ok((await scene.takeovers()) <= before, 'nothing had to be recovered')
    },
  },
  {
    id: '11',
    name: 'a newer version wrote the journal, and an older one comes back',
    how: 'a record of format 99 in every partition of the journal; then a worker is started anew',
    ownStage: true,
    endsInFailure: true,
    async run(scene) {
      const { stage } = scene
      const journal = `${GROUP}-journal`
      await scene.untilDrained()
      const rows = await stage.countRows(scene.table)
      const partitions = [...(await stage.endOffsets(journal)).keys()]
      const producer = await stage.newProducer()
      const headers = { 'millrace.format': '99' }
      const messages = partitions.map(partition => ({
        key: 'later/flights/0/claim/x',
        value: '{}',
        headers,
        partition,
      }))
      await producer.send({ topic: journal, messages })
      await producer.disconnect()
      scene.hit('partitions of the journal with a newer record', partitions.length)
      const seat = await scene.victim()
      await seat.kill()
      await assert.rejects(stage.startAt(seat), /a newer Millrace wrote it/)
      assert.equal(await stage.countRows(scene.table), rows, 'not one row more or less')
    },
  },
]

const surrenders = (scene: Scene): number =>
  scene.countLogs('"msg":"Lease lost: another') + scene.countLogs('"msg":"Claim fenced')

function assertTakeovers(scene: Scene): void {
  const times = scene.takeoverMs.map(Math.round)
  assert.ok(times.length > 0 && Math.max(...times) < TAKEOVER_MS, `takeovers took ${times} ms`)
}

/** Brings a worker of the harness to that site, sees it die there, and replaces it. */
async function crashAt(scene: Scene, site: Moment, group: keyof typeof CRASH_SITES): Promise<void> {
  const { stage } = scene
  const leader = await stage.leader()
  const [seat, other] = stage.seats.filter(each => each !== leader)
  assert.ok(seat !== undefined && other !== undefined)
  // Those of delivery come by at once and often: somewhere in the middle of it.
  const turn = group === 'delivery' ? 1 + Math.floor(Math.random() * (site.endsWith('letter') ? 3 : 20)) : 1
  await seat.end()
  // It may die before it is ready.
  const starting = stage.startAt(seat, { env: { ...process.env, CRASH_AT: `${site}:${turn}` } }).catch(() => {})
  if (group === 'takeover' || group === 'release') {
    await starting
    // Only what was opened and delivers has streams to finalize or to release.
    await scene.untilFresh(await scene.owned(seat))
  }
  // What was released is adopted: streams are created and finalized for what a dead worker leaves.
  if (group === 'takeover') await other.kill()
  if (group === 'release') seat.signal('SIGTERM')
  await stage.until(`a worker dies at ${site}`, () => (seat.log.includes(`${CRASH_LINE} ${site}`) ? true : null))
  await starting
  await seat.worker?.child.exited
  assert.equal(seat.worker?.child.exit()?.signal ?? 'SIGKILL', 'SIGKILL', `${seat.name} died at ${site}`)
  scene.hit(site)
  await stage.fillSeats()
  await scene.untilFresh()
}
