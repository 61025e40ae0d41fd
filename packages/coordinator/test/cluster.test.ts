import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { WorkerId } from '@millrace/core'
import fc from 'fast-check'
import { Cluster, connector, type TestWorker, TTL_MS } from './cluster.ts'

const TICKS_MS = 1_500 // leader's turn, follower's turn, lease tried again

function scenario(title: string, body: (cluster: Cluster) => Promise<void>): void {
  test(title, async () => {
    const cluster = new Cluster()
    try {
      await body(cluster)
    } finally {
      await cluster.close()
    }
  })
}

async function threeWorkers(cluster: Cluster): Promise<[TestWorker, TestWorker, TestWorker]> {
  cluster.connectors = [connector('c', 12, 12)]
  const workers = [cluster.add('a'), cluster.add('b'), cluster.add('c')] as [TestWorker, TestWorker, TestWorker]
  await cluster.untilCovered()
  await cluster.advance(5_000)
  cluster.clearLogs()
  return workers
}
const leaderOf = (cluster: Cluster): TestWorker => cluster.workers.find(w => w.coordinator.isLeader && !w.isFrozen)!

describe('coordination', () => {
  scenario('a cluster that starts together shares the partitions evenly, once, within seconds', async cluster => {
    cluster.connectors = [connector('c', 12, 12)]
    for (const id of ['a', 'b', 'c']) cluster.add(id)
    const tookMs = await cluster.untilCovered()
    assert.ok(tookMs <= 4_000, `${tookMs} ms`)
    assert.deepEqual(cluster.counts(), [4, 4, 4])
    assert.deepEqual(cluster.stopped(), [])
  })

  scenario('in a quiet cluster nothing moves and nothing is published', async cluster => {
    const [a] = await threeWorkers(cluster)
    const before = a.coordinator.assignment
    await cluster.advance(120_000)
    assert.deepEqual(
      cluster.workers.flatMap(w => w.log),
      [],
    )
    assert.deepEqual(a.coordinator.assignment, before)
  })

  scenario('partitions of a killed worker are taken over at its lease TTL, and nothing else stops', async cluster => {
    const [a, b, c] = await threeWorkers(cluster)
    const follower = [a, b, c].find(w => !w.coordinator.isLeader)!
    await follower.kill()
    const tookMs = await cluster.untilCovered()
    assert.ok(tookMs <= TTL_MS + TICKS_MS, `${tookMs} ms`)
    assert.deepEqual(cluster.stopped(), [])
  })

  scenario('the same when the killed worker led', async cluster => {
    await threeWorkers(cluster)
    const leader = leaderOf(cluster)
    const { term } = leader.coordinator.election!
    await leader.kill()
    const tookMs = await cluster.untilCovered()
    assert.ok(tookMs <= TTL_MS + TICKS_MS, `${tookMs} ms`)
    assert.deepEqual(cluster.stopped(), [])
    const next = cluster.workers.find(w => w !== leader && w.coordinator.isLeader)!
    assert.ok(next.coordinator.election!.term > term)
  })

  scenario('a new leader publishes under its own term what it finds, and nothing moves', async cluster => {
    const [a] = await threeWorkers(cluster)
    const before = a.coordinator.assignment!
    await cluster.redis.leadership.resign(leaderOf(cluster).id)
    await cluster.advance(5_000)
    const { term } = a.coordinator.election!
    assert.ok(term > before.generation.term)
    assert.equal((await cluster.redis.board.current())!.generation.term, term)
    assert.deepEqual(cluster.stopped(), [])
  })

  scenario('a leader that is back under an earlier term gives no number twice', async cluster => {
    cluster.connectors = [connector('c', 2, 2)]
    const a = cluster.add('a')
    await cluster.untilCovered()
    await cluster.advance(2_000)
    const { term } = a.coordinator.election!
    const restore = cluster.redis.snapshot()
    cluster.redis.wipe()
    await cluster.advance(4_000)
    restore()
    await cluster.advance(1_000)
    assert.equal(a.coordinator.election!.term, term)
    cluster.connectors = [connector('c', 2, 2), connector('d', 2, 2)]
    await cluster.untilCovered()
  })

  scenario('a new worker gets its share, moved from drained partitions, while the others go on', async cluster => {
    await threeWorkers(cluster)
    const d = cluster.add('d')
    await cluster.advance(4_000)
    assert.equal(d.working.size, 3)
    assert.equal(cluster.stopped().length, 3)
    assert.ok(cluster.stopped().every(line => line.startsWith('drain')))
    assert.ok(cluster.isCovered())
  })

  scenario('a worker that takes long to drain keeps its lease, and its successor waits for it', async cluster => {
    const workers = await threeWorkers(cluster)
    for (const worker of workers) worker.drainMs = 20_000
    const d = cluster.add('d')
    await cluster.advance(15_000)
    assert.equal(d.working.size, 0)
    await cluster.advance(10_000)
    assert.equal(d.working.size, 3)
  })

  scenario('an orderly shutdown hands over in about a second, leader or not', async cluster => {
    await threeWorkers(cluster)
    await leaderOf(cluster).shutDown()
    assert.ok(cluster.isCovered())
    assert.equal(cluster.stopped().length, 4)
    await leaderOf(cluster).shutDown()
    assert.deepEqual(
      cluster.counts().sort((x, y) => x - y),
      [0, 0, 12],
    )
  })

  scenario('a frozen worker loses its partitions at its TTL and stops at once when it wakes', async cluster => {
    const [a, b, c] = await threeWorkers(cluster)
    for (const frozen of [a, b, c].filter(w => !w.coordinator.isLeader).slice(0, 1)) {
      const had = [...frozen.working.keys()]
      frozen.freeze()
      const tookMs = await cluster.untilCovered()
      assert.ok(tookMs <= TTL_MS + TICKS_MS, `${tookMs} ms`)
      await cluster.advance(5_000)
      await frozen.wake()
      assert.ok(
        frozen.log.every(line => line.startsWith('abandon')),
        `${frozen.log}`,
      )
      assert.deepEqual(frozen.working.size, 0, 'it let go before anything else')
      await cluster.advance(10_000)
      assert.ok(had.length > 0 && cluster.isCovered())
      assert.deepEqual(cluster.counts(), [4, 4, 4], 'and gets a share again')
    }
  })

  scenario('a frozen leader that wakes publishes nothing and follows the new one', async cluster => {
    await threeWorkers(cluster)
    const old = leaderOf(cluster)
    old.freeze()
    await cluster.untilCovered()
    const now = leaderOf(cluster)
    assert.notEqual(now, old)
    await old.wake()
    assert.equal(old.working.size, 0)
    await cluster.advance(10_000)
    assert.equal(leaderOf(cluster), now)
    assert.equal(old.coordinator.election?.leader, now.id)
    assert.deepEqual(cluster.counts(), [4, 4, 4])
  })

  scenario('FLUSHALL costs seconds and stops nothing that runs, whoever is elected then', async cluster => {
    await threeWorkers(cluster)
    const generation = leaderOf(cluster).coordinator.assignment!.generation
    for (let i = 0; i < 3; i++) {
      cluster.redis.wipe()
      await cluster.advance(8_000)
      assert.deepEqual(
        cluster.workers.flatMap(w => w.log),
        [],
      )
      assert.deepEqual(cluster.counts(), [4, 4, 4])
      assert.equal(
        cluster.workers.reduce((n, w) => n + cluster.redis.heldBy(w.id).length, 0),
        12,
        'leases are back',
      )
    }
    const now = (await cluster.redis.board.current())!.generation
    assert.ok(now.term > generation.term)
    await cluster.workers[1]!.kill()
    await cluster.untilCovered()
  })

  scenario('a Redis that goes back in time costs seconds and moves nothing', async cluster => {
    const [a, b, c] = await threeWorkers(cluster)
    const restoreOld = cluster.redis.snapshot()
    const follower = [a, b, c].find(w => !w.coordinator.isLeader)!
    await follower.kill()
    await cluster.untilCovered()
    cluster.add('fresh')
    await cluster.advance(15_000)
    assert.deepEqual(cluster.counts().toSorted(), [0, 4, 4, 4], 'the dead one has none')
    const restoreNew = cluster.redis.snapshot()
    cluster.clearLogs()
    for (const restore of [restoreOld, restoreNew, restoreOld]) {
      restore()
      await cluster.advance(10_000)
      assert.deepEqual(cluster.stopped(), [])
      assert.deepEqual(cluster.counts().toSorted(), [0, 4, 4, 4], 'the dead one has none')
    }
  })

  scenario(
    'FLUSHALL while a new process is elected first: it learns from the leases what runs where',
    async cluster => {
      await threeWorkers(cluster)
      cluster.redis.wipe()
      const fresh = cluster.add('fresh')
      await cluster.redis.leadership.campaign(fresh.id, TTL_MS) // wins the election for it
      await cluster.advance(10_000)
      assert.equal(leaderOf(cluster), fresh)
      assert.equal(fresh.working.size, 3)
      assert.equal(cluster.stopped().length, 3, `only its own share moved: ${cluster.stopped()}`)
    },
  )

  scenario('an outage of Redis of any length stops nothing, and the return starts no stampede', async cluster => {
    await threeWorkers(cluster)
    for (const outageMs of [1_000, 6_000, 12_000, 120_000]) {
      cluster.redis.mode = 'down'
      await cluster.advance(outageMs)
      assert.equal(
        cluster.workers[0]!.ownership.isConfirmed(cluster.workers[0]!.ownership.owned[0]!),
        outageMs < TTL_MS,
      )
      cluster.redis.mode = 'up'
      await cluster.advance(10_000)
      assert.deepEqual(
        cluster.workers.flatMap(w => w.log),
        [],
        `after ${outageMs} ms`,
      )
      assert.ok(cluster.workers.every(w => w.ownership.owned.every(p => w.ownership.isConfirmed(p))))
    }
  })

  scenario('an outage that outlasts some memberships and not others declares nobody dead', async cluster => {
    cluster.connectors = [connector('c', 12, 12)]
    for (const id of ['a', 'b', 'c']) {
      cluster.add(id)
      await cluster.advance(1_170) // heartbeats and turns of the three do not coincide
    }
    await cluster.untilCovered()
    await cluster.advance(5_000)
    cluster.clearLogs()
    for (let outageMs = 7_000; outageMs <= 10_000; outageMs += 250) {
      cluster.redis.mode = 'down'
      await cluster.advance(outageMs)
      cluster.redis.mode = 'up'
      await cluster.advance(7_100)
      assert.deepEqual(
        cluster.workers.flatMap(w => w.log),
        [],
        `after ${outageMs} ms`,
      )
    }
  })

  scenario(
    'who lost a lease to another does not contend for it for a TTL, so that the two do not take turns',
    async cluster => {
      cluster.connectors = [connector('c', 2, 2)]
      const a = cluster.add('a')
      await cluster.untilCovered()
      a.freeze()
      await cluster.advance(TTL_MS + 1_000)
      const stranger = await cluster.redis.leases.acquire('c/c-0', 'stranger' as WorkerId, TTL_MS)
      await a.wake()
      assert.deepEqual([...a.working.keys()], ['c/c-1'])
      await cluster.redis.leases.release(stranger!)
      await cluster.advance(TTL_MS - 1_000)
      assert.deepEqual([...a.working.keys()], ['c/c-1'])
      await cluster.advance(TTL_MS)
      assert.ok(cluster.isCovered())
    },
  )

  scenario('a worker killed during an outage is replaced after it', async cluster => {
    const [, b] = await threeWorkers(cluster)
    cluster.redis.mode = 'down'
    await cluster.advance(2_000)
    await b.kill()
    await cluster.advance(20_000)
    assert.equal(cluster.isCovered(), false, 'nothing is acquired without Redis')
    cluster.redis.mode = 'up'
    const tookMs = await cluster.untilCovered()
    assert.ok(tookMs <= 5_000, `${tookMs} ms`)
    assert.deepEqual(cluster.stopped(), [])
  })

  scenario('commands whose answers are lost do no harm', async cluster => {
    await threeWorkers(cluster)
    for (let i = 0; i < 5; i++) {
      cluster.redis.mode = 'answersLost'
      await cluster.advance(1_000)
      cluster.redis.mode = 'up'
      await cluster.advance(3_000)
    }
    assert.deepEqual(
      cluster.workers.flatMap(w => w.log),
      [],
    )
  })

  scenario(
    'connectors come and go; stopping one frees its tasks, pausing does not; new partitions are found',
    async cluster => {
      await threeWorkers(cluster)
      const [first] = cluster.connectors!
      cluster.connectors = [first!, connector('d', 6, 'auto')]
      await cluster.advance(2_000)
      assert.ok(cluster.isCovered())
      cluster.connectors = [{ ...first!, targetState: 'PAUSED' }, { ...connector('d', 8, 'auto') }]
      await cluster.advance(2_000)
      assert.ok(cluster.isCovered())
      assert.deepEqual(cluster.stopped(), [])
      cluster.connectors = [{ ...first!, targetState: 'STOPPED' }, connector('d', 8, 'auto')]
      await cluster.advance(4_000)
      assert.ok(cluster.isCovered())
      assert.ok(
        cluster.counts().every(n => n >= 2 && n <= 3),
        `${cluster.counts()}`,
      )
      cluster.connectors = []
      await cluster.advance(2_000)
      assert.deepEqual(cluster.counts(), [0, 0, 0])
    },
  )

  scenario('a connector re-created under its name ends the old work before the new begins', async cluster => {
    await threeWorkers(cluster)
    cluster.connectors = [{ ...connector('c', 12, 12), incarnation: 'c-2' }]
    await cluster.advance(3_000)
    assert.equal(cluster.stopped().length, 12)
    assert.ok(cluster.workers.flatMap(w => [...w.working.values()]).every(p => p.incarnation === 'c-2'))
    assert.ok(cluster.isCovered())
  })

  scenario('while the catalog or the partitions of a connector are not known, what runs stays', async cluster => {
    await threeWorkers(cluster)
    cluster.connectors = null
    await leaderOf(cluster).kill()
    await cluster.advance(15_000)
    assert.deepEqual(cluster.stopped(), [])
    cluster.connectors = [{ ...connector('c', 12, 12), partitions: null }]
    await cluster.advance(3_000)
    assert.equal(
      cluster.counts().reduce((a, b) => a + b),
      12,
    )
    assert.deepEqual(cluster.stopped(), [])
  })

  scenario(
    'with a rebalance delay, a worker that comes back to its address gets its tasks back and nothing else moves',
    async cluster => {
      cluster.connectors = [connector('c', 12, 12)]
      for (const id of ['a', 'b', 'c']) cluster.add(id, { rebalanceDelayMs: 30_000 })
      await cluster.untilCovered()
      const victim = cluster.workers.find(w => !w.coordinator.isLeader)!
      const had = [...victim.working.keys()].sort()
      await victim.kill()
      await cluster.advance(15_000)
      assert.equal(cluster.isCovered(), false)
      const back = cluster.add('again', { rebalanceDelayMs: 30_000, advertised: `${victim.id}:8083` })
      await cluster.advance(3_000)
      assert.deepEqual([...back.working.keys()].sort(), had)
      assert.deepEqual(cluster.stopped(), [])
    },
  )

  scenario('with a rebalance delay, a worker that does not come back is replaced after it', async cluster => {
    cluster.connectors = [connector('c', 12, 12)]
    for (const id of ['a', 'b', 'c']) cluster.add(id, { rebalanceDelayMs: 30_000 })
    await cluster.untilCovered()
    await cluster.workers.find(w => !w.coordinator.isLeader)!.kill()
    const tookMs = await cluster.untilCovered()
    assert.ok(tookMs > 30_000 && tookMs <= 30_000 + TTL_MS + TICKS_MS, `${tookMs} ms`)
  })

  test('after any sequence of faults every partition has exactly one worker and the shares are even', async () => {
    const fault = fc.record({
      kind: fc.constantFrom('add', 'kill', 'freeze', 'wake', 'wipe', 'down', 'up', 'lose', 'shutDown'),
      pick: fc.nat(10),
      thenMs: fc.constantFrom(0, 200, 1_000, 4_000, 11_000),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(fault, { minLength: 1, maxLength: 12 }), async faults => {
        const cluster = new Cluster()
        cluster.connectors = [connector('c', 10, 10)]
        for (const id of ['a', 'b']) cluster.add(id)
        const alive = () => cluster.workers.filter(w => !dead.has(w))
        const dead = new Set<TestWorker>()
        await cluster.advance(3_000)
        for (const { kind, pick, thenMs } of faults) {
          const worker = alive()[pick % Math.max(1, alive().length)]
          if (kind === 'add' && alive().length < 5) cluster.add(`w${cluster.workers.length}`)
          if (kind === 'wipe') cluster.redis.wipe()
          if (kind === 'down') cluster.redis.mode = 'down'
          if (kind === 'lose') cluster.redis.mode = 'answersLost'
          if (kind === 'up') cluster.redis.mode = 'up'
          if (kind === 'freeze') worker?.freeze()
          if (kind === 'wake') await worker?.wake()
          if (kind === 'kill' && worker && alive().length > 1) {
            dead.add(worker)
            await worker.kill()
          }
          if (kind === 'shutDown' && worker && !worker.isFrozen && cluster.redis.mode === 'up' && alive().length > 1) {
            dead.add(worker)
            await worker.shutDown()
          }
          // A worker frozen or cut off may overlap with its successor: the journal's Claim settles that, not this.
          await cluster.advance(thenMs, { mayOverlap: true })
        }
        cluster.redis.mode = 'up'
        for (const worker of cluster.workers) await worker.wake()
        await cluster.advance(30_000, { mayOverlap: true })
        cluster.assertNoOverlap()
        assert.ok(cluster.isCovered(), 'every partition is worked on')
        const counts = alive().map(w => w.working.size)
        assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, `${counts}`)
        cluster.clearLogs()
        await cluster.advance(10_000)
        assert.deepEqual(
          cluster.workers.flatMap(w => w.log),
          [],
          'and it stays so',
        )
        await cluster.close()
      }),
      { numRuns: 25 },
    )
  })
})
