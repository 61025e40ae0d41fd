import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Logger, MillraceError, type WorkerId } from '@millrace/core'
import { CoordinationTwin, VirtualTime } from '@millrace/testkit'
import { confirmedUntilMs, LEASE_DECISIONS, LeaseKeeper, RedisWatch } from '../src/index.ts'

const ME = 'me' as WorkerId
const OTHER = 'other' as WorkerId
const TTL_MS = 10_000
const HEARTBEAT_MS = 3_000

function setUp() {
  const time = new VirtualTime()
  const redis = new CoordinationTwin({ clock: time, timers: time })
  const warnings: string[] = []
  const log: Logger = {
    error: (_fields, sentence) => void warnings.push(`ERROR ${sentence}`),
    warn: (_fields, sentence) => void warnings.push(sentence),
    info: (_fields, sentence) => void warnings.push(sentence),
    debug() {},
    child: () => log,
  }
  const lost: string[] = []
  const watch = new RedisWatch({ log, clock: time }, 'leases')
  const random = { nextUint32: () => 0, nextId: () => 'x' }
  const keeper = new LeaseKeeper(
    { leases: redis.leases, clock: time, timers: time, random, watch },
    { workerId: ME, ttlMs: TTL_MS, heartbeatMs: HEARTBEAT_MS },
    resource => lost.push(resource),
  )
  const stop = new AbortController()
  const run = () => keeper.run({ signal: stop.signal }).catch(() => {})
  return { time, redis, keeper, lost, warnings, watch, stop, run }
}

test('the decision table: only a lease that somebody else holds stops work', () => {
  assert.deepEqual(LEASE_DECISIONS, {
    renewed: 'confirm',
    tokenGone: 'reacquire',
    reacquired: 'confirm',
    heldByAnother: 'letGo',
    unreachable: 'keepUnconfirmed',
  })
})

test('a lease is confirmed from before its command was sent, less the drift of clocks', () => {
  assert.equal(confirmedUntilMs(1_000, 10_000), 10_898)
})

test('a lease that was slow to be granted is confirmed for the shorter rest', async () => {
  const { time, redis, keeper } = setUp()
  const { acquire } = redis.leases
  redis.leases.acquire = async (...args) => {
    const lease = await acquire(...args)
    time.jump(4_000)
    return lease
  }
  await keeper.acquire('r')
  time.jump(5_800)
  assert.equal(keeper.isConfirmed('r'), true)
  time.jump(200)
  assert.equal(keeper.isConfirmed('r'), false)
})

test('renews at each heartbeat, so that nobody else gets the lease', async () => {
  const { time, redis, keeper, lost, stop, run } = setUp()
  await keeper.acquire('r')
  const running = run()
  for (let i = 0; i < 20; i++) {
    await time.advance(2_500)
    assert.equal(keeper.isConfirmed('r'), true)
    assert.equal(await redis.leases.acquire('r', OTHER, TTL_MS), null)
  }
  stop.abort()
  await running
  assert.deepEqual(lost, [])
})

test('without Redis it keeps what it holds, unconfirmed, and takes nothing new; with Redis back it confirms again', async () => {
  const { time, redis, keeper, lost, warnings, stop, run } = setUp()
  await keeper.acquire('r')
  const running = run()
  redis.mode = 'down'
  await time.advance(60_000)
  assert.equal(keeper.isHeld('r'), true)
  assert.equal(keeper.isConfirmed('r'), false)
  await assert.rejects(
    keeper.acquire('s'),
    (error: unknown) => error instanceof MillraceError && error.disposition === 'retry',
  )
  redis.mode = 'up'
  await time.advance(1_000)
  assert.equal(keeper.isConfirmed('r'), true)
  assert.deepEqual(lost, [])
  assert.equal(warnings.length, 2, `said once that it went and once that it came: ${warnings}`)
  stop.abort()
  await running
})

test('a lease that another took is lost, once, and not contended for', async () => {
  const { time, redis, keeper, lost, stop, run } = setUp()
  await keeper.acquire('r')
  await keeper.acquire('s')
  time.jump(TTL_MS + 1) // frozen
  assert.ok(await redis.leases.acquire('r', OTHER, 60_000))
  const running = run()
  await time.advance(10_000)
  assert.deepEqual(lost, ['r'])
  assert.equal(keeper.isHeld('r'), false)
  assert.equal(keeper.isConfirmed('s'), true, 'nobody wanted the other one: it is ours again')
  stop.abort()
  await running
})

test('a lease released while its renewal is under way is not taken again', async () => {
  const { redis, keeper } = setUp()
  await keeper.acquire('r')
  redis.wipe()
  const renewal = keeper.renewAll()
  await Promise.resolve()
  await keeper.release('r')
  await renewal
  assert.equal(keeper.isHeld('r'), false)
  assert.deepEqual(redis.heldBy(ME), [])
})

test('disposal frees everything, and is quiet when Redis is away', async () => {
  const { redis, keeper } = setUp()
  await keeper.acquire('r')
  await keeper.acquire('s')
  await keeper[Symbol.asyncDispose]()
  assert.deepEqual(redis.heldBy(ME), [])
  await keeper.acquire('r')
  redis.mode = 'down'
  await keeper[Symbol.asyncDispose]()
  assert.equal(keeper.isHeld('r'), false)
})

test('an answer that means a defect is logged as an error; a bug is not swallowed', () => {
  const { watch, warnings } = setUp()
  watch.failed(new MillraceError('REDIS_REFUSED', 'failPartition', 'WRONGTYPE'))
  assert.match(warnings[0]!, /^ERROR/)
  assert.throws(() => watch.failed(new TypeError('bug')), /bug/)
})
