// Rows about Redis: leases are advice, so whatever it does or forgets, running partitions go on and nothing is lost or doubled.
import assert from 'node:assert/strict'
import { LEASE_TTL_MS } from '../../e2e/support/stage.ts'
import type { Row } from '../row.ts'
import type { Scene } from '../scene.ts'
import { GROUP, SEATS, type Seat } from '../stage.ts'

/** The matrix says 1 s; the rest is for two busy cores. */
const WAIT_MS_MAX = 1_000 + 3_000

export const REDIS_ROWS: readonly Row[] = [
  {
    id: '8',
    name: 'two coordinators',
    how: 'the copy of Redis is made a primary of its own, and the leader reaches only the old one: two clusters, each with a leader',
    scaled: '6 × TTL',
    async run(scene) {
      const { stage } = scene
      const [old, copy] = stage.sentinel.nodes
      const leader = await stage.leader()
      stage.sentinel.setFailover(false)
      const before = await scene.epochs()
      for (const seat of stage.seats) seat.redisPort = seat === leader ? old.port : copy.port
      await copy.ask('REPLICAOF NO ONE')
      for (const seat of stage.seats) seat.links.redis.cutAll()
      leader.isCutOff = true
      const splitMs = scene.lasting(60_000, 6 * LEASE_TTL_MS)
      const since = performance.now()
      const leaders = await stage.until('each side has a leader', async () => {
        const [a, b] = [await old.ask(`GET ${GROUP}:leader`), await copy.ask(`GET ${GROUP}:leader`)]
        const isOld = a?.includes(leader.workerId) === true
        const isNew = stage.seats.some(seat => seat !== leader && b?.includes(seat.workerId) === true)
        return isOld && isNew ? 2 : null
      })
      scene.hit('leaders at once', leaders)
      while (performance.now() - since < splitMs) await scene.untilFresh()
      const claims = (await scene.epochs()).map((epoch, p) => epoch - (before[p] ?? 0))
      // A claim that loses waits for lease TTL and more before it tries again; both sides may.
      const most = 2 * Math.ceil((performance.now() - since) / LEASE_TTL_MS) + 2
      assert.ok(Math.max(...claims) <= most, `claims of each partition in the split: ${claims}, at most ${most}`)
      await copy.ask(`REPLICAOF 127.0.0.1 ${old.port}`)
      for (const seat of stage.seats) {
        seat.redisPort = null
        seat.links.redis.cutAll()
      }
      leader.isCutOff = false
      await stage.until('all are members of one cluster', () => allMembers(scene))
    },
  },
  {
    id: '12',
    name: 'Redis FLUSHALL under load',
    how: 'FLUSHALL three times on the primary while rows flow',
    async run(scene) {
      const waitMs = await withoutNewClaims(scene, async () => {
        for (let wipe = 0; wipe < 3; wipe++) {
          assert.match(await scene.stage.redisCommand('FLUSHALL'), /^\+OK/)
          scene.hit('wipes')
          await scene.untilFresh()
        }
      })
      assert.ok(waitMs < WAIT_MS_MAX, `a record waited ${waitMs} ms for its row`)
      await scene.stage.until('Redis is filled anew', async () =>
        Number((await scene.stage.redisCommand('DBSIZE')).slice(1)) > 0 ? true : null,
      )
    },
  },
  {
    id: '13',
    name: 'Redis killed for 10 min',
    how: 'kill -9 on primary and replica, the sentinel stopped; both start again, empty',
    scaled: '4 × TTL',
    async run(scene) {
      const { stage } = scene
      stage.sentinel.setFailover(false)
      await withoutNewClaims(scene, async () => {
        const since = performance.now()
        for (const node of stage.sentinel.nodes) {
          node.child().kill('SIGKILL')
          await node.child().exited
          scene.hit('servers killed')
        }
        const awayMs = scene.lasting(600_000, 4 * LEASE_TTL_MS)
        while (performance.now() - since < awayMs) await scene.untilFresh()
        const { status } = await stage.rest('GET', `/connectors/${scene.name}`)
        assert.equal(status, 200, 'what Kafka holds is told without Redis')
        const back = performance.now()
        for (const node of stage.sentinel.nodes) await node.restart()
        await stage.until('all are members again', () => allMembers(scene))
        scene.recoveryMs = performance.now() - back
      })
    },
  },
  {
    id: '14',
    name: 'Redis rolled back',
    how: 'SAVE; a worker is replaced; the primary is killed and comes back with the old dump.rdb',
    async run(scene) {
      const { stage } = scene
      stage.sentinel.setFailover(false)
      const primary = await stage.sentinel.primary()
      assert.match((await primary.ask('SAVE')) ?? '', /^\+OK/)
      const seat = await scene.victim()
      const gone = seat.workerId
      await seat.end()
      await stage.startAt(seat)
      await withoutNewClaims(scene, async () => {
        primary.child().kill('SIGKILL')
        await primary.child().exited
        await primary.restart()
        const board = (await primary.ask(`HGET ${GROUP}:board body`)) ?? ''
        scene.hit('stale assignments restored', board.includes(gone) ? 1 : 0)
        await scene.untilFresh()
        await stage.until('all are members again', () => allMembers(scene))
        await scene.sleep(2 * LEASE_TTL_MS)
        await scene.untilFresh()
      })
    },
  },
  {
    id: '15',
    name: 'failover loses acknowledged writes, and the old primary stays reachable, read-only',
    how: 'SIGSTOP on the replica while the primary takes writes, then SIGSTOP on the primary; the sentinel promotes the stale copy; SIGCONT',
    async run(scene) {
      const { stage } = scene
      const primary = await stage.sentinel.primary()
      const replica = stage.sentinel.nodes.find(node => node !== primary)
      assert.ok(replica !== undefined)
      replica.child().kill('SIGSTOP')
      // What was sent to it would wait in its socket, and not be lost.
      await primary.ask('CLIENT KILL TYPE replica')
      await scene.sleep(2_000) // heartbeats and leases that the copy will not know
      const written = offsetOf(await primary.ask('INFO replication'))
      primary.child().kill('SIGSTOP')
      replica.child().kill('SIGCONT')
      const copied = offsetOf(await replica.ask('INFO replication'))
      const stopped = performance.now()
      await stage.until('the sentinel promotes the copy', async () =>
        (await stage.sentinel.primary()) === replica ? true : null,
      )
      scene.hit('failovers')
      scene.hit('bytes of acknowledged writes lost', Math.max(0, written - copied))
      primary.child().kill('SIGCONT')
      await scene.untilRecovered(stopped)
      await stage.until('the old primary is read-only', async () =>
        (await primary.ask('ROLE'))?.includes('slave') === true ? true : null,
      )
      await stage.until('all are members of the new primary', () => allMembers(scene))
    },
  },
  ...(['slow by 5 s', 'half-open'] as const).map(
    (what, i): Row => ({
      id: `16${'ab'[i]}`,
      name: `Redis ${what}`,
      how:
        what === 'half-open'
          ? 'the proxy of one worker stops passing bytes, both ways'
          : 'the proxy of one worker delays each answer by 5 s',
      scaled: '3 × TTL',
      async run(scene) {
        const seat = await scene.victim()
        const link = seat.links.redis
        const before = link.counts.held
        const since = performance.now()
        seat.isCutOff = true
        link.set(what === 'half-open' ? { up: 'frozen', down: 'frozen' } : { down: { latencyMs: 5_000 } })
        const awayMs = scene.lasting(60_000, 3 * LEASE_TTL_MS)
        while (performance.now() - since < awayMs) await scene.untilFresh()
        scene.hit('pieces held back', link.counts.held - before)
        link.clear()
        seat.isCutOff = false
        await scene.stage.until('all are members again', () => allMembers(scene))
        await scene.owned(seat)
      },
    }),
  ),
  {
    id: '17',
    name: 'Redis out of memory, scripts flushed',
    how: 'CONFIG SET maxmemory 1 with noeviction; later SCRIPT FLUSH',
    async run(scene) {
      const { stage } = scene
      await withoutNewClaims(scene, async () => {
        const primary = await stage.sentinel.primary()
        const errors = async (name: string): Promise<number> =>
          Number(
            new RegExp(`errorstat_${name}:count=(\\d+)`).exec((await primary.ask('INFO errorstats')) ?? '')?.[1] ?? 0,
          )
        const [oom, noScript] = [await errors('OOM'), await errors('NOSCRIPT')]
        await primary.ask('CONFIG SET maxmemory 1')
        try {
          const since = performance.now()
          while (performance.now() - since < 2 * LEASE_TTL_MS) await scene.untilFresh()
        } finally {
          await primary.ask('CONFIG SET maxmemory 0')
        }
        scene.hit('commands refused: OOM', (await errors('OOM')) - oom)
        await primary.ask('SCRIPT FLUSH')
        await stage.until('a script is sent anew', async () => ((await errors('NOSCRIPT')) > noScript ? true : null))
        scene.hit('commands refused: NOSCRIPT', (await errors('NOSCRIPT')) - noScript)
        await stage.until('all are members again', () => allMembers(scene))
      })
    },
  },
  ...cutOffs().map(
    ([what, cut], i): Row => ({
      id: `49${'abcdefg'[i]}`,
      name: `one worker without ${what}`,
      how: 'its proxies stop passing bytes, both ways; all others pass',
      scaled: '3 × TTL',
      async run(scene) {
        const seat = await scene.victim()
        const links = cut(seat)
        const held = (): number => links.reduce((sum, link) => sum + link.counts.held, 0)
        const before = held()
        const others = (await scene.partitions()).filter(p => p.worker !== seat.workerId).map(p => p.partition)
        seat.isCutOff = true
        for (const link of links) link.set({ up: 'frozen', down: 'frozen' })
        const since = performance.now()
        const awayMs = scene.lasting(60_000, 3 * LEASE_TTL_MS)
        while (performance.now() - since < awayMs) await scene.untilFresh(others)
        scene.hit('pieces held back', held() - before)
        const healed = performance.now()
        for (const link of links) link.clear()
        seat.isCutOff = false
        await scene.untilRecovered(healed)
      },
    }),
  ),
]

