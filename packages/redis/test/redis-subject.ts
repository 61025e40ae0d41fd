// A Redis for tests: the one MILLRACE_TEST_REDIS names, below a prefix of its own, or one started here.
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Clock, DEFAULT_RAMP_LIMITS, type RampLimits, type Random, Secret, type Timers } from '@millrace/core'
import { type CoordinationClient, startRedis } from '@millrace/testkit'
import { Redis } from 'ioredis'
import {
  RedisAssignmentBoard,
  RedisConnection,
  RedisLeadership,
  RedisLeases,
  RedisMembership,
  RedisStatusBoard,
  RedisStreamPermits,
} from '../src/index.ts'

export const never: { signal: AbortSignal } = { signal: new AbortController().signal }
export const clock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() }
export const timers: Timers = { sleep: (ms, options) => sleep(ms, undefined, options) }
export const random: Random = {
  nextUint32: () => randomBytes(4).readUInt32LE(),
  nextId: () => randomBytes(12).toString('hex'),
}

export type TestRedis = AsyncDisposable & {
  readonly url: string
  freshPrefix(): string
  wipe(prefix: string): Promise<void>
}

/** @param options.isOwn for tests that look at or change the whole server. */
export async function testRedis(options: { isOwn?: boolean } = {}): Promise<TestRedis> {
  const given = options.isOwn ? undefined : process.env['MILLRACE_TEST_REDIS']
  const started = given === undefined ? await startRedis() : null
  const url = given ?? started!.url
  const control = new Redis(url)
  return {
    url,
    freshPrefix: () => `test-${random.nextId()}:`,
    wipe: async prefix => {
      await control.eval(
        "for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do redis.call('DEL', key) end",
        0,
        prefix,
      )
    },
    [Symbol.asyncDispose]: async () => {
      control.disconnect()
      await started?.stop()
    },
  }
}

export const connect = (url: string, prefix: string, leaseTtlMs = 10_000): Promise<RedisConnection> =>
  RedisConnection.open({ url: new Secret(url), prefix, leaseTtlMs }, clock, never)

export function clientOn(connection: RedisConnection, limits: RampLimits = DEFAULT_RAMP_LIMITS): CoordinationClient {
  return {
    leases: new RedisLeases(connection, random),
    membership: new RedisMembership(connection),
    leadership: new RedisLeadership(connection),
    board: new RedisAssignmentBoard(connection),
    status: new RedisStatusBoard(connection),
    permits: new RedisStreamPermits(connection, { clock, timers, random }, limits),
  }
}
