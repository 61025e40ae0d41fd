import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import {
  DEFAULT_RAMP_LIMITS,
  isMillraceError,
  MillraceError,
  newRamp,
  Secret,
  stepRamp,
  type WorkerId,
} from '@millrace/core'
import { freePort, startRedis } from '@millrace/testkit'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { RedisConnection, RedisStreamPermits } from '../src/index.ts'
import { SCRIPTS } from '../src/script.ts'
import { clientOn, clock, connect, never, testRedis, timers } from './redis-subject.ts'

const redis = await testRedis({ isOwn: true })
const control = new Redis(redis.url)
after(async () => {
  control.disconnect()
  await redis[Symbol.asyncDispose]()
})
/** `false`, or what to install. */
const noTls = spawnSync('openssl', ['version']).error ? 'openssl is missing: apt install openssl' : false
const ALICE = 'alice' as WorkerId
const BOB = 'bob' as WorkerId

async function eventually<T>(probe: () => Promise<T | null | false>, what: string): Promise<T> {
  const deadline = performance.now() + 10_000
  for (;;) {
    const answer = await probe().catch(() => null)
    if (answer) return answer
    assert.ok(performance.now() < deadline, `in time: ${what}`)
    await timers.sleep(20, never)
  }
}
const rejectsWith = (code: string, disposition: string) => (error: unknown) =>
  isMillraceError(error) && error.code === code && error.disposition === disposition