/** Every way of being cut off from some of the three and not from the others: 2³ − 1. */
function cutOffs(): readonly (readonly [string, (seat: Seat) => Seat['allLinks']])[] {
  const parts: readonly (readonly [string, (seat: Seat) => Seat['allLinks']])[] = [
    ['Redis', ({ links }) => [links.redis]],
    ['BigQuery', ({ links }) => [links.grpc, links.rest]],
    ['Kafka', ({ links }) => links.kafka],
  ]
  return Array.from({ length: 7 }, (_, i) => {
    const chosen = parts.filter((_part, bit) => ((i + 1) & (1 << bit)) !== 0)
    return [chosen.map(([name]) => name).join(' and '), (seat: Seat) => chosen.flatMap(([, of]) => of(seat))] as const
  })
}

/** Nothing of it is a reason to claim anything anew. Answers the longest that a record waited for its row. */
async function withoutNewClaims(scene: Scene, during: () => Promise<void>): Promise<number> {
  await scene.untilSettled()
  const before = await scene.epochs()
  const waitMs = await scene.longestWait(during)
  assert.deepEqual(await scene.untilKnown(), before, 'every claim is the one it was')
  return waitMs
}

async function allMembers(scene: Scene): Promise<true | null> {
  const { body } = await scene.stage.rest('GET', '/api/v1/workers')
  return (body as { workers: readonly unknown[] }).workers.length === SEATS ? true : null
}

/** master_repl_offset: how far a server's own history goes. */
const offsetOf = (info: string | null): number => Number(/master_repl_offset:(\d+)/.exec(info ?? '')?.[1] ?? 0)