/** A TCP hop to Redis that can hold back what clients send, as a dead network does. */
async function slowLane(port: number) {
  let isHolding = false
  const held: (() => void)[] = []
  const sockets = new Set<Socket>()
  const server = createServer(client => {
    const upstream = connectTcp(port, '127.0.0.1')
    for (const socket of [client, upstream]) sockets.add(socket.on('error', () => {}))
    client.on('data', chunk => (isHolding ? held.push(() => upstream.write(chunk)) : upstream.write(chunk)))
    upstream.on('data', chunk => client.write(chunk))
    upstream.on('close', () => client.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address() as { port: number }
  return {
    url: `redis://127.0.0.1:${address.port}`,
    hold: () => {
      isHolding = true
    },
    deliver: () => {
      isHolding = false
      for (const send of held.splice(0)) send()
    },
    heldCount: () => held.length,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

describe('Redis adapter', () => {
  test('every script states its keys, arguments and answer, and the key count of its name is right', () => {
    for (const script of Object.values(SCRIPTS)) {
      const used = [...script.source.matchAll(/^[^-].*KEYS\[(\d)\]/gm)].map(match => Number(match[1]))
      assert.equal(Math.max(...used), script.keyCount, script.name)
      assert.match(script.source, /^--[\s\S]*KEYS\[1\][\s\S]*^-- return/m, script.name)
    }
  })

  test('goes on after SCRIPT FLUSH', async () => {
    await using connection = await connect(redis.url, redis.freshPrefix())
    const { leases } = clientOn(connection)
    const lease = await leases.acquire('r', ALICE, 5_000)
    await control.script('FLUSH')
    assert.equal(await leases.renew(lease!), true)
  })

  test('puts every key below redis.prefix', async () => {
    const prefix = redis.freshPrefix()
    await using connection = await connect(redis.url, prefix)
    const client = clientOn(connection)
    const before = new Set(await control.keys('*'))
    await client.leases.acquire('c/t-0', ALICE, 5_000)
    await client.membership.heartbeat({ workerId: ALICE, advertised: 'a:1', startedAtMs: 1 }, 5_000)
    const { term } = (await client.leadership.campaign(ALICE, 5_000))!
    await client.board.publish({ leader: ALICE, generation: { term, counter: 1 }, tasks: [], partitions: [] })
    await client.status.publish(ALICE, '{}', 5_000)
    await client.permits.take('coldStart', never)
    const added = (await control.keys('*')).filter(key => !before.has(key))
    assert.ok(added.length >= 8)
    assert.deepEqual(
      added.filter(key => !key.startsWith(prefix)),
      [],
    )
  })

  test('a renewal or acquisition that reaches Redis after its caller gave up changes nothing', async () => {
    const prefix = redis.freshPrefix()
    await using lane = await slowLane(Number(new URL(redis.url).port))
    await using connection = await connect(lane.url, prefix, 1_200) // commands time out after 299 ms
    await using observer = await connect(redis.url, prefix)
    const frozen = clientOn(connection)
    const lease = await frozen.leases.acquire('mine', ALICE, 2_000)
    await frozen.leadership.campaign(ALICE, 2_000)
    lane.hold()
    const outcomes = await Promise.allSettled([
      frozen.leases.renew(lease!),
      frozen.leases.acquire('other', ALICE, 60_000),
      frozen.leadership.campaign(ALICE, 60_000),
      frozen.membership.heartbeat({ workerId: ALICE, advertised: 'a:1', startedAtMs: 1 }, 60_000),
    ])
    for (const outcome of outcomes) {
      assert.equal(outcome.status, 'rejected')
      assert.ok(rejectsWith('REDIS_UNREACHABLE', 'retry')(outcome.reason), String(outcome.reason))
    }
    assert.ok(lane.heldCount() > 0, 'the commands are on their way')
    const before = await control.pttl(`${prefix}lease:mine`)
    await timers.sleep(100, never)
    lane.deliver()
    await timers.sleep(150, never)
    const live = clientOn(observer)
    assert.ok((await control.pttl(`${prefix}lease:mine`)) < before, 'not extended')
    assert.deepEqual([...(await live.leases.holders(['mine', 'other']))], [['mine', ALICE]])
    assert.deepEqual(await live.membership.members(), [])
    assert.ok((await control.pttl(`${prefix}leader`)) <= 2_000)
  })

  test('fails at once while Redis is away, and works again by itself when it is back', async () => {
    const port = await freePort()
    const first = await startRedis({ port })
    await using connection = await connect(first.url, 'p:')
    const { leases, permits } = clientOn(connection)
    await first.stop()
    await eventually(async () => !connection.isReady, 'disconnected')
    const startedAtMs = performance.now()
    await assert.rejects(leases.acquire('r', ALICE, 5_000), rejectsWith('REDIS_UNREACHABLE', 'retry'))
    assert.ok(performance.now() - startedAtMs < 200, 'nothing waits in a queue')
    const permit = permits.take('takeover', never)
    await permits.report({ latencyMs: 1, quotaExceeded: false })
    await using second = await startRedis({ port })
    assert.ok(second.pid)
    assert.ok(await eventually(() => leases.acquire('r', ALICE, 5_000), 'reconnected'))
    await permit
    assert.deepEqual([...(await leases.holders(['r']))], [['r', ALICE]])
  })

  test('READONLY, OOM and a missing right are errors that are tried again', async () => {
    await using server = await startRedis()
    const admin = new Redis(server.url)
    try {
      await using connection = await connect(server.url, 'p:')
      const { leases } = clientOn(connection)
      await admin.config('SET', 'maxmemory', '1')
      await assert.rejects(leases.acquire('r', ALICE, 5_000), rejectsWith('REDIS_REFUSED', 'retry'))
      await admin.config('SET', 'maxmemory', '0')
      assert.ok(await leases.acquire('r', ALICE, 5_000))
      const clientId = async () => /id=(\d+) .*name=millrace /.exec(String(await admin.client('LIST')))?.[1]
      const firstId = await clientId()
      await admin.replicaof('127.0.0.1', await freePort())
      await assert.rejects(leases.acquire('s', ALICE, 5_000), rejectsWith('REDIS_REFUSED', 'retry'))
      await admin.call('REPLICAOF', 'NO', 'ONE')
      assert.ok(await eventually(() => leases.acquire('s', ALICE, 5_000), 'reconnected after READONLY'))
      assert.notEqual(await clientId(), firstId, 'on a new connection: the old primary may answer for ever')
      await admin.call('ACL', 'SETUSER', 'default', '-evalsha', '-eval')
      await assert.rejects(leases.acquire('t', ALICE, 5_000), rejectsWith('REDIS_AUTH_FAILED', 'retry'))
    } finally {
      admin.disconnect()
    }
  })

  test('a wrong or missing password, a dead port and a malformed redis.url are told apart, never showing the password', async () => {
    await using server = await startRedis({ args: ['--requirepass', 'right'] })
    const open = (url: string) =>
      RedisConnection.open({ url: new Secret(url), prefix: 'p:', leaseTtlMs: 10_000 }, clock, never)
    const cases: [string, string][] = [
      [`redis://:s3cret@127.0.0.1:${server.port}`, 'REDIS_AUTH_FAILED'],
      [`redis://127.0.0.1:${server.port}`, 'REDIS_AUTH_FAILED'],
      [`redis://:s3cret@127.0.0.1:${await freePort()}`, 'REDIS_UNREACHABLE'],
      [`rediss://:s3cret@127.0.0.1:${server.port}`, 'REDIS_UNREACHABLE'],
      ['http://:s3cret@localhost', 'CONFIG_INVALID'],
      ['redis://:s3cret@local host', 'CONFIG_INVALID'],
    ]
    for (const [url, code] of cases) {
      await assert.rejects(open(url), error => {
        assert.ok(isMillraceError(error) && error.code === code, `${code}: ${error}`)
        assert.doesNotMatch(`${error.message} ${JSON.stringify(error)} ${error.stack}`, /s3cret/)
        return true
      })
    }
    await using connection = await open(`redis://:right@127.0.0.1:${server.port}/3`)
    assert.ok(await clientOn(connection).leases.acquire('r', ALICE, 5_000))
    const db3 = new Redis(server.url, { password: 'right', db: 3 })
    assert.deepEqual(await db3.keys('*'), ['p:lease:r'])
    db3.disconnect()
  })

  test('rediss:// speaks TLS and believes only a certificate it can trust', { skip: noTls }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-redis-tls-'))
    try {
      const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
      const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
      const pair = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', cert]
      execFileSync('openssl', ['req', '-x509', ...pair, '-days', '2', ...subject], { stdio: 'ignore' })
      const tlsPort = await freePort()
      const tls = [
        '--tls-port',
        String(tlsPort),
        '--tls-cert-file',
        cert,
        '--tls-key-file',
        key,
        '--tls-ca-cert-file',
        cert,
      ]
      await using _server = await startRedis({ args: [...tls, '--tls-auth-clients', 'no'] })
      for (const host of ['127.0.0.1', 'localhost']) {
        const settings = { url: new Secret(`rediss://${host}:${tlsPort}`), prefix: 'p:', leaseTtlMs: 10_000 }
        await assert.rejects(RedisConnection.open(settings, clock, never), /certificate/)
        const tlsCa = await readFile(cert, 'utf8')
        await using connection = await RedisConnection.open({ ...settings, tlsCa }, clock, never)
        assert.ok(await clientOn(connection).leases.acquire('r', ALICE, 5_000))
      }
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test('opening can be aborted', async () => {
    const server = createServer(() => {}) // accepts and never answers
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const stop = new AbortController()
    const settings = { url: new Secret(`redis://127.0.0.1:${port}`), prefix: 'p:', leaseTtlMs: 10_000 }
    const opening = RedisConnection.open(settings, clock, { signal: stop.signal })
    setImmediate(() => stop.abort(new Error('no longer wanted')))
    await assert.rejects(opening, /no longer wanted/)
    server.close()
  })

  test('two adapters of one worker id keep their terms rising although Redis forgot and its clock went back', async () => {
    const prefix = redis.freshPrefix()
    await using connection = await connect(redis.url, prefix)
    const { leadership } = clientOn(connection)
    const future = Date.now() + 3_600_000
    await control.set(`${prefix}term`, String(future))
    const ahead = (await leadership.campaign(ALICE, 5_000))!
    assert.equal(ahead.term, future + 1)
    await redis.wipe(prefix)
    assert.equal((await leadership.campaign(BOB, 5_000))!.term, future + 2, 'the worker remembers')
  })

  test('the script runs the ramp of core step by step', async () => {
    const limits = { burst: 10, permitsPerSecMax: 20, permitsPerHourMax: 200 }
    const event = fc.oneof(
      fc.record({ kind: fc.constant('take' as const), takeovers: fc.nat(15), coldStarts: fc.nat(15) }),
      fc.record({
        kind: fc.constant('created' as const),
        latencyMs: fc.constantFrom(5, 10_000, 10_001),
        isQuotaExceeded: fc.boolean(),
      }),
      fc.record({
        kind: fc.constant('inherit' as const),
        permitsPerSec: fc.constantFrom(2.5, 20),
        grantedLastHour: fc.nat(150),
      }),
    )
    const timed = fc.record({
      afterMs: fc.oneof(fc.nat(3_000), fc.nat(400_000), fc.constantFrom(0, 1_999, 2_000, 9_500, 9_999, 10_000)),
      event,
    })
    await fc.assert(
      fc.asyncProperty(fc.array(timed, { minLength: 1, maxLength: 60 }), async events => {
        const key = `${redis.freshPrefix()}ramp`
        let nowMs = 1_700_000_000_000
        let state = newRamp(limits, nowMs)
        await control.eval(SCRIPTS.streamRamp.source, 1, key, nowMs, 10, 20, 200, '', '', '', 'take', 0, 0)
        for (const { afterMs, event } of events) {
          nowMs += afterMs
          const known =
            event.kind === 'inherit' ? [state.bornAtMs - 1, event.permitsPerSec, event.grantedLastHour] : ['', '', '']
          const does =
            event.kind === 'take'
              ? ['take', event.takeovers, event.coldStarts]
              : event.kind === 'created'
                ? ['created', event.latencyMs, event.isQuotaExceeded ? 1 : 0]
                : ['take', 0, 0]
          const answer = (await control.eval(
            SCRIPTS.streamRamp.source,
            1,
            key,
            nowMs,
            10,
            20,
            200,
            ...known,
            ...does,
          )) as string[]
          let step = stepRamp(state, { ...event, nowMs }, limits)
          if (event.kind === 'inherit')
            step = stepRamp(step.state, { kind: 'take', takeovers: 0, coldStarts: 0, nowMs }, limits)
          state = step.state
          const [granted] = step.effects
          const expected = granted ? [granted.takeovers, granted.coldStarts, granted.retryAfterMs] : [0, 0, 0]
          assert.deepEqual(answer.slice(0, 3).map(Number), expected)
          assert.equal(Number(answer[4]), state.permitsPerSec)
          const stored = await control.hgetall(key)
          assert.equal(Number(stored['tokens']), state.tokens)
          const minutes = Object.entries(stored).filter(([field]) => /^m\d/.test(field))
          assert.ok(minutes.length <= 61)
        }
        await control.del(key)
      }),
      { numRuns: 40 },
    )
  })

  test('without Redis for long, permits trickle, takeovers first', async () => {
    let nowMs = 0
    const awake = { nowMs: () => nowMs, monotonicMs: () => nowMs }
    const dead = { run: () => Promise.reject(new MillraceError('REDIS_UNREACHABLE', 'retry', 'away')) }
    const permits = new RedisStreamPermits(
      dead as unknown as RedisConnection,
      {
        clock: awake,
        timers: {
          sleep: async ms => {
            await new Promise(resolve => setImmediate(resolve))
            nowMs += ms
          },
        },
        random: { nextUint32: () => 0, nextId: () => 'x' },
      },
      DEFAULT_RAMP_LIMITS,
    )
    const order: string[] = []
    await Promise.all([
      permits.take('coldStart', never).then(() => order.push(`cold ${nowMs}`)),
      permits.take('takeover', never).then(() => order.push(`takeover ${nowMs}`)),
    ])
    assert.deepEqual(order, ['takeover 5000', 'cold 10000'])
  })
})
